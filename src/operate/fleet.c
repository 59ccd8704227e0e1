/*
 * fleet.c: reads the agents' records.
 *
 * An index is comparable only within one history of the KV: after a restored snapshot the indexes
 * start again lower down, and an agent that still shows generation 8812 from before seems to be far
 * ahead of the flip that got 13. A record is written after what it tells, so in one history its own
 * modify_index is above its generation; one that is not tells of another history and serves nothing.
 */
#include "operate/fleet.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "operate/client.h"

static char *
printable(const char *text)
{
	struct str s = STR_INIT;

	str_add_printable(&s, text, strlen(text), ERR_TEXT_MAX);
	return str_take(&s);
}

static char *
take_text(const json_t *object, const char *key)
{
	return printable(json_get_string(object, key, ""));
}

/* 0 for what is missing, and for what can only be of another history of the KV. */
static uint64_t
take_generation(const json_t *object, const char *key, uint64_t modify_index)
{
	int64_t n = json_get_int(object, key, 0);

	return n > 0 && (uint64_t)n < modify_index ? (uint64_t)n : 0;
}

static void
parse_outputs(struct fleet_agent *a, const json_t *list, uint64_t modify_index)
{
	const json_t *item;
	size_t i;

	a->sees = take_generation(a->record, "index", modify_index);
	a->serves = take_generation(a->record, "generation", modify_index); /* without outputs */
	a->outputs = mem_array(json_array_size(list), sizeof(*a->outputs));
	json_array_foreach (list, i, item) {
		struct fleet_output *o = &a->outputs[a->output_count++];

		o->name = take_text(item, "name");
		o->path = take_text(item, "path");
		o->state = take_text(item, "state");
		o->digest = take_text(item, "digest");
		o->error = take_text(item, "error");
		o->generation = take_generation(item, "generation", modify_index);
		o->served = take_generation(item, "served", modify_index);
		if (i == 0 || o->served < a->serves)
			a->serves = o->served;
	}
}

/* A problem is a sentence, or an object as in /v1/status. */
static void
parse_problems(struct fleet_agent *a, const json_t *list)
{
	const json_t *item;
	size_t i;

	a->problems = mem_array(json_array_size(list), sizeof(*a->problems));
	json_array_foreach (list, i, item) {
		const char *text = json_is_string(item) ? json_string_value(item)
							: json_get_string(item, "what", "");

		a->problems[a->problem_count++] = printable(text);
	}
}

static void
take_guarded(struct fleet_agent *a)
{
	const json_t *guarded = json_object_get(a->record, "guarded");

	free(a->guarded_digest);
	free(a->guarded_why);
	a->guarded_digest = take_text(guarded, "digest");
	a->guarded_why = take_text(guarded, "why");
}

static void
parse_agent(struct fleet_agent *a, const struct kv_entry *entry, const char *node)
{
	a->node = printable(node);
	a->is_alive = entry->session[0] != '\0';
	a->record = json_parse(entry->value, entry->value_len, node, NULL);
	a->is_readable = json_is_object(a->record);
	a->version = take_text(a->record, "version");
	a->since = take_text(a->record, "since");
	a->map = take_text(a->record, "map");
	take_guarded(a);
	parse_problems(a, json_object_get(a->record, "problems"));
	parse_outputs(a, json_object_get(a->record, "outputs"), entry->modify_index);
}

void
fleet_parse(struct fleet *f, const struct kv_list *list, const char *prefix)
{
	size_t len = strlen(prefix);

	memset(f, 0, sizeof(*f));
	f->agents = mem_array(list->count, sizeof(*f->agents));
	for (size_t i = 0; i < list->count; i++) {
		const struct kv_entry *entry = &list->entries[i];

		if (strncmp(entry->key, prefix, len) != 0 || entry->key[len] == '\0')
			continue;
		parse_agent(&f->agents[f->count], entry, entry->key + len);
		f->alive += f->agents[f->count].is_alive;
		f->count++;
	}
}

int
fleet_load(struct fleet *f, struct client *client, struct err *e)
{
	char *prefix = config_key(client->config, "agents/");
	struct kv_list list = { 0 };
	uint64_t index;
	int rc;

	if ((rc = kv_wait_list(&client->wait, prefix, &list, &index, e)) == 0) {
		fleet_parse(f, &list, prefix);
		f->index = index;
	}
	kv_list_clear(&list);
	free(prefix);
	return rc;
}

int
fleet_wait(struct fleet *f, struct client *client, int64_t wait_ms, struct err *e)
{
	char *prefix = config_key(client->config, "agents/");
	struct kv_list list = { 0 };
	uint64_t index;
	int rc;

	rc = kv_wait_list_change(&client->wait, prefix, f->index, wait_ms, &list, &index, e);
	if (rc == 0) {
		fleet_clear(f);
		fleet_parse(f, &list, prefix);
		f->index = index;
	}
	kv_list_clear(&list);
	free(prefix);
	return rc;
}

static void
clear_agent(struct fleet_agent *a)
{
	for (size_t i = 0; i < a->output_count; i++) {
		free(a->outputs[i].name);
		free(a->outputs[i].path);
		free(a->outputs[i].state);
		free(a->outputs[i].digest);
		free(a->outputs[i].error);
	}
	for (size_t i = 0; i < a->problem_count; i++)
		free(a->problems[i]);
	free(a->outputs);
	free(a->problems);
	free(a->node);
	free(a->version);
	free(a->since);
	free(a->map);
	free(a->guarded_digest);
	free(a->guarded_why);
	json_decref(a->record);
}

void
fleet_clear(struct fleet *f)
{
	for (size_t i = 0; i < f->count; i++)
		clear_agent(&f->agents[i]);
	free(f->agents);
	memset(f, 0, sizeof(*f));
}

bool
fleet_agent_serves(const struct fleet_agent *a, uint64_t generation)
{
	return a->is_alive && a->is_readable && a->serves >= generation;
}

bool
fleet_agent_sees(const struct fleet_agent *a, uint64_t generation)
{
	return a->is_alive && a->is_readable && a->sees >= generation;
}

size_t
fleet_count(const struct fleet *f, fleet_agent_fn *does, uint64_t generation)
{
	size_t n = 0;

	for (size_t i = 0; i < f->count; i++)
		n += does(&f->agents[i], generation);
	return n;
}

size_t
fleet_serving(const struct fleet *f, uint64_t generation)
{
	return fleet_count(f, fleet_agent_serves, generation);
}

static struct fleet_agent *
find(const struct fleet *f, const char *node)
{
	for (size_t i = 0; i < f->count; i++) {
		if (strcasecmp(f->agents[i].node, node) == 0)
			return &f->agents[i];
	}
	return NULL;
}

const struct fleet_agent *
fleet_find(const struct fleet *f, const char *node)
{
	return find(f, node);
}

/* One without a record: nobody could say yet that it lives. */
static struct fleet_agent *
add_unpublished(struct fleet *f, const char *node)
{
	const struct kv_entry nothing = { .value = "{}", .value_len = 2, .session = "" };
	struct fleet_agent *a;

	f->agents = mem_grow(f->agents, f->count + 1, sizeof(*f->agents));
	a = &f->agents[f->count++];
	memset(a, 0, sizeof(*a));
	parse_agent(a, &nothing, node);
	return a;
}

void
fleet_hear_guarded(struct fleet *f, const json_t *status)
{
	const char *node = json_get_string(status, "node", "");
	json_t *guarded = json_object_get(status, "guarded");
	struct fleet_agent *a = find(f, node);

	if (a == NULL && json_is_object(guarded))
		a = add_unpublished(f, node);
	if (a == NULL)
		return;
	if (!json_is_object(a->record)) {
		json_decref(a->record);
		a->record = json_object();
	}
	json_object_set(a->record, "guarded", guarded);
	take_guarded(a);
}

/* The first output with an error; without any it only did not get that far. */
static void
add_output_trouble(struct str *out, const struct fleet_agent *a)
{
	for (size_t i = 0; i < a->output_count; i++) {
		const struct fleet_output *o = &a->outputs[i];

		if (o->error[0] == '\0')
			continue;
		str_addf(out, "%s is %s: %s", o->name, o->state, o->error);
		return;
	}
	str_addf(out, "it has seen %" PRIu64, a->sees);
}

void
fleet_agent_add_trouble(struct str *out, const struct fleet_agent *a)
{
	if (!a->is_alive) {
		str_adds(out, "not alive");
	} else if (!a->is_readable) {
		str_adds(out, "its record cannot be read");
	} else if (a->problem_count > 0) {
		str_adds(out, a->problems[0]);
	} else if (a->guarded_why[0] != '\0') {
		str_addf(out, "guarded: %s", a->guarded_why);
	} else {
		add_output_trouble(out, a);
	}
}

bool
fleet_is_left_out(const char *list, const char *node)
{
	size_t len = strlen(node);

	for (const char *p = list; *p != '\0'; p += strcspn(p, ","), p += *p == ',') {
		if (strncmp(p, node, len) == 0 && (p[len] == ',' || p[len] == '\0'))
			return true;
	}
	return false;
}
