/* proposal.c: see proposal.h. */
#include "feature/proposal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "feature/config.h"

#define ORIGIN_TOOL "tool"

/* --- what a tool says ------------------------------------------------------------------------------ */

static char *
flip_command(const char *name, const char *to, const char *expect)
{
	return mem_printf("pointsman set %s %s --expect %s", name, to, expect);
}

static char *
failover_command(const char *pair, bool is_emergency)
{
	return mem_printf("pointsman failover %s%s", pair, is_emergency ? " --emergency" : "");
}

static char *
command_of(const struct proposal_claim *c)
{
	if (c->is_promoted)
		return flip_command(c->pair->kv_name, c->standby, c->expect);
	return failover_command(c->pair->name, c->seen->is_down);
}

/* Two hosts may hear of it in the same millisecond. */
static char *
new_id(const char *by)
{
	return mem_printf("%s-%lld-%lld", by, (long long)clock_wall_ms(), (long long)getpid());
}

static json_t *
lost_json(const struct proposal_claim *c)
{
	return json_pack("{s:n, s:s}", "transactions", "text",
	    c->is_promoted ? "what the old active had and the new one lacks is lost already; how "
			     "much is not known"
			   : "what would be lost is not known yet: no vantage has looked");
}

json_t *
proposal_of_tool(const struct proposal_claim *c)
{
	const struct verdict *v = c->seen;
	char *command = command_of(c), *id = new_id(c->by);
	json_t *j = json_pack(
	    "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:o, s:o, s:o, s:[o], s:b, s:o, s:n, s:{s:n, "
	    "s:n}, s:o, s:s, s:o, s:s}",
	    "origin", ORIGIN_TOOL, "pair", c->pair->name, "kind", c->pair->kind, "active",
	    c->active, "standby", c->standby, "name", c->pair->kv_name, "expect", c->expect,
	    "promoted", (int)c->is_promoted, "since", json_time(clock_wall_s()), "what",
	    json_text(c->why), "class",
	    v->sighted > 0 ? json_string(check_class_name(v->class)) : json_null(), "by",
	    json_text(c->by), "confirmed", v->is_down && v->is_confirmed, "verdict",
	    json_text(v->sighted > 0 ? v->text : "no vantage looks"), "standby_state",
	    "active_last", "seen", "executed", "lost", lost_json(c), "command", command,
	    "proposed_by", json_text(c->by), "id", id);

	free(command);
	free(id);
	return j;
}

bool
proposal_is_tools(const json_t *document)
{
	return strcmp(json_get_string(document, "origin", ""), ORIGIN_TOOL) == 0;
}

bool
proposal_is_flip(const json_t *document)
{
	return json_get_bool(document, "promoted", false);
}

json_t *
proposal_with_sight(const json_t *tools, json_t *fresh, const char *told_by)
{
	static const char *const sight[] = { "class", "confirmed", "verdict", "standby_state",
		"active_last", "lost", "command" };
	json_t *j = json_deep_copy(tools), *member;

	for (size_t i = 0; i < MEM_COUNT(sight); i++) {
		if (strcmp(sight[i], "command") == 0 && proposal_is_flip(tools))
			continue;
		if ((member = json_object_get(fresh, sight[i])) != NULL)
			json_object_set(j, sight[i], member);
	}
	json_object_set_new(j, "told_by", json_string(told_by));
	json_decref(fresh);
	return j;
}

/* --- what a person may type ------------------------------------------------------------------------ */

static bool
is_server_of(const struct config_pair *p, const char *node)
{
	char ignored[NAME_SIZE];

	if (node_parse(node, strlen(node), ignored, NULL) != 0)
		return false;
	for (char **n = p != NULL ? p->nodes : NULL; n != NULL && *n != NULL; n++) {
		if (strcmp(*n, node) == 0)
			return true;
	}
	return p == NULL;
}

/* The active by its name, or as the value of a name may have it, by an address. */
static bool
is_active(const struct config_pair *p, const char *expect)
{
	char ignored[ADDRESS_SIZE];
	bool is_ipv6;

	return address_parse(expect, strlen(expect), ignored, &is_ipv6, NULL) == 0 ||
	       is_server_of(p, expect);
}

static char *
flip_of(const json_t *document, const char *pair, const struct config_pair *config)
{
	const char *to = json_get_string(document, "standby", "");
	const char *expect = json_get_string(document, "expect", "");

	if (!is_server_of(config, to) || !is_active(config, expect))
		return NULL;
	return flip_command(config != NULL ? config->kv_name : pair, to, expect);
}

char *
proposal_command(const json_t *document, const char *pair, const struct config_pair *config)
{
	const char *said = json_get_string(document, "command", "");
	char ignored[NAME_SIZE];

	/* The title of a pair looks as a node does. */
	if (node_parse(pair, strlen(pair), ignored, NULL) != 0)
		return NULL;
	char *ours[] = { failover_command(pair, false), failover_command(pair, true),
		flip_of(document, pair, config) };
	char *found = NULL;

	for (size_t i = 0; i < MEM_COUNT(ours); i++) {
		if (found == NULL && ours[i] != NULL && strcmp(ours[i], said) == 0)
			found = ours[i];
		else
			free(ours[i]);
	}
	return found;
}
