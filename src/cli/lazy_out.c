/*
 * lazy_out.c: the same terminal or pipe once more, as an open file description of our own, which is told
 * not to block. O_NONBLOCK on the one that we were given would be that of the shell, too, and would stay
 * after a kill. poll(2) alone does not do: it says that something can be written, not that all of it can,
 * and the rest of a write to a terminal waits for ever behind a Ctrl-S.
 *
 * Where the file cannot be opened once more (no /proc, somebody else's terminal after su), poll is asked
 * before each write of what a ready one surely takes: PIPE_BUF bytes for a pipe, one for a terminal.
 *
 * A process in the background that writes to a terminal with `stty tostop` is stopped by SIGTTOU: ignored
 * meanwhile.
 *
 * Rejected: a thread or a child that writes and may hang: it would have to be killed at the end, and would
 * share the descriptors of the locks that an operation holds.
 */
#include "cli/lazy_out.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

/* --- opening ------------------------------------------------------------------------------------------ */

static void
choose(struct lazy_out *l)
{
	struct stat st;
	int fd;

	if (fstat(STDOUT_FILENO, &st) != 0) {
		l->fd = -1;
		return;
	}
	l->fd = STDOUT_FILENO;
	l->is_terminal = isatty(STDOUT_FILENO) == 1;
	if (S_ISSOCK(st.st_mode)) {
		l->kind = LAZY_SOCKET;
		return;
	}
	/* A regular file has its offset in the description that stdio uses. */
	if (!S_ISFIFO(st.st_mode) && !l->is_terminal) {
		l->kind = LAZY_FILE;
		return;
	}
	fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	l->kind = fd >= 0 ? LAZY_OWN : LAZY_POLLED;
	if (fd >= 0)
		l->fd = fd;
	else if (errno == ENXIO) /* a pipe that nobody reads any more */
		l->fd = -1;
}

static int
wait_ready(int fd, int64_t limit_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int rc = poll(&p, 1, (int)limit_ms);

	if (rc < 0 && errno == EINTR)
		return 0;
	return rc > 0 && (p.revents & (POLLERR | POLLNVAL)) != 0 ? -1 : rc;
}

void
lazy_out_open(struct lazy_out *l)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	memset(l, 0, sizeof(*l));
	sigaction(SIGTTOU, &ignore, &l->old_ttou);
	choose(l);
	if (__fpending(stdout) == 0)
		return;
	if (l->fd >= 0 && wait_ready(STDOUT_FILENO, LAZY_OUT_PATIENCE_MS) > 0)
		fflush(stdout);
	else
		__fpurge(stdout);
}

/* --- writing ------------------------------------------------------------------------------------------ */

void
lazy_out_add(struct lazy_out *l, const char *text, size_t len)
{
	if (l->fd >= 0 && l->kept.len + len <= LAZY_OUT_MAX)
		str_add(&l->kept, text, len);
}

/* What went out; 0: not now; -1: never again. */
static ssize_t
write_some(const struct lazy_out *l)
{
	size_t len = l->kept.len;
	ssize_t n;
	int rc;

	if (l->kind == LAZY_POLLED) {
		if ((rc = wait_ready(l->fd, 0)) <= 0)
			return rc;
		if (l->is_terminal)
			len = 1;
		else if (len > PIPE_BUF)
			len = PIPE_BUF;
	}
	n = l->kind == LAZY_SOCKET ? send(l->fd, l->kept.data, len, MSG_DONTWAIT | MSG_NOSIGNAL)
				   : write(l->fd, l->kept.data, len);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return 0;
	return n;
}

static void
give_up(struct lazy_out *l)
{
	if (l->kind == LAZY_OWN && l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	str_reset(&l->kept);
}

void
lazy_out_try(struct lazy_out *l)
{
	ssize_t n;

	while (l->fd >= 0 && l->kept.len > 0) {
		if ((n = write_some(l)) == 0)
			return;
		if (n < 0) {
			give_up(l);
			return;
		}
		l->kept.len -= (size_t)n;
		memmove(l->kept.data, l->kept.data + n, l->kept.len);
	}
}

void
lazy_out_close(struct lazy_out *l)
{
	int64_t began_ms = clock_mono_ms(), moved_ms = began_ms, left_ms;
	size_t before;

	lazy_out_try(l);
	while (l->fd >= 0 && l->kept.len > 0) {
		int64_t now_ms = clock_mono_ms();

		left_ms = moved_ms + LAZY_OUT_PATIENCE_MS - now_ms;
		if (left_ms <= 0 || now_ms - began_ms > LAZY_OUT_PATIENCE_MAX_MS ||
		    wait_ready(l->fd, left_ms) < 0)
			break;
		before = l->kept.len;
		lazy_out_try(l);
		if (l->kept.len < before)
			moved_ms = clock_mono_ms();
	}
	give_up(l);
	str_clear(&l->kept);
	sigaction(SIGTTOU, &l->old_ttou, NULL);
}
