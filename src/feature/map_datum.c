/*
 * map_datum.c: a class of datum for each shape in the template data. A datum points into the map, or
 * to the view and a place in it; nothing is copied. The tables of members are the one place where the
 * names of the template data stand: messages read them too.
 */
#include "feature/map_datum.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "feature/map_index.h"

static const struct datum_class name_class, names_class, fqdn_class, address_class, addresses_class;
static const struct datum_class node_class, nodes_class, node_names_class, meta_class;

/* --- a name's address: ptr is the name, index the place of the address ------------------------------- */

static const struct name_address *
address_of(const struct datum *d)
{
	return &((const struct name *)d->ptr)->addresses[d->index];
}

static void
address_address(const struct datum *d, struct datum *out)
{
	datum_set_text(out, address_of(d)->address);
}

static void
address_node(const struct datum *d, struct datum *out)
{
	datum_set_text(out, address_of(d)->node);
}

static void
address_ipv6(const struct datum *d, struct datum *out)
{
	datum_set_bool(out, address_of(d)->is_ipv6);
}

static void
address_last_known(const struct datum *d, struct datum *out)
{
	datum_set_bool(out, address_of(d)->is_last_known);
}

static void
addresses_item(const struct datum *list, size_t i, struct datum *out)
{
	*out = (struct datum){
		.kind = DATUM_OBJECT, .class = &address_class, .ptr = list->ptr, .index = i
	};
}

static const struct datum_class address_class = {
	.members =
	    (const struct datum_member[]){
		DATUM_MEMBER("address", address_address),
		DATUM_MEMBER("node", address_node),
		DATUM_MEMBER("ipv6", address_ipv6),
		DATUM_MEMBER("last_known", address_last_known),
		{ NULL, 0, NULL },
	    },
};
static const struct datum_class addresses_class = { .item = addresses_item };

/* --- a name: ptr is the view, index its place in the map ------------------------------------------- */

static const struct map_view *
view_of(const struct datum *d)
{
	return d->ptr;
}

static const struct name *
name_of(const struct datum *d)
{
	return &view_of(d)->map->names[d->index];
}

static void
name_name(const struct datum *d, struct datum *out)
{
	datum_set_text(out, name_of(d)->name);
}

static void
fqdn_text(const struct datum *d, struct str *out)
{
	const char *domain = view_of(d)->domain;

	str_adds(out, name_of(d)->name);
	if (domain != NULL && domain[0] != '\0') {
		str_addc(out, '.');
		str_adds(out, domain);
	}
}

static void
name_fqdn(const struct datum *d, struct datum *out)
{
	*out = (struct datum){
		.kind = DATUM_TEXT, .class = &fqdn_class, .ptr = d->ptr, .index = d->index
	};
}

static void
name_node(const struct datum *d, struct datum *out)
{
	datum_set_text(out, name_of(d)->addresses[0].node);
}

static void
name_address(const struct datum *d, struct datum *out)
{
	datum_set_text(out, name_of(d)->addresses[0].address);
}

static void
name_env(const struct datum *d, struct datum *out)
{
	const struct map_view *v = view_of(d);

	map_index_make_variables(v->index, v->map);
	datum_set_text(out, v->index->variables[d->index]);
}

static void
name_addresses(const struct datum *d, struct datum *out)
{
	*out = (struct datum){ .kind = DATUM_LIST,
		.class = &addresses_class,
		.ptr = name_of(d),
		.len = name_of(d)->count };
}

static void
names_item(const struct datum *list, size_t i, struct datum *out)
{
	*out = (struct datum){
		.kind = DATUM_OBJECT, .class = &name_class, .ptr = list->ptr, .index = i
	};
}

static const struct datum_class name_class = {
	.members =
	    (const struct datum_member[]){
		DATUM_MEMBER("name", name_name),
		DATUM_MEMBER("fqdn", name_fqdn),
		DATUM_MEMBER("node", name_node),
		DATUM_MEMBER("address", name_address),
		DATUM_MEMBER("env", name_env),
		DATUM_MEMBER("addresses", name_addresses),
		{ NULL, 0, NULL },
	    },
};
static const struct datum_class names_class = { .item = names_item };
static const struct datum_class fqdn_class = { .text = fqdn_text };

/* --- a node: ptr is the view, index its place among the nodes -------------------------------------- */

static const struct node *
node_of(const struct datum *d)
{
	return &view_of(d)->map->nodes->nodes[d->index];
}

static void
node_node(const struct datum *d, struct datum *out)
{
	datum_set_text(out, node_of(d)->node);
}

static void
node_address(const struct datum *d, struct datum *out)
{
	datum_set_text(out, node_of(d)->address);
}

static void
node_ipv6(const struct datum *d, struct datum *out)
{
	datum_set_bool(out, node_of(d)->is_ipv6);
}

static void
node_last_known(const struct datum *d, struct datum *out)
{
	datum_set_bool(out, node_of(d)->is_last_known);
}

static void
node_names(const struct datum *d, struct datum *out)
{
	const struct map_view *v = view_of(d);

	map_index_make_names(v->index, v->map);
	*out = (struct datum){ .kind = DATUM_LIST,
		.class = &node_names_class,
		.ptr = v,
		.index = d->index,
		.len = v->index->starts[d->index + 1] - v->index->starts[d->index] };
}

static void
node_names_item(const struct datum *list, size_t i, struct datum *out)
{
	const struct map_view *v = view_of(list);
	uint32_t at = v->index->names[v->index->starts[list->index] + i];

	datum_set_text(out, v->map->names[at].name);
}

static void
node_meta(const struct datum *d, struct datum *out)
{
	*out =
	    (struct datum){ .kind = DATUM_OBJECT, .class = &meta_class, .ptr = node_of(d)->meta };
}

static void
nodes_item(const struct datum *list, size_t i, struct datum *out)
{
	*out = (struct datum){
		.kind = DATUM_OBJECT, .class = &node_class, .ptr = list->ptr, .index = i
	};
}

static const struct datum_class node_class = {
	.members =
	    (const struct datum_member[]){
		DATUM_MEMBER("node", node_node),
		DATUM_MEMBER("address", node_address),
		DATUM_MEMBER("ipv6", node_ipv6),
		DATUM_MEMBER("last_known", node_last_known),
		DATUM_MEMBER("names", node_names),
		DATUM_MEMBER("meta", node_meta),
		{ NULL, 0, NULL },
	    },
};
static const struct datum_class nodes_class = { .item = nodes_item };
static const struct datum_class node_names_class = { .item = node_names_item };

/* --- meta: ptr is key, value, key, value …, NULL ------------------------------------------------------ */

static void
meta_member(const struct datum *object, const char *key, size_t len, struct datum *out)
{
	const char *const *meta = object->ptr;

	for (; *meta != NULL; meta += 2) {
		if (strncmp(meta[0], key, len) == 0 && meta[0][len] == '\0') {
			datum_set_text(out, meta[1]);
			return;
		}
	}
}

static const char *
meta_key(const struct datum *object, size_t i)
{
	const char *const *meta = object->ptr;

	while (*meta != NULL && i-- > 0)
		meta += 2;
	return *meta;
}

static const struct datum_class meta_class = {
	.member = meta_member,
	.key = meta_key,
	.is_open = true,
};

/* --- the whole: ptr is the view ------------------------------------------------------------------------ */

static void
view_generation(const struct datum *d, struct datum *out)
{
	datum_set_text(out, view_of(d)->generation);
}

static void
view_node(const struct datum *d, struct datum *out)
{
	datum_set_text(out, view_of(d)->node);
}

static void
view_domain(const struct datum *d, struct datum *out)
{
	datum_set_text(out, view_of(d)->domain);
}

static void
view_rendered_at(const struct datum *d, struct datum *out)
{
	datum_set_text(out, view_of(d)->rendered_at);
}

static void
view_proof(const struct datum *d, struct datum *out)
{
	datum_set_text(out, view_of(d)->proof);
}

static void
view_names(const struct datum *d, struct datum *out)
{
	*out = (struct datum){ .kind = DATUM_LIST,
		.class = &names_class,
		.ptr = d->ptr,
		.len = view_of(d)->map->count };
}

static void
view_nodes(const struct datum *d, struct datum *out)
{
	*out = (struct datum){ .kind = DATUM_LIST,
		.class = &nodes_class,
		.ptr = d->ptr,
		.len = view_of(d)->map->nodes->count };
}

static const struct datum_class view_class = {
	.members =
	    (const struct datum_member[]){
		DATUM_MEMBER("generation", view_generation),
		DATUM_MEMBER("node", view_node),
		DATUM_MEMBER("domain", view_domain),
		DATUM_MEMBER("rendered_at", view_rendered_at),
		DATUM_MEMBER("proof", view_proof),
		DATUM_MEMBER("names", view_names),
		DATUM_MEMBER("nodes", view_nodes),
		{ NULL, 0, NULL },
	    },
};

void
map_view_init(struct map_view *v, const struct name_map *map, const char *node, const char *domain,
    int64_t rendered_at_s)
{
	*v = (struct map_view){ .map = map, .node = node, .domain = domain };
	v->index = mem_alloc(sizeof(*v->index));
	clock_iso(v->rendered_at, rendered_at_s);
	proof_address(map->generation, v->proof);
	snprintf(v->generation, sizeof(v->generation), "%" PRIu64, map->generation);
}

void
map_view_clear(struct map_view *v)
{
	if (v->index != NULL)
		map_index_clear(v->index);
	free(v->index);
	v->index = NULL;
}

struct datum
map_view_datum(const struct map_view *v)
{
	return (struct datum){ .kind = DATUM_OBJECT, .class = &view_class, .ptr = v };
}
