/*
 * name_map_make.h: what building a map and reading one from disk have in common. For name_map_*.c.
 */
#ifndef MODEL_NAME_MAP_MAKE_H
#define MODEL_NAME_MAP_MAKE_H

#include "model/name_map.h"

/* An empty map with room for so many names; takes a reference of nodes. */
struct name_map *name_map_make(struct node_table *nodes, size_t room);

/* The next free name, named; the caller fills in the rest and counts it. */
struct name *name_map_next(struct name_map *m, const char *name, uint32_t address_count);

/* The value, normalised, from the addresses' nodes. */
void name_map_set_value(struct name_map *m, struct name *n);

/* One address: that of the node in this place of the map's nodes. */
void name_map_follow(const struct name_map *m, uint32_t at, struct name_address *out);

/* One address: an item of a value, looked up in the map's nodes. -1: there is no such node. */
int name_map_resolve(struct name_map *m, const struct value_item *item, struct name_address *out);

/* One address as given; every text is copied. */
void name_map_pin(struct name_map *m, struct name_address *out, const char *node,
    const char *address, bool is_ipv6, bool is_last_known);

/* All texts are printable, and copied. kept: or NULL. */
void name_map_add_rejected(
    struct name_map *m, const char *name, const char *value, const char *why, const char *kept);

#endif
