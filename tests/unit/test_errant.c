/*
 * test_errant.c: what an old master alone has, in both dialects; and the list of what is in a binary log,
 * from files that operate/errant.c saved from real servers (MariaDB 10.11, MySQL 9.7).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/errant.h"
#include "model/errant_list.h"

#define A "ec9d65cf-e6ee-11f1-ad62-02fc00000001"
#define B "fd9d65cf-e6ee-11f1-ad62-02fc00000001"
#define MY "a62da37a-eb58-11f1-88e1-02fc00000001"
#define CORPUS SOURCE_DIR "/tests/fuzz/corpus/binlog/"

static const struct {
	enum gtid_dialect dialect;
	uint64_t id;
	const char *old, *active, *errant; /* NULL: refused */
} cases[] = {
	/* each its own domain */
	{ GTID_MARIADB, 1, "1-1-100,2-2-50", "1-1-100,2-2-70", "" },
	{ GTID_MARIADB, 1, "1-1-105,2-2-50", "1-1-100,2-2-70", "1-1-101-105" },
	{ GTID_MARIADB, 1, "1-1-105,2-2-50", "2-2-70", "1-1-105" },
	/* one domain: that the active is further says nothing of what the old one wrote last */
	{ GTID_MARIADB, 1, "0-1-100,0-2-90", "0-1-100,0-2-250", "" },
	{ GTID_MARIADB, 1, "0-1-120,0-2-90", "0-1-100,0-2-250", "0-1-101-120" },
	{ GTID_MARIADB, 1, "0-1-101", "0-1-100,0-2-101", "0-1-101" },
	/* restored from a backup: the position is all that the active has of the earlier servers */
	{ GTID_MARIADB, 1, "0-1-100,0-2-60,0-3-70", "0-1-100", "" },
	{ GTID_MARIADB, 1, "0-1-100,0-3-70", "0-1-60", "0-1-61-100,0-3-61-70" },
	{ GTID_MARIADB, 0, "0-1-100,0-3-70", "0-1-100", "0-3-70" },
	{ GTID_MARIADB, 1, "0-1-100,1-3-70", "0-1-100", "1-3-70" },
	/* a domain of one is no prefix of another's name */
	{ GTID_MARIADB, 1, "1-11-5,11-1-9", "1-1-50,11-1-9", "" },
	{ GTID_MARIADB, 1, "", "0-1-1", "" },
	{ GTID_MARIADB, 1, "0-1-x", "", NULL },
	{ GTID_MARIADB, 1, "0-1-5", A ":1", NULL },
	{ GTID_MYSQL, 0, A ":1-10," B ":1-5", A ":1-10," B ":1-9", "" },
	{ GTID_MYSQL, 0, A ":1-12," B ":1-5", A ":1-10," B ":1-9", A ":11-12" },
	{ GTID_MYSQL, 0, A ":1-10:tag:1-2", A ":1-10:tag:1", A ":tag:2" },
	{ GTID_MYSQL, 1, A ":1-3", "0-1-5", NULL },
};

static void
test_find(void **state)
{
	(void)state;
	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		struct gtid_set errant = { NULL, 0 };
		struct str text = STR_INIT;
		struct err e = { 0 };
		int rc = errant_find(
		    cases[i].dialect, cases[i].old, cases[i].id, cases[i].active, &errant, &e);

		assert_int_equal(rc, cases[i].errant != NULL ? 0 : -1);
		assert_int_equal(e.code, rc == 0 ? ERR_NONE : ERR_PROTOCOL);
		gtid_format(cases[i].dialect, &errant, &text);
		assert_string_equal(
		    str_text(&text), cases[i].errant != NULL ? cases[i].errant : "");
		gtid_clear(&errant);
		str_clear(&text);
	}
}

/* Events up to the end or to the first that is wrong; how many were read. */
static size_t
feed(const char *bytes, size_t size, struct errant_list *l)
{
	struct binlog_reader reader = { false };
	size_t at = BINLOG_MAGIC_SIZE, len, count = 0;
	struct binlog_event event;

	while (at < size && size - at >= BINLOG_HEADER_SIZE) {
		const uint8_t *p = (const uint8_t *)bytes + at;

		if ((len = binlog_event_size(p)) == 0 || len > size - at ||
		    binlog_read(&reader, p, len, &event, NULL) != 0 ||
		    errant_list_feed(l, &event, NULL) != 0)
			break;
		at += len;
		count++;
	}
	errant_list_end(l);
	return count;
}

static void
check_list(const char *path, const char *const (*want)[2], size_t count, const char *gtids,
    enum gtid_dialect dialect, uint64_t rows)
{
	struct str bytes = STR_INIT, text = STR_INIT;
	struct errant_list l = { .items = NULL };

	assert_int_equal(file_read(path, 1 << 20, &bytes, NULL), 0);
	feed(bytes.data, bytes.len, &l);
	assert_int_equal(l.count, count);
	assert_int_equal(l.total, count);
	for (size_t i = 0; i < count; i++) {
		assert_string_equal(l.items[i].gtid, want[i][0]);
		assert_string_equal(l.items[i].what, want[i][1]);
		assert_in_range(l.items[i].at_s, 1795890000, 1795890200);
		assert_true(l.items[i].is_counted);
	}
	assert_int_equal(l.rows, rows);
	assert_true(l.is_counted);
	gtid_format(dialect, &l.gtids, &text);
	assert_string_equal(str_text(&text), gtids);
	errant_list_clear(&l);
	str_clear(&bytes);
	str_clear(&text);
}

static void
test_list(void **state)
{
	static const char *const of_mariadb[][2] = {
		{ "1-1-6", "shop.orders: 1 row inserted" },
		{ "1-1-7", "shop.stock: 2 rows updated; shop.orders: 1 row deleted" },
		{ "1-1-8", "CREATE TABLE shop.notes (id INT PRIMARY KEY)" },
	};
	static const char *const of_mysql[][2] = {
		{ MY ":6", "shop.orders: 1 row inserted" },
		{ MY ":7", "shop.stock: 2 rows updated; shop.orders: 1 row deleted" },
		{ MY ":8", "CREATE TABLE shop.notes (id INT PRIMARY KEY)" },
		{ MY ":tag:1", "shop.notes: 1 row inserted" },
	};

	(void)state;
	check_list(CORPUS "mariadb", of_mariadb, MEM_COUNT(of_mariadb), "1-1-6-8", GTID_MARIADB, 4);
	check_list(
	    CORPUS "mysql", of_mysql, MEM_COUNT(of_mysql), MY ":6-8," MY ":tag:1", GTID_MYSQL, 5);
}

/* Each byte changed, and each length: nothing is read that is not there (the sanitizers look). */
static void
test_damage(void **state)
{
	static const char *const paths[] = { CORPUS "mariadb", CORPUS "mysql" };

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(paths); i++) {
		struct str bytes = STR_INIT;
		size_t whole;

		assert_int_equal(file_read(paths[i], 1 << 20, &bytes, NULL), 0);
		for (size_t at = 0; at < bytes.len; at++) {
			struct errant_list l = { .items = NULL };
			char *copy = mem_alloc(at + 1);

			memcpy(copy, bytes.data, at);
			whole = feed(copy, at, &l);
			errant_list_clear(&l);
			free(copy);
			for (int bit = 0; bit < 8; bit++) {
				bytes.data[at] ^= (char)(1 << bit);
				feed(bytes.data, bytes.len, &l);
				errant_list_clear(&l);
				bytes.data[at] ^= (char)(1 << bit);
			}
		}
		assert_true(whole > 10);
		str_clear(&bytes);
	}
}

/* A statement of the length that is asked for, as MariaDB writes it: behind a GTID of domain 0. */
static void
add_statement(struct errant_list *l, uint64_t number, const char *statement)
{
	uint8_t gtid[BINLOG_HEADER_SIZE + 19] = { [4] = BINLOG_MARIADB_GTID, [5] = 7 };
	uint8_t query[BINLOG_HEADER_SIZE + 14 + 1024] = { [4] = BINLOG_QUERY };
	size_t len = BINLOG_HEADER_SIZE + 14 + strlen(statement);
	struct binlog_reader reader = { .has_format = true };
	struct binlog_event event;

	gtid[9] = sizeof(gtid);
	memcpy(gtid + BINLOG_HEADER_SIZE, &number, sizeof(number));
	query[9] = (uint8_t)len;
	query[10] = (uint8_t)(len >> 8);
	memcpy(query + BINLOG_HEADER_SIZE + 14, statement, strlen(statement));
	assert_int_equal(binlog_read(&reader, gtid, sizeof(gtid), &event, NULL), 0);
	assert_int_equal(errant_list_feed(l, &event, NULL), 0);
	assert_int_equal(binlog_read(&reader, query, len, &event, NULL), 0);
	assert_int_equal(errant_list_feed(l, &event, NULL), 0);
}

static void
test_statements(void **state)
{
	struct errant_list l = { .items = NULL };
	struct str text = STR_INIT;
	char large[901];

	(void)state;
	memset(large, 'x', sizeof(large) - 1);
	large[900] = '\0';
	add_statement(&l, 1, "DROP\n\tTABLE  t");
	add_statement(&l, 2, "BEGIN");
	add_statement(&l, 3, "SELECT '\x1b[2J'");
	add_statement(&l, 5, large);
	errant_list_end(&l);
	assert_int_equal(l.count, 4);
	assert_string_equal(l.items[0].gtid, "0-7-1");
	assert_string_equal(l.items[0].what, "DROP TABLE t");
	assert_string_equal(l.items[1].what, "nothing");
	assert_string_equal(l.items[2].what, "SELECT '\\x1b[2J'");
	assert_int_equal(strlen(l.items[3].what), 103);
	gtid_format(GTID_MARIADB, &l.gtids, &text);
	assert_string_equal(str_text(&text), "0-7-3,0-7-5");
	errant_list_clear(&l);
	str_clear(&text);
}

static void
test_many(void **state)
{
	struct errant_list l = { .items = NULL };

	(void)state;
	for (uint64_t i = 1; i <= ERRANT_LIST_MAX + 500; i++)
		add_statement(&l, i, "x");
	errant_list_end(&l);
	assert_int_equal(l.count, ERRANT_LIST_MAX);
	assert_int_equal(l.total, ERRANT_LIST_MAX + 500);
	assert_int_equal(gtid_count(&l.gtids), ERRANT_LIST_MAX + 500);
	assert_true(gtid_has(&l.gtids, "0-7", ERRANT_LIST_MAX + 500));
	assert_false(gtid_has(&l.gtids, "0-7", ERRANT_LIST_MAX + 501));
	assert_false(gtid_has(&l.gtids, "0-8", 1));
	errant_list_clear(&l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_statements),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests_name("errant", tests, NULL, NULL);
}
