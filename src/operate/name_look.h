/* name_look.h: what the resolver of this host says of a name, where its configuration names one. */
#ifndef OPERATE_NAME_LOOK_H
#define OPERATE_NAME_LOOK_H

#include <stdint.h>

#include "base/err.h"

struct client;
struct endpoint;

/*
 * Asks the first resolver that an output proves itself by. 1: name leads to the host of wanted; 0: it leads
 * elsewhere, or there is no answer: e says so; 2: no output names a resolver.
 */
int name_look(struct client *client, const char *name, const struct endpoint *wanted,
    int64_t limit_ms, struct err *e);

#endif
