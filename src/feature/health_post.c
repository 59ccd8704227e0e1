/*
 * health_post.c: documents that differ from what the KV has are written in transactions of many, one
 * transaction at a time: 1,000 checks are 16 requests. Each locks its key with our session, so that
 * everybody sees whether we live.
 *
 * A transaction that failed may have happened: its documents are written again when the session has
 * been asked whether it lives, which also is the pause between two attempts.
 */
#include "feature/health_post.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/sorted.h"
#include "feature/session.h"
#include "io/loop.h"

/* facts/consul.md: advised. */
#define SESSION_TTL_MS 15000
#define SESSION_RENEW_MS 5000

#define PAUSE_URGENT_MS 20
#define PAUSE_MS 1000
#define AGAIN_MS 10000 /* not again within: the watch may be behind our own writes */
/* Of values in one transaction, which is 512 KiB as JSON and base64 (facts/consul.md). */
#define BATCH_BYTES (256 * 1024)

struct item {
	char *key; /* whole */
	struct str text;
	bool is_dirty, is_in_flight;
	int64_t written_ms;
	uint64_t remove_index; /* 0: a document; else it is to be deleted */
};

struct health_post {
	struct health_post_env env;
	char *prefix;
	struct session *session;
	struct item *items; /* sorted by key */
	size_t count;
	struct kv_call *call;
	struct loop_timer *timer;
	int64_t due_ms; /* of the timer */
};

/* --- items ------------------------------------------------------------------------------------------ */

/* Where key (whole) is, or would be. */
static size_t
place_of(const struct health_post *p, const char *key)
{
	return sorted_place(p->items, p->count, sizeof(*p->items), offsetof(struct item, key), key);
}

static struct item *
find(const struct health_post *p, const char *key)
{
	char *whole = mem_printf("%s%s", p->prefix, key);
	size_t at = place_of(p, whole);
	bool is_there = at < p->count && strcmp(p->items[at].key, whole) == 0;

	free(whole);
	return is_there ? &p->items[at] : NULL;
}

static struct item *
make(struct health_post *p, const char *key)
{
	char *whole = mem_printf("%s%s", p->prefix, key);
	size_t at = place_of(p, whole);

	p->items = mem_grow(p->items, p->count + 1, sizeof(*p->items));
	memmove(&p->items[at + 1], &p->items[at], (p->count - at) * sizeof(*p->items));
	p->count++;
	p->items[at] = (struct item){ .key = whole };
	return &p->items[at];
}

static void
drop(struct health_post *p, size_t at)
{
	free(p->items[at].key);
	str_clear(&p->items[at].text);
	p->count--;
	memmove(&p->items[at], &p->items[at + 1], (p->count - at) * sizeof(*p->items));
}

/* --- writing ---------------------------------------------------------------------------------------- */

static void
plan(struct health_post *p, int64_t pause_ms)
{
	int64_t due_ms = clock_mono_ms() + pause_ms;

	if (loop_timer_is_set(p->timer) && p->due_ms <= due_ms)
		return;
	p->due_ms = due_ms;
	loop_timer_set(p->timer, pause_ms);
}

static void
settle(struct health_post *p, bool is_written)
{
	for (size_t i = p->count; i-- > 0;) {
		struct item *it = &p->items[i];

		if (!it->is_in_flight)
			continue;
		it->is_in_flight = false;
		if (it->remove_index != 0)
			drop(p, i); /* failed, it is asked for again with the index of then */
		else if (!is_written)
			it->is_dirty = true;
		else
			it->written_ms = clock_mono_ms();
	}
}

static bool
is_any_dirty(const struct health_post *p)
{
	for (size_t i = 0; i < p->count; i++) {
		if (p->items[i].is_dirty)
			return true;
	}
	return false;
}

static void
written(struct kv_answer *a, void *arg)
{
	struct health_post *p = arg;
	bool is_written = a->err.code == ERR_NONE && a->is_applied;

	p->call = NULL;
	p->env.contact(&a->err, p->env.arg);
	if (a->err.code == ERR_NONE && !a->is_applied)
		err_set(&a->err, ERR_CONFLICT,
		    "a key of our checks is held by another session: is another vantage running as "
		    "this node?");
	settle(p, is_written);
	if (!is_written) {
		session_doubt(p->session, &a->err);
		return;
	}
	session_works(p->session);
	if (is_any_dirty(p))
		plan(p, PAUSE_URGENT_MS);
}

static struct kv_op
op_of(const struct item *it, const char *session)
{
	if (it->remove_index != 0)
		return (struct kv_op){
			.kind = KV_OP_DELETE_CAS, .key = it->key, .index = it->remove_index
		};
	return (struct kv_op){ .kind = KV_OP_LOCK,
		.key = it->key,
		.value = str_text(&it->text),
		.value_len = it->text.len,
		.session = session };
}

static void
flush(void *arg)
{
	struct health_post *p = arg;
	const char *session = session_id(p->session);
	struct kv_op ops[KV_TXN_MAX];
	size_t n = 0, bytes = 0;

	if (p->call != NULL || session == NULL)
		return;
	for (size_t i = 0; i < p->count && n < KV_TXN_MAX && bytes < BATCH_BYTES; i++) {
		struct item *it = &p->items[i];

		if (!it->is_dirty)
			continue;
		ops[n++] = op_of(it, session);
		bytes += it->text.len;
		it->is_dirty = false;
		it->is_in_flight = true;
	}
	if (n > 0)
		p->call = kv_txn(p->env.kv, ops, n, written, p);
}

void
health_post_put(struct health_post *p, const char *key, struct str *text, bool is_urgent)
{
	struct item *it = find(p, key);

	if (it == NULL)
		it = make(p, key);
	else if (it->remove_index == 0 && it->text.len == text->len &&
		 memcmp(str_text(&it->text), str_text(text), text->len) == 0) {
		str_clear(text);
		return;
	}
	str_clear(&it->text);
	it->text = *text;
	*text = (struct str)STR_INIT;
	it->remove_index = 0;
	it->is_dirty = true;
	plan(p, is_urgent ? PAUSE_URGENT_MS : PAUSE_MS);
}

void
health_post_again(struct health_post *p, const char *key)
{
	struct item *it = find(p, key);

	if (it == NULL || it->is_dirty || it->is_in_flight ||
	    clock_mono_ms() - it->written_ms < AGAIN_MS)
		return;
	it->is_dirty = true;
	plan(p, PAUSE_MS);
}

void
health_post_remove(struct health_post *p, const char *key, uint64_t index)
{
	struct item *it = find(p, key);

	if (it != NULL)
		return;
	it = make(p, key);
	it->remove_index = index;
	it->is_dirty = true;
	plan(p, PAUSE_MS);
}

bool
health_post_has(const struct health_post *p, const char *key)
{
	return find(p, key) != NULL;
}

/* --- life ------------------------------------------------------------------------------------------- */

static void
session_ready(bool is_new, void *arg)
{
	struct health_post *p = arg;

	for (size_t i = 0; is_new && i < p->count; i++)
		p->items[i].is_dirty = true;
	if (is_any_dirty(p))
		plan(p, 0);
}

static void
session_contact(const struct err *e, void *arg)
{
	struct health_post *p = arg;

	p->env.contact(e, p->env.arg);
}

struct health_post *
health_post_new(const struct health_post_env *env)
{
	struct health_post *p = mem_alloc(sizeof(*p));
	const struct session_env session = { env->loop, env->kv, "pointsmand vantage",
		env->session_path, SESSION_TTL_MS, SESSION_RENEW_MS, session_ready, session_contact,
		p };

	p->env = *env;
	p->prefix = mem_strdup(env->prefix);
	p->session = session_new(&session);
	p->timer = loop_timer_new(env->loop, flush, p);
	return p;
}

void
health_post_start(struct health_post *p)
{
	session_start(p->session);
}

static void
stop(struct health_post *p)
{
	if (p->call != NULL)
		kv_cancel(p->call);
	p->call = NULL;
	loop_timer_stop(p->timer);
}

void
health_post_free(struct health_post *p)
{
	if (p == NULL)
		return;
	stop(p);
	while (p->count > 0)
		drop(p, p->count - 1);
	free(p->items);
	session_free(p->session);
	loop_timer_free(p->timer);
	free(p->prefix);
	loop_defer_free(p->env.loop, p);
}

void
health_post_finish(struct health_post *p, void (*done)(void *arg), void *arg)
{
	stop(p);
	session_finish(p->session, done, arg);
}

const struct err *
health_post_error(const struct health_post *p)
{
	return session_error(p->session);
}
