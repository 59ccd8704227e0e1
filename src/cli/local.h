/* local.h: asks the agent on this host, over its HTTP address (design, section 10). */
#ifndef CLI_LOCAL_H
#define CLI_LOCAL_H

#include <jansson.h>

#include "base/err.h"

struct client;

#define LOCAL_LIMIT_MS 2000        /* the agent answers from memory */
#define LOCAL_BODY_MAX (64u << 20) /* as large as a rendered file may be */

/* path is "/v1/status". A new reference, or NULL: ERR_UNREACHABLE when there is no agent. */
json_t *local_fetch(struct client *client, const char *path, struct err *e);

#endif
