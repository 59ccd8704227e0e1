/*
 * checker.c: the schedule. Every check has a timer of its own; what is due goes through the queue of its
 * lane, which lets so many run at once.
 *
 *   WAITING ──due──> QUEUED ──a place is free──> RESOLVING ──> RUNNING ──result──> WAITING
 *                                                    └── no resolver needed ──┘
 *
 * First runs come soon, within a second or some: of a check of every hour, too, it is to be known after
 * a restart whether it fails. Both they and the pauses behind them are spread by the golden ratio,
 * which keeps any number of checks, of any mix of intervals, apart; from then on runs keep their
 * distance but for the jitter that debounce.h allows.
 *
 * A run that takes longer than the pause until the next is followed by it at once, never overlapped.
 */
#include "feature/checker.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "feature/checker_impl.h"
#include "io/loop.h"
#include "model/check_spec.h"
#include "model/server_view.h"

/*
 * At once. A socket that waits costs nothing but its descriptor, and while a tenth of 1,000 targets
 * hangs, 100 are waited for all the time. Programs cost a fork each.
 */
static const size_t lane_limits[LANES] = { [LANE_SOCKETS] = 256, [LANE_PROGRAMS] = 8 };

#define GOLDEN_PERMILLE 618

/* First runs: so few checks as most hosts have are seen within a second, 1,000 in an interval's time. */
#define FIRST_MS 1000
#define FIRST_MS_A_CHECK 4

/* --- the queue -------------------------------------------------------------------------------------- */

static void
push(struct queue *q, struct slot *s)
{
	s->next = NULL;
	if (q->last != NULL)
		q->last->next = s;
	else
		q->first = s;
	q->last = s;
	q->count++;
}

static struct slot *
pop(struct queue *q)
{
	struct slot *s = q->first;

	q->first = s->next;
	if (q->first == NULL)
		q->last = NULL;
	q->count--;
	return s;
}

static void
take_out(struct queue *q, const struct slot *s)
{
	struct queue rest = { .running = q->running };

	while (q->first != NULL) {
		struct slot *one = pop(q);

		if (one != s)
			push(&rest, one);
	}
	*q = rest;
}

/* A run may end inside its beginning (no such name): a loop, not a recursion. */
static void
pump(struct checker *c)
{
	if (c->is_pumping)
		return;
	c->is_pumping = true;
	for (size_t i = 0; i < LANES; i++) {
		struct queue *q = &c->queues[i];

		while (q->first != NULL && q->running < lane_limits[i]) {
			struct slot *s = pop(q);

			q->running++;
			lateness_add(&c->lateness, clock_mono_us() - s->due_us);
			checker_run_begin(s);
		}
	}
	c->is_pumping = false;
}

/* --- the schedule ----------------------------------------------------------------------------------- */

static void
due(void *arg)
{
	struct slot *s = arg;

	s->phase = SLOT_QUEUED;
	push(&s->checker->queues[s->lane], s);
	pump(s->checker);
}

static void
plan(struct slot *s, int64_t delay_ms)
{
	if (delay_ms < 0)
		delay_ms = 0;
	s->phase = SLOT_WAITING;
	s->due_us = clock_mono_us() + delay_ms * 1000;
	loop_timer_set(s->timer, delay_ms);
}

void
checker_run_ended(struct slot *s)
{
	const struct debounce_config *timing = &s->check.spec.timing;
	int64_t pause_ms = debounce_interval_ms(&s->check.debounce, timing);

	/* While a row decides, every run is aimed at a moment. */
	if (pause_ms == timing->interval_ms) {
		pause_ms = s->spread_ms > 0
			       ? s->spread_ms
			       : loop_jitter(pause_ms, DEBOUNCE_JITTER_PERCENT / 100.0);
		s->spread_ms = 0;
	}
	s->checker->queues[s->lane].running--;
	plan(s, s->began_ms + pause_ms - clock_mono_ms());
	pump(s->checker);
}

/* --- the checks ------------------------------------------------------------------------------------- */

static struct slot *
slot_new(struct checker *c, const struct check_spec *spec, size_t place, size_t count)
{
	struct slot *s = mem_alloc(sizeof(*s));
	int64_t turn = (int64_t)(place * GOLDEN_PERMILLE % 1000);
	int64_t first_ms = FIRST_MS + (int64_t)count * FIRST_MS_A_CHECK;

	s->checker = c;
	check_spec_copy(&s->check.spec, spec);
	s->check.type = check_type_find(spec->type);
	s->check.role = spec->role;
	s->check.since_wall_ms = clock_wall_ms();
	debounce_init(&s->check.debounce, clock_mono_ms());
	s->lane = s->check.type->is_program ? LANE_PROGRAMS : LANE_SOCKETS;
	s->probe = s->check.type->open(c->loop, &s->check.spec);
	s->timer = loop_timer_new(c->loop, due, s);
	if (first_ms < spec->timing.interval_ms)
		s->spread_ms = turn * spec->timing.interval_ms / 1000;
	else
		first_ms = spec->timing.interval_ms;
	plan(s, turn * first_ms / 1000);
	return s;
}

static void
slot_free(struct slot *s)
{
	struct queue *q = &s->checker->queues[s->lane];

	if (s->phase == SLOT_QUEUED)
		take_out(q, s);
	else if (s->phase != SLOT_WAITING)
		q->running--;
	checker_run_cancel(s);
	s->check.type->close(s->probe);
	loop_timer_free(s->timer);
	check_history_clear(&s->check.history);
	check_spec_clear(&s->check.spec);
	server_view_free(s->check.view);
	free(s->check.numbers);
	loop_defer_free(s->checker->loop, s);
}

static int
compare_names(const void *a, const void *b)
{
	struct slot *const *x = a, *const *y = b;

	return strcmp((*x)->check.spec.name, (*y)->check.spec.name);
}

static struct slot *
find(const struct checker *c, const char *name)
{
	size_t low = 0, high = c->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(name, c->by_name[middle]->check.spec.name);

		if (order == 0)
			return c->by_name[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

void
checker_load(
    struct checker *c, const struct checker_env *env, const struct check_spec *specs, size_t count)
{
	struct slot **slots = mem_array(count + 1, sizeof(struct slot *));
	struct slot **by_name = mem_array(count + 1, sizeof(struct slot *));

	c->env = *env;
	for (size_t i = 0; i < count; i++) {
		struct slot *old = find(c, specs[i].name);

		if (old != NULL && check_spec_is_same(&old->check.spec, &specs[i]))
			slots[i] = old;
		else
			slots[i] = slot_new(c, &specs[i], i, count);
	}
	memcpy(by_name, slots, count * sizeof(struct slot *));
	qsort(by_name, count, sizeof(struct slot *), compare_names);
	for (size_t i = 0; i < c->count; i++) {
		struct slot *s = c->slots[i];
		struct slot **now =
		    bsearch(&s, by_name, count, sizeof(struct slot *), compare_names);

		if (now == NULL || *now != s)
			slot_free(s);
	}
	free(c->slots);
	free(c->by_name);
	c->slots = slots;
	c->by_name = by_name;
	c->count = count;
	pump(c);
	if (!loop_timer_is_set(c->turn_timer)) {
		c->turn_due_ms = clock_mono_ms();
		loop_timer_set(c->turn_timer, 0);
	}
}

struct checker *
checker_new(struct loop *l)
{
	struct checker *c = mem_alloc(sizeof(*c));

	c->loop = l;
	vantage_init(&c->vantage, clock_mono_ms());
	c->turn_timer = loop_timer_new(l, checker_turn_due, c);
	return c;
}

void
checker_free(struct checker *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->count; i++)
		slot_free(c->slots[i]);
	loop_timer_free(c->turn_timer);
	free(c->slots);
	free(c->by_name);
	loop_defer_free(c->loop, c);
}

size_t
checker_count(const struct checker *c)
{
	return c->count;
}

const struct check *
checker_at(const struct checker *c, size_t i)
{
	return &c->slots[i]->check;
}

const struct check *
checker_find(const struct checker *c, const char *name)
{
	const struct slot *s = find(c, name);

	return s != NULL ? &s->check : NULL;
}

const struct vantage *
checker_vantage(const struct checker *c)
{
	return &c->vantage;
}

const struct lateness *
checker_lateness(const struct checker *c)
{
	return &c->lateness;
}

size_t
checker_running(const struct checker *c)
{
	return c->queues[LANE_SOCKETS].running + c->queues[LANE_PROGRAMS].running;
}

size_t
checker_queued(const struct checker *c)
{
	return c->queues[LANE_SOCKETS].count + c->queues[LANE_PROGRAMS].count;
}
