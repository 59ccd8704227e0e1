/* report.c: JSON about the agent, built when somebody asks. */
#include <config.h>

#include "daemon/report.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "daemon/agent.h"
#include "daemon/changes.h"

/* Of a guarded map this many changes are named. */
#define DOCUMENT_NAMES_MAX 50

static json_t *
text_or_null(const struct err *e)
{
	return e->code != ERR_NONE ? json_printable(e->text, strlen(e->text)) : json_null();
}

uint64_t
report_generation(const struct agent *a)
{
	uint64_t least = 0;

	for (size_t i = 0; i < a->output_count; i++) {
		struct output_report r;

		output_report(a->outputs[i], &r);
		if (i == 0 || r.served < least)
			least = r.served;
	}
	return least;
}

static json_t *
output_json(const struct output *o)
{
	struct output_report r;

	output_report(o, &r);
	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:s, s:o, s:o, s:b}", "name", r.config->name,
	    "path", r.config->path, "state", output_state_name(r.state), "generation",
	    (json_int_t)r.generation, "served", (json_int_t)r.served, "digest", r.digest, "since",
	    json_time(r.since_wall_s), "error", text_or_null(&r.err), "owed", r.is_owed);
}

static json_t *
output_json_full(const struct output *o)
{
	json_t *j = output_json(o);
	struct output_report r;

	output_report(o, &r);
	json_object_set_new(j, "last_flip_ms",
	    json_pack("{s:f, s:f, s:f}", "seen", r.seen_ms, "written", r.written_ms, "served",
		r.served_ms));
	return j;
}

static json_t *
outputs_json(const struct agent *a, json_t *(*one)(const struct output *o))
{
	json_t *list = json_array();

	for (size_t i = 0; i < a->output_count; i++)
		json_array_append_new(list, one(a->outputs[i]));
	return list;
}

static json_t *
string_or_null(const char *text)
{
	return text != NULL ? json_string(text) : json_null();
}

static json_t *
names_json(const struct agent *a)
{
	const struct name_map *m = store_map(a->store);
	json_t *rejected = json_array(), *last_known = json_array();

	for (size_t i = 0; m != NULL && i < m->rejected_count; i++) {
		const struct rejected *r = &m->rejected[i];

		json_array_append_new(
		    rejected, json_pack("{s:s, s:s, s:s, s:o}", "name", r->name, "value", r->value,
				  "why", r->why, "kept", string_or_null(r->kept)));
	}
	for (size_t i = 0; m != NULL && i < m->count; i++) {
		if (name_is_last_known(&m->names[i]))
			json_array_append_new(last_known, json_string(m->names[i].name));
	}
	return json_pack("{s:I, s:o, s:o}", "total", (json_int_t)(m != NULL ? m->count : 0),
	    "rejected", rejected, "last_known", last_known);
}

static json_t *
hold_json(const struct agent *a)
{
	const struct hold_set *h = store_holds(a->store);

	if (!h->is_everything)
		return json_null();
	return json_pack("{s:s, s:s, s:s}", "reason", h->everything.reason, "who",
	    h->everything.who, "since", h->everything.since);
}

/* The first output that keeps a map out, with what the map would change. */
static json_t *
guarded_json(const struct agent *a)
{
	for (size_t i = 0; i < a->output_count; i++) {
		struct name_map *m = output_guarded_map(a->outputs[i]);
		json_t *removed, *moved;
		struct name_change *changes;
		struct output_report r;
		size_t count;

		if (m == NULL)
			continue;
		output_report(a->outputs[i], &r);
		removed = json_array();
		moved = json_array();
		count = name_map_diff(output_map(a->outputs[i]), m, &changes);
		for (size_t k = 0; k < count && k < DOCUMENT_NAMES_MAX; k++) {
			if (changes[k].kind == NAME_REMOVED)
				json_array_append_new(
				    removed, json_string(changes[k].before->name));
			else
				json_array_append_new(moved, report_change(&changes[k]));
		}
		free(changes);
		return json_pack("{s:s, s:s, s:I, s:I, s:o, s:o}", "digest", name_map_digest(m),
		    "why", r.guard_err.text, "generation", (json_int_t)m->generation, "changes",
		    (json_int_t)count, "removed", removed, "moved", moved);
	}
	return json_null();
}

static json_t *
consul_json(const struct agent *a)
{
	int64_t age_ms = contact_age_ms(&a->contact);

	return json_pack("{s:b, s:o, s:o, s:o, s:s}", "up", a->contact.is_up, "last_contact_ms",
	    age_ms < 0 ? json_null() : json_integer((json_int_t)age_ms), "since",
	    json_time(a->contact.since_wall_s), "error", text_or_null(&a->contact.err), "address",
	    kv_address(a->kv));
}

/*
 * Looked for now, not as they were when they were last logged: the outputs beside them are those of
 * this moment, too, and an output that is guarded while nothing is wrong contradicts itself.
 */
static json_t *
problems_json(const struct agent *a, json_t *(*to_json)(const struct problems *p))
{
	struct problems now;
	json_t *j;

	problems_collect(a, &now);
	j = to_json(&now);
	problems_clear(&now);
	return j;
}

json_t *
report_status(const struct agent *a)
{
	const struct name_map *m = store_map(a->store);

	return json_pack("{s:s, s:s, s:o, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:I, s:o}", "node",
	    a->node, "version", PACKAGE_VERSION, "since", json_time(a->started_wall_s),
	    "generation", (json_int_t)report_generation(a), "index",
	    (json_int_t)(m != NULL ? m->generation : 0), "consul", consul_json(a), "outputs",
	    outputs_json(a, output_json_full), "names", names_json(a), "hold", hold_json(a),
	    "guarded", guarded_json(a), "kept_back", (json_int_t)store_kept_back(a->store),
	    "problems", problems_json(a, problems_to_json));
}

void
report_add_document(const struct agent *a, struct str *out)
{
	struct name_map *m = a->offered;
	size_t last_known = m != NULL ? name_map_count_last_known(m) : 0;
	json_t *j;

	j = json_pack("{s:s, s:s, s:o, s:I, s:I, s:s, s:o, s:{s:I, s:I, s:I}, s:o, s:b, s:o}",
	    "node", a->node, "version", PACKAGE_VERSION, "since", json_time(a->started_wall_s),
	    "generation", (json_int_t)report_generation(a), "index",
	    (json_int_t)(m != NULL ? m->generation : 0), "map", m != NULL ? name_map_digest(m) : "",
	    "outputs", outputs_json(a, output_json), "names", "total",
	    (json_int_t)(m != NULL ? m->count : 0), "rejected",
	    (json_int_t)(m != NULL ? m->rejected_total : 0), "last_known", (json_int_t)last_known,
	    "guarded", guarded_json(a), "hold", store_holds(a->store)->is_everything, "problems",
	    problems_json(a, problems_to_short_json));
	if (a->changes != NULL)
		json_object_set_new(j, "changes", changes_to_json(a->changes));
	json_write(out, j);
	json_decref(j);
}

json_t *
report_change(const struct name_change *c)
{
	const struct name *n = c->after != NULL ? c->after : c->before;
	json_t *addresses = json_array();

	for (size_t i = 0; c->after != NULL && i < c->after->count; i++)
		json_array_append_new(addresses, json_string(c->after->addresses[i].address));
	return json_pack("{s:s, s:s, s:o, s:o, s:o}", "name", n->name, "kind",
	    name_change_kind_name(c->kind), "from",
	    string_or_null(c->before != NULL ? c->before->value : NULL), "to",
	    string_or_null(c->after != NULL ? c->after->value : NULL), "addresses", addresses);
}

/* Nothing here needs escaping: names, values and addresses went through name.h. */
void
report_add_names(const struct agent *a, struct str *out)
{
	const struct name_map *m = a->output_count > 0 ? output_map(a->outputs[0]) : NULL;

	str_addc(out, '[');
	for (size_t i = 0; m != NULL && i < m->count; i++) {
		const struct name *n = &m->names[i];

		str_addf(out,
		    "%s\n{\"name\":\"%s\",\"fqdn\":\"%s%s%s\",\"value\":\"%s\",\"held\":%s,",
		    i > 0 ? "," : "", n->name, n->name,
		    a->config->agent.domain[0] != '\0' ? "." : "", a->config->agent.domain,
		    n->value, n->is_held ? "true" : "false");
		str_adds(out, "\"addresses\":[");
		for (size_t k = 0; k < n->count; k++)
			str_addf(out, "%s{\"address\":\"%s\",\"node\":\"%s\",\"last_known\":%s}",
			    k > 0 ? "," : "", n->addresses[k].address, n->addresses[k].node,
			    n->addresses[k].is_last_known ? "true" : "false");
		str_adds(out, "]}");
	}
	str_adds(out, "\n]\n");
}
