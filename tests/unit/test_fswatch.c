/*
 * test_fswatch.c: what people and programs do to a file and to its directory, each seen.
 */
#include "io/fswatch.h"

#include "io_test.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/mem.h"

#define AMPLE_MS 20000
#define QUIET_MS 60

struct fixture {
	struct loop *loop;
	struct fswatch *watch;
	char root[32]; /* of the test; dir is below */
	char dir[64], path[96], other[96];
	int fds, calls;
	bool frees;
};

static void
file_changed(void *arg)
{
	struct fixture *f = arg;

	f->calls++;
	if (f->frees) {
		fswatch_free(f->watch);
		f->watch = NULL;
	}
}

static void
write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(strlen(text), write(fd, text, strlen(text)));
	close(fd);
}

static int
setup(void **state)
{
	struct fixture *f = mem_alloc(sizeof(*f));
	struct err e = { 0 };

	strcpy(f->root, "/tmp/pm-fswatch-XXXXXX");
	assert_non_null(mkdtemp(f->root));
	snprintf(f->dir, sizeof(f->dir), "%s/dir", f->root);
	snprintf(f->path, sizeof(f->path), "%s/hosts", f->dir);
	snprintf(f->other, sizeof(f->other), "%s/hosts2", f->dir);
	assert_int_equal(0, mkdir(f->dir, 0755));
	f->loop = loop_new();
	f->fds = io_test_count_fds();
	f->watch = fswatch_new(f->loop, f->path, file_changed, f, &e);
	assert_non_null(f->watch);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	char command[64];

	umount2(f->dir, MNT_DETACH); /* of a test that failed half-way */
	fswatch_free(f->watch);
	assert_int_equal(f->fds, io_test_count_fds());
	loop_free(f->loop);
	snprintf(command, sizeof(command), "rm -rf %s", f->root);
	assert_int_equal(0, system(command));
	free(f);
	return 0;
}

/* Something was done: it is told, and then there is quiet. Returns the number of calls. */
static int
told(struct fixture *f)
{
	int calls;

	assert_true(io_test_wait(f->loop, &f->calls, 1, AMPLE_MS));
	io_test_idle(f->loop, QUIET_MS);
	calls = f->calls;
	f->calls = 0;
	return calls;
}

static void
assert_quiet(struct fixture *f)
{
	io_test_idle(f->loop, QUIET_MS);
	assert_int_equal(0, f->calls);
}

static void
test_created_edited_deleted(void **state)
{
	struct fixture *f = *state;

	assert_quiet(f);
	write_file(f->path, "one");
	assert_int_equal(1, told(f)); /* open, write and close are one bunch */
	write_file(f->path, "two");
	assert_int_equal(1, told(f));
	chmod(f->path, 0600);
	assert_int_equal(1, told(f));
	unlink(f->path);
	assert_int_equal(1, told(f));
	write_file(f->path, "again");
	assert_int_equal(1, told(f));
}

static void
test_replaced_by_rename(void **state)
{
	struct fixture *f = *state;

	write_file(f->path, "one");
	told(f);
	write_file(f->other, "two");
	assert_quiet(f);
	assert_int_equal(0, rename(f->other, f->path));
	assert_int_equal(1, told(f));
	assert_int_equal(0, rename(f->path, f->other));
	assert_int_equal(1, told(f));
}

static void
test_edited_in_place_while_open(void **state)
{
	struct fixture *f = *state;
	int fd = open(f->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	told(f);
	assert_int_equal(1, write(fd, "x", 1));
	assert_int_equal(1, told(f));
	assert_int_equal(0, ftruncate(fd, 0));
	assert_int_equal(1, told(f));
	close(fd);
	assert_int_equal(1, told(f));
}

static void
test_other_files_are_quiet(void **state)
{
	struct fixture *f = *state;
	char longer[128];

	write_file(f->other, "x");
	snprintf(longer, sizeof(longer), "%s/host", f->dir);
	write_file(longer, "x");
	snprintf(longer, sizeof(longer), "%s/.hosts.123.tmp", f->dir);
	write_file(longer, "x");
	unlink(longer);
	assert_quiet(f);
}

static void
test_directory_deleted_and_recreated(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 3; i++) {
		write_file(f->path, "one");
		told(f);
		unlink(f->path);
		assert_int_equal(0, rmdir(f->dir));
		told(f);
		io_test_idle(f->loop, 500);
		assert_int_equal(0, f->calls); /* said once, not at each look */
		assert_int_equal(0, mkdir(f->dir, 0755));
		told(f); /* it is back: look at it */
		write_file(f->path, "two");
		told(f);
	}
}

/* Gone and back before anybody looked: inotify's own words about the old one must not confuse us. */
static void
test_directory_replaced_at_once(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(0, rmdir(f->dir));
	assert_int_equal(0, mkdir(f->dir, 0755));
	told(f);
	write_file(f->path, "two");
	told(f);
}

/* Of all inotify descriptors of this process. */
static int
count_watches(void)
{
	FILE *lines = popen("cat /proc/$PPID/fdinfo/* 2>/dev/null | grep -c '^inotify '", "r");
	int count = -1;

	assert_non_null(lines);
	assert_int_equal(1, fscanf(lines, "%d", &count));
	pclose(lines);
	return count;
}

static void
test_directory_moved_and_recreated(void **state)
{
	struct fixture *f = *state;
	char away[64], path[96];

	snprintf(away, sizeof(away), "%s/away", f->root);
	snprintf(path, sizeof(path), "%s/hosts", away);
	assert_int_equal(1, count_watches());
	assert_int_equal(0, rename(f->dir, away));
	assert_int_equal(1, told(f));
	assert_int_equal(0, count_watches());
	write_file(path, "where nobody reads it");
	assert_quiet(f);
	assert_int_equal(0, mkdir(f->dir, 0755));
	assert_int_equal(1, told(f));
	/* And another one comes in its place at once. */
	snprintf(away, sizeof(away), "%s/away2", f->root);
	assert_int_equal(0, rename(f->dir, away));
	assert_int_equal(0, mkdir(f->dir, 0755));
	assert_int_equal(1, told(f));
	assert_int_equal(1, count_watches());
	write_file(f->path, "here");
	assert_int_equal(1, told(f));
}

/* Somebody has the directory open: inotify does not call that a deletion. */
static void
test_directory_deleted_while_open(void **state)
{
	struct fixture *f = *state;
	int fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	write_file(f->path, "one");
	told(f);
	unlink(f->path);
	assert_int_equal(0, rmdir(f->dir));
	told(f);
	assert_int_equal(0, mkdir(f->dir, 0755));
	told(f);
	write_file(f->path, "two");
	told(f);
	close(fd);
}

/* No event for that at all; a look at the path tells, here the one that follows a change. */
static void
test_directory_covered_by_a_mount(void **state)
{
	struct fixture *f = *state;

	write_file(f->path, "below");
	told(f);
	if (mount("none", f->dir, "tmpfs", 0, "size=64k") != 0)
		skip(); /* needs root */
	told(f);
	write_file(f->path, "in the mount");
	told(f);
	assert_int_equal(0, umount(f->dir));
	told(f);
	write_file(f->path, "below again");
	told(f);
}

static void
test_ten_thousand_events(void **state)
{
	struct fixture *f = *state;
	int fd = open(f->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	int64_t began = clock_mono_ms();

	for (int i = 0; i < 5000; i++) {
		/* Two in turn: the kernel merges equal neighbours. */
		assert_int_equal(1, write(fd, "x", 1));
		assert_int_equal(0, fchmod(fd, i % 2 == 0 ? 0600 : 0644));
	}
	close(fd);
	assert_in_range(told(f), 1, 10);
	assert_true(clock_mono_ms() - began < AMPLE_MS);
	write_file(f->path, "still there");
	told(f);
}

/* More events than the kernel keeps: what was dropped may have been ours. */
static void
test_queue_overflows(void **state)
{
	struct fixture *f = *state;
	int fd, events = 0;
	FILE *limit = fopen("/proc/sys/fs/inotify/max_queued_events", "r");

	assert_non_null(limit);
	assert_int_equal(1, fscanf(limit, "%d", &events));
	fclose(limit);
	if (events > 200000)
		skip(); /* it would take too long */
	fd = open(f->other, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	for (int i = 0; i < events / 2 + 10; i++) {
		assert_int_equal(1, write(fd, "x", 1));
		assert_int_equal(0, fchmod(fd, i % 2 == 0 ? 0600 : 0644));
	}
	close(fd);
	told(f);
	write_file(f->path, "still there");
	told(f);
}

static void
test_freed_in_its_callback(void **state)
{
	struct fixture *f = *state;

	f->frees = true;
	write_file(f->path, "x");
	told(f);
	write_file(f->path, "y");
	assert_quiet(f);
}

static void
test_errors(void **state)
{
	struct fixture *f = *state;
	struct err e = { 0 };

	assert_null(fswatch_new(f->loop, "/nonexistent/dir/file", file_changed, f, &e));
	assert_int_equal(ERR_NOT_FOUND, e.code);
	assert_null(fswatch_new(f->loop, "/etc/passwd/file", file_changed, f, &e));
	assert_int_equal(ERR_IO, e.code);
	assert_null(fswatch_new(f->loop, "/tmp/", file_changed, f, &e));
	assert_int_equal(ERR_USAGE, e.code);
	fswatch_free(NULL);
}

static void
test_relative_and_root_paths(void **state)
{
	struct fixture *f = *state;
	struct err e = { 0 };
	char cwd[512];

	fswatch_free(f->watch);
	assert_non_null(getcwd(cwd, sizeof(cwd)));
	assert_int_equal(0, chdir(f->dir));
	f->watch = fswatch_new(f->loop, "hosts", file_changed, f, &e);
	assert_non_null(f->watch);
	write_file(f->path, "x");
	told(f);
	fswatch_free(f->watch);
	assert_int_equal(0, chdir(cwd));
	f->watch = fswatch_new(f->loop, "/pm-no-such-file", file_changed, f, &e);
	assert_non_null(f->watch);
	assert_quiet(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_created_edited_deleted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_replaced_by_rename, setup, teardown),
		cmocka_unit_test_setup_teardown(test_edited_in_place_while_open, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_files_are_quiet, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_directory_deleted_and_recreated, setup, teardown),
		cmocka_unit_test_setup_teardown(test_directory_replaced_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_directory_moved_and_recreated, setup, teardown),
		cmocka_unit_test_setup_teardown(test_directory_deleted_while_open, setup, teardown),
		cmocka_unit_test_setup_teardown(test_directory_covered_by_a_mount, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ten_thousand_events, setup, teardown),
		cmocka_unit_test_setup_teardown(test_queue_overflows, setup, teardown),
		cmocka_unit_test_setup_teardown(test_freed_in_its_callback, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_relative_and_root_paths, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
