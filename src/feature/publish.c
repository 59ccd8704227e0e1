/*
 * publish.c: one request at a time.
 *
 *   NONE ──create──> CREATING ──> READY ──write──> WRITING ──> READY
 *     │                  │          └──renew──┐                  │
 *     └──────renew───────┼──────────────> RENEWING ──────────────┤
 *     ▲                                       │                  │
 *     └──────────────── any error: again after a pause ──────────┘
 *
 * Whether the session still lives is asked by renewing it, and only "there is no such session" makes
 * a new one: a second session beside one that lives would find the key locked by the first.
 *
 * The id of the session is kept on disk and renewed by the next run: after a crash the old session
 * would otherwise hold the key until its TTL is over, up to a minute.
 */
#include "feature/publish.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/loop.h"

#define SESSION_TTL_MS 30000
#define SESSION_RENEW_MS 15000
/*
 * Failing for this long is worth an operator's look. A store that was restored from a snapshot has our
 * session of then, which nobody renews: Consul ends it after one to two TTLs, and only after that the
 * key is another agent's.
 */
#define PATIENCE_MS (INT64_C(2) * SESSION_TTL_MS + 10000)
#define RETRY_MIN_MS 1000
#define RETRY_MAX_MS 15000
/* Between two writes: a burst of flips is one or two documents, not two hundred. */
#define WRITE_PAUSE_MS 100
/* The same document again, in case somebody deleted the key. */
#define WRITE_AGAIN_MS 300000

enum state { NONE, CREATING, READY, WRITING, RENEWING, FINISHING };

struct publisher {
	struct publisher_env env;
	char *key, *session_path;
	enum state state;
	char session[KV_SESSION_SIZE];
	struct kv_call *call;
	struct loop_timer *timer; /* NONE: the next try. READY: the next renewal */
	struct loop_timer *write_timer;
	int64_t retry_ms, written_ms, renew_ms; /* when: last written, to be renewed next */
	struct str published;                   /* what the key says; empty: not known */
	int64_t failing_ms; /* since when nothing could be published; 0: it can */
	bool is_touched;
	struct err err;
	void (*finished)(void *arg);
	void *finished_arg;
};

static void
set_state(struct publisher *p, enum state state)
{
	static const char *const names[] = { "none", "creating", "ready", "writing", "renewing",
		"finishing" };

	log_debug("publish %s: %s -> %s", p->key, names[p->state], names[state]);
	p->state = state;
}

static void
fail(struct publisher *p, const struct err *e)
{
	if (p->failing_ms == 0)
		p->failing_ms = clock_mono_ms();
	if (strcmp(p->err.text, e->text) != 0)
		log_warning("cannot publish %s: %s", p->key, e->text);
	p->err = *e;
	str_reset(&p->published);
	set_state(p, NONE);
	p->is_touched = true;
	loop_timer_set(p->timer, loop_jitter(p->retry_ms, 0.2));
	p->retry_ms = p->retry_ms * 2 < RETRY_MAX_MS ? p->retry_ms * 2 : RETRY_MAX_MS;
}

static void
ready(struct publisher *p)
{
	int64_t rest_ms = p->renew_ms - clock_mono_ms();

	set_state(p, READY);
	/* A write does not prolong the session: however often we write, the renewal stays due. */
	loop_timer_set(p->timer, rest_ms > 0 ? rest_ms : 0);
	if (p->is_touched)
		publisher_touch(p);
}

static void
session_lives(struct publisher *p)
{
	p->renew_ms = clock_mono_ms() + loop_jitter(SESSION_RENEW_MS, 0.1);
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
	p->failing_ms = 0;
	p->retry_ms = RETRY_MIN_MS;
	err_clear(&p->err);
	ready(p);
}

static void
write_now(struct publisher *p)
{
	struct kv_op op = { .kind = KV_OP_LOCK, .key = p->key, .session = p->session };
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
	set_state(p, WRITING);
	loop_timer_stop(p->timer);
	p->call = kv_put_if(p->env.kv, &op, written, p);
}

static void
write_due(void *arg)
{
	struct publisher *p = arg;

	if (p->state == READY && p->is_touched)
		write_now(p);
}

void
publisher_touch(struct publisher *p)
{
	int64_t rest = p->written_ms + WRITE_PAUSE_MS - clock_mono_ms();

	p->is_touched = true;
	if (p->state == READY && !loop_timer_is_set(p->write_timer))
		loop_timer_set(p->write_timer, p->written_ms == 0 || rest < 0 ? 0 : rest);
}

static void
created(struct kv_answer *a, void *arg)
{
	struct publisher *p = arg;
	struct err e;

	p->call = NULL;
	p->env.contact(&a->err, p->env.arg);
	if (a->err.code != ERR_NONE) {
		fail(p, &a->err);
		return;
	}
	strcpy(p->session, a->session);
	session_lives(p);
	str_reset(&p->published);
	if (file_replace_unsynced(p->session_path, p->session, strlen(p->session), 0600, &e) != 0)
		log_warning("cannot remember the session: %s", e.text);
	p->is_touched = true;
	set_state(p, READY);
	write_now(p);
}

static void
create(struct publisher *p)
{
	const struct kv_session_spec s = { .name = "pointsmand", .ttl_ms = SESSION_TTL_MS };

	set_state(p, CREATING);
	p->call = kv_session_create(p->env.kv, &s, created, p);
}

static void
renewed(struct kv_answer *a, void *arg)
{
	struct publisher *p = arg;

	p->call = NULL;
	p->env.contact(&a->err, p->env.arg);
	if (a->err.code == ERR_NONE) {
		session_lives(p);
		ready(p);
	} else if (a->err.code == ERR_NOT_FOUND) {
		create(p);
	} else {
		fail(p, &a->err);
	}
}

/* A session that we hold, or that the run before us held, lives on if it can. */
static void
timer_due(void *arg)
{
	struct publisher *p = arg;

	if (p->session[0] == '\0') {
		create(p);
		return;
	}
	set_state(p, RENEWING);
	p->call = kv_session_renew(p->env.kv, p->session, renewed, p);
}

struct publisher *
publisher_new(const struct publisher_env *env)
{
	struct publisher *p = mem_alloc(sizeof(*p));
	struct str old = STR_INIT;

	p->env = *env;
	p->key = mem_strdup(env->key);
	p->session_path = mem_strdup(env->session_path);
	p->retry_ms = RETRY_MIN_MS;
	p->is_touched = true;
	p->timer = loop_timer_new(env->loop, timer_due, p);
	p->write_timer = loop_timer_new(env->loop, write_due, p);
	if (file_read(p->session_path, KV_SESSION_SIZE, &old, NULL) == 0 &&
	    old.len == KV_SESSION_SIZE - 1 &&
	    strspn(old.data, "0123456789abcdef-") == KV_SESSION_SIZE - 1)
		strcpy(p->session, old.data);
	str_clear(&old);
	return p;
}

void
publisher_start(struct publisher *p)
{
	loop_timer_set(p->timer, 0);
}

void
publisher_free(struct publisher *p)
{
	if (p == NULL)
		return;
	if (p->call != NULL)
		kv_cancel(p->call);
	loop_timer_free(p->timer);
	loop_timer_free(p->write_timer);
	str_clear(&p->published);
	free(p->key);
	free(p->session_path);
	loop_defer_free(p->env.loop, p);
}

static void
finish_answered(struct kv_answer *a, void *arg)
{
	struct publisher *p = arg;

	p->call = NULL;
	if (a->err.code == ERR_NONE)
		unlink(p->session_path);
	loop_timer_set(p->write_timer, 0);
}

static void
finish_due(void *arg)
{
	struct publisher *p = arg;

	if (p->call != NULL)
		kv_cancel(p->call);
	p->call = NULL;
	p->finished(p->finished_arg);
}

void
publisher_finish(struct publisher *p, void (*done)(void *arg), void *arg)
{
	p->finished = done;
	p->finished_arg = arg;
	if (p->call != NULL)
		kv_cancel(p->call);
	p->call = NULL;
	set_state(p, FINISHING);
	loop_timer_free(p->timer);
	p->timer = NULL;
	loop_timer_free(p->write_timer);
	p->write_timer = loop_timer_new(p->env.loop, finish_due, p);
	loop_timer_set(p->write_timer, p->session[0] != '\0' ? PUBLISH_LIMIT_MS : 0);
	if (p->session[0] != '\0')
		p->call = kv_session_destroy(p->env.kv, p->session, finish_answered, p);
}

const struct err *
publisher_error(const struct publisher *p)
{
	static const struct err none = { 0 };

	return p->failing_ms != 0 && clock_mono_ms() - p->failing_ms > PATIENCE_MS ? &p->err
										   : &none;
}
