/*
 * test_gtid.c: sets of GTIDs of both dialects: what is read, what is refused, and the arithmetic, the
 * latter also against a naive one on random sets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/gtid.h"

#define A "ec9d65cf-e6ee-11f1-ad62-02fc00000001"
#define B "fd9d65cf-e6ee-11f1-ad62-02fc00000001"

static const struct {
	enum gtid_dialect dialect;
	const char *text, *canonical; /* NULL: refused */
	uint64_t count;
} texts[] = {
	{ GTID_MYSQL, "", "", 0 },
	{ GTID_MYSQL, A ":1-3", A ":1-3", 3 },
	{ GTID_MYSQL, A ":5", A ":5", 1 },
	{ GTID_MYSQL, "EC9D65CF-E6EE-11F1-AD62-02FC00000001:1-3:5:7-9", A ":1-3:5:7-9", 7 },
	{ GTID_MYSQL, A ":7-9:1-3:4", A ":1-4:7-9", 7 },
	{ GTID_MYSQL, B ":1,\n" A ":1-3,\n" B ":2-4", A ":1-3," B ":1-4", 7 },
	{ GTID_MYSQL, A ":1-3:Tag_1:1-2:9", A ":1-3," A ":tag_1:1-2:9", 6 },
	{ GTID_MYSQL, A ":1-18446744073709551615," B ":1", A ":1-18446744073709551615," B ":1",
	    UINT64_MAX },
	{ GTID_MYSQL, A, NULL, 0 },
	{ GTID_MYSQL, A ":", NULL, 0 },
	{ GTID_MYSQL, A ":3-1", NULL, 0 },
	{ GTID_MYSQL, A ":0", NULL, 0 },
	{ GTID_MYSQL, A ":1-99999999999999999999", NULL, 0 },
	{ GTID_MYSQL, "0-1-5", NULL, 0 },
	{ GTID_MYSQL, A ":1-3;", NULL, 0 },
	{ GTID_MARIADB, "", "", 0 },
	{ GTID_MARIADB, "1-1-3", "1-1-3", 3 },
	{ GTID_MARIADB, "2-2-7, 1-1-3,1-2-9", "1-1-3,1-2-9,2-2-7", 19 },
	{ GTID_MARIADB, "1-1-0", "", 0 },
	{ GTID_MARIADB, "1-1", NULL, 0 },
	{ GTID_MARIADB, "1-1-x", NULL, 0 },
	{ GTID_MARIADB, "4294967296-1-3", NULL, 0 },
	{ GTID_MARIADB, A ":1", NULL, 0 },
};

static void
test_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < MEM_COUNT(texts); i++) {
		struct gtid_set s = { NULL, 0 };
		struct str out = STR_INIT;
		struct err e = { 0 };
		int rc = gtid_parse(texts[i].dialect, texts[i].text, &s, &e);

		assert_int_equal(rc, texts[i].canonical != NULL ? 0 : -1);
		assert_int_equal(e.code, texts[i].canonical != NULL ? ERR_NONE : ERR_PROTOCOL);
		gtid_format(texts[i].dialect, &s, &out);
		assert_string_equal(
		    str_text(&out), texts[i].canonical != NULL ? texts[i].canonical : "");
		assert_true(gtid_count(&s) == texts[i].count);
		gtid_clear(&s);
		str_clear(&out);
	}
}

static const struct {
	enum gtid_dialect dialect;
	const char *a, *b, *rest;
} differences[] = {
	{ GTID_MYSQL, A ":1-10", A ":3-4:8", A ":1-2:5-7:9-10" },
	{ GTID_MYSQL, A ":1-10", A ":1-10", "" },
	{ GTID_MYSQL, A ":1-10", A ":1-20", "" },
	{ GTID_MYSQL, A ":5-10", A ":1-7", A ":8-10" },
	{ GTID_MYSQL, A ":1-3," B ":1-2", B ":1-2", A ":1-3" },
	{ GTID_MYSQL, "", A ":1", "" },
	{ GTID_MYSQL, A ":t:1-5", A ":1-5", A ":t:1-5" },
	{ GTID_MARIADB, "1-1-120", "1-1-100", "1-1-101-120" },
	{ GTID_MARIADB, "1-1-120,1-2-90", "1-1-120", "1-2-90" },
	{ GTID_MARIADB, "1-1-120", "1-1-121,2-1-1", "" },
};

static void
test_differences(void **state)
{
	(void)state;
	for (size_t i = 0; i < MEM_COUNT(differences); i++) {
		struct gtid_set a, b, rest;
		struct str out = STR_INIT;

		assert_int_equal(gtid_parse(differences[i].dialect, differences[i].a, &a, NULL), 0);
		assert_int_equal(gtid_parse(differences[i].dialect, differences[i].b, &b, NULL), 0);
		gtid_subtract(&a, &b, &rest);
		gtid_format(differences[i].dialect, &rest, &out);
		assert_string_equal(str_text(&out), differences[i].rest);
		assert_int_equal(gtid_contains(&b, &a), differences[i].rest[0] == '\0');
		gtid_clear(&a);
		gtid_clear(&b);
		gtid_clear(&rest);
		str_clear(&out);
	}
}

static const struct {
	enum gtid_dialect dialect;
	const char *set, *server, *kept;
} kept[] = {
	{ GTID_MYSQL, A ":1-10," B ":1-5", A, A ":1-10" },
	{ GTID_MYSQL, A ":1-10:12," A ":tag:1-3," B ":1-5", A, A ":1-10:12," A ":tag:1-3" },
	{ GTID_MYSQL, A ":1-10", B, "" },
	{ GTID_MARIADB, "0-1-120,0-2-90,3-1-7,3-11-5", "1", "0-1-120,3-1-7" },
	{ GTID_MARIADB, "0-1-120", "12", "" },
	{ GTID_MARIADB, "", "1", "" },
};

static void
test_what_a_server_wrote(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		struct gtid_set s;
		struct str out = STR_INIT;
		struct err e;

		assert_int_equal(gtid_parse(kept[i].dialect, kept[i].set, &s, &e), 0);
		gtid_keep_server(kept[i].dialect, &s, kept[i].server);
		gtid_format(kept[i].dialect, &s, &out);
		assert_string_equal(str_text(&out), kept[i].kept);
		gtid_clear(&s);
		str_clear(&out);
	}
}

static void
test_behind(void **state)
{
	(void)state;
	assert_true(gtid_behind(GTID_MYSQL, A ":1-10", A ":1-7," B ":1-5") == 3);
	assert_true(gtid_behind(GTID_MYSQL, A ":1-10," B ":4", A ":1-10:12," B ":1-3") == 1);
	assert_true(gtid_behind(GTID_MARIADB, "1-1-10", "1-2-7,2-2-5") == 3);
	assert_true(gtid_behind(GTID_MARIADB, "1-1-10,1-2-12,2-2-9", "1-1-10,2-2-9") == 2);
	assert_true(gtid_behind(GTID_MARIADB, "1-1-10", "1-1-11") == 0);
	assert_true(gtid_behind(GTID_MARIADB, "11-1-10", "1-1-10") == 10);
	assert_true(gtid_behind(GTID_MARIADB, "", "") == 0);
	assert_true(isnan(gtid_behind(GTID_MARIADB, "x", "1-1-1")));
	assert_true(isnan(gtid_behind(GTID_MYSQL, A ":1", "0-1-1")));
}

#define NUMBERS 24

static void
random_set(bool *has, struct str *text)
{
	str_reset(text);
	for (int i = 1; i < NUMBERS; i++) {
		has[i] = rand() % 2 == 0;
		if (has[i])
			str_addf(text, "%s" A ":%d", text->len > 0 ? "," : "", i);
	}
}

static void
test_random(void **state)
{
	bool x[NUMBERS], y[NUMBERS];
	struct str a = STR_INIT, b = STR_INIT, want = STR_INIT, got = STR_INIT;

	(void)state;
	srand(1);
	for (int round = 0; round < 2000; round++) {
		struct gtid_set p, q, rest, wanted;

		random_set(x, &a);
		random_set(y, &b);
		str_reset(&want);
		for (int i = 1; i < NUMBERS; i++) {
			if (x[i] && !y[i])
				str_addf(&want, "%s" A ":%d", want.len > 0 ? "," : "", i);
		}
		assert_int_equal(gtid_parse(GTID_MYSQL, str_text(&a), &p, NULL), 0);
		assert_int_equal(gtid_parse(GTID_MYSQL, str_text(&b), &q, NULL), 0);
		assert_int_equal(gtid_parse(GTID_MYSQL, str_text(&want), &wanted, NULL), 0);
		gtid_subtract(&p, &q, &rest);
		str_reset(&want);
		str_reset(&got);
		gtid_format(GTID_MYSQL, &wanted, &want);
		gtid_format(GTID_MYSQL, &rest, &got);
		assert_string_equal(str_text(&got), str_text(&want));
		gtid_clear(&p);
		gtid_clear(&q);
		gtid_clear(&rest);
		gtid_clear(&wanted);
	}
	str_clear(&a);
	str_clear(&b);
	str_clear(&want);
	str_clear(&got);
}

static void
test_advance(void **state)
{
	static const struct {
		const char *position, *other, *server, *wanted;
	} cases[] = {
		/* What was replayed of domain 1 is passed; its own domain is not its business. */
		{ "1-1-100,2-2-50", "1-1-104,2-2-60", "2", "1-1-104,2-2-50" },
		{ "1-1-100", "1-1-104,2-2-60", "2", "1-1-104" },
		{ "", "1-1-104", "2", "1-1-104" },
		{ "1-1-104,2-2-50", "1-1-104,2-2-60", "2", NULL },
		{ "1-1-105", "1-1-104", "2", NULL },
		/* One domain for all: the number counts, whoever wrote it. */
		{ "0-2-90", "0-1-104", "2", "0-1-104" },
		{ "0-1-110", "0-3-120", "2", "0-3-120" },
		{ "0-1-100", "0-2-104", "2", NULL },
		/* 1 is no part of 11. */
		{ "11-1-100,3-3-7", "1-1-5", "2", "1-1-5,11-1-100,3-3-7" },
		{ "nonsense", "1-1-5", "2", NULL },
		{ "1-1-5", "nonsense", "2", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str out = STR_INIT;
		bool is_moved =
		    gtid_advance(cases[i].position, cases[i].other, cases[i].server, &out);

		assert_int_equal(is_moved, cases[i].wanted != NULL);
		assert_string_equal(str_text(&out), cases[i].wanted != NULL ? cases[i].wanted : "");
		str_clear(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_differences),
		cmocka_unit_test(test_what_a_server_wrote),
		cmocka_unit_test(test_behind),
		cmocka_unit_test(test_advance),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests_name("gtid", tests, NULL, NULL);
}
