/*
 * name_map.c: the map as an object: its life, its look-ups, its digest, and the pieces that
 * name_map_build.c and name_map_json.c make one from.
 *
 * Memory: a daemon with ten thousand names has two maps for a moment, so a name costs what its text
 * and two small structs cost. One arena holds them all. An address that comes from a node is the
 * node's own text, in the table that several maps share; a value of one node is that node's name.
 */
#include "model/name_map.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "model/name_map_make.h"

_Static_assert(sizeof(((struct name_map *)NULL)->digest) == FILE_DIGEST_SIZE, "digest");

struct name_map *
name_map_ref(struct name_map *m)
{
	m->refs++;
	return m;
}

void
name_map_unref(struct name_map *m)
{
	if (m == NULL || --m->refs > 0)
		return;
	arena_clear(&m->arena);
	node_table_unref(m->nodes);
	free(m);
}

static int
compare_name(const void *key, const void *member)
{
	return strcmp(key, ((const struct name *)member)->name);
}

const struct name *
name_map_find(const struct name_map *m, const char *name)
{
	return bsearch(name, m->names, m->count, sizeof(m->names[0]), compare_name);
}

const char *
name_map_digest(struct name_map *m)
{
	struct str text = STR_INIT;

	if (m->digest[0] != '\0')
		return m->digest;
	for (const struct name *n = m->names; n < m->names + m->count; n++) {
		str_adds(&text, n->name);
		str_addc(&text, '\t');
		str_adds(&text, n->value);
		for (size_t i = 0; i < n->count; i++) {
			str_addc(&text, i == 0 ? '\t' : ',');
			str_adds(&text, n->addresses[i].address);
		}
		str_addc(&text, '\n');
	}
	file_digest(m->digest, str_text(&text), text.len);
	str_clear(&text);
	return m->digest;
}

/* --- making one ---------------------------------------------------------------------------------- */

struct name_map *
name_map_make(struct node_table *nodes, size_t room)
{
	const size_t per_name =
	    sizeof(struct name) + sizeof(struct name_address) + 16; /* of text */
	struct name_map *m = mem_alloc(sizeof(*m));

	m->refs = 1;
	m->nodes = node_table_ref(nodes);
	arena_reserve(&m->arena, room * per_name);
	m->names = arena_array(&m->arena, room, sizeof(m->names[0]));
	return m;
}

struct name *
name_map_next(struct name_map *m, const char *name, uint32_t address_count)
{
	struct name *n = &m->names[m->count];

	n->name = arena_strdup(&m->arena, name);
	n->addresses = arena_array(&m->arena, address_count, sizeof(n->addresses[0]));
	n->count = address_count;
	n->is_held = false;
	return n;
}

void
name_map_set_value(struct name_map *m, struct name *n)
{
	struct str text = STR_INIT;

	if (n->count == 1) {
		n->value = n->addresses[0].node;
		return;
	}
	for (size_t i = 0; i < n->count; i++) {
		if (i > 0)
			str_addc(&text, ',');
		str_adds(&text, n->addresses[i].node);
	}
	n->value = arena_strndup(&m->arena, str_text(&text), text.len);
	str_clear(&text);
}

void
name_map_follow(const struct name_map *m, uint32_t at, struct name_address *out)
{
	const struct node *node = &m->nodes->nodes[at];

	out->node = node->node;
	out->address = node->address;
	out->node_at = at;
	out->is_ipv6 = node->is_ipv6;
	out->is_last_known = node->is_last_known;
}

int
name_map_resolve(struct name_map *m, const struct value_item *item, struct name_address *out)
{
	const struct node *node;

	if (item->is_address) {
		name_map_pin(m, out, item->text, item->text, item->is_ipv6, false);
		return 0;
	}
	if ((node = node_table_find(m->nodes, item->text)) == NULL)
		return -1;
	name_map_follow(m, (uint32_t)(node - m->nodes->nodes), out);
	return 0;
}

void
name_map_pin(struct name_map *m, struct name_address *out, const char *node, const char *address,
    bool is_ipv6, bool is_last_known)
{
	const struct node *known = node_table_find(m->nodes, node);

	out->node = known != NULL ? known->node : arena_strdup(&m->arena, node);
	out->address = strcmp(node, address) == 0 ? out->node : arena_strdup(&m->arena, address);
	out->node_at = known != NULL ? (uint32_t)(known - m->nodes->nodes) : NODE_NONE;
	out->is_ipv6 = is_ipv6;
	out->is_last_known = is_last_known;
}

bool
name_is_last_known(const struct name *n)
{
	for (uint32_t i = 0; i < n->count; i++) {
		if (n->addresses[i].is_last_known)
			return true;
	}
	return false;
}

size_t
name_map_count_last_known(const struct name_map *m)
{
	size_t count = 0;

	for (size_t i = 0; i < m->count; i++)
		count += name_is_last_known(&m->names[i]);
	return count;
}

void
name_map_add_rejected(
    struct name_map *m, const char *name, const char *value, const char *why, const char *kept)
{
	struct rejected *r;

	m->rejected_total++;
	if (m->rejected == NULL)
		m->rejected = arena_array(&m->arena, REJECTED_MAX, sizeof(m->rejected[0]));
	if (m->rejected_count == REJECTED_MAX)
		return;
	r = &m->rejected[m->rejected_count++];
	r->name = arena_strdup(&m->arena, name);
	r->value = arena_strdup(&m->arena, value);
	r->why = arena_strdup(&m->arena, why);
	r->kept = kept != NULL ? arena_strdup(&m->arena, kept) : NULL;
}
