/*
 * publish.c: one document below one session (session.c). A write is under way or waits for its pause;
 * after any failure the session is asked whether it lives, and when it does, the document is written
 * again: what a failed write left behind is not known.
 */
#include "feature/publish.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "feature/session.h"
#include "io/loop.h"

#define SESSION_TTL_MS 30000
#define SESSION_RENEW_MS 15000
/* Between two writes: a burst of flips is one or two documents, not two hundred. */
#define WRITE_PAUSE_MS 100
/* The same document again, in case somebody deleted the key. */
#define WRITE_AGAIN_MS 300000

struct publisher {
	struct publisher_env env;
	char *key;
	struct session *session;
	struct kv_call *call; /* the write under way */
	struct loop_timer *write_timer;
	int64_t written_ms;
	struct str published; /* what the key says; empty: not known */
	bool is_touched;
};

static void
fail(struct publisher *p, const struct err *e)
{
	str_reset(&p->published);
	p->is_touched = true;
	session_doubt(p->session, e);
}

static void
written(struct kv_answer *a, void *arg)
{
	struct publisher *p = arg;

	p->call = NULL;
	p->env.contact(&a->err, p->env.arg);
	if (a->err.code == ERR_NONE && !a->is_applied)
		err_set(&a->err, ERR_CONFLICT,
		    "the key is held by another session: is another agent running as this node?");
	if (a->err.code != ERR_NONE) {
		/* Perhaps the session is gone; if so, its renewal says it, and nothing else does. */
		fail(p, &a->err);
		return;
	}
	session_works(p->session);
	if (p->is_touched)
		publisher_touch(p);
}

static void
write_now(struct publisher *p)
{
	struct kv_op op = { .kind = KV_OP_LOCK, .key = p->key, .session = session_id(p->session) };
	struct str text = STR_INIT;

	p->is_touched = false;
	p->env.write(&text, p->env.arg);
	/* Consul takes a write of the same value as a write, and a fleet would send it all day. */
	if (text.len == p->published.len &&
	    memcmp(str_text(&text), str_text(&p->published), text.len) == 0 &&
	    clock_mono_ms() - p->written_ms < WRITE_AGAIN_MS) {
		str_clear(&text);
		return;
	}
	str_clear(&p->published);
	p->published = text;
	op.value = str_text(&p->published);
	op.value_len = p->published.len;
	p->written_ms = clock_mono_ms();
	p->call = kv_put_if(p->env.kv, &op, written, p);
}

static bool
may_write(const struct publisher *p)
{
	return p->call == NULL && session_id(p->session) != NULL;
}

static void
write_due(void *arg)
{
	struct publisher *p = arg;

	if (may_write(p) && p->is_touched)
		write_now(p);
}

void
publisher_touch(struct publisher *p)
{
	int64_t rest = p->written_ms + WRITE_PAUSE_MS - clock_mono_ms();

	p->is_touched = true;
	if (may_write(p) && !loop_timer_is_set(p->write_timer))
		loop_timer_set(p->write_timer, p->written_ms == 0 || rest < 0 ? 0 : rest);
}

static void
session_ready(bool is_new, void *arg)
{
	struct publisher *p = arg;

	if (is_new) {
		str_reset(&p->published);
		p->is_touched = true;
	}
	if (p->is_touched)
		publisher_touch(p);
}

static void
session_contact(const struct err *e, void *arg)
{
	struct publisher *p = arg;

	p->env.contact(e, p->env.arg);
}

struct publisher *
publisher_new(const struct publisher_env *env)
{
	struct publisher *p = mem_alloc(sizeof(*p));
	const struct session_env session = { env->loop, env->kv, "pointsmand", env->session_path,
		SESSION_TTL_MS, SESSION_RENEW_MS, session_ready, session_contact, p };

	p->env = *env;
	p->key = mem_strdup(env->key);
	p->is_touched = true;
	p->session = session_new(&session);
	p->write_timer = loop_timer_new(env->loop, write_due, p);
	return p;
}

void
publisher_start(struct publisher *p)
{
	session_start(p->session);
}

static void
stop(struct publisher *p)
{
	if (p->call != NULL)
		kv_cancel(p->call);
	p->call = NULL;
	loop_timer_stop(p->write_timer);
}

void
publisher_free(struct publisher *p)
{
	if (p == NULL)
		return;
	stop(p);
	session_free(p->session);
	loop_timer_free(p->write_timer);
	str_clear(&p->published);
	free(p->key);
	loop_defer_free(p->env.loop, p);
}

void
publisher_finish(struct publisher *p, void (*done)(void *arg), void *arg)
{
	stop(p);
	session_finish(p->session, done, arg);
}

const struct err *
publisher_error(const struct publisher *p)
{
	return session_error(p->session);
}
