/*
 * test_time_window.c: model/time_window.c on a week that is made up: no clock and no time zone is asked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "model/time_window.h"

static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" }; /* tm_wday */

/* "Mon 09:00" as localtime_r(3) would have it. */
static struct tm
at(const char *text)
{
	struct tm tm = { .tm_wday = -1 };

	for (size_t i = 0; i < MEM_COUNT(days); i++) {
		if (strncmp(text, days[i], 3) == 0)
			tm.tm_wday = (int)i;
	}
	assert_true(tm.tm_wday >= 0);
	assert_int_equal(sscanf(text + 4, "%d:%d", &tm.tm_hour, &tm.tm_min), 2);
	return tm;
}

/* Windows with commas between them. */
static struct time_windows
windows(const char *text)
{
	struct time_windows all = { 0 };
	char copy[256], *rest = copy, *one;

	snprintf(copy, sizeof(copy), "%s", text);
	while ((one = strsep(&rest, ",")) != NULL) {
		if (*one != '\0' && time_window_parse(one, &all.list[all.count++]) != 0)
			fail_msg("%s is refused", one);
	}
	return all;
}

static void
what_is_written_comes_back(void **state)
{
	static const char *const cases[][2] = {
		{ "Mon-Fri 09:00-17:00", "Mon-Fri 09:00-17:00" },
		{ "sat  10:00-12:00", "Sat 10:00-12:00" },
		{ "FRI-MON 22:00-02:00", "Fri-Mon 22:00-02:00" },
		{ "Sun 00:00-24:00", "Sun 00:00-24:00" },
		{ "Tue-Tue 23:59-00:00", "Tue 23:59-00:00" },
	};

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		char text[TIME_WINDOW_TEXT_SIZE];
		struct time_window w;

		assert_int_equal(time_window_parse(cases[i][0], &w), 0);
		assert_string_equal(time_window_format(text, &w), cases[i][1]);
	}
}

static void
what_cannot_be_meant_is_refused(void **state)
{
	static const char *const cases[] = { "", "Mon", "Mon-Fri", "Mon-Fri ", "09:00-17:00",
		"Mon 09:00", "Mon 09:00-", "Mon 9:00-17:00", "Mon 09:00-17:00 ", "Mon 09:00-17:60",
		"Mon 09:00-24:01", "Mon 24:00-02:00", "Mon 09:00-09:00", "Mon 00:00-00:00",
		"Monday 09:00-17:00", "Mon,Tue 09:00-17:00", "Mon- 09:00-17:00", "-Mon 09:00-17:00",
		"Mon-Fri-Sun 09:00-17:00", "Mo 09:00-17:00", "Mon09:00-17:00", "Mon 09-17",
		"Mon 09:00-17:00,Tue", "Mon 0a:00-17:00", "Mon +9:00-17:00", " Mon 09:00-17:00",
		"Mon\t09:00-17:00", "Mon 09:00 - 17:00", "Mon 99:99-17:00" };

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		struct time_window w = { .begin = 77 };

		if (time_window_parse(cases[i], &w) == 0)
			fail_msg("'%s' is taken", cases[i]);
		assert_int_equal(w.begin, 77);
	}
}

static void
inside_and_outside(void **state)
{
	static const struct {
		const char *windows, *when;
		bool is_allowed;
	} cases[] = {
		{ "", "Wed 03:00", true },
		{ "Mon-Fri 09:00-17:00", "Mon 08:59", false },
		{ "Mon-Fri 09:00-17:00", "Mon 09:00", true },
		{ "Mon-Fri 09:00-17:00", "Fri 16:59", true },
		{ "Mon-Fri 09:00-17:00", "Fri 17:00", false },
		{ "Mon-Fri 09:00-17:00", "Sat 12:00", false },
		{ "Mon-Fri 09:00-17:00,Sat 10:00-12:00", "Sat 11:00", true },
		{ "Mon-Fri 09:00-17:00,Sat 10:00-12:00", "Sun 11:00", false },
		{ "Fri-Mon 09:00-17:00", "Sun 10:00", true },
		{ "Fri-Mon 09:00-17:00", "Mon 10:00", true },
		{ "Fri-Mon 09:00-17:00", "Tue 10:00", false },
		{ "Fri-Mon 09:00-17:00", "Thu 10:00", false },
		{ "Mon-Sun 00:00-24:00", "Sun 23:59", true },
		/* Over midnight: the night belongs to the day it begins. */
		{ "Sat 22:00-02:00", "Sat 21:59", false },
		{ "Sat 22:00-02:00", "Sat 22:00", true },
		{ "Sat 22:00-02:00", "Sun 01:59", true },
		{ "Sat 22:00-02:00", "Sun 02:00", false },
		{ "Sat 22:00-02:00", "Sat 01:00", false },
		{ "Sun 22:00-02:00", "Mon 01:00", true },
		{ "Sun 22:00-02:00", "Sun 01:00", false },
		{ "Mon-Fri 22:00-02:00", "Mon 01:00", false },
		{ "Mon-Fri 22:00-02:00", "Sat 01:00", true },
		{ "Mon 22:00-00:00", "Mon 23:59", true },
		{ "Mon 22:00-00:00", "Tue 00:00", false },
		{ "Mon 09:00-24:00", "Mon 23:59", true },
		{ "Mon 09:00-24:00", "Tue 00:00", false },
	};

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		struct time_windows all = windows(cases[i].windows);
		struct tm when = at(cases[i].when);

		if (time_windows_allow(&all, &when) != cases[i].is_allowed)
			fail_msg("%s: '%s' says otherwise", cases[i].when, cases[i].windows);
	}
}

static void
the_next_one_is_told(void **state)
{
	static const struct {
		const char *windows, *when, *next;
	} cases[] = {
		{ "", "Wed 03:00", "" },
		{ "Mon-Fri 09:00-17:00", "Mon 08:00", "Mon 09:00" },
		{ "Mon-Fri 09:00-17:00", "Mon 18:00", "Tue 09:00" },
		{ "Mon-Fri 09:00-17:00", "Fri 17:00", "Mon 09:00" },
		{ "Mon-Fri 09:00-17:00", "Sun 23:59", "Mon 09:00" },
		{ "Mon-Fri 09:00-17:00,Sat 10:00-12:00", "Fri 18:00", "Sat 10:00" },
		{ "Sat 10:00-12:00,Sat 08:00-09:00", "Fri 18:00", "Sat 08:00" },
		{ "Sat 10:00-12:00,Sat 08:00-09:00", "Sat 09:30", "Sat 10:00" },
		{ "Wed 09:00-10:00", "Wed 10:00", "Wed 09:00" },
		{ "Wed 09:00-10:00", "Wed 09:00", "Wed 09:00" },
		{ "Sat 22:00-02:00", "Sun 03:00", "Sat 22:00" },
		{ "Fri-Mon 00:00-01:00", "Mon 02:00", "Fri 00:00" },
		{ "Fri-Mon 00:00-01:00", "Sun 02:00", "Mon 00:00" },
	};

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		struct time_windows all = windows(cases[i].windows);
		struct tm when = at(cases[i].when);
		char next[TIME_WINDOW_START_SIZE];

		assert_string_equal(time_windows_next(next, &all, &when), cases[i].next);
	}
}

#define WEEK (7 * 24 * 60)

/* That of a week which begins on a Sunday. */
static struct tm
minute(int i)
{
	return (struct tm){ .tm_wday = i / 1440 % 7, .tm_hour = i / 60 % 24, .tm_min = i % 60 };
}

/*
 * Minute after minute of a week: outside, the next one begins where the first minute inside is. From the
 * end of the next week on backwards, so that the minute inside is the one that was met last.
 */
static void
the_two_questions_agree(void **state)
{
	static const char *const sets[] = { "Mon-Fri 09:00-17:00,Sat 22:00-02:00",
		"Sun 23:30-00:30", "Fri-Mon 22:00-04:00,Wed 00:00-24:00", "Tue 12:00-12:01" };

	(void)state;
	for (size_t s = 0; s < MEM_COUNT(sets); s++) {
		struct time_windows all = windows(sets[s]);
		int inside = 0;

		for (int i = 2 * WEEK - 1; i >= 0; i--) {
			struct tm tm = minute(i), begin = minute(inside);
			char next[TIME_WINDOW_START_SIZE], want[16];

			if (time_windows_allow(&all, &tm))
				inside = i;
			if (inside == i || i >= WEEK)
				continue;
			snprintf(want, sizeof(want), "%s %02d:%02d", days[begin.tm_wday],
			    begin.tm_hour, begin.tm_min);
			assert_string_equal(time_windows_next(next, &all, &tm), want);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_comes_back),
		cmocka_unit_test(what_cannot_be_meant_is_refused),
		cmocka_unit_test(inside_and_outside),
		cmocka_unit_test(the_next_one_is_told),
		cmocka_unit_test(the_two_questions_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
