/*
 * checks_proposal.c: what a person needs at 3 a.m. to decide: what failed, since when, who sees it, what
 * the standby has, what the active had that the standby does not, and what to type.
 *
 * Losses are an estimate, and say so: the active was last read some seconds before it failed, and what
 * it took in between is known to nobody.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "daemon/agent.h"
#include "daemon/checks.h"
#include "model/gtid.h"

static const struct pair_member *
member_of(const struct pair_report *p, bool is_active)
{
	for (size_t i = 0; i < MEM_COUNT(p->members); i++) {
		if (p->members[i].is_active == is_active)
			return &p->members[i];
	}
	return NULL;
}

/* Who says so: this vantage, and the live ones that trust their eyes. */
static json_t *
by_json(const struct checks *c, const char *check)
{
	const struct check *own = checker_find(c->checker, check);
	const struct health_entry *e;
	json_t *list = json_array();

	if (own != NULL && own->is_known && own->debounce.state == STATE_FAILING)
		json_array_append_new(list, json_string(c->agent->node));
	for (size_t i = 0; (e = health_board_opinion(c->board, check, i)) != NULL; i++) {
		if (e->is_live && e->opinion.state == STATE_FAILING &&
		    strcmp(e->key.vantage, c->agent->node) != 0 &&
		    health_board_sight(c->board, e->key.vantage) == VANTAGE_SIGHTED)
			json_array_append_new(list, json_string(e->key.vantage));
	}
	return list;
}

static json_t *
standby_json(const struct pair_member *m)
{
	const struct server_view *v = m != NULL ? m->view : NULL;
	const struct replication_view *r;
	json_t *j;

	if (v == NULL)
		return json_null();
	j = json_pack("{s:b, s:I, s:b, s:o}", "answers", m->is_view_fresh, "seen_ms_ago",
	    (json_int_t)(clock_mono_ms() - v->seen_ms), "writable", v->is_writable, "executed",
	    json_text(v->gtid_executed));
	if (v->source_count == 0)
		return j;
	r = &v->sources[0];
	json_object_set_new(j, "receiving", json_boolean(r->is_io_running && !r->is_io_connecting));
	json_object_set_new(j, "applying", json_boolean(r->is_sql_running));
	json_object_set_new(j, "lag_s", json_number(r->lag_s));
	json_object_set_new(j, "behind", json_number(r->behind));
	json_object_set_new(j, "received", json_text(r->gtid_received));
	json_object_set_new(
	    j, "error", json_text(r->sql_error[0] != '\0' ? r->sql_error : r->io_error));
	return j;
}

/* Transactions of a set of GTIDs that the standby has neither executed nor received; -1: not known. */
static int64_t
missing_gtids(enum gtid_dialect dialect, const char *had, const struct server_view *v)
{
	struct gtid_set active = { 0 }, has = { 0 }, rest = { 0 }, missing = { 0 };
	int64_t n = -1;

	if (gtid_parse(dialect, had, &active, NULL) != 0 ||
	    gtid_parse(dialect, v->gtid_executed, &has, NULL) != 0)
		goto out;
	gtid_subtract(&active, &has, &rest);
	gtid_clear(&has);
	if (v->source_count > 0 && v->sources[0].gtid_received != NULL &&
	    gtid_parse(dialect, v->sources[0].gtid_received, &has, NULL) == 0) {
		gtid_subtract(&rest, &has, &missing);
		n = (int64_t)gtid_count(&missing);
	} else {
		n = (int64_t)gtid_count(&rest);
	}
out:
	gtid_clear(&active);
	gtid_clear(&has);
	gtid_clear(&rest);
	gtid_clear(&missing);
	return n;
}

/* "replid:offset" of both: the bytes between them, when they are of one history; -1: not known. */
static int64_t
missing_bytes(const char *had, const char *has)
{
	const char *a = strchr(had, ':'), *b = strchr(has, ':');
	uint64_t from, to;

	if (a == NULL || b == NULL || a - had != b - has ||
	    memcmp(had, has, (size_t)(a - had)) != 0 || str_parse_u64(a + 1, &to) != 0 ||
	    str_parse_u64(b + 1, &from) != 0)
		return -1;
	return to > from ? (int64_t)(to - from) : 0;
}

static int64_t
missing(const struct pair_seen *s, const struct server_view *v)
{
	if (s->kind == SERVER_REDIS)
		return missing_bytes(s->executed, v->gtid_executed);
	return missing_gtids(s->kind == SERVER_MYSQL ? GTID_MYSQL : GTID_MARIADB, s->executed, v);
}

static json_t *
unknown_loss(const char *why)
{
	return json_pack("{s:n, s:s}", "transactions", "text", why);
}

/* The active's position of its last good check against what the standby has. */
static json_t *
lost_json(const struct pair_report *p, const struct pair_member *standby)
{
	const struct pair_seen *s = &p->seen;
	const struct server_view *v = standby->view;
	char age[16], text[256];
	int64_t n;

	if (p->active == NULL || strcmp(s->node, p->active) != 0 || s->executed == NULL)
		return unknown_loss(
		    "what would be lost is not known: the active's position was never seen");
	if (v == NULL || v->gtid_executed == NULL)
		return unknown_loss(
		    "what would be lost is not known: the standby does not say what it has");
	if (v->is_gtid_cut || (n = missing(s, v)) < 0)
		return unknown_loss(
		    "what would be lost is not known: the positions cannot be compared");
	str_duration(age, sizeof(age), (clock_wall_s() - s->wall_s) * 1000);
	if (n == 0)
		snprintf(text, sizeof(text),
		    "%.60s has all that %.60s had %s ago; what %.60s took after that is not known",
		    standby->node, s->node, age, s->node);
	else
		snprintf(text, sizeof(text),
		    "%.60s lacks %lld %s that %.60s had %s ago; what that took later is not known",
		    standby->node, (long long)n,
		    s->kind == SERVER_REDIS ? "bytes of the stream"
					    : (n == 1 ? "transaction" : "transactions"),
		    s->node, age);
	return json_pack("{s:o, s:s}", "transactions",
	    s->kind == SERVER_REDIS ? json_null() : json_integer((json_int_t)n), "text", text);
}

/* An active that still answers is switched over with nothing lost; a dead one is not. */
void
checks_add_command(struct str *out, const struct pair_report *p)
{
	const struct pair_member *active = member_of(p, true);
	bool answers = active != NULL && active->is_view_fresh;

	str_addf(out, "pointsman failover %s%s", p->config->name, answers ? "" : " --emergency");
}

json_t *
checks_proposal(const struct checks *c, const struct pair_report *p)
{
	const struct pair_member *active = member_of(p, true), *standby = member_of(p, false);
	struct str command = STR_INIT;
	char check[CHECK_NAME_MAX];
	const struct check *k;
	json_t *j;

	if (active == NULL || standby == NULL)
		return json_object();
	checks_add_command(&command, p);
	snprintf(check, sizeof(check), "%s/%s", p->config->name, active->node);
	k = checker_find(c->checker, check);
	j = json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:s, s:o, s:b, s:o, s:o, s:o, s:o, s:s}",
	    "pair", p->config->name, "kind", p->config->kind, "active", active->node, "standby",
	    standby->node, "since", json_time(active->verdict.since_ms / 1000), "what",
	    json_text(k != NULL && k->is_known ? k->text : p->state.text), "class",
	    check_class_name(active->verdict.class), "by", by_json(c, check), "confirmed",
	    active->verdict.is_confirmed && active->verdict.state != STATE_PASSING, "verdict",
	    json_text(active->verdict.text), "standby_state", standby_json(standby), "active_last",
	    json_pack("{s:o, s:o}", "seen",
		strcmp(p->seen.node, active->node) == 0 ? json_time(p->seen.wall_s) : json_null(),
		"executed",
		strcmp(p->seen.node, active->node) == 0 ? json_text(p->seen.executed)
							: json_null()),
	    "lost", lost_json(p, standby), "command", str_text(&command));
	str_clear(&command);
	return j;
}
