/* name_map_diff.c: what changed between two maps: one merge of two sorted lists. */
#include "model/name_map.h"

#include <string.h>

#include "base/mem.h"

static const char *const kind_names[] = {
	[NAME_ADDED] = "added",
	[NAME_REMOVED] = "removed",
	[NAME_MOVED] = "moved",
	[NAME_READDRESSED] = "readdressed",
};

const char *
name_change_kind_name(enum name_change_kind kind)
{
	return kind_names[kind];
}

/* Of two names with the same value, which has as many parts as there are addresses. */
static bool
has_same_addresses(const struct name *a, const struct name *b)
{
	for (size_t i = 0; i < a->count; i++) {
		const char *x = a->addresses[i].address, *y = b->addresses[i].address;

		/* The same text where both maps share a node table. */
		if (x != y && strcmp(x, y) != 0)
			return false;
	}
	return true;
}

struct changes {
	struct name_change *list;
	size_t count, room;
};

static void
add_change(struct changes *c, enum name_change_kind kind, const struct name *before,
    const struct name *after)
{
	if (c->count == c->room) {
		c->room = c->room > 0 ? 2 * c->room : 16;
		c->list = mem_grow(c->list, c->room, sizeof(c->list[0]));
	}
	c->list[c->count++] = (struct name_change){ kind, before, after };
}

size_t
name_map_diff(const struct name_map *before, const struct name_map *after, struct name_change **out)
{
	const struct name *a = before != NULL ? before->names : NULL, *b = after->names;
	const struct name *a_end = before != NULL ? a + before->count : NULL;
	const struct name *b_end = b + after->count;
	struct changes c = { NULL, 0, 0 };

	while (a < a_end || b < b_end) {
		int order = a == a_end ? 1 : b == b_end ? -1 : strcmp(a->name, b->name);

		if (order < 0) {
			add_change(&c, NAME_REMOVED, a++, NULL);
		} else if (order > 0) {
			add_change(&c, NAME_ADDED, NULL, b++);
		} else {
			if (a->value != b->value && strcmp(a->value, b->value) != 0)
				add_change(&c, NAME_MOVED, a, b);
			else if (!has_same_addresses(a, b))
				add_change(&c, NAME_READDRESSED, a, b);
			a++;
			b++;
		}
	}
	*out = c.list;
	return c.count;
}
