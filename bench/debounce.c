/*
 * debounce.c: what each strategy makes of a bad network: false alarms and the time until a death is
 * found. The model is in tests/sim/sim.h.
 *
 *	bench/debounce [--quick] [seed]
 *
 * Three tables. The first repeats, with the code that runs in pointsmand, the simulation from which
 * the defaults were taken; its figures stand beside ours. One sample of 30 days has 180 troubles,
 * and that is what most of the difference is: the rate over 1,000 days is printed as well. The
 * second is what is done with it; the third the same where every fourth trouble reaches only a
 * fifth of the targets, which no guard sees.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "../tests/sim/sim.h"

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

struct line {
	struct sim_strategy strategy;
	const char *paper; /* what the page says */
};

static const struct line page[] = {
	{ { "1 failure, every 10 s", { 10000, 10000, 2000, 1, 3, 0, 15000, 0 }, 1, false, true },
	    "4470  5.0 12.5" },
	{ { "3 failures, every 2 s", { 2000, 2000, 2000, 3, 3, 0, 15000, 0 }, 1, false, true },
	    " 169  6.0  8.7" },
	{ { "5 failures, fast 1 s", { 5000, 1000, 2000, 5, 3, 0, 15000, 0 }, 1, false, true },
	    " 137  7.0 11.0" },
	{ { "the same + W = 10 s", OURS, 1, false, true }, "  88 12.6 15.2" },
	{ { "W = 20 s", { 5000, 1000, 2000, 5, 3, 20000, 15000, 0 }, 1, false, true },
	    "  34 22.6 25.2" },
	{ { "W = 10 s + guard", OURS, 1, true, false }, " 4.3 12.6 15.2" },
	{ { "W = 10 s + 2 of 3", OURS, 3, false, false }, "   0 12.8 15.0" },
};

static const struct line ours[] = {
	{ { "defaults, 1 vantage", OURS, 1, true, false }, "" },
	{ { "defaults, 3 vantages", OURS, 3, true, false }, "" },
	{ { "3 fail. 5 s, 3 vantages", SHORT, 3, true, false }, "" },
	{ { " + refused-window 2 s", SHORT_REFUSED, 3, true, false }, "" },
};

static long problems;

static void
run_line(const struct line *l, double days, double rare_days, int local_percent, uint64_t seed)
{
	struct sim_model dense = {
		.days = days, .deaths_a_day = 2, .local_percent = local_percent
	};
	struct sim_model sparse = {
		.days = rare_days, .local_percent = local_percent, .is_sparse = true
	};
	struct sim_result r, rare;

	sim_run(&dense, &l->strategy, seed, &r);
	sim_run(&sparse, &l->strategy, seed + 1, &rare);
	printf("%-24s %8.1f %5.1f %5.1f  %5.1f %5ld %8.3f   %s\n", l->strategy.name, r.alarms_day,
	    (double)r.p50_ms / 1000, (double)r.max_ms / 1000, (double)r.bound_ms / 1000,
	    r.late + r.missed, rare.alarms_day, l->paper);
	fflush(stdout);
	problems += r.late + r.missed;
}

static void
run_table(const char *title, const struct line *lines, size_t count, double days, double rare_days,
    int local_percent, uint64_t seed)
{
	printf("\n%s\n%-24s %8s %5s %5s  %5s %5s %8s   %s\n", title, "", "alarms/d", "p50 s",
	    "max s", "bound", "late", "long run", lines[0].paper[0] != '\0' ? "the page's" : "");
	for (size_t i = 0; i < count; i++)
		run_line(&lines[i], days, rare_days, local_percent, seed);
}

int
main(int argc, char **argv)
{
	bool is_quick = argc > 1 && strcmp(argv[1], "--quick") == 0;
	uint64_t seed = argc > 1 + is_quick ? strtoull(argv[1 + is_quick], NULL, 10) : 1;
	double days = is_quick ? 3 : 30, rare_days = is_quick ? 100 : 1000;

	printf(
	    "%g days, %d targets, seed %llu; long run: alarms a day over %g days around troubles\n",
	    days, SIM_TARGETS, (unsigned long long)seed, rare_days);
	run_table("as on the page", page, MEM_COUNT(page), days, rare_days, 0, seed);
	run_table("as pointsmand does it, with the guard", ours, MEM_COUNT(ours), days, rare_days,
	    0, seed);
	run_table("the same, every fourth trouble reaches 20 of 100 targets", ours, MEM_COUNT(ours),
	    days, rare_days, 25, seed);
	if (problems > 0)
		printf("\n%ld deaths were found after the bound, or never\n", problems);
	return problems > 0;
}
