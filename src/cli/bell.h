/* bell.h: a write of which every agent has to know at once (feature/canary.h says how). */
#ifndef CLI_BELL_H
#define CLI_BELL_H

#include "operate/client.h"

struct view;

/*
 * op (NULL: none) and the rewritten canary in one transaction; accepted becomes the canary's unless it
 * is NULL. Where there is no canary, or one that cannot be read, a new one is written.
 */
void bell_write(struct client *client, const struct view *v, const struct kv_op *op,
    const char *accepted, struct write_result *out);

#endif
