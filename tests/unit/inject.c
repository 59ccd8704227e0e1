/* inject.c: the wrapped calls, counted; each passes inject_point() before it goes on. */
#include "inject.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

enum verdict { GO_ON, FAIL, DIE };

static int calls, fail_at, kill_at, fail_errno;
static const char *fail_call, *hook_call;
static int hook_at;
static void (*hook)(void);
static unsigned write_max;

void
inject_off(void)
{
	calls = fail_at = kill_at = fail_errno = 0;
	fail_call = hook_call = NULL;
	hook = NULL;
	write_max = 0;
}

void
inject_fail(int nth, int no)
{
	inject_off();
	fail_at = nth;
	fail_errno = no;
}

void
inject_kill(int nth)
{
	inject_off();
	kill_at = nth;
}

void
inject_fail_always(const char *call, int no)
{
	inject_off();
	fail_call = call;
	fail_errno = no;
}

void
inject_short_writes(unsigned max)
{
	inject_off();
	write_max = max;
}

void
inject_before(const char *call, int nth, void (*fn)(void))
{
	inject_off();
	hook_call = call;
	hook_at = nth;
	hook = fn;
}

int
inject_calls(void)
{
	return calls;
}

static int
die(void)
{
	kill(getpid(), SIGKILL);
	abort();
}

static enum verdict
inject_point(const char *call)
{
	void (*due)(void) = hook;

	calls++;
	if (due != NULL && strcmp(hook_call, call) == 0 && --hook_at == 0) {
		hook = NULL; /* what it calls passes here, too */
		due();
	}
	if (calls == kill_at)
		return DIE;
	if (calls != fail_at && (fail_call == NULL || strcmp(fail_call, call) != 0))
		return GO_ON;
	errno = fail_errno;
	return FAIL;
}

/* name(args): the same call, which may fail or never return. */
#define WRAP(name, params, args) \
	int __real_##name params; \
	int __wrap_##name params; \
	int __wrap_##name params \
	{ \
		enum verdict v = inject_point(#name); \
\
		if (v == DIE) \
			die(); \
		return v == FAIL ? -1 : __real_##name args; \
	}

WRAP(fsync, (int fd), (fd))
WRAP(fchmod, (int fd, mode_t mode), (fd, mode))
WRAP(fchown, (int fd, uid_t uid, gid_t gid), (fd, uid, gid))
WRAP(link, (const char *from, const char *to), (from, to))
WRAP(rename, (const char *from, const char *to), (from, to))
WRAP(unlink, (const char *path), (path))
WRAP(flock, (int fd, int operation), (fd, operation))

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);

int
__wrap_open(const char *path, int flags, ...)
{
	enum verdict v = inject_point("open");
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = (flags & O_CREAT) != 0 ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	if ((flags & O_CLOEXEC) == 0) {
		fprintf(stderr, "open(%s) without O_CLOEXEC\n", path);
		abort();
	}
	if (v == DIE)
		die();
	return v == FAIL ? -1 : __real_open(path, flags, mode);
}

int __real_close(int fd);
int __wrap_close(int fd);

int
__wrap_close(int fd)
{
	enum verdict v = inject_point("close");

	if (v == DIE)
		die();
	if (v == GO_ON)
		return __real_close(fd);
	/* Linux frees the descriptor also when close(2) reports an error. */
	__real_close(fd);
	errno = fail_errno;
	return -1;
}

ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);

ssize_t
__wrap_write(int fd, const void *data, size_t len)
{
	enum verdict v = inject_point("write");

	if (v == DIE)
		return __real_write(fd, data, len / 2) >= 0 ? die() : -1;
	if (v == FAIL)
		return -1;
	return __real_write(fd, data, write_max > 0 && len > write_max ? write_max : len);
}
