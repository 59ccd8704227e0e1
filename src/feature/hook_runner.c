/*
 * hook_runner.c: one slot a hook and kind of event. A slot holds at most one document: when a newer
 * event comes before the hook could run, the older changes are put in front of the newer ones, so
 * that no change is lost and the queue cannot grow without end (the oldest go beyond CHANGES_MAX, and
 * the document says that it was cut).
 *
 * A change is fired as soon as it is in the files, with the old state of the disk still there to find
 * it again after a crash, and then waits in its slot until it is served.
 *
 * A hook that fails is tried again with the same document, less and less often, HOOK_TRIES times in
 * all. A newer event is tried at once and has HOOK_TRIES of its own. The log has a line when a hook
 * begins to fail and one when a document is given up; why it fails is among the problems.
 */
#include "feature/hook_runner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "feature/config.h"
#include "io/exec.h"
#include "io/loop.h"

#define HOOK_TRIES 6
#define RETRY_MIN_MS 1000
#define CHANGES_MAX 10000
#define KEPT_MAX (64u << 20) /* a few hooks with all the changes they may have */

struct slot {
	json_t *document;
	uint64_t generation;
};

struct hook {
	struct hook_runner *runner;
	const struct config_hook *config;
	struct slot waiting[HOOK_EVENTS];
	struct slot running;
	enum hook_event running_event;
	struct exec *exec;
	struct loop_timer *retry_timer;
	unsigned tries;         /* of the document that runs, or ran last */
	char why[ERR_TEXT_MAX]; /* of the last failure, "" after a success */
};

struct hook_runner {
	struct loop *loop;
	char *path;
	struct hook *hooks;
	size_t count;
	bool is_served;
	bool is_dirty, is_on_disk;
};

static const char *const event_names[] = {
	[HOOK_CHANGE] = "change",
	[HOOK_PROPOSAL] = "proposal",
	[HOOK_PROBLEM] = "problem",
};

static void run_next(struct hook *h);

const char *
hook_event_name(enum hook_event e)
{
	return event_names[e];
}

static bool
is_wanted(const struct config_hook *c, enum hook_event event)
{
	for (char **on = c->on; on != NULL && *on != NULL; on++) {
		if (strcmp(*on, event_names[event]) == 0)
			return true;
	}
	return false;
}

static void
slot_clear(struct slot *s)
{
	json_decref(s->document);
	s->document = NULL;
}

/* The changes of older in front of those of newer; newer's other members stand. */
static void
merge(json_t *older, json_t *newer)
{
	json_t *changes = json_object_get(older, "changes"),
	       *more = json_object_get(newer, "changes");

	if (changes == NULL || more == NULL)
		return;
	changes = json_copy(changes);
	json_array_extend(changes, more);
	while (json_array_size(changes) > CHANGES_MAX) {
		json_array_remove(changes, 0);
		json_object_set_new(newer, "is_cut", json_true());
	}
	json_object_set_new(newer, "changes", changes);
}

static void
put_waiting(struct hook *h, enum hook_event event, uint64_t generation, json_t *document)
{
	struct slot *s = &h->waiting[event];

	if (s->document != NULL)
		merge(s->document, document);
	slot_clear(s);
	s->document = json_incref(document);
	s->generation = generation;
	h->runner->is_dirty = true;
}

static void
retry_due(void *arg)
{
	run_next(arg);
}

/* A failed run goes back to wait, in front of what came since. */
static void
run_failed(struct hook *h, const char *why)
{
	struct slot *s = &h->waiting[h->running_event];

	h->tries++;
	if (h->why[0] == '\0')
		log_warning("hook %s: %s; tried again", h->config->name, why);
	snprintf(h->why, sizeof(h->why), "%s", why);
	if (s->document != NULL) {
		merge(h->running.document, s->document);
		h->tries = 0;
	} else if (h->tries < HOOK_TRIES) {
		*s = h->running;
		h->running.document = NULL;
	} else {
		log_error("hook %s: given up on the %s of generation %llu", h->config->name,
		    event_names[h->running_event], (unsigned long long)h->running.generation);
		h->runner->is_dirty = true;
		h->tries = 0;
	}
	slot_clear(&h->running);
	loop_timer_set(h->retry_timer, loop_jitter((int64_t)RETRY_MIN_MS << h->tries, 0.2));
}

static void
run_done(const struct exec_result *r, void *arg)
{
	struct hook *h = arg;
	char shown[STR_SHOW_MAX * 4 + 4], why[ERR_TEXT_MAX];

	h->exec = NULL;
	if (r->err.code != ERR_NONE) {
		run_failed(h, r->err.text);
	} else if (r->exit_status != 0) {
		snprintf(why, sizeof(why), "ended with status %d: %s", r->exit_status,
		    str_printable(shown, sizeof(shown), r->output, r->output_len));
		run_failed(h, why);
	} else {
		h->why[0] = '\0';
		h->tries = 0;
		h->runner->is_dirty = true;
		slot_clear(&h->running);
		run_next(h);
	}
}

static void
run(struct hook *h)
{
	struct str input = STR_INIT;
	char index[64];
	const char *env[] = { index, NULL };
	struct exec_spec spec = { .argv = (const char *const *)h->config->command,
		.env = env,
		.limit_ms = h->config->limit_ms };

	snprintf(
	    index, sizeof(index), "CONSUL_INDEX=%llu", (unsigned long long)h->running.generation);
	json_write(&input, h->running.document);
	str_addc(&input, '\n');
	spec.input = input.data;
	spec.input_len = input.len;
	h->exec = exec_start(h->runner->loop, &spec, run_done, h);
	str_clear(&input);
}

static void
run_next(struct hook *h)
{
	if (h->exec != NULL)
		return;
	for (size_t i = 0; i < HOOK_EVENTS; i++) {
		if (h->waiting[i].document == NULL || (i == HOOK_CHANGE && !h->runner->is_served))
			continue;
		h->running = h->waiting[i];
		h->running_event = (enum hook_event)i;
		h->waiting[i].document = NULL;
		run(h);
		return;
	}
}

void
hook_runner_fire(
    struct hook_runner *r, enum hook_event event, uint64_t generation, json_t *document)
{
	json_object_set_new(document, "event", json_string(event_names[event]));
	json_object_set_new(document, "generation", json_integer((json_int_t)generation));
	for (size_t i = 0; i < r->count; i++) {
		struct hook *h = &r->hooks[i];

		if (!is_wanted(h->config, event))
			continue;
		/* Each hook has its own copy: merging changes it. */
		json_t *copy = json_deep_copy(document);

		put_waiting(h, event, generation, copy);
		if (h->exec == NULL)
			h->tries = 0;
		json_decref(copy);
		loop_timer_set(h->retry_timer, 0);
	}
	json_decref(document);
}

void
hook_runner_set_served(struct hook_runner *r, bool is_served)
{
	if (r->is_served == is_served)
		return;
	r->is_served = is_served;
	for (size_t i = 0; i < r->count; i++) {
		struct hook *h = &r->hooks[i];

		/* One that failed has its own time. */
		if (h->waiting[HOOK_CHANGE].document != NULL && !loop_timer_is_set(h->retry_timer))
			loop_timer_set(h->retry_timer, 0);
	}
}

/* --- on disk -------------------------------------------------------------------------------------- */

static struct hook *
find_hook(const struct hook_runner *r, const char *name)
{
	for (size_t i = 0; i < r->count; i++) {
		if (strcmp(r->hooks[i].config->name, name) == 0)
			return &r->hooks[i];
	}
	return NULL;
}

/* One event as it was kept; a hook that is not configured any more, or not for this, is passed over. */
static void
take_up(struct hook_runner *r, const json_t *kept)
{
	struct hook *h = find_hook(r, json_get_string(kept, "hook", ""));
	json_t *document = json_object_get(kept, "document");
	const char *name = json_get_string(document, "event", "");

	for (int i = 0; h != NULL && i < HOOK_EVENTS; i++) {
		enum hook_event event = (enum hook_event)i;

		if (strcmp(name, event_names[i]) != 0 || !is_wanted(h->config, event))
			continue;
		put_waiting(h, event, (uint64_t)json_get_int(document, "generation", 0), document);
		loop_timer_set(h->retry_timer, 0);
	}
}

static void
load(struct hook_runner *r, struct err *e)
{
	struct str text = STR_INIT;
	struct err why = { 0 };
	const json_t *kept;
	json_t *list = NULL;
	size_t i;

	if (file_read(r->path, KEPT_MAX, &text, &why) == 0)
		list = json_parse(text.data, text.len, r->path, &why);
	r->is_on_disk = r->is_dirty = why.code != ERR_NOT_FOUND;
	if (r->is_on_disk && e != NULL)
		*e = why;
	else
		err_clear(e);
	json_array_foreach (list, i, kept)
		take_up(r, kept);
	json_decref(list);
	str_clear(&text);
}

static void
keep(json_t *list, const struct hook *h, const struct slot *s)
{
	if (s->document != NULL)
		json_array_append_new(list,
		    json_pack("{s:s, s:O}", "hook", h->config->name, "document", s->document));
}

bool
hook_runner_is_dirty(const struct hook_runner *r)
{
	return r->is_dirty;
}

int
hook_runner_save(struct hook_runner *r, struct err *e)
{
	json_t *list = json_array();
	struct str text = STR_INIT;
	int result = 0;

	/* What runs first: taken up again, what came since is merged behind it. */
	for (size_t i = 0; i < r->count; i++) {
		keep(list, &r->hooks[i], &r->hooks[i].running);
		for (size_t k = 0; k < HOOK_EVENTS; k++)
			keep(list, &r->hooks[i], &r->hooks[i].waiting[k]);
	}
	if (json_array_size(list) > 0) {
		json_write(&text, list);
		result = file_replace(r->path, text.data, text.len, 0640, e);
	} else if (r->is_on_disk && unlink(r->path) != 0 && errno != ENOENT) {
		result = err_errno(e, "cannot remove %s", r->path);
	}
	if (result == 0) {
		r->is_on_disk = json_array_size(list) > 0;
		r->is_dirty = false;
	}
	json_decref(list);
	str_clear(&text);
	return result;
}

/* --- life ------------------------------------------------------------------------------------------ */

struct hook_runner *
hook_runner_new(struct loop *l, const struct config *config, struct err *e)
{
	struct hook_runner *r = mem_alloc(sizeof(*r));

	r->loop = l;
	r->path = file_join(config->agent.state_dir, "hooks.json");
	r->count = config->hook_count;
	r->hooks = mem_array(r->count, sizeof(*r->hooks));
	for (size_t i = 0; i < r->count; i++) {
		r->hooks[i].runner = r;
		r->hooks[i].config = &config->hooks[i];
		r->hooks[i].retry_timer = loop_timer_new(l, retry_due, &r->hooks[i]);
	}
	load(r, e);
	return r;
}

void
hook_runner_free(struct hook_runner *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < r->count; i++) {
		struct hook *h = &r->hooks[i];

		if (h->exec != NULL)
			exec_cancel(h->exec);
		loop_timer_free(h->retry_timer);
		slot_clear(&h->running);
		for (size_t k = 0; k < HOOK_EVENTS; k++)
			slot_clear(&h->waiting[k]);
	}
	free(r->hooks);
	free(r->path);
	loop_defer_free(r->loop, r);
}

const char *
hook_runner_failed(const struct hook_runner *r, size_t i, const char **why)
{
	for (size_t k = 0; k < r->count; k++) {
		if (r->hooks[k].why[0] == '\0' || i-- > 0)
			continue;
		*why = r->hooks[k].why;
		return r->hooks[k].config->name;
	}
	return NULL;
}
