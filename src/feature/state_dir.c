/*
 * state_dir.c: the lock is on the directory itself. A file to lock was rejected: on a full disk it could
 * not be made, and then the agent could not start just when its memory is needed.
 */
#include "feature/state_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

#define RETRY_MS 20

static int
lock(int fd, int64_t limit_ms)
{
	const struct timespec pause = { .tv_nsec = RETRY_MS * 1000000L };
	int64_t end_ms = clock_mono_ms() + limit_ms;

	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if ((errno != EWOULDBLOCK && errno != EINTR) || clock_mono_ms() >= end_ms)
			return -1;
		nanosleep(&pause, NULL);
	}
	return 0;
}

int
state_dir_open(const char *path, int64_t limit_ms, struct err *e)
{
	int fd;

	if (file_make_dirs(path, 0750, e) != 0)
		return -1;
	if ((fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return err_errno(e, "cannot open the state directory %s", path);
	if (lock(fd, limit_ms) == 0)
		return fd;
	if (errno == EWOULDBLOCK)
		err_set(e, ERR_CONFLICT,
		    "the state directory %s is in use: does another pointsmand run with it?", path);
	else
		err_errno(e, "cannot lock the state directory %s", path);
	close(fd);
	return -1;
}

void
state_dir_close(int lock)
{
	if (lock >= 0)
		close(lock);
}
