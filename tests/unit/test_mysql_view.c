/*
 * test_mysql_view.c: rows as MariaDB 10.11 and MySQL 9.7 sent them, read into a view, and what the view
 * means for each role.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "model/mysql_view.h"

#define UUID "ec9d65cf-e6ee-11f1-ad62-02fc00000001"
#define CELLS_MAX 32

/* Names and cells in turns, up to a NULL; a cell "\1" is the database's NULL. */
static void
fill(struct rows *rows, const char *const *cells)
{
	const char *names[CELLS_MAX], *values[CELLS_MAX];
	unsigned long lengths[CELLS_MAX];
	size_t n = 0;

	for (; cells[2 * n] != NULL; n++) {
		names[n] = cells[2 * n];
		values[n] = strcmp(cells[2 * n + 1], "\1") == 0 ? NULL : cells[2 * n + 1];
		lengths[n] = strlen(cells[2 * n + 1]);
	}
	if (rows->column_count == 0)
		rows_set_columns(rows, names, n);
	rows_add(rows, values, lengths);
}

enum { IDENTITY, REPLICATION, STATUS, SESSIONS, HEARTBEATS, RESTART };

static void
read_one(struct server_view *v, struct mysql_extra *x, size_t question, const char *const *cells)
{
	struct rows rows = { .row_count = 0 };

	fill(&rows, cells);
	mysql_question_at(question)->read(&rows, v, x);
	rows_clear(&rows);
}

static const char *const mysql_replica[] = { "Replica_IO_State", "Waiting for source to send event",
	"Source_Host", "10.0.4.13", "Source_Port", "3306", "Source_Log_File", "binlog.000012",
	"Read_Source_Log_Pos", "1080", "Replica_IO_Running", "Yes", "Replica_SQL_Running", "No",
	"Last_Errno", "1062", "Seconds_Behind_Source", "\1", "Last_IO_Errno", "0", "Last_IO_Error",
	"", "Last_SQL_Errno", "1062", "Last_SQL_Error",
	"Coordinator stopped because there were error(s) in the worker(s). The most recent failure "
	"being: "
	"Worker 1 failed executing transaction '" UUID
	":4' at source log binlog.000012, end_log_pos 1080.",
	"Retrieved_Gtid_Set", UUID ":1-4", "Executed_Gtid_Set", UUID ":1-3", "Auto_Position", "1",
	"Channel_Name", "", NULL };

static const char *const mariadb_replica[] = { "Connection_name", "home", "Slave_IO_State", "",
	"Master_Host", "10.0.4.14", "Master_Port", "3307", "Master_Log_File", "binlog.000001",
	"Read_Master_Log_Pos", "815", "Slave_IO_Running", "Connecting", "Slave_SQL_Running", "Yes",
	"Seconds_Behind_Master", "\1", "Last_IO_Errno", "2003", "Last_IO_Error",
	"error connecting to master 'replica@10.0.4.14:3307'", "Last_SQL_Errno", "0",
	"Last_SQL_Error", "", "Using_Gtid", "Slave_Pos", "Gtid_IO_Pos", "1-1-30",
	"Slave_received_heartbeats", "7", "Slave_heartbeat_period", "1.000", "Gtid_Slave_Pos",
	"1-1-28,2-2-9", NULL };

static void
test_mysql(void **state)
{
	struct server_view *v = server_view_new(SERVER_MYSQL);
	struct mysql_extra x = { .is_semi_sync = false };
	const char *const identity[] = { "read_only", "1", "super_read_only", "1", "server_id",
		"ed548e12-e6ee-11f1-8af9-02fc00000001", "executed", UUID ":1-3", "session_limit",
		"151", NULL };
	const char *const heartbeat[] = { "channel", "", "heartbeats", "41", "period", "15.000",
		NULL };
	const struct replication_view *r;
	uint64_t before;

	(void)state;
	read_one(v, &x, IDENTITY, identity);
	assert_true(v->is_read_only && v->is_super_read_only && !v->is_writable);
	assert_string_equal(v->server_id, "ed548e12-e6ee-11f1-8af9-02fc00000001");
	assert_string_equal(v->gtid_executed, UUID ":1-3");
	assert_int_equal(v->session_limit, 151);
	read_one(v, &x, REPLICATION, mysql_replica);
	assert_int_equal(v->source_count, 1);
	r = &v->sources[0];
	assert_string_equal(r->source_host, "10.0.4.13");
	assert_int_equal(r->source_port, 3306);
	assert_true(r->is_io_running && !r->is_sql_running && !r->is_io_connecting);
	assert_int_equal(r->sql_errno, 1062);
	/* Which transaction, and not what the coordinator says about itself. */
	assert_memory_equal(r->sql_error, "Worker 1 failed", strlen("Worker 1 failed"));
	assert_true(isnan(r->lag_s));
	assert_true(r->behind == 1);
	before = r->received;
	assert_true(before == (12ull << 40) + 1080);
	read_one(v, &x, HEARTBEATS, heartbeat);
	assert_true(v->sources[0].received == before + 41);
	assert_true(v->sources[0].heartbeat_s == 15);
	server_view_free(v);
}

static void
test_mariadb(void **state)
{
	struct server_view *v = server_view_new(SERVER_MARIADB);
	struct mysql_extra x = { .is_semi_sync = false };
	const char *const identity[] = { "read_only", "0", "super_read_only", "0", "server_id", "1",
		"executed", "1-1-28,2-2-9", "session_limit", "151", NULL };
	const struct replication_view *r;

	(void)state;
	read_one(v, &x, IDENTITY, identity);
	assert_true(v->is_writable);
	read_one(v, &x, REPLICATION, mariadb_replica);
	r = &v->sources[0];
	assert_string_equal(r->channel, "home");
	assert_true(!r->is_io_running && r->is_io_connecting && r->is_sql_running);
	assert_int_equal(r->io_errno, 2003);
	assert_true(r->behind == 2);
	assert_true(r->heartbeat_s == 1);
	assert_true(r->received == (1ull << 40) + 815 + 7);
	server_view_free(v);
}

static void
test_hostile_rows(void **state)
{
	struct server_view *v = server_view_new(SERVER_MYSQL);
	struct mysql_extra x = { .is_semi_sync = false };
	const char *const odd[] = { "Source_Host", "a\033[2J", "Source_Port", "x", "Last_SQL_Error",
		"b\nc", "Retrieved_Gtid_Set", "nonsense", "Auto_Position", "1", NULL };
	const char *const nothing[] = { "x", "\1", NULL };

	(void)state;
	read_one(v, &x, REPLICATION, odd);
	assert_string_equal(v->sources[0].source_host, "a\\x1b[2J");
	assert_string_equal(v->sources[0].sql_error, "b\\x0ac");
	assert_true(isnan(v->sources[0].behind));
	for (size_t i = 0; mysql_question_at(i) != NULL; i++)
		read_one(v, &x, i, nothing);
	assert_null(v->gtid_executed);
	server_view_free(v);
}

static void
test_sessions(void **state)
{
	static const struct {
		const char *user, *seconds, *state, *info;
		double longest;
		bool is_full;
	} cases[] = {
		{ "game", "7.5", "Update", "INSERT INTO t VALUES (1)", 7.5, false },
		{ "game", "7", "", "  /* app:9 */ update t SET a = 1", 7, false },
		{ "game", "7", "Sending data", "SELECT 1", 0, false },
		{ "system user", "900", "", "INSERT INTO t VALUES (1)", 0, false },
		{ "game", "7", "", "\1", 0, false },
		{ "game", "7", "Waiting for disk space", "COMMIT", 7, true },
		{ "system user", "7", "Waiting for disk space", "\1", 0, true },
	};

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		struct server_view *v = server_view_new(SERVER_MYSQL);
		struct mysql_extra x = { .is_semi_sync = false };
		const char *const cells[] = { "user", cases[i].user, "seconds", cases[i].seconds,
			"state", cases[i].state, "info", cases[i].info, NULL };

		read_one(v, &x, SESSIONS, cells);
		assert_true(v->longest_write_s == cases[i].longest);
		assert_int_equal(x.disk[0] != '\0', cases[i].is_full);
		server_view_free(v);
	}
}

static void
test_restart(void **state)
{
	static const struct {
		enum server_kind kind;
		bool is_read_only, has_source;
		const char *source, *persisted, *skip, *text;
	} cases[] = {
		{ SERVER_MYSQL, true, true, "GLOBAL", "\1", "1", "" },
		{ SERVER_MYSQL, true, true, "GLOBAL", "\1", "0", "replication starts by itself" },
		{ SERVER_MYSQL, false, false, "COMPILED", "\1", "0", "comes up writable" },
		{ SERVER_MYSQL, false, true, "DYNAMIC", "ON", "1", "" },
		{ SERVER_MYSQL, true, true, "DYNAMIC", "OFF", "0",
		    "comes up writable; replication starts by itself" },
		{ SERVER_MYSQL, true, true, "DYNAMIC", "\1", "1",
		    "whether it comes up writable cannot be known: read_only was set while it "
		    "ran" },
		{ SERVER_MARIADB, true, false, "CONFIG", "\1", "", "" },
		{ SERVER_MARIADB, true, true, "CONFIG", "\1", "",
		    "comes up read-only; whether replication starts by itself, MariaDB does not "
		    "tell" },
		{ SERVER_MARIADB, false, false, "COMPILE-TIME", "\1", "",
		    "comes up writable (read_only is not in its configuration)" },
		{ SERVER_MARIADB, false, false, "SQL", "\1", "",
		    "whether it comes up writable cannot be known: read_only was set while it "
		    "ran" },
	};

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		struct server_view *v = server_view_new(cases[i].kind);
		struct mysql_extra x = { .is_semi_sync = false };
		const char *const cells[] = { "origin", cases[i].source, "source", cases[i].source,
			"persisted", cases[i].persisted, "skip_start", cases[i].skip, NULL };

		v->is_read_only = cases[i].is_read_only;
		if (cases[i].has_source)
			server_view_source(v);
		read_one(v, &x, RESTART, cells);
		assert_string_equal(v->restart, cases[i].text);
		server_view_free(v);
	}
}

/* --- what it means -------------------------------------------------------------------------------- */

/* A view with all troubles at once but for those that are taken away. */
static const struct {
	enum check_role role;
	bool is_full, is_writable, is_stopped, is_late, is_slow;
	enum check_class class;
} verdicts[] = {
	{ CHECK_ROLE_ACTIVE, true, false, true, true, true, CHECK_DISK_FULL },
	{ CHECK_ROLE_ACTIVE, false, false, true, true, true, CHECK_READ_ONLY },
	{ CHECK_ROLE_ACTIVE, false, true, true, true, true, CHECK_REPLICATION },
	{ CHECK_ROLE_ACTIVE, false, true, false, true, true, CHECK_WARNING },
	{ CHECK_ROLE_ACTIVE, false, true, false, true, false, CHECK_OK },
	{ CHECK_ROLE_STANDBY, true, true, true, true, true, CHECK_DISK_FULL },
	{ CHECK_ROLE_STANDBY, false, true, true, true, true, CHECK_ROLE },
	{ CHECK_ROLE_STANDBY, false, false, true, true, true, CHECK_REPLICATION },
	{ CHECK_ROLE_STANDBY, false, false, false, true, true, CHECK_LAG },
	{ CHECK_ROLE_STANDBY, false, false, false, false, true, CHECK_WARNING },
	{ CHECK_ROLE_STANDBY, false, false, false, false, false, CHECK_OK },
	{ CHECK_ROLE_ANY, false, false, true, true, true, CHECK_REPLICATION },
	{ CHECK_ROLE_ANY, false, true, false, true, true, CHECK_LAG },
	{ CHECK_ROLE_ANY, false, false, false, false, false, CHECK_OK },
};

static void
test_verdicts(void **state)
{
	const struct check_spec spec = { .max_lag_ms = 10000, .long_write_ms = 10000 };

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(verdicts); i++) {
		struct server_view *v = server_view_new(SERVER_MARIADB);
		struct replication_view *s = server_view_source(v);
		struct mysql_extra x = { .is_semi_sync = false };
		struct check_result r = { 0 };

		snprintf(x.disk, sizeof(x.disk), "%s", verdicts[i].is_full ? "waits" : "");
		v->is_writable = verdicts[i].is_writable;
		s->is_io_running = true;
		s->is_sql_running = !verdicts[i].is_stopped;
		s->lag_s = verdicts[i].is_late ? 11 : 10;
		v->longest_write_s = verdicts[i].is_slow ? 11 : 10;
		mysql_judge(v, &x, &spec, verdicts[i].role, &r);
		if (r.class != verdicts[i].class)
			fail_msg("case %zu: %s: %s", i, check_class_name(r.class), r.text);
		check_result_clear(&r);
		server_view_free(v);
	}
}

static void
test_nobody_to_replicate_from(void **state)
{
	static const enum check_class want[] = {
		[CHECK_ROLE_ANY] = CHECK_OK,
		[CHECK_ROLE_ACTIVE] = CHECK_REPLICATION,
		[CHECK_ROLE_STANDBY] = CHECK_REPLICATION,
	};
	const struct check_spec spec = { .max_lag_ms = 0 };

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(want); i++) {
		struct server_view *v = server_view_new(SERVER_MARIADB);
		struct mysql_extra x = { .is_semi_sync = false };
		struct check_result r = { 0 };

		v->is_writable = i != CHECK_ROLE_STANDBY;
		mysql_judge(v, &x, &spec, (enum check_role)i, &r);
		assert_int_equal(r.class, want[i]);
		check_result_clear(&r);
		server_view_free(v);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mysql),
		cmocka_unit_test(test_mariadb),
		cmocka_unit_test(test_hostile_rows),
		cmocka_unit_test(test_sessions),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_nobody_to_replicate_from),
	};

	return cmocka_run_group_tests_name("mysql_view", tests, NULL, NULL);
}
