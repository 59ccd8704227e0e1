/*
 * redis_tail.h: the last writes of a Redis, as it would send them to a replica: what an old master has and
 * the active one does not.
 */
#ifndef OPERATE_REDIS_TAIL_H
#define OPERATE_REDIS_TAIL_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct redis_info;
struct redis_server;

#define REDIS_TAIL_MAX 67108864 /* bytes: more is no tail, and would have to be held in memory */

/*
 * The last bytes of its history into out, which is cleared first, over a connection of their own; info: of
 * the server, a master, whose writers wait. ERR_NOT_FOUND: its backlog does not reach back so far.
 */
int redis_tail_read(struct redis_server *s, const struct redis_info *info, int64_t bytes,
    int64_t limit_ms, struct str *out, struct err *e);

/*
 * Calls each (NULL: nobody wants them) with every command that changes something, as a line: "SET cart:7 …".
 * How many there are; -1: that is no list of commands.
 */
typedef void redis_tail_fn(const char *line, void *arg);
int64_t redis_tail_writes(const struct str *tail, redis_tail_fn *each, void *arg);

#endif
