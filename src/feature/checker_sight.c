/*
 * checker_sight.c: asks several times a second how far this vantage may trust its own eyes
 * (model/vantage.h), and throws away what it saw in doubt.
 *
 * After a stop (SIGSTOP, a frozen machine) the loop first hands out what the sockets hold and only
 * then runs its timers. So a result that comes in while the turn is overdue has it looked at first:
 * otherwise the very results that must not count would be counted.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "feature/check_target.h"
#include "feature/checker_impl.h"
#include "io/loop.h"

#define TURN_MS 200
struct host {
	const struct slot *slot;
	bool is_suspect;
};

static int
compare_hosts(const void *a, const void *b)
{
	const struct host *x = a, *y = b;
	const struct check *k = &x->slot->check, *l = &y->slot->check;

	if (k->endpoint.len == 0 && l->endpoint.len == 0)
		return strcmp(k->spec.target, l->spec.target);
	return check_target_compare_hosts(&k->endpoint, &l->endpoint);
}

/* Machines, not checks: ten services of one dead machine are one piece of news. */
static bool
count_targets(struct checker *c, int64_t now_ms)
{
	struct host *hosts = mem_array(c->count + 1, sizeof(*hosts));
	size_t n = 0, targets = 0, suspects = 0;

	for (size_t i = 0; i < c->count; i++) {
		const struct slot *s = c->slots[i];

		if (s->check.spec.target != NULL)
			hosts[n++] = (struct host){ s,
				vantage_target_is_suspect(&s->check.doubt, &c->vantage, now_ms) };
	}
	qsort(hosts, n, sizeof(*hosts), compare_hosts);
	for (size_t i = 0; i < n; targets++) {
		size_t first = i;
		bool is_any = false;

		for (; i < n && compare_hosts(&hosts[first], &hosts[i]) == 0; i++)
			is_any = is_any || hosts[i].is_suspect;
		suspects += is_any;
	}
	free(hosts);
	return vantage_set_targets(&c->vantage, targets, suspects, now_ms);
}

static void
turn(struct checker *c, int64_t now_ms)
{
	enum vantage_sight before = c->vantage.sight;
	bool is_changed;

	vantage_set_consul(&c->vantage, c->env.is_consul_silent(c->env.arg));
	vantage_set_gateway(&c->vantage, c->env.is_gateway_silent(c->env.arg));
	is_changed = vantage_turn(&c->vantage, c->turn_due_ms, now_ms);
	if (count_targets(c, now_ms))
		is_changed = true;
	c->turn_due_ms = now_ms + TURN_MS;
	loop_timer_set(c->turn_timer, TURN_MS);
	/* At both ends, so that no row of results reaches over the time in between. */
	if ((before == VANTAGE_SIGHTED) != (c->vantage.sight == VANTAGE_SIGHTED)) {
		for (size_t i = 0; i < c->count; i++)
			checker_forget(
			    c->slots[i], "in doubt: this vantage did not trust its eyes");
	}
	if (is_changed)
		c->env.sighted(before, c->env.arg);
}

void
checker_turn_due(void *arg)
{
	turn(arg, clock_mono_ms());
}

void
checker_look(struct checker *c, int64_t now_ms)
{
	if (now_ms > c->turn_due_ms + TURN_MS)
		turn(c, now_ms);
}
