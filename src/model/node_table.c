/*
 * node_table.c: the nodes of now, made from the catalog, the overrides below nodes/ and the table
 * before. Every candidate is parsed, all are sorted so that the best one of a node comes first, and
 * one merge with the old table yields the new one.
 *
 * Who speaks for a node, in this order: an override, the catalog, and what we knew; within a kind the
 * one whose node is written in lower case, then byte order, so that every agent decides the same
 * whatever it knew before. One that has no valid address does not speak at all.
 *
 * Old nodes are kept only while a name needs them. Keeping all of them would be simpler, but a fleet
 * that replaces its machines every night would carry every dead one for ever.
 */
#include "model/name_map.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define META_TEXT_MAX 512 /* of a key or a value, Consul's own limit (structs.metaValueMaxLength) */

struct candidate {
	const char *node; /* lower-cased, in the arena */
	const struct raw_node *raw;
	bool is_lower; /* written so */
};

struct table_builder {
	struct node_table *table;
	size_t rejected_room;
	const struct node_table *old;
	bool *is_needed; /* of each old node: a name has it */
};

static const char *const no_meta[] = { NULL };

/* "the node in the catalog has an empty label"; shown, if any, stands between commas. */
static void
reject_node(struct table_builder *b, const struct raw_node *raw, const char *part,
    const char *shown, const char *why)
{
	struct node_table *t = b->table;
	struct rejected_node *r;
	char node[4 * STR_SHOW_MAX + 4];
	struct str text = STR_INIT;

	t->rejected_total++;
	if (t->rejected == NULL)
		t->rejected = arena_array(&t->arena, b->rejected_room, sizeof(t->rejected[0]));
	if (t->rejected_count == b->rejected_room)
		return;
	r = &t->rejected[t->rejected_count++];
	r->node = arena_strdup(
	    &t->arena, str_printable(node, sizeof(node), raw->node, strlen(raw->node)));
	str_addf(&text, "the %s %s", part, raw->is_override ? "below nodes/" : "in the catalog");
	if (shown != NULL) {
		str_adds(&text, ", ");
		str_add_printable(&text, shown, strlen(shown), STR_SHOW_MAX);
		str_adds(&text, ",");
	}
	str_addf(&text, " %s", why);
	r->why = arena_strndup(&t->arena, str_text(&text), text.len);
	str_clear(&text);
}

static int
compare_candidates(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	int order = strcmp(x->node, y->node);

	if (order == 0)
		order = y->raw->is_override - x->raw->is_override;
	if (order == 0)
		order = y->is_lower - x->is_lower;
	if (order == 0)
		order = strcmp(x->raw->node, y->raw->node);
	return order != 0 ? order : strcmp(x->raw->address, y->raw->address);
}

/* What Consul's web interface writes to show a folder is no node. */
static bool
is_folder(const struct raw_node *raw)
{
	size_t len = strlen(raw->node);

	return raw->is_override && raw->address[0] == '\0' && !raw->has_nul &&
	       (len == 0 || raw->node[len - 1] == '/');
}

static struct candidate *
candidates_new(struct table_builder *b, const struct raw_node *raw, size_t count, size_t *kept)
{
	struct candidate *list = mem_array(count, sizeof(*list));
	bool is_sorted = true;
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		const struct raw_node *r = &raw[i];
		size_t len = strlen(r->node);
		char low[NAME_SIZE];
		struct err e;

		if (is_folder(r))
			continue;
		if (r->has_nul) {
			reject_node(b, r, "node", NULL, "has the byte \\x00");
			continue;
		}
		if (node_parse(r->node, len, low, &e) != 0) {
			reject_node(b, r, "node", NULL, e.text);
			continue;
		}
		list[n].node = arena_strndup(&b->table->arena, low, len);
		list[n].raw = r;
		list[n].is_lower = memcmp(low, r->node, len) == 0;
		if (n > 0 && compare_candidates(&list[n - 1], &list[n]) > 0)
			is_sorted = false;
		n++;
	}
	if (!is_sorted)
		qsort(list, n, sizeof(*list), compare_candidates);
	*kept = n;
	return list;
}

static const char *const *
meta_copy(struct arena *a, const char *const *meta, size_t text_max)
{
	size_t pairs = 0;
	const char **out;
	struct str shown = STR_INIT;

	if (meta == NULL || meta[0] == NULL)
		return no_meta;
	while (pairs < NODE_META_MAX && meta[2 * pairs] != NULL && meta[2 * pairs + 1] != NULL)
		pairs++;
	out = arena_array(a, 2 * pairs + 1, sizeof(out[0]));
	for (size_t i = 0; i < 2 * pairs; i++) {
		str_reset(&shown);
		str_add_printable(&shown, meta[i], strlen(meta[i]), text_max);
		out[i] = arena_strdup(a, str_text(&shown));
	}
	str_clear(&shown);
	return out;
}

static void
keep_old(struct table_builder *b, const struct node *old)
{
	struct node_table *t = b->table;
	struct node *n = &t->nodes[t->count++];

	n->node = arena_strdup(&t->arena, old->node);
	n->address = arena_strdup(&t->arena, old->address);
	n->meta = meta_copy(&t->arena, old->meta, SIZE_MAX);
	n->is_ipv6 = old->is_ipv6;
	n->is_last_known = true;
}

/* 0: the candidate speaks for its node. */
static int
add_node(struct table_builder *b, const struct candidate *c, const struct node *old)
{
	struct node_table *t = b->table;
	struct node *n = &t->nodes[t->count];
	char address[ADDRESS_SIZE];
	const char *text = c->raw->address;
	struct err e;

	/* What was good before is good now: ten thousand nodes are not parsed again at each flip. */
	if (old != NULL && strcmp(text, old->address) == 0) {
		n->is_ipv6 = old->is_ipv6;
	} else if (address_parse(text, strlen(text), address, &n->is_ipv6, &e) == 0) {
		text = address;
	} else {
		reject_node(b, c->raw, "address", text, e.text);
		return -1;
	}
	n->node = c->node;
	n->address = arena_strdup(&t->arena, text);
	n->meta = no_meta;
	n->is_last_known = false;
	t->count++;
	return 0;
}

/* All candidates of one node. */
static void
settle_node(
    struct table_builder *b, const struct candidate *c, size_t count, const struct node *old)
{
	static const char is_twice[] =
	    "is there twice; the other one counts: lower case first, then byte order";
	const struct candidate *winner = NULL;
	struct node_table *t = b->table;

	for (size_t i = 0; i < count; i++) {
		if (winner == NULL) {
			if (add_node(b, &c[i], old) == 0)
				winner = &c[i];
		} else if (winner->raw->is_override == c[i].raw->is_override) {
			reject_node(b, c[i].raw, "node", NULL, is_twice);
		}
		/* An override says nothing but an address: the meta stays the catalog's. */
		if (winner != NULL && t->nodes[t->count - 1].meta == no_meta)
			t->nodes[t->count - 1].meta =
			    meta_copy(&t->arena, c[i].raw->meta, META_TEXT_MAX);
	}
	if (winner == NULL && old != NULL && b->is_needed[old - b->old->nodes])
		keep_old(b, old);
}

static void
merge(struct table_builder *b, const struct candidate *c, size_t count)
{
	const struct node *old = b->old != NULL ? b->old->nodes : NULL;
	const struct node *old_end = b->old != NULL ? old + b->old->count : NULL;
	size_t group;

	for (size_t i = 0; i < count || old < old_end; i += group) {
		int order = i == count ? 1 : old == old_end ? -1 : strcmp(c[i].node, old->node);

		group = 0;
		if (order > 0) {
			if (b->is_needed[old - b->old->nodes])
				keep_old(b, old);
			old++;
			continue;
		}
		while (i + group < count && strcmp(c[i].node, c[i + group].node) == 0)
			group++;
		settle_node(b, c + i, group, order == 0 ? old++ : NULL);
	}
}

static bool *
needed_nodes(const struct name_map *map)
{
	bool *is_needed = mem_array(map->nodes->count, sizeof(*is_needed));

	for (size_t i = 0; i < map->count; i++) {
		for (size_t k = 0; k < map->names[i].count; k++) {
			uint32_t at = map->names[i].addresses[k].node_at;

			if (at != NODE_NONE)
				is_needed[at] = true;
		}
	}
	return is_needed;
}

struct node_table *
node_table_build(const struct raw_node *raw, size_t count, const struct name_map *before)
{
	struct table_builder b = { NULL, 0, NULL, NULL };
	struct candidate *list;
	size_t kept;

	b.table = mem_alloc(sizeof(*b.table));
	b.table->refs = 1;
	b.rejected_room = count < REJECTED_MAX ? count : REJECTED_MAX;
	if (before != NULL) {
		b.old = before->nodes;
		b.is_needed = needed_nodes(before);
	}
	list = candidates_new(&b, raw, count, &kept);
	b.table->nodes = arena_array(
	    &b.table->arena, kept + (b.old != NULL ? b.old->count : 0), sizeof(b.table->nodes[0]));
	merge(&b, list, kept);
	free(list);
	free(b.is_needed);
	return b.table;
}

struct node_table *
node_table_ref(struct node_table *t)
{
	t->refs++;
	return t;
}

void
node_table_unref(struct node_table *t)
{
	if (t == NULL || --t->refs > 0)
		return;
	arena_clear(&t->arena);
	free(t);
}

static int
compare_node(const void *key, const void *member)
{
	return strcmp(key, ((const struct node *)member)->node);
}

const struct node *
node_table_find(const struct node_table *t, const char *node)
{
	return bsearch(node, t->nodes, t->count, sizeof(t->nodes[0]), compare_node);
}
