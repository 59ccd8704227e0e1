/*
 * publish.h: keeps <root>agents/<node> in the KV: what this agent serves, held by a session that dies
 * with it. Losing Consul costs nothing: it is published again when Consul is back.
 */
#ifndef FEATURE_PUBLISH_H
#define FEATURE_PUBLISH_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"
#include "io/kv.h"

struct loop;
struct publisher;

struct publisher_env {
	struct loop *loop;
	struct kv *kv;
	const char *key;          /* "pointsman/agents/web-03" */
	const char *session_path; /* where the session's id is kept across a restart */
	void (*write)(struct str *out, void *arg);       /* appends the document of now */
	void (*contact)(const struct err *e, void *arg); /* Consul answered, or not */
	void *arg;
};

struct publisher *publisher_new(const struct publisher_env *env);
/* Does not end the session: publisher_finish() does. */
void publisher_free(struct publisher *p);

void publisher_start(struct publisher *p);
/* The document changed: published at once, or after the pause that spares Consul a burst. */
void publisher_touch(struct publisher *p);
/* Ends the session; done comes from the loop, after SESSION_FINISH_MS (session.h) at the latest. */
void publisher_finish(struct publisher *p, void (*done)(void *arg), void *arg);

/*
 * Why nothing could be published for more than a minute: somebody else publishes under our name, or
 * Consul refuses us. ERR_NONE when all is well, or may be in a moment.
 */
const struct err *publisher_error(const struct publisher *p);

#endif
