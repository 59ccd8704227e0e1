/*
 * exec.c: one child process as a job on the loop.
 *
 *   _start() ─── cannot be run ──> FAILED ──────────── next turn ────────────┐
 *      └──> RUNNING ────── exits ─────┐                                      ├──> ENDED: done()
 *              │ limit: TERM          ├──> DRAINING ── its output ended, or ─┤
 *              └─> TERMINATING ─ exits┤                EXEC_DRAIN_MS         │
 *                    │ grace: KILL    │                                      │
 *                    └─> KILLING ─────┘                                      │
 *                          └───── EXEC_REAP_MS: the kernel keeps it ─────────┘
 *
 * A tied or contained program is the child of a supervisor (exec_spawn.c), and that is the child which is
 * meant here: its end is the end of all. In CONTAINING, instead of TERMINATING, it does what the drawing says.
 * It is never killed, however late: on a machine that is out of breath it would be killed before whoever
 * has left the program's group, and he would stay. It is reported and left ORPHANED, and goes on.
 *
 * The exit is heard through a pidfd: readable when the child has ended, a level and not an edge, and no
 * SIGCHLD handler that would have to share the one disposition with libraries. The child is reaped
 * last: until then its number, and with it its group's, cannot be given to anybody else, so that the
 * group can still be killed without hitting a stranger. Where no pidfd is to be had (Linux before 5.3,
 * no descriptor left, valgrind 3.19) the child is looked at every EXIT_POLL_MS.
 *
 * A child that survives SIGKILL (uninterruptible sleep, a debugger that sits on it, another user's
 * setuid program) is ORPHANED, too: looked at once a second until it can be reaped.
 */
#include "io/exec.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "io/exec_spawn.h"
#include "io/loop.h"

#define READ_SIZE 16384   /* a quarter of a pipe's capacity, pipe(7) */
#define READS_A_TURN 4    /* a child that prints endlessly must not starve the loop */
#define CANCEL_REAP_MS 50 /* measured: a killed sleep(1) is gone after 0.1 ms, 300 MB after 18 ms */
#define EXIT_POLL_MS 10
#define ORPHAN_POLL_MS 1000

enum exec_state {
	EXEC_FAILED,
	EXEC_RUNNING,
	EXEC_TERMINATING,
	EXEC_CONTAINING,
	EXEC_KILLING,
	EXEC_DRAINING,
	EXEC_ENDED,
	EXEC_ORPHANED,
};

struct exec {
	struct loop *loop;
	enum exec_state state;
	struct loop_timer *timer; /* what it means depends on the state: waits[] */
	int64_t limit_ms;
	int64_t started_ms;
	pid_t pid;                  /* 0: none, or reaped */
	struct exec_report *report; /* of a supervisor; NULL: it is the program itself */
	int pidfd;                  /* -1: none, exited is a timer then */
	int output;                 /* our end of the pipe, -1 after its end of file */
	struct event *exited;
	struct event *readable;
	char *program; /* for messages */
	exec_done_fn *done;
	void *arg;
	struct exec_result result;
};

static void exec_finish(struct exec *x);
static void limit_passed(struct exec *x);
static void grace_passed(struct exec *x);
static void reap_passed(struct exec *x);
static void orphan_poll(struct exec *x);

/* How long each state may last, and what comes then. */
static const struct {
	int64_t limit_ms; /* -1: the caller's limit */
	void (*passed)(struct exec *x);
} waits[] = {
	[EXEC_FAILED] = { 0, exec_finish },
	[EXEC_RUNNING] = { -1, limit_passed },
	[EXEC_TERMINATING] = { EXEC_GRACE_MS, grace_passed },
	[EXEC_CONTAINING] = { EXEC_REAP_MS, grace_passed },
	[EXEC_KILLING] = { EXEC_REAP_MS, reap_passed },
	[EXEC_DRAINING] = { EXEC_DRAIN_MS, exec_finish },
	[EXEC_ENDED] = { 0, NULL },
	[EXEC_ORPHANED] = { ORPHAN_POLL_MS, orphan_poll },
};

static void
exec_set_state(struct exec *x, enum exec_state state)
{
	x->state = state;
	if (waits[state].passed == NULL)
		loop_timer_stop(x->timer);
	else
		loop_timer_set(
		    x->timer, waits[state].limit_ms < 0 ? x->limit_ms : waits[state].limit_ms);
}

static void
timer_due(void *arg)
{
	struct exec *x = arg;

	waits[x->state].passed(x);
}

static void
close_output(struct exec *x)
{
	if (x->readable != NULL)
		event_free(x->readable);
	x->readable = NULL;
	if (x->output >= 0)
		close(x->output);
	x->output = -1;
}

static void
close_pidfd(struct exec *x)
{
	if (x->exited != NULL)
		event_free(x->exited);
	x->exited = NULL;
	if (x->pidfd >= 0)
		close(x->pidfd);
	x->pidfd = -1;
}

static void
exec_release(struct exec *x)
{
	close_output(x);
	close_pidfd(x);
	loop_timer_free(x->timer);
	exec_report_free(x->report);
	free(x->program);
	loop_defer_free(x->loop, x);
}

static void
kill_child(const struct exec *x, int signo)
{
	if (x->report == NULL) {
		/* The child leads a session, so that it cannot leave its group; its children can. */
		kill(-x->pid, signo);
		return;
	}
	/* Once the program has ended its number may be another's. */
	if (signo == SIGKILL && x->report->program > 0 && !x->report->has_ended)
		kill(-x->report->program, SIGKILL);
	kill(x->pid, SIGTERM);
	kill(x->pid, SIGCONT); /* of one that somebody has stopped TERM would stay pending */
}

static void
take_status(struct exec *x, int status)
{
	if (WIFEXITED(status))
		x->result.exit_status = WEXITSTATUS(status);
	else
		x->result.signal = WTERMSIG(status);
}

/* A supervisor has ended: what became of the program is in its report. */
static void
take_report(struct exec *x)
{
	struct err *e = &x->result.err;

	if (x->report->error != 0) {
		errno = x->report->error;
		err_errno(e, "cannot run %s", x->program);
	} else if (x->report->has_ended)
		take_status(x, x->report->status);
	else if (e->code == ERR_NONE)
		err_set(e, ERR_IO, "%s: its supervisor was killed", x->program);
}

/* Whether the child is gone; its status goes into the result. Never waits. */
static bool
try_reap(struct exec *x)
{
	int status;
	pid_t got = waitpid(x->pid, &status, WNOHANG);

	if (got == 0)
		return false;
	if (got > 0 && x->report != NULL)
		take_report(x);
	else if (got > 0)
		take_status(x, status);
	else if (x->result.err.code == ERR_NONE)
		err_errno(&x->result.err, "%s: its exit status is lost", x->program);
	x->pid = 0;
	return true;
}

/* Lets go of a child: reaped when possible, else an orphan that the timer looks after. */
static void
exec_leave(struct exec *x)
{
	close_output(x);
	close_pidfd(x);
	if (x->pid == 0)
		exec_release(x);
	else
		exec_set_state(x, EXEC_ORPHANED);
}

static void
orphan_poll(struct exec *x)
{
	kill_child(x, SIGKILL);
	if (try_reap(x))
		exec_release(x);
	else
		exec_set_state(x, EXEC_ORPHANED);
}

/* The one end of every job that was not cancelled. */
static void
exec_finish(struct exec *x)
{
	struct exec_result *r = &x->result;

	if (x->pid != 0) {
		kill_child(x, SIGKILL);
		if (!try_reap(x) && r->err.code == ERR_NONE)
			err_set(&r->err, ERR_IO,
			    "%s: ended, but a debugger withholds its exit status", x->program);
	}
	r->output[r->output_len] = '\0';
	r->took_ms = clock_mono_ms() - x->started_ms;
	exec_set_state(x, EXEC_ENDED);
	x->done(r, x->arg);
	exec_leave(x);
}

static void
limit_passed(struct exec *x)
{
	char limit[16];

	err_set(&x->result.err, ERR_TIMEOUT, "%s: did not end within %s and was killed", x->program,
	    str_duration(limit, sizeof(limit), x->limit_ms));
	kill_child(x, SIGTERM);
	exec_set_state(x, x->report != NULL ? EXEC_CONTAINING : EXEC_TERMINATING);
}

static void
grace_passed(struct exec *x)
{
	kill_child(x, SIGKILL);
	exec_set_state(x, EXEC_KILLING);
}

static void
reap_passed(struct exec *x)
{
	char limit[16];

	err_set(&x->result.err, ERR_TIMEOUT, "%s: did not end within %s and cannot be killed",
	    x->program, str_duration(limit, sizeof(limit), x->limit_ms));
	exec_finish(x);
}

/* Keeps what fits, drops the rest. True when there will be no more. */
static bool
read_output(struct exec *x)
{
	struct exec_result *r = &x->result;
	char data[READ_SIZE];

	for (int i = 0; i < READS_A_TURN; i++) {
		ssize_t n = read(x->output, data, sizeof(data));
		size_t room = EXEC_OUTPUT_MAX - r->output_len, keep;

		if (n < 0)
			return errno != EAGAIN && errno != EINTR;
		if (n == 0)
			return true;
		keep = (size_t)n < room ? (size_t)n : room;
		memcpy(r->output + r->output_len, data, keep);
		r->output_len += keep;
		if (keep < (size_t)n)
			r->is_output_cut = true;
	}
	return false;
}

static void
output_readable(evutil_socket_t fd, short what, void *arg)
{
	struct exec *x = arg;

	(void)fd;
	(void)what;
	if (!read_output(x))
		return;
	close_output(x);
	if (x->state == EXEC_DRAINING)
		exec_finish(x);
}

static void
child_exited(evutil_socket_t fd, short what, void *arg)
{
	struct exec *x = arg;
	siginfo_t ended = { 0 };

	(void)fd;
	if (what == EV_TIMEOUT) {
		waitid(P_PID, (id_t)x->pid, &ended, WEXITED | WNOHANG | WNOWAIT);
		if (ended.si_pid == 0)
			return;
	}
	event_del(x->exited);
	exec_set_state(x, EXEC_DRAINING);
	if (x->output >= 0)
		output_readable(x->output, EV_READ, x);
	else
		exec_finish(x);
}

/* With SIGCHLD ignored, as a careless parent may leave it, the kernel keeps no exit status. */
static void
want_exit_status(void)
{
	struct sigaction sa;

	sigaction(SIGCHLD, NULL, &sa);
	if (sa.sa_handler != SIG_IGN && (sa.sa_flags & SA_NOCLDWAIT) == 0)
		return;
	sa.sa_handler = SIG_DFL;
	sa.sa_flags = 0;
	sigaction(SIGCHLD, &sa, NULL);
}

static int
start_child(struct exec *x, const struct exec_spec *spec, struct err *e)
{
	int input = -1, output[2] = { -1, -1 }, no = 0;

	want_exit_status();
	if (pipe2(output, O_CLOEXEC) == 0) {
		x->output = output[0];
		input = exec_open_input(spec->input, spec->input_len);
	}
	if (x->output < 0 || output[1] < 0 || input < 0 ||
	    fcntl(x->output, F_SETFL, O_NONBLOCK) != 0)
		no = errno;
	if (no == 0)
		no = spec->bond == EXEC_LOOSE
			 ? exec_spawn(&x->pid, spec, input, output[1])
			 : exec_spawn_supervised(&x->pid, spec, input, output[1], &x->report);
	if (output[1] >= 0)
		close(output[1]);
	if (input >= 0)
		close(input);
	errno = no;
	return no == 0 ? 0 : err_errno(e, "cannot run %s", x->program);
}

static void
listen_to_child(struct exec *x)
{
	static const struct timeval poll_interval = { .tv_usec = EXIT_POLL_MS * 1000 };
	struct event_base *base = loop_base(x->loop);

	x->pidfd = pidfd_open(x->pid, 0);
	x->exited =
	    event_new(base, x->pidfd, (x->pidfd >= 0 ? EV_READ : 0) | EV_PERSIST, child_exited, x);
	x->readable = event_new(base, x->output, EV_READ | EV_PERSIST, output_readable, x);
	if (x->exited == NULL || x->readable == NULL)
		abort(); /* out of memory */
	event_add(x->exited, x->pidfd >= 0 ? NULL : &poll_interval);
	event_add(x->readable, NULL);
}

struct exec *
exec_start(struct loop *l, const struct exec_spec *spec, exec_done_fn *done, void *arg)
{
	struct exec *x = mem_alloc(sizeof(*x));
	char program[STR_SHOW_MAX * 4 + 4];

	x->loop = l;
	x->timer = loop_timer_new(l, timer_due, x);
	x->limit_ms = spec->limit_ms;
	x->started_ms = clock_mono_ms();
	x->pidfd = x->output = -1;
	x->program = mem_strdup(
	    str_printable(program, sizeof(program), spec->argv[0], strlen(spec->argv[0])));
	x->done = done;
	x->arg = arg;
	x->result.exit_status = -1;
	if (start_child(x, spec, &x->result.err) != 0) {
		exec_set_state(x, EXEC_FAILED);
		return x;
	}
	listen_to_child(x);
	exec_set_state(x, EXEC_RUNNING);
	return x;
}

void
exec_cancel(struct exec *x)
{
	struct pollfd ended;

	if (x == NULL || x->state == EXEC_ENDED)
		return;
	if (x->pid != 0) {
		kill_child(x, SIGKILL);
		/* So short a wait is better than a job that outlives the loop it belongs to. */
		ended = (struct pollfd){ .fd = x->pidfd, .events = POLLIN };
		poll(&ended, 1, CANCEL_REAP_MS);
		try_reap(x);
	}
	exec_leave(x);
}
