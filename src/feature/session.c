/*
 * session.c: one request at a time.
 *
 *   NONE ──create──> CREATING ──> READY ──renew──> RENEWING ──> READY
 *     │                  │          │                  │
 *     └──────renew───────┼──────────┼──────────────> RENEWING ──no such session──> CREATING
 *     ▲                  │          │                  │
 *     └───────── any error, also of a write under it: again after a pause
 *
 * Whether the session still lives is asked by renewing it, and only "there is no such session" makes
 * a new one: a second session beside one that lives would find the keys locked by the first.
 *
 * The id of the session is kept on disk and renewed by the next run: after a crash the old session
 * would otherwise hold the keys until its TTL is over, up to twice that long.
 */
#include "feature/session.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "io/loop.h"

#define RETRY_MIN_MS 1000
#define RETRY_MAX_MS 15000
/*
 * Beyond two TTLs, failing is worth an operator's look. A store that was restored from a snapshot has
 * our session of then, which nobody renews: Consul ends it after one to two TTLs, and only after that
 * the keys are another's.
 */
#define PATIENCE_MS 10000

enum state { NONE, CREATING, READY, RENEWING, FINISHING };

struct session {
	struct session_env env;
	char *name, *path;
	enum state state;
	char id[KV_SESSION_SIZE];
	struct kv_call *call;
	struct loop_timer
	    *timer; /* NONE: the next try. READY: the next renewal. FINISHING: the end */
	int64_t retry_ms;
	int64_t failing_ms; /* since when nothing could be written; 0: it can */
	struct err err;
	void (*finished)(void *arg);
	void *finished_arg;
};

static void
set_state(struct session *s, enum state state)
{
	static const char *const names[] = { "none", "creating", "ready", "renewing", "finishing" };

	log_debug("session %s: %s -> %s", s->name, names[s->state], names[state]);
	s->state = state;
}

static void
fail(struct session *s, const struct err *e)
{
	if (s->failing_ms == 0)
		s->failing_ms = clock_mono_ms();
	if (strcmp(s->err.text, e->text) != 0)
		log_warning("cannot publish as %s: %s", s->name, e->text);
	s->err = *e;
	set_state(s, NONE);
	loop_timer_set(s->timer, loop_jitter(s->retry_ms, 0.2));
	s->retry_ms = s->retry_ms * 2 < RETRY_MAX_MS ? s->retry_ms * 2 : RETRY_MAX_MS;
}

static void
lives(struct session *s, bool is_new)
{
	set_state(s, READY);
	loop_timer_set(s->timer, loop_jitter(s->env.renew_ms, 0.1));
	s->env.ready(is_new, s->env.arg);
}

static void
created(struct kv_answer *a, void *arg)
{
	struct session *s = arg;
	struct err e;

	s->call = NULL;
	s->env.contact(&a->err, s->env.arg);
	if (a->err.code != ERR_NONE) {
		fail(s, &a->err);
		return;
	}
	strcpy(s->id, a->session);
	if (file_overwrite(s->path, s->id, strlen(s->id), 0600, &e) != 0)
		log_warning("cannot remember the session: %s", e.text);
	lives(s, true);
}

static void
create(struct session *s)
{
	const struct kv_session_spec spec = { .name = s->name, .ttl_ms = s->env.ttl_ms };

	set_state(s, CREATING);
	s->call = kv_session_create(s->env.kv, &spec, created, s);
}

static void
renewed(struct kv_answer *a, void *arg)
{
	struct session *s = arg;

	s->call = NULL;
	s->env.contact(&a->err, s->env.arg);
	if (a->err.code == ERR_NONE)
		lives(s, false);
	else if (a->err.code == ERR_NOT_FOUND)
		create(s);
	else
		fail(s, &a->err);
}

static void
end(struct session *s)
{
	if (s->call != NULL)
		kv_cancel(s->call);
	s->call = NULL;
	s->finished(s->finished_arg);
}

/* A session that we hold, or that the run before us held, lives on if it can. */
static void
timer_due(void *arg)
{
	struct session *s = arg;

	if (s->state == FINISHING) {
		end(s);
		return;
	}
	if (s->id[0] == '\0') {
		create(s);
		return;
	}
	set_state(s, RENEWING);
	s->call = kv_session_renew(s->env.kv, s->id, renewed, s);
}

struct session *
session_new(const struct session_env *env)
{
	struct session *s = mem_alloc(sizeof(*s));
	struct str old = STR_INIT;

	s->env = *env;
	s->name = mem_strdup(env->name);
	s->path = mem_strdup(env->path);
	s->retry_ms = RETRY_MIN_MS;
	s->timer = loop_timer_new(env->loop, timer_due, s);
	if (file_read(s->path, KV_SESSION_SIZE, &old, NULL) == 0 &&
	    old.len == KV_SESSION_SIZE - 1 &&
	    strspn(old.data, "0123456789abcdef-") == KV_SESSION_SIZE - 1)
		strcpy(s->id, old.data);
	str_clear(&old);
	return s;
}

void
session_start(struct session *s)
{
	loop_timer_set(s->timer, 0);
}

void
session_free(struct session *s)
{
	if (s == NULL)
		return;
	if (s->call != NULL)
		kv_cancel(s->call);
	loop_timer_free(s->timer);
	free(s->name);
	free(s->path);
	loop_defer_free(s->env.loop, s);
}

const char *
session_id(const struct session *s)
{
	return s->state == READY ? s->id : NULL;
}

void
session_doubt(struct session *s, const struct err *e)
{
	/* Whoever asks already, or waits to ask again, will know soon enough. */
	if (s->state == READY)
		fail(s, e);
}

void
session_works(struct session *s)
{
	s->failing_ms = 0;
	s->retry_ms = RETRY_MIN_MS;
	err_clear(&s->err);
}

static void
destroyed(struct kv_answer *a, void *arg)
{
	struct session *s = arg;

	s->call = NULL;
	if (a->err.code == ERR_NONE)
		unlink(s->path);
	loop_timer_set(s->timer, 0);
}

void
session_finish(struct session *s, void (*done)(void *arg), void *arg)
{
	s->finished = done;
	s->finished_arg = arg;
	if (s->call != NULL)
		kv_cancel(s->call);
	s->call = NULL;
	set_state(s, FINISHING);
	loop_timer_set(s->timer, s->id[0] != '\0' ? SESSION_FINISH_MS : 0);
	if (s->id[0] != '\0')
		s->call = kv_session_destroy(s->env.kv, s->id, destroyed, s);
}

const struct err *
session_error(const struct session *s)
{
	static const struct err none = { 0 };
	int64_t patience_ms = 2 * s->env.ttl_ms + PATIENCE_MS;

	return s->failing_ms != 0 && clock_mono_ms() - s->failing_ms > patience_ms ? &s->err
										   : &none;
}
