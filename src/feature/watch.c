/*
 * watch.c: the state machine behind watch.h.
 *
 *                 start                       error
 *   STOPPED ───────────────> READING <──────────────────── BACKOFF
 *                              │  ▲  └──── error ─────────────▲
 *             consistent answer│  │ silence                   │
 *                              ▼  │                           │
 *              PAUSED <──── FOLLOWING ── error, or index back ──┘
 *                └──────────────▲
 *
 * A blocking read that comes back at once and brings nothing (an index that is not above ours, as of a
 * wiped or restored store, or an index of 1, for which nobody waits) leads to a consistent read after
 * a pause that grows: such an answer may come every time.
 *
 * Beside it, `check` is a second, consistent read: the confirmation of removals, or a reread that
 * somebody asked for. It never moves the state; an answer older than what was already used is
 * dropped. One read at a time would be simpler, but then a flip made within two seconds of an
 * `unset` would wait for the confirmation.
 *
 * Blocking reads in consistent mode were rejected: the mode is checked when the query starts, not
 * when it answers, so it protects nothing (facts/consul.md) and costs a round of the quorum.
 */
#include "feature/watch.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/loop.h"

/* After an error: doubling from here, spread so that a fleet does not come back in step. */
#define BACKOFF_MIN_MS 200
#define BACKOFF_MAX_MS 5000
#define BACKOFF_JITTER 0.25
/* After answers that brought nothing: a prefix that is empty wakes at every write of the cluster. */
#define PAUSE_MIN_MS 10
#define PAUSE_MAX_MS 1000
/* For a read that does not wait. Consul itself holds a read for 7 s while it has no leader. */
#define READ_LIMIT_MS 10000

struct watch {
	struct loop *loop;
	struct kv *kv;
	char *prefix;
	int64_t max_silence_ms;
	struct watch_reader reader;

	enum watch_state state;
	uint64_t index;
	struct kv_call *call;     /* READING or FOLLOWING */
	struct loop_timer *timer; /* PAUSED or BACKOFF */
	int64_t backoff_ms, pause_ms;
	int64_t followed_ms; /* when FOLLOWING began */
	int64_t counted_ms;  /* when an answer last counted for what it does not show; 0: never */
	struct err err;      /* of the last answer; ERR_NONE when it was good */

	struct kv_call *check;
	struct loop_timer *check_timer;
};

static void read_now(struct watch *w);
static void follow(struct watch *w);

const char *
watch_state_name(enum watch_state s)
{
	static const char *const names[] = {
		[WATCH_STOPPED] = "stopped",
		[WATCH_READING] = "reading",
		[WATCH_FOLLOWING] = "following",
		[WATCH_PAUSED] = "paused",
		[WATCH_BACKOFF] = "backoff",
	};

	return names[s];
}

static const char *
what(const struct watch *w)
{
	return w->prefix != NULL ? w->prefix : "catalog";
}

static void
set_state(struct watch *w, enum watch_state state)
{
	if (w->state != state)
		log_debug("watch %s: %s -> %s", what(w), watch_state_name(w->state),
		    watch_state_name(state));
	w->state = state;
}

static struct kv_call *
start_read(struct watch *w, const struct kv_read *r, kv_done_fn *done)
{
	return w->prefix != NULL ? kv_list(w->kv, w->prefix, r, done, w)
				 : kv_catalog_nodes(w->kv, r, done, w);
}

static void
fail(struct watch *w)
{
	set_state(w, WATCH_BACKOFF);
	w->index = 0;
	loop_timer_set(w->timer, loop_jitter(w->backoff_ms, BACKOFF_JITTER));
	w->backoff_ms = w->backoff_ms * 2 < BACKOFF_MAX_MS ? w->backoff_ms * 2 : BACKOFF_MAX_MS;
}

/* Two consistent answers of one moment are one: servers that lie, lie for longer than that. */
static bool
counts(struct watch *w)
{
	int64_t now_ms = clock_mono_ms();

	if (w->counted_ms != 0 && now_ms - w->counted_ms < WATCH_CONFIRM_MS)
		return false;
	w->counted_ms = now_ms;
	return true;
}

/* Gives an answer to the reader and arranges for its removals to be confirmed. */
static bool
use(struct watch *w, struct kv_answer *a, bool is_consistent)
{
	bool is_news = false, is_counted = is_consistent && counts(w);

	if (w->reader.feed(a, is_counted, &is_news, w->reader.arg) > 0) {
		if (!loop_timer_is_set(w->check_timer) && w->check == NULL)
			loop_timer_set(w->check_timer, is_consistent ? WATCH_CONFIRM_MS : 0);
	} else {
		loop_timer_stop(w->check_timer);
	}
	if (is_news)
		w->pause_ms = PAUSE_MIN_MS;
	return is_news;
}

/* Rests for longer each time, until news come. */
static void
pause_in(struct watch *w, enum watch_state state)
{
	set_state(w, state);
	loop_timer_set(w->timer, w->pause_ms);
	w->pause_ms = w->pause_ms * 2 < PAUSE_MAX_MS ? w->pause_ms * 2 : PAUSE_MAX_MS;
}

static void
note(struct watch *w, const struct err *e)
{
	w->err = *e;
	w->reader.contact(e, w->reader.arg);
}

static void
check_done(struct kv_answer *a, void *arg)
{
	struct watch *w = arg;

	w->check = NULL;
	note(w, &a->err);
	if (a->err.code != ERR_NONE || a->index < w->index) {
		/* Older than what we have, or nothing: whoever waits for it waits a little longer. */
		loop_timer_set(w->check_timer, WATCH_CONFIRM_MS);
		return;
	}
	use(w, a, true);
}

static void
check_due(void *arg)
{
	struct watch *w = arg;
	const struct kv_read r = { .is_consistent = true, .limit_ms = READ_LIMIT_MS };

	/* While READING or in BACKOFF the next answer is a consistent one anyway. */
	if (w->check == NULL && (w->state == WATCH_FOLLOWING || w->state == WATCH_PAUSED))
		w->check = start_read(w, &r, check_done);
}

static void
read_done(struct kv_answer *a, void *arg)
{
	struct watch *w = arg;

	w->call = NULL;
	note(w, &a->err);
	if (a->err.code != ERR_NONE) {
		fail(w);
		return;
	}
	w->backoff_ms = BACKOFF_MIN_MS;
	w->index = a->index;
	loop_timer_stop(w->check_timer);
	use(w, a, true);
	follow(w);
}

static void
read_now(struct watch *w)
{
	const struct kv_read r = { .is_consistent = true, .limit_ms = READ_LIMIT_MS };

	/* A check that is under way asked a store that may since have been wiped or restored. */
	if (w->check != NULL)
		kv_cancel(w->check);
	w->check = NULL;
	set_state(w, WATCH_READING);
	w->call = start_read(w, &r, read_done);
}

static void
follow_done(struct kv_answer *a, void *arg)
{
	struct watch *w = arg;

	w->call = NULL;
	note(w, &a->err);
	if (a->err.code != ERR_NONE) {
		fail(w);
	} else if (a->index > w->index) {
		w->index = a->index;
		if (use(w, a, false))
			follow(w);
		else
			pause_in(w, WATCH_PAUSED);
	} else if (clock_mono_ms() - w->followed_ms >= w->max_silence_ms) {
		read_now(w);
	} else {
		pause_in(w, WATCH_BACKOFF);
	}
}

static void
follow(struct watch *w)
{
	const struct kv_read r = { .index = w->index, .wait_ms = w->max_silence_ms };

	if (w->index == 0) {
		/* An answer without an index cannot be waited on; ask again at a walking pace. */
		set_state(w, WATCH_BACKOFF);
		loop_timer_set(w->timer, PAUSE_MAX_MS);
		return;
	}
	set_state(w, WATCH_FOLLOWING);
	w->followed_ms = clock_mono_ms();
	w->call = start_read(w, &r, follow_done);
}

static void
timer_due(void *arg)
{
	struct watch *w = arg;

	if (w->state == WATCH_PAUSED)
		follow(w);
	else
		read_now(w);
}

struct watch *
watch_new(struct loop *l, struct kv *kv, const char *prefix, int64_t max_silence_ms,
    const struct watch_reader *reader)
{
	struct watch *w = mem_alloc(sizeof(*w));

	w->loop = l;
	w->kv = kv;
	w->prefix = prefix != NULL ? mem_strdup(prefix) : NULL;
	w->max_silence_ms = max_silence_ms;
	w->reader = *reader;
	w->backoff_ms = BACKOFF_MIN_MS;
	w->pause_ms = PAUSE_MIN_MS;
	w->timer = loop_timer_new(l, timer_due, w);
	w->check_timer = loop_timer_new(l, check_due, w);
	return w;
}

void
watch_free(struct watch *w)
{
	if (w == NULL)
		return;
	if (w->call != NULL)
		kv_cancel(w->call);
	if (w->check != NULL)
		kv_cancel(w->check);
	loop_timer_free(w->timer);
	loop_timer_free(w->check_timer);
	free(w->prefix);
	loop_defer_free(w->loop, w);
}

void
watch_start(struct watch *w)
{
	read_now(w);
}

void
watch_reread(struct watch *w)
{
	check_due(w);
}

enum watch_state
watch_state(const struct watch *w)
{
	return w->state;
}

uint64_t
watch_index(const struct watch *w)
{
	return w->index;
}

const struct err *
watch_error(const struct watch *w)
{
	return &w->err;
}
