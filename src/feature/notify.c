/*
 * notify.c: the signal goes through a pidfd: the process is opened first, then its name is checked,
 * then the same process is signalled, so that a pid which was given to somebody else in between
 * cannot be hit. A pidfile may be stale (facts/dnsmasq.md): the process must be called what the
 * configuration says, or nothing is sent.
 */
#include "feature/notify.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "feature/config.h"
#include "io/exec.h"
#include "io/loop.h"

#define PIDFILE_MAX 64
#define COMM_MAX 64

struct notify {
	struct loop *loop;
	notify_done_fn *done;
	void *arg;
	struct exec *exec;
	struct loop_timer *timer; /* a signal is done at once, but completes from the loop */
	struct err err;
};

bool
notify_is_wanted(const struct config_output *c)
{
	return c->signal != 0 || c->command != NULL;
}

static void
notify_free(struct notify *n)
{
	loop_timer_free(n->timer);
	loop_defer_free(n->loop, n);
}

static void
finish(struct notify *n)
{
	struct err e = n->err;
	notify_done_fn *done = n->done;
	void *arg = n->arg;

	notify_free(n);
	done(&e, arg);
}

static void
timer_due(void *arg)
{
	finish(arg);
}

static int
read_pid(const char *path, pid_t *out, struct err *e)
{
	struct str text = STR_INIT;
	uint64_t pid;
	int result = -1;

	if (file_read(path, PIDFILE_MAX, &text, e) != 0) {
		err_wrap(e, "pidfile");
		goto out;
	}
	text.data[strcspn(text.data, "\r\n \t")] = '\0';
	if (str_parse_u64(text.data, &pid) != 0 || pid < 2 || pid > INT32_MAX) {
		err_set(e, ERR_PROTOCOL, "pidfile %s does not hold a process number", path);
		goto out;
	}
	*out = (pid_t)pid;
	result = 0;
out:
	str_clear(&text);
	return result;
}

static bool
is_expected(const struct config_output *c, const char *comm)
{
	const char *base = strrchr(c->pidfile, '/') + 1;
	size_t len = strlen(comm);

	if (c->process != NULL)
		return strcmp(comm, c->process) == 0;
	/* "sh" is not what "shop.pid" is of. */
	return strcmp(comm, "dnsmasq") == 0 ||
	       (len > 0 && strncmp(base, comm, len) == 0 && !isalnum((unsigned char)base[len]));
}

/* The name of the process, as in /proc/PID/comm. */
static int
check_process(pid_t pid, const struct config_output *c, struct err *e)
{
	char *path = mem_printf("/proc/%d/comm", (int)pid), shown[COMM_MAX * 4];
	struct str comm = STR_INIT;
	int result = -1;

	if (file_read(path, COMM_MAX, &comm, e) != 0)
		goto out;
	comm.data[strcspn(comm.data, "\n")] = '\0';
	if (!is_expected(c, comm.data)) {
		err_set(e, ERR_CONFLICT,
		    "pidfile %s is stale: process %d is %s, which is not the reader of the file; "
		    "not signalled",
		    c->pidfile, (int)pid,
		    str_printable(shown, sizeof(shown), comm.data, strlen(comm.data)));
		goto out;
	}
	result = 0;
out:
	str_clear(&comm);
	free(path);
	return result;
}

static int
send_signal(const struct config_output *c, struct err *e)
{
	pid_t pid;
	int fd, result = -1;

	if (read_pid(c->pidfile, &pid, e) != 0)
		return -1;
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0) {
		if (errno == ESRCH)
			return err_set(e, ERR_NOT_FOUND, "pidfile %s is stale: no process %d",
			    c->pidfile, (int)pid);
		return err_errno(e, "pidfd_open of process %d", (int)pid);
	}
	if (check_process(pid, c, e) != 0)
		goto out;
	if (syscall(SYS_pidfd_send_signal, fd, c->signal, NULL, 0) != 0) {
		err_errno(e, "cannot send SIG%s to the process of %s, %d", sigabbrev_np(c->signal),
		    c->pidfile, (int)pid);
		if (e->code == ERR_DENIED)
			err_wrap(e, "give pointsmand the same user or CAP_KILL");
		goto out;
	}
	result = 0;
out:
	close(fd);
	return result;
}

static void
command_done(const struct exec_result *r, void *arg)
{
	struct notify *n = arg;
	char shown[STR_SHOW_MAX * 4 + 4];

	n->exec = NULL;
	if (r->err.code != ERR_NONE)
		n->err = r->err;
	else if (r->exit_status != 0)
		err_set(&n->err, ERR_IO, "command ended with status %d: %s", r->exit_status,
		    str_printable(shown, sizeof(shown), r->output, r->output_len));
	finish(n);
}

struct notify *
notify_start(struct loop *l, const struct config_output *c, notify_done_fn *done, void *arg)
{
	struct notify *n = mem_alloc(sizeof(*n));

	n->loop = l;
	n->done = done;
	n->arg = arg;
	if (c->signal == 0) {
		const struct exec_spec spec = { .argv = (const char *const *)c->command,
			.limit_ms = c->limit_ms };

		n->exec = exec_start(l, &spec, command_done, n);
		return n;
	}
	send_signal(c, &n->err);
	n->timer = loop_timer_new(l, timer_due, n);
	loop_timer_set(n->timer, 0);
	return n;
}

void
notify_cancel(struct notify *n)
{
	if (n->exec != NULL)
		exec_cancel(n->exec);
	notify_free(n);
}
