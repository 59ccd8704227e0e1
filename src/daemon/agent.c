/*
 * agent.c: puts the parts together, and does what follows from a flip a moment later, off its way:
 * the good map, problems, publishing, the state on disk.
 */
#include "daemon/agent.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/changes.h"
#include "daemon/checks.h"
#include "daemon/pages.h"
#include "daemon/report.h"
#include "feature/state_dir.h"
#include "io/httpd.h"
#include "io/loop.h"

#define SELF_RETRY_MS 1000
/* Problems that come or go by time alone (drift that is shown for a while) are looked for this often. */
#define REFRESH_MS 10000
/* A state that a proof replaces within milliseconds is not worth a write to Consul. */
#define REFRESH_SOON_MS 20
#define SAVE_QUIET_MS 1000
#define SAVE_MAX_MS 10000

const double agent_flip_bounds[AGENT_FLIP_BUCKETS] = { .001, .002, .005, .01, .025, .05, .1, .25, 1,
	5 };

/* --- what follows a flip -------------------------------------------------------------------------- */

static void
fire_changes(
    struct agent *a, const struct name_map *after, const struct name_change *changes, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, report_change(&changes[i]));
	hook_runner_fire(a->hooks, HOOK_CHANGE, after->generation,
	    json_pack("{s:s, s:o}", "node", a->node, "changes", list));
}

static void
tell_changes(struct agent *a, const struct name_map *before, const struct name_map *after)
{
	struct name_change *changes;
	size_t count;

	/* What the first map of a new agent has is new to the agent and to nobody else. */
	if ((a->config->hook_count == 0 && a->changes == NULL) || before == NULL)
		return;
	count = name_map_diff(before, after, &changes);
	if (count > 0 && a->config->hook_count > 0)
		fire_changes(a, after, changes, count);
	if (a->changes != NULL)
		changes_note(a->changes, a->store, after, changes, count);
	free(changes);
}

/* Not the newest map: while flips come all the time, there is always a newer one on its way. */
static void
settle_good(struct agent *a)
{
	struct name_map *m = output_common_map(a->outputs, a->output_count);

	if (m == NULL || m == store_good_map(a->store))
		return;
	tell_changes(a, store_good_map(a->store), m);
	store_set_good(a->store, m);
	if (a->dirty_since_ms == 0)
		a->dirty_since_ms = clock_mono_ms();
	if (clock_mono_ms() - a->dirty_since_ms < SAVE_MAX_MS)
		loop_timer_set(a->save_timer, SAVE_QUIET_MS);
}

/* Hooks are told of what is served, not of what is only in the files. */
static void
release_hooks(struct agent *a)
{
	bool is_served = true;

	for (size_t i = 0; i < a->output_count; i++) {
		struct output_report r;

		output_report(a->outputs[i], &r);
		is_served = is_served && !r.is_owed;
	}
	hook_runner_set_served(a->hooks, is_served);
	if (hook_runner_is_dirty(a->hooks) && !loop_timer_is_set(a->save_timer))
		loop_timer_set(a->save_timer, SAVE_QUIET_MS);
}

/* The hooks first: once the state has a change, only their file still knows that it was not told. */
static int
save_all(struct agent *a, struct err *e)
{
	int result = 0;

	if (hook_runner_is_dirty(a->hooks))
		result = hook_runner_save(a->hooks, e);
	if (store_is_dirty(a->store) && store_save(a->store, e) != 0)
		result = -1;
	return result;
}

static void
save(struct agent *a)
{
	if (!store_is_dirty(a->store) && !hook_runner_is_dirty(a->hooks))
		return;
	a->dirty_since_ms = 0;
	if (save_all(a, &a->save_err) == 0)
		err_clear(&a->save_err);
	else
		loop_timer_set(a->save_timer, SAVE_MAX_MS);
	loop_timer_set(a->refresh_timer, 0);
}

static void
save_due(void *arg)
{
	save(arg);
}

/* Looks for problems again; tells of new ones once, and once when all are gone. */
static void
refresh_problems(struct agent *a)
{
	uint64_t generation = a->offered != NULL ? a->offered->generation : 0;
	bool is_told = false;
	struct problems now;

	problems_collect(a, &now);
	for (size_t i = 0; i < now.count; i++) {
		const struct problem *p = &now.list[i];

		if (problems_has(&a->problems, p->what))
			continue;
		is_told = true;
		log_warning("%s (why: %s; do: %s)", p->what, p->why, p->todo);
	}
	if (now.count == 0 && a->problems.count > 0) {
		is_told = true;
		log_info("no problem any more");
	}
	if (is_told)
		hook_runner_fire(a->hooks, HOOK_PROBLEM, generation,
		    json_pack("{s:s, s:o}", "node", a->node, "problems", problems_to_json(&now)));
	problems_clear(&a->problems);
	a->problems = now;
}

static void
refresh_due(void *arg)
{
	struct agent *a = arg;

	settle_good(a);
	refresh_problems(a);
	release_hooks(a);
	publisher_touch(a->publisher);
	loop_timer_set(a->refresh_timer, REFRESH_MS);
	a->is_refresh_near = false;
}

/* Not later for being asked for again and again. */
void
agent_refresh_soon(struct agent *a)
{
	if (!a->is_refresh_near)
		loop_timer_set(a->refresh_timer, REFRESH_SOON_MS);
	a->is_refresh_near = true;
}

static void
output_changed(struct output *o, void *arg)
{
	(void)o;
	agent_refresh_soon(arg);
}

/* At once: an answer in which its node is missing may come before the next turn of the loop is over. */
static void
output_written(struct output *o, void *arg)
{
	struct agent *a = arg;

	store_set_base(a->store, output_map(o));
}

static void
output_landed(struct output *o, void *arg)
{
	struct agent *a = arg;
	struct output_report r;
	double s;
	size_t i = 0;

	output_report(o, &r);
	log_debug(
	    "output %s: generation %llu landed", r.config->name, (unsigned long long)r.served);
	s = r.served_ms / 1000;
	while (i < AGENT_FLIP_BUCKETS && s > agent_flip_bounds[i])
		i++;
	a->flip_counts[i]++;
	a->flip_sum_s += s;
	loop_timer_set(a->refresh_timer, 0);
}

/* --- who we are ----------------------------------------------------------------------------------- */

static void
write_document(struct str *out, void *arg)
{
	report_add_document(arg, out);
}

static void
make_publisher(struct agent *a)
{
	char *tail = mem_printf("agents/%s", a->node), *key = config_key(a->config, tail);
	char *path = file_join(a->config->agent.state_dir, "session");
	const struct publisher_env env = { a->loop, a->kv, key, path, write_document,
		agent_note_aside, a };

	publisher_free(a->publisher);
	a->publisher = publisher_new(&env);
	if (a->is_node_known)
		publisher_start(a->publisher);
	free(tail);
	free(key);
	free(path);
}

static void
self_done(struct kv_answer *answer, void *arg)
{
	struct agent *a = arg;
	char node[NAME_SIZE];
	struct err e = answer->err;

	a->self_call = NULL;
	agent_note_aside(&answer->err, a);
	if (e.code == ERR_NONE && node_parse(answer->text, strlen(answer->text), node, &e) == 0) {
		strcpy(a->node, node);
	} else if (e.code != ERR_DENIED && answer->err.code != ERR_NONE) {
		loop_timer_set(a->self_timer, SELF_RETRY_MS);
		return;
	} else {
		log_warning(
		    "cannot use the Consul agent's node name, using %s: %s", a->node, e.text);
	}
	a->is_node_known = true;
	make_publisher(a);
	if (a->checks != NULL)
		checks_node_known(a->checks);
}

static void
ask_self(void *arg)
{
	struct agent *a = arg;

	a->self_call = kv_self(a->kv, self_done, a);
}

/* Until Consul says its node's name, the host's own is used (and never published). */
static void
name_node(struct agent *a)
{
	char host[HOST_NAME_MAX + 1] = "";

	if (a->config->agent.node != NULL) {
		snprintf(a->node, sizeof(a->node), "%s", a->config->agent.node);
		a->is_node_known = true;
		return;
	}
	gethostname(host, sizeof(host) - 1);
	if (node_parse(host, strlen(host), a->node, NULL) != 0)
		strcpy(a->node, "localhost");
}

/* --- life ------------------------------------------------------------------------------------------ */

static int
make_outputs(struct agent *a, struct err *e)
{
	const struct config *c = a->config;
	const struct output_env env = { a->loop, a->node, c->agent.domain, c->agent.template_dir,
		c->agent.state_dir, output_changed, output_written, output_landed, a };

	a->outputs = mem_array(c->output_count, sizeof(struct output *));
	for (size_t i = 0; i < c->output_count; i++) {
		a->outputs[i] = output_new(&c->outputs[i], &env, e);
		if (a->outputs[i] == NULL)
			return -1;
		a->output_count++;
	}
	return 0;
}

static void
ignore(struct output *o, void *arg)
{
	(void)o;
	(void)arg;
}

int
agent_check(struct loop *l, const struct config *c, struct err *e)
{
	const struct output_env env = { l, "", c->agent.domain, c->agent.template_dir,
		c->agent.state_dir, ignore, ignore, ignore, NULL };
	struct kv_config config;
	struct kv *kv;

	config_kv(c, &config);
	if ((kv = kv_new(l, &config, e)) == NULL)
		return -1;
	kv_free(kv);
	for (size_t i = 0; i < c->output_count; i++) {
		struct output *o = output_new(&c->outputs[i], &env, e);

		if (o == NULL)
			return -1;
		output_free(o);
	}
	return 0;
}

static int
make_parts(struct agent *a, struct err *e)
{
	const struct config *c = a->config;
	struct kv_config kv;
	struct err lost;

	if ((a->state_lock = state_dir_open(c->agent.state_dir, 0, e)) < 0)
		return -1;
	a->hooks = hook_runner_new(a->loop, c, &lost);
	if (lost.code != ERR_NONE)
		log_warning("events that waited for their hooks are lost: %s", lost.text);
	config_kv(c, &kv);
	if ((a->kv = kv_new(a->loop, &kv, e)) == NULL)
		return -1;
	a->store = store_new(c, &a->state_err);
	if (make_outputs(a, e) != 0)
		return -1;
	if (c->agent.http[0] != '\0') {
		a->httpd = httpd_new(a->loop, c->agent.http, NULL, pages_get, a, e);
		if (a->httpd == NULL)
			return err_wrap(e, "agent.http");
	}
	agent_make_watches(a);
	make_publisher(a);
	if (c->agent.is_vantage) {
		a->checks = checks_new(a);
		a->changes = changes_new();
	}
	return 0;
}

struct agent *
agent_new(struct loop *l, struct config *config, struct err *e)
{
	struct agent *a = mem_alloc(sizeof(*a));

	a->loop = l;
	a->config = config;
	a->state_lock = -1;
	a->started_ms = clock_mono_ms();
	a->started_wall_s = clock_wall_s();
	a->refresh_timer = loop_timer_new(l, refresh_due, a);
	a->save_timer = loop_timer_new(l, save_due, a);
	a->hold_timer = loop_timer_new(l, agent_hold_due, a);
	a->self_timer = loop_timer_new(l, ask_self, a);
	name_node(a);
	if (make_parts(a, e) != 0) {
		a->config = NULL; /* the caller keeps it */
		agent_free(a);
		return NULL;
	}
	return a;
}

void
agent_start(struct agent *a, struct checker *checker)
{
	struct name_map *known = store_map(a->store);

	for (size_t i = 0; i < a->output_count; i++)
		output_start(a->outputs[i], known);
	for (size_t i = 0; i < a->watch_count; i++)
		watch_start(a->watches[i]);
	agent_read_hold(a);
	if (!a->is_node_known)
		ask_self(a);
	if (a->checks != NULL)
		checks_start(a->checks, checker);
	else
		checker_free(checker);
	loop_timer_set(a->refresh_timer, 0);
}

struct checker *
agent_take_checker(struct agent *a)
{
	return a->checks != NULL ? checks_take_checker(a->checks) : NULL;
}

void
agent_refuse_reload(struct agent *a, const char *why)
{
	err_set(&a->reload_err, ERR_CONFIG, "%s", why);
	loop_timer_set(a->refresh_timer, 0);
}

/* Hooks that ended while the session did are not told again. */
static void
left(void *arg)
{
	struct agent *a = arg;

	if (--a->sessions_to_end > 0)
		return;
	save(a);
	a->done(a->done_arg);
}

void
agent_finish(struct agent *a, void (*done)(void *arg), void *arg)
{
	a->done = done;
	a->done_arg = arg;
	save(a);
	a->sessions_to_end = 1 + (a->checks != NULL);
	publisher_finish(a->publisher, left, a);
	if (a->checks != NULL)
		checks_finish(a->checks, left, a);
}

void
agent_free(struct agent *a)
{
	if (a == NULL)
		return;
	httpd_free(a->httpd);
	for (size_t i = 0; i < a->watch_count; i++)
		watch_free(a->watches[i]);
	for (size_t i = 0; i < a->output_count; i++)
		output_free(a->outputs[i]);
	publisher_free(a->publisher);
	checks_free(a->checks);
	changes_free(a->changes);
	hook_runner_free(a->hooks);
	if (a->hold_call != NULL)
		kv_cancel(a->hold_call);
	if (a->self_call != NULL)
		kv_cancel(a->self_call);
	loop_timer_free(a->refresh_timer);
	loop_timer_free(a->save_timer);
	loop_timer_free(a->hold_timer);
	loop_timer_free(a->self_timer);
	problems_clear(&a->problems);
	name_map_unref(a->offered);
	store_free(a->store);
	state_dir_close(a->state_lock);
	kv_free(a->kv);
	free(a->outputs);
	config_free(a->config);
	loop_defer_free(a->loop, a);
}
