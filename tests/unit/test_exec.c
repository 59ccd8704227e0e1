/*
 * test_exec.c: children that behave badly in every way we know. Each test ends with as many
 * descriptors and children as it began with.
 */
#include "io/exec.h"

#include "io_test.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/mem.h"

#define FIRST_LIMIT_MS 200
#define AMPLE_MS 20000 /* far more than anything here takes, also under valgrind */

struct run {
	int done;
	struct exec_result result;
	struct exec *cancel_in_done;
};

struct fixture {
	struct loop *loop;
	int fds, children;
	char dir[32];
};

static void
exec_done(const struct exec_result *r, void *arg)
{
	struct run *run = arg;

	run->done++;
	run->result = *r;
	exec_cancel(run->cancel_in_done);
}

static int
setup(void **state)
{
	struct fixture *f = mem_alloc(sizeof(*f));

	f->loop = loop_new();
	snprintf(f->dir, sizeof(f->dir), "/tmp/pm-exec-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->fds = io_test_count_fds();
	f->children = io_test_count_children();
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	char *argv = mem_printf("rm -rf %s", f->dir);

	io_test_idle(f->loop, 20);
	assert_int_equal(f->fds, io_test_count_fds());
	assert_int_equal(f->children, io_test_count_children());
	loop_free(f->loop);
	assert_int_equal(0, system(argv));
	free(argv);
	free(f);
	return 0;
}

/* On a busy machine what was killed may take its time to die; the loop reaps it then. */
static void
wait_for_children(const struct fixture *f)
{
	io_test_wait_children(f->loop, f->children, AMPLE_MS);
	assert_int_equal(f->children, io_test_count_children());
}

static struct exec *
start_shell(struct fixture *f, const char *script, int64_t limit_ms, struct run *run)
{
	const char *argv[] = { "/bin/sh", "-c", script, "sh", f->dir, NULL };
	const struct exec_spec spec = { .argv = argv, .limit_ms = limit_ms };

	return exec_start(f->loop, &spec, exec_done, run);
}

static struct run
run_spec(struct fixture *f, const struct exec_spec *spec)
{
	struct run run = { 0 };

	exec_start(f->loop, spec, exec_done, &run);
	assert_int_equal(0, run.done); /* never inside _start() */
	assert_true(io_test_wait(f->loop, &run.done, 1, AMPLE_MS));
	io_test_idle(f->loop, 20);
	assert_int_equal(1, run.done);
	return run;
}

static struct run
run_shell(struct fixture *f, const char *script, int64_t limit_ms)
{
	const char *argv[] = { "/bin/sh", "-c", script, "sh", f->dir, NULL };
	const struct exec_spec spec = { .argv = argv, .limit_ms = limit_ms };

	return run_spec(f, &spec);
}

/*
 * Until the script has said "ready", with more time at each try: a busy machine is slow to start it, and
 * what this is about comes only after that. It has to be in force when it says so.
 */
static struct run
run_until_limit(struct fixture *f, const char *script)
{
	int64_t limit_ms = FIRST_LIMIT_MS;
	struct run run = run_shell(f, script, limit_ms);

	while (strstr(run.result.output, "ready") == NULL && limit_ms < AMPLE_MS / 4) {
		limit_ms *= 2;
		run = run_shell(f, script, limit_ms);
	}
	assert_int_equal(ERR_TIMEOUT, run.result.err.code);
	assert_in_range(run.result.took_ms, limit_ms - 1, limit_ms + 5000);
	return run;
}

/* Zombies do not run: who adopts an orphan may reap it when he likes. */
static bool
is_running(int pid)
{
	char path[32], state = 'Z';
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if ((file = fopen(path, "r")) == NULL)
		return false;
	assert_int_equal(1, fscanf(file, "%*d %*s %c", &state));
	fclose(file);
	return state != 'Z';
}

/* The process whose number a script wrote to DIR/pid. */
static int
read_pid(const struct fixture *f)
{
	char *path = mem_printf("%s/pid", f->dir);
	FILE *file = fopen(path, "r");
	int pid;

	assert_non_null(file);
	assert_int_equal(1, fscanf(file, "%d", &pid));
	fclose(file);
	free(path);
	return pid;
}

static void
assert_pid_gone(const struct fixture *f)
{
	int pid = read_pid(f);
	int64_t end = clock_mono_ms() + AMPLE_MS;

	while (is_running(pid) && clock_mono_ms() < end)
		io_test_idle(f->loop, 5);
	assert_false(is_running(pid));
}

static void
test_says_what_happened(void **state)
{
	struct run run = run_shell(*state, "echo out; echo err >&2; exit 3", AMPLE_MS);

	assert_int_equal(ERR_NONE, run.result.err.code);
	assert_int_equal(3, run.result.exit_status);
	assert_int_equal(0, run.result.signal);
	assert_string_equal("out\nerr\n", run.result.output);
	assert_int_equal(8, run.result.output_len);
	assert_false(run.result.is_output_cut);
}

static void
test_ends_at_once(void **state)
{
	struct run run = run_shell(*state, "", AMPLE_MS);

	assert_int_equal(ERR_NONE, run.result.err.code);
	assert_int_equal(0, run.result.exit_status);
	assert_string_equal("", run.result.output);
}

static void
test_no_shell_between(void **state)
{
	const char *argv[] = { "printf", "%s|", "$(reboot)", "a b", "*", NULL };
	const struct exec_spec spec = { .argv = argv, .limit_ms = AMPLE_MS };
	struct run run = run_spec(*state, &spec);

	assert_string_equal("$(reboot)|a b|*|", run.result.output);
}

static void
test_input_is_read(void **state)
{
	const char *argv[] = { "wc", "-c", NULL };
	struct exec_spec spec = { .argv = argv, .input_len = 1 << 20, .limit_ms = AMPLE_MS };
	char *input = mem_alloc(spec.input_len);
	struct run run;

	spec.input = input;
	run = run_spec(*state, &spec);
	free(input);
	assert_string_equal("1048576\n", run.result.output);
}

static void
test_input_never_read(void **state)
{
	const char *argv[] = { "sh", "-c", "exec 0<&-; echo ok", NULL };
	struct exec_spec spec = { .argv = argv, .input_len = 1 << 20, .limit_ms = AMPLE_MS };
	char *input = mem_alloc(spec.input_len);
	struct run run;

	spec.input = input;
	run = run_spec(*state, &spec);
	free(input);
	assert_int_equal(0, run.result.exit_status);
	assert_string_equal("ok\n", run.result.output);
}

static void
test_no_input_is_end_of_file(void **state)
{
	struct run run = run_shell(*state, "cat; echo end", AMPLE_MS);

	assert_string_equal("end\n", run.result.output);
}

static void
test_environment(void **state)
{
	/* Without a shell between, which would tidy up the environment and the signal mask. */
	const char *argv[] = { "grep", "-z", "^PM_\\|^CONSUL_", "/proc/self/environ", NULL };
	const char *env[] = { "PM_OVER=new", "PM_NEW=1", NULL };
	const struct exec_spec spec = { .argv = argv, .env = env, .limit_ms = AMPLE_MS };
	struct run run;

	setenv("PM_KEPT", "kept", 1);
	setenv("PM_OVER", "old", 1);
	setenv("CONSUL_HTTP_TOKEN", "secret", 1);
	run = run_spec(*state, &spec);
	unsetenv("CONSUL_HTTP_TOKEN");
	unsetenv("PM_KEPT");
	unsetenv("PM_OVER");
	assert_int_equal(strlen("PM_KEPT=kept PM_OVER=new PM_NEW=1 "), run.result.output_len);
	assert_memory_equal(
	    "PM_KEPT=kept\0PM_OVER=new\0PM_NEW=1", run.result.output, run.result.output_len);
}

static void
test_no_signal_state_inherited(void **state)
{
	const char *argv[] = { "sed", "-n", "s/^Sig\\(Blk\\|Ign\\)://p", "/proc/self/status",
		NULL };
	const struct exec_spec spec = { .argv = argv, .limit_ms = AMPLE_MS };
	uint64_t mask = 1, ignored = 1;
	sigset_t blocked, before;
	struct run run;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	signal(SIGPIPE, SIG_IGN);
	run = run_spec(*state, &spec);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &before, NULL);
	assert_int_equal(2, sscanf(run.result.output, " %" SCNx64 " %" SCNx64, &mask, &ignored));
	assert_int_equal(0, mask);
	/* 32 and 33 belong to the C library, which lets nobody touch them. */
	assert_int_equal(0, ignored & ~UINT64_C(0x180000000));
}

static void
test_no_descriptor_inherited(void **state)
{
	const char *argv[] = { "ls", "/proc/self/fd", NULL };
	const struct exec_spec spec = { .argv = argv, .limit_ms = AMPLE_MS };
	int leaky = open("/dev/null", O_RDONLY); /* without O_CLOEXEC, as a library may */
	struct run run = run_spec(*state, &spec);

	close(leaky);
	assert_string_equal("0\n1\n2\n3\n", run.result.output); /* 3 is ls reading the directory */
}

static void
test_own_session(void **state)
{
	struct run run = run_shell(*state, "ps -o pid=,pgid=,sid= -p $$", AMPLE_MS);
	int pid = 0, pgid = 0, sid = 0;

	assert_int_equal(3, sscanf(run.result.output, "%d %d %d", &pid, &pgid, &sid));
	assert_int_equal(pid, pgid);
	assert_int_equal(pid, sid);
}

/* valgrind turns the vfork of posix_spawn into a fork: an error of execve gets lost on the way back. */
static void
skip_without_vfork(void)
{
	if (io_test_is_valgrind())
		skip();
}

static void
test_not_there(void **state)
{
	const char *argv[] = { "/nonexistent/program", NULL };
	struct exec_spec spec = { .argv = argv, .limit_ms = AMPLE_MS };
	struct run run;

	skip_without_vfork();
	run = run_spec(*state, &spec);
	assert_int_equal(ERR_NOT_FOUND, run.result.err.code);
	assert_int_equal(-1, run.result.exit_status);
	assert_non_null(strstr(run.result.err.text, "/nonexistent/program"));
	argv[0] = "pm-no-such-program";
	run = run_spec(*state, &spec);
	assert_int_equal(ERR_NOT_FOUND, run.result.err.code);
}

static void
test_not_executable(void **state)
{
	const char *argv[] = { "/etc/passwd", NULL };
	const struct exec_spec spec = { .argv = argv, .limit_ms = AMPLE_MS };
	struct run run;

	skip_without_vfork();
	run = run_spec(*state, &spec);
	assert_int_equal(ERR_DENIED, run.result.err.code);
	assert_int_equal(-1, run.result.exit_status);
}

static void
test_not_a_program(void **state)
{
	struct fixture *f = *state;
	char path[64];
	const char *argv[] = { path, NULL };
	const struct exec_spec spec = { .argv = argv, .limit_ms = AMPLE_MS };
	struct run run;
	FILE *file;

	skip_without_vfork();
	snprintf(path, sizeof(path), "%s/text", f->dir);
	file = fopen(path, "w");
	fputs("echo a shell must not run this\n", file);
	fclose(file);
	chmod(path, 0755);
	run = run_spec(f, &spec);
	assert_int_equal(ERR_IO, run.result.err.code);
	assert_string_equal("", run.result.output);
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
test_hangs(void **state)
{
	struct run run = run_until_limit(*state, "echo ready; exec sleep 1000");

	assert_int_equal(SIGTERM, run.result.signal);
	assert_string_equal("ready\n", run.result.output);
}

static void
test_ignores_term(void **state)
{
	struct run run = run_until_limit(*state,
	    "trap '' TERM; sleep 1000 & echo $! >$1/pid; echo ready; while :; do sleep 1000; done");

	assert_int_equal(SIGKILL, run.result.signal);
	assert_true(run.result.took_ms >= FIRST_LIMIT_MS + EXEC_GRACE_MS - 1);
	assert_pid_gone(*state);
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
test_stopped_child(void **state)
{
	/* Stopped by its child, which then says so. */
	struct run run = run_until_limit(*state, "(kill -STOP $$; echo ready) & wait");

	assert_int_equal(SIGKILL, run.result.signal);
}

static void
test_prints_100_megabytes(void **state)
{
	struct run run = run_shell(*state, "head -c 104857600 /dev/zero", AMPLE_MS);

	assert_int_equal(0, run.result.exit_status);
	assert_int_equal(EXEC_OUTPUT_MAX, run.result.output_len);
	assert_true(run.result.is_output_cut);
}

static void
test_output_just_fits(void **state)
{
	struct run run = run_shell(*state, "head -c 4096 /dev/zero", AMPLE_MS);

	assert_int_equal(EXEC_OUTPUT_MAX, run.result.output_len);
	assert_false(run.result.is_output_cut);
}

static void
test_prints_endlessly(void **state)
{
	struct run run =
	    run_until_limit(*state, "trap '' TERM; echo ready $(head -c 5000 /dev/zero | tr '\\0' "
				    "y); while :; do echo yes; done");

	assert_true(run.result.is_output_cut);
}

static void
test_grandchild_holds_the_pipe(void **state)
{
	struct run run = run_shell(*state, "sleep 1000 & echo $! >$1/pid; echo ready", AMPLE_MS);

	assert_int_equal(ERR_NONE, run.result.err.code);
	assert_int_equal(0, run.result.exit_status);
	assert_string_equal("ready\n", run.result.output);
	assert_in_range(run.result.took_ms, EXEC_DRAIN_MS - 1, 5000);
	assert_pid_gone(*state);
}

static void
test_grandchild_prints_endlessly(void **state)
{
	struct run run = run_shell(*state, "yes & echo $! >$1/pid", AMPLE_MS);

	assert_int_equal(0, run.result.exit_status);
	assert_in_range(run.result.took_ms, EXEC_DRAIN_MS - 1, 5000);
	assert_pid_gone(*state);
}

static void
test_last_words_of_a_pipeline(void **state)
{
	struct run run;
	int tries = 0;

	/* A busy machine may be slower than EXEC_DRAIN_MS. */
	do
		run = run_shell(*state, "(sleep 0.02; echo late) &", AMPLE_MS);
	while (run.result.output_len == 0 && ++tries < IO_TEST_TRIES);
	assert_string_equal("late\n", run.result.output);
}

/* A daemon that left the group is none of our business, but must not hold us either. */
static void
test_daemon_lives_on(void **state)
{
	struct fixture *f = *state;
	struct run run = run_shell(f,
	    "setsid sh -c 'echo $$ >$0/pid; exec sleep 1000' $1 & "
	    "while ! test -s $1/pid; do sleep 0.01; done",
	    AMPLE_MS);

	assert_int_equal(0, run.result.exit_status);
	assert_true(is_running(read_pid(f)));
	kill(read_pid(f), SIGKILL);
	assert_pid_gone(f);
}

static void
test_closes_its_output(void **state)
{
	struct run run = run_shell(*state, "exec >&- 2>&-; sleep 0.05; exit 7", AMPLE_MS);

	assert_int_equal(ERR_NONE, run.result.err.code);
	assert_int_equal(7, run.result.exit_status);
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
	io_test_idle(f->loop, 20);
	for (int i = 0; i < 50; i++)
		assert_int_equal(1, runs[i].done);
}

/* With SIGCHLD ignored, as it may be inherited, the exit status is not lost. */
static void
test_sigchld_ignored(void **state)
{
	struct run run;

	signal(SIGCHLD, SIG_IGN);
	run = run_shell(*state, "exit 5", AMPLE_MS);
	signal(SIGCHLD, SIG_DFL);
	assert_int_equal(ERR_NONE, run.result.err.code);
	assert_int_equal(5, run.result.exit_status);
}

static void
test_stdio_closed_in_parent(void **state)
{
	int saved[3];
	struct run run;

	for (int fd = 0; fd < 3; fd++) {
		saved[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 100);
		close(fd);
	}
	run = run_shell(*state, "read x; echo out; echo err >&2", AMPLE_MS);
	for (int fd = 0; fd < 3; fd++) {
		if (saved[fd] >= 0)
			dup2(saved[fd], fd);
		close(saved[fd]);
	}
	assert_string_equal("out\nerr\n", run.result.output);
}

/* With room for 0, 1, 2 … more descriptors every call in the start fails once: always an error, no leak. */
static void
test_no_descriptors_left(void **state)
{
	struct fixture *f = *state;
	const char *argv[] = { "true", NULL };
	const struct exec_spec spec = {
		.argv = argv, .input = "x", .input_len = 1, .limit_ms = AMPLE_MS
	};
	int first_free = dup(0), failed = 0;
	struct rlimit before, tight;
	struct run run;

	close(first_free);
	getrlimit(RLIMIT_NOFILE, &before);
	tight = before;
	for (int room = 0; room < 8; room++) {
		tight.rlim_cur = (rlim_t)(first_free + room);
		setrlimit(RLIMIT_NOFILE, &tight);
		run = run_spec(f, &spec);
		setrlimit(RLIMIT_NOFILE, &before);
		if (run.result.err.code != ERR_NONE)
			failed++;
		else
			assert_int_equal(0, run.result.exit_status);
		assert_int_equal(f->fds, io_test_count_fds());
		assert_int_equal(f->children, io_test_count_children());
	}
	assert_in_range(failed, 3, 7);
}

static void
test_cancel_when_not_started(void **state)
{
	struct fixture *f = *state;
	const char *argv[] = { "/nonexistent/program", NULL };
	const struct exec_spec spec = { .argv = argv, .limit_ms = AMPLE_MS };
	struct run run = { 0 };

	exec_cancel(exec_start(f->loop, &spec, exec_done, &run));
	io_test_idle(f->loop, 50);
	assert_int_equal(0, run.done);
	exec_cancel(NULL);
}

/* As a busy machine has it, the run may have ended before: then again. */
static void
cancel_after(struct fixture *f, const char *script, int after_ms)
{
	struct run run;
	struct exec *x;

	for (int i = 0; i < IO_TEST_TRIES; i++) {
		run = (struct run){ 0 };
		x = start_shell(f, script, 100, &run);
		if (after_ms > 0)
			io_test_idle(f->loop, after_ms);
		if (run.done == 0)
			break;
	}
	assert_int_equal(0, run.done);
	exec_cancel(x);
	assert_int_equal(f->fds, io_test_count_fds());
	wait_for_children(f);
	io_test_idle(f->loop, 50);
	assert_int_equal(0, run.done);
}

/* Cancelled after so long: just started, running, past the limit, after the kill, draining. */
static void
test_cancel_at_each_stage(void **state)
{
	static const struct {
		const char *script;
		int after_ms;
	} cases[] = {
		{ "sleep 1000", 0 },
		{ "sleep 1000", 50 },
		{ "trap '' TERM; while :; do sleep 1000; done", 200 },
		{ "sleep 1000 & exit 0", 40 },
		{ "while :; do echo yes; done", 50 },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < MEM_COUNT(cases); i++)
		cancel_after(f, cases[i].script, cases[i].after_ms);
}

static void
test_cancel_inside_done(void **state)
{
	struct fixture *f = *state;
	struct run run = { 0 };

	run.cancel_in_done = start_shell(f, "exit 0", AMPLE_MS, &run);
	assert_true(io_test_wait(f->loop, &run.done, 1, AMPLE_MS));
	io_test_idle(f->loop, 20);
	assert_int_equal(1, run.done);
}

/*
 * The program's own child attaches to it as a debugger and does not let it be reaped for a while: the
 * nearest to an uninterruptible sleep that a test can make.
 */
static int
hold_parent(void)
{
	pid_t parent = getpid();
	int ready[2];
	char c;

	if (pipe(ready) != 0)
		return 99;
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
	if (fork() == 0) {
		setsid();
		if (ptrace(PTRACE_SEIZE, parent, 0, 0) != 0)
			_exit(98);
		close(STDOUT_FILENO);
		close(STDERR_FILENO);
		if (write(ready[1], "x", 1) == 1)
			usleep(5000 * 1000);
		_exit(0);
	}
	close(ready[1]);
	return read(ready[0], &c, 1) == 1 ? 0 : 97;
}

static void
test_cannot_be_reaped(void **state)
{
	struct fixture *f = *state;
	const char *argv[] = { "/proc/self/exe", "hold-parent", NULL };
	char self[256];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	const struct exec_spec spec = { .argv = argv, .limit_ms = 500 };
	struct run run = { 0 };

	if (io_test_is_valgrind())
		skip(); /* a traced valgrind is another program */
	assert_true(n > 0);
	self[n] = '\0';
	argv[0] = self;
	exec_start(f->loop, &spec, exec_done, &run);
	assert_true(io_test_wait(f->loop, &run.done, 1, AMPLE_MS));
	assert_int_equal(-1, run.result.exit_status);
	assert_int_equal(ERR_IO, run.result.err.code);
	assert_int_equal(f->children + 1, io_test_count_children());
	wait_for_children(f);
	assert_int_equal(1, run.done);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_says_what_happened, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ends_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_shell_between, setup, teardown),
		cmocka_unit_test_setup_teardown(test_input_is_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_input_never_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_input_is_end_of_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_environment, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_signal_state_inherited, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_descriptor_inherited, setup, teardown),
		cmocka_unit_test_setup_teardown(test_own_session, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_there, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_executable, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_a_program, setup, teardown),
		cmocka_unit_test_setup_teardown(test_killed_by_signal, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hangs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ignores_term, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cleans_up_on_term, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stopped_child, setup, teardown),
		cmocka_unit_test_setup_teardown(test_prints_100_megabytes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_output_just_fits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_prints_endlessly, setup, teardown),
		cmocka_unit_test_setup_teardown(test_grandchild_holds_the_pipe, setup, teardown),
		cmocka_unit_test_setup_teardown(test_grandchild_prints_endlessly, setup, teardown),
		cmocka_unit_test_setup_teardown(test_last_words_of_a_pipeline, setup, teardown),
		cmocka_unit_test_setup_teardown(test_daemon_lives_on, setup, teardown),
		cmocka_unit_test_setup_teardown(test_closes_its_output, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fifty_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sigchld_ignored, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stdio_closed_in_parent, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_descriptors_left, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancel_when_not_started, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancel_at_each_stage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancel_inside_done, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cannot_be_reaped, setup, teardown),
	};

	if (argc > 1 && strcmp(argv[1], "hold-parent") == 0)
		return hold_parent();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
