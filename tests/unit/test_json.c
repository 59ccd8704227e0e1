/* test_json.c: base/json.h: what is refused, with the place, and what is written. */
#include "base/json.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

static void
refuses_with_line_and_column(void **state)
{
	static const struct {
		const char *text, *in_error;
	} rows[] = {
		{ "", "doc: line 1, column 0: " },
		{ "{\n  \"a\": 1,\n  \"b\": tru\n}", "doc: line 3, column 10: " },
		{ "{\"a\":1,\"a\":2}", "uplicate" },
		{ "{\"a\":1} x", "line 1, column 9" },
		{ "[1,]", "line 1, column 4" },
		{ "\"\xff\"", "line 1, column " },
		{ "\"a\\u0000b\"", "\\u0000" },
		{ "[\"\x1b[31m", "line 1" },
		{ "{\"a\":1e999}", "line 1" },
		{ "[99999999999999999999]", "too big" },
	};

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(rows); i++) {
		struct err e = { 0 };

		assert_null(json_parse(rows[i].text, strlen(rows[i].text), "doc", &e));
		assert_int_equal(e.code, ERR_PROTOCOL);
		if (strstr(e.text, rows[i].in_error) == NULL)
			fail_msg("'%s' is not in '%s'", rows[i].in_error, e.text);
		assert_null(strchr(e.text, '\x1b'));
	}
	assert_null(json_parse(NULL, 0, "doc", NULL));
	assert_null(json_parse("[\0]", 3, "doc", NULL));
}

static void
limits_the_depth(void **state)
{
	struct err e = { 0 };
	char text[200];
	json_t *v;

	(void)state;
	memset(text, '[', 65);
	memset(text + 65, ']', 65);
	assert_null(json_parse(text, 130, "doc", &e));
	assert_non_null(strstr(e.text, "64 levels"));
	v = json_parse(text + 1, 128, "doc", &e);
	assert_non_null(v);
	json_decref(v);
	/* Brackets in a string, behind an escaped quote, are text. */
	memcpy(text, "[\"\\\\\\\"", 6);
	memset(text + 6, '[', 100);
	memcpy(text + 106, "\"]", 2);
	v = json_parse(text, 108, "doc", &e);
	if (v == NULL)
		fail_msg("%s", e.text);
	json_decref(v);
	/* Siblings are not depth. */
	text[0] = '[';
	for (int i = 0; i < 65; i++)
		memcpy(text + 1 + 3 * i, i == 64 ? "[] " : "[],", 3);
	text[196] = ']';
	v = json_parse(text, 197, "doc", &e);
	if (v == NULL)
		fail_msg("%s", e.text);
	assert_int_equal(json_array_size(v), 65);
	json_decref(v);
}

static void
reads_members(void **state)
{
	const char *text = "{\"s\":\"x\",\"i\":-7,\"t\":true,\"f\":false,\"n\":null}";
	json_t *v = json_parse(text, strlen(text), "doc", NULL);

	(void)state;
	assert_non_null(v);
	assert_string_equal(json_get_string(v, "s", "d"), "x");
	assert_string_equal(json_get_string(v, "i", "d"), "d");
	assert_null(json_get_string(v, "missing", NULL));
	assert_int_equal(json_get_int(v, "i", 1), -7);
	assert_int_equal(json_get_int(v, "s", 1), 1);
	assert_true(json_get_bool(v, "t", false));
	assert_false(json_get_bool(v, "f", true));
	assert_true(json_get_bool(v, "n", true));
	assert_int_equal(json_get_int(NULL, "i", 5), 5);
	json_decref(v);
	v = json_parse("null", 4, "doc", NULL);
	assert_true(json_is_null(v));
	json_decref(v);
}

static void
writes(void **state)
{
	struct str out = STR_INIT;
	json_t *v = json_pack("{s:i,s:f,s:s,s:[]}", "z", 1, "a", 1.1, "text", "\xc3\xa4\n", "list");

	(void)state;
	assert_non_null(v);
	json_write(&out, v);
	assert_string_equal(
	    str_text(&out), "{\"z\":1,\"a\":1.1,\"text\":\"\xc3\xa4\\n\",\"list\":[]}");
	str_reset(&out);
	json_write_pretty(&out, v);
	assert_string_equal(str_text(&out),
	    "{\n  \"z\": 1,\n  \"a\": 1.1,\n  \"text\": \"\\u00E4\\n\",\n  \"list\": []\n}\n");
	json_decref(v);
	str_clear(&out);
}

static void
shows_foreign_bytes(void **state)
{
	json_t *v = json_printable("a\0b\n\xff\x1b[0m\xc3\xa4", 11);

	(void)state;
	assert_string_equal(json_string_value(v), "a\\x00b\\x0a\\xff\\x1b[0m\xc3\xa4");
	json_decref(v);
	v = json_printable(NULL, 0);
	assert_string_equal(json_string_value(v), "");
	json_decref(v);
}

static void
says_null_for_what_is_not_known(void **state)
{
	static const double values[] = { NAN, INFINITY, -INFINITY };
	struct str out = STR_INIT;
	json_t *list = json_pack("[o, o, o, o, o]", json_text(NULL), json_text("\xff"),
	    json_time(0), json_time(1795406400), json_number(0.5));

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(values); i++)
		json_array_append_new(list, json_number(values[i]));
	json_write(&out, list);
	assert_string_equal(
	    str_text(&out), "[null,\"\\\\xff\",null,\"2026-11-23T04:00:00Z\",0.5,null,null,null]");
	json_decref(list);
	str_clear(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_with_line_and_column),
		cmocka_unit_test(limits_the_depth),
		cmocka_unit_test(reads_members),
		cmocka_unit_test(writes),
		cmocka_unit_test(shows_foreign_bytes),
		cmocka_unit_test(says_null_for_what_is_not_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
