/*
 * redis_history.h: whether a Redis has writes that the active one lacks, by what INFO says of both. Pure.
 *
 * A history has an id and an offset in bytes; a server knows that of now, and the one before its
 * promotion up to a byte.
 */
#ifndef MODEL_REDIS_HISTORY_H
#define MODEL_REDIS_HISTORY_H

#include <stdint.h>

#include "model/redis_view.h"

enum redis_history {
	REDIS_HISTORY_CLEAN,   /* the active one has all that it has */
	REDIS_HISTORY_AHEAD,   /* it went on by some bytes after they parted */
	REDIS_HISTORY_UNKNOWN, /* they have nothing in common that could be compared */
};

/*
 * own has to be looked at first, then active. bytes: of REDIS_HISTORY_AHEAD; a master's pings to its
 * replicas count as well, 14 bytes each.
 */
enum redis_history redis_history_compare(
    const struct redis_info *own, const struct redis_info *active, int64_t *bytes);

/* How far it is in its history: a master as written, a replica as applied. */
int64_t redis_info_offset(const struct redis_info *info);
bool redis_info_is_master(const struct redis_info *info);

#endif
