/* health_view.h: what the vantages say, as the KV has it at one moment. */
#ifndef OPERATE_HEALTH_VIEW_H
#define OPERATE_HEALTH_VIEW_H

#include "base/err.h"
#include "feature/health_board.h"

struct client;
/* One consistent read of <root>health/; NULL and e when it fails. health_board_free() it. */
struct health_board *health_view_load(struct client *client, struct err *e);

/* "<root>health/.mutes/<check>", malloc'ed. */
char *health_view_mute_key(const struct client *client, const char *check);

#endif
