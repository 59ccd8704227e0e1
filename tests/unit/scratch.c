/*
 * scratch.c: see scratch.h. The small file system lives in a mount namespace of the child's: it goes
 * with it, however the child ends.
 */
#include "scratch.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct {
	const char *dir, *size;
	void (*fn)(int n);
} small_disk;

int
scratch_count(const char *dir)
{
	DIR *d = opendir(dir);
	int n = -2;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

int
scratch_remove(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *entry;

	if (d == NULL)
		return -1;
	while ((entry = readdir(d)) != NULL)
		unlinkat(dirfd(d), entry->d_name, 0);
	closedir(d);
	return rmdir(dir);
}

int
scratch_run(void (*fn)(int n), int n)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fn(n);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

void
scratch_run_killed(void (*fn)(int n), int n)
{
	int status = scratch_run(fn, n);

	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void
run_on_small_disk(int n)
{
	char options[32];

	snprintf(options, sizeof(options), "size=%s", small_disk.size);
	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, "") != 0 ||
	    mount("pointsman-test", small_disk.dir, "tmpfs", 0, options) != 0) {
		fprintf(stderr, "cannot mount a small tmpfs: %s\n", strerror(errno));
		_exit(2);
	}
	small_disk.fn(n);
}

void
scratch_run_on_small_disk(const char *dir, const char *size, void (*fn)(int n))
{
	int status;

	if (geteuid() != 0) {
		print_message("a full disk: NOT RUN: only root can mount a tmpfs\n");
		skip();
	}
	small_disk.dir = dir;
	small_disk.size = size;
	small_disk.fn = fn;
	status = scratch_run(run_on_small_disk, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}
