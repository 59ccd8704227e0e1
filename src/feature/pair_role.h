/*
 * pair_role.h: what a server must be at this moment. Of a pair's two the name's value in the KV says
 * which one is active; any other check says it in its configuration.
 */
#ifndef FEATURE_PAIR_ROLE_H
#define FEATURE_PAIR_ROLE_H

#include "feature/config.h"
#include "model/name_map.h"

/* NULL: no such pair. */
const struct config_pair *pair_find(const struct config *c, const char *name);
/* The one that this name of the KV leads to; NULL: none. */
const struct config_pair *pair_find_led(const struct config *c, const char *kv_name);

/* The pair's node that the KV makes the active one; NULL: neither of them, or nothing is known (m). */
const char *pair_active_node(const struct config_pair *p, const struct name_map *m);

/* CHECK_ROLE_ANY where it cannot be told: then the state alone is looked at. */
enum check_role pair_role(
    const struct config *c, const struct check_spec *s, const struct name_map *m);

#endif
