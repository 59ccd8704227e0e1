/*
 * gather.h: the facts of a preflight (model/preflight.h), gathered from the KV, the agents and both
 * servers of a pair. Nothing is changed anywhere; a session is made in Consul, and ended.
 *
 * Each wait has a limit, and Ctrl-C ends it.
 */
#ifndef OPERATE_GATHER_H
#define OPERATE_GATHER_H

#include "base/err.h"
#include "operate/fleet.h"
#include "operate/view.h"
#include "feature/config.h"
#include "model/preflight.h"

struct client;

/* What is the same for all pairs. Starts all zero. */
struct gather {
	struct client *client;
	struct view view;
	struct fleet fleet;
	struct hold_set holds;
	struct name_map *kept;      /* the agent's own, when the KV did not answer */
	const struct name_map *map; /* of either; NULL: no names are known */
	struct err kv_err, session_err;
};

/* Reads the KV. Of what is wrong with it the facts tell. 0, or -1 when it was interrupted. */
int gather_open(struct gather *g, struct client *client, struct err *e);
/* out points into g and pair; preflight_facts_clear() it. 0, or -1 when it was interrupted. */
int gather_pair(
    struct gather *g, const struct config_pair *pair, struct preflight_facts *out, struct err *e);
void gather_close(struct gather *g);

#endif
