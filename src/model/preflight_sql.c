/*
 * preflight_sql.c: the pair of databases as it is at this moment.
 *
 * Replication is judged by its threads and their errors; a lag of 0 s says nothing of a thread that
 * stopped two days ago. Replication the way back counts as much as the way there: without it there is
 * no way home after the switch.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "model/gtid.h"
#include "model/preflight_rules.h"

static const struct preflight_server *
other_of(const struct preflight_facts *f, const struct preflight_server *s)
{
	return s == &f->servers[0] ? &f->servers[1] : &f->servers[0];
}

/* --- who writes --------------------------------------------------------------------------------- */

static void
say_two_writers(const struct preflight_facts *f, struct preflight *out)
{
	preflight_say(out, PREFLIGHT_REFUSED, "both are writable: %s and %s", f->servers[0].node,
	    f->servers[1].node);
	preflight_why(out, "writes that end on the wrong one are lost or clash");
	if (f->is_active_known)
		preflight_do(out,
		    "pointsman rejoin %s    (fences %s and lists what it took; man "
		    "pointsman-runbook, \"two writable\")",
		    f->pair, preflight_standby(f)->node);
	else
		preflight_do(out, "on %s: SET GLOBAL read_only = 1", preflight_standby(f)->node);
}

void
preflight_rule_writer(const struct preflight_facts *f, struct preflight *out)
{
	const struct preflight_server *active = preflight_active(f),
				      *standby = preflight_standby(f);
	bool knows_active = preflight_is_reached(active, out);
	bool knows_standby = preflight_is_reached(standby, out);

	if (!knows_active || !knows_standby)
		return;
	if (active->sql->view->is_writable && standby->sql->view->is_writable) {
		say_two_writers(f, out);
	} else if (!active->sql->view->is_writable && !standby->sql->view->is_writable) {
		preflight_say(out, PREFLIGHT_REFUSED, "neither %s nor %s is writable", active->node,
		    standby->node);
		preflight_why(out, "all writes fail now");
		/* By hand, its resume would find two that take writes. */
		if (f->unfinished[0] != '\0')
			preflight_do(out, "end operation %s, see \"operation\"", f->unfinished);
		else
			preflight_do(out, "on %s: SET GLOBAL read_only = 0", active->node);
	} else if (!active->sql->view->is_writable) {
		preflight_say(out, PREFLIGHT_REFUSED, "%s is writable, but %s = %s", standby->node,
		    f->name, f->value);
		preflight_why(out, "all writes through the name fail now");
		preflight_do(out, "pointsman set %s %s", f->name, standby->node);
	} else {
		preflight_say(
		    out, PREFLIGHT_OK, "%s is writable and %s is not", active->node, standby->node);
	}
}

/* --- who follows ---------------------------------------------------------------------------------- */

/* The way from the other one. By the server's number where it has been connected, else by the place. */
static const struct replication_view *
find_source(const struct preflight_server *s, const struct preflight_server *from)
{
	const struct sql_facts *facts = s->sql;

	for (size_t i = 0; i < facts->view->source_count; i++) {
		const struct replication_view *r = &facts->view->sources[i];
		bool is_there = strcasecmp(r->source_host, from->host) == 0 ||
				strcasecmp(r->source_host, from->node) == 0;

		if (facts->sources != NULL && from->is_reached && from->sql->server_id > 0 &&
		    facts->sources[i].server_id == from->sql->server_id)
			return r;
		if (is_there && r->source_port == from->port)
			return r;
	}
	return NULL;
}

static void
say_stopped(const struct preflight_facts *f, const struct preflight_server *s,
    const struct replication_view *r, struct preflight *out)
{
	const struct preflight_server *from = other_of(f, s);
	int number = !r->is_sql_running ? r->sql_errno : r->io_errno;
	const char *error = !r->is_sql_running ? r->sql_error : r->io_error;

	preflight_say(out, PREFLIGHT_REFUSED, "%s: %s%s%.0d%s%.200s", s->node,
	    !r->is_sql_running    ? "the SQL thread is stopped"
	    : r->is_io_connecting ? "the IO thread cannot connect"
				  : "the IO thread is stopped",
	    number != 0 ? ", error " : "", number, error[0] != '\0' ? ": " : "", error);
	if (s == preflight_standby(f))
		preflight_why(out, "%s lacks what %s has acknowledged", s->node, from->node);
	else
		preflight_why(out,
		    "after the switch %s could not follow, so there would be no way back", s->node);
	/* Stopped without an error it may be an old master that has come back: never to be started unseen. */
	if (number == 0 && !r->is_io_connecting && f->is_active_known)
		preflight_do(out,
		    "pointsman rejoin %s    (starts it when nothing would be overwritten)",
		    f->pair);
	else
		preflight_do(out, "mend %s, then START %s%s", s->node,
		    s->sql->view->kind == SERVER_MARIADB ? "SLAVE" : "REPLICA",
		    !r->is_sql_running ? "    (man pointsman-runbook, \"1062\")" : "");
}

static void
judge_source(
    const struct preflight_facts *f, const struct preflight_server *s, struct preflight *out)
{
	const struct preflight_server *from = other_of(f, s);
	const struct replication_view *r;

	if (!preflight_is_reached(s, out))
		return;
	if ((r = find_source(s, from)) == NULL) {
		preflight_say(
		    out, PREFLIGHT_REFUSED, "%s does not replicate from %s", s->node, from->node);
		preflight_why(out, "%s",
		    s == preflight_standby(f) ? "it does not have what the active has"
					      : "after the switch there would be no way back");
		preflight_do(out, "on %s: CHANGE %s TO … %s:%d", s->node,
		    s->sql->view->kind == SERVER_MARIADB ? "MASTER" : "REPLICATION SOURCE",
		    from->host, from->port);
	} else if (!r->is_io_running || !r->is_sql_running) {
		say_stopped(f, s, r, out);
	} else if (r->io_errno != 0 || r->sql_errno != 0) {
		preflight_say(out, PREFLIGHT_WARNING, "%s: replicates, with an error: %.200s",
		    s->node, r->sql_errno != 0 ? r->sql_error : r->io_error);
		preflight_why(out, "it may stop in the middle of the switch");
		preflight_do(out, "look into the log of %s", s->node);
	} else {
		preflight_say(out, PREFLIGHT_OK, "%s replicates from %s", s->node, from->node);
	}
}

void
preflight_rule_replication(const struct preflight_facts *f, struct preflight *out)
{
	judge_source(f, preflight_standby(f), out);
	judge_source(f, preflight_active(f), out);
}

static void
judge_lag(const struct preflight_facts *f, const struct preflight_server *s, struct preflight *out)
{
	const struct replication_view *r;
	bool is_standby = s == preflight_standby(f);
	char limit[16];

	if (!preflight_is_reached(s, out) || (r = find_source(s, other_of(f, s))) == NULL)
		return; /* rule "replication" has said it */
	if (isnan(r->lag_s)) {
		preflight_say(out, PREFLIGHT_UNKNOWN, "not known: %s: it tells no lag", s->node);
		preflight_why(out, "it does not while a thread is stopped or connects");
		preflight_do(out, "pointsman check %s/%s", f->pair, s->node);
	} else if (f->max_lag_ms > 0 && r->lag_s * 1000 > (double)f->max_lag_ms) {
		preflight_say(out, is_standby ? PREFLIGHT_REFUSED : PREFLIGHT_WARNING,
		    "%s is %.1f s behind (max-lag %s)", s->node, r->lag_s,
		    str_duration(limit, sizeof(limit), f->max_lag_ms));
		preflight_why(out, "writes would be refused until it has caught up");
		preflight_do(out, "wait; what it works at: SHOW PROCESSLIST on %s", s->node);
	} else {
		preflight_say(out, PREFLIGHT_OK, "%s is %.1f s behind", s->node, r->lag_s);
	}
}

void
preflight_rule_lag(const struct preflight_facts *f, struct preflight *out)
{
	judge_lag(f, preflight_standby(f), out);
	judge_lag(f, preflight_active(f), out);
}

/* --- who has what --------------------------------------------------------------------------------- */

static bool
knows_gtids(const struct preflight_facts *f, struct preflight *out)
{
	bool first = preflight_knows(&f->servers[0], SQL_GTIDS, out);

	return preflight_knows(&f->servers[1], SQL_GTIDS, out) && first;
}

/* The gathering gave it settle_ms: what it lacks after them it will not have within the budget. */
void
preflight_rule_settle(const struct preflight_facts *f, struct preflight *out)
{
	const struct preflight_server *active = preflight_active(f),
				      *standby = preflight_standby(f);
	char waited[16];
	double lacks;

	if (!knows_gtids(f, out))
		return;
	str_duration(waited, sizeof(waited), f->settle_ms);
	lacks = gtid_behind(
	    sql_facts_dialect(active->sql), active->sql->position, standby->sql->position);
	if (isnan(lacks)) {
		preflight_say(
		    out, PREFLIGHT_UNKNOWN, "not known: the positions cannot be compared");
		preflight_why(out, "what %s lacks would be lost", standby->node);
		preflight_do(out,
		    "look at both: SELECT @@gtid_current_pos (MySQL: @@gtid_executed); "
		    "pointsman did not understand them");
	} else if (lacks > 0) {
		preflight_say(out, PREFLIGHT_REFUSED,
		    "%s lacks %.0f transactions that %s had %s before", standby->node, lacks,
		    active->node, waited);
		preflight_why(out, "people were told that these are saved");
		preflight_do(
		    out, "wait until replication has caught up, or find out why it does not");
	} else {
		preflight_say(out, PREFLIGHT_OK, "%s had all of %s within %s", standby->node,
		    active->node, waited);
	}
}

static void
say_errant(const struct preflight_server *s, const struct preflight_server *other,
    const struct gtid_set *errant, struct preflight *out)
{
	struct str text = STR_INIT;

	gtid_format(sql_facts_dialect(s->sql), errant, &text);
	preflight_say(out, PREFLIGHT_REFUSED, "%s has transactions that %s does not: %.200s",
	    s->node, other->node, str_text(&text));
	preflight_why(out, "somebody wrote on the standby; a merge may overwrite or stop on 1062");
	preflight_do(
	    out, "look at them: mysqlbinlog on %s; take them over or undo them there", s->node);
	str_clear(&text);
}

/*
 * The standby was read before the active, so all that it got from the active the active had. The other
 * way round is the rule before: there a difference is a lag until it stays.
 */
void
preflight_rule_errant(const struct preflight_facts *f, struct preflight *out)
{
	const struct preflight_server *active = preflight_active(f),
				      *standby = preflight_standby(f);
	struct gtid_set has = { NULL, 0 }, of_active = { NULL, 0 }, errant = { NULL, 0 };
	enum gtid_dialect dialect;

	if (!knows_gtids(f, out))
		return;
	dialect = sql_facts_dialect(standby->sql);
	if (gtid_parse(dialect, standby->sql->executed, &has, NULL) != 0 ||
	    gtid_parse(dialect, active->sql->executed, &of_active, NULL) != 0) {
		preflight_say(out, PREFLIGHT_UNKNOWN, "not known: the GTIDs cannot be read");
		preflight_why(out, "what %s has and %s lacks would stop replication, or be lost",
		    standby->node, active->node);
		preflight_do(out,
		    "look at both: SELECT @@gtid_binlog_state (MySQL: @@gtid_executed); "
		    "pointsman did not understand them");
	} else {
		gtid_subtract(&has, &of_active, &errant);
		if (errant.count > 0)
			say_errant(standby, active, &errant, out);
		else
			preflight_say(out, PREFLIGHT_OK, "%s has nothing that %s lacks",
			    standby->node, active->node);
	}
	gtid_clear(&has);
	gtid_clear(&of_active);
	gtid_clear(&errant);
}

/* --- what keeps a fence waiting ------------------------------------------------------------------- */

void
preflight_rule_long_write(const struct preflight_facts *f, struct preflight *out)
{
	const struct preflight_server *active = preflight_active(f);
	const struct server_view *v;
	char limit[16];

	if (!preflight_is_reached(active, out))
		return;
	v = active->sql->view;
	str_duration(limit, sizeof(limit), f->long_write_ms);
	if (isnan(v->longest_write_s)) {
		preflight_say(out, PREFLIGHT_UNKNOWN,
		    "not known: %s: our account does not see its sessions", active->node);
		preflight_why(out, "a long write makes all others wait while the active is fenced");
		preflight_do(out, "GRANT PROCESS ON *.* to our account");
	} else if (f->long_write_ms > 0 && v->longest_write_s * 1000 > (double)f->long_write_ms) {
		preflight_say(out, PREFLIGHT_REFUSED, "%s: a write runs for %.0f s (limit %s): %s",
		    active->node, v->longest_write_s, limit, active->sql->extra.longest_write);
		preflight_why(out, "read_only waits for it, and every other writer waits with it");
		preflight_do(
		    out, "wait for its end, or end it: SHOW PROCESSLIST on %s", active->node);
	} else {
		preflight_say(out, PREFLIGHT_OK, "%s: the longest write runs for %.1f s (limit %s)",
		    active->node, v->longest_write_s, limit);
	}
}

void
preflight_rule_xa(const struct preflight_facts *f, struct preflight *out)
{
	for (size_t i = 0; i < 2; i++) {
		const struct preflight_server *s = &f->servers[i];

		if (!preflight_knows(s, SQL_XA, out) || s->sql->xa_open == 0)
			continue;
		preflight_say(out, PREFLIGHT_REFUSED, "%s: %" PRIu64 " prepared XA transaction%s",
		    s->node, s->sql->xa_open, s->sql->xa_open == 1 ? "" : "s");
		preflight_why(out,
		    "it keeps its locks over the switch, and its XA COMMIT passes the "
		    "fence on MySQL");
		preflight_do(out, "on %s: XA RECOVER, then XA COMMIT or XA ROLLBACK", s->node);
	}
	if (!preflight_has_said(out))
		preflight_say(out, PREFLIGHT_OK, "no XA transaction is prepared");
}

void
preflight_rule_disk(const struct preflight_facts *f, struct preflight *out)
{
	for (size_t i = 0; i < 2; i++) {
		const struct preflight_server *s = &f->servers[i];

		if (!preflight_is_reached(s, out) || s->sql->extra.disk[0] == '\0')
			continue;
		preflight_say(out, PREFLIGHT_REFUSED, "%s: its disk is full: %s", s->node,
		    s->sql->extra.disk);
		preflight_why(out, "it can neither write nor apply");
		preflight_do(out, "make room on %s", s->node);
	}
	if (!preflight_has_said(out))
		preflight_say(out, PREFLIGHT_OK, "no sign of a full disk");
}

void
preflight_rule_semi_sync(const struct preflight_facts *f, struct preflight *out)
{
	const struct preflight_server *active = preflight_active(f);

	if (!preflight_knows(active, SQL_SETTINGS, out))
		return;
	if (active->sql->extra.semi_sync_waiting > 0 && active->sql->extra.is_semi_sync) {
		preflight_say(out, PREFLIGHT_WARNING,
		    "%s: %" PRIu64 " commits wait for the standby", active->node,
		    active->sql->extra.semi_sync_waiting);
		preflight_why(
		    out, "read_only waits for them as well; harmless if it is but a moment");
		preflight_do(
		    out, "again; if they stay: semi-sync on %s", preflight_standby(f)->node);
	} else if (active->sql->is_semi_sync_asked && !active->sql->extra.is_semi_sync) {
		preflight_say(out, PREFLIGHT_WARNING, "%s: semi-sync is enabled and not in force",
		    active->node);
		preflight_why(
		    out, "it has fallen back: an emergency may lose what was acknowledged");
		preflight_do(out, "enable its replica side on %s", preflight_standby(f)->node);
	} else {
		preflight_say(out, PREFLIGHT_OK, "%s: %s", active->node,
		    active->sql->is_semi_sync_asked
			? "semi-sync is in force"
			: "replication is asynchronous: an emergency may lose the last moment");
	}
}

void
preflight_rule_room(const struct preflight_facts *f, struct preflight *out)
{
	const struct preflight_server *active = preflight_active(f),
				      *standby = preflight_standby(f);
	bool knows_active = preflight_is_reached(active, out);
	uint64_t need, room;

	if (!preflight_is_reached(standby, out) || !knows_active)
		return;
	need = active->sql->view->sessions;
	room = standby->sql->view->session_limit;
	if (room > 0 && need > room) {
		preflight_say(out, PREFLIGHT_WARNING,
		    "%s takes %" PRIu64 " sessions, %s has %" PRIu64, standby->node, room,
		    active->node, need);
		preflight_why(out, "clients would be turned away after the switch");
		preflight_do(out, "on %s: SET GLOBAL max_connections = %" PRIu64, standby->node,
		    active->sql->view->session_limit);
	} else {
		preflight_say(out, PREFLIGHT_OK, "%s takes %" PRIu64 " sessions, %s has %" PRIu64,
		    standby->node, room, active->node, need);
	}
}
