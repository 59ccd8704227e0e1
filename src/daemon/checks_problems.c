/*
 * checks_problems.c: what the checks of a vantage have to say to a person. What is muted is not said
 * here; it is shown as muted wherever checks are listed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "daemon/agent.h"
#include "daemon/checks.h"
#include "feature/proposal.h"

static bool
is_failing(enum check_state s)
{
	return s == STATE_FAILING || s == STATE_RECOVERING;
}

/* A failure that the others do not see is no reason to wake anybody, and still has to be known. */
static void
collect_check(const struct checks *c, const struct check *k, struct problems *p)
{
	bool is_critical;
	struct verdict v;
	char *todo;

	checks_verdict(c, k, &v);
	is_critical = k->debounce.level == LEVEL_CRITICAL && is_failing(v.state);
	todo = mem_printf("pointsman check %s --explain", k->spec.name);
	problems_add(p, is_critical, mem_printf("check %s: %s (%s)", k->spec.name, k->text, v.text),
	    is_failing(v.state) ? "what it checks does not do its work"
				: "it is seen from here, not by most others",
	    todo);
	free(todo);
}

static bool
is_told(const struct pair_state *s)
{
	return s->trouble != PAIR_FINE && s->trouble != PAIR_UNKNOWN;
}

/* One cause is one problem: when a server dies, the other cannot follow it either. */
static bool
is_told_by_pair(const struct checks *c, const struct check *k)
{
	for (size_t i = 0; k->spec.pair != NULL && i < pair_watch_count(c->pairs); i++) {
		const struct pair_report *r = pair_watch_at(c->pairs, i);

		if (strcmp(r->config->name, k->spec.pair) == 0)
			return is_told(&r->state);
	}
	return false;
}

static void
collect_failing(const struct checks *c, struct problems *p)
{
	size_t shown = 0, more = 0;

	for (size_t i = 0; i < checker_count(c->checker); i++) {
		const struct check *k = checker_at(c->checker, i);

		if (!is_failing(k->debounce.state) || checks_mute_of(c, k) != NULL ||
		    is_told_by_pair(c, k))
			continue;
		if (shown++ < PROBLEMS_OF_A_KIND)
			collect_check(c, k, p);
		else
			more++;
	}
	if (more > 0)
		problems_add(p, true, mem_printf("more checks are failing: %zu", more),
		    "what they check does not do its work", "pointsman checks");
}

/* Built from what we see: what stands in the KV anybody may have written. */
static void
collect_proposal(const struct checks *c, const struct pair_report *r, struct problems *p)
{
	json_t *proposal = checks_proposal(c, r);
	struct str command = STR_INIT;

	checks_add_command(&command, r);
	problems_add(p, true,
	    mem_printf("pair %s: %s; a failover is proposed", r->config->name, r->state.text),
	    json_get_string(
		json_object_get(proposal, "lost"), "text", "nothing moves without a person"),
	    str_text(&command));
	json_decref(proposal);
	str_clear(&command);
}

/* What another tool says is in the KV only, and is shown although all is well as we see it. */
static void
collect_tools(const struct pair_report *r, const json_t *proposal, struct problems *p)
{
	char by[4 * PROPOSAL_TOOL_MAX + 1], why[4 * PROPOSAL_WHY_MAX + 1], lost[256];
	char *command = proposal_command(proposal, r->config->name, r->config);

	str_copy_printable(by, sizeof(by), json_get_string(proposal, "proposed_by", "?"));
	str_copy_printable(why, sizeof(why), json_get_string(proposal, "what", "?"));
	str_copy_printable(lost, sizeof(lost),
	    json_get_string(json_object_get(proposal, "lost"), "text", "nothing moves by itself"));
	problems_add(p, true,
	    mem_printf("pair %s: %s says: %s; a failover is proposed (as seen from here: %s)",
		r->config->name, by, why, is_told(&r->state) ? r->state.text : "all is well"),
	    lost, command != NULL ? command : "pointsman pairs");
	free(command);
}

static void
collect_trouble(const struct pair_report *r, struct problems *p)
{
	const struct pair_state *s = &r->state;

	problems_add(p, s->level == LEVEL_CRITICAL,
	    mem_printf("pair %s (%s): %s", r->config->name, pair_trouble_name(s->trouble), s->text),
	    s->veto[0] != '\0' ? s->veto
			       : "exactly one server must take writes, and the other be able to "
				 "take over",
	    "pointsman pairs");
}

static void
collect_pairs(const struct checks *c, struct problems *p)
{
	for (size_t i = 0; i < pair_watch_count(c->pairs); i++) {
		const struct pair_report *r = pair_watch_at(c->pairs, i);

		const json_t *standing =
		    c->propose != NULL ? propose_standing(c->propose, i) : NULL;

		if (checks_mute(c, r->config->name) != NULL)
			continue;
		if (standing != NULL && proposal_is_tools(standing))
			collect_tools(r, standing, p);
		else if (is_told(&r->state) && standing != NULL)
			collect_proposal(c, r, p);
		else if (is_told(&r->state))
			collect_trouble(r, p);
	}
}

static void
collect_sight(const struct checks *c, struct problems *p)
{
	const struct vantage *v = checker_vantage(c->checker);

	if (v->sight == VANTAGE_BLIND)
		problems_add(p, true, mem_strdup("this vantage is blind: am I isolated?"),
		    "too many of its targets became suspect at once; its verdicts are held, and "
		    "nothing is proposed from here",
		    "look at this host's network; other vantages decide meanwhile");
	else if (v->sight == VANTAGE_HELD)
		problems_add(p, false, mem_strdup("this vantage holds its verdicts"),
		    "its process was stopped, and what it saw before says nothing about now",
		    "nothing, it goes on by itself; look for what stopped it");
}

void
checks_collect_problems(const struct checks *c, struct problems *p)
{
	collect_sight(c, p);
	collect_failing(c, p);
	collect_pairs(c, p);
	if (c->post != NULL && c->agent->contact.is_up &&
	    health_post_error(c->post)->code != ERR_NONE)
		problems_add(p, false,
		    mem_printf("cannot publish checks: %s", health_post_error(c->post)->text),
		    "other vantages do not know what this one sees",
		    "give each agent its own node, and the token the right to write health/");
	if (c->save_err.code != ERR_NONE)
		problems_add(p, false, mem_printf("cannot save positions: %s", c->save_err.text),
		    "after a restart nobody could tell what a failover would lose",
		    "make room, or mend the permissions of the state directory");
}
