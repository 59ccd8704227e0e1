/*
 * test_consul_reader.c: Consul's lists byte by byte, and everything that only looks like one. Every case is
 * fed whole and in pieces of each size up to 7: where a chunk ends must not matter.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "io/consul_reader.h"
#include "io/json_rows.h"
#include "io/kv_impl.h"

#define PREFIX "p/"

static int
feed(struct consul_reader *r, const char *text, size_t len, size_t piece, struct kv_answer *a,
    struct err *e)
{
	int result = 0;

	for (size_t at = 0; at < len && result == 0; at += piece)
		result = consul_reader_feed(r, text + at, len - at < piece ? len - at : piece, e);
	if (result == 0)
		result = consul_reader_end(r, a, e);
	consul_reader_free(r);
	return result;
}

static int
read_keys(const char *text, size_t piece, struct kv_answer *a, struct err *e)
{
	return feed(consul_reader_new_keys(PREFIX, false), text, strlen(text), piece, a, e);
}

/* One row with the fields that Consul always sends. */
#define ROW(key, value) \
	"{\"LockIndex\":0,\"Key\":\"" key "\",\"Flags\":0,\"Value\":" value \
	",\"CreateIndex\":5,\"ModifyIndex\":7}"

static void
test_lists(void **state)
{
	static const struct {
		const char *text;
		const char *want; /* "key=value key=value " */
	} cases[] = {
		{ "[]", "" },
		{ "null", "" },
		{ " \n[ ] \n", "" },
		{ "[" ROW("p/a", "\"ZGIz\"") "]", "p/a=db3 " },
		{ "[" ROW("p/a", "null") "]", "p/a= " },
		{ "[" ROW("p/a", "\"\"") "]", "p/a= " },
		{ "[" ROW("p/a", "\"ZGIz\"") "," ROW("p/b", "\"ZGI0\"") "]", "p/a=db3 p/b=db4 " },
		/* Out of order: sorted. Twice: both are shown, for the caller to judge. */
		{ "[" ROW("p/b", "\"ZGI0\"") "," ROW("p/a", "\"ZGIz\"") "]", "p/a=db3 p/b=db4 " },
		{ "[" ROW("p/a", "\"ZGI0\"") "," ROW("p/a", "\"ZGIz\"") "]", NULL },
		/* What a person may have put there arrives as it is. */
		{ "[" ROW("p/a\\nb", "\"YQpi\"") "]", "p/a\nb=a\nb " },
		{ "[" ROW("p/../etc", "\"ZGIz\"") "]", "p/../etc=db3 " },
		{ "[" ROW("p/\\ufffd\\u00e9", "\"ZGIz\"") "]", "p/\xef\xbf\xbd\xc3\xa9=db3 " },
		/* Fields of a Consul that is newer than we are. */
		{ "[{\"Key\":\"p/a\",\"New\":{\"a\":[1,{}],\"Key\":\"x\"},\"Value\":null,"
		  "\"ModifyIndex\":1,\"More\":[[],true,null,1.5,\"x\"]}]",
		    "p/a= " },
	};

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		for (size_t piece = 1; piece <= 8; piece++) {
			struct kv_answer a = { 0 };
			struct str got = STR_INIT;
			struct err e;

			if (read_keys(cases[i].text, piece < 8 ? piece : SIZE_MAX / 2, &a, &e) != 0)
				fail_msg("%s: %s", cases[i].text, e.text);
			for (size_t k = 0; k < a.list.count; k++)
				str_addf(
				    &got, "%s=%s ", a.list.entries[k].key, a.list.entries[k].value);
			if (cases[i].want != NULL)
				assert_string_equal(str_text(&got), cases[i].want);
			else
				assert_int_equal(a.list.count, 2);
			kv_answer_clear(&a);
			str_clear(&got);
		}
	}
}

static void
test_all_fields(void **state)
{
	struct kv_answer a = { 0 };
	const struct kv_entry *entry;
	struct err e;

	(void)state;
	assert_int_equal(
	    read_keys("[{\"LockIndex\":3,\"Key\":\"p/a\",\"Flags\":18446744073709551615,"
		      "\"Value\":\"AAEA\",\"Session\":\"4e0e4f2e-676c-6bf3-fa1a-3f49522c2240\","
		      "\"CreateIndex\":17,\"ModifyIndex\":9007199254740993}]",
		5, &a, &e),
	    0);
	assert_non_null(entry = kv_list_find(&a.list, "p/a"));
	assert_int_equal(entry->lock_index, 3);
	assert_true(entry->flags == UINT64_MAX);
	assert_int_equal(entry->create_index, 17);
	/* Not through a double, which would say …992. */
	assert_true(entry->modify_index == UINT64_C(9007199254740993));
	assert_string_equal(entry->session, "4e0e4f2e-676c-6bf3-fa1a-3f49522c2240");
	assert_int_equal(entry->value_len, 3);
	assert_memory_equal(entry->value, "\0\1\0", 4);
	assert_false(entry->has_nul_key);
	assert_null(kv_list_find(&a.list, "p/"));
	assert_null(kv_list_find(&a.list, "p/b"));
	kv_answer_clear(&a);
}

static void
test_key_with_nul(void **state)
{
	struct kv_answer a = { 0 };
	struct err e;

	(void)state;
	assert_int_equal(read_keys("[" ROW("p/a\\u0000b", "\"ZGIz\"") "]", 3, &a, &e), 0);
	assert_true(a.list.entries[0].has_nul_key);
	assert_string_equal(a.list.entries[0].key, "p/a");
	kv_answer_clear(&a);
}

static void
test_not_a_list(void **state)
{
	static const char *const cases[] = {
		/* cut short, at every kind of place */
		"",
		" ",
		"[",
		"[{",
		"[{\"Key\"",
		"[" ROW("p/a", "\"ZGIz\""),
		"[" ROW("p/a", "\"ZGIz\"") ",",
		"[" ROW("p/a", "\"ZGI"),
		"nul",
		/* not JSON */
		"<html>503</html>",
		"[]]",
		"[] x",
		"[" ROW("p/a", "\"ZGIz\"") " " ROW("p/b", "\"ZGIz\"") "]",
		"[\"\xff\"]",
		"[" ROW("p/\xc3", "\"ZGIz\"") "]",
		"[" ROW("p/a\n", "\"ZGIz\"") "]",
		/* other JSON */
		"{}",
		"true",
		"5",
		"\"x\"",
		"[1]",
		"[null]",
		"[\"p/a\"]",
		"[[]]",
		"[{}]",
		/* rows with other fields */
		"[{\"Key\":\"p/a\",\"ModifyIndex\":7}]",
		"[{\"Key\":\"p/a\",\"Value\":null}]",
		"[{\"Value\":null,\"ModifyIndex\":7}]",
		"[{\"Key\":null,\"Value\":null,\"ModifyIndex\":7}]",
		"[{\"Key\":5,\"Value\":null,\"ModifyIndex\":7}]",
		"[{\"Key\":[\"p/a\"],\"Value\":null,\"ModifyIndex\":7}]",
		"[{\"Key\":{\"p/a\":1},\"Value\":null,\"ModifyIndex\":7}]",
		"[{\"Key\":\"p/a\",\"Key\":\"p/b\",\"Value\":null,\"ModifyIndex\":7}]",
		"[{\"Key\":\"p/a\",\"Value\":true,\"ModifyIndex\":7}]",
		"[{\"Key\":\"p/a\",\"Value\":null,\"ModifyIndex\":-7}]",
		"[{\"Key\":\"p/a\",\"Value\":null,\"ModifyIndex\":7.5}]",
		"[{\"Key\":\"p/a\",\"Value\":null,\"ModifyIndex\":7e3}]",
		"[{\"Key\":\"p/a\",\"Value\":null,\"ModifyIndex\":\"7\"}]",
		"[{\"Key\":\"p/a\",\"Value\":null,\"ModifyIndex\":18446744073709551616}]",
		/* values that are no base64 */
		"[" ROW("p/a", "\"ZGI\"") "]",
		"[" ROW("p/a", "\"ZG I\"") "]",
		"[" ROW("p/a", "\"====\"") "]",
		"[" ROW("p/a", "\"ZGI-\"") "]",
		"[" ROW("p/a", "\"ZG\\u0000z\"") "]",
		/* one bad row spoils the list */
		"[" ROW("p/a", "\"ZGIz\"") "," ROW("p/b", "\"!\"") "," ROW("p/c", "null") "]",
		/* keys that were not asked for */
		"[" ROW("q/a", "\"ZGIz\"") "]",
		"[" ROW("p", "\"ZGIz\"") "]",
		"[" ROW("", "\"ZGIz\"") "]",
		/* deeper than anything Consul sends */
		("[{\"Key\":\"p/a\",\"Value\":null,\"ModifyIndex\":7,"
		 "\"X\":[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]}]"),
	};

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		for (size_t piece = 1; piece <= 8; piece++) {
			struct kv_answer a = { 0 };
			struct err e = { 0 };

			if (read_keys(cases[i], piece < 8 ? piece : SIZE_MAX / 2, &a, &e) != -1)
				fail_msg("believed: %s", cases[i]);
			assert_int_equal(e.code, ERR_PROTOCOL);
			assert_ptr_equal(strstr(e.text, "the list of keys "), e.text);
			assert_int_equal(a.list.count, 0);
			kv_answer_clear(&a);
		}
	}
}

/* Cut at any byte, the list is not believed. */
static void
test_every_truncation(void **state)
{
	const char *text = "[" ROW("p/a", "\"ZGIz\"") "," ROW("p/b\\u0041", "null") "]";

	(void)state;
	for (size_t len = 0; len < strlen(text); len++) {
		struct kv_answer a = { 0 };
		struct err e;

		assert_int_equal(
		    feed(consul_reader_new_keys(PREFIX, false), text, len, 16, &a, &e), -1);
	}
}

static void
test_exact_key(void **state)
{
	struct kv_answer a = { 0 };
	const char *one = "[" ROW("p/a", "null") "]";
	const char *other = "[" ROW("p/ab", "null") "]";
	const char *two = "[" ROW("p/a", "null") "," ROW("p/a", "null") "]";
	struct err e;

	(void)state;
	assert_int_equal(feed(consul_reader_new_keys("p/a", true), one, strlen(one), 9, &a, &e), 0);
	assert_int_equal(a.list.count, 1);
	kv_answer_clear(&a);
	assert_int_equal(
	    feed(consul_reader_new_keys("p/a", true), other, strlen(other), 9, &a, &e), -1);
	assert_int_equal(
	    feed(consul_reader_new_keys("p/a", true), two, strlen(two), 9, &a, &e), -1);
}

static void
test_nodes(void **state)
{
	const char *text = "[{\"ID\":\"711154ec\",\"Node\":\"web-1\",\"Address\":\"10.0.0.1\","
			   "\"Datacenter\":\"dc1\","
			   "\"TaggedAddresses\":{\"lan\":\"10.0.0.1\"},\"Meta\":{\"rack\":\"b\","
			   "\"x\\u0000y\":\"\"},"
			   "\"CreateIndex\":5,\"ModifyIndex\":6},"
			   "{\"Node\":\"a\\nb\",\"Address\":\"not an address\",\"Meta\":null}]";

	(void)state;
	for (size_t piece = 1; piece < 50; piece++) {
		struct kv_answer a = { 0 };
		struct err e;

		assert_int_equal(
		    feed(consul_reader_new_nodes(), text, strlen(text), piece, &a, &e), 0);
		assert_int_equal(a.nodes.count, 2);
		assert_string_equal(a.nodes.nodes[0].node, "web-1");
		assert_string_equal(a.nodes.nodes[0].address, "10.0.0.1");
		assert_int_equal(a.nodes.nodes[0].meta_count, 2);
		assert_string_equal(a.nodes.nodes[0].meta[0].key, "rack");
		assert_string_equal(a.nodes.nodes[0].meta[0].value, "b");
		assert_string_equal(a.nodes.nodes[0].meta[1].key, "x");
		assert_string_equal(a.nodes.nodes[1].node, "a\nb");
		assert_int_equal(a.nodes.nodes[1].meta_count, 0);
		kv_answer_clear(&a);
	}
}

static void
test_not_nodes(void **state)
{
	static const char *const cases[] = {
		"{}",
		"[{\"Node\":\"a\"}]",
		"[{\"Address\":\"a\"}]",
		"[{\"Node\":null,\"Address\":\"a\"}]",
		"[{\"Node\":\"a\",\"Address\":\"b\",\"Meta\":5}]",
		"[{\"Node\":\"a\",\"Address\":\"b\",\"Meta\":[]}]",
		"[{\"Node\":\"a\",\"Address\":\"b\",\"Meta\":{\"x\":null}}]",
		"[{\"Node\":\"a\",\"Address\":\"b\",\"Meta\":{\"x\":{}}}]",
		"[{\"Node\":\"a\",\"Address\":\"b\",\"Meta\":{\"x\":\"y\"}",
	};

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		struct kv_answer a = { 0 };
		struct err e;

		if (feed(consul_reader_new_nodes(), cases[i], strlen(cases[i]), 4, &a, &e) != -1)
			fail_msg("believed: %s", cases[i]);
		assert_int_equal(e.code, ERR_PROTOCOL);
	}
}

/* --- with the list before ------------------------------------------------------------------------ */

static void
assert_same_list(const struct kv_list *x, const struct kv_list *y)
{
	assert_int_equal(x->count, y->count);
	for (size_t i = 0; i < x->count; i++) {
		const struct kv_entry *a = &x->entries[i], *b = &y->entries[i];

		assert_string_equal(a->key, b->key);
		assert_int_equal(a->value_len, b->value_len);
		assert_memory_equal(a->value, b->value, a->value_len + 1);
		assert_string_equal(a->session, b->session);
		assert_int_equal(a->create_index, b->create_index);
		assert_int_equal(a->modify_index, b->modify_index);
		assert_int_equal(a->lock_index, b->lock_index);
		assert_int_equal(a->flags, b->flags);
		assert_int_equal(a->has_nul_key, b->has_nul_key);
	}
}

static int
read_recalling(struct kv_list *before, const char *text, size_t len, size_t piece,
    struct kv_answer *a, struct err *e)
{
	struct consul_reader *r = consul_reader_new_keys(PREFIX, false);

	consul_reader_recall(r, before);
	return feed(r, text, len, piece, a, e);
}

/* The second text is read the same whether the first one is remembered or not. */
static void
check_pair(const char *before, const char *after, size_t len, size_t piece)
{
	struct kv_answer first = { 0 }, plain = { 0 }, recalled = { 0 };
	struct kv_list last = { 0 };
	struct err e = { 0 }, plain_err = { 0 };
	int result;

	read_recalling(&last, before, strlen(before), piece, &first, &e);
	result = feed(consul_reader_new_keys(PREFIX, false), after, len, piece, &plain, &plain_err);
	err_clear(&e);
	if (read_recalling(&last, after, len, piece, &recalled, &e) != result)
		fail_msg("'%.*s' after '%s': %s instead of %s", (int)len, after, before, e.text,
		    plain_err.text);
	assert_int_equal(e.code, plain_err.code);
	assert_same_list(&recalled.list, &plain.list);
	/* It owns what it shows: what it was made from is gone first. */
	kv_list_clear(&last);
	kv_answer_clear(&first);
	assert_same_list(&recalled.list, &plain.list);
	kv_answer_clear(&recalled);
	kv_answer_clear(&plain);
}

#define A ROW("p/a", "\"ZGIz\"")
#define B ROW("p/b", "\"ZGI0\"")
#define B2 ROW("p/b", "\"ZGIxMg==\"")
#define C ROW("p/c", "null")
#define D \
	"{\"LockIndex\":3,\"Key\":\"p/d\\u0000}{\",\"Flags\":9,\"Value\":\"AAAA\"," \
	"\"Session\":\"abc\",\"CreateIndex\":5,\"ModifyIndex\":7}"

static const char *const documents[] = {
	"[]",
	"null",
	"[" A "]",
	"[" A "," B "," C "," D "]",
	"[" A "," B2 "," C "," D "]\n",
	"[" B "," C "," D "]",
	"[" A "," C "," D "]",
	"[" A "," B "," B "," C "]",
	"[" A "," D "," C "," B "]", /* not sorted */
	"[ " A " , " B " ]",         /* not as Consul writes it */
	"[" A "," B "," C "," D ",]",
	"[" A ",," B "]",
	"[" A "," B "," C "," D,
	"[" A "," B "," C "," D "]]",
	"[" A B "," C "]",
	"[" A "," C "}]",
	"[" A ",null]",
	"[" A "," B "," ROW("q/c", "null") "]",
	"[" A "," ROW("p/b", "\"!\"") "," C "]",
	"[" A ",{\"Key\":\"p/b\"}," C "]",
	"",
};

static void
test_recall(void **state)
{
	(void)state;
	for (size_t i = 0; i < MEM_COUNT(documents); i++) {
		for (size_t k = 0; k < MEM_COUNT(documents); k++) {
			for (size_t piece = 1; piece < 130; piece += piece < 8 ? 1 : 13)
				check_pair(documents[i], documents[k], strlen(documents[k]), piece);
		}
	}
}

/* Every cut, and every byte replaced by one that means something in JSON. */
static void
test_recall_damaged(void **state)
{
	static const char bytes[] = "{}[],:\"\\0 x";
	const char *text = "[" A "," B "," C "," D "]";
	size_t len = strlen(text);
	char *copy = mem_strdup(text);

	(void)state;
	for (size_t i = 0; i < len; i++) {
		check_pair(text, text, i, 64);
		for (const char *byte = bytes; *byte != '\0'; byte++) {
			copy[i] = *byte;
			check_pair(text, copy, len, 64);
		}
		copy[i] = text[i];
	}
	free(copy);
}

struct expectation {
	const char *const *rows; /* ended by NULL */
	size_t values, expected;
};

static int
count_value(void *arg, size_t field, const struct json_rows_value *v, struct err *e)
{
	(void)field;
	(void)v;
	(void)e;
	((struct expectation *)arg)->values++;
	return 0;
}

static int
next_row(void *arg, struct err *e)
{
	(void)e;
	((struct expectation *)arg)->rows++;
	return 0;
}

static const char *
expect_row(void *arg, size_t *len)
{
	const char *row = *((struct expectation *)arg)->rows;

	*len = row != NULL ? strlen(row) : 0;
	return row;
}

static int
count_expected(void *arg, struct err *e)
{
	((struct expectation *)arg)->expected++;
	return next_row(arg, e);
}

/* What is expected is not parsed: of five rows only the first, the changed one, and the one too many. */
static void
test_expected_rows(void **state)
{
	static const struct json_rows_field field[] = { { .name = "v" } };
	static const struct json_rows_spec spec = { .what = "the list",
		.fields = field,
		.field_count = 1,
		.on_value = count_value,
		.on_row = next_row,
		.expect = expect_row,
		.on_expected = count_expected };
	static const char *const rows[] = { "{\"v\":1}", "{\"v\":2}", "{\"v\":3}", "{\"v\":4}",
		NULL, NULL };
	static const char text[] = "[{\"v\":1},{\"v\":5},{\"v\":3},{\"v\":4},{\"v\":6}]";

	(void)state;
	for (size_t piece = 1; piece < sizeof(text); piece++) {
		struct expectation x = { .rows = rows };
		struct json_rows *r = json_rows_new(&spec, &x);

		json_rows_expect(r);
		for (size_t at = 0; at < sizeof(text) - 1; at += piece) {
			size_t left = sizeof(text) - 1 - at;

			assert_int_equal(
			    json_rows_feed(r, text + at, left < piece ? left : piece, NULL), 0);
		}
		assert_int_equal(json_rows_end(r, NULL), 0);
		json_rows_free(r);
		assert_int_equal(x.values, 3);
		assert_int_equal(x.expected, 2);
	}
}

static void
test_ten_thousand(void **state)
{
	struct str text = STR_INIT, value = STR_INIT;
	struct kv_list last = { 0 };
	struct kv_answer a = { 0 };
	int64_t begin, took;
	struct err e;

	(void)state;
	for (int i = 0; i < 10000; i++) {
		str_reset(&value);
		str_adds(&value, "node-");
		str_addf(&value, "%05d", i % 1000);
		str_addf(&text,
		    "%c{\"LockIndex\":0,\"Key\":\"p/service-%05d\",\"Flags\":0,\"Value\":\"",
		    i == 0 ? '[' : ',', i);
		str_add_base64(&text, value.data, value.len);
		str_addf(&text, "\",\"CreateIndex\":%d,\"ModifyIndex\":%d}", i, i);
	}
	str_addc(&text, ']');
	begin = clock_mono_us();
	assert_int_equal(
	    feed(consul_reader_new_keys(PREFIX, false), text.data, text.len, 65536, &a, &e), 0);
	took = clock_mono_us() - begin;
	print_message("10,000 keys, %zu bytes: %" PRId64 " us\n", text.len, took);
	kv_answer_clear(&a);
	for (int i = 0; i < 2; i++) {
		begin = clock_mono_us();
		assert_int_equal(read_recalling(&last, text.data, text.len, 65536, &a, &e), 0);
		took = clock_mono_us() - begin;
		print_message("%s: %" PRId64 " us\n", i == 0 ? "remembered" : "recalled", took);
		if (i == 0)
			kv_answer_clear(&a);
	}
	kv_list_clear(&last);
	assert_int_equal(a.list.count, 10000);
	for (int i = 0; i < 10000; i += 777) {
		char key[32];

		snprintf(key, sizeof(key), "p/service-%05d", i);
		assert_int_equal(kv_list_find(&a.list, key)->modify_index, i);
	}
	kv_answer_clear(&a);
	str_clear(&text);
	str_clear(&value);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_all_fields),
		cmocka_unit_test(test_key_with_nul),
		cmocka_unit_test(test_not_a_list),
		cmocka_unit_test(test_every_truncation),
		cmocka_unit_test(test_exact_key),
		cmocka_unit_test(test_nodes),
		cmocka_unit_test(test_not_nodes),
		cmocka_unit_test(test_recall),
		cmocka_unit_test(test_recall_damaged),
		cmocka_unit_test(test_expected_rows),
		cmocka_unit_test(test_ten_thousand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
