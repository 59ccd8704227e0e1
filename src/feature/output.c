/*
 * output.c: what an output does with a map.
 *
 *   offer ──settle──> guard ──> render ──> validate ──> commit ──> notify ──> prove ──> landed
 *     ▲                 │          │           │           │          │         │
 *     └── a newer one   GUARDED    └───────── FAILED ──────┘     WRITTEN, owed: both again, later
 *
 * Up to the commit the newest offer wins: it replaces one that waits, and one that is with the
 * validator is followed by it. After the commit a newer offer ends the wait for the proof, because
 * the file of the newer one proves both.
 *
 * Whatever fails, the file that is in place stays, and the same map is tried again, less and less
 * often. The notification is owed (on disk, too) from the commit until the proof, or, where no proof
 * is asked for, until it was delivered.
 */
#include "feature/output.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "feature/config.h"
#include "feature/notify.h"
#include "feature/output_impl.h"
#include "feature/prove.h"
#include "feature/template.h"
#include "io/exec.h"
#include "io/fswatch.h"
#include "io/loop.h"

#define RETRY_MIN_MS 500
#define RETRY_MAX_MS 30000
/* A resolver that was restarted, or lost its file, is found within this time. */
#define PROOF_AGAIN_MS 30000
#define REPAIR_PAUSE_MS 1000
#define REPAIR_MISSING_PAUSE_MS 50

static void process(struct output *o);
static void tell(struct output *o);

const char *
output_state_name(enum output_state s)
{
	static const char *const names[] = {
		[OUTPUT_EMPTY] = "empty",
		[OUTPUT_WRITTEN] = "written",
		[OUTPUT_SERVED] = "served",
		[OUTPUT_GUARDED] = "guarded",
		[OUTPUT_HELD] = "held",
		[OUTPUT_FAILED] = "failed",
	};

	return names[s];
}

const char *
output_result_name(enum output_result r)
{
	static const char *const names[] = {
		[OUTPUT_RESULT_WRITTEN] = "written",
		[OUTPUT_RESULT_UNCHANGED] = "unchanged",
		[OUTPUT_RESULT_GUARDED] = "guarded",
		[OUTPUT_RESULT_FAILED] = "failed",
		[OUTPUT_RESULT_REPAIRED] = "repaired",
	};

	return names[r];
}

/* The only setter of state and err; e NULL: as good as it gets. */
static void
set_state(struct output *o, enum output_state state, const struct err *e)
{
	if (o->state != state) {
		log_debug("output %s: %s -> %s", o->config->name, output_state_name(o->state),
		    output_state_name(state));
		o->since_wall_s = clock_wall_s();
	}
	if (e != NULL && strcmp(e->text, o->err.text) != 0)
		log_warning("output %s: %s", o->config->name, e->text);
	o->state = state;
	o->err = e != NULL ? *e : (struct err){ 0 };
	o->env.changed(o, o->env.arg);
}

/*
 * A step on the way of the file: seen in the state, unless the guard or a hold is what the operator
 * has to see (a file put back while they are in force goes this way, too).
 */
static void
progress(struct output *o, enum output_state state, const struct err *e)
{
	if (o->guarded != NULL || o->offer.is_held)
		o->env.changed(o, o->env.arg);
	else
		set_state(o, state, e);
}

static void
set_map(struct name_map **slot, struct name_map *m)
{
	if (m != NULL)
		name_map_ref(m);
	name_map_unref(*slot);
	*slot = m;
}

static void
retry_later(struct output *o)
{
	loop_timer_set(o->retry_timer, loop_jitter(o->retry_ms, 0.2));
	o->retry_ms = o->retry_ms * 2 < RETRY_MAX_MS ? o->retry_ms * 2 : RETRY_MAX_MS;
}

static double
since_seen_ms(const struct output *o)
{
	return (double)(clock_mono_us() - o->seen_us) / 1000;
}

/* --- after the commit: notify, prove ------------------------------------------------------------- */

static void
land(struct output *o)
{
	if (o->record.is_owed)
		output_file_settle_debt(o);
	o->retry_ms = RETRY_MIN_MS;
	loop_timer_stop(o->retry_timer);
	if (o->served != o->record.generation && o->seen_us > 0)
		o->totals.served_ms = since_seen_ms(o);
	o->served = o->record.generation;
	progress(o, o->config->prove != NULL ? OUTPUT_SERVED : OUTPUT_WRITTEN, NULL);
	if (o->config->prove != NULL)
		loop_timer_set(o->proof_timer, loop_jitter(PROOF_AGAIN_MS, 0.2));
	o->env.landed(o, o->env.arg);
	o->seen_us = 0;
	output_file_prune_backups(o);
}

static void
proof_came(const struct err *e, void *arg)
{
	struct output *o = arg;
	bool was_served = !o->record.is_owed;

	if (e->code == ERR_NONE) {
		prover_cancel(o->prover);
		o->prover = NULL;
		land(o);
		return;
	}
	if (was_served)
		o->record.is_owed = true;
	/* The first answers after a notification are often still the old ones; that is no news. */
	if (clock_mono_ms() - o->notified_ms < RETRY_MIN_MS && !was_served)
		return;
	/* That nobody could be told explains it better than the old answer does. */
	if (!o->is_notify_failing)
		progress(o, OUTPUT_WRITTEN, e);
	if (!loop_timer_is_set(o->retry_timer) && o->notify == NULL)
		retry_later(o);
}

/* One name whose answer must have changed, when the generation alone does not tell the files apart. */
static void
prove(struct output *o, const struct name_map *before)
{
	struct proof p = { .server = o->config->prove, .generation = o->record.generation };
	struct name_change *changes = NULL;
	char fqdn[2 * NAME_SIZE];

	if (before != NULL && before != o->map && before->generation == o->map->generation &&
	    name_map_diff(before, o->map, &changes) > 0) {
		const struct name *n =
		    changes[0].after != NULL ? changes[0].after : changes[0].before;

		snprintf(fqdn, sizeof(fqdn), "%s%s%s", n->name, o->env.domain[0] != '\0' ? "." : "",
		    o->env.domain);
		p.fqdn = fqdn;
		p.expected = changes[0].after;
	}
	prover_cancel(o->prover);
	o->prover = prover_start(o->env.loop, &p, proof_came, o);
	free(changes);
}

static void
notify_done(const struct err *e, void *arg)
{
	struct output *o = arg;

	o->notify = NULL;
	o->is_notify_failing = e->code != ERR_NONE;
	if (o->is_notify_failing) {
		progress(o, o->state == OUTPUT_SERVED ? OUTPUT_WRITTEN : o->state, e);
		retry_later(o);
	} else if (o->config->prove == NULL) {
		land(o);
	} else if (o->prover == NULL) {
		prove(o, NULL);
	}
	if (o->offer.map != NULL && !loop_timer_is_set(o->settle_timer))
		process(o);
}

/* Tells the reader of the file, and asks for the proof at the same time. */
static void
tell(struct output *o)
{
	o->notified_ms = clock_mono_ms();
	if (notify_is_wanted(o->config)) {
		if (o->notify == NULL)
			o->notify = notify_start(o->env.loop, o->config, notify_done, o);
	} else if (o->config->prove == NULL) {
		land(o);
	}
}

/* --- up to the commit ----------------------------------------------------------------------------- */

static void
fail(struct output *o, const struct err *e)
{
	o->totals.results[OUTPUT_RESULT_FAILED]++;
	file_discard(&o->stage);
	/* The same map again, unless a newer one came in the meantime. */
	if (o->offer.map == NULL)
		set_map(&o->offer.map, o->working);
	set_map(&o->working, NULL);
	set_state(o, OUTPUT_FAILED, e);
	retry_later(o);
}

static void
commit(struct output *o)
{
	struct name_map *before = o->map;
	struct err e;

	if (output_file_commit(o, o->working->generation, &e) != 0) {
		fail(o, &e);
		return;
	}
	o->map = o->working;
	o->working = NULL;
	o->retry_ms = RETRY_MIN_MS;
	o->totals.results[OUTPUT_RESULT_WRITTEN]++;
	o->totals.rendered_wall_s = clock_wall_s();
	o->totals.written_ms = since_seen_ms(o);
	loop_timer_stop(o->proof_timer);
	loop_timer_stop(o->retry_timer);
	progress(o, OUTPUT_WRITTEN, NULL);
	if (o->config->prove != NULL && o->config->command == NULL)
		prove(o, before);
	tell(o);
	name_map_unref(before);
}

static void
validated(const struct exec_result *r, void *arg)
{
	struct output *o = arg;
	char shown[STR_SHOW_MAX * 4 + 4];
	struct err e = r->err;

	o->validator = NULL;
	if (e.code == ERR_NONE && r->exit_status != 0)
		err_set(&e, ERR_CONFIG, "validate refused the new file with status %d: %s",
		    r->exit_status, str_printable(shown, sizeof(shown), r->output, r->output_len));
	if (e.code != ERR_NONE)
		fail(o, &e);
	else
		commit(o);
	if (o->offer.map != NULL && e.code == ERR_NONE && !loop_timer_is_set(o->settle_timer))
		process(o);
}

/* The validator's arguments with the new file in the place of each %f. */
static void
validate(struct output *o)
{
	const struct exec_spec spec = { .limit_ms = o->config->limit_ms };
	struct exec_spec s = spec;
	const char **argv;
	size_t n = 0;

	while (o->config->validate[n] != NULL)
		n++;
	argv = mem_array(n + 1, sizeof(*argv));
	for (size_t i = 0; i < n; i++) {
		const char *a = o->config->validate[i];

		argv[i] = strcmp(a, "%f") == 0 ? o->stage.temp_path : a;
	}
	s.argv = argv;
	o->validator = exec_start(o->env.loop, &s, validated, o);
	free(argv);
}

/* The same bytes are in the file already: nothing to write, perhaps still something to tell. */
static void
pass_unchanged(struct output *o)
{
	o->totals.results[OUTPUT_RESULT_UNCHANGED]++;
	o->record.generation = o->working->generation;
	set_map(&o->map, o->working);
	set_map(&o->working, NULL);
	loop_timer_stop(o->retry_timer);
	if (o->record.is_owed || o->config->prove != NULL) {
		progress(o, o->state == OUTPUT_SERVED ? OUTPUT_SERVED : OUTPUT_WRITTEN, NULL);
		if (o->config->prove != NULL && o->prover == NULL)
			prove(o, NULL);
		if (o->record.is_owed)
			tell(o);
	} else {
		land(o);
	}
}

static void
write_working(struct output *o)
{
	struct str text = STR_INIT;
	struct err e;

	if (output_file_render(o, o->working, &text, &e) != 0) {
		fail(o, &e);
	} else if (strcmp(o->new_digest, o->record.digest) == 0 && !output_file_has_drifted(o)) {
		pass_unchanged(o);
	} else if (file_stage(&o->stage, o->config->path, str_text(&text), text.len,
		       o->config->mode, &e) != 0) {
		fail(o, &e);
	} else if (o->config->validate != NULL) {
		validate(o);
	} else {
		commit(o);
	}
	str_clear(&text);
}

/* Whether the guard lets the offered map pass, by its numbers or because a person said so. */
static bool
passes_guard(struct output *o, struct name_map *m)
{
	const struct guard_limits limits = { .max_removal = o->config->max_removal };
	struct err e;

	if (guard_check(&limits, o->map, m, o->offer.was_canary_seen, &e) == 0)
		return true;
	if (o->offer.accepted[0] != '\0' && strcmp(o->offer.accepted, name_map_digest(m)) == 0) {
		log_info("output %s: %s was accepted by an operator", o->config->name,
		    o->offer.accepted);
		return true;
	}
	o->totals.results[OUTPUT_RESULT_GUARDED]++;
	set_map(&o->guarded, m);
	set_state(o, OUTPUT_GUARDED, &e);
	return false;
}

static void
process(struct output *o)
{
	struct name_map *m = o->offer.map;
	int64_t started_ms = clock_mono_ms();

	loop_timer_stop(o->settle_timer);
	settle_flush(&o->settle);
	if (m == NULL || o->validator != NULL || o->notify != NULL)
		return; /* their end comes here again */
	if (o->offer.is_held) {
		set_state(o, OUTPUT_HELD, NULL);
		return;
	}
	o->offer.map = NULL; /* our reference goes on to working */
	if (passes_guard(o, m)) {
		set_map(&o->guarded, NULL);
		o->working = m;
		o->seen_us = o->offer.seen_us;
		prover_cancel(o->prover);
		o->prover = NULL;
		write_working(o);
	} else {
		name_map_unref(m);
	}
	settle_worked(&o->settle, clock_mono_ms() - started_ms, clock_mono_ms());
}

static void
settled(void *arg)
{
	process(arg);
}

void
output_offer(struct output *o, const struct output_offer *offer)
{
	int64_t delay;

	name_map_ref(offer->map);
	name_map_unref(o->offer.map);
	o->offer = *offer;
	o->totals.seen_ms = (double)(clock_mono_us() - offer->seen_us) / 1000;
	if (o->state == OUTPUT_FAILED)
		o->retry_ms = RETRY_MIN_MS;
	delay = settle_change(&o->settle, clock_mono_ms());
	if (delay == 0)
		process(o);
	else
		loop_timer_set(o->settle_timer, delay);
}

/* --- timers and the file watch -------------------------------------------------------------------- */

static void
retry_due(void *arg)
{
	struct output *o = arg;

	if (o->offer.map != NULL)
		process(o);
	else if (o->record.is_owed)
		tell(o);
}

static void
proof_due(void *arg)
{
	struct output *o = arg;

	if (o->prover == NULL)
		prove(o, NULL);
}

/* Puts back what somebody edited or deleted. */
static void
repair(struct output *o, const char *what)
{
	log_warning("output %s: %s was %s by somebody else; written again", o->config->name,
	    o->config->path, what);
	o->totals.results[OUTPUT_RESULT_REPAIRED]++;
	o->totals.drift_wall_s = clock_wall_s();
	o->repaired_ms = clock_mono_ms();
	set_map(&o->working, o->map);
	o->seen_us = clock_mono_us();
	write_working(o);
}

static void
drift_due(void *arg)
{
	struct output *o = arg;

	if (o->map == NULL || o->validator != NULL || o->working != NULL)
		return; /* nothing of ours is there yet, or is just being replaced */
	if (output_file_has_drifted(o))
		repair(o, "edited or deleted");
}

/*
 * At most once a second: somebody else's program may write the same file all the time. A file that
 * is missing cannot wait that long: at its next signal the reader would forget every name.
 */
static void
file_changed(void *arg)
{
	struct output *o = arg;
	bool is_missing = access(o->config->path, F_OK) != 0;
	int64_t pause_ms = is_missing ? REPAIR_MISSING_PAUSE_MS : REPAIR_PAUSE_MS;
	int64_t rest = o->repaired_ms + pause_ms - clock_mono_ms();

	if (o->repaired_ms == 0 || rest <= 0)
		drift_due(o);
	else
		loop_timer_set(o->drift_timer, rest);
}

/* --- life ------------------------------------------------------------------------------------------ */

void
output_start(struct output *o, struct name_map *known)
{
	enum output_found found = output_file_adopt(o);

	set_map(&o->map, known);
	if (found == OUTPUT_FOUND_OURS) {
		o->record.is_owed = o->record.is_owed || o->record.pending_digest[0] != '\0';
		set_state(o, OUTPUT_WRITTEN, NULL);
		if (o->config->prove != NULL)
			prove(o, NULL);
		if (o->record.is_owed)
			tell(o);
	} else if (known == NULL) {
		return; /* a new agent: the first offer fills or replaces it */
	} else if (known->generation >= o->record.generation) {
		repair(o, found == OUTPUT_FOUND_MISSING ? "deleted" : "edited");
	} else {
		/* What we know is older than what the file was: only Consul can mend this. */
		log_warning("output %s: %s was changed by somebody else; waiting for Consul",
		    o->config->name, o->config->path);
	}
}

struct output *
output_new(const struct config_output *c, const struct output_env *env, struct err *e)
{
	struct output *o = mem_alloc(sizeof(*o));
	char *template_path = file_join(env->template_dir, c->template);

	o->config = c;
	o->env = *env;
	o->retry_ms = RETRY_MIN_MS;
	o->offer.accepted = "";
	settle_init(&o->settle, c->settle_min_ms, c->settle_max_ms);
	o->settle_timer = loop_timer_new(env->loop, settled, o);
	o->retry_timer = loop_timer_new(env->loop, retry_due, o);
	o->proof_timer = loop_timer_new(env->loop, proof_due, o);
	o->drift_timer = loop_timer_new(env->loop, drift_due, o);
	o->record_path = record_path(env->state_dir, c->name);
	o->template = template_load(template_path, c->escape, TEMPLATE_STRICT, e);
	free(template_path);
	if (o->template == NULL || template_check(o->template, e) != 0)
		goto fail;
	o->fswatch = fswatch_new(env->loop, c->path, file_changed, o, e);
	if (o->fswatch == NULL)
		goto fail;
	return o;
fail:
	err_wrap(e, "output %s", c->name);
	output_free(o);
	return NULL;
}

void
output_free(struct output *o)
{
	if (o == NULL)
		return;
	if (o->validator != NULL)
		exec_cancel(o->validator);
	if (o->notify != NULL)
		notify_cancel(o->notify);
	prover_cancel(o->prover);
	fswatch_free(o->fswatch);
	file_discard(&o->stage);
	loop_timer_free(o->settle_timer);
	loop_timer_free(o->retry_timer);
	loop_timer_free(o->proof_timer);
	loop_timer_free(o->drift_timer);
	template_free(o->template);
	name_map_unref(o->offer.map);
	name_map_unref(o->working);
	name_map_unref(o->map);
	name_map_unref(o->guarded);
	free(o->record_path);
	loop_defer_free(o->env.loop, o);
}

void
output_report(const struct output *o, struct output_report *out)
{
	*out = o->totals;
	out->config = o->config;
	out->state = o->state;
	out->generation = o->record.generation;
	out->served = o->served;
	strcpy(out->digest, o->record.digest);
	out->since_wall_s = o->since_wall_s;
	out->err = o->err;
	out->is_owed = o->record.is_owed;
}

struct name_map *
output_map(const struct output *o)
{
	return o->map;
}

struct name_map *
output_guarded_map(const struct output *o)
{
	return o->guarded;
}
