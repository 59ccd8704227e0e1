/*
 * kv_list.c: the lists that come out of a store. Strings lie in an arena, entries in one array: a
 * list of ten thousand names is a dozen allocations, made while its bytes arrive and freed at once.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/sorted.h"
#include "io/kv_impl.h"

#define FIRST_ROOM 8

/* Room for one more element of size; the new array. */
static void *
grow(void *array, size_t count, size_t *room, size_t size)
{
	if (count < *room)
		return array;
	*room = *room > 0 ? *room * 2 : FIRST_ROOM;
	return mem_grow(array, *room, size);
}

struct kv_entry *
kv_list_push(struct kv_list *l)
{
	l->entries = grow(l->entries, l->count, &l->room, sizeof(*l->entries));
	l->entries[l->count] = (struct kv_entry){ .key = "", .value = "", .session = "" };
	return &l->entries[l->count++];
}

/* Equal keys are told apart by their indexes, so that the same content gives the same order. */
static int
entry_compare(const void *a, const void *b)
{
	const struct kv_entry *x = a, *y = b;
	int order = strcmp(x->key, y->key);

	if (order != 0)
		return order;
	if (x->create_index != y->create_index)
		return x->create_index < y->create_index ? -1 : 1;
	return (x->modify_index > y->modify_index) - (x->modify_index < y->modify_index);
}

void
kv_list_sort(struct kv_list *l)
{
	/* Consul's lists come sorted; that is looked at, not relied on. */
	for (size_t i = 1; i < l->count; i++) {
		if (entry_compare(&l->entries[i - 1], &l->entries[i]) > 0) {
			qsort(l->entries, l->count, sizeof(*l->entries), entry_compare);
			return;
		}
	}
}

bool
kv_entry_has_nul(const struct kv_entry *e)
{
	return e->has_nul_key || strlen(e->value) != e->value_len;
}

size_t
kv_list_place(const struct kv_list *l, const char *key)
{
	return sorted_place(
	    l->entries, l->count, sizeof(*l->entries), offsetof(struct kv_entry, key), key);
}

const struct kv_entry *
kv_list_find(const struct kv_list *l, const char *key)
{
	size_t at = kv_list_place(l, key);

	return at < l->count && strcmp(l->entries[at].key, key) == 0 ? &l->entries[at] : NULL;
}

void
kv_list_share(struct kv_list *to, struct kv_list *from)
{
	if (from->refs == NULL && from->entries != NULL) {
		from->refs = mem_alloc(sizeof(*from->refs));
		*from->refs = 1;
	}
	if (from->refs != NULL) /* an empty list has nothing to free */
		++*from->refs;
	*to = *from;
}

void
kv_list_clear(struct kv_list *l)
{
	if (l->refs == NULL || --*l->refs == 0) {
		free(l->refs);
		free(l->entries);
		arena_clear(&l->arena);
	}
	*l = (struct kv_list){ 0 };
}

void
kv_list_take(struct kv_list *to, struct kv_list *from)
{
	*to = *from;
	*from = (struct kv_list){ 0 };
}

struct kv_node *
kv_nodes_push(struct kv_nodes *n)
{
	n->nodes = grow(n->nodes, n->count, &n->room, sizeof(*n->nodes));
	n->nodes[n->count] = (struct kv_node){ 0 };
	return &n->nodes[n->count++];
}

void
kv_node_push_meta(struct kv_node *node, char *key, char *value)
{
	/* A node has a handful (Consul allows 64): growing by one keeps the struct small. */
	node->meta = mem_grow(node->meta, node->meta_count + 1, sizeof(*node->meta));
	node->meta[node->meta_count++] = (struct kv_meta){ .key = key, .value = value };
}

void
kv_nodes_clear(struct kv_nodes *n)
{
	for (size_t i = 0; i < n->count; i++)
		free(n->nodes[i].meta);
	free(n->nodes);
	arena_clear(&n->arena);
	*n = (struct kv_nodes){ 0 };
}

void
kv_nodes_take(struct kv_nodes *to, struct kv_nodes *from)
{
	*to = *from;
	*from = (struct kv_nodes){ 0 };
}
