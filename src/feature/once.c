/*
 * once.c: a short life of the same parts the daemon is made of: the store, fed by a few consistent
 * reads, and the outputs, which are given until ONCE_LIMIT_MS to land. It waits by turning the loop;
 * the daemon never does.
 */
#include "feature/once.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "feature/config.h"
#include "feature/output.h"
#include "feature/state_dir.h"
#include "feature/store.h"
#include "feature/watch.h"
#include "io/kv_wait.h"
#include "io/loop.h"

#define READ_LIMIT_MS 10000
/* Two watch handlers (names, nodes) may be started at the same time: one waits for the other. */
#define LOCK_LIMIT_MS 10000

struct once {
	struct loop *loop;
	const struct config *config;
	struct kv *kv;
	struct store *store;
	struct output **outputs;
	size_t count;
	char node[NAME_SIZE];
	int64_t seen_us;
};

static void
nothing(struct output *o, void *arg)
{
	(void)o;
	(void)arg;
}

static int
feed(struct once *o, size_t feed_number, struct kv_answer *a, bool is_consistent, size_t *kept_back)
{
	bool is_news;

	*kept_back += store_feed_keys(o->store, feed_number, a, is_consistent, &is_news);
	kv_list_clear(&a->list);
	return 0;
}

/* One consistent read of every watched prefix. */
static int
read_keys(struct once *o, struct kv_waiter *w, size_t *kept_back, struct err *e)
{
	*kept_back = 0;
	for (size_t i = 0; i < STORE_FEEDS && store_prefix(o->store, i) != NULL; i++) {
		struct kv_answer a = { 0 };

		if (kv_wait_list(w, store_prefix(o->store, i), &a.list, &a.index, e) != 0)
			return -1;
		feed(o, i, &a, true, kept_back);
	}
	return 0;
}

static int
read_rest(struct once *o, struct kv_waiter *w, struct err *e)
{
	char *key = config_key(o->config, "hold");
	struct kv_answer hold = { 0 }, nodes = { 0 };
	struct err catalog;
	bool is_news;
	int result = -1;

	if (kv_wait_list(w, key, &hold.list, &hold.index, e) != 0)
		goto out;
	store_feed_hold(o->store, &hold);
	if (kv_wait_catalog_nodes(w, &nodes.nodes, &catalog) == 0)
		store_feed_nodes(o->store, &nodes, &is_news);
	else
		store_nodes_failed(o->store);
	if (!store_is_ready(o->store)) {
		*e = catalog;
		goto out;
	}
	result = 0;
out:
	kv_nodes_clear(&nodes.nodes);
	kv_list_clear(&hold.list);
	free(key);
	return result;
}

/* Everything that a map needs; what would be taken away is asked for again until it is sure. */
static int
read_all(struct once *o, struct kv_answer *names, struct err *e)
{
	struct kv_waiter w = { .loop = o->loop, .kv = o->kv, .limit_ms = READ_LIMIT_MS };
	size_t kept_back = 0;

	if (o->config->agent.node != NULL)
		strncat(o->node, o->config->agent.node, sizeof(o->node) - 1);
	else if (kv_wait_self(&w, o->node, sizeof(o->node), e) != 0)
		return -1;
	o->seen_us = clock_mono_us();
	if (names != NULL && store_prefix(o->store, 1) == NULL)
		feed(o, 0, names, false, &kept_back);
	if (read_keys(o, &w, &kept_back, e) != 0)
		return -1;
	while (kept_back > 0) {
		usleep(WATCH_CONFIRM_MS * 1000);
		if (read_keys(o, &w, &kept_back, e) != 0)
			return -1;
	}
	return read_rest(o, &w, e);
}

/* What the file of before is worth (it was edited, its reader is owed a signal) says nothing yet. */
static bool
is_over(const struct output *out, const struct name_map *offered)
{
	struct output_report r;

	output_report(out, &r);
	if (output_map(out) == offered)
		return r.err.code != ERR_NONE || r.served == r.generation;
	return r.state == OUTPUT_GUARDED || r.state == OUTPUT_HELD ||
	       r.results[OUTPUT_RESULT_FAILED] > 0;
}

static void
offer_and_wait(struct once *o)
{
	int64_t end_ms = clock_mono_ms() + ONCE_LIMIT_MS;
	struct output_offer offer;
	size_t over = 0;

	store_make_offer(o->store, o->seen_us, &offer);
	for (size_t i = 0; i < o->count; i++)
		output_offer(o->outputs[i], &offer);
	while (over < o->count && clock_mono_ms() < end_ms) {
		loop_turn(o->loop, 100);
		over = 0;
		for (size_t i = 0; i < o->count; i++)
			over += is_over(o->outputs[i], offer.map);
	}
}

/* A line an output; whether all of them got there. */
static bool
tell(struct once *o, struct str *report)
{
	bool is_good = true;

	for (size_t i = 0; i < o->count; i++) {
		struct output_report r;

		output_report(o->outputs[i], &r);
		str_addf(report, "%s: %s generation %llu", r.config->name,
		    output_state_name(r.state), (unsigned long long)r.generation);
		if (r.err.code != ERR_NONE)
			str_addf(report, ": %s", r.err.text);
		str_addc(report, '\n');
		is_good = is_good && r.err.code == ERR_NONE && r.state != OUTPUT_HELD &&
			  r.served == r.generation;
	}
	return is_good;
}

static int
make_outputs(struct once *o, struct err *e)
{
	const struct config *c = o->config;
	const struct output_env env = { o->loop, o->node, c->agent.domain, c->agent.template_dir,
		c->agent.state_dir, nothing, nothing, nothing, NULL };

	o->outputs = mem_array(c->output_count, sizeof(struct output *));
	for (size_t i = 0; i < c->output_count; i++) {
		o->outputs[i] = output_new(&c->outputs[i], &env, e);
		if (o->outputs[i] == NULL)
			return -1;
		o->count++;
		output_start(o->outputs[i], store_map(o->store));
	}
	return 0;
}

int
once_run(struct loop *l, const struct config *c, struct kv_answer *names, struct str *report,
    struct err *e)
{
	struct once o = { .loop = l, .config = c };
	struct name_map *landed;
	struct kv_config kv;
	struct err lost;
	int result = -1, lock = state_dir_open(c->agent.state_dir, LOCK_LIMIT_MS, e);

	if (lock < 0) {
		e->code = ERR_CONFIG;
		return -1;
	}
	config_kv(c, &kv);
	o.store = store_new(c, &lost);
	if (lost.code != ERR_NONE)
		str_addf(report, "the state of before is lost: %s\n", lost.text);
	if ((o.kv = kv_new(l, &kv, e)) == NULL || make_outputs(&o, e) != 0) {
		e->code = ERR_CONFIG;
		goto out;
	}
	if (read_all(&o, names, e) != 0)
		goto out;
	offer_and_wait(&o);
	result = tell(&o, report) ? 0 : -1;
	if (result != 0)
		err_set(e, ERR_CONFLICT, "not every output serves the newest generation");
	/* The others landed: the next run compares with what they have. */
	if ((landed = output_common_map(o.outputs, o.count)) != NULL)
		store_set_good(o.store, landed);
	if (store_is_dirty(o.store) && store_save(o.store, result == 0 ? e : &lost) != 0) {
		if (result == 0)
			e->code = ERR_CONFLICT;
		result = -1;
	}
out:
	for (size_t i = 0; i < o.count; i++)
		output_free(o.outputs[i]);
	free(o.outputs);
	store_free(o.store);
	state_dir_close(lock);
	kv_free(o.kv);
	return result;
}
