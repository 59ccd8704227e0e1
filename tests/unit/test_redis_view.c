/*
 * test_redis_view.c: what INFO means, on texts recorded from Redis 7.0.15: a master with its replica, and
 * that replica before and after the master was killed. What a server in another state would say is made of
 * them, line by line.
 */
#include "model/redis_view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

static char *
recorded(const char *name)
{
	char *path = mem_printf(SOURCE_DIR "/tests/fuzz/corpus/redis_info/%s", name);
	struct str s = STR_INIT;
	struct err e;

	if (file_read(path, 65536, &s, &e) != 0)
		fail_msg("%s", e.text);
	free(path);
	return str_take(&s);
}

/* The recorded text with a line more, or in place of the one with the same key. */
static char *
changed(const char *name, const char *line)
{
	char *text = recorded(name), *at, *result;
	char *key = line != NULL ? mem_printf("\n%.*s:", (int)strcspn(line, ":"), line) : NULL;

	if (line == NULL)
		return text;
	at = strstr(text, key);
	if (at == NULL)
		result = mem_printf("%s%s\r\n", text, line);
	else
		result =
		    mem_printf("%.*s\n%s%s", (int)(at - text), text, line, strchr(at + 1, '\r'));
	free(text);
	free(key);
	return result;
}

static struct redis_info
parse(const char *name, const char *line)
{
	char *text = changed(name, line);
	struct redis_info info;
	struct err e;

	if (redis_info_parse(text, strlen(text), &info, &e) != 0)
		fail_msg("%s", e.text);
	free(text);
	return info;
}

static void
test_view_of_a_master(void **state)
{
	struct redis_info info = parse("master", NULL);
	struct server_view *v = redis_view_new(&info);

	(void)state;
	assert_int_equal(SERVER_REDIS, v->kind);
	assert_string_equal("7.0.15", v->version);
	assert_int_equal(40, strlen(v->server_id));
	assert_true(v->is_writable);
	assert_false(v->is_read_only);
	assert_int_equal(0, v->source_count);
	assert_string_equal("aa83336c0db4f1dc330f6f6dbd80ac708f56ad48:50", v->gtid_executed);
	assert_int_equal(10000, v->session_limit);
	assert_true(v->sessions > 0);
	assert_true(isnan(v->longest_write_s));
	assert_int_equal(1, info.replicas);
	assert_int_equal(0, info.replica_behind);
	server_view_free(v);
}

static void
test_view_of_a_replica(void **state)
{
	struct redis_info info = parse("replica", "slave_repl_offset:43");
	struct server_view *v = redis_view_new(&info);
	const struct replication_view *s = v->sources;

	(void)state;
	assert_false(v->is_writable);
	assert_true(v->is_read_only);
	assert_int_equal(1, v->source_count);
	assert_string_equal("127.0.0.1", s->source_host);
	assert_int_equal(17801, s->source_port);
	assert_true(s->is_io_running && s->is_sql_running);
	assert_int_equal(50, s->received);
	assert_true(s->behind == 7);
	assert_true(s->lag_s == 0);
	assert_string_equal("aa83336c0db4f1dc330f6f6dbd80ac708f56ad48:43", v->gtid_executed);
	assert_string_equal("aa83336c0db4f1dc330f6f6dbd80ac708f56ad48:50", s->gtid_received);
	server_view_free(v);

	info = parse("broken", NULL);
	v = redis_view_new(&info);
	assert_false(v->sources->is_io_running);
	assert_true(v->sources->is_io_connecting);
	assert_true(v->sources->lag_s == (double)info.link_down_s);
	server_view_free(v);
}

static void
test_what_it_means(void **state)
{
	static const struct {
		const char *name, *line;
		enum check_role role;
		enum check_class class;
		const char *text;
	} rows[] = {
		{ "master", NULL, CHECK_ROLE_ANY, CHECK_OK, "master, 1 replica, the last 0 bytes" },
		{ "master", NULL, CHECK_ROLE_ACTIVE, CHECK_OK, "master" },
		{ "master", NULL, CHECK_ROLE_STANDBY, CHECK_ROLE, "is a master" },
		{ "master", "master_repl_offset:90", CHECK_ROLE_ACTIVE, CHECK_OK,
		    "40 bytes behind" },
		{ "master", "loading:1", CHECK_ROLE_ACTIVE, CHECK_READ_ONLY, "loads" },
		{ "master", "min_slaves_good_slaves:0", CHECK_ROLE_ANY, CHECK_REPLICATION,
		    "min-rep" },
		{ "master", "rdb_last_bgsave_status:err", CHECK_ROLE_ANY, CHECK_DISK_FULL, "save" },
		{ "master", "aof_last_write_status:err", CHECK_ROLE_ANY, CHECK_DISK_FULL,
		    "append" },
		{ "master", "maxmemory:100", CHECK_ROLE_ANY, CHECK_VALUE, "maxmemory (100" },
		{ "master", "redis_mode:sentinel", CHECK_ROLE_ANY, CHECK_PROTOCOL, "Sentinel" },
		{ "master", "role:xyz", CHECK_ROLE_ANY, CHECK_PROTOCOL, "no role" },
		{ "replica", NULL, CHECK_ROLE_ANY, CHECK_OK, "replica of 127.0.0.1:17801, linked" },
		{ "replica", NULL, CHECK_ROLE_STANDBY, CHECK_OK, "linked" },
		{ "replica", NULL, CHECK_ROLE_ACTIVE, CHECK_ROLE, "must be a master" },
		{ "replica", "loading:1", CHECK_ROLE_STANDBY, CHECK_REPLICATION, "loads" },
		{ "replica", "slave_read_only:0", CHECK_ROLE_STANDBY, CHECK_ROLE, "takes writes" },
		{ "replica", "slave_read_only:0", CHECK_ROLE_ANY, CHECK_OK, "linked" },
		{ "replica", "master_last_io_seconds_ago:10", CHECK_ROLE_STANDBY, CHECK_OK,
		    "linked" },
		{ "replica", "master_last_io_seconds_ago:31", CHECK_ROLE_STANDBY, CHECK_LAG,
		    "31 s" },
		{ "replica", "master_host:\x1b[31m", CHECK_ROLE_STANDBY, CHECK_OK,
		    "of \\x1b[31m:" },
		{ "broken", NULL, CHECK_ROLE_STANDBY, CHECK_REPLICATION, "down for 2 s (connect)" },
		{ "broken", NULL, CHECK_ROLE_ANY, CHECK_REPLICATION, "down for 2 s" },
		{ "broken", NULL, CHECK_ROLE_ACTIVE, CHECK_ROLE, "must be a master" },
		{ "broken", "master_link_down_since_seconds:-1", CHECK_ROLE_STANDBY,
		    CHECK_REPLICATION, "no link to 127.0.0.1:17801 yet" },
	};

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(rows); i++) {
		struct redis_info info = parse(rows[i].name, rows[i].line);
		struct check_result r = { 0 };

		redis_view_judge(&r, &info, rows[i].role, 10000, "connect");
		if (r.class != rows[i].class || strstr(r.text, rows[i].text) == NULL)
			fail_msg("row %zu: %s: %s", i, check_class_name(r.class), r.text);
		check_result_clear(&r);
	}
}

static void
test_numbers(void **state)
{
	struct redis_info info = parse("replica", "connected_clients:77");
	struct check_result r = { 0 };
	bool has_sessions = false, has_lag = false;

	(void)state;
	redis_view_judge(&r, &info, CHECK_ROLE_ANY, 0, NULL);
	for (size_t i = 0; i < r.number_count; i++) {
		has_sessions |=
		    strcmp(r.numbers[i].label, "sessions") == 0 && r.numbers[i].value == 77;
		has_lag |= strcmp(r.numbers[i].label, "lag") == 0 && r.numbers[i].value == 0;
		assert_string_not_equal("replicas", r.numbers[i].label);
	}
	assert_true(has_sessions && has_lag);
	check_result_clear(&r);
}

/* Fields that are missing or no numbers raise no alarm and are no number. */
static void
test_little_is_known(void **state)
{
	static const char old[] =
	    "redis_version:2.8.24\r\nrole:master\r\nconnected_clients:x\r\n"
	    "slave0:ip=1.2.3.4,port=1,state=online\r\nslave1:\r\nmaxclients:-5";
	struct redis_info info;
	struct check_result r = { 0 };
	struct err e;

	(void)state;
	assert_int_equal(0, redis_info_parse(old, strlen(old), &info, &e));
	redis_view_judge(&r, &info, CHECK_ROLE_ACTIVE, 10000, NULL);
	assert_int_equal(CHECK_OK, r.class);
	assert_int_equal(0, r.number_count);
	assert_int_equal(-1, redis_info_parse("", 0, &info, &e));
	assert_int_equal(ERR_PROTOCOL, e.code);
	assert_int_equal(-1, redis_info_parse("hello\nrole:master\n", 18, &info, &e));
	check_result_clear(&r);
}

static void
test_errors(void **state)
{
	static const struct {
		const char *error;
		enum check_class class;
	} rows[] = {
		{ "NOAUTH Authentication required.", CHECK_AUTH },
		{ "WRONGPASS invalid username-password pair or user is disabled.", CHECK_AUTH },
		{ "NOPERM this user has no permissions to run the 'info' command", CHECK_AUTH },
		{ "DENIED Redis is running in protected mode because …", CHECK_AUTH },
		{ "ERR invalid password", CHECK_AUTH },
		{ "ERR AUTH <password> called without any password configured for the default user",
		    CHECK_AUTH },
		{ "ERR max number of clients reached", CHECK_TOO_MANY },
		{ "LOADING Redis is loading the dataset in memory", CHECK_READ_ONLY },
		{ "MASTERDOWN Link with MASTER is down", CHECK_REPLICATION },
		{ "READONLY You can't write against a read only replica.", CHECK_READ_ONLY },
		{ "NOREPLICAS Not enough good replicas to write.", CHECK_REPLICATION },
		{ "MISCONF Redis is configured to save RDB snapshots", CHECK_DISK_FULL },
		{ "OOM command not allowed when used memory > 'maxmemory'.", CHECK_VALUE },
		{ "BUSY Redis is busy running a script.", CHECK_TIMEOUT },
		{ "ERR unknown command 'ROLE'", CHECK_VALUE },
	};

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(rows); i++) {
		struct check_result r = { 0 };

		redis_view_error(&r, rows[i].error);
		if (r.class != rows[i].class)
			fail_msg("%s: %s", rows[i].error, check_class_name(r.class));
		assert_non_null(strstr(r.text, rows[i].error)); /* the server's own words */
		check_result_clear(&r);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_view_of_a_master),
		cmocka_unit_test(test_view_of_a_replica),
		cmocka_unit_test(test_what_it_means),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_little_is_known),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
