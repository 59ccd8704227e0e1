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
 * often. What follows the commit is output_tell.c: it goes on for the file that is in place while a
 * newer map waits, fails, or is kept out.
 *
 * The state is derived from facts (output_show), the worst first: a file that cannot be written, a
 * hold, the guard, and only then what became of the last file. A state that is set by each step was
 * tried first: it was wrong as soon as two things went on at once, a repair during a hold, say.
 */
#include "feature/output.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "feature/config.h"
#include "feature/output_impl.h"
#include "feature/template.h"
#include "io/exec.h"
#include "io/fswatch.h"
#include "io/loop.h"

#define REPAIR_PAUSE_MS 1000
#define REPAIR_MISSING_PAUSE_MS 50
/* Somebody who writes the file again and again is told of once. */
#define DRIFT_QUIET_MS 60000

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

/* The only setter of state and err. */
void
output_show(struct output *o)
{
	const struct err *e = &o->trouble;
	enum output_state state = OUTPUT_WRITTEN;

	if (o->failure.code != ERR_NONE) {
		state = OUTPUT_FAILED;
		e = &o->failure;
	} else if (o->offer.is_held) {
		state = OUTPUT_HELD;
	} else if (o->guarded != NULL) {
		state = OUTPUT_GUARDED;
		e = &o->guard_err;
	} else if (o->record.digest[0] == '\0') {
		state = OUTPUT_EMPTY;
	} else if (o->is_proven) {
		state = OUTPUT_SERVED;
	}
	if (o->state != state) {
		log_debug("output %s: %s -> %s", o->config->name, output_state_name(o->state),
		    output_state_name(state));
		o->since_wall_s = clock_wall_s();
	}
	if (e->code != ERR_NONE && strcmp(e->text, o->err.text) != 0)
		log_warning("output %s: %s", o->config->name, e->text);
	o->state = state;
	o->err = *e;
	o->env.changed(o, o->env.arg);
}

void
output_set_map(struct name_map **slot, struct name_map *m)
{
	if (m != NULL)
		name_map_ref(m);
	name_map_unref(*slot);
	*slot = m;
}

int64_t
output_back_off(int64_t *ms)
{
	int64_t now = *ms;

	*ms = now * 2 < OUTPUT_RETRY_MAX_MS ? now * 2 : OUTPUT_RETRY_MAX_MS;
	return loop_jitter(now, 0.2);
}

/* --- up to the commit ----------------------------------------------------------------------------- */

static void
fail(struct output *o, const struct err *e)
{
	o->totals.results[OUTPUT_RESULT_FAILED]++;
	file_discard(&o->stage);
	/* The same map again, unless a newer one came in the meantime. */
	if (!o->is_repair && o->offer.map == NULL)
		output_set_map(&o->offer.map, o->working);
	output_set_map(&o->working, NULL);
	o->failure = *e;
	loop_timer_set(o->retry_timer, output_back_off(&o->retry_ms));
	output_show(o);
}

static void
succeed(struct output *o)
{
	err_clear(&o->failure);
	o->retry_ms = OUTPUT_RETRY_MIN_MS;
	loop_timer_stop(o->retry_timer);
}

/* The map at work is the one in the file: whatever failed before does not matter any more. */
static void
enter(struct output *o)
{
	bool is_new = o->working != o->map;

	output_set_map(&o->map, o->working);
	output_set_map(&o->working, NULL);
	if (is_new)
		o->env.written(o, o->env.arg);
	succeed(o);
}

static void
commit(struct output *o)
{
	struct name_map *before = NULL;
	struct err e;

	if (output_file_swap(o, o->working->generation, &e) != 0) {
		fail(o, &e);
		return;
	}
	output_set_map(&before, o->map);
	enter(o);
	o->totals.results[OUTPUT_RESULT_WRITTEN]++;
	o->totals.rendered_wall_s = clock_wall_s();
	if (!o->is_repair && o->working_seen_us > 0) {
		o->seen_us = o->working_seen_us;
		o->totals.written_ms = (double)(clock_mono_us() - o->seen_us) / 1000;
	}
	output_tell_new(o, before);
	output_set_map(&before, NULL);
	output_file_sync(o);
	output_file_prune_backups(o);
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
	if (e.code != ERR_NONE) {
		fail(o, &e);
	} else {
		commit(o);
		output_go_on(o);
	}
}

/* The validator's arguments with the new file in the place of each %f. */
static void
validate(struct output *o)
{
	struct exec_spec s = { .limit_ms = o->config->limit_ms };
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
	enter(o);
	output_tell_same(o);
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
	/* An acceptance stands in the canary: without one it is a memory of an earlier day. */
	if (m->has_canary && o->offer.accepted[0] != '\0' &&
	    strcmp(o->offer.accepted, name_map_digest(m)) == 0) {
		log_info("output %s: %s was accepted by an operator", o->config->name,
		    o->offer.accepted);
		return true;
	}
	o->totals.results[OUTPUT_RESULT_GUARDED]++;
	output_set_map(&o->guarded, m);
	o->guard_err = e;
	return false;
}

/* Whether we know what belongs in the file: after a crash the state directory may be one flip behind. */
static bool
can_rewrite(const struct output *o)
{
	return o->map != NULL && o->map->generation >= o->record.generation;
}

/* Puts the map that is in force into the file again. */
static void
rewrite(struct output *o)
{
	output_set_map(&o->working, o->map);
	o->is_repair = true;
	write_working(o);
}

/* The newest map does not go in. All that can still fail is the file that is to stay. */
static void
keep(struct output *o)
{
	if (!output_file_has_drifted(o))
		succeed(o);
	output_show(o);
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
		keep(o);
		return;
	}
	o->offer.map = NULL; /* our reference goes on to working */
	if (passes_guard(o, m)) {
		output_set_map(&o->guarded, NULL);
		o->working = m;
		o->is_repair = false;
		o->working_seen_us = o->offer.seen_us;
		write_working(o);
	} else {
		name_map_unref(m);
		keep(o);
	}
	settle_worked(&o->settle, clock_mono_ms() - started_ms, clock_mono_ms());
}

void
output_go_on(struct output *o)
{
	if (o->offer.map != NULL && !loop_timer_is_set(o->settle_timer))
		process(o);
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
	if (offer->seen_us > 0)
		o->totals.seen_ms = (double)(clock_mono_us() - offer->seen_us) / 1000;
	o->retry_ms = OUTPUT_RETRY_MIN_MS;
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

	if (o->offer.map != NULL && !o->offer.is_held)
		process(o);
	else if (o->working == NULL && can_rewrite(o) && output_file_has_drifted(o))
		rewrite(o);
}

/* Puts back what somebody edited or deleted. */
static void
repair(struct output *o, const char *what)
{
	int64_t now_ms = clock_mono_ms();

	if (!can_rewrite(o)) {
		err_set(&o->failure, ERR_NOT_FOUND,
		    "%s was %s by somebody else, and the newest names are not known until Consul "
		    "answers",
		    o->config->path, what);
		output_show(o);
		return;
	}
	if (o->repaired_ms == 0 || now_ms - o->repaired_ms > DRIFT_QUIET_MS)
		log_warning("output %s: %s was %s by somebody else; written again", o->config->name,
		    o->config->path, what);
	o->totals.results[OUTPUT_RESULT_REPAIRED]++;
	o->totals.drift_wall_s = clock_wall_s();
	o->repaired_ms = now_ms;
	rewrite(o);
}

static void
drift_due(void *arg)
{
	struct output *o = arg;

	if (o->map == NULL || o->record.digest[0] == '\0')
		return; /* nothing of ours is there yet */
	if (o->working != NULL)
		/* It is about to be replaced; if it is not, after all, it has to be put back. */
		loop_timer_set(o->drift_timer, REPAIR_PAUSE_MS);
	else if (output_file_has_drifted(o))
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
	bool was_ever_written = o->record.digest[0] != '\0';

	output_set_map(&o->map, known);
	if (found == OUTPUT_FOUND_OURS) {
		o->record.is_owed = o->record.is_owed || o->record.pending_digest[0] != '\0';
		output_show(o);
		output_tell_same(o);
	} else if (was_ever_written) {
		repair(o, found == OUTPUT_FOUND_MISSING ? "deleted" : "edited");
	} else if (known != NULL) {
		rewrite(o); /* an output that is new to an agent that is not */
	}
}

struct output *
output_new(const struct config_output *c, const struct output_env *env, struct err *e)
{
	struct output *o = mem_alloc(sizeof(*o));
	char *template_path = file_join(env->template_dir, c->template);

	o->config = c;
	o->env = *env;
	o->retry_ms = o->tell_ms = OUTPUT_RETRY_MIN_MS;
	o->offer.accepted = "";
	settle_init(&o->settle, c->settle_min_ms, c->settle_max_ms);
	o->settle_timer = loop_timer_new(env->loop, settled, o);
	o->retry_timer = loop_timer_new(env->loop, retry_due, o);
	output_tell_init(o);
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
	output_tell_clear(o);
	fswatch_free(o->fswatch);
	file_discard(&o->stage);
	loop_timer_free(o->settle_timer);
	loop_timer_free(o->retry_timer);
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
	out->guard_err = o->guard_err;
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

struct name_map *
output_common_map(struct output *const *outputs, size_t count)
{
	const struct output *first = NULL;

	for (size_t i = 0; i < count; i++) {
		const struct output *o = outputs[i];

		if (o->state == OUTPUT_FAILED)
			continue;
		if (first != NULL && o->map != first->map)
			return NULL;
		first = o;
	}
	return first != NULL ? first->map : NULL;
}
