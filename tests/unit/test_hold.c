/*
 * test_hold.c: every key that is there holds, whatever its value; what is shown of it is printable.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "feature/hold.h"

static struct hold
parse(const char *value, size_t len)
{
	struct kv_entry entry = { .key = "hold", .value = value, .value_len = len };
	struct hold h;

	memset(&h, 'x', sizeof(h));
	hold_parse(&entry, &h);
	return h;
}

static void
what_is_written_is_read(void **state)
{
	struct hold made = { "moving \"db3\"", "ola (uid 1004)", "2026-11-21T22:37:04Z" }, read;
	struct str text = STR_INIT;

	(void)state;
	hold_add_text(&text, &made);
	read = parse(text.data, text.len);
	assert_string_equal(read.reason, made.reason);
	assert_string_equal(read.who, made.who);
	assert_string_equal(read.since, made.since);
	str_clear(&text);
}

static void
any_value_is_a_reason(void **state)
{
	static const char hostile[] = "a\nb\033[2J\0c\xff";
	struct hold h;
	char longest[4096];

	(void)state;
	h = parse("maintenance", 11);
	assert_string_equal(h.reason, "maintenance");
	assert_string_equal(h.who, "");
	assert_string_equal(h.since, "");
	h = parse("", 0);
	assert_string_equal(h.reason, "");
	h = parse("[1]", 3);
	assert_string_equal(h.reason, "[1]");
	h = parse("{\"reason\":7,\"who\":\"\\u001b[2J\"}", 30);
	assert_string_equal(h.reason, "");
	assert_string_equal(h.who, "\\x1b[2J");
	h = parse(hostile, sizeof(hostile) - 1);
	assert_string_equal(h.reason, "a\\x0ab\\x1b[2J\\x00c\\xff");
	memset(longest, '\1', sizeof(longest));
	h = parse(longest, sizeof(longest));
	assert_int_equal(strlen(h.reason), 4 * HOLD_TEXT_MAX + 3);
}

static void
words_have_no_gaps(void **state)
{
	struct hold h = { "restore", "ola", "2026-11-21T22:37:04Z" }, nothing = { "", "", "" };
	char *words = hold_words(&h);

	(void)state;
	assert_string_equal(words, "since 2026-11-21T22:37:04Z by ola: restore");
	free(words);
	words = hold_words(&nothing);
	assert_string_equal(words, "since an unknown time by somebody: no reason given");
	free(words);
}

static struct kv_entry entries[] = {
	{ .key = "pointsman/hold", .value = "all", .value_len = 3 },
	{ .key = "pointsman/hold/", .value = "", .value_len = 0 },
	{ .key = "pointsman/hold/MainDB", .value = "one", .value_len = 3 },
	{ .key = "pointsman/hold/a b", .value = "no name", .value_len = 7 },
	{ .key = "pointsman/hold/b", .value = "nul", .value_len = 3, .has_nul_key = true },
	{ .key = "pointsman/hold/chat", .value = "two", .value_len = 3 },
	{ .key = "pointsman/holdings", .value = "no hold", .value_len = 7 },
};

static void
load(struct hold_set *s, size_t from, size_t count)
{
	struct kv_list list = { .entries = entries + from, .count = count };

	hold_set_load(s, &list, "pointsman/hold");
}

static void
everything_is_held(void **state)
{
	struct hold_set s;

	(void)state;
	load(&s, 0, 7);
	assert_true(s.is_everything);
	assert_int_equal(s.count, 2);
	assert_string_equal(hold_set_find(&s, "other")->reason, "all");
	assert_string_equal(hold_set_find(&s, "chat")->reason, "all");
	hold_set_clear(&s);
}

static void
names_are_held(void **state)
{
	struct hold_set s;

	(void)state;
	load(&s, 1, 6);
	assert_false(s.is_everything);
	assert_string_equal(hold_set_find(&s, "maindb")->reason, "one");
	assert_string_equal(hold_set_find(&s, "chat")->reason, "two");
	assert_null(hold_set_find(&s, "other"));
	assert_null(hold_set_find(&s, "b"));
	hold_set_clear(&s);
}

static void
nothing_is_held(void **state)
{
	struct hold_set s;

	(void)state;
	load(&s, 6, 1);
	assert_false(s.is_everything);
	assert_null(hold_set_find(&s, "maindb"));
	hold_set_clear(&s);
	load(&s, 0, 0);
	assert_null(hold_set_find(&s, "maindb"));
	hold_set_clear(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(any_value_is_a_reason),
		cmocka_unit_test(words_have_no_gaps),
		cmocka_unit_test(everything_is_held),
		cmocka_unit_test(names_are_held),
		cmocka_unit_test(nothing_is_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
