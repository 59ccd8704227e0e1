/*
 * raw_map.c: the same eyes for the agent, which knows more than one answer, and for the operator's
 * command, which has just read one: what the command shows is what the agents make of it.
 *
 * Nothing is copied and nothing is judged: ten thousand entries are looked at after every flip. An
 * entry at a time, because the agent's store walks its lists in an order of its own.
 */
#include "feature/raw_map.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* key, value, key, value, …, NULL at *next, which moves on; NULL: the node has none. */
static const char *const *
add_meta(const struct kv_node *n, const char ***next)
{
	const char **meta = *next;

	if (n->meta_count == 0)
		return NULL;
	for (size_t i = 0; i < n->meta_count; i++) {
		*(*next)++ = n->meta[i].key;
		*(*next)++ = n->meta[i].value;
	}
	*(*next)++ = NULL;
	return meta;
}

static void
add_catalog(struct raw_map *r, const struct kv_nodes *catalog)
{
	size_t meta_room = 0;
	const char **next;

	for (size_t i = 0; i < catalog->count; i++)
		meta_room += 2 * catalog->nodes[i].meta_count + 1;
	r->meta = next = mem_array(meta_room, sizeof(*r->meta));
	for (size_t i = 0; i < catalog->count; i++) {
		const struct kv_node *n = &catalog->nodes[i];

		r->nodes[r->node_count++] = (struct raw_node){
			.node = n->node, .address = n->address, .meta = add_meta(n, &next)
		};
	}
}

void
raw_map_init(struct raw_map *r, const char *names_prefix, size_t names_room,
    const char *nodes_prefix, size_t nodes_room, const struct kv_nodes *catalog)
{
	*r = (struct raw_map){
		.names_prefix = names_prefix,
		.nodes_prefix = nodes_prefix,
		.names_len = strlen(names_prefix),
		.nodes_len = strlen(nodes_prefix),
	};
	r->names = mem_array(names_room, sizeof(*r->names));
	r->nodes = mem_array(nodes_room + catalog->count, sizeof(*r->nodes));
	add_catalog(r, catalog);
}

void
raw_map_clear(struct raw_map *r)
{
	free(r->names);
	free(r->nodes);
	free(r->meta);
	*r = (struct raw_map){ 0 };
}

void
raw_map_add_name(struct raw_map *r, const struct kv_entry *e)
{
	const char *key;

	if (strncmp(e->key, r->names_prefix, r->names_len) != 0)
		return;
	key = e->key + r->names_len;
	/* A hidden NUL is shown to the map as one byte more: the terminator. */
	r->names[r->name_count++] = (struct raw_name){ .key = key,
		.key_len = strlen(key) + e->has_nul_key,
		.value = e->value,
		.value_len = e->value_len };
}

void
raw_map_add_node(struct raw_map *r, const struct kv_entry *e)
{
	if (strncmp(e->key, r->nodes_prefix, r->nodes_len) != 0 || e->key[r->nodes_len] == '\0')
		return;
	r->nodes[r->node_count++] = (struct raw_node){ .node = e->key + r->nodes_len,
		.address = e->value,
		.has_nul = kv_entry_has_nul(e),
		.is_override = true };
}
