/* proposals.h: the failovers that are proposed, as the KV has them (design, section 6). */
#ifndef CLI_PROPOSALS_H
#define CLI_PROPOSALS_H

#include <jansson.h>

#include "base/err.h"

struct client;
struct troubles;

/* pair -> document, of whatever looks like one; a new reference in out. */
int proposals_load(json_t **out, struct client *client, struct err *e);

/*
 * Adds one trouble a proposal, with the command to type. Anybody may have written there: only what is
 * the command of that pair is shown as one.
 */
int proposals_add_troubles(struct troubles *t, struct client *client, struct err *e);

#endif
