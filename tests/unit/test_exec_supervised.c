/*
 * test_exec_supervised.c: contained programs, which try to leave something behind, or to look at what is
 * ours; and tied ones, which may leave a daemon, but do not outlive us. Each test ends with as many descriptors and children as it began with, and with nobody left who carries
 * the mark of that test on his command line.
 */
#include "io/exec.h"

#include "io_test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/mem.h"

#define FIRST_LIMIT_MS 300
#define AMPLE_MS 60000 /* far more than anything here takes, also under valgrind */

struct run {
	int done;
	struct exec_result result;
};

struct fixture {
	struct loop *loop;
	int fds, children;
	enum exec_bond bond;
	char mark[32]; /* an argument of every sleep here: nobody else's */
};

static void
exec_done(const struct exec_result *r, void *arg)
{
	struct run *run = arg;

	run->done++;
	run->result = *r;
}

static int
setup(void **state)
{
	struct fixture *f = mem_alloc(sizeof(*f));

	f->loop = loop_new();
	f->bond = EXEC_CONTAINED;
	snprintf(f->mark, sizeof(f->mark), "%d.5", 100000 + getpid());
	f->fds = io_test_count_fds();
	f->children = io_test_count_children();
	*state = f;
	return 0;
}

/* Processes with the mark on their command line; zombies have none. */
static int
count_marked(const struct fixture *f)
{
	char *argv = mem_printf("exec pgrep -fc '^sleep %s$' >/dev/null", f->mark);
	char *count = mem_printf("exit $(pgrep -fc '^sleep %s$')", f->mark);
	int status = system(argv), n = 0;

	if (status == 0)
		n = WEXITSTATUS(system(count));
	free(argv);
	free(count);
	return n;
}

static void
kill_marked(const struct fixture *f)
{
	char *argv = mem_printf("pkill -KILL -f '^sleep %s$'", f->mark);

	assert_int_equal(0, system(argv));
	free(argv);
}

static void
assert_nobody_left(const struct fixture *f)
{
	int64_t end = clock_mono_ms() + AMPLE_MS;

	while (count_marked(f) > 0 && clock_mono_ms() < end)
		io_test_idle(f->loop, 10);
	assert_int_equal(0, count_marked(f));
}

static int
setup_tied(void **state)
{
	setup(state);
	((struct fixture *)*state)->bond = EXEC_TIED;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	io_test_idle(f->loop, 20);
	assert_int_equal(0, count_marked(f));
	assert_int_equal(f->fds, io_test_count_fds());
	assert_int_equal(f->children, io_test_count_children());
	loop_free(f->loop);
	free(f);
	return 0;
}

static struct exec *
start_argv(struct fixture *f, const char *const *argv, int64_t limit_ms, struct run *run)
{
	const struct exec_spec spec = { .argv = argv, .limit_ms = limit_ms, .bond = f->bond };

	return exec_start(f->loop, &spec, exec_done, run);
}

/* $1 is the mark. */
static struct exec *
start_shell(struct fixture *f, const char *script, int64_t limit_ms, struct run *run)
{
	const char *argv[] = { "/bin/sh", "-c", script, "sh", f->mark, NULL };

	return start_argv(f, argv, limit_ms, run);
}

static struct run
run_shell(struct fixture *f, const char *script, int64_t limit_ms)
{
	struct run run = { 0 };

	start_shell(f, script, limit_ms, &run);
	assert_int_equal(0, run.done); /* never inside _start() */
	assert_true(io_test_wait(f->loop, &run.done, 1, AMPLE_MS));
	io_test_idle(f->loop, 20);
	assert_int_equal(1, run.done);
	return run;
}

/* Whether the script had come so far at its limit, and the supervisor to its work after it. */
static bool
is_fair(const struct run *run)
{
	return strstr(run->result.output, "ready") != NULL &&
	       strstr(run->result.err.text, "cannot be killed") == NULL;
}

/* As in test_exec.c: with more time at each try, until it is a fair one. */
static struct run
run_until_limit(struct fixture *f, const char *script)
{
	int64_t limit_ms = FIRST_LIMIT_MS;
	struct run run = run_shell(f, script, limit_ms);

	while (!is_fair(&run) && limit_ms < AMPLE_MS / 8) {
		assert_nobody_left(f);
		limit_ms *= 2;
		run = run_shell(f, script, limit_ms);
	}
	assert_int_equal(ERR_TIMEOUT, run.result.err.code);
	assert_in_range(run.result.took_ms, limit_ms - 1, limit_ms + 5000);
	return run;
}

static struct run
run_argv(struct fixture *f, const char *const *argv)
{
	struct run run = { 0 };

	start_argv(f, argv, AMPLE_MS, &run);
	assert_true(io_test_wait(f->loop, &run.done, 1, AMPLE_MS));
	return run;
}

static void
test_says_what_happened(void **state)
{
	struct run run = run_shell(*state, "echo out; echo err >&2; exit 3", AMPLE_MS);

	assert_int_equal(ERR_NONE, run.result.err.code);
	assert_int_equal(3, run.result.exit_status);
	assert_int_equal(0, run.result.signal);
	assert_string_equal("out\nerr\n", run.result.output);
}

static void
test_killed_by_signal(void **state)
{
	struct run run = run_shell(*state, "kill -SEGV $$", AMPLE_MS);

	assert_int_equal(ERR_NONE, run.result.err.code);
	assert_int_equal(-1, run.result.exit_status);
	assert_int_equal(SIGSEGV, run.result.signal);
}

static void
test_cannot_be_started(void **state)
{
	const char *missing[] = { "/nonexistent/program", NULL };
	const char *no_program[] = { "/etc/passwd", NULL };
	struct run run;

	if (io_test_is_valgrind())
		skip(); /* its fork loses an error of execve on the way back */
	run = run_argv(*state, missing);
	assert_int_equal(ERR_NOT_FOUND, run.result.err.code);
	assert_non_null(strstr(run.result.err.text, "/nonexistent/program"));
	assert_int_equal(-1, run.result.exit_status);
	run = run_argv(*state, no_program);
	assert_int_equal(ERR_DENIED, run.result.err.code);
}

static void
test_clean_environment(void **state)
{
	const char *argv[] = { "env", NULL };
	struct run run;

	setenv("CONSUL_HTTP_TOKEN", "secret", 1);
	setenv("TZ", "UTC", 1);
	run = run_argv(*state, argv);
	unsetenv("CONSUL_HTTP_TOKEN");
	assert_non_null(strstr(run.result.output, "PATH="));
	assert_non_null(strstr(run.result.output, "TZ=UTC\n"));
	assert_null(strstr(run.result.output, "secret"));
	for (char *line = strtok(run.result.output, "\n"); line != NULL; line = strtok(NULL, "\n"))
		assert_true(strncmp(line, "PATH=", 5) == 0 || strncmp(line, "HOME=", 5) == 0 ||
			    strncmp(line, "TZ=", 3) == 0);
}

static void
test_no_descriptor_inherited(void **state)
{
	const char *argv[] = { "ls", "/proc/self/fd", NULL };
	int leaky = open("/dev/null", O_RDONLY); /* without O_CLOEXEC, as a library may */
	struct run run = run_argv(*state, argv);

	close(leaky);
	assert_string_equal("0\n1\n2\n3\n", run.result.output); /* 3 is ls reading the directory */
}

static void
test_no_signal_state_inherited(void **state)
{
	const char *argv[] = { "grep", "-c", "^SigBlk:[[:space:]]*0*$", "/proc/self/status", NULL };
	struct run run = run_argv(*state, argv);

	assert_string_equal("1\n", run.result.output);
}

static void
test_nobody_escapes(void **state)
{
	static const char *const scripts[] = {
		"sleep $1 & echo ready",
		"setsid sleep $1 & sleep 0.05; echo ready",
		"(setsid sleep $1 >/dev/null 2>&1 &) ; sleep 0.05; echo ready", /* twice forked */
		"env -i setsid -f sleep $1 >/dev/null 2>&1; echo ready",
		"setsid -f sh -c \"trap '' TERM; setsid -f sleep $1; sleep $1; :\" >&-; echo ready",
	};

	for (size_t i = 0; i < MEM_COUNT(scripts); i++) {
		struct run run = run_shell(*state, scripts[i], AMPLE_MS);

		assert_int_equal(ERR_NONE, run.result.err.code);
		assert_int_equal(0, run.result.exit_status);
		assert_string_equal("ready\n", run.result.output);
		assert_in_range(run.result.took_ms, 0, AMPLE_MS);
		assert_int_equal(0, count_marked(*state)); /* by the time of done, not later */
	}
}

static void
test_hundred_children(void **state)
{
	struct run run = run_shell(*state,
	    "i=0; while [ $i -lt 100 ]; do setsid -f sleep $1 >/dev/null; i=$((i+1)); done",
	    AMPLE_MS);

	assert_int_equal(0, run.result.exit_status);
	assert_int_equal(0, count_marked(*state));
}

static void
test_hangs(void **state)
{
	struct run run = run_until_limit(*state, "setsid -f sleep $1; echo ready; exec sleep $1");

	assert_int_equal(SIGTERM, run.result.signal);
	assert_string_equal("ready\n", run.result.output);
	assert_int_equal(0, count_marked(*state));
}

static void
test_ignores_term(void **state)
{
	struct run run = run_until_limit(
	    *state, "trap '' TERM; setsid -f sleep $1; echo ready; while :; do sleep $1; done");

	assert_int_equal(SIGKILL, run.result.signal);
	assert_true(run.result.took_ms >= FIRST_LIMIT_MS + EXEC_GRACE_MS - 1);
	assert_int_equal(0, count_marked(*state));
}

static void
test_cleans_up_on_term(void **state)
{
	struct run run = run_until_limit(
	    *state, "trap 'echo swept; exit 0' TERM; echo ready; while :; do sleep 0.02; done");

	assert_int_equal(0, run.result.exit_status);
	assert_non_null(strstr(run.result.output, "swept\n"));
}

static void
test_stopped(void **state)
{
	/* Stopped by its child, which says so once it is: of two pending signals TERM would win. */
	struct run run = run_until_limit(*state,
	    "(kill -STOP $$; until grep -q '^State:.T' /proc/$$/status; do :; done; echo ready) & "
	    "wait");

	assert_int_equal(SIGKILL, run.result.signal);
}

static void
test_prints_endlessly(void **state)
{
	struct run run = run_until_limit(*state,
	    "trap '' TERM; echo ready $(head -c 5000 /dev/zero | tr '\\0' y); "
	    "setsid -f yes; exec yes");

	assert_int_equal(EXEC_OUTPUT_MAX, run.result.output_len);
	assert_true(run.result.is_output_cut);
}

static void
test_closes_its_output(void **state)
{
	struct run run = run_shell(*state, "exec >&- 2>&-; sleep 0.05; exit 2", AMPLE_MS);

	assert_int_equal(ERR_NONE, run.result.err.code);
	assert_int_equal(2, run.result.exit_status);
	run = run_shell(*state, "exec >&- 2>&- sleep $1", 300);
	assert_int_equal(ERR_TIMEOUT, run.result.err.code);
}

static void
test_cancelled(void **state)
{
	static const int after_ms[] = { 0, 5, 100 };
	struct fixture *f = *state;

	for (size_t i = 0; i < MEM_COUNT(after_ms); i++) {
		struct run run = { 0 };
		struct exec *x = start_shell(f,
		    "trap '' TERM; setsid -f sleep $1 >/dev/null; while :; do sleep $1; done",
		    AMPLE_MS, &run);

		if (after_ms[i] > 0)
			io_test_idle(f->loop, after_ms[i]);
		exec_cancel(x);
		assert_nobody_left(f);
		assert_true(io_test_wait_children(f->loop, f->children, AMPLE_MS));
		assert_int_equal(0, run.done);
	}
}

/* The only child of ours that has begun here: the supervisor. */
static pid_t
find_supervisor(void)
{
	char text[64] = "";
	FILE *f = fopen("/proc/thread-self/children", "r");

	assert_non_null(f);
	assert_non_null(fgets(text, sizeof(text), f));
	fclose(f);
	return (pid_t)atoi(text);
}

/* It is stopped again whenever it goes on; whether it came to nothing between: else it was quick enough. */
static bool
was_late(struct fixture *f)
{
	struct run run = { 0 };
	pid_t supervisor;

	start_shell(f, "setsid -f sleep $1 >/dev/null; exec sleep $1", AMPLE_MS / 20, &run);
	assert_int_equal(f->children + 1, io_test_count_children());
	supervisor = find_supervisor();
	while (count_marked(f) < 2 && run.done == 0)
		io_test_idle(f->loop, 10);
	while (run.done == 0) {
		kill(supervisor, SIGSTOP);
		loop_turn(f->loop, 1);
	}
	assert_int_equal(ERR_TIMEOUT, run.result.err.code);
	assert_nobody_left(f);
	assert_true(io_test_wait_children(f->loop, f->children, AMPLE_MS));
	return strstr(run.result.err.text, "cannot be killed") != NULL;
}

/*
 * As on a machine that is out of breath: the supervisor does not get to its work. We report in time and
 * leave it to it; who has left the program's group goes when it gets to it, and not never.
 */
static void
test_late_supervisor(void **state)
{
	int tries = 1;

	while (!was_late(*state) && tries < 5)
		tries++;
	assert_in_range(tries, 1, 4);
}

/* Killed with KILL after ms, we can clean up nothing; the supervisor does. */
static void
die_at_work(struct fixture *f, const char *script, int ms)
{
	struct run run = { 0 };
	pid_t pid = fork();

	if (pid == 0) {
		f->loop = loop_new();
		start_shell(f, script, AMPLE_MS, &run);
		io_test_idle(f->loop, ms);
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(pid, waitpid(pid, NULL, 0));
}

static void
test_we_die(void **state)
{
	die_at_work(*state, "setsid -f sleep $1 >/dev/null; exec sleep $1", 300);
	assert_nobody_left(*state);
}

/* It is not asked to end, it is killed: who takes up its operation does not wait for it. */
static void
test_tied_we_die(void **state)
{
	die_at_work(*state, "trap '' TERM HUP; sleep $1 & while :; do sleep $1; done", 300);
	assert_nobody_left(*state);
}

/* What start brought up, lives on; what it left in its group, does not. */
static void
test_tied_daemon_lives_on(void **state)
{
	struct fixture *f = *state;
	struct run run;

	setenv("CONSUL_HTTP_TOKEN", "secret", 1);
	setenv("SSH_AUTH_SOCK", "/run/agent", 1);
	run = run_shell(f,
	    "sleep $1 & setsid -f sleep $1 >/dev/null 2>&1; echo $CONSUL_HTTP_TOKEN "
	    "$SSH_AUTH_SOCK; "
	    "exit 4",
	    AMPLE_MS);
	unsetenv("CONSUL_HTTP_TOKEN");
	unsetenv("SSH_AUTH_SOCK");
	assert_int_equal(ERR_NONE, run.result.err.code);
	assert_int_equal(4, run.result.exit_status);
	assert_string_equal("/run/agent\n", run.result.output);
	assert_true(run.result.took_ms < AMPLE_MS);
	for (int k = 0; k < 500 && count_marked(f) > 1; k++)
		io_test_idle(f->loop, 20);
	assert_int_equal(1, count_marked(f));
	kill_marked(f);
	assert_nobody_left(f);
}

static void
test_tied_hangs(void **state)
{
	struct run run = run_until_limit(
	    *state, "trap '' TERM; echo ready; sleep $1 & while :; do sleep $1; done");

	assert_int_equal(SIGKILL, run.result.signal);
	assert_nobody_left(*state);
	run = run_until_limit(
	    *state, "trap 'echo swept; exit 0' TERM; echo ready; while :; do sleep 0.02; done");
	assert_int_equal(0, run.result.exit_status);
	assert_non_null(strstr(run.result.output, "swept\n"));
}

static void
test_tied_cancelled(void **state)
{
	struct fixture *f = *state;
	struct run run = { 0 };
	struct exec *x = start_shell(f, "trap '' TERM; while :; do sleep $1; done", AMPLE_MS, &run);

	io_test_idle(f->loop, 100);
	exec_cancel(x);
	assert_nobody_left(f);
	assert_true(io_test_wait_children(f->loop, f->children, AMPLE_MS));
	assert_int_equal(0, run.done);
}

static void
test_fifty_at_once(void **state)
{
	struct fixture *f = *state;
	struct run runs[50] = { 0 };
	char script[64];

	for (int i = 0; i < 50; i++) {
		snprintf(script, sizeof(script), "sleep 0.%d; exit %d", i % 10, i);
		start_shell(f, script, AMPLE_MS, &runs[i]);
	}
	for (int i = 0; i < 50; i++) {
		assert_true(io_test_wait(f->loop, &runs[i].done, 1, AMPLE_MS));
		assert_int_equal(i, runs[i].result.exit_status);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_says_what_happened, setup, teardown),
		cmocka_unit_test_setup_teardown(test_killed_by_signal, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cannot_be_started, setup, teardown),
		cmocka_unit_test_setup_teardown(test_clean_environment, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_descriptor_inherited, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_signal_state_inherited, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nobody_escapes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hundred_children, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hangs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ignores_term, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cleans_up_on_term, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stopped, setup, teardown),
		cmocka_unit_test_setup_teardown(test_prints_endlessly, setup, teardown),
		cmocka_unit_test_setup_teardown(test_closes_its_output, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancelled, setup, teardown),
		cmocka_unit_test_setup_teardown(test_late_supervisor, setup, teardown),
		cmocka_unit_test_setup_teardown(test_we_die, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fifty_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tied_we_die, setup_tied, teardown),
		cmocka_unit_test_setup_teardown(test_tied_daemon_lives_on, setup_tied, teardown),
		cmocka_unit_test_setup_teardown(test_tied_hangs, setup_tied, teardown),
		cmocka_unit_test_setup_teardown(test_tied_cancelled, setup_tied, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
