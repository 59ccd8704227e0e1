/*
 * test_conf.c: the form of configuration files: every piece with its line, whatever comments stand
 * around it, and every slip in its place. What libconfuse does wrong is tested for what we make of
 * it, so that another version of it cannot change that in silence.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/conf.h"
#include "base/file.h"
#include "base/mem.h"
#include "scratch.h"

static const char *const block_keys[] = { "key", "list", NULL };
static const struct conf_block blocks[] = {
	{ "plain", false, block_keys },
	{ "titled", true, block_keys },
	{ NULL, false, NULL },
};

static char dir[] = "/tmp/test_conf.XXXXXX";

static void
write_file(const char *name, const char *text, size_t len)
{
	char *path = file_join(dir, name);
	struct err e;

	if (file_replace(path, text, len, 0600, &e) != 0)
		fail_msg("%s", e.text);
	free(path);
}

/* "3 titled 'a' { 4 key=x,y }" for every entry; '~' behind a block that was cut. */
static void
add_entries(struct str *out, const struct conf_entry *e)
{
	for (; e != NULL; e = e->next) {
		str_addf(out, "%s%u %s", out->len > 0 ? " " : "", e->where.line, e->key);
		if (e->title != NULL)
			str_addf(out, " '%s'", e->title);
		if (e->is_block) {
			str_addf(out, "%s {", e->is_nested ? " nested" : "");
			add_entries(out, e->first);
			str_adds(out, e->is_cut ? " ~" : " }");
		}
		for (size_t i = 0; i < e->count; i++)
			str_addf(out, "%c%s", i == 0 ? '=' : ',', e->values[i]);
	}
}

/* The tree, and then what is wrong, without the directory. */
static const char *
read_main(void)
{
	static char text[8192];
	struct str out = STR_INIT, problems = STR_INIT;
	char *path = file_join(dir, "main.conf");
	struct conf c;
	int rc = conf_read(&c, path, blocks, &problems);

	add_entries(&out, c.first);
	if (problems.len > 0)
		str_adds(&out, "\n");
	for (const char *line = str_text(&problems), *next; *line != '\0'; line = next) {
		size_t n = strlen(dir) + 1;

		next = strchr(line, '\n') + 1;
		for (const char *p = line; p < next; p++) {
			if (strncmp(p, dir, n - 1) == 0)
				p += n;
			str_addc(&out, *p);
		}
	}
	assert_int_equal(rc, problems.len == 0 ? 0 : -1);
	snprintf(text, sizeof(text), "%s", str_text(&out));
	conf_clear(&c);
	str_clear(&problems);
	str_clear(&out);
	free(path);
	return text;
}

static const char *
read_text(const char *text)
{
	write_file("main.conf", text, strlen(text));
	return read_main();
}

static void
values_come_with_their_lines(void **state)
{
	(void)state;
	assert_string_equal(read_text("plain { key = bare }\n"
				      "titled \"a\" {\n"
				      "  key = \"quoted # no comment\"\n"
				      "  list = {'x', \"y\",\n"
				      "    z}\n"
				      "  list += w\n"
				      "}\n"
				      "titled b { list = one }"),
	    "1 plain { 1 key=bare } 2 titled 'a' { 3 key=quoted # no comment 4 list=x,y,z,w } "
	    "8 titled 'b' { 8 list=one }");
}

static void
an_empty_file_is_an_empty_tree(void **state)
{
	(void)state;
	assert_string_equal(read_text(""), "");
	assert_string_equal(read_text("\n# nothing\n"), "");
	assert_string_equal(
	    read_text("plain {}\ntitled x { list = {} }"), "1 plain { } 2 titled 'x' { }");
}

/* libconfuse 3.3 would say 3, 7, 12 … */
static void
comments_do_not_move_the_lines(void **state)
{
	(void)state;
	assert_string_equal(read_text("# 1\n"
				      "plain { // 2\n"
				      "/* 3\n"
				      "   4 */ key = http://127.0.0.1:8500 // 4\n"
				      "  list = { a, # 5\n"
				      "    /* 6 */ b } # { 6\n"
				      "}\n"
				      "# \"\n"
				      "// '\n"
				      "titled 'x#//' { key = '/* y */' }\n"
				      "plain { key = \"\\\"#\" }\n"),
	    "2 plain { 4 key=http://127.0.0.1:8500 5 list=a,b } "
	    "10 titled 'x#//' { 10 key=/* y */ } 11 plain { 11 key=\"# }");
}

static void
escapes_are_libconfuse_s(void **state)
{
	(void)state;
	setenv("TEST_CONF", "from outside", 1);
	unsetenv("TEST_CONF_NOT");
	assert_string_equal(
	    read_text("plain { list = { \"\\x41\\102\\tc\", 'a\\b\\'c', \"a\\\nb\",\n"
		      "\"<${TEST_CONF}>\", \"${TEST_CONF_NOT:-or # else}\" } }"),
	    "1 plain { 1 list=AB\tc,a\\b'c,ab,<from outside>,or # else }");
}

static void
what_nobody_knows_is_told_as_well(void **state)
{
	(void)state;
	assert_string_equal(read_text("plain { colour = red key = x colours = { red, green } }\n"
				      "check \"fees\" {\n"
				      "  command = { \"a\", \"b\" }\n"
				      "  colour = blue\n"
				      "}\n"
				      "pairs { nodes = { a } }\n"
				      "stray = 1\n"
				      "titled x { key = y colour = red }\n"
				      "check \"more\" { other = 1 }\n"),
	    "1 plain { 1 colour=red 1 key=x 1 colours=red,green } "
	    "2 check 'fees' { 3 command=a,b 4 colour=blue } 6 pairs { 6 nodes=a } 7 stray=1 "
	    "8 titled 'x' { 8 key=y 8 colour=red } 9 check 'more' { 9 other=1 }");
}

static void
repeated_keys_and_blocks_are_all_told(void **state)
{
	(void)state;
	assert_string_equal(read_text("plain { key = a\nkey = b list = c list = d }\n"
				      "plain { key = c }\n"
				      "titled x { key = d }\ntitled x { key = e }\ntitled x {}"),
	    "1 plain { 1 key=a 2 key=b 2 list=c 2 list=d } 3 plain { 3 key=c } "
	    "4 titled 'x' { 4 key=d } 5 titled 'x' { 5 key=e } 6 titled 'x' { }");
}

static void
nested_blocks_are_marked(void **state)
{
	(void)state;
	assert_string_equal(read_text("titled x {\n key = a\n deep { key = b deeper y { z = 1 } }\n"
				      " list = c\n}\n"),
	    "1 titled 'x' { 2 key=a 4 list=c } 1 deep nested { 3 key=b } "
	    "1 deeper 'y' nested { 3 z=1 }");
}

/* Found by the fuzzer: libconfuse gives up here, and none of what it says is for an operator. */
static void
a_block_given_up_in_silence_is_told(void **state)
{
	(void)state;
	assert_non_null(
	    strstr(read_text("titled x { list = { a, # c\n \"%f\" }\n  ${X}}:/ += b /* */\n"),
		"something in this block, or its end, cannot be understood"));
}

static void
a_slip_ends_the_reading_but_not_what_was_read(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "plain { key = a }\nplain { key = b\n",
		    "1 plain { 1 key=a } 2 plain { 2 key=b ~\n"
		    "main.conf:2: the block or list that begins here has no end\n" },
		{ "plain { key = a }\n}\nplain { key = b }",
		    "1 plain { 1 key=a }\nmain.conf:2: unexpected closing brace\n" },
		{ "plain { key a }", "\nmain.conf:1: missing equal sign after option 'key'\n" },
		{ "plain { key a }\nplain {",
		    "\nmain.conf:2: the block or list that begins here has no end\n"
		    "main.conf:1: missing equal sign after option 'key'\n" },
		{ "plain {\n\nkey = { a, { } } }",
		    "1 plain { 3 key=a ~\nmain.conf:3: unexpected token '{'\n" },
		{ "titled { key = a }", "\nmain.conf:1: missing title for section 'titled'\n" },
		{ "plain = x", "\nmain.conf:1: missing opening brace for section 'plain'\n" },
		{ "plain { key = a }\nplain { list = b\n key = \"c\n}\n\n",
		    "1 plain { 1 key=a } 2 plain { 2 list=b ~\n"
		    "main.conf:3: the string that begins here has no end\n" },
		{ "plain { key = 'b\n}\n",
		    "\nmain.conf:1: the string that begins here has no end\n" },
		{ "\n/* plain { key = 'b }\n",
		    "\nmain.conf:2: the comment that begins here has no end\n" },
		{ "plain { key = \"\\999\" }", "\nmain.conf:1: bad escape sequence '\\999'\n" },
		{ "plain { include(\"x\") }", "\nmain.conf:1: include cannot stand here\n" },
		{ "colour red = 1", "\nmain.conf:1: colour cannot stand here\n" },
		{ "colour(red)", "\nmain.conf:1: colour cannot stand here\n" },
		{ "include(a, b)", "\nmain.conf:1: include(\"FILE\") takes one file\n" },
		{ "root x { a = 1 }", "\nmain.conf:1: root cannot stand here\n" },
		{ "plain|key = x", "\nmain.conf:1: no sub-section title/index for 'plain'\n" },
	};

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(cases); i++)
		assert_string_equal(read_text(cases[i].text), cases[i].want);
}

static void
bytes_that_are_no_text_are_refused(void **state)
{
	static const char nul[] = "plain { key = a }\nplain { key = \"b\0\" }\n";
	static const char latin[] = "plain {\n key = \"\xe9t\xe9\" }";

	(void)state;
	write_file("main.conf", nul, sizeof(nul) - 1);
	assert_string_equal(read_main(), "\nmain.conf:2: this line is not text in UTF-8\n");
	write_file("main.conf", latin, sizeof(latin) - 1);
	assert_string_equal(read_main(), "\nmain.conf:2: this line is not text in UTF-8\n");
	assert_string_equal(read_text("plain { key = \"\xc3\xa9t\xc3\xa9\" }"),
	    "1 plain { 1 key=\xc3\xa9t\xc3\xa9 }");
}

/* --- include ------------------------------------------------------------------------------------- */

static void
included_files_stand_behind_with_their_own_lines(void **state)
{
	(void)state;
	write_file("one.conf", "\nplain { key = one }\ninclude(\"two.conf\")", 40);
	write_file("two.conf", "titled t { }", 12);
	assert_string_equal(read_text("include(\"one.conf\")\ntitled m { key = a }"),
	    "2 titled 'm' { 2 key=a } 2 plain { 2 key=one } 1 titled 't' { }");
}

static void
files_that_cannot_be_included_are_told_where_it_was_asked(void **state)
{
	(void)state;
	write_file("one.conf", "plain { key\n", 12);
	assert_string_equal(
	    read_text("include(one.conf)\n\ninclude(no.conf)\ninclude(main.conf)\nplain {}"),
	    "5 plain { }\n"
	    "one.conf:1: the block or list that begins here has no end\n"
	    "main.conf:3: cannot open no.conf: No such file or directory\n"
	    "main.conf:4: main.conf: the file includes itself\n");
}

static void
a_chain_of_includes_has_an_end(void **state)
{
	const char *text;

	(void)state;
	for (int i = 0; i < 12; i++) {
		char name[32], body[64];

		snprintf(name, sizeof(name), "chain%d.conf", i);
		snprintf(body, sizeof(body), "include(\"chain%d.conf\")\n", i + 1);
		write_file(name, body, strlen(body));
	}
	text = read_text("include(chain0.conf)");
	assert_string_equal(
	    text, "\nchain7.conf:1: chain8.conf: files include each other too deeply\n");
}

static void
a_tree_of_includes_has_an_end(void **state)
{
	struct str body = STR_INIT;

	(void)state;
	for (int i = 0; i < 70; i++)
		str_adds(&body, "include(leaf.conf)\n");
	write_file("leaf.conf", "", 0);
	assert_string_equal(read_text(str_text(&body)),
	    "\nmain.conf:64: leaf.conf: too many files are included\n"
	    "main.conf:65: leaf.conf: too many files are included\n"
	    "main.conf:66: leaf.conf: too many files are included\n"
	    "main.conf:67: leaf.conf: too many files are included\n"
	    "main.conf:68: leaf.conf: too many files are included\n"
	    "main.conf:69: leaf.conf: too many files are included\n"
	    "main.conf:70: leaf.conf: too many files are included\n");
	str_clear(&body);
}

/* --- again and again ----------------------------------------------------------------------------- */

static size_t
open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

/* A daemon reads its configuration at every reload: libconfuse's include would be worn out by ten. */
static void
bad_files_do_not_spoil_the_next_reading(void **state)
{
	static const char *const bad[] = { "plain { key = \"x", "include(bad.conf)",
		"plain { key = '", "/*", "plain { key =", "include(",
		"a { b { c { d { e { f { g = 1 } } } } } }" };
	size_t before = open_descriptors();

	(void)state;
	write_file("bad.conf", "plain { key = { a }", 19);
	for (int round = 0; round < 20; round++) {
		for (size_t i = 0; i < MEM_COUNT(bad); i++)
			assert_non_null(strchr(read_text(bad[i]), '\n'));
		assert_string_equal(read_text("plain { key = a }"), "1 plain { 1 key=a }");
	}
	assert_int_equal(open_descriptors(), before);
}

static void
many_unknown_keys_have_an_end(void **state)
{
	struct str body = STR_INIT;
	const char *text;

	(void)state;
	for (int i = 0; i < 300; i++)
		str_addf(&body, "k%d = 1\n", i);
	text = strchr(read_text(str_text(&body)), '\n');
	assert_non_null(text);
	assert_string_equal(text, "\nmain.conf:201: no such option 'k200'\n");
	str_clear(&body);
}

static int
make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) != NULL ? 0 : -1;
}

static int
remove_dir(void **state)
{
	(void)state;
	return scratch_remove(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_come_with_their_lines),
		cmocka_unit_test(an_empty_file_is_an_empty_tree),
		cmocka_unit_test(comments_do_not_move_the_lines),
		cmocka_unit_test(escapes_are_libconfuse_s),
		cmocka_unit_test(what_nobody_knows_is_told_as_well),
		cmocka_unit_test(repeated_keys_and_blocks_are_all_told),
		cmocka_unit_test(nested_blocks_are_marked),
		cmocka_unit_test(a_slip_ends_the_reading_but_not_what_was_read),
		cmocka_unit_test(bytes_that_are_no_text_are_refused),
		cmocka_unit_test(included_files_stand_behind_with_their_own_lines),
		cmocka_unit_test(files_that_cannot_be_included_are_told_where_it_was_asked),
		cmocka_unit_test(a_chain_of_includes_has_an_end),
		cmocka_unit_test(a_tree_of_includes_has_an_end),
		cmocka_unit_test(bad_files_do_not_spoil_the_next_reading),
		cmocka_unit_test(a_block_given_up_in_silence_is_told),
		cmocka_unit_test(many_unknown_keys_have_an_end),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
