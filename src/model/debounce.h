/*
 * debounce.h: from single results to a state: passing -> suspect -> failing -> recovering. Pure, with
 * the caller's monotonic clock; facts/checks of the design is where the defaults come from.
 *
 * It becomes failing when `failures` bad results in a row span at least `window`, and passing again
 * when `successes` good results in a row span at least `success_window`. Only a change between passing
 * and failing is an event. A bad result is any but LEVEL_OK; the state says for itself how bad.
 */
#ifndef MODEL_DEBOUNCE_H
#define MODEL_DEBOUNCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum check_level { LEVEL_OK, LEVEL_WARNING, LEVEL_CRITICAL, LEVEL_UNKNOWN }; /* Nagios' exit codes */

enum check_state { STATE_PASSING, STATE_SUSPECT, STATE_FAILING, STATE_RECOVERING };

const char *check_state_name(enum check_state s); /* "passing" … */
int check_state_parse(const char *name, enum check_state *out);
const char *check_level_name(enum check_level l); /* "ok", "warning", "critical", "unknown" */

struct debounce_config {
	int64_t interval_ms, fast_ms, timeout_ms;
	int failures, successes;
	int64_t window_ms, success_window_ms;
};

extern const struct debounce_config debounce_defaults; /* 5 s, 1 s, 2 s; 5 and 3; 10 s and 15 s */

#define DEBOUNCE_FLAP_RESULTS 21 /* Nagios' */

struct debounce {
	enum check_state state;
	/*
	 * Of the streak that led to failing: CRITICAL when enough of it was critical by itself, else
	 * WARNING. A failing check can still become critical, or only a warning: that is an event, too.
	 */
	enum check_level level;
	int bad, good;		       /* results in a row */
	int critical;		       /* critical results in a row */
	int64_t bad_since_ms, good_since_ms, critical_since_ms; /* when the first of the row BEGAN */
	int64_t since_ms;	       /* of this state */
	uint32_t recent;	       /* the last DEBOUNCE_FLAP_RESULTS results, newest lowest, 1: bad */
	int recent_count;
	bool is_flapping;	       /* an annotation, never a verdict */
};

enum debounce_event {
	DEBOUNCE_NOTHING,
	DEBOUNCE_FAILED,
	DEBOUNCE_WORSE, /* failing as a warning, now critical */
	DEBOUNCE_BETTER,
	DEBOUNCE_PASSED,
};

/* Passing, as nothing is known against it: the first results count like all others. */
void debounce_init(struct debounce *d, int64_t now_ms);
/* One run that began at started_ms and ended at now_ms. UNKNOWN counts as a warning. */
enum debounce_event debounce_feed(struct debounce *d, const struct debounce_config *c,
    enum check_level level, int64_t started_ms, int64_t now_ms);
/* Results in doubt are thrown away: the rows begin again; passing and failing stay. */
void debounce_forget(struct debounce *d, int64_t now_ms);
/* From the beginning of one run to the next: interval, or fast while a row decides. */
int64_t debounce_interval_ms(const struct debounce *d, const struct debounce_config *c);
/*
 * The longest time from a target's death to DEBOUNCE_FAILED on a vantage that does not doubt itself:
 * interval + max(window, (failures - 1) * max(fast, timeout)) + timeout.
 */
int64_t debounce_bound_ms(const struct debounce_config *c);

#endif
