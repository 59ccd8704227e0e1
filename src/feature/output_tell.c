/*
 * output_tell.c: what an output does after the commit, for the file that is in place.
 *
 *   commit ──> notify ──> prove ──> landed ──> (every half a minute) prove
 *                 ▲  └──────┤                             │
 *                 └─ owed ──┘ <───────────────────────────┘
 *
 * The notification is owed (on disk, too) from the commit until the proof, or, where no proof is
 * asked for, until it was delivered. A signal is proven while it is on its way, a command when it has
 * ended. A newer file ends all of this, because its own proof is good for both; a newer map that
 * cannot be written does not.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "feature/config.h"
#include "feature/notify.h"
#include "feature/output_impl.h"
#include "feature/prove.h"
#include "io/loop.h"

/* A resolver that was restarted, or lost its file, is found within this time. */
#define PROOF_AGAIN_MS 30000

static void tell(struct output *o);

static void
cancel_proof(struct output *o)
{
	prover_cancel(o->prover);
	o->prover = NULL;
	loop_timer_stop(o->proof_timer);
}

static void
tell_later(struct output *o)
{
	loop_timer_set(o->tell_timer, output_back_off(&o->tell_ms));
}

static void
land(struct output *o)
{
	bool is_flip = o->seen_us > 0;

	if (o->record.is_owed)
		output_file_settle_debt(o);
	err_clear(&o->trouble);
	o->is_proven = o->config->prove != NULL;
	o->is_notify_failing = false;
	o->tell_ms = OUTPUT_RETRY_MIN_MS;
	loop_timer_stop(o->tell_timer);
	if (o->is_proven)
		loop_timer_set(o->proof_timer, loop_jitter(PROOF_AGAIN_MS, 0.2));
	o->served = o->record.generation;
	output_set_map(&o->told_before, NULL);
	if (is_flip)
		o->totals.served_ms = (double)(clock_mono_us() - o->seen_us) / 1000;
	o->seen_us = 0;
	output_show(o);
	if (is_flip)
		o->env.landed(o, o->env.arg);
}

static void
proof_came(const struct err *e, void *arg)
{
	struct output *o = arg;

	if (e->code == ERR_NONE) {
		cancel_proof(o);
		land(o);
		return;
	}
	/* The first answers after a notification are often still the old ones; that is no news. */
	if (o->record.is_owed && clock_mono_ms() - o->notified_ms < OUTPUT_RETRY_MIN_MS)
		return;
	o->record.is_owed = true;
	o->is_proven = false;
	/* That nobody could be told explains it better than the old answer does. */
	if (!o->is_notify_failing)
		o->trouble = *e;
	if (!loop_timer_is_set(o->tell_timer) && o->notify == NULL)
		tell_later(o);
	output_show(o);
}

/* One name whose answer must have changed, when the generation alone does not tell the files apart. */
static void
prove(struct output *o)
{
	const struct name_map *before = o->told_before;
	struct proof p = { .server = o->config->prove, .generation = o->record.generation };
	struct name_change *changes = NULL;
	char fqdn[2 * NAME_SIZE];

	if (before != NULL && before->generation == o->map->generation &&
	    name_map_diff(before, o->map, &changes) > 0) {
		const struct name *n =
		    changes[0].after != NULL ? changes[0].after : changes[0].before;

		snprintf(fqdn, sizeof(fqdn), "%s%s%s", n->name, o->env.domain[0] != '\0' ? "." : "",
		    o->env.domain);
		p.fqdn = fqdn;
		p.expected = changes[0].after;
	}
	cancel_proof(o);
	o->prover = prover_start(o->env.loop, &p, proof_came, o);
	free(changes);
}

static void
notify_done(const struct err *e, void *arg)
{
	struct output *o = arg;

	o->notify = NULL;
	if (o->is_notify_late) {
		o->is_notify_late = false;
		tell(o);
		return;
	}
	o->is_notify_failing = e->code != ERR_NONE && o->record.is_owed;
	if (o->is_notify_failing) {
		o->is_proven = false;
		o->trouble = *e;
		tell_later(o);
		output_show(o);
	} else if (o->config->prove == NULL) {
		land(o);
	} else if (o->prover == NULL && o->record.is_owed) {
		prove(o);
	}
	output_go_on(o);
}

static void
tell(struct output *o)
{
	o->notified_ms = clock_mono_ms();
	if (!notify_is_wanted(o->config)) {
		if (o->config->prove == NULL)
			land(o);
	} else if (o->notify != NULL) {
		o->is_notify_late = true; /* the child may have read the file before this one */
	} else {
		o->notify = notify_start(o->env.loop, o->config, notify_done, o);
	}
}

static void
tell_due(void *arg)
{
	struct output *o = arg;

	if (o->record.is_owed)
		tell(o);
}

static void
proof_due(void *arg)
{
	prove(arg);
}

void
output_tell_init(struct output *o)
{
	o->tell_timer = loop_timer_new(o->env.loop, tell_due, o);
	o->proof_timer = loop_timer_new(o->env.loop, proof_due, o);
}

void
output_tell_clear(struct output *o)
{
	if (o->notify != NULL)
		notify_cancel(o->notify);
	prover_cancel(o->prover);
	loop_timer_free(o->tell_timer);
	loop_timer_free(o->proof_timer);
	name_map_unref(o->told_before);
}

void
output_tell_new(struct output *o, struct name_map *before)
{
	cancel_proof(o);
	loop_timer_stop(o->tell_timer);
	o->tell_ms = OUTPUT_RETRY_MIN_MS;
	o->is_proven = false;
	err_clear(&o->trouble);
	if (o->told_before == NULL && before != o->map)
		output_set_map(&o->told_before, before);
	output_show(o);
	/* In this order: a question before the signal would only get the old answer. */
	tell(o);
	if (o->config->prove != NULL && o->config->command == NULL)
		prove(o);
}

void
output_tell_same(struct output *o)
{
	output_show(o);
	if (o->config->prove != NULL)
		prove(o);
	if (o->record.is_owed)
		tell(o);
	else if (o->config->prove == NULL)
		land(o);
}
