/*
 * test_config_checks.c: check and pair blocks: what they become, and what an operator is told about
 * those that cannot be meant.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "config_text.h"

static const struct check_spec *
check_of(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->check_count; i++) {
		if (strcmp(c->checks[i].name, name) == 0)
			return &c->checks[i];
	}
	fail_msg("no check %s", name);
	return NULL;
}

static void
a_check_has_its_defaults(void **state)
{
	struct config *c = config_load_good("check api { type = tcp target = \"maindb:3306\" }\n");
	const struct check_spec *s = check_of(c, "api");

	(void)state;
	assert_string_equal(s->type, "tcp");
	assert_string_equal(s->target, "maindb:3306");
	assert_null(s->pair);
	assert_int_equal(s->role, CHECK_ROLE_ANY);
	assert_int_equal(s->timing.interval_ms, 5000);
	assert_int_equal(s->timing.fast_ms, 1000);
	assert_int_equal(s->timing.timeout_ms, 2000);
	assert_int_equal(s->timing.failures, 5);
	assert_int_equal(s->timing.window_ms, 10000);
	assert_int_equal(s->timing.successes, 3);
	assert_int_equal(s->timing.success_window_ms, 15000);
	config_free(c);
}

static void
the_sample_of_the_design(void **state)
{
	struct config *c = config_load_good(
	    "check \"fees-daemon\" {\n"
	    "  type = \"sql\"\n"
	    "  target = \"maindb\"\n"
	    "  query = \"SELECT TIMESTAMPDIFF(SECOND, MAX(finished_at), NOW()) FROM fees.runs\"\n"
	    "  warning = \"600\"\n  critical = \"3600\"\n"
	    "  interval = \"10s\"\n  timeout = \"2s\"\n"
	    "  failures-before-critical = 3\n  success-before-passing = 2\n}\n");
	const struct check_spec *s = check_of(c, "fees-daemon");

	(void)state;
	assert_string_equal(s->warning.text, "600");
	assert_true(range_catches(&s->critical, 3601));
	assert_false(range_catches(&s->critical, 3600));
	assert_int_equal(s->timing.interval_ms, 10000);
	assert_int_equal(s->timing.failures, 3);
	assert_int_equal(s->timing.successes, 2);
	config_free(c);
}

static void
a_pair_brings_its_checks(void **state)
{
	struct config *c = config_load_good(
	    "pair \"maindb\" { kind = mysql nodes = {\"db3\", \"DB4\"} port = 3307\n"
	    "  credentials = /etc/pointsman/mysql.cnf max-lag = 7s interval = 1s }\n"
	    "check z { type = tcp target = \"db3:22\" }\n"
	    "pair sessions { kind = redis name = \"sessions.eu\" nodes = {red1, red2} tls = yes\n"
	    "  sentinels = {\"10.0.5.1:26379\", \"10.0.5.2:26379\"} }\n");
	const struct check_spec *s = check_of(c, "maindb/db4");

	(void)state;
	assert_int_equal(c->check_count, 5);
	assert_int_equal(c->pair_count, 2);
	assert_string_equal(c->checks[0].name, "z");
	assert_string_equal(c->pairs[0].kv_name, "maindb");
	assert_string_equal(c->pairs[1].kv_name, "sessions.eu");
	assert_string_equal(s->pair, "maindb");
	assert_string_equal(s->node, "db4");
	assert_string_equal(s->target, "db4");
	assert_string_equal(s->type, "mysql");
	assert_int_equal(s->port, 3307);
	assert_string_equal(s->credentials, "/etc/pointsman/mysql.cnf");
	assert_int_equal(s->max_lag_ms, 7000);
	assert_int_equal(s->long_write_ms, 10000);
	assert_int_equal(s->timing.interval_ms, 1000);
	assert_int_equal(s->timing.fast_ms, 1000);
	s = check_of(c, "sessions/red1");
	assert_string_equal(s->type, "redis");
	assert_true(s->is_tls);
	assert_string_equal(s->sentinels[1], "10.0.5.2:26379");
	assert_null(s->sentinels[2]);
	config_free(c);
}

static void
a_daemon_pair_asks_its_own_command(void **state)
{
	struct config *c = config_load_good(
	    "pair chat { kind = daemon nodes = {c1, c2} status = {\"/usr/bin/ssh\", \"{node}\", "
	    "\"-x{node}{address}{node}\"}\n"
	    "  start = {\"/usr/bin/ssh\", \"{node}\"} stop = {\"/usr/bin/ssh\", \"{node}\"} }\n");
	const struct check_spec *s = check_of(c, "chat/c2");

	(void)state;
	assert_string_equal(s->type, "exec");
	assert_string_equal(s->command[1], "c2");
	assert_string_equal(s->command[2], "-xc2{address}c2");
	assert_null(s->command[3]);
	assert_string_equal(c->pairs[0].stop[1], "{node}");
	config_free(c);
}

static void
a_short_interval_is_fast_enough(void **state)
{
	struct config *c =
	    config_load_good("check a { type = tcp target = \"a:1\" interval = 500ms }\n");

	(void)state;
	assert_int_equal(check_of(c, "a")->timing.fast_ms, 500);
	config_free(c);
}

#define CHECK(more) "check a { type = tcp target = \"a:1\"\n" more " }\n"
#define PAIR(more) "pair p { kind = mysql nodes = {a, b} credentials = /c\n" more " }\n"

/* 63 characters, as many as a label may have. */
#define LONG "a23456789b123456789c123456789d123456789e123456789f123456789g123"

static void
what_cannot_be_meant(void **state)
{
	static const struct {
		const char *text, *problems;
	} cases[] = {
		{ "check a { target = b }", "main.conf:1: check \"a\": type is missing: what to "
					    "check with\n" },
		{ "check a { type = ping }",
		    "main.conf:1: type = \"ping\": allowed is mysql, redis, "
		    "tcp, http, sql, file, unit or exec\n" },
		{ "check a { type = tcp }",
		    "main.conf:1: check \"a\": target is missing: a name, a "
		    "node or HOST:PORT\n" },
		{ "check a { type = tcp target = b }", "main.conf:1: check \"a\": port is missing: "
						       "the type tcp has none of its own\n" },
		{ "check a { type = tcp target = b port = 5 }", "" },
		{ CHECK("query = \"SELECT 1\""),
		    "main.conf:2: query = \"SELECT 1\": a check of the type tcp has no query\n" },
		{ CHECK("port = 65536"),
		    "main.conf:2: port = \"65536\": allowed is a port from 1 to 65535\n" },
		{ CHECK("fast-interval = 6s"), "main.conf:2: fast-interval = \"6s\": it may not be "
					       "more than interval (5000ms)\n" },
		{ CHECK("critical = \"10:5\""),
		    "main.conf:2: critical = \"10:5\": allowed is a range as Nagios plugins have "
		    "it, like \"10\", \"5:\" or \"10:20\"\n" },
		{ CHECK("failures-before-critical = 0"),
		    "main.conf:2: failures-before-critical = \"0\": allowed is a number from 1 to "
		    "1000\n" },
		{ "pair p { kind = mysql nodes = {a, b} }",
		    "main.conf:1: pair \"p\": credentials is missing: a pair of the kind mysql "
		    "needs it\n" },
		{ "pair p { nodes = {a, b} }",
		    "main.conf:1: pair \"p\": kind is missing: mysql, redis or daemon\n" },
		{ "pair p { kind = redis }",
		    "main.conf:1: pair \"p\": nodes is missing: the two servers\n" },
		{ "pair p { kind = redis nodes = {a, A} }",
		    "main.conf:1: nodes = {\"a\", \"A\"}: allowed is two nodes, like {\"db3\", "
		    "\"db4\"}\n" },
		{ "pair p { kind = redis nodes = {a, b, c} }",
		    "main.conf:1: nodes = {\"a\", \"b\", \"c\"}: allowed is two nodes, like "
		    "{\"db3\", \"db4\"}\n" },
		{ PAIR("status = {true}"),
		    "main.conf:2: status = \"true\": a pair of the kind mysql has no status\n" },
		{ "pair p { kind = redis nodes = {a, b} sentinels = {\"host:1\"} }",
		    "main.conf:1: sentinels = \"host:1\": allowed is one or more ADDRESS:PORT, "
		    "like "
		    "{\"10.0.5.21:26379\"}\n" },
		{ PAIR("") "pair q { name = P kind = redis nodes = {a, b} }",
		    "main.conf:3: pair \"q\": pair \"p\" has the name p already\n" },
		{ "pair " LONG " { kind = redis nodes = {\"" LONG ".b\", b} }",
		    "main.conf:1: pair \"" LONG
		    "\": with a node's name it has more than 127 characters\n" },
		{ "pair _.p { kind = redis nodes = {a, b} }", "" },
		{ "pair a..p { kind = redis nodes = {a, b} }",
		    "main.conf:1: pair \"a..p\": its title is not a name of the KV; give it one: "
		    "name = \"…\"\n" },
	};

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(cases); i++)
		assert_string_equal(config_load_text(cases[i].text, NULL), cases[i].problems);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_check_has_its_defaults),
		cmocka_unit_test(the_sample_of_the_design),
		cmocka_unit_test(a_pair_brings_its_checks),
		cmocka_unit_test(a_daemon_pair_asks_its_own_command),
		cmocka_unit_test(a_short_interval_is_fast_enough),
		cmocka_unit_test(what_cannot_be_meant),
	};

	return cmocka_run_group_tests(tests, config_make_dir, config_remove_dir);
}
