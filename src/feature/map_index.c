/*
 * map_index.c: two indexes over a map, each in a few flat arrays.
 *
 * Names to nodes: counted, then filled, so that the names of all nodes lie in one array.
 *
 * Variables: db-1, db.1 and db_1 are three names and one variable, DB_1. Whoever reads it would get the
 * address of one of them for another, so none of them has a variable. (A mapping without collisions
 * was rejected: nobody would guess its names.)
 */
#include "feature/map_index.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/name.h"

/* --- which names live on a node -------------------------------------------------------------------- */

void
map_index_make_names(struct map_index *x, const struct name_map *map)
{
	size_t nodes = map->nodes->count;
	uint32_t *at;

	if (x->starts != NULL)
		return;
	/* counted one place further on, so that the sums are where each node's names begin */
	x->starts = mem_array(nodes + 2, sizeof(*x->starts));
	for (size_t i = 0; i < map->count; i++) {
		for (uint32_t k = 0; k < map->names[i].count; k++) {
			if (map->names[i].addresses[k].node_at != NODE_NONE)
				x->starts[map->names[i].addresses[k].node_at + 2]++;
		}
	}
	for (size_t i = 2; i < nodes + 2; i++)
		x->starts[i] += x->starts[i - 1];
	x->names = mem_array(x->starts[nodes + 1], sizeof(*x->names));
	at = x->starts +
	     1; /* filling moves each beginning to its end, which is the next one's beginning */
	for (size_t i = 0; i < map->count; i++) {
		for (uint32_t k = 0; k < map->names[i].count; k++) {
			if (map->names[i].addresses[k].node_at != NODE_NONE)
				x->names[at[map->names[i].addresses[k].node_at]++] = (uint32_t)i;
		}
	}
}

/* --- variables ---------------------------------------------------------------------------------------- */

struct variable {
	const char *text;
	size_t name; /* its place in the map */
};

static const char *
make_variable(struct arena *a, const char *name)
{
	char text[NAME_SIZE + 1], *c = text;

	if (isdigit((unsigned char)name[0]))
		*c++ = '_';
	for (; *name != '\0'; name++)
		*c++ = isalnum((unsigned char)*name) ? (char)toupper((unsigned char)*name) : '_';
	return arena_strndup(a, text, (size_t)(c - text));
}

static int
compare_variables(const void *a, const void *b)
{
	return strcmp(((const struct variable *)a)->text, ((const struct variable *)b)->text);
}

void
map_index_make_variables(struct map_index *x, const struct name_map *map)
{
	struct variable *sorted;

	if (x->variables != NULL)
		return;
	x->variables = mem_array(map->count, sizeof(*x->variables));
	sorted = mem_array(map->count, sizeof(*sorted));
	for (size_t i = 0; i < map->count; i++)
		sorted[i] = (struct variable){ make_variable(&x->arena, map->names[i].name), i };
	qsort(sorted, map->count, sizeof(*sorted), compare_variables);
	for (size_t i = 0; i < map->count; i++) {
		bool is_shared =
		    (i > 0 && compare_variables(&sorted[i - 1], &sorted[i]) == 0) ||
		    (i + 1 < map->count && compare_variables(&sorted[i], &sorted[i + 1]) == 0);

		x->variables[sorted[i].name] = is_shared ? NULL : sorted[i].text;
	}
	free(sorted);
}

void
map_index_clear(struct map_index *x)
{
	free(x->starts);
	free(x->names);
	free(x->variables);
	arena_clear(&x->arena);
	*x = (struct map_index){ .starts = NULL };
}
