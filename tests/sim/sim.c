/*
 * sim.c: turn by turn, a quarter of a second each. The ends of probes wait in a wheel of turns, so
 * that a turn costs what happens in it and 30 days of 100 targets take seconds.
 *
 * A probe's outcome is known when it begins (trouble and deaths are drawn ahead), and debounce is
 * told at the turn in which it ends, with its exact times. Rejected: a jump over quiet times by
 * drawing the next loss; it is faster and would be a second model of the scheduler.
 */
#include "sim.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/check.h"
#include "model/vantage.h"
#include "model/verdict.h"

#define TURN_MS 250
#define WHEEL 128 /* turns; longer than any interval and timeout here */
#define DAY_MS 86400000.0
#define LOSS 0.005
#define TROUBLES_A_DAY 6
#define TROUBLE_MEDIAN_MS 3000
#define TROUBLE_SIGMA 1.2
#define HANG_PERCENT 30
#define ANSWER_MS 1
#define SPARSE_BEFORE_MS 30000
#define SPARSE_AFTER_MS 120000
#define NEVER INT64_MAX

struct trouble {
	int64_t from_ms, until_ms;
	int first, count; /* the targets that it hits */
};

/* What is true of a target. */
struct truth {
	int64_t death_ms, revival_ms;
	bool is_hanging, is_found;
	bool is_failing;   /* the verdict */
	int64_t failed_ms; /* when it last became that */
};

struct probe {
	struct debounce debounce;
	struct vantage_target doubt;
	int64_t started_ms, ended_ms;
	enum check_class class;
	int next; /* in its slot of the wheel; -1: the last */
};

struct eye {
	struct vantage vantage;
	struct probe probes[SIM_TARGETS];
	int wheel[WHEEL];
	struct trouble *troubles;
	size_t trouble_count, trouble_at; /* those before are over */
	int64_t doubted_ms;               /* when it was last in doubt */
	int bad_count;
};

struct sim {
	const struct sim_model *model;
	const struct sim_strategy *strategy;
	struct sim_result *result;
	uint64_t random;
	int64_t now_ms; /* the end of this turn */
	struct eye eyes[SIM_VANTAGES_MAX];
	struct truth truths[SIM_TARGETS];
	int64_t *found_ms;
	size_t found_count, found_cap;
};

/* --- chance ----------------------------------------------------------------------------------- */

/* xorshift64* (Vigna): fast, and good enough for losses */
static double
draw(struct sim *s)
{
	s->random ^= s->random >> 12;
	s->random ^= s->random << 25;
	s->random ^= s->random >> 27;
	return (double)(s->random * 0x2545f4914f6cdd1dULL >> 11) * 0x1p-53;
}

static double
draw_gap_ms(struct sim *s, double a_day)
{
	return -log(1 - draw(s)) * DAY_MS / a_day;
}

static double
draw_normal(struct sim *s)
{
	return sqrt(-2 * log(1 - draw(s))) * cos(2 * M_PI * draw(s));
}

static void
draw_troubles(struct sim *s, struct eye *eye)
{
	double end = s->model->days * DAY_MS, at = 0;
	size_t cap = 0;

	for (;;) {
		struct trouble t = { .count = SIM_TARGETS };

		at += draw_gap_ms(s, TROUBLES_A_DAY);
		if (at >= end)
			return;
		t.from_ms = (int64_t)at;
		at += TROUBLE_MEDIAN_MS * exp(TROUBLE_SIGMA * draw_normal(s));
		t.until_ms = (int64_t)at;
		if (draw(s) * 100 < s->model->local_percent) {
			t.first = (int)(draw(s) * (SIM_TARGETS - SIM_LOCAL));
			t.count = SIM_LOCAL;
		}
		if (eye->trouble_count == cap) {
			cap = cap == 0 ? 64 : 2 * cap;
			eye->troubles = mem_grow(eye->troubles, cap, sizeof(*eye->troubles));
		}
		eye->troubles[eye->trouble_count++] = t;
	}
}

static bool
is_troubled(const struct eye *eye, int target, int64_t at_ms)
{
	for (size_t i = eye->trouble_at; i < eye->trouble_count; i++) {
		const struct trouble *t = &eye->troubles[i];

		if (t->from_ms > at_ms)
			break;
		if (at_ms < t->until_ms && target >= t->first && target < t->first + t->count)
			return true;
	}
	return false;
}

/* --- truth ------------------------------------------------------------------------------------ */

static void
next_death(struct sim *s, struct truth *t, int64_t from_ms)
{
	t->death_ms = t->revival_ms = NEVER;
	t->is_found = false;
	if (s->model->deaths_a_day == 0)
		return;
	t->death_ms = from_ms + (int64_t)draw_gap_ms(s, s->model->deaths_a_day);
	t->revival_ms = t->death_ms + SIM_DEAD_MS;
	t->is_hanging = draw(s) * 100 < HANG_PERCENT;
}

/* More than half of the vantages did not trust their eyes at some time since then. */
static bool
is_excused(const struct sim *s, int64_t since_ms)
{
	int doubting = 0;

	for (int i = 0; i < s->strategy->vantages; i++)
		doubting += s->eyes[i].doubted_ms >= since_ms;
	return 2 * doubting > s->strategy->vantages;
}

/*
 * A verdict became failing at at_ms. One that follows a death already found belongs to the same
 * story: it went back and forth while it recovered and the majority changed.
 */
static void
found(struct sim *s, struct truth *t, int64_t at_ms)
{
	int64_t publish_ms = s->strategy->vantages > 1 ? SIM_PUBLISH_MS : 0;
	int64_t took_ms = at_ms - t->death_ms + publish_ms;

	if (at_ms < t->death_ms) {
		s->result->alarms++;
		return;
	}
	if (t->is_found || at_ms > t->revival_ms) {
		s->result->again++;
		return;
	}
	t->is_found = true;
	s->result->deaths++;
	if (took_ms > s->result->bound_ms + publish_ms && is_excused(s, t->death_ms)) {
		s->result->excused++;
		return;
	}
	s->result->late += took_ms > s->result->bound_ms + publish_ms;
	if (s->found_count == s->found_cap) {
		s->found_cap = s->found_cap == 0 ? 1024 : 2 * s->found_cap;
		s->found_ms = mem_grow(s->found_ms, s->found_cap, sizeof(*s->found_ms));
	}
	s->found_ms[s->found_count++] = took_ms;
}

/* Its story is over when nobody can be in the middle of it any more. */
static void
end_of_story(struct sim *s, struct truth *t)
{
	if (t->revival_ms == NEVER || s->now_ms < t->revival_ms + SIM_DEAD_MS)
		return;
	t->is_found = t->is_found || (t->is_failing && t->failed_ms < t->death_ms);
	if (!t->is_found) {
		s->result->deaths++;
		if (is_excused(s, t->death_ms))
			s->result->excused++;
		else
			s->result->missed++;
	}
	next_death(s, t, s->now_ms);
}

/* --- one probe -------------------------------------------------------------------------------- */

static void
put_into_wheel(struct sim *s, struct eye *eye, int target)
{
	struct probe *p = &eye->probes[target];
	int64_t at_ms = s->strategy->is_overlapping ? p->started_ms : p->ended_ms;
	int slot;

	/* began and ended within this turn, whose slot is being emptied: seen at the next one */
	if (at_ms <= s->now_ms)
		at_ms = s->now_ms + 1;
	slot = (int)(((at_ms + TURN_MS - 1) / TURN_MS) % WHEEL);
	p->next = eye->wheel[slot];
	eye->wheel[slot] = target;
}

static void
start_probe(struct sim *s, struct eye *eye, int target, int64_t at_ms)
{
	struct probe *p = &eye->probes[target];
	struct truth *t = &s->truths[target];
	bool is_dead;

	end_of_story(s, t);
	is_dead = at_ms >= t->death_ms && at_ms < t->revival_ms;
	p->class = CHECK_OK;
	if (draw(s) < LOSS || is_troubled(eye, target, at_ms) || (is_dead && t->is_hanging))
		p->class = CHECK_TIMEOUT;
	else if (is_dead)
		p->class = CHECK_REFUSED;
	p->started_ms = at_ms;
	p->ended_ms =
	    at_ms + (p->class == CHECK_TIMEOUT ? s->strategy->timing.timeout_ms : ANSWER_MS);
	put_into_wheel(s, eye, target);
	s->result->probes++;
}

static void
start_next(struct sim *s, struct eye *eye, int target)
{
	struct probe *p = &eye->probes[target];
	int64_t wait_ms = debounce_interval_ms(&p->debounce, &s->strategy->timing);
	int64_t at_ms = p->started_ms + wait_ms;

	if (!debounce_is_deciding(&p->debounce))
		at_ms +=
		    (int64_t)((draw(s) * 2 - 1) * (double)wait_ms * DEBOUNCE_JITTER_PERCENT / 100);
	if (at_ms < p->ended_ms && !s->strategy->is_overlapping)
		at_ms = p->ended_ms;
	start_probe(s, eye, target, at_ms);
}

/* --- what is made of it ----------------------------------------------------------------------- */

static void
judge(struct sim *s, int target, int64_t at_ms)
{
	struct opinion opinions[SIM_VANTAGES_MAX];
	struct truth *t = &s->truths[target];
	struct verdict v;
	bool is_failing;

	for (int i = 0; i < s->strategy->vantages; i++) {
		const struct eye *eye = &s->eyes[i];
		const struct probe *p = &eye->probes[target];

		opinions[i] = (struct opinion){ "", true, eye->vantage.sight, p->debounce.state,
			p->debounce.level, p->class, p->debounce.decided_ms };
	}
	verdict_of(opinions, (size_t)s->strategy->vantages, &v);
	is_failing = v.state == STATE_FAILING || v.state == STATE_RECOVERING;
	if (is_failing == t->is_failing)
		return;
	t->is_failing = is_failing;
	if (is_failing) {
		found(s, t, at_ms);
		t->failed_ms = at_ms;
	} else if (t->failed_ms < t->death_ms && at_ms >= t->death_ms) {
		/* failing already when it died: a clock that stands is right twice a day */
		t->is_found = true;
	}
}

static void
note_doubt(struct eye *eye, int target)
{
	struct probe *p = &eye->probes[target];
	bool is_bad = p->class != CHECK_OK;

	eye->bad_count += is_bad - p->doubt.is_bad;
	vantage_target_note(&p->doubt, is_bad,
	    p->debounce.state == STATE_FAILING || p->debounce.state == STATE_RECOVERING,
	    p->ended_ms);
}

static void
look(struct sim *s, struct eye *eye)
{
	bool could_judge = vantage_may_judge(&eye->vantage);
	size_t suspects = 0;

	for (int i = 0; i < SIM_TARGETS && eye->bad_count > 0; i++)
		suspects +=
		    vantage_target_is_suspect(&eye->probes[i].doubt, &eye->vantage, s->now_ms);
	vantage_turn(&eye->vantage, s->now_ms, s->now_ms);
	vantage_set_targets(&eye->vantage, SIM_TARGETS, suspects, s->now_ms);
	if (!could_judge || !vantage_may_judge(&eye->vantage))
		eye->doubted_ms = s->now_ms;
	if (could_judge == vantage_may_judge(&eye->vantage))
		return;
	for (int i = 0; i < SIM_TARGETS; i++)
		debounce_forget(&eye->probes[i].debounce, s->now_ms);
	for (int i = 0; i < SIM_TARGETS; i++)
		judge(s, i, s->now_ms);
}

static void
feed(struct sim *s, struct eye *eye, int target)
{
	const struct debounce_config *c = &s->strategy->timing;
	struct probe *p = &eye->probes[target];
	enum debounce_event event;

	if (!vantage_may_judge(&eye->vantage))
		return;
	event = p->class == CHECK_REFUSED
		    ? debounce_feed_refused(&p->debounce, c, p->started_ms, p->ended_ms)
		    : debounce_feed(
			  &p->debounce, c, check_class_level(p->class), p->started_ms, p->ended_ms);
	if (event == DEBOUNCE_FAILED || event == DEBOUNCE_PASSED)
		judge(s, target, p->ended_ms);
}

static void
turn(struct sim *s, struct eye *eye)
{
	int slot = (int)((s->now_ms / TURN_MS) % WHEEL);
	int ended = eye->wheel[slot];

	eye->wheel[slot] = -1;
	while (eye->trouble_at < eye->trouble_count &&
	       eye->troubles[eye->trouble_at].until_ms + TURN_MS < s->now_ms)
		eye->trouble_at++;
	if (s->strategy->has_guard) {
		for (int i = ended; i >= 0; i = eye->probes[i].next)
			note_doubt(eye, i);
		look(s, eye);
	}
	while (ended >= 0) {
		int target = ended;

		ended = eye->probes[target].next;
		feed(s, eye, target);
		start_next(s, eye, target);
	}
}

/* --- spans of time ---------------------------------------------------------------------------- */

static void
play(struct sim *s, int64_t from_ms, int64_t until_ms)
{
	from_ms -= from_ms % TURN_MS;
	s->now_ms = from_ms;
	for (int i = 0; i < SIM_TARGETS; i++) {
		s->truths[i] = (struct truth){ .failed_ms = from_ms };
		next_death(s, &s->truths[i], from_ms);
	}
	for (int i = 0; i < s->strategy->vantages; i++) {
		struct eye *eye = &s->eyes[i];

		memset(eye->wheel, -1, sizeof(eye->wheel));
		eye->bad_count = 0;
		eye->doubted_ms = -1;
		vantage_init(&eye->vantage, from_ms);
		for (int k = 0; k < SIM_TARGETS; k++) {
			memset(&eye->probes[k], 0, sizeof(eye->probes[k]));
			debounce_init(&eye->probes[k].debounce, from_ms);
			start_probe(s, eye, k,
			    from_ms + 1 +
				(int64_t)(draw(s) * (double)s->strategy->timing.interval_ms));
		}
	}
	while (s->now_ms < until_ms) {
		s->now_ms += TURN_MS;
		for (int i = 0; i < s->strategy->vantages; i++)
			turn(s, &s->eyes[i]);
	}
}

static int
compare_troubles(const void *a, const void *b)
{
	const struct trouble *x = a, *y = b;

	return (x->from_ms > y->from_ms) - (x->from_ms < y->from_ms);
}

/* Around each trouble of any vantage; those that are near to each other are one. */
static void
play_sparse(struct sim *s)
{
	struct trouble *all = NULL;
	size_t count = 0;

	for (int i = 0; i < s->strategy->vantages; i++) {
		struct eye *eye = &s->eyes[i];

		all = mem_grow(all, count + eye->trouble_count + 1, sizeof(*all));
		memcpy(all + count, eye->troubles, eye->trouble_count * sizeof(*all));
		count += eye->trouble_count;
	}
	qsort(all, count, sizeof(*all), compare_troubles);
	for (size_t i = 0; i < count;) {
		int64_t from_ms = all[i].from_ms - SPARSE_BEFORE_MS, until_ms = 0;

		for (; i < count && (until_ms == 0 || all[i].from_ms - SPARSE_BEFORE_MS < until_ms);
		     i++) {
			if (all[i].until_ms + SPARSE_AFTER_MS > until_ms)
				until_ms = all[i].until_ms + SPARSE_AFTER_MS;
		}
		play(s, from_ms > 0 ? from_ms : 0, until_ms);
	}
	free(all);
}

static int
compare_ms(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

void
sim_run(const struct sim_model *m, const struct sim_strategy *strategy, uint64_t seed,
    struct sim_result *out)
{
	struct sim *s = mem_alloc(sizeof(*s));

	*out = (struct sim_result){ .bound_ms = debounce_bound_ms(&strategy->timing) };
	s->model = m;
	s->strategy = strategy;
	s->result = out;
	s->random = seed * 0x9e3779b97f4a7c15ULL + 1;
	for (int i = 0; i < strategy->vantages; i++)
		draw_troubles(s, &s->eyes[i]);
	if (m->is_sparse)
		play_sparse(s);
	else
		play(s, 0, (int64_t)(m->days * DAY_MS));
	out->alarms_day = (double)out->alarms / m->days;
	if (s->found_count > 0) {
		qsort(s->found_ms, s->found_count, sizeof(*s->found_ms), compare_ms);
		out->p50_ms = s->found_ms[s->found_count / 2];
		out->max_ms = s->found_ms[s->found_count - 1];
	}
	for (int i = 0; i < strategy->vantages; i++)
		free(s->eyes[i].troubles);
	free(s->found_ms);
	free(s);
}
