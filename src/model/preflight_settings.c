/*
 * preflight_settings.c: the pair of databases as it was set up. What is wrong here hurts at the next
 * crash, not at this moment, so most of it warns and does not refuse.
 */
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "model/preflight_rules.h"

/* A machine may be away for a night. */
#define RETRY_ENOUGH_S 86400u

static bool
knows_both(const struct preflight_facts *f, enum sql_topic topic, struct preflight *out)
{
	bool first = preflight_knows(&f->servers[0], topic, out);

	return preflight_knows(&f->servers[1], topic, out) && first;
}

void
preflight_rule_versions(const struct preflight_facts *f, struct preflight *out)
{
	const struct preflight_server *active = preflight_active(f),
				      *standby = preflight_standby(f);
	bool knows_active = preflight_is_reached(active, out);
	const char *a, *b;

	if (!preflight_is_reached(standby, out) || !knows_active)
		return;
	a = active->sql->view->version;
	b = standby->sql->view->version;
	if (active->sql->view->kind != standby->sql->view->kind) {
		preflight_say(out, PREFLIGHT_REFUSED, "%s is a %s, %s a %s", active->node,
		    server_kind_name(active->sql->view->kind), standby->node,
		    server_kind_name(standby->sql->view->kind));
		preflight_why(out, "their GTIDs mean different things: nothing can be compared");
		preflight_do(out, "a pair is of one kind: mend the configuration");
	} else if (sql_facts_version(standby->sql) < sql_facts_version(active->sql)) {
		preflight_say(out, PREFLIGHT_WARNING, "%s has %s, older than the %s of %s",
		    standby->node, b, a, active->node);
		preflight_why(
		    out, "an older replica may not understand what a newer master writes");
		preflight_do(out, "upgrade %s first: a replica is never older", standby->node);
	} else {
		preflight_say(
		    out, PREFLIGHT_OK, "%s has %s, %s has %s", active->node, a, standby->node, b);
	}
}

void
preflight_rule_server_ids(const struct preflight_facts *f, struct preflight *out)
{
	const struct sql_facts *a = f->servers[0].sql, *b = f->servers[1].sql;

	if (!knows_both(f, SQL_SETTINGS, out))
		return;
	if (a->server_id == b->server_id) {
		preflight_say(
		    out, PREFLIGHT_REFUSED, "both have the server_id %" PRIu64, a->server_id);
		preflight_why(out, "each takes the other's events for its own and drops them");
		preflight_do(out, "give one of them another server_id");
	} else if (a->view->kind == SERVER_MYSQL && b->view->kind == SERVER_MYSQL &&
		   strcmp(a->view->server_id, b->view->server_id) == 0) {
		preflight_say(
		    out, PREFLIGHT_REFUSED, "both have the server_uuid %s", a->view->server_id);
		preflight_why(out, "one was copied from the other: their GTIDs are the same");
		preflight_do(out, "remove auto.cnf of one of them and restart it");
	} else {
		preflight_say(out, PREFLIGHT_OK, "server ids %" PRIu64 " and %" PRIu64,
		    a->server_id, b->server_id);
	}
}

static void
judge_binlog(const struct preflight_server *s, struct preflight *out)
{
	if (!preflight_knows(s, SQL_SETTINGS, out))
		return;
	if (!s->sql->has_binlog) {
		preflight_say(out, PREFLIGHT_REFUSED, "%s writes no binary log", s->node);
		preflight_why(out, "nobody can follow it: there is no way back");
		preflight_do(out, "log_bin in the configuration of %s", s->node);
		return;
	}
	if (strcasecmp(s->sql->binlog_format, "ROW") != 0) {
		preflight_say(out, PREFLIGHT_WARNING, "%s: binlog_format is %s", s->node,
		    s->sql->binlog_format);
		preflight_why(out, "statements may give other rows on the other server");
		preflight_do(out, "binlog_format = ROW on %s", s->node);
	}
	if (!s->sql->logs_replica_updates) {
		preflight_say(out, PREFLIGHT_WARNING, "%s: log_replica_updates is off", s->node);
		preflight_why(out,
		    "what it applied is not in its log: errant transactions cannot be "
		    "told, and nobody else can follow it");
		preflight_do(out, "%s = ON in the configuration of %s",
		    s->sql->view->kind == SERVER_MARIADB ? "log_slave_updates"
							 : "log_replica_updates",
		    s->node);
	}
}

void
preflight_rule_binlog(const struct preflight_facts *f, struct preflight *out)
{
	judge_binlog(&f->servers[0], out);
	judge_binlog(&f->servers[1], out);
	if (!preflight_has_said(out))
		preflight_say(
		    out, PREFLIGHT_OK, "both write a binary log by rows, with what they apply");
}

void
preflight_rule_gtids(const struct preflight_facts *f, struct preflight *out)
{
	for (size_t i = 0; i < 2; i++) {
		const struct preflight_server *s = &f->servers[i];

		if (!preflight_knows(s, SQL_SETTINGS, out))
			continue;
		if (!s->sql->has_gtids) {
			preflight_say(out, PREFLIGHT_REFUSED, "%s: gtid_mode is off", s->node);
			preflight_why(out, "whether the standby has all can only be told by GTIDs");
			preflight_do(out, "gtid_mode = ON and enforce_gtid_consistency = ON");
		}
		for (size_t k = 0; k < s->sql->view->source_count; k++) {
			if (s->sql->view->sources[k].gtid_received != NULL ||
			    s->sql->view->is_gtid_cut)
				continue;
			preflight_say(out, PREFLIGHT_REFUSED,
			    "%s follows by file and position, not by GTIDs", s->node);
			preflight_why(out, "after a switch it would not know where to go on");
			preflight_do(out, "on %s: %s", s->node,
			    s->sql->view->kind == SERVER_MARIADB
				? "CHANGE MASTER TO MASTER_USE_GTID = slave_pos"
				: "CHANGE REPLICATION SOURCE TO SOURCE_AUTO_POSITION = 1");
		}
	}
	if (!preflight_has_said(out))
		preflight_say(out, PREFLIGHT_OK, "both follow by GTIDs");
}

void
preflight_rule_auto_increment(const struct preflight_facts *f, struct preflight *out)
{
	const struct sql_facts *a = f->servers[0].sql, *b = f->servers[1].sql;

	if (!knows_both(f, SQL_SETTINGS, out))
		return;
	if (a->auto_increment == b->auto_increment && a->auto_increment >= 2 &&
	    a->auto_offset != b->auto_offset) {
		preflight_say(out, PREFLIGHT_OK,
		    "steps of %" PRIu64 ", offsets %" PRIu64 " and %" PRIu64, a->auto_increment,
		    a->auto_offset, b->auto_offset);
		return;
	}
	preflight_say(out, PREFLIGHT_WARNING,
	    "auto_increment: %s counts from %" PRIu64 " by %" PRIu64 ", %s from %" PRIu64
	    " by %" PRIu64,
	    f->servers[0].node, a->auto_offset, a->auto_increment, f->servers[1].node,
	    b->auto_offset, b->auto_increment);
	preflight_why(out, "after an emergency both may have given the same number: error 1062");
	preflight_do(out, "auto_increment_increment = 2 on both, auto_increment_offset 1 and 2");
}

void
preflight_rule_durability(const struct preflight_facts *f, struct preflight *out)
{
	for (size_t i = 0; i < 2; i++) {
		const struct preflight_server *s = &f->servers[i];

		if (!preflight_knows(s, SQL_SETTINGS, out) ||
		    (s->sql->sync_binlog == 1 && s->sql->flush_at_commit == 1))
			continue;
		preflight_say(out, PREFLIGHT_WARNING,
		    "%s: sync_binlog = %" PRIu64 ", innodb_flush_log_at_trx_commit = %" PRIu64,
		    s->node, s->sql->sync_binlog, s->sql->flush_at_commit);
		preflight_why(
		    out, "a crash loses what was acknowledged, also what the other one has");
		preflight_do(out, "both = 1 on %s", s->node);
	}
	if (!preflight_has_said(out))
		preflight_say(out, PREFLIGHT_OK, "both sync at every commit");
}

void
preflight_rule_retries(const struct preflight_facts *f, struct preflight *out)
{
	bool is_told = false;

	for (size_t i = 0; i < 2; i++) {
		const struct preflight_server *s = &f->servers[i];

		if (!preflight_knows(s, SQL_SOURCES, out))
			continue;
		for (size_t k = 0; k < s->sql->view->source_count; k++) {
			const struct sql_source *source = &s->sql->sources[k];

			is_told |= source->retries > 0;
			if (source->retries == 0 ||
			    source->retries * source->retry_s >= RETRY_ENOUGH_S)
				continue;
			preflight_say(out, PREFLIGHT_WARNING,
			    "%s: gives up after %" PRIu64 " attempts, one in %" PRIu64 " s",
			    s->node, source->retries, source->retry_s);
			preflight_why(
			    out, "when the other one comes back, it does not follow any more");
			preflight_do(
			    out, "CHANGE REPLICATION SOURCE TO SOURCE_RETRY_COUNT = 100000");
		}
	}
	if (!preflight_has_said(out))
		preflight_say(out, PREFLIGHT_OK, "%s",
		    is_told ? "both try again for a day and more"
			    : "MariaDB does not tell; its default is 100,000");
}

void
preflight_rule_super_read_only(const struct preflight_facts *f, struct preflight *out)
{
	const struct preflight_server *standby = preflight_standby(f);
	const struct server_view *v;

	if (!preflight_is_reached(standby, out))
		return;
	v = standby->sql->view;
	if (v->kind == SERVER_MARIADB) {
		preflight_say(out, PREFLIGHT_OK, "MariaDB has none: see \"accounts\"");
	} else if (v->is_read_only && !v->is_super_read_only) {
		preflight_say(
		    out, PREFLIGHT_WARNING, "%s: read_only without super_read_only", standby->node);
		preflight_why(out, "administrators write there by mistake: errant transactions");
		preflight_do(out, "on %s: SET GLOBAL super_read_only = 1", standby->node);
	} else {
		preflight_say(out, PREFLIGHT_OK, "%s: super_read_only is %s", standby->node,
		    v->is_super_read_only ? "on" : "off");
	}
}

void
preflight_rule_restart(const struct preflight_facts *f, struct preflight *out)
{
	for (size_t i = 0; i < 2; i++) {
		const struct preflight_server *s = &f->servers[i];

		if (!preflight_is_reached(s, out))
			continue;
		if (!s->sql->extra.is_restart_known) {
			preflight_say(out, PREFLIGHT_WARNING,
			    "not known: %s: it does not tell our account how it starts", s->node);
			preflight_why(
			    out, "after an emergency it may come back as a second writer");
			preflight_do(out, "GRANT SELECT ON performance_schema.* to our account");
			continue;
		}
		if (!s->sql->extra.starts_writable && !s->sql->extra.starts_replicating) {
			preflight_say(out, PREFLIGHT_OK, "%s: %s", s->node,
			    s->sql->view->restart[0] != '\0' ? s->sql->view->restart
							     : "comes up read-only");
			continue;
		}
		preflight_say(
		    out, PREFLIGHT_WARNING, "%s, started anew: %s", s->node, s->sql->view->restart);
		preflight_why(out, "after an emergency it would come back %s",
		    s->sql->extra.starts_writable ? "as a second writer"
						  : "and send what the new active does not have");
		preflight_do(out, "%s%s%s in the configuration of %s",
		    s->sql->extra.starts_writable ? "read_only = 1" : "",
		    s->sql->extra.starts_writable && s->sql->extra.starts_replicating ? ", " : "",
		    s->sql->extra.starts_replicating ? "skip_replica_start = 1" : "", s->node);
	}
}
