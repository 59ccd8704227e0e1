/*
 * name_map_build.c: one map from the next. Three sorted lists are merged: the keys of now (parsed and
 * grouped by the name they mean), and the names of before.
 *
 *   key and value good       the nodes' addresses of now                       (resolve)
 *   value as it was before   the same nodes, their addresses of now            (carry)
 *   value no good, known     as carry, and rejected with the value that stays
 *   value no good, unknown   rejected, not in the map
 *   held, known before       copied as it is, whatever the key says            (hold)
 *   key gone                 gone, unless held
 *
 * Speed: at ten thousand names all but one are as they were, and carry() does not look a node up: it
 * knows its place in the old table, and one merge of the two tables says which place that is now. When
 * both maps share a table, not even that. A hash table over the names was rejected: both sides are
 * sorted already, and building it costs more than the merge.
 */
#include "model/name_map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/name_map_make.h"

struct candidate {
	const char *name; /* lower-cased, in the arena or in the map of before */
	const struct raw_name *raw;
	bool is_lower; /* written so */
};

struct builder {
	const struct name_map_input *in;
	struct name_map *map;
	struct arena scratch; /* the candidates' names */
	struct candidate *list;
	size_t count;
	uint32_t *place_now; /* of each node of before in the nodes of now; NULL: the same */
	size_t known;        /* the name of before where the next key is looked for */
};

static void
reject(struct builder *b, const struct raw_name *raw, const char *kept, const char *why)
{
	char name[4 * STR_SHOW_MAX + 4], value[sizeof(name)];

	name_map_add_rejected(b->map, str_printable(name, sizeof(name), raw->key, raw->key_len),
	    str_printable(value, sizeof(value), raw->value, raw->value_len), why, kept);
}

/* --- the keys ------------------------------------------------------------------------------------ */

static int
compare_keys(const struct raw_name *x, const struct raw_name *y)
{
	size_t shorter = x->key_len < y->key_len ? x->key_len : y->key_len;
	int order = memcmp(x->key, y->key, shorter);

	return order != 0 ? order : (x->key_len > y->key_len) - (x->key_len < y->key_len);
}

/* The one that counts comes first: lower case, then byte order. */
static int
compare_candidates(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	if (order == 0)
		order = y->is_lower - x->is_lower;
	return order != 0 ? order : compare_keys(x->raw, y->raw);
}

/* What Consul's web interface writes to show a folder is no name. */
static bool
is_folder(const struct raw_name *raw)
{
	return raw->value_len == 0 && (raw->key_len == 0 || raw->key[raw->key_len - 1] == '/');
}

static bool
is_canary(const struct raw_name *raw)
{
	return raw->key_len == strlen(CANARY_NAME) &&
	       memcmp(raw->key, CANARY_NAME, raw->key_len) == 0;
}

/*
 * The name of before that is written exactly like this key; NULL: none, or the keys are not in the order of
 * their names, which only costs time.
 */
static const char *
known_name(struct builder *b, const struct raw_name *raw)
{
	const struct name_map *before = b->in->before;

	for (; before != NULL && b->known < before->count; b->known++) {
		const char *name = before->names[b->known].name;
		const struct raw_name known = { .key = name, .key_len = strlen(name) };
		int order = compare_keys(&known, raw);

		if (order >= 0)
			return order == 0 ? name : NULL;
	}
	return NULL;
}

/* Whether the key is a name; if not, it has been dealt with. */
static bool
read_key(struct builder *b, const struct raw_name *raw, struct candidate *out)
{
	char low[NAME_SIZE], why[ERR_TEXT_MAX + 16];
	struct err e;

	if (is_canary(raw)) {
		b->map->has_canary = true;
		return false;
	}
	if (is_folder(raw))
		return false;
	out->raw = raw;
	out->is_lower = true;
	if ((out->name = known_name(b, raw)) != NULL)
		return true; /* it was parsed when it came into the map of before */
	if (name_parse(raw->key, raw->key_len, low, &e) != 0) {
		snprintf(why, sizeof(why), "the name %s", e.text);
		reject(b, raw, NULL, why);
		return false;
	}
	out->name = arena_strndup(&b->scratch, low, raw->key_len);
	out->is_lower = memcmp(low, raw->key, raw->key_len) == 0;
	return true;
}

static void
read_keys(struct builder *b)
{
	const struct name_map_input *in = b->in;
	bool is_sorted = true;

	b->list = arena_array(&b->scratch, in->count, sizeof(b->list[0]));
	for (size_t i = 0; i < in->count; i++) {
		struct candidate *c = &b->list[b->count];

		if (!read_key(b, &in->raw[i], c))
			continue;
		if (b->count > 0 && compare_candidates(c - 1, c) > 0)
			is_sorted = false;
		b->count++;
	}
	/* Byte order puts "Beta" before "alpha"; in lower case it is behind. */
	if (!is_sorted)
		qsort(b->list, b->count, sizeof(b->list[0]), compare_candidates);
}

/* --- one name ------------------------------------------------------------------------------------ */

static uint32_t *
places_now(const struct node_table *before, const struct node_table *now)
{
	uint32_t *place = mem_array(before->count, sizeof(*place));
	size_t k = 0;

	for (size_t i = 0; i < before->count; i++) {
		int order = 1;

		while (k < now->count &&
		       (order = strcmp(now->nodes[k].node, before->nodes[i].node)) < 0)
			k++;
		place[i] = k < now->count && order == 0 ? (uint32_t)k : NODE_NONE;
	}
	return place;
}

static uint32_t
place_now(const struct builder *b, const struct name_address *old)
{
	const struct node *node;

	if (old->node_at != NODE_NONE)
		return b->place_now != NULL ? b->place_now[old->node_at] : old->node_at;
	if (old->node == old->address) /* a literal */
		return NODE_NONE;
	node = node_table_find(b->map->nodes, old->node);
	return node != NULL ? (uint32_t)(node - b->map->nodes->nodes) : NODE_NONE;
}

/* The value of before with the addresses of now. */
static void
carry(struct builder *b, const struct name *old)
{
	struct name *n = name_map_next(b->map, old->name, old->count);

	for (uint32_t i = 0; i < old->count; i++) {
		const struct name_address *was = &old->addresses[i];
		uint32_t at = place_now(b, was);

		if (at != NODE_NONE)
			name_map_follow(b->map, at, &n->addresses[i]);
		else
			name_map_pin(b->map, &n->addresses[i], was->node, was->address,
			    was->is_ipv6, was->node != was->address);
	}
	name_map_set_value(b->map, n);
	b->map->count++;
}

/* Value and addresses of before. */
static void
hold(struct builder *b, const struct name *old)
{
	struct name *n = name_map_next(b->map, old->name, old->count);

	for (uint32_t i = 0; i < old->count; i++) {
		const struct name_address *was = &old->addresses[i];

		name_map_pin(b->map, &n->addresses[i], was->node, was->address, was->is_ipv6,
		    was->is_last_known);
	}
	name_map_set_value(b->map, n);
	n->is_held = true;
	b->map->count++;
}

/* A name that would be another name's full name, or too long to be a full name itself. */
static int
check_domain(const char *name, const char *domain, struct err *e)
{
	size_t len = strlen(name), tail = domain != NULL ? strlen(domain) : 0;

	if (tail == 0)
		return 0;
	if (len > tail && name[len - tail - 1] == '.' && strcmp(name + len - tail, domain) == 0)
		return err_set(e, ERR_PROTOCOL,
		    "the name ends in %s, which is put behind every name by itself", domain);
	if (len + 1 + tail > NAME_MAX_LEN)
		return err_set(e, ERR_LIMIT, "the name with .%s behind it is longer than %d bytes",
		    domain, NAME_MAX_LEN);
	return 0;
}

/* The value of now; the map is untouched when it cannot be used. */
static int
resolve(struct builder *b, const struct candidate *c, struct err *e)
{
	struct value v;
	struct name *n;
	struct err why;
	int rc = -1;

	if (value_parse(c->raw->value, c->raw->value_len, &v, &why) != 0)
		return err_set(e, why.code, "the value %s", why.text);
	n = name_map_next(b->map, c->name, (uint32_t)v.count);
	for (size_t i = 0; i < v.count; i++) {
		if (name_map_resolve(b->map, &v.items[i], &n->addresses[i]) == 0)
			continue;
		err_set(e, ERR_NOT_FOUND, "there is no node %s, in the catalog or below nodes/",
		    v.items[i].text);
		goto out;
	}
	name_map_set_value(b->map, n);
	b->map->count++;
	rc = 0;
out:
	value_clear(&v);
	return rc;
}

static int
use_value(struct builder *b, const struct candidate *c, const struct name *old, struct err *e)
{
	const struct raw_name *raw = c->raw;

	if (check_domain(c->name, b->in->domain, e) != 0)
		return -1;
	if (old == NULL || strlen(old->value) != raw->value_len ||
	    memcmp(old->value, raw->value, raw->value_len) != 0)
		return resolve(b, c, e);
	carry(b, old);
	return 0;
}

static void
reject_others(
    struct builder *b, const struct candidate *c, size_t from, size_t count, const char *kept)
{
	for (size_t i = from; i < count; i++) {
		char why[NAME_SIZE + 64];

		snprintf(why, sizeof(why), "the same name as %.*s, which is a key as well",
		    (int)c[i > 0 ? 0 : 1].raw->key_len, c[i > 0 ? 0 : 1].raw->key);
		reject(b, c[i].raw, kept, why);
	}
}

/* All keys that mean one name, the one that counts first; old: that name in before, or NULL. */
static void
settle(struct builder *b, const struct candidate *c, size_t count, const struct name *old)
{
	bool is_held = b->in->held != NULL && b->in->held(c->name, b->in->arg);
	bool is_clear = c->is_lower || count == 1 || old == NULL, is_good = true;
	struct name_map *m = b->map;
	struct name *now = &m->names[m->count];
	const char *kept;
	struct err e;

	if (is_held && old != NULL) {
		hold(b, old);
		return;
	}
	if (is_clear)
		is_good = use_value(b, c, old, &e) == 0;
	if (old != NULL && (!is_clear || !is_good))
		carry(b, old);
	now->is_held = is_held;
	kept = now < m->names + m->count ? now->value : NULL;
	if (!is_good)
		reject(b, c->raw, kept, e.text);
	reject_others(b, c, is_clear ? 1 : 0, count, kept);
}

/* --- all of them --------------------------------------------------------------------------------- */

static void
merge(struct builder *b)
{
	const struct name_map *before = b->in->before;
	const struct name *old = before != NULL ? before->names : NULL;
	const struct name *old_end = before != NULL ? old + before->count : NULL;
	const struct candidate *c = b->list, *end = b->list + b->count;

	while (c < end || old < old_end) {
		int order = c == end ? 1 : old == old_end ? -1 : strcmp(c->name, old->name);
		size_t group = 1;

		if (order > 0) {
			if (b->in->held != NULL && b->in->held(old->name, b->in->arg))
				hold(b, old);
			old++;
			continue;
		}
		while (c + group < end && strcmp(c->name, c[group].name) == 0)
			group++;
		settle(b, c, group, order == 0 ? old++ : NULL);
		c += group;
	}
}

struct name_map *
name_map_build(const struct name_map_input *in)
{
	struct builder b = { .in = in };
	size_t held_room = in->held != NULL && in->before != NULL ? in->before->count : 0;

	b.map = name_map_make(in->nodes, in->count + held_room);
	b.map->generation = in->generation;
	if (in->before != NULL && in->before->nodes != in->nodes)
		b.place_now = places_now(in->before->nodes, in->nodes);
	read_keys(&b);
	merge(&b);
	arena_clear(&b.scratch);
	free(b.place_now);
	return b.map;
}
