/* test_settle.c: model/settle.c on a clock of its own: a change is delayed, never dropped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "model/settle.h"

#define MIN_MS 20
#define MAX_MS 250

/* Plays changes at the given times; the flush of the last one is in *last. Returns the flushes. */
static unsigned
play(const int64_t *at_ms, size_t count, int64_t *last)
{
	struct settle s;
	int64_t due = -1;
	unsigned flushes = 0;

	settle_init(&s, MIN_MS, MAX_MS);
	for (size_t i = 0; i < count; i++) {
		int64_t delay;

		if (due >= 0 && due <= at_ms[i]) {
			settle_flush(&s);
			flushes++;
			due = -1;
		}
		delay = settle_change(&s, at_ms[i]);
		due = at_ms[i] + delay;
		if (delay == 0) {
			settle_flush(&s);
			flushes++;
			*last = at_ms[i];
			due = -1;
		}
	}
	if (due >= 0) {
		flushes++;
		*last = due;
	}
	return flushes;
}

static void
test_first_goes_at_once(void **state)
{
	struct settle s;

	(void)state;
	settle_init(&s, MIN_MS, MAX_MS);
	assert_int_equal(settle_change(&s, 1000), 0);
	settle_flush(&s);
	/* and so does every change after a quiet time */
	assert_int_equal(settle_change(&s, 1000 + MIN_MS), 0);
}

static void
test_second_waits(void **state)
{
	struct settle s;

	(void)state;
	settle_init(&s, MIN_MS, MAX_MS);
	settle_change(&s, 1000);
	settle_flush(&s);
	assert_int_equal(settle_change(&s, 1005), MIN_MS);
	/* each further one begins the quiet time anew, longer and longer */
	assert_int_equal(settle_change(&s, 1015), 2 * MIN_MS);
	assert_int_equal(settle_change(&s, 1025), 2 * MIN_MS);
	assert_int_equal(settle_change(&s, 1035), 4 * MIN_MS);
}

/* Work of 12 ms on each answer, and 15 ms until the next one: a burst, seen through our own slowness. */
static void
test_busy_is_not_quiet(void **state)
{
	struct settle s;

	(void)state;
	settle_init(&s, MIN_MS, MAX_MS);
	assert_int_equal(settle_change(&s, 1000), 0);
	settle_flush(&s);
	settle_worked(&s, 12, 1012);
	assert_int_equal(settle_change(&s, 1037), MIN_MS);
	/* flips by hand are not */
	settle_init(&s, MIN_MS, MAX_MS);
	assert_int_equal(settle_change(&s, 1000), 0);
	settle_flush(&s);
	settle_worked(&s, 12, 1012);
	assert_int_equal(settle_change(&s, 1060), 0);
}

static void
test_waits_at_most_max(void **state)
{
	struct settle s;

	(void)state;
	settle_init(&s, MIN_MS, MAX_MS);
	settle_change(&s, 1000);
	settle_flush(&s);
	for (int64_t t = 1002; t < 1002 + MAX_MS; t += 2)
		assert_true(t + settle_change(&s, t) <= 1002 + MAX_MS);
	assert_int_equal(settle_change(&s, 1002 + MAX_MS + 5), 0);
}

/* 200 changes, 2 ms apart: three files at most, the last state within 300 ms. */
static void
test_burst_is_three_files(void **state)
{
	int64_t at[200], last = 0;
	unsigned flushes;

	(void)state;
	for (size_t i = 0; i < 200; i++)
		at[i] = 5000 + (int64_t)i * 2;
	flushes = play(at, 200, &last);
	assert_in_range(flushes, 2, 3);
	assert_true(last >= at[199] && last <= at[199] + 300);
}

/* A burst that stutters: every tenth change comes 30 ms late. Each stutter would be a file. */
static void
test_stutter_does_not_make_files(void **state)
{
	int64_t at[200], t = 5000, last = 0;

	(void)state;
	for (size_t i = 0; i < 200; i++)
		at[i] = t += i % 10 == 9 ? 30 : 1;
	/* 780 ms of burst: one at once, one a quarter of a second, the last; no stutter among them */
	assert_in_range(play(at, 200, &last), 3, 5);
	assert_true(last >= at[199] && last <= at[199] + MAX_MS);
}

/* After max_ms without a change the next one is the first of a quiet time again. */
static void
test_burst_ends(void **state)
{
	struct settle s;

	(void)state;
	settle_init(&s, MIN_MS, MAX_MS);
	settle_change(&s, 1000);
	settle_flush(&s);
	assert_int_not_equal(settle_change(&s, 1005), 0);
	settle_flush(&s);
	assert_int_not_equal(settle_change(&s, 1005 + MAX_MS - 1), 0);
	settle_flush(&s);
	assert_int_equal(settle_change(&s, 1005 + 3 * MAX_MS), 0);
}

/* Whatever comes when: the last change is flushed, never before it came, never later than max_ms. */
static void
test_random_never_drops(void **state)
{
	(void)state;
	srand(1);
	for (int round = 0; round < 2000; round++) {
		int64_t at[50], t = 1, last = -1;

		for (size_t i = 0; i < 50; i++)
			at[i] = t += rand() % (round % 7 == 0 ? 400 : 40);
		play(at, 50, &last);
		assert_true(last >= at[49]);
		assert_true(last <= at[49] + MAX_MS);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_goes_at_once),
		cmocka_unit_test(test_second_waits),
		cmocka_unit_test(test_busy_is_not_quiet),
		cmocka_unit_test(test_waits_at_most_max),
		cmocka_unit_test(test_burst_is_three_files),
		cmocka_unit_test(test_stutter_does_not_make_files),
		cmocka_unit_test(test_burst_ends),
		cmocka_unit_test(test_random_never_drops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
