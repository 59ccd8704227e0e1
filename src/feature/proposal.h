/*
 * proposal.h: the document below <root>proposals/<pair>. A vantage writes it of what it sees
 * (daemon/checks_proposal.c); `pointsman propose` of what another tool, or a person, says. The second
 * kind has "origin": "tool", and is told by the first vantage that writes its "told_by" into it.
 *
 * Anybody may write there: a command is shown to a person only when its checked parts make the same.
 */
#ifndef FEATURE_PROPOSAL_H
#define FEATURE_PROPOSAL_H

#include <jansson.h>
#include <stdbool.h>

#include "model/name.h"
#include "model/verdict.h"

#define PROPOSALS_PREFIX "proposals/"
#define PROPOSAL_WHY_MAX 200 /* bytes: a line or two of a status page */
#define PROPOSAL_TOOL_MAX 32 /* "orchestrator" */

struct config_pair;

/* What a tool says. */
struct proposal_claim {
	const struct config_pair *pair;
	const char *active, *standby; /* nodes of the pair */
	const char *expect;           /* the value of the name now: the active, or its address */
	const char *why, *by;         /* printable */
	const struct verdict *seen;   /* of the vantages, on the active */
	bool is_promoted;             /* the standby takes writes already: only the name is left */
};

/* "proposed_by" and all; a new reference. */
json_t *proposal_of_tool(const struct proposal_claim *c);
bool proposal_is_tools(const json_t *document);
/* The servers were turned over by the tool; what is left to type is a flip. */
bool proposal_is_flip(const json_t *document);

/*
 * A tool's proposal with what a vantage knows of the same pair, fresh (taken), and that it is told by
 * whom. A new reference.
 */
json_t *proposal_with_sight(const json_t *tools, json_t *fresh, const char *told_by);

/*
 * The command of a document that a person may type: a failover of this pair, or the flip of its name
 * between its servers; malloc'ed. NULL: it has none such. config: of the pair; NULL: this host knows
 * none, and the name is taken to be the pair's.
 */
char *proposal_command(const json_t *document, const char *pair, const struct config_pair *config);

#endif
