/*
 * session.h: keeps one session of Consul alive, for keys that must show whether we are. Losing Consul
 * costs nothing: the same session goes on when it answers again, or a new one is made.
 */
#ifndef FEATURE_SESSION_H
#define FEATURE_SESSION_H

#include <stdint.h>

#include "base/err.h"
#include "io/kv.h"

struct loop;
struct session;

struct session_env {
	struct loop *loop;
	struct kv *kv;
	const char *name; /* what Consul's UI shows */
	const char *path; /* where its id is kept across a restart */
	int64_t ttl_ms, renew_ms;
	/* It lives: from now on session_id() has it. is_new: keys of before are not locked by it. */
	void (*ready)(bool is_new, void *arg);
	void (*contact)(const struct err *e, void *arg); /* Consul answered, or not */
	void *arg;
};

struct session *session_new(const struct session_env *env);
/* Does not end the session: session_finish() does. */
void session_free(struct session *s);
void session_start(struct session *s);

/* NULL while there is none, or while it is in doubt: nothing may be written under it then. */
const char *session_id(const struct session *s);

/*
 * A write under the session failed: it is asked, after a pause that grows, whether it still lives, and
 * ready() comes. session_works() says that a write went well: the next pause is a short one.
 */
void session_doubt(struct session *s, const struct err *e);
void session_works(struct session *s);

/* Ends the session; done comes from the loop, after SESSION_FINISH_MS at the latest. */
#define SESSION_FINISH_MS 2000
void session_finish(struct session *s, void (*done)(void *arg), void *arg);

/*
 * Why nothing could be written for more than two TTLs: somebody else holds our keys, or Consul refuses
 * us. ERR_NONE when all is well, or may be in a moment.
 */
const struct err *session_error(const struct session *s);

#endif
