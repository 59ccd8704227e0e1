/* proposals.h: the failovers that vantages propose, as the KV has them (design, section 6). */
#ifndef CLI_PROPOSALS_H
#define CLI_PROPOSALS_H

#include "base/err.h"

struct client;
struct troubles;

/*
 * Adds one trouble a proposal, with the command to type. Anybody may have written there: only what is
 * the command of that pair is shown as one.
 */
int proposals_add_troubles(struct troubles *t, struct client *client, struct err *e);

#endif
