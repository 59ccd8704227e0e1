/*
 * test_check_exec.c: plugins, good and bad: what becomes of their exit, their words and their numbers.
 * What they leave behind is test_exec_supervised's.
 */
#include "check_once.h"

#include "base/mem.h"
#include "io/endpoint.h"

static struct check_result
run_argv(const char *const *argv, const struct endpoint *endpoint, int64_t limit_ms)
{
	const struct check_spec spec = { .command = (char **)(uintptr_t)argv };

	return check_once_run(&check_type_exec, &spec, endpoint, limit_ms);
}

static struct check_result
run_shell(const char *script, int64_t limit_ms)
{
	const char *argv[] = { "/bin/sh", "-c", script, NULL };

	return run_argv(argv, NULL, limit_ms);
}

static void
test_ends(void **state)
{
	static const struct {
		const char *script;
		enum check_class class;
		const char *text;
	} cases[] = {
		{ "echo fine", CHECK_OK, "fine" },
		{ "echo nearly; exit 1", CHECK_WARNING, "nearly" },
		{ "echo 'bad | x=1'; exit 2", CHECK_VALUE, "bad" },
		{ "echo 'no idea'; exit 3", CHECK_UNKNOWN, "no idea" },
		{ "echo hm; exit 4", CHECK_UNKNOWN, "exit 4 is no plugin's: hm" },
		{ "exit 255", CHECK_UNKNOWN, "exit 255 is no plugin's" },
		{ "exit 2", CHECK_VALUE, "exit 2, and not a word" },
		{ "echo; echo late; exit 1", CHECK_WARNING, "exit 1, and not a word" },
		{ "nosuchprogram-pm", CHECK_UNKNOWN,
		    "exit 127 is no plugin's: /bin/sh: 1: nosuchprogram-pm: not found" },
		{ "echo ow; kill -SEGV $$", CHECK_UNKNOWN,
		    "ended by signal 11, Segmentation fault: ow" },
		{ "printf '\\033[31mred\\007'", CHECK_OK, "\\x1b[31mred\\x07" },
		{ "exec >&- 2>&-; exit 1", CHECK_WARNING, "exit 1, and not a word" },
	};

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		struct check_result r = run_shell(cases[i].script, AMPLE_MS);

		assert_string_equal(cases[i].text, r.text);
		assert_int_equal(cases[i].class, r.class);
		assert_true(r.took_us >= 0);
	}
}

/* A status command, as of an init script: what is right depends on who must run. */
static void
test_daemon_of_a_pair(void **state)
{
	static const struct {
		const char *script;
		enum check_role role;
		enum check_class class;
		const char *text;
	} cases[] = {
		{ "echo up", CHECK_ROLE_ACTIVE, CHECK_OK, "up" },
		{ "exit 0", CHECK_ROLE_ACTIVE, CHECK_OK, "runs" },
		{ "exit 1", CHECK_ROLE_ACTIVE, CHECK_STOPPED, "does not run" },
		{ "echo inactive; exit 3", CHECK_ROLE_ACTIVE, CHECK_STOPPED, "inactive" },
		{ "exit 3", CHECK_ROLE_STANDBY, CHECK_OK, "does not run" },
		{ "exit 0", CHECK_ROLE_STANDBY, CHECK_ROLE, "runs" },
		{ "exit 0", CHECK_ROLE_ANY, CHECK_OK, "runs" },
		{ "exit 3", CHECK_ROLE_ANY, CHECK_OK, "does not run" },
		{ "exit 4", CHECK_ROLE_ACTIVE, CHECK_UNKNOWN, "exit 4 is no plugin's" },
		{ "echo no route; exit 255", CHECK_ROLE_STANDBY, CHECK_UNKNOWN,
		    "exit 255 is no plugin's: no route" },
		{ "kill -KILL $$", CHECK_ROLE_ACTIVE, CHECK_UNKNOWN, "ended by signal 9, Killed" },
	};

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		const char *argv[] = { "/bin/sh", "-c", cases[i].script, NULL };
		char pair[] = "chat";
		const struct check_spec spec = {
			.command = (char **)(uintptr_t)argv, .pair = pair, .role = cases[i].role
		};
		struct check_result r = check_once_run(&check_type_exec, &spec, NULL, AMPLE_MS);

		assert_string_equal(cases[i].text, r.text);
		assert_int_equal(cases[i].class, r.class);
	}
}

static void
test_numbers(void **state)
{
	struct check_result r = run_shell("echo 'fine | lag=0.5s;10;60 depth=12;;100'", AMPLE_MS);

	(void)state;
	assert_int_equal(2, r.number_count);
	assert_string_equal("lag", r.numbers[0].label);
	assert_true(r.numbers[0].value > 0.49 && r.numbers[0].value < 0.51);
	assert_string_equal("60", r.numbers[0].critical.text);
}

/* Judged before the limit is over: TERM, KILL and all. */
static void
test_hangs(void **state)
{
	static const char *const scripts[] = {
		"exec sleep 1000",
		"trap '' TERM; while :; do sleep 1000; done",
		"kill -STOP $$",
		"trap '' TERM; yes & yes",
		"exec >&- 2>&- sleep 1000",
	};

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(scripts); i++) {
		struct check_result r = run_shell(scripts[i], 1000);

		assert_int_equal(CHECK_TIMEOUT, r.class);
		assert_non_null(strstr(r.text, "/bin/sh"));
		assert_in_range(r.took_us, 700 * 1000, 5000 * 1000);
	}
}

static void
test_cannot_be_run(void **state)
{
	static const char *const programs[] = { "/nonexistent/plugin", "/etc/passwd", "/tmp" };

	(void)state;
	if (io_test_is_valgrind())
		skip(); /* its fork loses an error of execve on the way back */
	for (size_t i = 0; i < MEM_COUNT(programs); i++) {
		const char *argv[] = { programs[i], NULL };
		struct check_result r = run_argv(argv, NULL, AMPLE_MS);

		assert_int_equal(CHECK_UNKNOWN, r.class);
		assert_non_null(strstr(r.text, programs[i]));
	}
}

static void
test_placeholders(void **state)
{
	static const struct {
		const char *address, *argument, *want;
	} cases[] = {
		{ "10.0.4.13:3306", "{address}", "10.0.4.13" },
		{ "[fd00::1]:6379", "{address}", "fd00::1" },
		{ "10.0.4.13:3306", "-H{address}:{port}:{port}", "-H10.0.4.13:3306:3306" },
		{ "10.0.4.13:3306", "{node} {addres} {}", "{node} {addres} {}" },
		{ "10.0.4.13:3306", "$(id) {address};`id`", "$(id) 10.0.4.13;`id`" },
	};
	struct endpoint endpoint;

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		const char *argv[] = { "printf", "%s", cases[i].argument, NULL };
		struct check_result r;

		assert_int_equal(0, endpoint_parse(cases[i].address, -1, &endpoint));
		r = run_argv(argv, &endpoint, AMPLE_MS);
		assert_string_equal(cases[i].want, r.text);
	}
}

static void
test_sees_no_secret(void **state)
{
	struct check_result r;

	(void)state;
	setenv("CONSUL_HTTP_TOKEN", "secret", 1);
	setenv("LC_ALL", "de_DE.UTF-8", 1);
	r = run_shell("echo \"$CONSUL_HTTP_TOKEN/$LC_ALL\"", AMPLE_MS);
	unsetenv("CONSUL_HTTP_TOKEN");
	unsetenv("LC_ALL");
	assert_string_equal("/C", r.text);
}

static void
test_closed_early(void **state)
{
	const char *argv[] = { "/bin/sh", "-c", "trap '' TERM; sleep 1000 & sleep 1000", NULL };
	const struct check_spec spec = { .command = (char **)(uintptr_t)argv };

	(void)state;
	for (int turns = 0; turns < 60; turns += 20)
		check_once_close_early(&check_type_exec, &spec, turns);
}

static void
test_validate(void **state)
{
	char *plain[] = { "x", NULL }, *placed[] = { "x", "-H", "{address}", NULL };
	struct check_spec s = { 0 };
	struct err e;

	(void)state;
	assert_int_equal(-1, check_type_exec.validate(&s, &e));
	s.command = plain;
	assert_int_equal(0, check_type_exec.validate(&s, &e));
	s.command = placed;
	assert_int_equal(-1, check_type_exec.validate(&s, &e));
	s.target = "maindb";
	assert_int_equal(0, check_type_exec.validate(&s, &e));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_daemon_of_a_pair),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_hangs),
		cmocka_unit_test(test_cannot_be_run),
		cmocka_unit_test(test_placeholders),
		cmocka_unit_test(test_sees_no_secret),
		cmocka_unit_test(test_closed_early),
		cmocka_unit_test(test_validate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
