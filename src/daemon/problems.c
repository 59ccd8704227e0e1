/*
 * problems.c: one function a part of the agent, each adding what it sees. The words of a problem hold
 * no number that changes by itself (an age, a counter), and what may change while it lasts (the text
 * of an error) stands behind ": ". Up to there it is the same problem, and is logged and hooked once:
 * otherwise a hook whose message has the time in it would be called for its own failure, for ever.
 */
#include "daemon/problems.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "daemon/agent.h"
#include "daemon/checks.h"

/* A file that somebody else changed is worth a line for this long after it was put back. */
#define DRIFT_SHOWN_S 600
/* "sha256:" and twelve digits: no two maps that anybody ever sees begin alike. */
#define GUARDED_DIGEST_SHOWN 19

enum severity { WARNING, CRITICAL };

void
problems_add(struct problems *p, bool is_critical, char *what, const char *why, const char *todo)
{
	struct problem *one;

	p->list = mem_grow(p->list, p->count + 1, sizeof(*p->list));
	one = &p->list[p->count++];
	one->is_critical = is_critical;
	one->what = what;
	one->why = mem_strdup(why);
	one->todo = mem_strdup(todo);
}

static void
add(struct problems *p, enum severity s, char *what, const char *why, const char *todo)
{
	problems_add(p, s == CRITICAL, what, why, todo);
}

static void
collect_consul(const struct agent *a, struct problems *p)
{
	const char *todo = "look at the Consul agent: consul members";

	if (kv_is_file(a->kv))
		todo = "look at the file and its directory";
	else if (a->contact.err.code == ERR_DENIED)
		todo = "give it a token that may: consul.token-file; for TLS: consul.ca-file";
	if (!a->contact.is_up && a->contact.since_wall_s != 0)
		add(p, CRITICAL,
		    mem_printf("the agent cannot read the KV: %s", a->contact.err.text),
		    "names keep what they have; no flip reaches this host", todo);
	if (a->contact.is_up && publisher_error(a->publisher)->code != ERR_NONE)
		add(p, WARNING,
		    mem_printf("cannot publish: %s", publisher_error(a->publisher)->text),
		    "`pointsman set` cannot see what this host serves",
		    "stop the other agent, or give each its own node in the agent block");
	if (a->state_err.code != ERR_NONE)
		add(p, WARNING, mem_printf("the state of before is lost: %s", a->state_err.text),
		    "without it the guard had nothing to compare the first map with",
		    "compare with another host: pointsman drift");
	if (a->save_err.code != ERR_NONE)
		add(p, WARNING, mem_printf("cannot save the state: %s", a->save_err.text),
		    "a restart without Consul would begin with older names",
		    "make room, or mend the permissions of the state directory");
}

static void
collect_reload(const struct agent *a, struct problems *p)
{
	if (a->reload_err.code != ERR_NONE)
		add(p, WARNING,
		    mem_printf("the configuration was not reloaded: %s", a->reload_err.text),
		    "the old one stays in force, and a restart would not come up",
		    "mend it (pointsman config check), then reload again");
}

static void
collect_hold(const struct agent *a, struct problems *p)
{
	const struct hold_set *holds = store_holds(a->store);
	char *words;

	if (!holds->is_everything)
		return;
	words = hold_words(&holds->everything);
	add(p, WARNING, mem_printf("everything is held %s", words),
	    "no flip is served while the hold lasts", "pointsman release");
	free(words);
}

static void
collect_rejected(const struct name_map *m, struct problems *p)
{
	for (size_t i = 0; i < m->rejected_count; i++) {
		const struct rejected *r = &m->rejected[i];

		if (i == PROBLEMS_OF_A_KIND) {
			add(p, WARNING,
			    mem_printf("%zu more names are rejected", m->rejected_total - i),
			    "their values cannot be used", "pointsman names");
			return;
		}
		add(p, WARNING, mem_printf("%s = %s is rejected: %s", r->name, r->value, r->why),
		    r->kept != NULL ? "the name keeps its last good value"
				    : "the name was never good and is not served",
		    "give it a good value with pointsman set, or delete the key");
	}
}

static void
collect_nodes(const struct node_table *t, struct problems *p)
{
	size_t shown = 0;

	for (size_t i = 0; i < t->rejected_count && i < PROBLEMS_OF_A_KIND; i++)
		add(p, WARNING,
		    mem_printf("node %s is rejected: %s", t->rejected[i].node, t->rejected[i].why),
		    "names on it keep its last good address", "mend its registration in Consul");
	for (size_t i = 0; i < t->count && shown < PROBLEMS_OF_A_KIND; i++) {
		if (!t->nodes[i].is_last_known)
			continue;
		shown++;
		add(p, WARNING, mem_printf("node %s left the catalog", t->nodes[i].node),
		    "its names keep its last known address, which nobody confirms any more",
		    "look at the node, or flip its names: pointsman names");
	}
}

static void
collect_names(const struct agent *a, struct problems *p)
{
	const struct name_map *m = store_map(a->store);

	if (m != NULL) {
		collect_rejected(m, p);
		collect_nodes(m->nodes, p);
	}
	if (store_is_ready(a->store) && !store_was_canary_seen(a->store))
		add(p, WARNING, mem_strdup("there is no canary below the names prefix"),
		    "without it a list cut short by an ACL cannot be told from a deletion",
		    "pointsman init");
}

static void
collect_guarded(const struct output *o, const struct output_report *r, struct problems *p)
{
	struct name_map *m = output_guarded_map(o);
	char *todo = mem_printf("pointsman diff; if that is right: pointsman accept %.*s",
	    GUARDED_DIGEST_SHOWN, m != NULL ? name_map_digest(m) : "DIGEST");

	add(p, CRITICAL, mem_printf("output %s is guarded: %s", r->config->name, r->err.text),
	    "it keeps what it serves; newer flips wait, too", todo);
	free(todo);
}

static void
collect_output(const struct output *o, struct problems *p)
{
	struct output_report r;
	const char *name;

	output_report(o, &r);
	name = r.config->name;
	if (r.state == OUTPUT_GUARDED)
		collect_guarded(o, &r, p);
	else if (r.state == OUTPUT_FAILED)
		add(p, CRITICAL, mem_printf("output %s failed: %s", name, r.err.text),
		    "its file keeps the generation it has; it is tried again by itself",
		    "mend the cause; nothing else is needed");
	else if (r.state == OUTPUT_HELD && output_map(o) == NULL)
		add(p, CRITICAL,
		    mem_printf("output %s is held, and this agent never wrote it", name),
		    "a hold keeps what is served, and here that is nothing: names do not resolve",
		    "pointsman release");
	else if (r.err.code != ERR_NONE)
		add(p, CRITICAL,
		    mem_printf("output %s is written, not served: %s", name, r.err.text),
		    "whoever reads the file may still use the one before",
		    "look at the reader of the file and its pidfile; it is told again by itself");
	if (r.drift_wall_s != 0 && clock_wall_s() - r.drift_wall_s < DRIFT_SHOWN_S)
		add(p, WARNING,
		    mem_printf("output %s: %s was edited or deleted by somebody else", name,
			r.config->path),
		    "it was written again; the edit is lost",
		    "change the KV instead, or take the file out of the other program's hands");
}

void
problems_collect(const struct agent *a, struct problems *out)
{
	const char *name, *why;

	*out = (struct problems){ 0 };
	for (size_t i = 0; i < a->output_count; i++)
		collect_output(a->outputs[i], out);
	collect_consul(a, out);
	collect_reload(a, out);
	collect_hold(a, out);
	collect_names(a, out);
	if (a->checks != NULL)
		checks_collect_problems(a->checks, out);
	for (size_t i = 0; (name = hook_runner_failed(a->hooks, i, &why)) != NULL; i++)
		add(out, WARNING, mem_printf("hook %s: %s", name, why),
		    "whoever waits for its message does not get it", "run it by hand");
}

void
problems_clear(struct problems *p)
{
	for (size_t i = 0; i < p->count; i++) {
		free(p->list[i].what);
		free(p->list[i].why);
		free(p->list[i].todo);
	}
	free(p->list);
	*p = (struct problems){ 0 };
}

static size_t
fixed_len(const char *what)
{
	const char *colon = strstr(what, ": ");

	return colon != NULL ? (size_t)(colon - what) : strlen(what);
}

bool
problems_has(const struct problems *p, const char *what)
{
	size_t len = fixed_len(what);

	for (size_t i = 0; i < p->count; i++) {
		if (fixed_len(p->list[i].what) == len && memcmp(p->list[i].what, what, len) == 0)
			return true;
	}
	return false;
}

json_t *
problems_to_short_json(const struct problems *p)
{
	json_t *list = json_array();

	for (size_t i = 0; i < p->count && i < PROBLEMS_SHORT; i++) {
		const struct problem *one = &p->list[i];

		json_array_append_new(list,
		    json_pack("{s:s, s:o}", "severity", one->is_critical ? "critical" : "warning",
			"what", json_printable(one->what, strlen(one->what))));
	}
	return list;
}

json_t *
problems_to_json(const struct problems *p)
{
	json_t *list = json_array();

	for (size_t i = 0; i < p->count; i++) {
		const struct problem *one = &p->list[i];

		json_array_append_new(list, json_pack("{s:s, s:o, s:s, s:s}", "severity",
						one->is_critical ? "critical" : "warning", "what",
						json_printable(one->what, strlen(one->what)), "why",
						one->why, "do", one->todo));
	}
	return list;
}
