/*
 * name_map_json.c: the map on disk, so that an agent that starts without Consul knows what it knew.
 *
 *   { "generation": 8813, "canary": true,
 *     "nodes": { "db3": "10.0.4.13",
 *                "db4": { "address": "10.0.4.14", "last_known": true, "meta": { "dc": "eu" } } },
 *     "names": { "maindb": "db3",
 *                "chat": { "value": "db4", "held": true,
 *                          "addresses": [ { "address": "10.0.4.7", "last_known": false } ] } },
 *     "rejected": [ { "name": "shop", "value": "db33", "why": "…", "kept": "db3" } ],
 *     "rejected_total": 1 }
 *
 * A name is its value alone where its nodes give its addresses, which is nearly always: ten thousand
 * names are 250 KB instead of 2 MB. Writing goes straight to text. Reading takes a tree, which is
 * done once at the start; whatever it says is parsed like anything foreign, and one slip refuses the
 * whole document: half a map would look like names that were deleted.
 */
#include "model/name_map.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "model/name_map_make.h"

/* --- writing ------------------------------------------------------------------------------------- */

static void
add_text(struct str *out, const char *text)
{
	json_t *j = json_printable(text, strlen(text));

	json_write(out, j);
	json_decref(j);
}

static const char *
bool_name(bool b)
{
	return b ? "true" : "false";
}

static void
add_meta(struct str *out, const char *const *meta)
{
	for (size_t i = 0; meta[i] != NULL; i += 2) {
		str_adds(out, i == 0 ? ",\"meta\":{" : ",");
		add_text(out, meta[i]);
		str_addc(out, ':');
		add_text(out, meta[i + 1]);
	}
	if (meta[0] != NULL)
		str_addc(out, '}');
}

/* Nodes, names, values and addresses are of an alphabet that needs no escape (name.c). */
static void
add_node(struct str *out, const struct node *n)
{
	if (!n->is_last_known && n->meta[0] == NULL) {
		str_addf(out, "\"%s\":\"%s\"", n->node, n->address);
		return;
	}
	str_addf(out, "\"%s\":{\"address\":\"%s\",\"last_known\":%s", n->node, n->address,
	    bool_name(n->is_last_known));
	add_meta(out, n->meta);
	str_addc(out, '}');
}

/* Whether the value says it all: only a held name has another address than its node in the table. */
static bool
is_plain(const struct name *n)
{
	for (size_t i = 0; i < n->count; i++) {
		const struct name_address *a = &n->addresses[i];

		if (a->node_at == NODE_NONE && a->node != a->address)
			return false;
	}
	return !n->is_held;
}

static void
add_name(struct str *out, const struct name *n)
{
	str_addc(out, '"');
	str_adds(out, n->name);
	if (is_plain(n)) {
		str_adds(out, "\":\"");
		str_adds(out, n->value);
		str_addc(out, '"');
		return;
	}
	str_addf(out, "\":{\"value\":\"%s\",\"held\":%s,\"addresses\":[", n->value,
	    bool_name(n->is_held));
	for (size_t i = 0; i < n->count; i++)
		str_addf(out, "%s{\"address\":\"%s\",\"last_known\":%s}", i > 0 ? "," : "",
		    n->addresses[i].address, bool_name(n->addresses[i].is_last_known));
	str_adds(out, "]}");
}

static void
add_rejected(struct str *out, const struct rejected *r)
{
	str_adds(out, "{\"name\":");
	add_text(out, r->name);
	str_adds(out, ",\"value\":");
	add_text(out, r->value);
	str_adds(out, ",\"why\":");
	add_text(out, r->why);
	if (r->kept != NULL) {
		str_adds(out, ",\"kept\":");
		add_text(out, r->kept);
	}
	str_addc(out, '}');
}

void
name_map_add_json(struct str *out, const struct name_map *m)
{
	/* JSON's integers end at 2^63 in jansson; an index beyond it was never one of Consul's. */
	uint64_t generation = m->generation <= INT64_MAX ? m->generation : INT64_MAX;

	str_addf(out, "{\"generation\":%" PRIu64 ",\"canary\":%s,\"nodes\":{", generation,
	    bool_name(m->has_canary));
	for (size_t i = 0; i < m->nodes->count; i++) {
		str_adds(out, i > 0 ? ",\n" : "\n");
		add_node(out, &m->nodes->nodes[i]);
	}
	str_adds(out, "},\n\"names\":{");
	for (size_t i = 0; i < m->count; i++) {
		str_adds(out, i > 0 ? ",\n" : "\n");
		add_name(out, &m->names[i]);
	}
	str_adds(out, "},\n\"rejected\":[");
	for (size_t i = 0; i < m->rejected_count; i++) {
		str_adds(out, i > 0 ? ",\n" : "\n");
		add_rejected(out, &m->rejected[i]);
	}
	str_addf(out, "],\"rejected_total\":%zu}", m->rejected_total);
}

/* --- reading ------------------------------------------------------------------------------------- */

/* A string without a hidden NUL; else NULL. */
static const char *
text_of(const json_t *j)
{
	const char *text = json_string_value(j);

	return text != NULL && strlen(text) == json_string_length(j) ? text : NULL;
}

static bool
is_true(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

static const char *const *
read_meta(struct arena *scratch, json_t *meta)
{
	size_t pairs = json_object_size(meta), i = 0;
	const char **out = arena_array(scratch, 2 * pairs + 1, sizeof(out[0]));
	const char *key;
	json_t *value;

	json_object_foreach (meta, key, value) {
		const char *text = text_of(value);

		out[i++] = key;
		out[i++] = text != NULL ? text : "";
	}
	return out;
}

static struct node_table *
read_nodes(json_t *nodes, struct err *e)
{
	struct arena scratch = { 0 };
	struct raw_node *raw = arena_array(&scratch, json_object_size(nodes), sizeof(raw[0]));
	struct node_table *t;
	const char *key;
	json_t *value;
	size_t n = 0;

	json_object_foreach (nodes, key, value) {
		const char *address =
		    text_of(json_is_object(value) ? json_object_get(value, "address") : value);

		raw[n].node = key;
		raw[n].address = address != NULL ? address : "";
		raw[n++].meta = read_meta(&scratch, json_object_get(value, "meta"));
	}
	t = node_table_build(raw, n, NULL);
	for (size_t i = 0; i < t->count; i++)
		t->nodes[i].is_last_known =
		    is_true(json_object_get(nodes, t->nodes[i].node), "last_known");
	arena_clear(&scratch);
	if (t->rejected_total == 0)
		return t;
	err_set(e, ERR_PROTOCOL, "nodes: %s: %s", t->rejected[0].node, t->rejected[0].why);
	node_table_unref(t);
	return NULL;
}

/* One address of a name that does not simply follow its nodes. */
static int
read_address(struct name_map *m, const struct value_item *item, const json_t *j,
    struct name_address *out, struct err *e)
{
	const char *text = text_of(json_object_get(j, "address"));
	char address[ADDRESS_SIZE];
	bool is_ipv6;
	struct err why;

	if (text == NULL)
		return err_set(e, ERR_PROTOCOL, "an address is missing");
	if (address_parse(text, strlen(text), address, &is_ipv6, &why) != 0)
		return err_set(e, ERR_PROTOCOL, "an address %s", why.text);
	if (item->is_address && strcmp(item->text, address) != 0)
		return err_set(e, ERR_PROTOCOL, "%s has the address %s", item->text, address);
	name_map_pin(m, out, item->text, address, is_ipv6, is_true(j, "last_known"));
	return 0;
}

static int
read_addresses(
    struct name_map *m, struct name *n, const struct value *v, const json_t *j, struct err *e)
{
	const json_t *list = json_object_get(j, "addresses");

	if (json_is_object(j) && json_array_size(list) != v->count)
		return err_set(
		    e, ERR_PROTOCOL, "as many addresses as parts of the value are needed");
	for (size_t i = 0; i < v->count; i++) {
		const struct value_item *item = &v->items[i];

		if (json_is_object(j)) {
			if (read_address(m, item, json_array_get(list, i), &n->addresses[i], e) !=
			    0)
				return -1;
		} else if (name_map_resolve(m, item, &n->addresses[i]) != 0) {
			return err_set(e, ERR_PROTOCOL, "there is no node %s", item->text);
		}
	}
	n->is_held = is_true(j, "held");
	return 0;
}

static int
read_name(struct name_map *m, const char *key, const json_t *j, struct err *e)
{
	const char *text = text_of(json_is_object(j) ? json_object_get(j, "value") : j);
	char name[NAME_SIZE];
	struct value v;
	struct err why;
	struct name *n;
	int rc;

	if (name_parse(key, strlen(key), name, &why) != 0)
		return err_set(e, ERR_PROTOCOL, "the name %s", why.text);
	if (strcmp(name, key) != 0)
		return err_set(e, ERR_PROTOCOL, "the name is not in lower case");
	if (text == NULL)
		return err_set(e, ERR_PROTOCOL, "the value is missing");
	if (value_parse(text, strlen(text), &v, &why) != 0)
		return err_set(e, ERR_PROTOCOL, "the value %s", why.text);
	n = name_map_next(m, name, (uint32_t)v.count);
	rc = read_addresses(m, n, &v, j, e);
	if (rc == 0) {
		name_map_set_value(m, n);
		m->count++;
	}
	value_clear(&v);
	return rc;
}

static int
compare_keys(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int
read_names(struct name_map *m, json_t *names, struct err *e)
{
	const char **keys = mem_array(json_object_size(names), sizeof(keys[0])), *key;
	char shown[4 * STR_SHOW_MAX + 4];
	json_t *value;
	size_t n = 0;
	int rc = 0;

	json_object_foreach (names, key, value)
		keys[n++] = key;
	qsort(keys, n, sizeof(keys[0]), compare_keys);
	for (size_t i = 0; i < n && rc == 0; i++) {
		rc = read_name(m, keys[i], json_object_get(names, keys[i]), e);
		if (rc != 0)
			err_wrap(e, "names: %s",
			    str_printable(shown, sizeof(shown), keys[i], strlen(keys[i])));
	}
	free(keys);
	return rc;
}

/* Texts that were printable when they were written; now they are anything. */
static const char *
read_shown(struct arena *a, const json_t *j)
{
	const char *text = text_of(j);
	struct str shown = STR_INIT;
	char *out;

	if (text == NULL)
		return NULL;
	str_add_printable(&shown, text, strlen(text), 4 * STR_SHOW_MAX + 4);
	out = arena_strdup(a, str_text(&shown));
	str_clear(&shown);
	return out;
}

static void
read_rejected(struct name_map *m, const json_t *j)
{
	const json_t *list = json_object_get(j, "rejected");
	json_int_t total = json_integer_value(json_object_get(j, "rejected_total"));
	struct arena scratch = { 0 };

	for (size_t i = 0; i < json_array_size(list) && i < REJECTED_MAX; i++) {
		const json_t *r = json_array_get(list, i);
		const char *name = read_shown(&scratch, json_object_get(r, "name"));
		const char *value = read_shown(&scratch, json_object_get(r, "value"));
		const char *why = read_shown(&scratch, json_object_get(r, "why"));

		if (name != NULL && value != NULL && why != NULL)
			name_map_add_rejected(
			    m, name, value, why, read_shown(&scratch, json_object_get(r, "kept")));
	}
	arena_clear(&scratch);
	if (total > 0 && (size_t)total > m->rejected_total)
		m->rejected_total = (size_t)total;
}

struct name_map *
name_map_from_json(const json_t *j, struct err *e)
{
	json_t *nodes = json_object_get(j, "nodes"), *names = json_object_get(j, "names");
	json_int_t generation = json_integer_value(json_object_get(j, "generation"));
	struct node_table *table;
	struct name_map *m;

	if (!json_is_object(nodes) || !json_is_object(names) || generation < 0) {
		err_set(
		    e, ERR_PROTOCOL, "not a map of names: nodes, names and generation are needed");
		return NULL;
	}
	if ((table = read_nodes(nodes, e)) == NULL)
		return NULL;
	m = name_map_make(table, json_object_size(names));
	node_table_unref(table);
	m->generation = (uint64_t)generation;
	m->has_canary = is_true(j, "canary");
	if (read_names(m, names, e) != 0) {
		name_map_unref(m);
		return NULL;
	}
	read_rejected(m, j);
	return m;
}
