/*
 * map_datum.h: a name map as template data (design, section 9), read in place.
 *
 *   generation node domain rendered_at proof
 *   names[]  name fqdn node address env  addresses[] address node ipv6 last_known
 *   nodes[]  node address ipv6 last_known  names[]  meta{}
 *
 * node and address of a name are those of its first address. env is the name as a shell variable
 * can hold it (SHARD_017 for shard-017, _4X for 4x), and null where two names would have the same
 * one.
 */
#ifndef FEATURE_MAP_DATUM_H
#define FEATURE_MAP_DATUM_H

#include <stdint.h>

#include "base/clock.h"
#include "model/datum.h"
#include "model/name_map.h"
#include "model/proof.h"

struct map_index;

/* What one render sees. Borrows everything; a view is used in one place at a time. */
struct map_view {
	const struct name_map *map;
	const char *node;   /* the agent's */
	const char *domain; /* "" or NULL: an fqdn is the bare name */
	char rendered_at[CLOCK_ISO_SIZE];
	char proof[ADDRESS_SIZE];
	char generation[24];     /* in decimal */
	struct map_index *index; /* made when a template asks for nodes[].names or names[].env */
};

void map_view_init(struct map_view *v, const struct name_map *map, const char *node,
    const char *domain, int64_t rendered_at_s);
void map_view_clear(struct map_view *v);

struct datum map_view_datum(const struct map_view *v);

#endif
