/*
 * test_file.c: base/file.h. What it promises of a crash is tested by one: a child is killed at each
 * of its system calls, and each of them fails once with each of several errors.
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "inject.h"
#include "scratch.h"

#define OLD_LEN 20000
#define NEW_LEN 300000

static char dir[] = "/tmp/pointsman-file.XXXXXX";
static char path[64], backup[64];
static char old_bytes[OLD_LEN], new_bytes[NEW_LEN];

static void
put(const char *name, const void *data, size_t len)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
}

static bool
holds(const char *name, const void *data, size_t len)
{
	struct str s = STR_INIT;
	struct err e = { 0 };
	bool is_same = file_read(name, 1 << 20, &s, &e) == 0 && s.len == len &&
		       memcmp(str_text(&s), data, len) == 0;

	str_clear(&s);
	return is_same;
}

static int
setup(void **state)
{
	(void)state;
	memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/hosts", dir);
	snprintf(backup, sizeof(backup), "%s/.hosts.1.8813", dir);
	memset(old_bytes, 'o', sizeof(old_bytes));
	memset(new_bytes, 'n', sizeof(new_bytes));
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	inject_off();
	return scratch_remove(dir);
}

static void
reads_and_appends(void **state)
{
	struct str s = STR_INIT;
	struct err e = { 0 };

	(void)state;
	put(path, "a\0b", 3);
	str_adds(&s, "x");
	assert_int_equal(file_read(path, 3, &s, &e), 0);
	assert_int_equal(s.len, 4);
	assert_memory_equal(s.data, "xa\0b", 5);
	str_clear(&s);
	/* A file that says it has no size. */
	assert_int_equal(file_read("/proc/self/status", 1 << 20, &s, &e), 0);
	assert_non_null(strstr(str_text(&s), "VmRSS"));
	str_clear(&s);
}

static void
refuses_to_read(void **state)
{
	struct str s = STR_INIT;
	struct err e = { 0 };

	(void)state;
	str_adds(&s, "kept");
	assert_int_equal(file_read(path, 10, &s, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_non_null(strstr(e.text, path));
	put(path, "12345678901", 11);
	assert_int_equal(file_read(path, 10, &s, &e), -1);
	assert_int_equal(e.code, ERR_LIMIT);
	assert_non_null(strstr(e.text, path));
	assert_int_equal(file_read("/proc/self/status", 10, &s, &e), -1);
	assert_int_equal(e.code, ERR_LIMIT);
	assert_int_equal(file_read(dir, 10, &s, &e), -1);
	assert_int_equal(e.code, ERR_IO);
	/* Nobody writes to it: must come back, not wait. */
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	alarm(5);
	assert_int_equal(file_read(path, 10, &s, &e), -1);
	alarm(0);
	assert_string_equal(str_text(&s), "kept");
	str_clear(&s);
}

static void
replaces_with_mode(void **state)
{
	struct err e = { 0 };
	struct stat st;
	mode_t mask = umask(0077);

	(void)state;
	assert_int_equal(file_replace(path, old_bytes, OLD_LEN, 0644, &e), 0);
	assert_true(holds(path, old_bytes, OLD_LEN));
	assert_int_equal(file_replace(path, new_bytes, NEW_LEN, 0664, &e), 0);
	assert_true(holds(path, new_bytes, NEW_LEN));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0664);
	assert_int_equal(file_replace(path, NULL, 0, 0600, &e), 0);
	assert_true(holds(path, "", 0));
	assert_int_equal(scratch_count(dir), 1);
	umask(mask);
}

static void
keeps_owner(void **state)
{
	struct err e = { 0 };
	struct stat st;

	(void)state;
	if (geteuid() != 0) {
		print_message("keeps_owner: NOT RUN: only root can give a file away\n");
		skip();
	}
	put(path, "o", 1);
	assert_int_equal(chown(path, 12, 34), 0);
	assert_int_equal(file_replace(path, "n", 1, 02644, &e), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, 12);
	assert_int_equal(st.st_gid, 34);
	assert_int_equal(st.st_mode & 07777, 02644);
	/* Where we may not, the file is replaced all the same. */
	inject_fail_always("fchown", EPERM);
	assert_int_equal(file_replace(path, "m", 1, 0640, &e), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, 0);
	assert_int_equal(st.st_mode & 07777, 0640);
}

static void
replaces_a_link_itself(void **state)
{
	struct err e = { 0 };
	struct stat st;
	char target[80];

	(void)state;
	snprintf(target, sizeof(target), "%s/target", dir);
	put(target, "victim", 6);
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(file_replace(path, "n", 1, 0644, &e), 0);
	assert_true(holds(target, "victim", 6));
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
}

static void
stages_beside(void **state)
{
	struct file_stage s;
	struct err e = { 0 };
	struct stat st;

	(void)state;
	put(path, old_bytes, OLD_LEN);
	assert_int_equal(file_stage(&s, path, new_bytes, NEW_LEN, 0640, &e), 0);
	assert_true(holds(path, old_bytes, OLD_LEN));
	assert_true(holds(s.temp_path, new_bytes, NEW_LEN));
	assert_int_equal(strncmp(s.temp_path, path, strlen(dir) + 1), 0);
	assert_int_equal(strncmp(strrchr(s.temp_path, '/'), "/.hosts.", 8), 0);
	assert_int_equal(lstat(s.temp_path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	file_discard(&s);
	assert_int_equal(scratch_count(dir), 1);
	file_discard(&s);
	assert_int_equal(file_stage(&s, path, new_bytes, NEW_LEN, 0640, &e), 0);
	assert_int_equal(file_commit(&s, NULL, &e), 0);
	file_discard(&s);
	assert_true(holds(path, new_bytes, NEW_LEN));
	assert_int_equal(scratch_count(dir), 1);
}

static void
commit(const void *data, size_t len)
{
	struct file_stage s;
	struct err e = { 0 };

	assert_int_equal(file_stage(&s, path, data, len, 0644, &e), 0);
	if (file_commit(&s, backup, &e) != 0)
		fail_msg("%s", e.text);
	file_discard(&s);
}

static void
keeps_a_backup(void **state)
{
	struct file_stage s;
	struct err e = { 0 };

	(void)state;
	commit("1", 1); /* nothing there yet: no backup */
	assert_int_equal(scratch_count(dir), 1);
	commit("2", 1);
	assert_true(holds(backup, "1", 1));
	commit("3", 1); /* a backup of that name exists */
	assert_true(holds(backup, "2", 1));
	unlink(backup);
	inject_fail_always("link", EPERM); /* a file system without hard links */
	commit("4", 1);
	inject_off();
	assert_true(holds(backup, "3", 1));
	assert_true(holds(path, "4", 1));
	/* Another error of the backup stops the commit, which may then be done without one. */
	assert_int_equal(file_stage(&s, path, "5", 1, 0644, &e), 0);
	inject_fail_always("link", ENOSPC);
	assert_int_equal(file_commit(&s, backup, &e), -1);
	assert_non_null(strstr(e.text, backup));
	assert_true(holds(path, "4", 1));
	assert_int_equal(file_commit(&s, NULL, &e), 0);
	assert_true(holds(path, "5", 1));
	file_discard(&s);
}

/* One replacement with a backup; what a failure leaves is the test. */
static int
replace_once(struct err *e)
{
	struct file_stage s;
	int rc = -1;

	if (file_stage(&s, path, new_bytes, NEW_LEN, 0644, e) == 0)
		rc = file_commit(&s, backup, e);
	file_discard(&s);
	return rc;
}

static int
count_calls(void)
{
	struct err e = { 0 };
	int n;

	inject_kill(0);
	assert_int_equal(replace_once(&e), 0);
	n = inject_calls();
	inject_off();
	return n;
}

static void
survives_every_failure(void **state)
{
	static const int errors[] = { ENOSPC, EIO, EACCES, EROFS, EMFILE };
	int calls, failed = 0, failed_late = 0;

	(void)state;
	put(path, old_bytes, OLD_LEN);
	calls = count_calls();
	assert_in_range(calls, 8, 16);
	for (size_t i = 0; i < MEM_COUNT(errors); i++) {
		for (int n = 1; n <= calls; n++) {
			struct err e = { 0 };
			int rc;

			unlink(backup);
			put(path, old_bytes, OLD_LEN);
			inject_fail(n, errors[i]);
			rc = replace_once(&e);
			inject_off();
			assert_true(
			    holds(path, new_bytes, NEW_LEN) || holds(path, old_bytes, OLD_LEN));
			if (rc == 0) {
				assert_true(holds(path, new_bytes, NEW_LEN));
				continue;
			}
			failed++;
			assert_non_null(strstr(e.text, path));
			assert_non_null(strstr(e.text, strerror(errors[i])));
			if (!holds(path, new_bytes, NEW_LEN)) {
				assert_int_equal(scratch_count(dir), 1);
				continue;
			}
			assert_non_null(strstr(e.text, "cannot sync directory"));
			failed_late++;
		}
	}
	/* open, write, fchmod, fsync, close, link, rename; then the directory's open and fsync. */
	assert_int_equal(failed_late, 2 * MEM_COUNT(errors));
	assert_int_equal(failed - failed_late, 7 * MEM_COUNT(errors));
}

static void
survives_short_writes(void **state)
{
	struct err e = { 0 };

	(void)state;
	inject_short_writes(777);
	assert_int_equal(file_replace(path, new_bytes, NEW_LEN, 0644, &e), 0);
	assert_true(inject_calls() > NEW_LEN / 777);
	inject_off();
	assert_true(holds(path, new_bytes, NEW_LEN));
}

static void
replace_killed(int n)
{
	inject_kill(n);
	replace_once(NULL);
}

static void
survives_a_kill_at_every_call(void **state)
{
	int calls, with_old = 0, with_new = 0, with_temp = 0;

	(void)state;
	put(path, old_bytes, OLD_LEN);
	calls = count_calls();
	for (int n = 1; n <= calls; n++) {
		unlink(backup);
		put(path, old_bytes, OLD_LEN);
		scratch_run_killed(replace_killed, n);
		with_old += holds(path, old_bytes, OLD_LEN);
		with_new += holds(path, new_bytes, NEW_LEN);
		assert_int_equal(with_old + with_new, n);
		unlink(backup);
		with_temp += scratch_count(dir) - 1;
		file_sweep_temps(path);
		assert_int_equal(scratch_count(dir), 1);
	}
	assert_true(with_old > 5 && with_new > 0 && with_temp > 3);
}

static void
sweeps_only_its_own(void **state)
{
	static const char *const others[] = { ".hosts.1.8813", ".hosts.0123456789abcdef",
		".hosts.0123456789abcdeg.tmp", ".hosts.0123456789abcde.tmp", "hosts.tmp",
		".hosts2.0123456789abcdef.tmp", "hosts.0123456789abcdef.tmp",
		".hosts.0123456789abcdef.tmp.tmp", ".hosts.0123456789abcdef0.tmp" };
	char name[128];

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(others); i++) {
		snprintf(name, sizeof(name), "%s/%s", dir, others[i]);
		put(name, "", 0);
	}
	snprintf(name, sizeof(name), "%s/.hosts.0123456789abcdef.tmp", dir);
	put(name, "", 0);
	file_sweep_temps(path);
	assert_int_equal(scratch_count(dir), MEM_COUNT(others));
	assert_int_equal(access(name, F_OK), -1);
	file_sweep_temps("/nonexistent/hosts");
}

static void
fill_the_disk(int n)
{
	static char filler[65536];
	struct err e = { 0 };

	(void)n;
	put(path, "old", 3);
	for (int i = 0; i < 3; i++) {
		if (file_replace(path, filler, sizeof(filler), 0644, &e) == 0 ||
		    scratch_count(dir) != 1 || !holds(path, "old", 3) ||
		    strstr(e.text, "No space left") == NULL)
			_exit(3);
	}
	if (mount("none", dir, "tmpfs", MS_REMOUNT | MS_RDONLY, "") != 0)
		_exit(4);
	if (file_replace(path, "new", 3, 0644, &e) == 0 || e.code != ERR_DENIED ||
	    !holds(path, "old", 3) || strstr(e.text, dir) == NULL)
		_exit(5);
	if (mount("none", dir, "tmpfs", MS_REMOUNT, "") != 0)
		_exit(6);
	if (file_replace(path, "new", 3, 0644, &e) != 0 || !holds(path, "new", 3))
		_exit(7);
}

static void
survives_a_full_disk(void **state)
{
	(void)state;
	scratch_run_on_small_disk(dir, "64k", fill_the_disk);
}

/* A writer that never pauses, and a reader that looks until it has seen both often enough. */
static void
readers_see_whole_files(void **state)
{
	const int often = 50;
	int status, seen_new = 0, seen_old = 0;
	pid_t pid;

	(void)state;
	put(path, old_bytes, OLD_LEN);
	if ((pid = fork()) == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			file_replace(path, new_bytes, NEW_LEN, 0644, NULL);
			file_replace(path, old_bytes, OLD_LEN, 0644, NULL);
		}
	}
	while (seen_new < often || seen_old < often) {
		struct str s = STR_INIT;
		struct err e = { 0 };
		bool is_new;

		if (file_read(path, 1 << 20, &s, &e) != 0)
			fail_msg("%s", e.text);
		is_new = s.len == NEW_LEN;
		assert_true(is_new || s.len == OLD_LEN);
		assert_memory_equal(s.data, is_new ? new_bytes : old_bytes, s.len);
		*(is_new ? &seen_new : &seen_old) += 1;
		str_clear(&s);
	}
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WTERMSIG(status), SIGKILL);
}

/* No new file, and what a longer one left is gone. */
static void
overwrites_where_it_lies(void **state)
{
	struct err e = { 0 };
	struct stat first, st;
	char link[80];

	(void)state;
	assert_int_equal(file_overwrite(path, "abc", 3, 0640, &e), 0);
	assert_true(holds(path, "abc", 3));
	assert_int_equal(stat(path, &first), 0);
	assert_int_equal(first.st_mode & 07777, 0640);
	assert_int_equal(file_overwrite(path, "def", 3, 0640, &e), 0);
	assert_true(holds(path, "def", 3));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_ino, first.st_ino);
	put(path, old_bytes, OLD_LEN);
	assert_int_equal(file_overwrite(path, "ghi", 3, 0640, &e), 0);
	assert_true(holds(path, "ghi", 3));

	inject_fail_always("write", EIO);
	assert_int_equal(file_overwrite(path, "jkl", 3, 0640, &e), -1);
	inject_off();
	assert_non_null(strstr(e.text, path));
	assert_true(holds(path, "ghi", 3));
	snprintf(link, sizeof(link), "%s/link", dir);
	assert_int_equal(symlink(path, link), 0);
	assert_int_equal(file_overwrite(link, "jkl", 3, 0640, &e), -1);
	assert_true(holds(path, "ghi", 3));
}

/* Killed in earnest, at no particular moment, while it writes and writes. */
static void
overwrites_whole_or_not(void **state)
{
	char a[512], b[512];
	int with_a = 0, with_b = 0;

	(void)state;
	memset(a, 'a', sizeof(a));
	memset(b, 'b', sizeof(b));
	put(path, a, sizeof(a));
	/* More of them, and longer ones, where the machine seldom lets the child begin. */
	for (int i = 0; i < 300 || ((with_a == 0 || with_b == 0) && i < 2000); i++) {
		int longer = i > 300 ? (i - 300) * 100 : 0;
		int status;
		pid_t pid;

		if ((pid = fork()) == 0) {
			for (;;) {
				file_overwrite(path, b, sizeof(b), 0640, NULL);
				file_overwrite(path, a, sizeof(a), 0640, NULL);
			}
		}
		usleep((useconds_t)(500 + i % 300 + longer));
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		with_a += holds(path, a, sizeof(a));
		with_b += holds(path, b, sizeof(b));
		assert_int_equal(with_a + with_b, i + 1);
	}
	assert_true(with_a > 0 && with_b > 0);
}

static void
makes_directories(void **state)
{
	static const char *const made[] = { "a/b/c", "a/b", "a" };
	struct err e = { 0 };
	char deep[80], below[96];
	struct stat st;

	(void)state;
	snprintf(deep, sizeof(deep), "%s/a//b/c/", dir);
	assert_int_equal(file_make_dirs(deep, 0750, &e), 0);
	assert_int_equal(file_make_dirs(deep, 0750, &e), 0);
	assert_int_equal(stat(deep, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_int_equal(file_make_dirs("/", 0750, &e), 0);
	put(path, "", 0);
	assert_int_equal(file_make_dirs(path, 0750, &e), -1);
	assert_non_null(strstr(e.text, "not a directory"));
	snprintf(below, sizeof(below), "%s/below", path);
	assert_int_equal(file_make_dirs(below, 0750, &e), -1);
	assert_non_null(strstr(e.text, below));
	for (size_t i = 0; i < MEM_COUNT(made); i++) {
		snprintf(deep, sizeof(deep), "%s/%s", dir, made[i]);
		assert_int_equal(rmdir(deep), 0);
	}
}

static void
joins_and_digests(void **state)
{
	static const struct {
		const char *base, *name, *joined;
	} rows[] = {
		{ "/a/b", "c", "/a/b/c" },
		{ "/a/b/", "c", "/a/b/c" },
		{ "/", "c", "/c" },
		{ "", "c", "c" },
		{ "/a", "/c", "/c" },
		{ "a", "", "a/" },
	};
	char digest[FILE_DIGEST_SIZE];

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(rows); i++) {
		char *joined = file_join(rows[i].base, rows[i].name);

		assert_string_equal(joined, rows[i].joined);
		free(joined);
	}
	/* FIPS 180-2, appendix B.1, and the digest of nothing. */
	assert_string_equal(file_digest(digest, "abc", 3),
	    "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_string_equal(file_digest(digest, NULL, 0),
	    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(reads_and_appends),
		TEST(refuses_to_read),
		TEST(replaces_with_mode),
		TEST(keeps_owner),
		TEST(replaces_a_link_itself),
		TEST(stages_beside),
		TEST(keeps_a_backup),
		TEST(survives_every_failure),
		TEST(survives_short_writes),
		TEST(survives_a_kill_at_every_call),
		TEST(sweeps_only_its_own),
		TEST(survives_a_full_disk),
		TEST(readers_see_whole_files),
		TEST(overwrites_where_it_lies),
		TEST(overwrites_whole_or_not),
		TEST(makes_directories),
		TEST(joins_and_digests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
