/*
 * sim.h: vantages that watch targets over days, in a moment: the code of src/model/ (debounce,
 * vantage, verdict) on a made-up network. bench/debounce prints the tables,
 * tests/unit/test_simulation asserts.
 *
 * The model. All of it is an assumption; what was measured is what the strategies make of it.
 *   - Every target is probed by every vantage at the pace that debounce asks for, the spread of 5 % drawn
 *     evenly, phases independent. An answer takes 1 ms. A lost probe is a timeout; nothing is sent again.
 *   - Any probe is lost with a chance of 0.5 %.
 *   - A vantage has trouble 6 times a day (exponential gaps), for a log-normal time (median 3 s, sigma
 *     1.2): every probe that begins then is lost, to all targets, or, in the share local_percent of
 *     the troubles, to SIM_LOCAL targets next to each other (a rack, a route). The vantages' troubles
 *     are independent of each other: three vantages behind one switch are one.
 *   - The gateway and Consul always answer: the guard has nobody to confirm what it thinks.
 *   - A target dies now and then for SIM_DEAD_MS: 30 % hang (every probe times out), the others refuse.
 *   - A vantage looks up every 250 ms; what one decides is known to the others after SIM_PUBLISH_MS.
 */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/debounce.h"

#define SIM_TARGETS 100
#define SIM_VANTAGES_MAX 3
#define SIM_LOCAL 20 /* below 30 % of the targets: the guard does not see it */
#define SIM_DEAD_MS 180000
#define SIM_PUBLISH_MS 100

struct sim_model {
	double days;
	double deaths_a_day; /* a target */
	int local_percent;
	/*
	 * Only from half a minute before a trouble to two after it, each time from the beginning:
	 * for years in seconds, where nothing else can raise an alarm. Without deaths.
	 */
	bool is_sparse;
};

struct sim_strategy {
	const char *name;
	struct debounce_config timing;
	int vantages;
	bool has_guard;
	/* The next probe does not wait for the end of the last, as our engine does. */
	bool is_overlapping;
};

struct sim_result {
	long alarms;       /* targets called failing that were well */
	double alarms_day; /* of these in a day */
	long again;        /* called failing once more after a death that was found */
	long deaths, missed;
	long late;    /* found, but after the bound */
	long excused; /* late or missed, but more than half of the vantages were in doubt */
	int64_t p50_ms, max_ms; /* of the others */
	int64_t bound_ms;
	long probes;
};

void sim_run(
    const struct sim_model *m, const struct sim_strategy *s, uint64_t seed, struct sim_result *out);

#endif
