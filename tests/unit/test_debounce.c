/*
 * test_debounce.c: model/debounce.c on a clock of its own: cases, then random results against a
 * naive judge that reads its whole history at every result, then the bound for random
 * configurations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "model/debounce.h"

static const struct debounce_config *const defaults = &debounce_defaults;

/*
 * Feeds count results, each taking took_ms, as often as debounce asks for; *t is the next
 * beginning.
 */
static enum debounce_event
feed_many(struct debounce *d, const struct debounce_config *c, enum check_level level, int count,
    int64_t took_ms, int64_t *t)
{
	enum debounce_event last = DEBOUNCE_NOTHING;

	for (int i = 0; i < count; i++) {
		int64_t wait;
		enum debounce_event event = debounce_feed(d, c, level, *t, *t + took_ms);

		if (event != DEBOUNCE_NOTHING)
			last = event;
		wait = debounce_interval_ms(d, c);
		assert_true(wait > 0);
		*t += wait > took_ms ? wait : took_ms;
	}
	return last;
}

/* Defaults, refused at once: five are there after 4 s, but it takes ten seconds. */
static void
test_window_and_count(void **state)
{
	struct debounce d;
	int64_t t = 0;

	(void)state;
	debounce_init(&d, 0);
	assert_int_equal(feed_many(&d, defaults, LEVEL_CRITICAL, 10, 0, &t), DEBOUNCE_NOTHING);
	assert_int_equal(d.state, STATE_SUSPECT);
	assert_int_equal(t, 10000);
	assert_int_equal(d.level, LEVEL_OK);
	assert_int_equal(feed_many(&d, defaults, LEVEL_CRITICAL, 1, 0, &t), DEBOUNCE_FAILED);
	assert_int_equal(d.state, STATE_FAILING);
	assert_int_equal(d.level, LEVEL_CRITICAL);
	assert_int_equal(d.decided_ms, 10000);
	assert_int_equal(t, 15000); /* no hurry any more */
}

/* Ten seconds of waiting are not enough if only four have been seen. */
static void
test_count_and_window(void **state)
{
	struct debounce_config c = debounce_defaults;
	struct debounce d;
	int64_t t = 0;

	(void)state;
	c.timeout_ms = 4000;
	debounce_init(&d, 0);
	assert_int_equal(feed_many(&d, &c, LEVEL_CRITICAL, 4, 4000, &t), DEBOUNCE_NOTHING);
	assert_int_equal(feed_many(&d, &c, LEVEL_CRITICAL, 1, 4000, &t), DEBOUNCE_FAILED);
	assert_int_equal(d.decided_ms, 20000);
}

static void
test_one_good_ends_the_row(void **state)
{
	struct debounce d;
	int64_t t = 0;

	(void)state;
	debounce_init(&d, 0);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(
		    feed_many(&d, defaults, LEVEL_CRITICAL, 9, 0, &t), DEBOUNCE_NOTHING);
		assert_int_equal(feed_many(&d, defaults, LEVEL_OK, 1, 0, &t), DEBOUNCE_NOTHING);
		assert_int_equal(d.state, STATE_PASSING);
	}
}

static void
break_it(struct debounce *d, const struct debounce_config *c, enum check_level level, int64_t *t)
{
	debounce_init(d, *t);
	for (int i = 0; i < 1000 && d->state != STATE_FAILING; i++)
		feed_many(d, c, level, 1, 0, t);
	assert_int_equal(d->state, STATE_FAILING);
}

/* Recovering and bad again is no event, and the incident is as old as it was. */
static void
test_recovers(void **state)
{
	struct debounce d;
	int64_t t = 0, decided_ms;

	(void)state;
	break_it(&d, defaults, LEVEL_CRITICAL, &t);
	decided_ms = d.decided_ms;
	assert_int_equal(feed_many(&d, defaults, LEVEL_OK, 14, 0, &t), DEBOUNCE_NOTHING);
	assert_int_equal(d.state, STATE_RECOVERING);
	assert_int_equal(feed_many(&d, defaults, LEVEL_CRITICAL, 1, 0, &t), DEBOUNCE_NOTHING);
	assert_int_equal(d.state, STATE_FAILING);
	assert_int_equal(d.decided_ms, decided_ms);
	assert_int_equal(feed_many(&d, defaults, LEVEL_OK, 15, 0, &t), DEBOUNCE_NOTHING);
	assert_int_equal(feed_many(&d, defaults, LEVEL_OK, 1, 0, &t), DEBOUNCE_PASSED);
	assert_int_equal(d.state, STATE_PASSING);
	assert_int_equal(d.level, LEVEL_OK);
}

/* A server that answers now and then is degraded, not dead. */
static void
test_warning_among_critical(void **state)
{
	struct debounce d;
	int64_t t = 0;
	enum debounce_event event = DEBOUNCE_NOTHING;

	(void)state;
	debounce_init(&d, 0);
	for (int i = 0; i < 40; i++) {
		enum debounce_event e =
		    feed_many(&d, defaults, i % 3 == 2 ? LEVEL_WARNING : LEVEL_CRITICAL, 1, 0, &t);

		assert_true(e == DEBOUNCE_NOTHING || e == DEBOUNCE_FAILED);
		if (e != DEBOUNCE_NOTHING)
			event = e;
	}
	assert_int_equal(event, DEBOUNCE_FAILED);
	assert_int_equal(d.level, LEVEL_WARNING);
}

static void
test_worse_and_better(void **state)
{
	struct debounce d;
	int64_t t = 0, from;

	(void)state;
	break_it(&d, defaults, LEVEL_UNKNOWN, &t);
	assert_int_equal(d.level, LEVEL_WARNING);
	from = t;
	while (feed_many(&d, defaults, LEVEL_CRITICAL, 1, 0, &t) != DEBOUNCE_WORSE)
		assert_true(t < from + 60000);
	assert_int_equal(d.critical.since_ms, from);
	assert_int_equal(t - d.critical.since_ms, 10000 + 5000);
	assert_int_equal(d.level, LEVEL_CRITICAL);
	from = t;
	while (feed_many(&d, defaults, LEVEL_WARNING, 1, 0, &t) != DEBOUNCE_BETTER)
		assert_true(t < from + 60000);
	assert_true(t - from >= 15000);
	assert_int_equal(d.level, LEVEL_WARNING);
	assert_int_equal(d.state, STATE_FAILING);
}

/* Results from before a doubt, and runs that began before it, decide nothing. */
static void
test_forget(void **state)
{
	struct debounce d;
	int64_t t = 0;

	(void)state;
	debounce_init(&d, 0);
	feed_many(&d, defaults, LEVEL_CRITICAL, 9, 0, &t);
	debounce_forget(&d, t + 10);
	assert_int_equal(d.state, STATE_PASSING);
	assert_int_equal(
	    debounce_feed(&d, defaults, LEVEL_CRITICAL, t, t + 2000), DEBOUNCE_NOTHING);
	assert_int_equal(d.state, STATE_PASSING);
	t += 10;
	assert_int_equal(feed_many(&d, defaults, LEVEL_CRITICAL, 10, 0, &t), DEBOUNCE_NOTHING);
	assert_int_equal(feed_many(&d, defaults, LEVEL_CRITICAL, 1, 0, &t), DEBOUNCE_FAILED);
	feed_many(&d, defaults, LEVEL_OK, 10, 0, &t);
	debounce_forget(&d, t);
	assert_int_equal(d.state, STATE_FAILING);
	assert_int_equal(d.level, LEVEL_CRITICAL);
	assert_int_equal(feed_many(&d, defaults, LEVEL_OK, 15, 0, &t), DEBOUNCE_NOTHING);
	assert_int_equal(feed_many(&d, defaults, LEVEL_OK, 1, 0, &t), DEBOUNCE_PASSED);
}

/* Nobody looked for a minute, and nobody said so: four old ones and a new one are no row. */
static void
test_gap(void **state)
{
	struct debounce d;
	int64_t t = 0;

	(void)state;
	debounce_init(&d, 0);
	feed_many(&d, defaults, LEVEL_CRITICAL, 9, 0, &t);
	t += 60000;
	assert_int_equal(feed_many(&d, defaults, LEVEL_CRITICAL, 1, 0, &t), DEBOUNCE_NOTHING);
	assert_int_equal(d.bad.count, 1);
	break_it(&d, defaults, LEVEL_CRITICAL, &t);
	feed_many(&d, defaults, LEVEL_OK, 15, 0, &t);
	t += 60000;
	assert_int_equal(feed_many(&d, defaults, LEVEL_OK, 1, 0, &t), DEBOUNCE_NOTHING);
	assert_int_equal(d.state, STATE_RECOVERING);
}

static void
test_refused_window(void **state)
{
	struct debounce_config c = debounce_defaults;
	struct debounce d;

	(void)state;
	/* not asked for: as all others */
	debounce_init(&d, 0);
	for (int64_t t = 0; t < 10000; t += 1000)
		assert_int_equal(debounce_feed_refused(&d, &c, t, t), DEBOUNCE_NOTHING);
	assert_int_equal(debounce_feed_refused(&d, &c, 10000, 10000), DEBOUNCE_FAILED);
	c.refused_window_ms = 3000;
	debounce_init(&d, 0);
	for (int64_t t = 0; t < 4000; t += 1000)
		assert_int_equal(debounce_feed_refused(&d, &c, t, t), DEBOUNCE_NOTHING);
	assert_int_equal(debounce_feed_refused(&d, &c, 4000, 4000), DEBOUNCE_FAILED);
	/* one that may be the network's makes the row an ordinary one */
	debounce_init(&d, 0);
	for (int64_t t = 0; t < 10000; t += 1000) {
		assert_int_equal(t % 3000 == 0 ? debounce_feed(&d, &c, LEVEL_CRITICAL, t, t)
					       : debounce_feed_refused(&d, &c, t, t),
		    DEBOUNCE_NOTHING);
	}
	assert_int_equal(debounce_feed_refused(&d, &c, 10000, 10000), DEBOUNCE_FAILED);
}

static void
test_flapping(void **state)
{
	struct debounce d;
	int64_t t = 0;

	(void)state;
	debounce_init(&d, 0);
	for (int i = 0; i < 10; i++)
		feed_many(&d, defaults, i % 2 == 0 ? LEVEL_OK : LEVEL_CRITICAL, 1, 0, &t);
	assert_false(d.is_flapping); /* 9 changes of 20 */
	feed_many(&d, defaults, LEVEL_OK, 1, 0, &t);
	assert_true(d.is_flapping);
	assert_int_equal(d.state, STATE_PASSING);
	/* 10 changes lie in the last 21; they leave one by one: on until only 5 are left */
	feed_many(&d, defaults, LEVEL_OK, 14, 0, &t);
	assert_true(d.is_flapping);
	feed_many(&d, defaults, LEVEL_OK, 1, 0, &t);
	assert_false(d.is_flapping);
}

static void
test_names(void **state)
{
	(void)state;
	for (int i = STATE_PASSING; i <= STATE_RECOVERING; i++) {
		enum check_state back = STATE_PASSING;

		assert_int_equal(
		    check_state_parse(check_state_name((enum check_state)i), &back), 0);
		assert_int_equal(back, i);
	}
	assert_int_equal(check_state_parse("dead", &(enum check_state){ 0 }), -1);
	assert_string_equal(check_level_name(LEVEL_CRITICAL), "critical");
}

/* --- random results against a naive judge ----------------------------------------------------- */

#define HISTORY 400

struct naive_run {
	enum check_level level;
	bool is_refused;
	int64_t started_ms, ended_ms;
};

struct naive {
	struct naive_run runs[HISTORY];
	size_t count;
	bool is_failing;
	enum check_level level;
};

enum trait { BAD, GOOD, CRITICAL, MILD, REFUSED };

static bool
has_trait(const struct naive_run *r, enum trait trait)
{
	switch (trait) {
	case BAD:
		return r->level != LEVEL_OK;
	case GOOD:
		return r->level == LEVEL_OK;
	case CRITICAL:
		return r->level == LEVEL_CRITICAL;
	case MILD:
		return r->level != LEVEL_CRITICAL;
	case REFUSED:
		return r->is_refused;
	}
	return false;
}

/* Whether the last runs, as many as have the trait, are enough and long enough. */
static bool
naive_decides(const struct naive *n, enum trait trait, int need, int64_t window_ms)
{
	size_t row = 0;

	while (row < n->count && has_trait(&n->runs[n->count - 1 - row], trait))
		row++;
	return row > 0 && row >= (size_t)need &&
	       n->runs[n->count - 1].ended_ms - n->runs[n->count - row].started_ms >= window_ms;
}

static enum debounce_event
naive_feed(struct naive *n, const struct debounce_config *c, struct naive_run run)
{
	bool is_critical;

	if (n->count > 0 &&
	    run.started_ms - n->runs[n->count - 1].ended_ms > 2 * c->interval_ms + c->window_ms)
		n->count = 0;
	n->runs[n->count++] = run;
	is_critical = naive_decides(n, CRITICAL, c->failures, c->window_ms) ||
		      naive_decides(n, REFUSED, c->failures,
			  c->refused_window_ms != 0 ? c->refused_window_ms : c->window_ms);
	if (!n->is_failing) {
		if (!is_critical && !naive_decides(n, BAD, c->failures, c->window_ms))
			return DEBOUNCE_NOTHING;
		n->is_failing = true;
		n->level = is_critical ? LEVEL_CRITICAL : LEVEL_WARNING;
		return DEBOUNCE_FAILED;
	}
	if (naive_decides(n, GOOD, c->successes, c->success_window_ms)) {
		n->is_failing = false;
		return DEBOUNCE_PASSED;
	}
	if (n->level == LEVEL_WARNING && is_critical) {
		n->level = LEVEL_CRITICAL;
		return DEBOUNCE_WORSE;
	}
	if (n->level == LEVEL_CRITICAL && run.level != LEVEL_OK &&
	    naive_decides(n, MILD, c->successes, c->success_window_ms)) {
		n->level = LEVEL_WARNING;
		return DEBOUNCE_BETTER;
	}
	return DEBOUNCE_NOTHING;
}

static int64_t
between(int64_t low, int64_t high)
{
	return low + rand() % (high - low + 1);
}

static struct debounce_config
random_config(void)
{
	struct debounce_config c = {
		.interval_ms = between(500, 20000),
		.timeout_ms = between(100, 5000),
		.failures = (int)between(1, 7),
		.successes = (int)between(1, 5),
		.window_ms = between(0, 3) == 0 ? 0 : between(0, 20000),
		.success_window_ms = between(0, 20000),
	};

	c.fast_ms = between(100, c.interval_ms);
	c.refused_window_ms = between(0, 1) == 0 ? 0 : between(1, 15000);
	return c;
}

/* Levels come in stretches, or nothing would ever be decided. */
static enum check_level
random_level(enum check_level last, int stickiness)
{
	return rand() % stickiness != 0 ? last : (enum check_level)(rand() % 4);
}

static void
test_random_follows_the_rule(void **state)
{
	static struct naive n;
	long events = 0;

	(void)state;
	srand(1);
	for (int round = 0; round < 3000; round++) {
		struct debounce_config c = random_config();
		struct debounce d;
		int64_t t = between(0, 100000);
		int stickiness = (int)between(1, 30);
		enum check_level level = LEVEL_OK;

		n = (struct naive){ 0 };
		debounce_init(&d, t);
		for (int i = 0; i < 300; i++) {
			struct naive_run run = { .started_ms = t };
			enum debounce_event event;

			run.level = level = random_level(level, stickiness);
			run.is_refused = level == LEVEL_CRITICAL && rand() % 8 != 0;
			run.ended_ms = t + between(0, c.timeout_ms);
			event = run.is_refused ? debounce_feed_refused(&d, &c, t, run.ended_ms)
					       : debounce_feed(&d, &c, level, t, run.ended_ms);
			assert_int_equal(event, naive_feed(&n, &c, run));
			assert_int_equal(
			    n.is_failing, d.state == STATE_FAILING || d.state == STATE_RECOVERING);
			assert_int_equal(d.level, n.is_failing ? n.level : LEVEL_OK);
			events += event != DEBOUNCE_NOTHING;
			t = run.ended_ms + between(0, rand() % 50 == 0 ? 80000 : 3000);
			if (rand() % 100 == 0) {
				debounce_forget(&d, t);
				n.count = 0;
			}
		}
	}
	assert_true(events > 10000);
}

/* --- the bound -------------------------------------------------------------------------------- */

enum death { REFUSES, HANGS, VARIES };

static int64_t
run_ms(enum death how, const struct debounce_config *c)
{
	if (how == REFUSES)
		return between(0, c->fast_ms < c->timeout_ms ? c->fast_ms : c->timeout_ms);
	return how == HANGS ? c->timeout_ms : between(0, c->timeout_ms);
}

/* As the scheduler does it. */
static int64_t
next_start(
    const struct debounce *d, const struct debounce_config *c, int64_t started_ms, int64_t ended_ms)
{
	int64_t wait = debounce_interval_ms(d, c), spread = wait * DEBOUNCE_JITTER_PERCENT / 100;

	if (!debounce_is_deciding(d))
		wait += rand() % 4 == 0 ? spread : between(-spread, spread);
	return started_ms + wait > ended_ms ? started_ms + wait : ended_ms;
}

/* From a death at an unlucky time to the event: the milliseconds. */
static int64_t
detect(struct debounce *d, const struct debounce_config *c, enum death how,
    enum debounce_event wanted, int64_t t)
{
	int64_t death_ms = t; /* the run that begins now still gets its answer */
	enum check_level before = d->state == STATE_PASSING ? LEVEL_OK : LEVEL_WARNING;

	debounce_feed(d, c, before, t, t);
	t = next_start(d, c, t, t);
	for (;;) {
		int64_t end = t + run_ms(how, c);
		enum debounce_event event = how == REFUSES
						? debounce_feed_refused(d, c, t, end)
						: debounce_feed(d, c, LEVEL_CRITICAL, t, end);

		if (event == wanted)
			return end - death_ms;
		assert_int_equal(event, DEBOUNCE_NOTHING);
		assert_true(end - death_ms < 1000000);
		t = next_start(d, c, t, end);
	}
}

static void
test_bound_holds(void **state)
{
	int64_t closest = INT64_MAX;

	(void)state;
	srand(2);
	for (int round = 0; round < 200000; round++) {
		struct debounce_config c = random_config();
		enum death how = (enum death)(rand() % 3);
		struct debounce d;
		int64_t bound =
		    how == REFUSES ? debounce_bound_refused_ms(&c) : debounce_bound_ms(&c);
		int64_t took;

		debounce_init(&d, 0);
		took = detect(&d, &c, how, DEBOUNCE_FAILED, 1000);
		if (took > bound)
			fail_msg("round %d: %lld ms, bound %lld", round, (long long)took,
			    (long long)bound);
		if (bound - took < closest)
			closest = bound - took;
	}
	/* and it is no idle promise: some come to the very edge of it */
	assert_true(closest <= 1);
}

/* A warning for long, then dead: the bound holds for the second event, too. */
static void
test_bound_of_worse(void **state)
{
	(void)state;
	srand(3);
	for (int round = 0; round < 50000; round++) {
		struct debounce_config c = random_config();
		struct debounce d;
		int64_t t = 0;

		break_it(&d, &c, LEVEL_WARNING, &t);
		assert_true(detect(&d, &c, (enum death)(rand() % 3), DEBOUNCE_WORSE, t) <=
			    debounce_bound_ms(&c));
	}
}

static void
test_bound_of_defaults(void **state)
{
	struct debounce_config c = debounce_defaults;

	(void)state;
	assert_int_equal(debounce_bound_ms(&c), 5250 + 10000 + 2000);
	assert_int_equal(debounce_bound_refused_ms(&c), 5250 + 10000 + 1000);
	c.refused_window_ms = 1;
	assert_int_equal(debounce_bound_ms(&c), 17250);
	assert_int_equal(debounce_bound_refused_ms(&c), 5250 + 4000 + 1000);
	c.failures = 9;
	assert_int_equal(debounce_bound_ms(&c), 5250 + 16000 + 2000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_window_and_count),
		cmocka_unit_test(test_count_and_window),
		cmocka_unit_test(test_one_good_ends_the_row),
		cmocka_unit_test(test_recovers),
		cmocka_unit_test(test_warning_among_critical),
		cmocka_unit_test(test_worse_and_better),
		cmocka_unit_test(test_forget),
		cmocka_unit_test(test_gap),
		cmocka_unit_test(test_refused_window),
		cmocka_unit_test(test_flapping),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_random_follows_the_rule),
		cmocka_unit_test(test_bound_holds),
		cmocka_unit_test(test_bound_of_worse),
		cmocka_unit_test(test_bound_of_defaults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
