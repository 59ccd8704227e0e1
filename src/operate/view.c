/*
 * view.c: reads names, nodes and the catalog and lets the model make the map of them. In the default
 * layout names/ and nodes/ come in one list (they share <root>n), so that both are of one moment and
 * the index is the very generation that the agents see.
 */
#include "operate/view.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "feature/raw_map.h"
#include "operate/client.h"

/* What follows the prefix in the entry's key; NULL: it lies elsewhere. */
static const char *
tail_of(const struct kv_entry *entry, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(entry->key, prefix, len) == 0 ? entry->key + len : NULL;
}

static void
build_map(struct view *v, const struct config *c, const char *nodes_prefix)
{
	struct name_map_input in = { .generation = v->index, .domain = c->agent.domain };
	struct raw_map raw;

	raw_map_init(&raw, c->consul.names, v->list.count, nodes_prefix,
	    v->list.count + v->list_nodes.count, &v->catalog);
	for (size_t i = 0; i < v->list.count; i++) {
		raw_map_add_name(&raw, &v->list.entries[i]);
		raw_map_add_node(&raw, &v->list.entries[i]);
	}
	for (size_t i = 0; i < v->list_nodes.count; i++)
		raw_map_add_node(&raw, &v->list_nodes.entries[i]);
	in.raw = raw.names;
	in.count = raw.name_count;
	in.nodes = node_table_build(raw.nodes, raw.node_count, NULL);
	v->map = name_map_build(&in);
	node_table_unref(in.nodes);
	raw_map_clear(&raw);
}

static void
find_canary(struct view *v, const struct config *c)
{
	char *key = config_name_key(c, CANARY_NAME);
	const struct kv_entry *entry = kv_list_find(&v->list, key);

	free(key);
	if (entry == NULL)
		return;
	v->has_canary = true;
	v->canary_index = entry->modify_index;
	v->is_canary_valid = canary_parse(entry, &v->canary, NULL) == 0;
}

/* --- reading ------------------------------------------------------------------------------------- */

int
view_load(struct view *v, struct client *client, struct err *e)
{
	const struct config *c = client->config;
	char *names_default = config_key(c, "names/"), *nodes = config_key(c, "nodes/");
	char *both = config_key(c, "n");
	bool is_default = strcmp(c->consul.names, names_default) == 0;
	int rc = -1;

	memset(v, 0, sizeof(*v));
	if (kv_wait_list(
		&client->wait, is_default ? both : c->consul.names, &v->list, &v->index, e) != 0)
		goto out;
	if (!is_default && kv_wait_list(&client->wait, nodes, &v->list_nodes, NULL, e) != 0)
		goto out;
	if (kv_wait_catalog_nodes(&client->wait, &v->catalog, e) != 0)
		goto out;
	build_map(v, c, nodes);
	find_canary(v, c);
	rc = 0;
out:
	free(names_default);
	free(nodes);
	free(both);
	return rc;
}

void
view_clear(struct view *v)
{
	kv_list_clear(&v->list);
	kv_list_clear(&v->list_nodes);
	kv_nodes_clear(&v->catalog);
	name_map_unref(v->map);
	memset(v, 0, sizeof(*v));
}

bool
view_name_of(const struct client *client, const struct kv_entry *entry, char out[NAME_SIZE])
{
	const char *tail = tail_of(entry, client->config->consul.names);

	return tail != NULL && !entry->has_nul_key &&
	       name_parse(tail, strlen(tail), out, NULL) == 0;
}

const struct kv_entry *
view_find(const struct view *v, const struct client *client, const char *name)
{
	char *key = config_name_key(client->config, name), other[NAME_SIZE];
	const struct kv_entry *found = kv_list_find(&v->list, key);

	free(key);
	for (size_t i = 0; found == NULL && i < v->list.count; i++) {
		const struct kv_entry *entry = &v->list.entries[i];

		if (view_name_of(client, entry, other) && strcmp(other, name) == 0)
			found = entry;
	}
	return found;
}

int
view_load_holds(struct hold_set *out, struct client *client, struct err *e)
{
	char *key = config_key(client->config, "hold");
	struct kv_list list = { 0 };
	int rc;

	if ((rc = kv_wait_list(&client->wait, key, &list, NULL, e)) == 0)
		hold_set_load(out, &list, key);
	kv_list_clear(&list);
	free(key);
	return rc;
}
