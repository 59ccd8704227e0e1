/*
 * io_test.h: what the tests of src/io share: turning the loop until something happened, and counting
 * what a module must not leave behind.
 */
#ifndef TESTS_UNIT_IO_TEST_H
#define TESTS_UNIT_IO_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "io/loop.h"

/*
 * A bound of less than a second in real time says nothing while the machine is busy with others: what is
 * late by itself is late every time, so the best of some tries has to keep it.
 */
#define IO_TEST_TRIES 10

/* Turns the loop until *count has reached want; false when limit_ms passed before. */
static inline bool
io_test_wait(struct loop *l, const int *count, int want, int64_t limit_ms)
{
	int64_t end = clock_mono_ms() + limit_ms;

	while (*count < want) {
		if (clock_mono_ms() >= end)
			return false;
		loop_turn(l, 10);
	}
	return true;
}

/*
 * Turns the loop for so long: to see that something does not happen. What is due by then was done: this
 * process may have been kept waiting for all of that time.
 */
static inline void
io_test_idle(struct loop *l, int64_t ms)
{
	int never = 0;

	io_test_wait(l, &never, 1, ms);
	for (int i = 0; i < 4; i++)
		loop_turn(l, 0);
}

static inline int
io_test_count_entries(const char *path)
{
	DIR *dir = opendir(path);
	int count = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

static inline int
io_test_count_fds(void)
{
	return io_test_count_entries("/proc/self/fd");
}

/* Living and dead ones: a zombie counts. */
static inline int
io_test_count_children(void)
{
	FILE *f = fopen("/proc/thread-self/children", "r");
	int pid, count = 0;

	assert_non_null(f);
	while (fscanf(f, "%d", &pid) == 1)
		count++;
	fclose(f);
	return count;
}

/* Turns the loop until so many children are left, the dead ones reaped; false after limit_ms. */
static inline bool
io_test_wait_children(struct loop *l, int left, int64_t limit_ms)
{
	int64_t end = clock_mono_ms() + limit_ms;

	while (io_test_count_children() > left) {
		if (clock_mono_ms() >= end)
			return false;
		loop_turn(l, 10);
	}
	return true;
}

/* Where some system calls are missing or work differently; such a test says why it skips. */
static inline bool
io_test_is_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");

	return preload != NULL && strstr(preload, "vgpreload") != NULL;
}

#endif
