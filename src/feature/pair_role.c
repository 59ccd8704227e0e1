/*
 * pair_role.c: a value is a node, or an address of one. A value with several (a mistake for a pair) has
 * no active server: guessing the first would call a healthy standby wrong.
 */
#include "feature/pair_role.h"

#include <string.h>

const struct config_pair *
pair_find(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->pair_count; i++) {
		if (strcmp(c->pairs[i].name, name) == 0)
			return &c->pairs[i];
	}
	return NULL;
}

const struct config_pair *
pair_find_led(const struct config *c, const char *kv_name)
{
	for (size_t i = 0; i < c->pair_count; i++) {
		/* NULL: while a configuration is read that has problems. */
		if (c->pairs[i].kv_name != NULL && strcmp(c->pairs[i].kv_name, kv_name) == 0)
			return &c->pairs[i];
	}
	return NULL;
}

const char *
pair_active_node(const struct config_pair *p, const struct name_map *m)
{
	const struct name *name = m != NULL ? name_map_find(m, p->kv_name) : NULL;

	if (name == NULL || name->count != 1)
		return NULL;
	for (char **node = p->nodes; *node != NULL; node++) {
		const struct node *known = node_table_find(m->nodes, *node);

		if (strcmp(name->value, *node) == 0 ||
		    (known != NULL && strcmp(name->value, known->address) == 0))
			return *node;
	}
	return NULL;
}

enum check_role
pair_role(const struct config *c, const struct check_spec *s, const struct name_map *m)
{
	const struct config_pair *p = s->pair != NULL ? pair_find(c, s->pair) : NULL;
	const char *active = p != NULL ? pair_active_node(p, m) : NULL;

	if (p == NULL)
		return s->role;
	if (active == NULL)
		return CHECK_ROLE_ANY;
	return strcmp(active, s->node) == 0 ? CHECK_ROLE_ACTIVE : CHECK_ROLE_STANDBY;
}
