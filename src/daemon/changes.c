/*
 * changes.c: what changed from one map that is in all files to the next. Whoever reads it compares the index
 * with those that operations got, so it has to be the key's own: the generation of the map is that of the
 * last of several flips. The key's is known when it has not changed again since; a deletion has none.
 */
#include "daemon/changes.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "feature/store.h"

struct change {
	char *name, *old, *new; /* values; NULL: there was, there is none */
	uint64_t index;
	int64_t at_wall_s; /* when it was seen */
};

struct changes {
	struct change list[CHANGES_MAX];
	size_t count;
};

static void
clear_change(struct change *c)
{
	free(c->name);
	free(c->old);
	free(c->new);
}

struct changes *
changes_new(void)
{
	return mem_alloc(sizeof(struct changes));
}

void
changes_free(struct changes *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->count; i++)
		clear_change(&c->list[i]);
	free(c);
}

static char *
value_of(const struct name *n)
{
	return n != NULL ? mem_strdup(n->value) : NULL;
}

static void
note(struct changes *c, const struct store *s, const struct name_map *map,
    const struct name_change *change)
{
	const char *name = (change->after != NULL ? change->after : change->before)->name;
	uint64_t index = change->after != NULL ? store_name_index(s, name) : 0;
	struct change *new;

	if (c->count == CHANGES_MAX) {
		clear_change(&c->list[0]);
		memmove(c->list, c->list + 1, --c->count * sizeof(c->list[0]));
	}
	new = &c->list[c->count++];
	new->name = mem_strdup(name);
	new->old = value_of(change->before);
	new->new = value_of(change->after);
	new->index = index > 0 && index < map->generation ? index : map->generation;
	new->at_wall_s = clock_wall_s();
}

void
changes_note(struct changes *c, const struct store *s, const struct name_map *map,
    const struct name_change *list, size_t count)
{
	size_t from = count;

	/* Of a thousand at once only the last few stay: they alone are looked up. */
	for (size_t room = CHANGES_MAX; from > 0 && room > 0;)
		room -= list[--from].kind != NAME_READDRESSED;
	for (; from < count; from++) {
		if (list[from].kind != NAME_READDRESSED)
			note(c, s, map, &list[from]);
	}
}

json_t *
changes_to_json(const struct changes *c)
{
	json_t *list = json_array();

	for (size_t i = 0; i < c->count; i++) {
		const struct change *one = &c->list[i];

		json_array_append_new(
		    list, json_pack("{s:s, s:o, s:o, s:I, s:o}", "name", one->name, "old",
			      json_text(one->old), "new", json_text(one->new), "index",
			      (json_int_t)one->index, "at", json_time(one->at_wall_s)));
	}
	return list;
}
