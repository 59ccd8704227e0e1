/*
 * checks_report.c: /v1/checks and /v1/pairs (design, section 7). Built as one tree a check and written
 * out at once: a thousand of them together would be megabytes.
 */
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "daemon/agent.h"
#include "daemon/checks.h"
#include "feature/check_report.h"

static json_t *
numbers_json(const struct check *k)
{
	json_t *list = json_array();

	for (size_t i = 0; i < k->number_count; i++) {
		const struct check_number *n = &k->numbers[i];

		json_array_append_new(list,
		    json_pack("{s:o, s:o, s:o, s:o, s:o}", "label", json_text(n->label), "value",
			json_number(n->value), "unit", json_text(n->unit), "warning",
			n->warning.is_set ? json_text(n->warning.text) : json_null(), "critical",
			n->critical.is_set ? json_text(n->critical.text) : json_null()));
	}
	return list;
}

static json_t *
failures_json(const struct check_history *h)
{
	json_t *list = json_array();

	for (size_t i = 0; i < h->failure_count; i++) {
		const struct check_failure *f = &h->failures[i];

		json_array_append_new(
		    list, json_pack("{s:o, s:s, s:o, s:f, s:b}", "at", json_time(f->wall_s),
			      "class", check_class_name(f->class), "output", json_text(f->text),
			      "took_ms", (double)f->took_us / 1000, "alone", f->is_alone));
	}
	return list;
}

static json_t *
own_json(const struct checks *c, const struct check *k)
{
	return json_pack("{s:s, s:b, s:s, s:s, s:s, s:s, s:o, s:o, s:b}", "vantage", c->agent->node,
	    "live", true, "sight", vantage_sight_name(checker_vantage(c->checker)->sight), "state",
	    check_state_name(k->debounce.state), "class", check_class_name(k->class), "level",
	    check_level_name(k->debounce.level), "since", json_time(k->since_wall_ms / 1000),
	    "output", json_text(k->text), "flapping", k->debounce.is_flapping);
}

/* Ours is of this moment, whatever the KV has of it. */
static void
put_own(const struct checks *c, const struct check *k, json_t *row)
{
	json_t *list = json_object_get(row, "vantages");

	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *one = json_array_get(list, i);

		if (strcmp(json_get_string(one, "vantage", ""), c->agent->node) == 0) {
			json_array_set_new(list, i, own_json(c, k));
			return;
		}
	}
	json_array_append_new(list, own_json(c, k));
}

static json_t *
verdict_json(const struct verdict *v)
{
	return json_pack("{s:s, s:s, s:s, s:b, s:b, s:I, s:I, s:I, s:o}", "state",
	    check_state_name(v->state), "level", check_level_name(v->level), "class",
	    check_class_name(v->class), "down", v->is_down, "confirmed", v->is_confirmed, "live",
	    (json_int_t)v->live, "sighted", (json_int_t)v->sighted, "agreeing",
	    (json_int_t)v->agreeing, "text", json_text(v->text));
}

static void
add_timing(json_t *j, const struct check *k)
{
	const struct debounce_config *t = &k->spec.timing;
	const struct debounce *d = &k->debounce;

	json_object_set_new(j, "streak",
	    json_pack("{s:i, s:i, s:i, s:i}", "bad", d->bad.count, "good", d->good.count,
		"failures", t->failures, "successes", t->successes));
	json_object_set_new(j, "interval_ms", json_integer(t->interval_ms));
	json_object_set_new(j, "timeout_ms", json_integer(t->timeout_ms));
	json_object_set_new(j, "window_ms", json_integer(t->window_ms));
	json_object_set_new(j, "bound_refused_ms", json_integer(debounce_bound_refused_ms(t)));
}

static void
add_history(json_t *j, const struct check *k)
{
	int64_t now_ms = clock_mono_ms();
	int64_t p99_us = check_history_quantile_us(&k->history, now_ms, 0.99);
	struct str strip = STR_INIT;

	check_history_strip(&k->history, now_ms, &strip);
	json_object_set_new(j, "strip", json_string(str_text(&strip)));
	json_object_set_new(j, "runs", json_integer((json_int_t)k->history.run_count));
	json_object_set_new(j, "took_ms", json_real((double)k->took_us / 1000));
	json_object_set_new(
	    j, "p99_ms", p99_us >= 0 ? json_real((double)p99_us / 1000) : json_null());
	json_object_set_new(j, "failures", failures_json(&k->history));
	str_clear(&strip);
}

static void
put_own_state(const struct check *k, json_t *row)
{
	json_object_set_new(row, "state", json_string(check_state_name(k->debounce.state)));
	json_object_set_new(row, "class", json_string(check_class_name(k->class)));
	json_object_set_new(row, "level", json_string(check_level_name(k->debounce.level)));
	json_object_set_new(row, "since", json_time(k->since_wall_ms / 1000));
	json_object_set_new(row, "output", json_text(k->text));
}

static json_t *
check_json(const struct checks *c, const struct check *k)
{
	struct opinion own = pair_watch_opinion(k, c->checker, c->agent->node);
	char address[ENDPOINT_TEXT_SIZE];
	json_t *j = check_report(
	    c->board, k->spec.name, &k->spec, c->agent->node, k->is_known ? &own : NULL);

	if (k->is_known) {
		put_own(c, k, j);
		/* Nobody may judge, we included: what we held on to stands. */
		if (!json_is_string(json_object_get(j, "state")))
			put_own_state(k, j);
		if (strcmp(json_get_string(j, "class", ""), check_class_name(k->class)) == 0)
			json_object_set_new(j, "output", json_text(k->text));
	}
	json_object_set_new(j, "known", json_boolean(k->is_known));
	json_object_set_new(j, "address",
	    k->endpoint.len > 0 ? json_string(endpoint_format(address, &k->endpoint))
				: json_null());
	json_object_set_new(j, "node", json_text(k->spec.node));
	json_object_set_new(j, "flapping", json_boolean(k->debounce.is_flapping));
	json_object_set_new(j, "numbers", numbers_json(k));
	add_timing(j, k);
	add_history(j, k);
	return j;
}

void
checks_add_json(const struct checks *c, struct str *out)
{
	str_addc(out, '[');
	for (size_t i = 0; c != NULL && i < checker_count(c->checker); i++) {
		json_t *j = check_json(c, checker_at(c->checker, i));

		str_adds(out, i > 0 ? ",\n" : "\n");
		json_write(out, j);
		json_decref(j);
	}
	str_adds(out, "\n]\n");
}

/* --- pairs ------------------------------------------------------------------------------------------ */

static json_t *
sources_json(const struct server_view *view)
{
	json_t *list = json_array();

	for (size_t i = 0; i < view->source_count; i++) {
		const struct replication_view *r = &view->sources[i];

		json_array_append_new(list,
		    json_pack("{s:o, s:o, s:i, s:b, s:b, s:o, s:o, s:i, s:o, s:i, s:o}", "channel",
			json_text(r->channel), "host", json_text(r->source_host), "port",
			r->source_port, "receiving", r->is_io_running && !r->is_io_connecting,
			"applying", r->is_sql_running, "lag_s", json_number(r->lag_s), "behind",
			json_number(r->behind), "io_errno", r->io_errno, "io_error",
			json_text(r->io_error), "sql_errno", r->sql_errno, "sql_error",
			json_text(r->sql_error)));
	}
	return list;
}

static json_t *
view_json(const struct server_view *v, bool is_fresh)
{
	if (v == NULL)
		return json_null();
	return json_pack("{s:s, s:o, s:b, s:b, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "kind",
	    server_kind_name(v->kind), "version", json_text(v->version), "fresh", is_fresh,
	    "writable", v->is_writable, "age_ms", (json_int_t)(clock_mono_ms() - v->seen_ms),
	    "sessions", (json_int_t)v->sessions, "session_limit", (json_int_t)v->session_limit,
	    "longest_write_s", json_number(v->longest_write_s), "executed",
	    json_text(v->gtid_executed), "restart", json_text(v->restart), "sentinel",
	    json_text(v->sentinel), "sources", sources_json(v));
}

static json_t *
member_json(const struct checks *c, const struct pair_report *p, const struct pair_member *m)
{
	char name[CHECK_NAME_MAX], address[ENDPOINT_TEXT_SIZE];
	const struct check *k;

	snprintf(name, sizeof(name), "%s/%s", p->config->name, m->node);
	k = checker_find(c->checker, name);
	return json_pack("{s:s, s:s, s:o, s:s, s:s, s:o, s:o, s:o, s:o}", "node", m->node, "role",
	    p->active == NULL ? "unknown"
	    : m->is_active    ? "active"
			      : "standby",
	    "address",
	    k != NULL && k->endpoint.len > 0 ? json_string(endpoint_format(address, &k->endpoint))
					     : json_null(),
	    "check", name, "state", check_state_name(m->verdict.state), "output",
	    json_text(k != NULL && k->is_known ? k->text : "not looked at yet"), "verdict",
	    verdict_json(&m->verdict), "muted",
	    check_report_mute(k != NULL ? checks_mute_of(c, k) : NULL), "view",
	    view_json(m->view, m->is_view_fresh));
}

static json_t *
proposal_json(const struct checks *c, size_t pair)
{
	const json_t *standing = c->propose != NULL ? propose_standing(c->propose, pair) : NULL;

	return standing != NULL ? json_deep_copy(standing) : json_null();
}

static json_t *
pair_json(const struct checks *c, size_t i)
{
	const struct pair_report *p = pair_watch_at(c->pairs, i);
	json_t *members = json_array();

	for (size_t k = 0; k < MEM_COUNT(p->members); k++)
		json_array_append_new(members, member_json(c, p, &p->members[k]));
	return json_pack("{s:s, s:s, s:s, s:o, s:s, s:s, s:o, s:o, s:b, s:o, s:o}", "name",
	    p->config->name, "kv_name", p->config->kv_name, "kind", p->config->kind, "active",
	    json_text(p->active), "trouble", pair_trouble_name(p->state.trouble), "level",
	    check_level_name(p->state.level), "text", json_text(p->state.text), "veto",
	    json_text(p->state.veto), "proposed", p->state.is_proposed, "members", members,
	    "proposal", proposal_json(c, i));
}

void
checks_add_pairs_json(const struct checks *c, struct str *out)
{
	str_addc(out, '[');
	for (size_t i = 0; c != NULL && i < pair_watch_count(c->pairs); i++) {
		json_t *j = pair_json(c, i);

		str_adds(out, i > 0 ? ",\n" : "\n");
		json_write(out, j);
		json_decref(j);
	}
	str_adds(out, "\n]\n");
}
