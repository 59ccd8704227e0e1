/*
 * test_check_file.c: files that are fresh, old, large, gone, and one on a disk that never answers: a
 * filesystem of the kernel's FUSE whose server reads no question.
 */
#include "check_once.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>

#include "base/mem.h"
#include "io/file_stat.h"

struct fixture {
	char dir[32];
	char *path;
};

static int
setup(void **state)
{
	struct fixture *f = mem_alloc(sizeof(*f));

	snprintf(f->dir, sizeof(f->dir), "/tmp/pm-file-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->path = mem_printf("%s/heartbeat", f->dir);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	char *command = mem_printf("rm -rf %s", f->dir);

	assert_int_equal(0, system(command));
	free(command);
	free(f->path);
	free(f);
	return 0;
}

static void
write_file(const char *path, size_t size, int age_s)
{
	struct timespec times[2];
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(0, ftruncate(fd, (off_t)size));
	clock_gettime(CLOCK_REALTIME, &times[0]);
	times[0].tv_sec -= age_s;
	times[1] = times[0];
	assert_int_equal(0, futimens(fd, times));
	close(fd);
}

static struct check_result
run(const char *path, const char *measure, const char *warning, const char *critical)
{
	struct check_spec s = {
		.path = (char *)(uintptr_t)path,
		.measure = (char *)(uintptr_t)measure,
	};

	if (warning != NULL)
		assert_int_equal(0, range_parse(warning, &s.warning, NULL));
	if (critical != NULL)
		assert_int_equal(0, range_parse(critical, &s.critical, NULL));
	return check_once_run(&check_type_file, &s, NULL, AMPLE_MS);
}

static void
test_age(void **state)
{
	static const struct {
		int age_s;
		enum check_class class;
	} cases[] = {
		{ 0, CHECK_OK }, { 500, CHECK_OK }, { 700, CHECK_WARNING }, { 4000, CHECK_VALUE },
		{ -100, CHECK_VALUE }, /* a clock that is wrong proves no life */
	};
	const struct fixture *f = *state;

	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		struct check_result r;

		write_file(f->path, 10, cases[i].age_s);
		r = run(f->path, i % 2 == 0 ? NULL : "age", "600", "3600");
		assert_int_equal(cases[i].class, r.class);
		assert_string_equal("age", r.numbers[0].label);
		assert_string_equal("s", r.numbers[0].unit);
		assert_in_range(
		    (int)r.numbers[0].value + 1000, cases[i].age_s + 999, cases[i].age_s + 1010);
	}
}

static void
test_size(void **state)
{
	const struct fixture *f = *state;
	struct check_result r;

	write_file(f->path, 12345, 100000);
	r = run(f->path, "size", "20000:", "10000:");
	assert_int_equal(CHECK_WARNING, r.class);
	assert_non_null(strstr(r.text, "12345 bytes"));
	assert_int_equal(12345, (int)r.numbers[0].value);
	write_file(f->path, 9999, 0);
	assert_int_equal(CHECK_VALUE, run(f->path, "size", "20000:", "10000:").class);
	write_file(f->path, 30000, 0);
	assert_int_equal(CHECK_OK, run(f->path, "size", "20000:", "10000:").class);
}

static void
test_missing(void **state)
{
	const struct fixture *f = *state;
	char *beyond = mem_printf("%s/file/beyond", f->dir), *file = mem_printf("%s/file", f->dir);

	assert_int_equal(CHECK_MISSING, run(f->path, NULL, NULL, NULL).class);
	assert_int_equal(0, symlink("nowhere", f->path));
	assert_int_equal(CHECK_MISSING, run(f->path, NULL, NULL, NULL).class);
	write_file(file, 0, 0);
	assert_int_equal(CHECK_OK, run(file, NULL, NULL, NULL).class);
	assert_int_equal(CHECK_MISSING, run(beyond, NULL, NULL, NULL).class);
	free(beyond);
	free(file);
}

/* What memory and the child say is the same; /proc is nothing that memory may answer for. */
static void
test_child(void **state)
{
	const struct fixture *f = *state;
	struct file_stat_result r = { 0 };

	write_file(f->path, 77, 50);
	if (!io_test_is_valgrind()) { /* which has no openat2 */
		assert_true(file_stat_cached(f->path, &r));
		assert_int_equal(77, r.size);
	}
	assert_false(file_stat_cached("/proc/self/status", &r));
	assert_int_equal(CHECK_OK, run("/proc/self/status", "size", NULL, NULL).class);
	assert_int_equal(CHECK_MISSING, run("/proc/1/nothing-here", NULL, NULL, NULL).class);
	assert_int_equal(CHECK_OK, run("/proc/uptime", "age", NULL, NULL).class);
}

/* Its server never reads. 0, or -1 where none can be had. */
static int
mount_black_hole(const char *dir)
{
	char options[64];
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
	if (fd < 0 || unshare(CLONE_NEWNS) != 0 ||
	    mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("black-hole", dir, "fuse", 0, options) != 0)
		return -1;
	return fd;
}

static void
test_hung_disk(void **state)
{
	const struct fixture *f = *state;
	struct check_spec s = { .path = f->path };
	struct check_result r;
	int64_t start;
	int fd = mount_black_hole(f->dir);

	if (fd < 0) {
		fprintf(stderr, "NO FUSE here: the hung disk was NOT tried\n");
		skip();
	}
	start = clock_mono_ms();
	r = check_once_run(&check_type_file, &s, NULL, 300);
	assert_int_equal(CHECK_TIMEOUT, r.class);
	assert_non_null(strstr(r.text, "does not answer"));
	assert_in_range(clock_mono_ms() - start, 299, 5000);
	check_once_close_early(&check_type_file, &s, 3);
	close(fd);
	umount2(f->dir, MNT_DETACH);
}

static void
test_closed_early(void **state)
{
	const struct fixture *f = *state;
	struct check_spec cached = { .path = f->path },
			  child = { .path = (char[]){ "/proc/stat" } };

	write_file(f->path, 0, 0);
	check_once_close_early(&check_type_file, &cached, 0);
	check_once_close_early(&check_type_file, &child, 0);
	check_once_close_early(&check_type_file, &child, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_age, setup, teardown),
		cmocka_unit_test_setup_teardown(test_size, setup, teardown),
		cmocka_unit_test_setup_teardown(test_missing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_child, setup, teardown),
		cmocka_unit_test_setup_teardown(test_closed_early, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hung_disk, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
