/*
 * agent_feed.c: what comes in from Consul. News go into the store; when everything that a map needs
 * has been read (names, nodes, hold) the newest map is offered to every output.
 *
 * The hold is read when the canary was rewritten (canary.h: it is the bell), before the answer that
 * showed it is used, so that a hold never loses the race with a flip that was made after it. It is
 * read again with every consistent re-read, for keys that somebody wrote by hand.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/agent.h"
#include "io/loop.h"

#define HOLD_LIMIT_MS 5000
#define HOLD_RETRY_MS 1000

/* Offers the newest map once everything it depends on is known. */
static void
distribute(struct agent *a)
{
	struct output_offer offer;

	if (store_wants_hold(a->store)) {
		agent_read_hold(a);
		return;
	}
	if (!store_is_ready(a->store))
		return;
	store_make_offer(a->store, a->seen_us, &offer);
	a->seen_us = 0;
	name_map_ref(offer.map);
	name_map_unref(a->offered);
	a->offered = offer.map;
	agent_refresh_soon(a); /* before the outputs, of which one may want it at once */
	for (size_t i = 0; i < a->output_count; i++)
		output_offer(a->outputs[i], &offer);
}

static void
news_came(struct agent *a)
{
	if (a->seen_us == 0)
		a->seen_us = clock_mono_us();
	distribute(a);
}

/* While one of the watches fails no flip reaches us, whatever else Consul may answer. */
static bool
is_blind(const struct agent *a)
{
	for (size_t i = 0; i < a->watch_count; i++) {
		if (watch_error(a->watches[i])->code != ERR_NONE)
			return true;
	}
	return false;
}

void
agent_note_contact(const struct err *e, void *arg)
{
	struct agent *a = arg;
	enum contact_turn turn;

	if (e->code == ERR_NONE && is_blind(a))
		return;
	turn = contact_note(&a->contact, e);
	if (turn == CONTACT_SAME)
		return;
	if (turn == CONTACT_CAME) {
		log_info("%s answers", kv_address(a->kv));
		for (size_t i = 0; i < a->watch_count; i++)
			watch_reread(a->watches[i]);
	}
	loop_timer_set(a->refresh_timer, 0);
}

/* What Consul refuses to our own key, or of its agent's own name, says nothing about the names. */
void
agent_note_aside(const struct err *e, void *arg)
{
	struct agent *a = arg;

	if (e->code == ERR_NONE || e->code == ERR_UNREACHABLE || e->code == ERR_TIMEOUT ||
	    e->code == ERR_UNAVAILABLE)
		agent_note_contact(e, arg);
	else
		a->contact.errors[e->code]++;
}

static void
hold_done(struct kv_answer *answer, void *arg)
{
	struct agent *a = arg;

	a->hold_call = NULL;
	agent_note_contact(&answer->err, a);
	if (answer->err.code != ERR_NONE) {
		/* Until it is known whether we are held, we serve what we have. */
		loop_timer_set(a->hold_timer, loop_jitter(HOLD_RETRY_MS, 0.2));
		return;
	}
	if (store_feed_hold(a->store, answer) || a->seen_us != 0)
		news_came(a);
}

void
agent_read_hold(struct agent *a)
{
	const struct kv_read r = { .is_consistent = true, .limit_ms = HOLD_LIMIT_MS };
	char *key;

	if (a->hold_call != NULL || loop_timer_is_set(a->hold_timer))
		return;
	key = config_key(a->config, "hold");
	store_ask_hold(a->store);
	a->hold_call = kv_list(a->kv, key, &r, hold_done, a);
	free(key);
}

void
agent_hold_due(void *arg)
{
	agent_read_hold(arg);
}

static size_t
feed_keys(struct agent *a, size_t feed, struct kv_answer *answer, bool is_counted, bool *is_news)
{
	size_t kept_back = store_feed_keys(a->store, feed, answer, is_counted, is_news);

	if (*is_news)
		news_came(a);
	else if (is_counted && feed == 0)
		agent_read_hold(a);
	return kept_back;
}

static size_t
feed_names(struct kv_answer *answer, bool is_counted, bool *is_news, void *arg)
{
	return feed_keys(arg, 0, answer, is_counted, is_news);
}

static size_t
feed_overrides(struct kv_answer *answer, bool is_counted, bool *is_news, void *arg)
{
	return feed_keys(arg, 1, answer, is_counted, is_news);
}

/* Nothing is kept back here: a node that left keeps its address in any case. */
static size_t
feed_catalog(struct kv_answer *answer, bool is_counted, bool *is_news, void *arg)
{
	struct agent *a = arg;

	(void)is_counted;
	store_feed_nodes(a->store, answer, is_news);
	if (*is_news)
		news_came(a);
	return 0;
}

static void
catalog_contact(const struct err *e, void *arg)
{
	struct agent *a = arg;

	agent_note_contact(e, a);
	if (e->code != ERR_NONE && !store_is_ready(a->store)) {
		store_nodes_failed(a->store);
		distribute(a);
	}
}

void
agent_make_watches(struct agent *a)
{
	const struct watch_reader readers[STORE_FEEDS] = {
		{ feed_names, agent_note_contact, a },
		{ feed_overrides, agent_note_contact, a },
	};
	const struct watch_reader catalog = { feed_catalog, catalog_contact, a };
	int64_t silence_ms = a->config->agent.max_silence_ms;

	for (size_t i = 0; i < STORE_FEEDS && store_prefix(a->store, i) != NULL; i++)
		a->watches[a->watch_count++] =
		    watch_new(a->loop, a->kv, store_prefix(a->store, i), silence_ms, &readers[i]);
	a->watches[a->watch_count++] = watch_new(a->loop, a->kv, NULL, silence_ms, &catalog);
}
