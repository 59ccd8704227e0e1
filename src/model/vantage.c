/*
 * vantage.c: is it them, or is it us?
 *
 *	          many suspects at once
 *	sighted ------------------------> blind ---> fewer than half of them left, or a minute in which
 *	   |  ^ <-------------------------------     gateway and Consul answered
 *	   |  '---- 30 s --- held
 *	   '-- turns of the loop 2 s apart --^       (from blind as well, and back to it)
 *
 * sight is made from two facts that know nothing of each other, held_until_ms and is_blind, by one
 * function; held covers blind, because what a stopped process thinks of its targets is worth
 * nothing.
 *
 * The end of blindness has a lower mark than its beginning: 30 % of loss would switch it on and off
 * with every second result. The limit of a minute is a choice between two wrongs. Without it, three
 * dead servers of ten are never reported, by any vantage, because all of them are blind; with it,
 * trouble on our own line of more than a minute is reported as theirs, unless gateway or Consul are
 * silent, too.
 *
 * Rejected: a guard over the classes of failure (only timeouts count): a switch that reboots
 * refuses by ICMP, a broken NAT resets. And a guard that knows racks: nobody keeps such a map up to
 * date.
 */
#include "model/vantage.h"

#include <string.h>

#include "base/mem.h"

/* All from facts/checks of the design but for the last two. */
#define LAG_MS 250
#define GAP_MS 2000
#define HELD_MS 30000
#define SUSPECT_MS 10000
#define SUSPECTS_MIN 3
#define SUSPECTS_PERCENT 30
#define BLIND_MAX_MS 60000  /* one trouble a month is longer, in the model of tests/sim */
#define LAG_FORGET_MS 10000 /* as long as suspects are remembered */

static const char *const sight_names[] = {
	[VANTAGE_SIGHTED] = "sighted",
	[VANTAGE_BLIND] = "blind",
	[VANTAGE_HELD] = "held",
};

const char *
vantage_sight_name(enum vantage_sight s)
{
	return (size_t)s < MEM_COUNT(sight_names) ? sight_names[s] : "unknown";
}

int
vantage_sight_parse(const char *name, enum vantage_sight *out)
{
	for (size_t i = 0; i < MEM_COUNT(sight_names); i++) {
		if (strcmp(sight_names[i], name) == 0) {
			*out = (enum vantage_sight)i;
			return 0;
		}
	}
	return -1;
}

void
vantage_init(struct vantage *v, int64_t now_ms)
{
	*v = (struct vantage){
		.sight = VANTAGE_SIGHTED,
		.since_ms = now_ms,
		.turn_ms = now_ms,
		.held_until_ms = now_ms,
		.witness_ms = now_ms,
	};
}

/* How many suspects make it blind. */
static size_t
suspects_needed(const struct vantage *v)
{
	size_t share = (v->target_count * SUSPECTS_PERCENT + 99) / 100;

	return share > SUSPECTS_MIN ? share : SUSPECTS_MIN;
}

static size_t
suspects_counted(const struct vantage *v)
{
	if (v->suspect_count == 0)
		return 0;
	return v->suspect_count + v->is_consul_silent + v->is_gateway_silent;
}

/* The only one who changes sight and score. */
static bool
settle(struct vantage *v, int64_t now_ms)
{
	enum vantage_sight sight = VANTAGE_SIGHTED;
	int score = (v->lag_ms > LAG_MS) + v->is_consul_silent + v->is_gateway_silent +
		    (suspects_counted(v) >= suspects_needed(v));
	bool is_changed;

	if (now_ms < v->held_until_ms)
		sight = VANTAGE_HELD;
	else if (v->is_blind)
		sight = VANTAGE_BLIND;
	is_changed = sight != v->sight || score != v->score;
	if (sight != v->sight)
		v->since_ms = now_ms;
	v->sight = sight;
	v->score = score;
	return is_changed;
}

static void
judge_targets(struct vantage *v, int64_t now_ms)
{
	size_t needed = suspects_needed(v), counted = suspects_counted(v);
	int64_t from;

	if (v->is_consul_silent || v->is_gateway_silent)
		v->witness_ms = now_ms;
	if (counted < (needed + 1) / 2)
		v->is_blind = v->is_spent = false;
	if (counted >= needed && !v->is_blind && !v->is_spent) {
		v->is_blind = true;
		v->blind_ms = now_ms;
	}
	from = v->blind_ms > v->witness_ms ? v->blind_ms : v->witness_ms;
	if (v->is_blind && now_ms - from >= BLIND_MAX_MS) {
		v->is_blind = false;
		v->is_spent = true;
	}
}

bool
vantage_turn(struct vantage *v, int64_t due_ms, int64_t now_ms)
{
	int64_t lag_ms = now_ms > due_ms ? now_ms - due_ms : 0;

	if (lag_ms >= v->lag_ms || now_ms - v->lag_seen_ms > LAG_FORGET_MS) {
		v->lag_ms = lag_ms;
		v->lag_seen_ms = now_ms;
	}
	if (now_ms - v->turn_ms > GAP_MS)
		v->held_until_ms = now_ms + HELD_MS;
	v->turn_ms = now_ms;
	judge_targets(v, now_ms);
	return settle(v, now_ms);
}

void
vantage_set_consul(struct vantage *v, bool is_silent)
{
	v->is_consul_silent = is_silent;
}

void
vantage_set_gateway(struct vantage *v, bool is_silent)
{
	v->is_gateway_silent = is_silent;
}

bool
vantage_set_targets(struct vantage *v, size_t count, size_t suspects, int64_t now_ms)
{
	enum vantage_sight before = v->sight;

	v->target_count = count;
	v->suspect_count = suspects;
	judge_targets(v, now_ms);
	settle(v, now_ms);
	return v->sight != before;
}

int64_t
vantage_timeout_ms(const struct vantage *v, int64_t timeout_ms)
{
	return timeout_ms * (1 + v->score);
}

bool
vantage_may_judge(const struct vantage *v)
{
	return v->sight == VANTAGE_SIGHTED;
}

void
vantage_target_note(struct vantage_target *t, bool is_bad, bool is_failing, int64_t now_ms)
{
	if (is_bad && !t->is_bad)
		t->bad_ms = now_ms;
	t->is_bad = is_bad;
	t->is_failing = is_failing;
}

bool
vantage_target_is_suspect(const struct vantage_target *t, const struct vantage *v, int64_t now_ms)
{
	int64_t from = v->is_blind || v->is_spent ? v->blind_ms : now_ms;

	return t->is_bad && !t->is_failing && t->bad_ms >= from - SUSPECT_MS;
}
