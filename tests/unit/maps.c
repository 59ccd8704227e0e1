/* maps.c: maps from a line of text. */
#include "maps.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

#define PAIRS_MAX 256

struct pairs {
	char *text;
	const char *key[PAIRS_MAX], *value[PAIRS_MAX];
	size_t count;
};

static void
pairs_split(struct pairs *p, const char *text)
{
	char *rest, *save = NULL;

	p->text = mem_strdup(text);
	p->count = 0;
	for (rest = strtok_r(p->text, " ", &save); rest != NULL;
	     rest = strtok_r(NULL, " ", &save)) {
		char *equals = strchr(rest, '=');

		if (equals == NULL || p->count == PAIRS_MAX)
			abort();
		*equals = '\0';
		p->key[p->count] = rest;
		p->value[p->count++] = equals + 1;
	}
}

static struct node_table *
nodes_build(const char *text, const struct name_map *before, const struct maps_extra *extra)
{
	struct raw_node raw[PAIRS_MAX + 64] = { 0 };
	struct node_table *t;
	struct pairs p;

	if (text == NULL)
		return node_table_ref(before->nodes);
	pairs_split(&p, text);
	for (size_t i = 0; i < p.count; i++) {
		raw[i].node = p.key[i];
		raw[i].address = p.value[i];
	}
	if (extra != NULL && extra->node_count > 0)
		memcpy(raw + p.count, extra->nodes, extra->node_count * sizeof(raw[0]));
	t = node_table_build(raw, p.count + (extra != NULL ? extra->node_count : 0), before);
	free(p.text);
	return t;
}

struct name_map *
maps_build_with(const char *nodes, const char *names, const struct name_map *before,
    const struct maps_extra *extra, bool (*held)(const char *, void *), void *arg)
{
	struct raw_name raw[PAIRS_MAX + 64] = { 0 };
	struct name_map_input in = { 0 };
	struct name_map *m;
	struct pairs p;

	pairs_split(&p, names);
	for (size_t i = 0; i < p.count; i++) {
		raw[i].key = p.key[i];
		raw[i].key_len = strlen(p.key[i]);
		raw[i].value = p.value[i];
		raw[i].value_len = strlen(p.value[i]);
	}
	if (extra != NULL && extra->name_count > 0)
		memcpy(raw + p.count, extra->names, extra->name_count * sizeof(raw[0]));
	in.generation = before != NULL ? before->generation + 1 : 1;
	in.raw = raw;
	in.count = p.count + (extra != NULL ? extra->name_count : 0);
	in.nodes = nodes_build(nodes, before, extra);
	in.before = before;
	in.domain = "service.consul";
	in.held = held;
	in.arg = arg;
	m = name_map_build(&in);
	node_table_unref(in.nodes);
	free(p.text);
	return m;
}

struct name_map *
maps_build(const char *nodes, const char *names, const struct name_map *before)
{
	return maps_build_with(nodes, names, before, NULL, NULL, NULL);
}

struct name_map *
maps_next(struct name_map *before, const char *nodes, const char *names)
{
	struct name_map *m = maps_build(nodes, names, before);

	name_map_unref(before);
	return m;
}

const char *
maps_text(const struct name_map *m)
{
	static char text[16384];
	struct str s = STR_INIT;

	for (size_t i = 0; i < m->count; i++) {
		const struct name *n = &m->names[i];

		str_addf(
		    &s, "%s%s%s=%s", i > 0 ? " " : "", n->name, n->is_held ? "#" : "", n->value);
		for (size_t k = 0; k < n->count; k++)
			str_addf(&s, "%c%s%s", k > 0 ? ',' : '@', n->addresses[k].address,
			    n->addresses[k].is_last_known ? "!" : "");
	}
	snprintf(text, sizeof(text), "%s", str_text(&s));
	str_clear(&s);
	return text;
}

const char *
maps_rejected(const struct name_map *m)
{
	static char text[16384];
	struct str s = STR_INIT;

	for (size_t i = 0; i < m->rejected_count; i++) {
		const struct rejected *r = &m->rejected[i];

		str_addf(&s, "%s=%s kept %s: %s\n", r->name, r->value,
		    r->kept != NULL ? r->kept : "nothing", r->why);
	}
	snprintf(text, sizeof(text), "%s", str_text(&s));
	str_clear(&s);
	return text;
}
