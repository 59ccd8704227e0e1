/*
 * preflight_emergency.c: before a failover from an active server that is dead. Little can be asked, and
 * little may refuse: that it is not dead at all, that the standby could not take over. All else is said.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/preflight_rules.h"

static const struct server_view *
view_of(const struct preflight_server *s)
{
	return s->sql != NULL ? s->sql->view : s->redis != NULL ? s->redis->view : NULL;
}

static bool
is_named(const struct preflight_facts *f)
{
	return f->dead_word != NULL && strcmp(f->dead_word, preflight_active(f)->node) == 0;
}

static bool
is_at_work(const struct preflight_server *s)
{
	const struct server_view *v = view_of(s);

	return s->is_reached && (v != NULL ? v->is_writable : s->is_running);
}

/* It answers us, and takes writes: not dead, whatever the vantages say. */
static void
say_alive(const struct preflight_facts *f, struct preflight *out)
{
	const char *node = preflight_active(f)->node;

	if (is_named(f)) {
		preflight_say(
		    out, PREFLIGHT_WARNING, "%s answers, and you say that it is dead", node);
		preflight_why(out,
		    "it will be fenced if it lets itself be; if not, what it still takes is lost");
		preflight_do(out, "a fence-command in pair \"%s\" makes sure of that", f->pair);
		return;
	}
	preflight_say(out, PREFLIGHT_REFUSED, "%s answers, and %s", node,
	    strcmp(f->kind, "daemon") == 0 ? "works" : "takes writes");
	preflight_why(out, "a planned failover loses nothing; this one may");
	preflight_do(out,
	    "pointsman failover %s    (it cannot write, or cannot be fenced? then: "
	    "--emergency --dead %s)",
	    f->pair, node);
}

void
preflight_rule_dead(const struct preflight_facts *f, struct preflight *out)
{
	const struct preflight_server *active = preflight_active(f);

	if (is_at_work(active)) {
		say_alive(f, out);
	} else if (f->is_dead_confirmed) {
		preflight_say(out, PREFLIGHT_OK, "%s is down: %s", active->node, f->dead_by);
	} else if (is_named(f)) {
		preflight_say(out, PREFLIGHT_OK, "%s is dead: you say so", active->node);
	} else if (active->is_reached && view_of(active) != NULL) {
		/* A crash, and its start by itself: what only it has is there, and nobody was told otherwise. */
		preflight_say(
		    out, PREFLIGHT_REFUSED, "%s answers, and takes no writes", active->node);
		preflight_why(out, "started anew it has all that was acknowledged; %s may not",
		    preflight_standby(f)->node);
		preflight_do(out,
		    "man pointsman-runbook, \"active dead\"    (to leave it all the same: "
		    "--emergency --dead %s)",
		    active->node);
	} else if (f->is_dead_seen) {
		preflight_say(out, PREFLIGHT_WARNING, "%s is down: %s", active->node, f->dead_by);
		preflight_why(out, "it may only be out of that one's sight, and still take writes");
		preflight_do(out, "make sure of it: its console, its power, another host");
	} else {
		preflight_say(out, PREFLIGHT_REFUSED, "nobody has confirmed that %s is dead%s%s",
		    active->node, f->dead_by[0] != '\0' ? ": " : "", f->dead_by);
		preflight_why(out, "from here it may only be out of sight, and still take writes");
		preflight_do(out,
		    "make sure of it, then: pointsman failover %s --emergency --dead %s", f->pair,
		    active->node);
	}
}

/* What one source sent and the standby has not executed, with nobody there to execute it. */
static void
say_left(const struct server_view *v, const struct replication_view *r, const char *node,
    struct preflight *out)
{
	char left[REPLICATION_LEFT_SIZE];

	preflight_say(out, PREFLIGHT_REFUSED, "%s %s", node, replication_say_left(left, r));
	preflight_why(out, "players were told that those are saved");
	if (replication_start_empties(v->kind, r))
		preflight_do(out,
		    "do not start its replication, MariaDB would throw them away; man "
		    "pointsman-runbook, \"Received, not executed\"");
	else if (r->sql_errno != 0)
		preflight_do(out, "mend %s first; man pointsman-runbook, \"1062\"", node);
	else
		preflight_do(out, "START %s SQL_THREAD on %s, then again",
		    v->kind == SERVER_MARIADB ? "SLAVE" : "REPLICA", node);
}

/* Started anew and its replication not: what it had received by then it does not tell (10.11, measured). */
static void
say_unknown_rest(const struct server_view *v, const struct replication_view *r, const char *node,
    struct preflight *out)
{
	if (v->kind != SERVER_MARIADB || !replication_is_stopped(r) || r->gtid_received == NULL ||
	    r->gtid_received[0] != '\0')
		return;
	preflight_say(out, PREFLIGHT_WARNING,
	    "%s does not tell whether its relay log holds transactions that it has not executed",
	    node);
	preflight_why(out,
	    "its replication has not run since it was started; the next start throws them away");
	preflight_do(out, "look before: man pointsman-runbook, \"Received, not executed\"");
}

void
preflight_rule_heir(const struct preflight_facts *f, struct preflight *out)
{
	const struct preflight_server *standby = preflight_standby(f);
	const struct server_view *v = view_of(standby);

	if (!standby->is_reached) {
		preflight_say(out, PREFLIGHT_REFUSED, "%s cannot be asked: %s", standby->node,
		    standby->error);
		preflight_why(out, "there is nobody to take over");
		preflight_do(out, "pointsman check %s/%s", f->pair, standby->node);
		return;
	}
	for (size_t i = 0; v != NULL && i < v->source_count; i++) {
		const struct replication_view *r = &v->sources[i];

		if (!r->is_sql_running && r->behind > 0 && v->kind != SERVER_REDIS)
			say_left(v, r, standby->node, out);
		else
			say_unknown_rest(v, r, standby->node, out);
	}
	if (v != NULL && v->is_writable) {
		preflight_say(out, PREFLIGHT_WARNING, "%s takes writes already", standby->node);
		preflight_why(out, "somebody made it writable: ask who, and what for");
		preflight_do(out, "pointsman history    (who did what to the names)");
	}
	if (!preflight_has_said(out))
		preflight_say(out, PREFLIGHT_OK, "%s answers, and can take over", standby->node);
}

/* Never fine: nobody knows what the active took after it was looked at last. */
void
preflight_rule_loss(const struct preflight_facts *f, struct preflight *out)
{
	preflight_say(out, PREFLIGHT_WARNING, "%s",
	    f->lost[0] != '\0' ? f->lost
			       : "what would be lost is not known: no vantage saw it fail");
	preflight_why(out, "what %s has not received was acknowledged, and is gone for now",
	    preflight_standby(f)->node);
	preflight_do(out, "when %s is back: pointsman rejoin %s finds it and saves it",
	    preflight_active(f)->node, f->pair);
}

void
preflight_rule_agents_told(const struct preflight_facts *f, struct preflight *out)
{
	for (size_t i = 0; i < f->agent_count; i++) {
		const struct preflight_agent *a = &f->agents[i];

		if (a->is_alive && a->serves)
			continue;
		preflight_say(out, PREFLIGHT_WARNING, "agent %s %s%s", a->node,
		    a->is_alive ? "is behind: " : "is not alive", a->is_alive ? a->why : "");
		preflight_why(out, "clients of that host may stay at the old server");
		preflight_do(out, "pointsman drift --agent %s", a->node);
	}
	if (!preflight_has_said(out))
		preflight_say(out, PREFLIGHT_OK, "all %zu agents serve the names", f->agent_count);
}
