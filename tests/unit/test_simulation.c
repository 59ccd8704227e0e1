/*
 * test_simulation.c: the short form of bench/debounce, with fixed seeds: the page's table is what
 * our code makes of its model; every death is found within the printed bound; with three vantages
 * and the guard there is no false alarm, also with the short window.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "../sim/sim.h"

/* interval, fast, timeout, failures, successes, window, success window, refused window */
#define OURS \
	{ \
		5000, 1000, 2000, 5, 3, 10000, 15000, 0 \
	}
#define SHORT \
	{ \
		5000, 1000, 2000, 3, 3, 5000, 15000, 0 \
	}
#define SHORT_REFUSED \
	{ \
		5000, 1000, 2000, 3, 3, 5000, 15000, 2000 \
	}

/*
 * Alarms a day. The page's sample has 180 troubles, of which W = 20 s leaves ten: a third is within
 * its own noise; ours has 600.
 */
static void
test_page(void **state)
{
	static const struct {
		struct sim_strategy strategy;
		double low, high;
	} lines[] = {
		{ { "3 failures, every 2 s", { 2000, 2000, 2000, 3, 3, 0, 15000, 0 }, 1, false,
		      true },
		    169 * 0.67, 169 * 1.33 },
		{ { "5 failures, fast 1 s", { 5000, 1000, 2000, 5, 3, 0, 15000, 0 }, 1, false,
		      true },
		    137 * 0.67, 137 * 1.33 },
		{ { "W = 10 s", OURS, 1, false, true }, 88 * 0.67, 88 * 1.33 },
		{ { "W = 20 s", { 5000, 1000, 2000, 5, 3, 20000, 15000, 0 }, 1, false, true },
		    34 * 0.67, 34 * 1.33 },
		/* our guard gives up later than theirs */
		{ { "W = 10 s + guard", OURS, 1, true, false }, 0, 4.3 },
		/* the page's 0 is that of 30 days; in a year two vantages are in trouble at once */
		{ { "W = 10 s + 2 of 3", OURS, 3, false, false }, 0, 1 },
	};
	const struct sim_model model = { .days = 100, .is_sparse = true };

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(lines); i++) {
		struct sim_result r;

		sim_run(&model, &lines[i].strategy, 1, &r);
		if (r.alarms_day < lines[i].low || r.alarms_day > lines[i].high)
			fail_msg(
			    "%s: %.1f false alarms a day", lines[i].strategy.name, r.alarms_day);
	}
}

/* The first line is of single losses, which are everywhere: whole days. */
static void
test_page_single_failure(void **state)
{
	static const struct sim_strategy one = { "", { 10000, 10000, 2000, 1, 3, 0, 15000, 0 }, 1,
		false, true };
	const struct sim_model model = { .days = 1 };
	struct sim_result r;

	(void)state;
	sim_run(&model, &one, 1, &r);
	assert_true(r.alarms_day > 4470 * 0.9 && r.alarms_day < 4470 * 1.1);
}

/* Thousands of deaths, and whatever the network does meanwhile: none is found after the bound. */
static void
test_bound(void **state)
{
	static const struct sim_strategy strategies[] = {
		{ "defaults, alone", OURS, 1, false, false },
		{ "defaults, guarded", OURS, 1, true, false },
		{ "defaults, three", OURS, 3, true, false },
		{ "short, three", SHORT, 3, true, false },
		{ "refused, three", SHORT_REFUSED, 3, true, false },
		{ "odd", { 7000, 3000, 2500, 4, 2, 8000, 9000, 1500 }, 1, true, false },
		{ "few", { 3000, 2000, 500, 2, 2, 7000, 9000, 0 }, 3, true, false },
	};
	const struct sim_model model = { .days = 0.25, .deaths_a_day = 40 };

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(strategies); i++) {
		struct sim_result r;

		sim_run(&model, &strategies[i], 7 + i, &r);
		assert_true(r.deaths > 600);
		assert_true(r.excused < r.deaths / 20);
		if (r.missed + r.late > 0)
			fail_msg("%s: %ld missed, %ld late of %ld, the last after %lld ms",
			    strategies[i].name, r.missed, r.late, r.deaths, (long long)r.max_ms);
		assert_true(r.max_ms <= r.bound_ms + SIM_PUBLISH_MS);
	}
}

/* Better than the page's best line, 0 a day at 12.8 s (p50) and 15.0 s (the last). */
static void
test_best(void **state)
{
	static const struct sim_strategy best = { "", SHORT_REFUSED, 3, true, false };
	const struct sim_model rare = { .days = 60, .local_percent = 25, .is_sparse = true };
	const struct sim_model dense = { .days = 0.5, .deaths_a_day = 20 };
	struct sim_result r;

	(void)state;
	sim_run(&rare, &best, 1, &r);
	assert_int_equal(r.alarms, 0);
	sim_run(&dense, &best, 2, &r);
	assert_int_equal(r.alarms + r.missed + r.late, 0);
	assert_true(r.p50_ms < 12800 / 2);
	assert_true(r.max_ms < 12300);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_page),
		cmocka_unit_test(test_page_single_failure),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_best),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
