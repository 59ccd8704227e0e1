/*
 * file_stat.c: first the kernel's memory, then a child.
 *
 *	openat2(RESOLVE_CACHED)    found in memory, or surely not there ──> statx(AT_STATX_DONT_SYNC)
 *	      │ EAGAIN: a disk or a server would be asked                       │ a local filesystem
 *	      └────────────> stat(1) as a child, with the limit <───── another ─┘──> done
 *
 * A heartbeat that is looked at every 5 s stays in memory, and costs some microseconds; a child costs a
 * millisecond, and a thousand files would have a fifth of a core for nothing. Of a network's
 * filesystem the memory of attributes may be old, so that its files are always the child's: whatever
 * hangs, hangs there, is killed, and when it cannot be killed, exec.c looks after it.
 *
 * stat(1), not a child of our own: it is everywhere, it says why in words, and a fork of ours would be
 * one more piece of code between fork and exit. Rejected: a thread (no threads), io_uring (switched
 * off on many hosts), one lasting helper (a file that hangs would hold all others).
 */
#include "io/file_stat.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "io/exec.h"
#include "io/loop.h"

#define MOUNTS_MAX \
	65536 /* of /proc/self/mountinfo: hundreds of lines; a longer one costs too much */

struct file_stat {
	struct loop *loop;
	struct exec *exec;           /* the child, or NULL */
	struct loop_timer *deferred; /* what memory said is told in the next turn */
	char *path;
	int64_t started_us;
	struct file_stat_result result;
	file_stat_done_fn *done;
	void *arg;
};

/* Filesystems without a block device of their own that still ask nobody. */
static bool
is_local_type(const char *type, size_t len)
{
	static const char *const types[] = { "tmpfs", "ramfs", "devtmpfs", "overlay", "btrfs",
		"zfs" };

	for (size_t i = 0; i < MEM_COUNT(types); i++) {
		if (strlen(types[i]) == len && memcmp(types[i], type, len) == 0)
			return true;
	}
	return false;
}

/* One line: "36 35 0:52 / /run rw,nosuid shared:9 - tmpfs tmpfs rw", proc(5). */
static bool
is_line_local(const char *line)
{
	const char *type = strstr(line, " - ");

	if (type == NULL)
		return false;
	type += 3;
	return is_local_type(type, strcspn(type, " \n"));
}

static bool
is_mount_local(uint64_t mount)
{
	char *text = mem_alloc(MOUNTS_MAX);
	int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n;
	bool is_local = false;

	/* A read gives some lines at a time, never all. */
	while (fd >= 0 && (n = read(fd, text + len, MOUNTS_MAX - 1 - len)) > 0)
		len += (size_t)n;
	if (fd >= 0)
		close(fd);
	for (char *line = text; line != NULL && *line != '\0';) {
		if (strtoull(line, NULL, 10) == mount) {
			is_local = is_line_local(line);
			break;
		}
		line = strchr(line, '\n');
		line = line == NULL ? NULL : line + 1;
	}
	free(text);
	return is_local;
}

static bool
is_on_local_disk(const struct statx *x)
{
	/* Major 0: no block device, a number that the kernel made up. */
	if (x->stx_dev_major != 0)
		return true;
	return (x->stx_mask & STATX_MNT_ID) != 0 && is_mount_local(x->stx_mnt_id);
}

/* "No such file", and a file where a directory should be: both mean that it is not there. */
static void
set_errno(struct err *e, const char *path, int no)
{
	errno = no;
	err_errno(e, "%s", path);
	if (no == ENOTDIR)
		e->code = ERR_NOT_FOUND;
}

bool
file_stat_cached(const char *path, struct file_stat_result *r)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_CACHED };
	struct statx x;
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
	bool is_known;

	if (fd < 0) {
		if (errno != ENOENT && errno != ENOTDIR)
			return false;
		set_errno(&r->err, path, errno);
		return true;
	}
	is_known = statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
		       STATX_MTIME | STATX_SIZE | STATX_MNT_ID, &x) == 0 &&
		   is_on_local_disk(&x);
	close(fd);
	if (is_known) {
		r->size = (int64_t)x.stx_size;
		r->mtime = (double)x.stx_mtime.tv_sec + x.stx_mtime.tv_nsec / 1e9;
	}
	return is_known;
}

static void
finish(struct file_stat *s)
{
	s->result.took_us = clock_mono_us() - s->started_us;
	s->done(&s->result, s->arg);
	loop_timer_free(s->deferred);
	free(s->path);
	loop_defer_free(s->loop, s);
}

static void
deferred_due(void *arg)
{
	finish(arg);
}

/* "stat: cannot statx '/x': No such file or directory": the last words are strerror(3)'s. */
static void
set_reason(struct err *e, const char *path, const char *output)
{
	static const int known[] = { ENOENT, ENOTDIR, EACCES, ELOOP, EIO, ESTALE };
	char shown[STR_SHOW_MAX * 4 + 4];

	for (size_t i = 0; i < MEM_COUNT(known); i++) {
		if (strstr(output, strerror(known[i])) == NULL)
			continue;
		set_errno(e, path, known[i]);
		return;
	}
	err_set(e, ERR_IO, "%s: %s", path,
	    str_printable(shown, sizeof(shown), output, strcspn(output, "\n")));
}

static void
stat_ended(const struct exec_result *r, void *arg)
{
	struct file_stat *s = arg;
	struct file_stat_result *out = &s->result;
	long long size;

	s->exec = NULL;
	if (r->err.code == ERR_TIMEOUT)
		err_set(&out->err, ERR_TIMEOUT, "%s: its disk does not answer", s->path);
	else if (r->err.code != ERR_NONE)
		out->err = r->err;
	else if (r->exit_status != 0)
		set_reason(&out->err, s->path, r->output);
	else if (sscanf(r->output, "%lld %lf", &size, &out->mtime) != 2)
		err_set(&out->err, ERR_PROTOCOL, "%s: stat(1) said nothing of use", s->path);
	else
		out->size = size;
	finish(s);
}

struct file_stat *
file_stat_start(
    struct loop *l, const char *path, int64_t limit_ms, file_stat_done_fn *done, void *arg)
{
	static const char *const env[] = { "LC_ALL=C", NULL };
	const char *argv[] = { "stat", "-L", "-c", "%s %Y", "--", path, NULL };
	const struct exec_spec spec = { .argv = argv, .env = env, .limit_ms = limit_ms };
	struct file_stat *s = mem_alloc(sizeof(*s));

	s->loop = l;
	s->path = mem_strdup(path);
	s->started_us = clock_mono_us();
	s->done = done;
	s->arg = arg;
	s->deferred = loop_timer_new(l, deferred_due, s);
	if (file_stat_cached(path, &s->result))
		loop_timer_set(s->deferred, 0);
	else
		s->exec = exec_start(l, &spec, stat_ended, s);
	return s;
}

void
file_stat_cancel(struct file_stat *s)
{
	if (s == NULL)
		return;
	exec_cancel(s->exec);
	loop_timer_free(s->deferred);
	free(s->path);
	loop_defer_free(s->loop, s);
}
