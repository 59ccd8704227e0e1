/*
 * test_mustache.c: what the official specification does not say and we promise: escapes, strictness,
 * messages, limits, check. The specification itself is the work of test_mustache_spec.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"
#include "model/json_datum.h"
#include "model/mustache.h"

/* --- the harness -------------------------------------------------------------------------- */

/* arg: a JSON object of partials */
static int
json_partial(const char *name, struct mustache_source *out, void *arg, struct err *e)
{
	const json_t *text = json_object_get(arg, name);

	if (strcmp(name, "unreadable") == 0)
		return err_set(e, ERR_DENIED, "not allowed");
	if (text == NULL)
		return 0;
	out->text = mem_strdup(json_string_value(text));
	out->len = json_string_length(text);
	out->label = mem_printf("%s.mustache", name);
	return 0;
}

struct rendering {
	enum escape escape;
	bool is_strict;
	struct str out;
	struct err err;
};

/* 0, or -1 with r->err */
static int
render(struct rendering *r, const char *source, size_t len, json_t *partials, const json_t *data)
{
	struct datum root = json_datum(data);
	struct mustache *m;
	int rc;

	str_adds(&r->out, "kept|");
	m = mustache_new(source, len, "t.mustache", json_partial, partials, &r->err);
	if (m == NULL)
		return -1;
	rc = mustache_render(m, &root, r->escape, r->is_strict, &r->out, &r->err);
	if (rc == -1) {
		assert_int_equal(r->out.len, strlen("kept|"));
		assert_string_equal(str_text(&r->out), "kept|");
	}
	mustache_free(m);
	return rc;
}

static json_t *
parse_json(const char *text)
{
	struct err e;
	json_t *j = json_parse(text, strlen(text), "test data", &e);

	if (j == NULL)
		fail_msg("%s: %s", text, e.text);
	return j;
}

struct test_case {
	const char *template, *data, *partials;
	const char *expected;
	enum escape escape;
};

struct failure {
	const char *template, *data, *partials;
	const char *message;
};

static void
run_cases(const struct test_case *cases, size_t count, bool is_strict)
{
	for (size_t i = 0; i < count; i++) {
		const struct test_case *c = &cases[i];
		json_t *data = parse_json(c->data);
		json_t *partials = parse_json(c->partials != NULL ? c->partials : "{}");
		struct rendering r = { .escape = c->escape, .is_strict = is_strict };

		if (render(&r, c->template, strlen(c->template), partials, data) == -1)
			fail_msg("%s: %s", c->template, r.err.text);
		assert_string_equal(str_text(&r.out) + strlen("kept|"), c->expected);
		str_clear(&r.out);
		json_decref(partials);
		json_decref(data);
	}
}

static void
run_failures(const struct failure *cases, size_t count, enum err_code code)
{
	for (size_t i = 0; i < count; i++) {
		const struct failure *c = &cases[i];
		json_t *data = parse_json(c->data);
		json_t *partials = parse_json(c->partials != NULL ? c->partials : "{}");
		struct rendering r = { .is_strict = true };

		if (render(&r, c->template, strlen(c->template), partials, data) == 0)
			fail_msg("%s: rendered to %s", c->template, str_text(&r.out));
		assert_string_equal(r.err.text, c->message);
		assert_int_equal(r.err.code, code);
		str_clear(&r.out);
		json_decref(partials);
		json_decref(data);
	}
}

/* --- escapes -------------------------------------------------------------------------------- */

static void
escapes_have_names(void **state)
{
	enum escape e = ESCAPE_HTML;

	(void)state;
	for (int i = ESCAPE_NONE; i <= ESCAPE_SHELL; i++) {
		assert_int_equal(escape_parse(escape_name((enum escape)i), &e), 0);
		assert_int_equal(e, i);
	}
	assert_int_equal(escape_parse("HTML", &e), -1);
	assert_int_equal(escape_parse("", &e), -1);
}

static void
a_value_is_escaped(void **state)
{
	static const struct {
		enum escape escape;
		const char *text;
		size_t len;
		const char *expected;
	} cases[] = {
#define TEXT(s) s, sizeof(s) - 1
		{ ESCAPE_NONE, TEXT("a'b\"<&>\\\n"), "a'b\"<&>\\\n" },
		{ ESCAPE_NONE, TEXT(""), "" },
		{ ESCAPE_HTML, TEXT("<a href='x'>\"&amp;\"</a>"),
		    "&lt;a href=&#39;x&#39;&gt;&quot;&amp;amp;&quot;&lt;/a&gt;" },
		{ ESCAPE_HTML, TEXT("pla\xc3\xafn"), "pla\xc3\xafn" },
		{ ESCAPE_JSON, TEXT("a\"b\\c/\b\f\n\r\t"), "a\\\"b\\\\c/\\b\\f\\n\\r\\t" },
		{ ESCAPE_JSON, TEXT("\x01\x1f\x7f\0|"), "\\u0001\\u001f\x7f\\u0000|" },
		{ ESCAPE_JSON, TEXT("\xe2\x82\xac \xf0\x9f\x9a\x82"),
		    "\xe2\x82\xac \xf0\x9f\x9a\x82" },
		{ ESCAPE_JSON, TEXT("\xff|\xc3|\xed\xa0\x80\xe2\x82"),
		    "\xef\xbf\xbd|\xef\xbf\xbd|\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
		    "\xef\xbf\xbd\xef\xbf\xbd" },
		{ ESCAPE_SHELL, TEXT("db3"), "'db3'" },
		{ ESCAPE_SHELL, TEXT(""), "''" },
		{ ESCAPE_SHELL, TEXT("$(reboot) `x` \\ \" \n"), "'$(reboot) `x` \\ \" \n'" },
		{ ESCAPE_SHELL, TEXT("a'b''"), "'a'\\''b'\\'''\\'''" },
		{ ESCAPE_SHELL, TEXT("a\0b"), "'ab'" },
#undef TEXT
	};

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		struct str out = STR_INIT;

		escape_add(&out, cases[i].escape, cases[i].text, cases[i].len);
		assert_string_equal(str_text(&out), cases[i].expected);
		str_clear(&out);
	}
}

/* Every byte, alone and in pairs, comes back through a real shell as it went in. */
static void
a_shell_reads_back_what_was_escaped(void **state)
{
	char text[255 * 3], read_back[sizeof(text) + 1];
	struct str command = STR_INIT;
	size_t len = 0;
	FILE *sh;

	(void)state;
	for (int c = 1; c < 256; c++) {
		text[len++] = (char)c;
		text[len++] = '\'';
		text[len++] = (char)c;
	}
	str_adds(&command, "LC_ALL=C; x=");
	escape_add(&command, ESCAPE_SHELL, text, len);
	str_adds(&command, "; printf %s \"$x\"");
	sh = popen(str_text(&command), "r");
	assert_non_null(sh);
	assert_int_equal(fread(read_back, 1, sizeof(read_back), sh), len);
	assert_memory_equal(read_back, text, len);
	assert_int_equal(pclose(sh), 0);
	str_clear(&command);
}

/* --- rendering -------------------------------------------------------------------------------- */

static void
values_are_rendered(void **state)
{
	static const struct test_case cases[] = {
		{ "{{a}}|{{{a}}}|{{&a}}", "{\"a\":\"<\"}", NULL, "&lt;|<|<", ESCAPE_HTML },
		{ "x={{a}} y={{{a}}}", "{\"a\":\"it's\"}", NULL, "x='it'\\''s' y=it's",
		    ESCAPE_SHELL },
		{ "{\"a\":\"{{a}}\"}", "{\"a\":\"\\\"\\n\"}", NULL, "{\"a\":\"\\\"\\n\"}",
		    ESCAPE_JSON },
		{ "{{t}} {{f}} [{{n}}]", "{\"t\":true,\"f\":false,\"n\":null}", NULL,
		    "true false []", ESCAPE_NONE },
		{ "[{{n}}] [{{{n}}}]", "{\"n\":null}", NULL, "[''] []", ESCAPE_SHELL },
		{ "{{a}} {{b}} {{c}} {{d}}",
		    "{\"a\":0.1,\"b\":-9007199254740993,\"c\":1e300,\"d\":2.0}", NULL,
		    "0.1 -9007199254740993 1e300 2.0", ESCAPE_NONE },
		{ "{{a}}", "{\"a\":0.30000000000000004}", NULL, "'0.30000000000000004'",
		    ESCAPE_SHELL },
		{ "{{ { a }}} {{ & a }} {{\na\n}}", "{\"a\":1}", NULL, "1 1 1", ESCAPE_NONE },
		{ "no tag, {one} brace }} or { {", "{}", NULL, "no tag, {one} brace }} or { {",
		    ESCAPE_NONE },
		{ "", "{}", NULL, "", ESCAPE_NONE },
	};

	(void)state;
	run_cases(cases, MEM_COUNT(cases), true);
}

static void
sections_ask_for_truth(void **state)
{
	static const struct test_case cases[] = {
		{ "{{#a}}1{{/a}}{{^a}}0{{/a}}", "{\"a\":\"\"}", NULL, "0", ESCAPE_NONE },
		{ "{{#a}}1{{/a}}{{^a}}0{{/a}}", "{\"a\":0}", NULL, "1", ESCAPE_NONE },
		{ "{{#a}}1{{/a}}{{^a}}0{{/a}}", "{\"a\":{}}", NULL, "1", ESCAPE_NONE },
		{ "{{#a}}1{{/a}}{{^a}}0{{/a}}", "{\"a\":[null]}", NULL, "1", ESCAPE_NONE },
		{ "{{#a}}{{#.}}1{{/.}}{{^.}}0{{/.}}{{/a}}", "{\"a\":[null,1,\"\",\"x\"]}", NULL,
		    "0101", ESCAPE_NONE },
	};

	(void)state;
	run_cases(cases, MEM_COUNT(cases), true);
}

static void
first_and_last_are_known_in_lists(void **state)
{
	static const struct test_case cases[] = {
		{ "[{{#a}}{{^-first}},{{/-first}}{{.}}{{/a}}]", "{\"a\":[1,2,3]}", NULL, "[1,2,3]",
		    ESCAPE_NONE },
		{ "{{#a}}{{x}}{{^-last}},{{/-last}}{{/a}}", "{\"a\":[{\"x\":1},{\"x\":2}]}", NULL,
		    "1,2", ESCAPE_NONE },
		/* of the innermost list, also through a section that is none; one item is both */
		{ "{{#a}}{{#b}}{{#x}}{{.}}{{^-last}},{{/-last}}{{/x}}{{/b}}{{^-last}};{{/-last}}{{/"
		  "a}}",
		    "{\"a\":[{\"b\":[{\"x\":1},{\"x\":2}]},{\"b\":[{\"x\":3}]}]}", NULL, "1,2;3",
		    ESCAPE_NONE },
		{ "{{#a}}{{-first}}{{-last}}{{/a}}", "{\"a\":[9]}", NULL, "truetrue", ESCAPE_NONE },
		{ "{{#a}}{{>p}}{{/a}}", "{\"a\":[1,2]}", "{\"p\":\"{{.}}{{^-last}},{{/-last}}\"}",
		    "1,2", ESCAPE_NONE },
	};

	(void)state;
	run_cases(cases, MEM_COUNT(cases), true);
}

/* What "prepended to each line of the partial before rendering" means where the spec has no case. */
static void
a_partial_is_indented_line_by_line(void **state)
{
	static const struct test_case cases[] = {
		{ " {{>p}}\n", "{\"a\":[1,2]}", "{\"p\":\"x\\n{{#a}}\\n- {{.}}\\n{{/a}}\\ny\\n\"}",
		    " x\n - 1\n - 2\n y\n", ESCAPE_NONE },
		{ " {{>p}}\n", "{\"a\":[1,2]}", "{\"p\":\"{{#a}}{{.}}\\n{{/a}}|\"}", " 1\n 2\n |",
		    ESCAPE_NONE },
		{ " {{>p}}\n", "{\"a\":\"\"}", "{\"p\":\"{{a}}\\n\\n{{!c}}{{!d}}\\n{{!c}}{{!d}}\"}",
		    " \n \n \n ", ESCAPE_NONE },
		{ " {{>p}}\n", "{}", "{\"p\":\"1\\n{{!alone}}\\n2\"}", " 1\n 2", ESCAPE_NONE },
		{ " {{>p}}\n", "{}", "{\"p\":\"1\\n  {{>q}}\\n\",\"q\":\"2\\n3\\n\"}",
		    " 1\n   2\n   3\n", ESCAPE_NONE },
		/* a partial that is not alone on its line is not indented, nor are those inside of it */
		{ " {{>p}}\n", "{}",
		    "{\"p\":\"1\\n[{{>q}}]\\n\",\"q\":\"2\\n{{>r}}\",\"r\":\"3\\n4\\n\"}",
		    " 1\n [2\n3\n4\n]\n", ESCAPE_NONE },
		{ " {{>p}}\nz\n", "{}", "{\"p\":\"1\\r\\n2\\r\\n\"}", " 1\r\n 2\r\nz\n",
		    ESCAPE_NONE },
		{ "{{>p}}", "{\"n\":{\"v\":1,\"n\":{\"v\":2,\"n\":null}}}",
		    "{\"p\":\"{{#n}}\\n{{v}}\\n  {{>p}}\\n{{/n}}\\n\"}", "1\n  2\n", ESCAPE_NONE },
	};

	(void)state;
	run_cases(cases, MEM_COUNT(cases), true);
}

/* Not strict is the spec: unknown names, lists as values and absent partials are nothing. */
static void
the_spec_forgives_what_is_missing(void **state)
{
	static const struct test_case cases[] = {
		{ "[{{x}}{{a}}{{o}}{{o.x}}{{-first}}{{>p}}]", "{\"a\":[1],\"o\":{}}", NULL, "[]",
		    ESCAPE_NONE },
		{ "{{#x}}1{{/x}}{{^x}}0{{/x}}", "{}", NULL, "0", ESCAPE_NONE },
	};

	(void)state;
	run_cases(cases, MEM_COUNT(cases), false);
}

/* --- failures ------------------------------------------------------------------------------------ */

static void
a_bad_template_is_told_with_file_and_line(void **state)
{
	static const struct failure cases[] = {
		{ "a\n{{#b}}\nc", "{}", NULL, "t.mustache:2: section b is never closed" },
		{ "a\n{{/b}}", "{}", NULL, "t.mustache:2: {{/b}} closes nothing" },
		{ "{{#a}}\n{{#b}}\n{{/a}}", "{}", NULL,
		    "t.mustache:3: {{/a}} where {{/b}} of line 2 is due" },
		{ "\n\n{{a", "{}", NULL, "t.mustache:3: a tag that is never closed" },
		{ "{{{a}}", "{}", NULL, "t.mustache:1: a tag that is never closed" },
		{ "{{", "{}", NULL, "t.mustache:1: a tag that is never closed" },
		{ "{{}}", "{}", NULL, "t.mustache:1: a tag without a name" },
		{ "{{# }}", "{}", NULL, "t.mustache:1: a tag without a name" },
		{ "{{a b}}", "{}", NULL, "t.mustache:1: {{a b}}: a name holds no blanks" },
		{ "{{> a\tb}}", "{}", NULL, "t.mustache:1: {{a\\x09b}}: a name holds no blanks" },
		{ "{{a\x80}}", "{}", NULL, "t.mustache:1: a name that is not UTF-8" },
		{ "{{a..b}}", "{}", NULL, "t.mustache:1: {{a..b}}: nothing between two dots" },
		{ "{{#.a}}", "{}", NULL, "t.mustache:1: {{.a}}: nothing between two dots" },
		{ "{{=|=}}", "{}", NULL,
		    "t.mustache:1: new delimiters are two words without blanks or '=', as in {{=<% "
		    "%>=}}" },
		{ "{{=| | |=}}", "{}", NULL,
		    "t.mustache:1: new delimiters are two words without blanks or '=', as in {{=<% "
		    "%>=}}" },
		{ "{{== ==}}", "{}", NULL,
		    "t.mustache:1: new delimiters are two words without blanks or '=', as in {{=<% "
		    "%>=}}" },
		{ "x\n{{>p}}", "{}", "{\"p\":\"1\\n2 {{/x}}\"}",
		    "p.mustache:2: {{/x}} closes nothing" },
	};
	static const struct failure denied = { "x\n{{>unreadable}}", "{}", NULL,
		"t.mustache:2: not allowed" };

	(void)state;
	run_failures(cases, MEM_COUNT(cases), ERR_CONFIG);
	run_failures(&denied, 1, ERR_DENIED);
}

static void
an_unknown_name_is_told_with_those_that_are_known(void **state)
{
	static const struct failure cases[] = {
		{ "a\nb {{adress}}", "{\"address\":1,\"name\":2}", NULL,
		    "t.mustache:2: {{adress}} is not in the data; known here: address, name" },
		/* from the inside out, what is hidden only once */
		{ "{{#l}}\n{{x}}{{/l}}", "{\"l\":[{\"name\":1,\"n\":2}],\"name\":1}", NULL,
		    "t.mustache:2: {{x}} is not in the data; known here: name, n, l" },
		{ "{{o.p.x}}", "{\"o\":{\"p\":{\"q\":1}},\"x\":1}", NULL,
		    "t.mustache:1: {{o.p.x}} is not in the data; known here: q" },
		{ "{{o.p.x}}", "{\"o\":{\"p\":\"text\"},\"x\":1}", NULL,
		    "t.mustache:1: {{o.p.x}} is not in the data; known here: nothing" },
		{ "{{#x}}{{/x}}", "{\"a\":1}", NULL,
		    "t.mustache:1: {{x}} is not in the data; known here: a" },
		{ "{{^x}}{{/x}}", "{\"a\":1}", NULL,
		    "t.mustache:1: {{x}} is not in the data; known here: a" },
		{ "{{-last}}", "{\"a\":1}", NULL,
		    "t.mustache:1: {{-last}} is not in the data; known here: a" },
		{ "{{>p}}", "{\"a\":1}", "{\"p\":\"\\n{{b}}\"}",
		    "p.mustache:2: {{b}} is not in the data; known here: a" },
		{ "{{a}}", "{\"a\":[]}", NULL,
		    "t.mustache:1: {{a}} is a list and no value; {{#a}} goes into it" },
		{ "{{.}}", "{\"a\":1}", NULL,
		    "t.mustache:1: {{.}} is an object and no value; {{#.}} goes into it" },
	};

	(void)state;
	run_failures(cases, MEM_COUNT(cases), ERR_CONFIG);
}

static void
a_partial_without_end_is_stopped(void **state)
{
	static const struct failure cases[] = {
		{ "{{>p}}", "{}", "{\"p\":\"x\\n {{>p}}\"}",
		    "p.mustache:2: more than 64 sections and partials in each other" },
		{ "{{>p}}", "{}", "{\"p\":\"{{>q}}\",\"q\":\"{{>p}}\"}",
		    "q.mustache:1: more than 64 sections and partials in each other" },
	};

	(void)state;
	run_failures(cases, MEM_COUNT(cases), ERR_LIMIT);
}

static void
sections_may_nest_only_so_deep(void **state)
{
	json_t *data = parse_json("{\"a\":true}");
	struct rendering r = { .is_strict = true };
	struct str source = STR_INIT;

	(void)state;
	for (int i = 0; i < MUSTACHE_DEPTH_MAX; i++)
		str_adds(&source, "{{#a}}");
	str_adds(&source, "{{a}}");
	for (int i = 0; i < MUSTACHE_DEPTH_MAX; i++)
		str_adds(&source, "{{/a}}");
	assert_int_equal(render(&r, source.data, source.len, NULL, data), 0);
	assert_string_equal(str_text(&r.out), "kept|true");
	str_clear(&r.out);
	str_clear(&source);
	for (int i = 0; i <= MUSTACHE_DEPTH_MAX; i++)
		str_adds(&source, "{{#a}}");
	assert_int_equal(render(&r, source.data, source.len, NULL, data), -1);
	assert_string_equal(r.err.text, "t.mustache:1: more than 64 sections in each other");
	str_clear(&r.out);
	str_clear(&source);
	json_decref(data);
}

/* Forty partials that include the next one three times: small, and 3^40 steps. */
static void
work_is_bounded(void **state)
{
	json_t *partials = json_object(), *data = json_object();
	struct rendering r = { .is_strict = true };

	(void)state;
	for (int i = 0; i < 40; i++) {
		char *name = mem_printf("p%d", i);
		char *text = mem_printf("{{>p%d}}{{>p%d}}{{>p%d}}", i + 1, i + 1, i + 1);

		json_object_set_new(partials, name, json_string(text));
		free(name);
		free(text);
	}
	assert_int_equal(render(&r, "{{>p0}}", 7, partials, data), -1);
	assert_int_equal(r.err.code, ERR_LIMIT);
	assert_non_null(strstr(r.err.text, "more than 16777216 steps"));
	str_clear(&r.out);
	json_decref(partials);
	json_decref(data);
}

static void
output_is_bounded(void **state)
{
	json_t *data = json_object(), *list = json_array();
	struct rendering r = { .is_strict = true };
	size_t half = MUSTACHE_SOURCE_MAX / 2;
	struct str text = STR_INIT;

	(void)state;
	for (int i = 0; i < 129; i++)
		json_array_append_new(list, json_integer(i));
	json_object_set_new(data, "l", list);
	str_adds(&text, "{{#l}}");
	for (size_t i = 0; i < half; i++)
		str_addc(&text, 'x');
	str_adds(&text, "{{/l}}");
	assert_int_equal(render(&r, text.data, text.len, NULL, data), -1);
	assert_string_equal(r.err.text, "t.mustache:1: more than 67108864 bytes of output");
	assert_int_equal(r.err.code, ERR_LIMIT);
	str_clear(&r.out);
	json_array_remove(list, 0);
	assert_int_equal(render(&r, text.data, text.len, NULL, data), 0);
	str_clear(&r.out);
	str_clear(&text);
	json_decref(data);
}

/* Half a megabyte of indentation before each of many thousand lines. */
static void
indentation_is_bounded(void **state)
{
	json_t *partials = json_object(), *data = json_object();
	struct rendering r = { .is_strict = true };
	struct str blanks = STR_INIT, lines = STR_INIT;

	(void)state;
	for (int i = 0; i < 500000; i++)
		str_addc(&blanks, ' ');
	str_adds(&blanks, "{{>p}}");
	for (int i = 0; i < 200000; i++)
		str_adds(&lines, "\n");
	json_object_set_new(partials, "p", json_string(str_text(&lines)));
	assert_int_equal(render(&r, blanks.data, blanks.len, partials, data), -1);
	assert_string_equal(r.err.text, "p.mustache:1: more than 67108864 bytes of output");
	str_clear(&r.out);
	str_clear(&blanks);
	str_clear(&lines);
	json_decref(partials);
	json_decref(data);
}

static void
sources_are_bounded_together(void **state)
{
	json_t *partials = json_object(), *data = json_object();
	struct rendering r = { .is_strict = true };
	struct str text = STR_INIT;

	(void)state;
	while (text.len < MUSTACHE_SOURCE_MAX - 6)
		str_addc(&text, 'x');
	json_object_set_new(partials, "p", json_string(str_text(&text)));
	assert_int_equal(render(&r, "{{>p}}", 6, partials, data), 0);
	str_clear(&r.out);
	assert_int_equal(render(&r, "{{>p}} ", 7, partials, data), -1);
	assert_int_equal(r.err.code, ERR_LIMIT);
	assert_string_equal(
	    r.err.text, "t.mustache: a template and its partials may have 1048576 bytes");
	str_clear(&r.out);
	str_clear(&text);
	json_decref(partials);
	json_decref(data);
}

static void
partials_are_counted(void **state)
{
	json_t *data = json_object();
	struct rendering r = { .is_strict = false };
	struct str text = STR_INIT;

	(void)state;
	for (int i = 0; i < MUSTACHE_PARTIALS_MAX; i++)
		str_addf(&text, "{{>p%d}}{{>p%d}}", i, i);
	assert_int_equal(render(&r, text.data, text.len, NULL, data), 0);
	str_clear(&r.out);
	str_adds(&text, "\n{{>q}}");
	assert_int_equal(render(&r, text.data, text.len, NULL, data), -1);
	assert_string_equal(r.err.text, "t.mustache:2: more than 256 partials");
	str_clear(&r.out);
	str_clear(&text);
	json_decref(data);
}

/* --- check ---------------------------------------------------------------------------------------- */

static void
check_enters_every_section(void **state)
{
	static const struct {
		const char *template, *partials, *message; /* NULL: nothing to complain about */
	} cases[] = {
		{ "{{#no}}{{x}}{{/no}}", NULL,
		    "t.mustache:1: {{x}} is not in the data; known here: yes, no, list, none" },
		{ "{{^yes}}\n{{x}}{{/yes}}", NULL,
		    "t.mustache:2: {{x}} is not in the data; known here: yes, no, list, none" },
		{ "{{^list}}{{x}}{{/list}}", NULL,
		    "t.mustache:1: {{x}} is not in the data; known here: yes, no, list, none" },
		{ "{{#list}}{{#a}}{{x}}{{/a}}{{/list}}", NULL,
		    "t.mustache:1: {{x}} is not in the data; known here: a, yes, no, list, none" },
		{ "{{#no}}{{>p}}{{/no}}", "{\"p\":\"{{list}}\"}",
		    "p.mustache:1: {{list}} is a list and no value; {{#list}} goes into it" },
		{ "{{#no}}{{#x}}{{/x}}{{/no}}", NULL,
		    "t.mustache:1: {{x}} is not in the data; known here: yes, no, list, none" },
		{ "{{#yes}}{{-last}}{{/yes}}", NULL,
		    "t.mustache:1: {{-last}} is not in the data; known here: yes, no, list, none" },
		{ "{{#list}}{{a}}{{-first}}{{^-last}},{{/-last}}{{/list}}{{^list}}{{yes}}{{/list}}",
		    NULL, NULL },
		{ "{{#none}}{{x}}{{/none}}", NULL, NULL },
		{ "{{>p}}", "{\"p\":\"{{yes}}{{#no}}{{>p}}{{/no}}\"}", NULL },
	};
	json_t *data =
	    parse_json("{\"yes\":true,\"no\":false,\"list\":[{\"a\":false}],\"none\":[]}");
	struct datum sample = json_datum(data);

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		json_t *partials = parse_json(cases[i].partials != NULL ? cases[i].partials : "{}");
		struct err e = { .code = ERR_NONE };
		struct mustache *m = mustache_new(cases[i].template, strlen(cases[i].template),
		    "t.mustache", json_partial, partials, &e);

		assert_non_null(m);
		assert_int_equal(mustache_check(m, &sample, &e), cases[i].message != NULL ? -1 : 0);
		assert_string_equal(e.text, cases[i].message != NULL ? cases[i].message : "");
		mustache_free(m);
		json_decref(partials);
	}
	json_decref(data);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(escapes_have_names),
		cmocka_unit_test(a_value_is_escaped),
		cmocka_unit_test(a_shell_reads_back_what_was_escaped),
		cmocka_unit_test(values_are_rendered),
		cmocka_unit_test(sections_ask_for_truth),
		cmocka_unit_test(first_and_last_are_known_in_lists),
		cmocka_unit_test(a_partial_is_indented_line_by_line),
		cmocka_unit_test(the_spec_forgives_what_is_missing),
		cmocka_unit_test(a_bad_template_is_told_with_file_and_line),
		cmocka_unit_test(an_unknown_name_is_told_with_those_that_are_known),
		cmocka_unit_test(a_partial_without_end_is_stopped),
		cmocka_unit_test(sections_may_nest_only_so_deep),
		cmocka_unit_test(work_is_bounded),
		cmocka_unit_test(output_is_bounded),
		cmocka_unit_test(indentation_is_bounded),
		cmocka_unit_test(sources_are_bounded_together),
		cmocka_unit_test(partials_are_counted),
		cmocka_unit_test(check_enters_every_section),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
