/*
 * test_check_mysql.c: the types mysql and sql against two real MariaDB that replicate from each other: each
 * way in which one can be ill is reported as what it is.
 */
#include "check_probe.h"

#include <math.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "certificates.h"
#include "mariadb_server.h"
#include "model/mysql_view.h"
#include "model/server_view.h"

static struct mariadb_server *active, *standby; /* the active one has TLS */
static struct loop *loop;
static char *certificates;

static char *
write_credentials(const char *name, const char *lines)
{
	char *path = mem_printf("%s/%s", certificates, name);
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	fprintf(f, "[pointsman]\nuser = watch\n%s\n", lines);
	fclose(f);
	assert_int_equal(chmod(path, 0600), 0);
	return path;
}

static struct check_result
look(struct mariadb_server *server, enum check_role role, const char *lines)
{
	char *path = write_credentials("watch.cnf", lines);
	const struct check_spec spec = { .type = (char *)"mysql",
		.credentials = path,
		.max_lag_ms = 1000,
		.long_write_ms = 1000 };
	struct check_result r =
	    probe_once(loop, &spec, mariadb_server_port(server), role, PROBE_AMPLE_MS);

	free(path);
	return r;
}

#define PASSWORD "password = secret"

/* Until it is found so: what a server was told takes a moment. */
static void
expect(
    struct mariadb_server *server, enum check_role role, enum check_class want, const char *words)
{
	struct check_result r = look(server, role, PASSWORD);

	for (int i = 0; i < 100 && r.class != want; i++) {
		check_result_clear(&r);
		io_test_idle(loop, 100);
		r = look(server, role, PASSWORD);
	}
	assert_found(&r, want, words);
	check_result_clear(&r);
}

static void
test_well(void **state)
{
	struct check_result r;

	(void)state;
	expect(active, CHECK_ROLE_ACTIVE, CHECK_OK, "writable");
	expect(standby, CHECK_ROLE_STANDBY, CHECK_OK, "read-only");
	r = look(standby, CHECK_ROLE_STANDBY, PASSWORD);
	assert_non_null(r.view);
	assert_int_equal(r.view->kind, SERVER_MARIADB);
	assert_string_equal(r.view->server_id, "2");
	assert_true(r.view->is_read_only && !r.view->is_writable);
	assert_int_equal(r.view->source_count, 1);
	assert_int_equal(r.view->sources[0].source_port, mariadb_server_port(active));
	assert_true(r.view->sources[0].is_io_running && r.view->sources[0].is_sql_running);
	assert_non_null(r.view->sources[0].gtid_received);
	assert_true(r.view->sources[0].behind == 0);
	assert_true(r.view->sources[0].heartbeat_s == 1);
	assert_non_null(strstr(r.view->restart, "cannot be known"));
	assert_true(r.view->session_limit == 151);
	assert_true(probe_number(&r, "lag") == 0);
	assert_true(probe_number(&r, "connections") >= 1);
	assert_true(probe_number(&r, "connect_time") > 0);
	check_result_clear(&r);
}

static void
test_wrong_role(void **state)
{
	(void)state;
	mariadb_server_run(active, "SET GLOBAL read_only = 1");
	expect(active, CHECK_ROLE_ACTIVE, CHECK_READ_ONLY, "read_only");
	mariadb_server_run(active, "SET GLOBAL read_only = 0");
	mariadb_server_run(standby, "SET GLOBAL read_only = 0");
	expect(standby, CHECK_ROLE_STANDBY, CHECK_ROLE, "writable");
	mariadb_server_run(standby, "SET GLOBAL read_only = 1");
	expect(standby, CHECK_ROLE_STANDBY, CHECK_OK, "read-only");
}

static void
test_replication(void **state)
{
	struct check_result r;

	(void)state;
	mariadb_server_run(
	    active, "CREATE DATABASE game; CREATE TABLE game.t (id INT PRIMARY KEY)");
	io_test_idle(loop, 300);
	mariadb_server_run(standby, "SET SESSION sql_log_bin = 0; INSERT INTO game.t VALUES (1)");
	mariadb_server_run(active, "INSERT INTO game.t VALUES (1); INSERT INTO game.t VALUES (2)");
	expect(standby, CHECK_ROLE_STANDBY, CHECK_REPLICATION, "not applied, error 1062: ");
	r = look(standby, CHECK_ROLE_STANDBY, PASSWORD);
	assert_true(r.view->sources[0].behind == 2);
	assert_true(probe_number(&r, "behind") == 2);
	check_result_clear(&r);
	mariadb_server_run(standby, "SET SESSION sql_log_bin = 0; DELETE FROM game.t; START SLAVE");
	expect(standby, CHECK_ROLE_STANDBY, CHECK_OK, "");

	mariadb_server_run(standby, "STOP SLAVE IO_THREAD");
	expect(standby, CHECK_ROLE_STANDBY, CHECK_REPLICATION, "receives nothing");
	mariadb_server_run(standby, "START SLAVE");
	mariadb_server_run(active, "STOP SLAVE SQL_THREAD");
	expect(active, CHECK_ROLE_ACTIVE, CHECK_REPLICATION, "the way back home");
	assert_false(check_class_is_down(CHECK_REPLICATION));
	mariadb_server_run(active, "START SLAVE");
	expect(active, CHECK_ROLE_ACTIVE, CHECK_OK, "");
}

static void
test_lag(void **state)
{
	(void)state;
	mariadb_server_run(standby, "STOP SLAVE; CHANGE MASTER TO MASTER_DELAY = 60; START SLAVE");
	mariadb_server_run(active, "INSERT INTO game.t VALUES (10)");
	expect(standby, CHECK_ROLE_STANDBY, CHECK_LAG, "1 transactions");
	mariadb_server_run(standby, "STOP SLAVE; CHANGE MASTER TO MASTER_DELAY = 0; START SLAVE");
	expect(standby, CHECK_ROLE_STANDBY, CHECK_OK, "");
}

static void
test_long_write(void **state)
{
	pid_t writer = mariadb_server_hold(active, "INSERT INTO game.t VALUES (20 + SLEEP(20))");

	(void)state;
	expect(active, CHECK_ROLE_ACTIVE, CHECK_WARNING, "INSERT INTO game.t");
	kill(writer, SIGKILL);
	waitpid(writer, NULL, 0);
	expect(active, CHECK_ROLE_ACTIVE, CHECK_OK, "");
}

static void
test_accounts(void **state)
{
	struct check_result r = look(active, CHECK_ROLE_ANY, "password = hidden");

	(void)state;
	assert_found(&r, CHECK_AUTH, "(1045)");
	assert_null(strstr(r.text, "hidden"));
	check_result_clear(&r);
	r = look(active, CHECK_ROLE_ANY, "pasword = hidden");
	assert_found(&r, CHECK_UNKNOWN, "watch.cnf:3");
	assert_null(strstr(r.text, "hidden"));
	check_result_clear(&r);
	mariadb_server_run(standby, "REVOKE REPLICA MONITOR ON *.* FROM watch@'%'");
	r = look(standby, CHECK_ROLE_STANDBY, PASSWORD);
	assert_found(&r, CHECK_AUTH, "(1227)");
	check_result_clear(&r);
	mariadb_server_run(standby, "GRANT REPLICA MONITOR ON *.* TO watch@'%'");
	mariadb_server_run(standby, "REVOKE PROCESS ON *.* FROM watch@'%'");
	expect(standby, CHECK_ROLE_STANDBY, CHECK_OK, "");
	mariadb_server_run(standby, "GRANT PROCESS ON *.* TO watch@'%'");
}

static void
test_too_many(void **state)
{
	pid_t holders[12];

	(void)state;
	mariadb_server_run(active, "SET GLOBAL max_connections = 10");
	for (size_t i = 0; i < MEM_COUNT(holders); i++)
		holders[i] = mariadb_server_hold(active, "SELECT SLEEP(20)");
	expect(active, CHECK_ROLE_ACTIVE, CHECK_TOO_MANY, "(1040)");
	for (size_t i = 0; i < MEM_COUNT(holders); i++) {
		kill(holders[i], SIGKILL);
		waitpid(holders[i], NULL, 0);
	}
	while (mariadb_server_try(active, "SET GLOBAL max_connections = 151") != 0)
		io_test_idle(loop, 100);
}

static void
test_tls(void **state)
{
	char *good = mem_printf(PASSWORD "\nssl-ca = %s/ca.pem", certificates);
	char *bad = mem_printf(PASSWORD "\nssl-ca = %s/other.pem", certificates);
	struct check_result r = look(active, CHECK_ROLE_ANY, good);

	(void)state;
	assert_found(&r, CHECK_OK, "writable");
	check_result_clear(&r);
	r = look(active, CHECK_ROLE_ANY, bad);
	assert_found(&r, CHECK_TLS, "(2026)");
	check_result_clear(&r);
	r = look(active, CHECK_ROLE_ANY, PASSWORD "\nssl");
	assert_found(&r, CHECK_OK, "writable");
	check_result_clear(&r);
	r = look(standby, CHECK_ROLE_ANY, PASSWORD "\nssl");
	assert_found(&r, CHECK_TLS, "no TLS");
	check_result_clear(&r);
	free(good);
	free(bad);
}

/* A connection that is kept: killed between two looks it is made anew; frozen, the look takes its time. */
static void
test_kept_connection(void **state)
{
	char *path = write_credentials("kept.cnf", PASSWORD);
	const struct check_spec spec = { .type = (char *)"mysql", .credentials = path };
	struct probe_got got = { 0 };
	void *probe = check_type_mysql.open(loop, &spec);
	int port = mariadb_server_port(active);

	(void)state;
	for (int i = 0; i < 2; i++) {
		probe_again(
		    loop, &check_type_mysql, probe, port, CHECK_ROLE_ANY, PROBE_AMPLE_MS, &got);
		assert_found(&got.result, CHECK_OK, "writable");
		assert_int_equal(probe_number(&got.result, "connect_time") > 0, i == 0);
	}
	mariadb_server_run(active, "KILL USER watch");
	probe_again(loop, &check_type_mysql, probe, port, CHECK_ROLE_ANY, PROBE_AMPLE_MS, &got);
	assert_found(&got.result, CHECK_OK, "writable");
	assert_true(probe_number(&got.result, "connect_time") > 0);

	kill(mariadb_server_pid(active), SIGSTOP);
	waitpid(mariadb_server_pid(active), NULL, WUNTRACED);
	for (int i = 0; i < 2; i++) {
		probe_again(loop, &check_type_mysql, probe, port, CHECK_ROLE_ANY, 300, &got);
		assert_found(&got.result, CHECK_TIMEOUT, " within 0.");
		assert_true(got.result.took_us >= 290000);
	}
	kill(mariadb_server_pid(active), SIGCONT);
	probe_again(loop, &check_type_mysql, probe, port, CHECK_ROLE_ANY, PROBE_AMPLE_MS, &got);
	assert_found(&got.result, CHECK_OK, "writable");
	probe_again(loop, &check_type_mysql, probe, 1, CHECK_ROLE_ANY, PROBE_AMPLE_MS, &got);
	assert_found(&got.result, CHECK_REFUSED, "(2002)");
	check_result_clear(&got.result);

	/* Closed in the midst of a run: nothing comes. */
	got.done = 0;
	{
		const struct endpoint to = probe_endpoint(port);
		const struct check_run run = { .endpoint = &to, .limit_ms = PROBE_AMPLE_MS };

		check_type_mysql.start(probe, &run, probe_done, &got);
		check_type_mysql.close(probe);
	}
	io_test_idle(loop, 200);
	assert_int_equal(got.done, 0);
	free(path);
}

/* --- sql ------------------------------------------------------------------------------------------ */

static const struct {
	const char *query;
	enum check_class class;
	const char *text;
} queries[] = {
	{ "SELECT 5", CHECK_OK, "5" },
	{ "SELECT 11 AS age", CHECK_WARNING, "11" },
	{ "SELECT 21", CHECK_VALUE, "21: critical is 20" },
	{ "SELECT NULL", CHECK_MISSING, "NULL" },
	{ "SELECT 1 FROM DUAL WHERE 0", CHECK_MISSING, "no row" },
	{ "SELECT 'many'", CHECK_VALUE, "not a number: \"many\"" },
	{ "SELECT x FROM nowhere.y", CHECK_AUTH, "(1142)" },
	{ "SELECT", CHECK_UNKNOWN, "(1064)" },
	{ "SELECT 4; SELECT 5", CHECK_UNKNOWN, "(1064)" },
	/* Never reached in a configuration, see test_validate. */
	{ "INSERT INTO game.t VALUES (99)", CHECK_UNKNOWN, "(1792)" },
	{ "SELECT SLEEP(10)", CHECK_TIMEOUT, "no answer within" },
};

static void
test_sql(void **state)
{
	char *path = write_credentials("sql.cnf", PASSWORD);
	struct check_spec spec = { .type = (char *)"sql", .credentials = path };

	(void)state;
	mariadb_server_run(active, "GRANT INSERT ON game.t TO watch@'%'");
	assert_int_equal(range_parse("10", &spec.warning, NULL), 0);
	assert_int_equal(range_parse("20", &spec.critical, NULL), 0);
	for (size_t i = 0; i < MEM_COUNT(queries); i++) {
		struct check_result r;

		spec.query = (char *)queries[i].query;
		r = probe_once(loop, &spec, mariadb_server_port(active), CHECK_ROLE_ANY,
		    queries[i].class == CHECK_TIMEOUT ? 500 : PROBE_AMPLE_MS);
		assert_found(&r, queries[i].class, queries[i].text);
		if (i == 1)
			assert_true(probe_number(&r, "age") == 11);
		check_result_clear(&r);
	}
	free(path);
}

static void
test_validate(void **state)
{
	static const struct {
		const char *query;
		bool is_good;
	} cases[] = {
		{ "SELECT 1", true },
		{ "\n select\t1", true },
		{ "(SELECT 1)", true },
		{ "SHOW STATUS", true },
		{ "WITH x AS (SELECT 1) SELECT * FROM x", true },
		{ "SELECTED", false },
		/* A read-only session may still write a file beside the server. */
		{ "SELECT 1 INTO OUTFILE '/tmp/x'", false },
		{ "SELECT 1 /*!50000 into dumpfile '/tmp/x' */", false },
		{ "INSERT INTO t VALUES (1)", false },
		{ "DELETE FROM t", false },
		{ "SET GLOBAL read_only = 0", false },
		{ "", false },
		{ NULL, false },
	};

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		const struct check_spec spec = { .query = (char *)cases[i].query };

		assert_int_equal(check_type_sql.validate(&spec, NULL), cases[i].is_good ? 0 : -1);
	}
}

/* All that a daemon ever asks a server of a pair. */
static void
test_questions_only_read(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; mysql_question_at(i) != NULL; i++) {
		const char *both[] = { mysql_question_at(i)->mariadb, mysql_question_at(i)->mysql };

		for (size_t j = 0; j < MEM_COUNT(both); j++) {
			if (both[j] == NULL)
				continue;
			assert_true(strncmp(both[j], "SELECT ", 7) == 0 ||
				    strncmp(both[j], "SHOW ", 5) == 0);
			assert_null(strchr(both[j], ';'));
			assert_null(strstr(both[j], " INTO "));
		}
	}
	assert_true(i >= 5);
}

static int
start_all(void **state)
{
	const char *tls[] = { NULL, NULL, NULL, NULL };

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	loop = loop_new();
	certificates = certificates_make();
	tls[0] = mem_printf("--ssl-ca=%s/ca.pem", certificates);
	tls[1] = mem_printf("--ssl-cert=%s/cert.pem", certificates);
	tls[2] = mem_printf("--ssl-key=%s/key.pem", certificates);
	active = mariadb_server_start(1, tls);
	standby = mariadb_server_start(2, NULL);
	mariadb_server_follow(standby, active);
	mariadb_server_follow(active, standby);
	mariadb_server_run(standby, "SET GLOBAL read_only = 1");
	for (size_t i = 0; i < 3; i++)
		free((char *)tls[i]);
	return 0;
}

static int
stop_all(void **state)
{
	(void)state;
	mariadb_server_stop(active);
	mariadb_server_stop(standby);
	certificates_remove(certificates);
	loop_free(loop);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_well),
		cmocka_unit_test(test_wrong_role),
		cmocka_unit_test(test_replication),
		cmocka_unit_test(test_lag),
		cmocka_unit_test(test_long_write),
		cmocka_unit_test(test_accounts),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_tls),
		cmocka_unit_test(test_kept_connection),
		cmocka_unit_test(test_sql),
		cmocka_unit_test(test_validate),
		cmocka_unit_test(test_questions_only_read),
	};

	return cmocka_run_group_tests_name("check_mysql", tests, start_all, stop_all);
}
