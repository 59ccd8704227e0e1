/*
 * health_post.h: keeps this vantage's own documents below <root>health/ in the KV, under a session that
 * dies with it. Losing Consul costs nothing: they are written again when it is back.
 */
#ifndef FEATURE_HEALTH_POST_H
#define FEATURE_HEALTH_POST_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"
#include "io/kv.h"

struct loop;
struct health_post;

struct health_post_env {
	struct loop *loop;
	struct kv *kv;
	const char *prefix;       /* "pointsman/health/" */
	const char *session_path; /* where the session's id is kept across a restart */
	void (*contact)(const struct err *e, void *arg); /* Consul answered, or not */
	void *arg;
};

struct health_post *health_post_new(const struct health_post_env *env);
/* Does not end the session: health_post_finish() does. */
void health_post_free(struct health_post *p);
void health_post_start(struct health_post *p);

/*
 * The document of a key from now on; takes it. What is not urgent waits for a second, so that a blip,
 * which comes and goes, wakes nobody.
 */
void health_post_put(struct health_post *p, const char *key, struct str *text, bool is_urgent);
/* The KV does not have it: written again, unless that was only a moment ago. */
void health_post_again(struct health_post *p, const char *key);
/* A key that a run before us left behind: deleted, if it still has that modify_index. */
void health_post_remove(struct health_post *p, const char *key, uint64_t index);
bool health_post_has(const struct health_post *p, const char *key);

/* Ends the session; done comes from the loop, after SESSION_FINISH_MS (session.h) at the latest. */
void health_post_finish(struct health_post *p, void (*done)(void *arg), void *arg);

/* As publisher_error(). */
const struct err *health_post_error(const struct health_post *p);

#endif
