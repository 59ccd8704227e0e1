/*
 * test_config_checks.c: check and pair blocks: what they become, and what an operator is told about
 * those that cannot be meant.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
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
a_check_of_a_pairs_name_has_its_account(void **state)
{
	struct config *c = config_load_good(
	    "check \"fees\" { type = sql target = \"maindb\" query = \"SELECT 1\" critical = \"5\" "
	    "}\n"
	    "check \"own\" { type = sql target = \"maindb:3307\" query = \"SELECT 1\" critical = "
	    "\"5\" }\n"
	    "check \"port\" { type = tcp target = \"maindb:1\" }\n"
	    "pair \"maindb\" { kind = mysql nodes = {\"db3\", \"db4\"} port = 3310 "
	    "credentials = \"/etc/my.cnf\" }\n");

	(void)state;
	assert_string_equal(check_of(c, "fees")->credentials, "/etc/my.cnf");
	assert_int_equal(check_of(c, "fees")->port, 3310);
	assert_null(check_of(c, "own")->credentials);
	assert_null(check_of(c, "port")->credentials);
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

/* --- what operations need ------------------------------------------------------------------------ */

static void
operations_have_their_defaults(void **state)
{
	struct config *c = config_load_good("pair p { kind = redis nodes = {a, b} }\n");
	const struct config_pair *p = &c->pairs[0];
	struct tm any = { .tm_wday = 3, .tm_hour = 4 };

	(void)state;
	assert_int_equal(p->approvals, 0);
	assert_int_equal(p->maintenance.count, 0);
	assert_true(time_windows_allow(&p->maintenance, &any));
	assert_null(p->fence);
	assert_null(p->pre_hook);
	assert_null(p->post_hook);
	assert_null(p->failed_hook);
	assert_int_equal(p->hook_limit_ms, 10000);
	assert_int_equal(p->command_limit_ms, 30000);
	config_free(c);
}

static void
operations_have_what_is_set(void **state)
{
	struct config *c = config_load_good(
	    "pair p { kind = mysql nodes = {a, b} credentials = /c window = 3s\n"
	    "  approvals = 1 hook-timeout = 1m\n"
	    "  maintenance-window = {\"Mon-Fri 09:00-17:00\", \"sat 22:00-02:00\"}\n"
	    "  fence-command = {fence, off, \"{address}\"}\n"
	    "  pre-hook = {/h, pre} post-hook = /h failed-hook = {\"/h\", \"\"} }\n"
	    "pair q { kind = daemon nodes = {a, b} status = s start = s stop = s\n"
	    "  command-timeout = 2m maintenance-window = {} }\n"
	    "hook begin { on = {op-begin, op-done, op-failed} command = /h }\n");
	const struct config_pair *p = &c->pairs[0];
	char text[TIME_WINDOW_TEXT_SIZE];

	(void)state;
	assert_int_equal(p->approvals, 1);
	assert_int_equal(p->timing.window_ms, 3000);
	assert_int_equal(p->maintenance.count, 2);
	assert_string_equal(time_window_format(text, &p->maintenance.list[1]), "Sat 22:00-02:00");
	assert_string_equal(p->fence[2], "{address}");
	assert_string_equal(p->pre_hook[1], "pre");
	assert_null(p->pre_hook[2]);
	assert_string_equal(p->post_hook[0], "/h");
	assert_string_equal(p->failed_hook[1], "");
	assert_int_equal(p->hook_limit_ms, 60000);
	assert_int_equal(c->pairs[1].command_limit_ms, 120000);
	assert_int_equal(c->pairs[1].maintenance.count, 0);
	assert_string_equal(c->hooks[0].on[0], "op-begin");
	config_free(c);
}

#define ARGV "a program (absolute, or a bare name that is in PATH), its arguments"
#define DAEMON "kind = daemon nodes = {a, b} status = s start = s stop = s"
#define APPROVALS "0, or 1: another person has to approve an operation"
#define WINDOWS \
	"one to 16 windows of days and local time, like {\"Mon-Fri 09:00-17:00\", \"Sat " \
	"22:00-02:00\"}"
#define FENCE \
	"like {\"/usr/bin/program\", \"{node}\"}: " ARGV \
	", and {node} or {address} for the server to cut off"

static void
operations_are_told_what_is_allowed(void **state)
{
	static const char daemon[] = DAEMON, redis[] = "kind = redis nodes = {a, b}";
	static const struct {
		const char *pair, *key, *problem;
	} cases[] = {
		{ daemon, "approvals = 2", "approvals = \"2\": allowed is " APPROVALS },
		{ redis, "approvals = yes", "approvals = \"yes\": allowed is " APPROVALS },
		{ redis, "maintenance-window = \"09:00-17:00\"",
		    "maintenance-window = \"09:00-17:00\": allowed is " WINDOWS },
		{ daemon, "maintenance-window = {\"Mon 09:00-17:00\", \"Tue 09:00-09:00\"}",
		    "maintenance-window = {\"Mon 09:00-17:00\", \"Tue 09:00-09:00\"}: allowed "
		    "is " WINDOWS },
		{ redis, "fence-command = {/fence, it}",
		    "fence-command = {\"/fence\", \"it\"}: allowed is " FENCE },
		{ redis, "fence-command = \"{node}\"",
		    "fence-command = \"{node}\": allowed is " FENCE },
		{ redis, "fence-command = {\"etc/fence\", \"{node}\"}",
		    "fence-command = {\"etc/fence\", \"{node}\"}: allowed is " FENCE },
		{ daemon, "fence-command = {/fence, \"{node}\"}",
		    "fence-command = {\"/fence\", \"{node}\"}: a pair of the kind daemon has no "
		    "fence-command" },
		{ redis, "pre-hook = \"./h\"", "pre-hook = \"./h\": allowed is " ARGV },
		{ redis, "post-hook = \"\"", "post-hook = \"\": allowed is " ARGV },
		{ redis, "failed-hook = \"../h\"", "failed-hook = \"../h\": allowed is " ARGV },
		{ redis, "hook-timeout = 99ms",
		    "hook-timeout = \"99ms\": allowed is a duration from 100ms to 10m, like "
		    "\"10s\"" },
		{ daemon, "command-timeout = 11m",
		    "command-timeout = \"11m\": allowed is a duration from 100ms to 10m, like "
		    "\"30s\"" },
		{ redis, "command-timeout = 5s",
		    "command-timeout = \"5s\": a pair of the kind redis has no command-timeout" },
	};

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		char text[512], want[1024];

		snprintf(text, sizeof(text), "pair p { %s\n%s }", cases[i].pair, cases[i].key);
		snprintf(want, sizeof(want), "main.conf:2: %s\n", cases[i].problem);
		assert_string_equal(config_load_text(text, NULL), want);
	}
}

static void
more_windows_than_anybody_needs_are_refused(void **state)
{
	struct str text = STR_INIT;

	(void)state;
	str_adds(&text, "pair p { " DAEMON "\nmaintenance-window = {\"Mon 00:00-00:01\"");
	for (int i = 1; i < TIME_WINDOWS_MAX; i++)
		str_addf(&text, ", \"Mon 00:%02d-00:%02d\"", i * 2, i * 2 + 1);
	str_adds(&text, "} }");
	config_free(config_load_good(str_text(&text)));
	text.len -= strlen("} }");
	str_adds(&text, ", \"Tue 00:00-00:01\"} }");
	assert_non_null(strstr(config_load_text(str_text(&text), NULL),
	    "\"Tue 00:00-00:01\"}: allowed is " WINDOWS "\n"));
	str_clear(&text);
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
		cmocka_unit_test(a_check_of_a_pairs_name_has_its_account),
		cmocka_unit_test(a_pair_brings_its_checks),
		cmocka_unit_test(a_daemon_pair_asks_its_own_command),
		cmocka_unit_test(a_short_interval_is_fast_enough),
		cmocka_unit_test(operations_have_their_defaults),
		cmocka_unit_test(operations_have_what_is_set),
		cmocka_unit_test(operations_are_told_what_is_allowed),
		cmocka_unit_test(more_windows_than_anybody_needs_are_refused),
		cmocka_unit_test(what_cannot_be_meant),
	};

	return cmocka_run_group_tests(tests, config_make_dir, config_remove_dir);
}
