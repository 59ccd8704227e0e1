/*
 * debounce.c: rows of results, and what they decide.
 *
 *	          bad                     enough bad, for long enough
 *	passing ------> suspect --------------------------------------> failing <-----.
 *	   ^  ^            | good                                          | good     | bad
 *	   |  '------------'                                               v          |
 *	   '----------------------------------------------------------- recovering ---'
 *	                     enough good, for long enough
 *
 * Every result adds to the rows that it belongs to and ends the others; a row that is long enough
 * in number AND in time decides. Counting alone was measured and loses against bursts: five losses
 * in five seconds are one burst. Time alone is no better, two losses 10 s apart are two accidents.
 *
 * Rejected: one integer for rise and fall as haproxy has it (it cannot tell how long), an average
 * over the last results (no bound on the time of detection), a good result that only shortens a row
 * of bad ones (a server that answers every other time would be down; it is flapping, which is
 * said).
 *
 * Time is measured from the BEGINNING of the first run to the END of the last: a run that waits for
 * its whole timeout has looked for so long. The next run is aimed at the end of the window, and so
 * it ends at the latest one timeout after it. With that the bound holds for every configuration,
 * also where fast does not divide the window.
 */
#include "model/debounce.h"

#include <string.h>

#include "base/mem.h"

/* From Nagios: the share of changes among the last results, in percent. */
#define FLAP_ON_PERCENT 50
#define FLAP_OFF_PERCENT 25

const struct debounce_config debounce_defaults = {
	.interval_ms = 5000,
	.fast_ms = 1000,
	.timeout_ms = 2000,
	.failures = 5,
	.successes = 3,
	.window_ms = 10000,
	.success_window_ms = 15000,
};

static const char *const state_names[] = {
	[STATE_PASSING] = "passing",
	[STATE_SUSPECT] = "suspect",
	[STATE_FAILING] = "failing",
	[STATE_RECOVERING] = "recovering",
};

const char *
check_state_name(enum check_state s)
{
	return (size_t)s < MEM_COUNT(state_names) ? state_names[s] : "unknown";
}

int
check_state_parse(const char *name, enum check_state *out)
{
	for (size_t i = 0; i < MEM_COUNT(state_names); i++) {
		if (strcmp(state_names[i], name) == 0) {
			*out = (enum check_state)i;
			return 0;
		}
	}
	return -1;
}

const char *
check_level_name(enum check_level l)
{
	static const char *const names[] = {
		[LEVEL_OK] = "ok",
		[LEVEL_WARNING] = "warning",
		[LEVEL_CRITICAL] = "critical",
		[LEVEL_UNKNOWN] = "unknown",
	};

	return (size_t)l < MEM_COUNT(names) ? names[l] : "unknown";
}

void
debounce_init(struct debounce *d, int64_t now_ms)
{
	*d = (struct debounce){
		.state = STATE_PASSING,
		.level = LEVEL_OK,
		.since_ms = now_ms,
		.decided_ms = now_ms,
		.started_ms = now_ms,
		.ended_ms = now_ms,
		.forgot_ms = INT64_MIN,
	};
}

/* The only one who changes it. */
static void
set_state(struct debounce *d, enum check_state state, int64_t now_ms)
{
	if (d->state == state)
		return;
	d->state = state;
	d->since_ms = now_ms;
}

static bool
is_failing(const struct debounce *d)
{
	return d->state == STATE_FAILING || d->state == STATE_RECOVERING;
}

static int64_t
refused_window_ms(const struct debounce_config *c)
{
	return c->refused_window_ms != 0 ? c->refused_window_ms : c->window_ms;
}

/* --- rows ------------------------------------------------------------------------------------- */

static void
row_add(struct debounce_row *row, bool belongs, int64_t started_ms)
{
	if (!belongs)
		row->count = 0;
	else if (row->count++ == 0)
		row->since_ms = started_ms;
}

static bool
row_decides(const struct debounce_row *row, int need, int64_t window_ms, int64_t now_ms)
{
	return row->count > 0 && row->count >= need && now_ms - row->since_ms >= window_ms;
}

static void
drop_rows(struct debounce *d, int64_t now_ms)
{
	d->bad.count = d->good.count = d->critical.count = d->refused.count = d->mild.count = 0;
	set_state(d, is_failing(d) ? STATE_FAILING : STATE_PASSING, now_ms);
}

static void
note_flapping(struct debounce *d, bool is_bad)
{
	uint32_t changed;
	int percent;

	d->recent = (d->recent << 1 | is_bad) & ((1U << DEBOUNCE_FLAP_RESULTS) - 1);
	if (d->recent_count < DEBOUNCE_FLAP_RESULTS)
		d->recent_count++;
	/* one bit for every two neighbours that differ */
	changed = (d->recent ^ d->recent >> 1) & ((1U << (d->recent_count - 1)) - 1);
	percent = __builtin_popcount(changed) * 100 / (DEBOUNCE_FLAP_RESULTS - 1);
	if (percent >= FLAP_ON_PERCENT)
		d->is_flapping = true;
	else if (percent <= FLAP_OFF_PERCENT)
		d->is_flapping = false;
}

/* --- deciding --------------------------------------------------------------------------------- */

static bool
is_critical_decided(const struct debounce *d, const struct debounce_config *c, int64_t now_ms)
{
	return row_decides(&d->critical, c->failures, c->window_ms, now_ms) ||
	       row_decides(&d->refused, c->failures, refused_window_ms(c), now_ms);
}

static enum debounce_event
decide_passing(struct debounce *d, const struct debounce_config *c, int64_t now_ms)
{
	bool is_critical = is_critical_decided(d, c, now_ms);

	if (!is_critical && !row_decides(&d->bad, c->failures, c->window_ms, now_ms)) {
		set_state(d, d->bad.count > 0 ? STATE_SUSPECT : STATE_PASSING, now_ms);
		return DEBOUNCE_NOTHING;
	}
	set_state(d, STATE_FAILING, now_ms);
	d->level = is_critical ? LEVEL_CRITICAL : LEVEL_WARNING;
	d->decided_ms = now_ms;
	return DEBOUNCE_FAILED;
}

static enum debounce_event
decide_failing(struct debounce *d, const struct debounce_config *c, int64_t now_ms)
{
	if (row_decides(&d->good, c->successes, c->success_window_ms, now_ms)) {
		set_state(d, STATE_PASSING, now_ms);
		d->level = LEVEL_OK;
		d->decided_ms = now_ms;
		return DEBOUNCE_PASSED;
	}
	set_state(d, d->good.count > 0 ? STATE_RECOVERING : STATE_FAILING, now_ms);
	if (d->level != LEVEL_CRITICAL && is_critical_decided(d, c, now_ms)) {
		d->level = LEVEL_CRITICAL;
		return DEBOUNCE_WORSE;
	}
	/* Not while it is good: if that goes on, it has passed, and that is the better news. */
	if (d->level == LEVEL_CRITICAL && d->good.count == 0 &&
	    row_decides(&d->mild, c->successes, c->success_window_ms, now_ms)) {
		d->level = LEVEL_WARNING;
		return DEBOUNCE_BETTER;
	}
	return DEBOUNCE_NOTHING;
}

static enum debounce_event
feed(struct debounce *d, const struct debounce_config *c, enum check_level level, bool is_refused,
    int64_t started_ms, int64_t now_ms)
{
	bool is_bad = level != LEVEL_OK, is_critical = level == LEVEL_CRITICAL;

	if (started_ms < d->forgot_ms)
		return DEBOUNCE_NOTHING;
	if (started_ms - d->ended_ms > 2 * c->interval_ms + c->window_ms)
		drop_rows(d, now_ms);
	d->started_ms = started_ms;
	d->ended_ms = now_ms;
	row_add(&d->bad, is_bad, started_ms);
	row_add(&d->good, !is_bad, started_ms);
	row_add(&d->critical, is_critical, started_ms);
	row_add(&d->mild, !is_critical, started_ms);
	row_add(&d->refused, is_refused, started_ms);
	note_flapping(d, is_bad);
	return is_failing(d) ? decide_failing(d, c, now_ms) : decide_passing(d, c, now_ms);
}

enum debounce_event
debounce_feed(struct debounce *d, const struct debounce_config *c, enum check_level level,
    int64_t started_ms, int64_t now_ms)
{
	return feed(d, c, level, false, started_ms, now_ms);
}

enum debounce_event
debounce_feed_refused(
    struct debounce *d, const struct debounce_config *c, int64_t started_ms, int64_t now_ms)
{
	return feed(d, c, LEVEL_CRITICAL, true, started_ms, now_ms);
}

void
debounce_forget(struct debounce *d, int64_t now_ms)
{
	drop_rows(d, now_ms);
	d->forgot_ms = now_ms;
}

/* --- when the next one begins ----------------------------------------------------------------- */

/* step, or less when the window of a row that decides ends before that. */
static int64_t
aim(const struct debounce *d, const struct debounce_row *row, int64_t window_ms, int64_t step_ms)
{
	int64_t left = row->since_ms + window_ms - d->started_ms;

	return row->count > 0 && left > 0 && left < step_ms ? left : step_ms;
}

bool
debounce_is_deciding(const struct debounce *d)
{
	if (d->state == STATE_FAILING)
		return d->level != LEVEL_CRITICAL && d->critical.count > 0;
	return d->state != STATE_PASSING;
}

int64_t
debounce_interval_ms(const struct debounce *d, const struct debounce_config *c)
{
	int64_t step = c->fast_ms < c->interval_ms ? c->fast_ms : c->interval_ms;

	if (!debounce_is_deciding(d))
		return c->interval_ms;
	if (d->state == STATE_RECOVERING)
		return aim(d, &d->good, c->success_window_ms, step);
	if (d->state == STATE_SUSPECT)
		step = aim(d, &d->bad, c->window_ms, step);
	step = aim(d, &d->critical, c->window_ms, step);
	return aim(d, &d->refused, refused_window_ms(c), step);
}

static int64_t
max_ms(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t
interval_max_ms(const struct debounce_config *c)
{
	return c->interval_ms + c->interval_ms * DEBOUNCE_JITTER_PERCENT / 100;
}

int64_t
debounce_bound_ms(const struct debounce_config *c)
{
	int64_t counting = (c->failures - 1) * max_ms(c->fast_ms, c->timeout_ms);

	return interval_max_ms(c) + max_ms(c->window_ms, counting) + c->timeout_ms;
}

int64_t
debounce_bound_refused_ms(const struct debounce_config *c)
{
	int64_t counting = (c->failures - 1) * c->fast_ms;
	int64_t bound = interval_max_ms(c) + max_ms(refused_window_ms(c), counting) + c->fast_ms;

	return bound < debounce_bound_ms(c) ? bound : debounce_bound_ms(c);
}
