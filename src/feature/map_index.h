/*
 * map_index.h: what a name map does not say of itself, but a template may ask: which names live on a
 * node, and which name a shell variable would stand for. Made when first asked for; private to
 * map_datum.c.
 */
#ifndef FEATURE_MAP_INDEX_H
#define FEATURE_MAP_INDEX_H

#include <stdint.h>

#include "base/arena.h"
#include "model/name_map.h"

struct map_index {
	uint32_t
	    *starts; /* node i has names[starts[i]] … names[starts[i + 1] - 1]; NULL: not made */
	uint32_t *names;        /* places in the map's names, in their order */
	const char **variables; /* by name, NULL where two would have the same; NULL: not made */
	struct arena arena;     /* their texts */
};

void map_index_make_names(struct map_index *x, const struct name_map *map);
/* SHARD_017 for shard-017: capitals, digits and '_', and a '_' before a digit at the beginning. */
void map_index_make_variables(struct map_index *x, const struct name_map *map);
void map_index_clear(struct map_index *x);

#endif
