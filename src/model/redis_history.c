/*
 * redis_history.c: the last byte that both have in common is the largest of what their histories of the
 * same id agree on; what a server has beyond it the other one never saw.
 *
 * A restart gives a new id. Redis 7 keeps the one before when it loads a dump that says where it was saved
 * (not from an AOF, and not after a crash without one); then that is compared. Older ones and all others
 * cannot be compared, and whatever they hold may be more than the active one has. Only one without a single
 * key surely has nothing.
 *
 * A master without replicas and backlog does not count its writes. It has forgotten its history by then:
 * Redis changes the id when it frees the backlog.
 */
#include "model/redis_history.h"

#include <string.h>

#include "base/mem.h"

struct part {
	const char *id;
	int64_t end; /* bytes of it */
};

bool
redis_info_is_master(const struct redis_info *info)
{
	return strcmp(info->role, "master") == 0;
}

int64_t
redis_info_offset(const struct redis_info *info)
{
	return redis_info_is_master(info) ? info->offset : info->applied;
}

static void
take_parts(const struct redis_info *info, struct part out[2])
{
	out[0] = (struct part){ info->replid, redis_info_offset(info) };
	out[1] = (struct part){ info->replid2, info->second_offset - 1 };
}

/* Forty zeros mean that there is none. */
static bool
is_id(const char *id)
{
	return id[0] != '\0' && strspn(id, "0") != strlen(id);
}

/* -1: nothing. */
static int64_t
common_bytes(const struct part own[2], const struct part active[2])
{
	int64_t most = -1;

	for (size_t i = 0; i < 2; i++) {
		for (size_t k = 0; k < 2; k++) {
			int64_t end = own[i].end < active[k].end ? own[i].end : active[k].end;

			if (is_id(own[i].id) && strcmp(own[i].id, active[k].id) == 0 && end > most)
				most = end;
		}
	}
	return most;
}

enum redis_history
redis_history_compare(const struct redis_info *own, const struct redis_info *active, int64_t *bytes)
{
	struct part own_parts[2], active_parts[2];
	int64_t common;

	take_parts(own, own_parts);
	take_parts(active, active_parts);
	*bytes = 0;
	common = common_bytes(own_parts, active_parts);
	if (common < 0)
		return own->keys == 0 ? REDIS_HISTORY_CLEAN : REDIS_HISTORY_UNKNOWN;
	if (redis_info_offset(own) <= common)
		return REDIS_HISTORY_CLEAN;
	*bytes = redis_info_offset(own) - common;
	return REDIS_HISTORY_AHEAD;
}
