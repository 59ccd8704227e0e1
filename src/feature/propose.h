/*
 * propose.h: keeps <root>proposals/<pair> in the KV: one document an incident, over all vantages.
 * Whoever creates the key first has proposed; any of them withdraws it. What `pointsman propose` wrote
 * for another tool is told, and withdrawn only when the name has moved.
 */
#ifndef FEATURE_PROPOSE_H
#define FEATURE_PROPOSE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "io/kv.h"
#include "model/name.h"

struct loop;
struct propose;

enum propose_event {
	PROPOSE_MADE,      /* by us, or by a tool and taken on by us: the hook is ours to run */
	PROPOSE_SEEN,      /* by another vantage, by a tool, or by us before a restart */
	PROPOSE_WITHDRAWN, /* by us */
	PROPOSE_GONE,      /* by another vantage, or a person */
};

struct propose_env {
	struct loop *loop;
	struct kv *kv;
	const char *prefix; /* "pointsman/proposals/" */
	const char *node;   /* of this vantage */
	/* The document of now, without "id" and "proposed_by". */
	json_t *(*write)(const char *pair, void *arg);
	/* document: as it stands, or stood; owned by the callee's caller. */
	void (*told)(enum propose_event event, const char *pair, const json_t *document, void *arg);
	void (*contact)(const struct err *e, void *arg); /* Consul answered, or not */
	void *arg;
};

/* What this vantage thinks of a pair at this moment. */
struct propose_view {
	bool is_wanted;     /* a failover is worth proposing */
	bool is_well;       /* the active passes: an incident is over */
	const char *active; /* what the KV names; NULL: not known */
	/* What to type at this moment: an ill active may die meanwhile. NULL: not known. */
	const char *command;
};

struct propose *propose_new(const struct propose_env *env, const char *const *pairs, size_t count);
void propose_free(struct propose *p);
void propose_start(struct propose *p);

/* To be called whenever something changed, and every few seconds. */
void propose_update(struct propose *p, size_t pair, const struct propose_view *view);
/* What stands in the KV for a pair; NULL: nothing. */
const json_t *propose_standing(const struct propose *p, size_t pair);

#endif
