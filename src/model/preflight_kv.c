/*
 * preflight_kv.c: the way of a flip: Consul takes it, the name is what it should be, nothing holds it,
 * and the agents will serve it. And whether there are two servers to speak of.
 */
#include <inttypes.h>
#include <string.h>

#include "base/str.h"
#include "model/preflight_rules.h"

static bool
knows_kv(const struct preflight_facts *f, struct preflight *out)
{
	if (f->kv_error[0] == '\0')
		return true;
	preflight_say(out, PREFLIGHT_UNKNOWN, "not known: the KV cannot be read");
	preflight_why(out, "a failover would go without knowing it");
	preflight_do(out, "see \"consul\": why it cannot be read");
	return false;
}

void
preflight_rule_consul(const struct preflight_facts *f, struct preflight *out)
{
	if (f->kv_error[0] != '\0') {
		preflight_say(out, PREFLIGHT_REFUSED, "the KV cannot be read: %s", f->kv_error);
		preflight_why(out, "without a leader no flip can be committed");
		preflight_do(out, "consul operator raft list-peers    (the token, the address: "
				  "pointsman config check)");
	} else if (f->session_error[0] != '\0') {
		preflight_say(
		    out, PREFLIGHT_REFUSED, "no session can be made: %s", f->session_error);
		preflight_why(
		    out, "a failover holds a lock all the time, so that two do not run at once");
		preflight_do(out, "give the token session \"write\" in its policy");
	} else {
		preflight_say(out, PREFLIGHT_OK, "there is a leader, and a session can be made");
	}
}

void
preflight_rule_name(const struct preflight_facts *f, struct preflight *out)
{
	const char *a = f->servers[0].node, *b = f->servers[1].node;

	if (!knows_kv(f, out))
		return;
	if (f->value[0] == '\0') {
		preflight_say(out, PREFLIGHT_REFUSED, "there is no name %s", f->name);
		preflight_why(out, "nobody finds the pair, and a flip would have nothing to move");
		preflight_do(out, "pointsman set %s %s", f->name, preflight_active(f)->node);
	} else if (!f->is_active_known) {
		preflight_say(out, PREFLIGHT_REFUSED, "%s = %s, which is neither %s nor %s",
		    f->name, f->value, a, b);
		preflight_why(out, "clients go to a server that is not of this pair");
		preflight_do(out, "pointsman set %s %s    (or mend nodes of pair \"%s\")", f->name,
		    preflight_active(f)->node, f->pair);
	} else {
		preflight_say(out, PREFLIGHT_OK, "%s = %s", f->name, f->value);
	}
}

void
preflight_rule_hold(const struct preflight_facts *f, struct preflight *out)
{
	if (!knows_kv(f, out))
		return;
	if (f->hold[0] == '\0') {
		preflight_say(out, PREFLIGHT_OK, "nothing holds %s", f->name);
		return;
	}
	preflight_say(out, PREFLIGHT_REFUSED, "held %s", f->hold);
	preflight_why(out, "agents would not serve the flip before the release");
	preflight_do(out, "pointsman release    (or: pointsman release %s)", f->name);
}

static void
say_agent(const struct preflight_facts *f, const struct preflight_agent *a, struct preflight *out)
{
	if (!a->is_alive)
		preflight_say(out, PREFLIGHT_REFUSED, "agent %s is not alive", a->node);
	else
		preflight_say(out, PREFLIGHT_REFUSED,
		    "agent %s does not serve generation %" PRIu64 ": %s", a->node, f->generation,
		    a->why);
	preflight_why(out, "clients of that host would stay at the old server");
	preflight_do(out,
	    "pointsman drift --agent %s    (or leave it behind: failover %s --without %s)", a->node,
	    f->pair, a->node);
}

void
preflight_rule_agents(const struct preflight_facts *f, struct preflight *out)
{
	if (!knows_kv(f, out))
		return;
	for (size_t i = 0; i < f->agent_count; i++) {
		if (!f->agents[i].is_alive || !f->agents[i].serves)
			say_agent(f, &f->agents[i], out);
	}
	if (f->agent_count == 0) {
		preflight_say(out, PREFLIGHT_WARNING, "there are no agents");
		preflight_why(out, "nobody would serve the flip");
		preflight_do(out, "systemctl enable --now pointsmand    (on every host)");
	} else if (!preflight_has_said(out)) {
		preflight_say(out, PREFLIGHT_OK, "all %zu agents serve generation %" PRIu64,
		    f->agent_count, f->generation);
	}
}

void
preflight_rule_reached(const struct preflight_facts *f, struct preflight *out)
{
	for (size_t i = 0; i < 2; i++) {
		const struct preflight_server *s = &f->servers[i];

		if (s->is_reached)
			continue;
		preflight_say(out, PREFLIGHT_REFUSED, "%s cannot be asked: %s", s->node, s->error);
		preflight_why(out, "%s",
		    s == preflight_active(f) ? "a planned failover needs both"
					     : "there is nobody to take over");
		preflight_do(out, "pointsman check %s/%s", f->pair, s->node);
	}
	if (!preflight_has_said(out))
		preflight_say(
		    out, PREFLIGHT_OK, "%s and %s answer", f->servers[0].node, f->servers[1].node);
}

/* Of an emergency it only tells: a failover that died halfway may be what makes it one. */
void
preflight_rule_unfinished(const struct preflight_facts *f, struct preflight *out)
{
	if (!knows_kv(f, out))
		return;
	if (f->past_error[0] != '\0') {
		preflight_say(out, f->is_emergency ? PREFLIGHT_WARNING : PREFLIGHT_UNKNOWN,
		    "the journals of earlier operations cannot be read: %s", f->past_error);
		preflight_why(out, "one that stopped halfway may have left a server fenced");
		preflight_do(out, "pointsman history does the same read: once it answers, again");
		return;
	}
	if (f->unfinished[0] == '\0') {
		preflight_say(out, PREFLIGHT_OK, "no operation is under way");
		return;
	}
	preflight_say(out, f->is_emergency ? PREFLIGHT_WARNING : PREFLIGHT_REFUSED,
	    f->is_unfinished_held ? "operation %s is under way"
				  : "operation %s was interrupted, and has not ended",
	    f->unfinished);
	preflight_why(out, "what it has begun is neither done nor undone");
	if (f->is_unfinished_held)
		preflight_do(out, "pointsman history %s", f->unfinished);
	else
		preflight_do(out, "pointsman resume %s    (or: pointsman rollback %s)",
		    f->unfinished, f->unfinished);
}

/* Never in the way: nobody should find it at 3 a.m. as one more thing. */
void
preflight_rule_rehearsed(const struct preflight_facts *f, struct preflight *out)
{
	char ago[16];

	if (!knows_kv(f, out))
		return;
	if (f->past_error[0] != '\0') {
		preflight_say(out, PREFLIGHT_UNKNOWN, "not known: no journal can be read");
		preflight_why(out, "what was never tried may not work tonight");
		preflight_do(out, "see \"operation\": why they cannot be read");
	} else if (f->rehearsed_ago_s < 0)
		preflight_say(out, PREFLIGHT_OK,
		    "never rehearsed: pointsman failover %s --rehearse", f->pair);
	else
		preflight_say(out, PREFLIGHT_OK, "rehearsed, or done, %s ago",
		    str_duration(ago, sizeof(ago), f->rehearsed_ago_s * 1000));
}
