/*
 * raw_map.h: what the model makes a map of (model/name_map.h), picked out of listings of the KV and
 * of the catalog. Everything points into those: they live longer.
 */
#ifndef FEATURE_RAW_MAP_H
#define FEATURE_RAW_MAP_H

#include <stddef.h>

#include "io/kv.h"
#include "model/name_map.h"

struct raw_map {
	const char *names_prefix, *nodes_prefix;
	size_t names_len, nodes_len;
	struct raw_name *names;
	size_t name_count;
	struct raw_node *nodes;
	size_t node_count;
	const char **meta; /* of all nodes of the catalog */
};

/* Takes the nodes of the catalog, with room for as many names and overrides as are said here. */
void raw_map_init(struct raw_map *r, const char *names_prefix, size_t names_room,
    const char *nodes_prefix, size_t nodes_room, const struct kv_nodes *catalog);
void raw_map_clear(struct raw_map *r);

/* What lies below another prefix is passed over. */
void raw_map_add_name(struct raw_map *r, const struct kv_entry *e);
void raw_map_add_node(struct raw_map *r, const struct kv_entry *e);

#endif
