/*
 * debounce.h: from single results to a state: passing -> suspect -> failing -> recovering. Pure,
 * with the caller's monotonic clock; facts/checks of the design is where the defaults come from.
 *
 * It becomes failing when `failures` bad results in a row span at least `window`, from the
 * beginning of the first to the end of the last, and passing again when `successes` good results in
 * a row span at least `success_window`. Only a change between passing and failing is an event. A
 * bad result is any but LEVEL_OK; the state says for itself how bad.
 *
 * A row ends with a result of the other kind, with debounce_forget(), and when nobody looked for
 * longer than two intervals and a window: what was seen before such a gap says nothing about now.
 *
 * The window is there because a bad network looks like a dead server for as long as it is bad. A
 * refused connection does not: the server's own host said so, and lost packets cannot look like
 * that. So a row of nothing but refusals may have a window of its own, refused_window_ms.
 */
#ifndef MODEL_DEBOUNCE_H
#define MODEL_DEBOUNCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum check_level {
	LEVEL_OK,
	LEVEL_WARNING,
	LEVEL_CRITICAL,
	LEVEL_UNKNOWN
}; /* Nagios' exit codes */

enum check_state { STATE_PASSING, STATE_SUSPECT, STATE_FAILING, STATE_RECOVERING };

const char *check_state_name(enum check_state s); /* "passing" … */
int check_state_parse(const char *name, enum check_state *out);
const char *check_level_name(enum check_level l); /* "ok", "warning", "critical", "unknown" */

struct debounce_config {
	int64_t interval_ms, fast_ms, timeout_ms;
	int failures, successes;
	int64_t window_ms, success_window_ms;
	int64_t refused_window_ms; /* 0: as window_ms */
};

extern const struct debounce_config
    debounce_defaults; /* 5 s, 1 s, 2 s; 5 and 3; 10 s and 15 s; 0 */

#define DEBOUNCE_FLAP_RESULTS 21 /* Nagios' */

/* Of how far the caller may spread the beginnings of runs, but not while debounce_is_deciding(). */
#define DEBOUNCE_JITTER_PERCENT 5

/* Results in a row that have something in common. */
struct debounce_row {
	int count;
	int64_t since_ms; /* when the first of them BEGAN; of no meaning while count is 0 */
};

struct debounce {
	enum check_state state;
	/*
	 * Of the streak that led to failing: CRITICAL when enough of it was critical by itself,
	 * else WARNING. A failing check can still become critical, or only a warning: that is an
	 * event, too. OK while it is not failing.
	 */
	enum check_level level;
	struct debounce_row bad, good, critical, refused;
	struct debounce_row mild;     /* not critical: good ones, too */
	int64_t since_ms;             /* of this state */
	int64_t decided_ms;           /* when it last became failing or passing */
	int64_t started_ms, ended_ms; /* of the last run */
	int64_t forgot_ms;            /* runs that began before this are not counted */
	uint32_t recent; /* the last DEBOUNCE_FLAP_RESULTS results, newest lowest, 1: bad */
	int recent_count;
	bool is_flapping; /* an annotation, never a verdict: on at 50 % changes, off at 25 % */
};

enum debounce_event {
	DEBOUNCE_NOTHING,
	DEBOUNCE_FAILED,
	DEBOUNCE_WORSE,  /* failing as a warning, now critical */
	DEBOUNCE_BETTER, /* failing, but no longer critical */
	DEBOUNCE_PASSED,
};

/* Passing, as nothing is known against it: the first results count like all others. */
void debounce_init(struct debounce *d, int64_t now_ms);
/* One run that began at started_ms and ended at now_ms. UNKNOWN counts as a warning. */
enum debounce_event debounce_feed(struct debounce *d, const struct debounce_config *c,
    enum check_level level, int64_t started_ms, int64_t now_ms);
/*
 * The same for a run that was refused the connection: critical, and told by the target's own host.
 */
enum debounce_event debounce_feed_refused(
    struct debounce *d, const struct debounce_config *c, int64_t started_ms, int64_t now_ms);
/*
 * Results in doubt are thrown away: the rows begin again, runs that are under way will not count;
 * passing and failing stay. To be called when a vantage begins to doubt itself and when it ends, so
 * that no row reaches over the time in between.
 */
void debounce_forget(struct debounce *d, int64_t now_ms);
/*
 * From the beginning of one run to the next: interval, or fast while a row decides, and less than
 * that where a run at the very end of a window decides sooner. Never two at once: a run that takes
 * longer is waited for.
 */
int64_t debounce_interval_ms(const struct debounce *d, const struct debounce_config *c);
/*
 * A row is under way that may change the verdict: debounce_interval_ms() is to be kept to exactly.
 */
bool debounce_is_deciding(const struct debounce *d);
/*
 * The longest time from a target's death to DEBOUNCE_FAILED (and from a failing warning's death to
 * DEBOUNCE_WORSE) on a vantage that does not doubt itself:
 *
 *	interval + 5 % + max(window, (failures - 1) * max(fast, timeout)) + timeout
 *
 * The 5 % are the spread of the beginnings, which is part of the promise and so of the bound.
 * Whatever the run of the moment of death says, the next one begins after that at the latest.
 */
int64_t debounce_bound_ms(const struct debounce_config *c);
/*
 * The same for a death after which every connection is refused, each within fast: interval + 5 % +
 * max(refused window, (failures - 1) * fast) + fast. Never above debounce_bound_ms().
 */
int64_t debounce_bound_refused_ms(const struct debounce_config *c);

#endif
