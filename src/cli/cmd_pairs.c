/*
 * cmd_pairs.c: each pair and its two servers: who is active, who takes writes, how far the other is
 * behind. Only a vantage has read the servers, so it is asked first; else the KV has the verdicts.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "cli/check_rows.h"
#include "cli/cli.h"
#include "cli/client_report.h"
#include "cli/commands.h"
#include "operate/health_view.h"
#include "cli/local.h"
#include "cli/output.h"
#include "cli/proposals.h"
#include "cli/report.h"
#include "cli/trouble.h"
#include "operate/view.h"
#include "feature/check_report.h"
#include "feature/pair_role.h"
#include "feature/proposal.h"

struct pairs {
	struct cli *cli;
	struct client client;
	json_t *rows; /* as /v1/pairs */
	bool is_from_kv;
};

/* --- without a vantage here ------------------------------------------------------------------------ */

static json_t *
member_from_kv(
    const struct health_board *b, const struct config_pair *p, const char *node, const char *active)
{
	char *check = mem_printf("%s/%s", p->name, node);
	struct verdict v;
	json_t *j;

	health_board_verdict(b, check, NULL, NULL, &v);
	j = json_pack("{s:s, s:s, s:n, s:s, s:s?, s:s, s:n}", "node", node, "role",
	    active == NULL              ? "unknown"
	    : strcmp(active, node) == 0 ? "active"
					: "standby",
	    "address", "check", check, "state", v.sighted > 0 ? check_state_name(v.state) : NULL,
	    "level", check_level_name(v.level), "view");
	free(check);
	return j;
}

static int
load_from_kv(struct pairs *p, struct err *e)
{
	const struct config *c = p->client.config;
	struct health_board *board = health_view_load(&p->client, e);
	struct view view = { 0 };
	json_t *proposals = NULL;
	int rc = -1;

	if (board == NULL || view_load(&view, &p->client, e) != 0 ||
	    proposals_load(&proposals, &p->client, e) != 0)
		goto out;
	p->rows = json_array();
	p->is_from_kv = true;
	for (size_t i = 0; i < c->pair_count; i++) {
		const struct config_pair *pair = &c->pairs[i];
		const char *active = pair_active_node(pair, view.map);
		json_t *members = json_array();

		for (char **node = pair->nodes; *node != NULL; node++)
			json_array_append_new(members, member_from_kv(board, pair, *node, active));
		json_array_append_new(p->rows,
		    json_pack("{s:s, s:s, s:s, s:s?, s:o, s:O?}", "name", pair->name, "kv_name",
			pair->kv_name, "kind", pair->kind, "active", active, "members", members,
			"proposal", json_object_get(proposals, pair->name)));
	}
	rc = 0;
out:
	json_decref(proposals);
	view_clear(&view);
	health_board_free(board);
	return rc;
}

/* --- text ------------------------------------------------------------------------------------------ */

static enum mark
member_mark(const json_t *member)
{
	const json_t *verdict = json_object_get(member, "verdict");

	return check_row_mark(json_is_object(verdict) ? verdict : member);
}

/* The lag of the first source; "STOP" when it does not follow. */
static void
lag_cell(struct table *t, const json_t *view)
{
	const json_t *source = json_array_get(json_object_get(view, "sources"), 0);
	const json_t *lag = json_object_get(source, "lag_s");

	if (source == NULL)
		table_cell(t, "-");
	else if (!json_get_bool(source, "receiving", false) ||
		 !json_get_bool(source, "applying", false))
		table_cell(t, "STOP");
	else if (json_is_number(lag))
		table_cell(t, "%.1fs", json_number_value(lag));
	else
		table_cell(t, "?");
}

static void
add_member(struct table *t, const json_t *pair, const json_t *member)
{
	const json_t *view = json_object_get(member, "view");
	bool is_known = json_is_object(view) && json_get_bool(view, "fresh", false);

	table_row(t, member_mark(member));
	table_cell(t, "%s", SHOWN(json_get_string(pair, "name", "?")));
	table_cell(t, "%s", SHOWN(json_get_string(member, "node", "?")));
	table_cell(t, "%s", json_get_string(member, "role", "?"));
	table_cell(t, "%s", json_get_string(member, "state", "unseen"));
	table_cell(t, "%s",
	    !is_known                                ? "-"
	    : json_get_bool(view, "writable", false) ? "yes"
						     : "no");
	if (is_known)
		lag_cell(t, view);
	else
		table_cell(t, "-");
}

static void
add_proposal(
    struct troubles *t, const struct config *config, const char *pair, const json_t *proposal)
{
	char *todo = proposal_command(proposal, pair, pair_find(config, pair));
	bool is_tools = proposal_is_tools(proposal);

	trouble_add(t, MARK_CRITICAL,
	    SHOWN_LONG(json_get_string(json_object_get(proposal, "lost"), "text", "")),
	    todo != NULL ? todo : "", "%s: a failover from %s to %s is proposed%s%s%s%s", pair,
	    SHOWN(json_get_string(proposal, "active", "?")),
	    SHOWN(json_get_string(proposal, "standby", "?")), is_tools ? " by " : "",
	    is_tools ? SHOWN(json_get_string(proposal, "proposed_by", "?")) : "",
	    is_tools ? ": " : "",
	    is_tools ? SHOWN_LONG(json_get_string(proposal, "what", "?")) : "");
	free(todo);
}

static void
add_troubles(struct troubles *t, const struct config *config, const json_t *pair)
{
	const char *name = SHOWN(json_get_string(pair, "name", "?"));
	const char *trouble = json_get_string(pair, "trouble", "fine");
	const json_t *proposal = json_object_get(pair, "proposal");
	bool is_critical = strcmp(json_get_string(pair, "level", ""), "critical") == 0;

	if (strcmp(trouble, "fine") != 0)
		trouble_add(t, is_critical ? MARK_CRITICAL : MARK_WARNING,
		    SHOWN(json_get_string(pair, "veto", "")), NULL, "%s: %s", name,
		    SHOWN_LONG(json_get_string(pair, "text", trouble)));
	if (json_is_object(proposal))
		add_proposal(t, config, name, proposal);
}

static void
print_text(const struct pairs *p)
{
	struct table *t = table_new(p->cli);
	struct troubles troubles = { 0 };
	const json_t *pair, *member;
	size_t i, k;

	table_column(t, "PAIR", COLUMN_LONG);
	table_column(t, "NODE", COLUMN_LONG);
	table_column(t, "ROLE", COLUMN_TEXT);
	table_column(t, "CHECK", COLUMN_TEXT);
	table_column(t, "WRITABLE", COLUMN_TEXT);
	table_column(t, "LAG", COLUMN_NUMBER);
	json_array_foreach (p->rows, i, pair) {
		json_array_foreach (json_object_get(pair, "members"), k, member)
			add_member(t, pair, member);
		add_troubles(&troubles, p->client.config, pair);
	}
	table_print(t);
	if (troubles.count > 0)
		out_blank();
	trouble_print(p->cli, &troubles);
	trouble_clear(&troubles);
	if (json_array_size(p->rows) == 0)
		out_line(p->cli, "There are no pairs: man pointsman.conf, \"pair\".");
	else if (p->is_from_kv)
		out_line(
		    p->cli, "The agent of this host is no vantage: type this on one for more.");
}

/* --- the command ----------------------------------------------------------------------------------- */

/* Nothing is wrong with a pair, no server of it fails, and nothing is proposed. */
static bool
is_well(const json_t *pair)
{
	const json_t *member;
	size_t i;

	json_array_foreach (json_object_get(pair, "members"), i, member) {
		if (check_row_is_failing(member) && !check_row_is_muted(member))
			return false;
	}
	if (json_is_object(json_object_get(pair, "proposal")))
		return false;
	return strcmp(json_get_string(pair, "trouble", "fine"), "fine") == 0 ||
	       strcmp(json_get_string(pair, "trouble", ""), "unknown") == 0;
}

static enum exit_code
show(struct pairs *p)
{
	enum exit_code code = EXIT_DONE;
	const json_t *pair;
	struct err e;
	size_t i;

	p->rows = local_fetch(&p->client, "/v1/pairs", NULL);
	if (json_array_size(p->rows) == 0) {
		json_decref(p->rows);
		p->rows = NULL;
		if (load_from_kv(p, &e) != 0)
			return client_report_err(&p->client, p->cli, &e, "reading the pairs");
	}
	json_array_foreach (p->rows, i, pair) {
		if (!is_well(pair))
			code = EXIT_PROBLEM;
	}
	if (p->cli->is_json)
		out_json(json_incref(p->rows));
	else
		print_text(p);
	return code;
}

static enum exit_code
run_pairs(struct cli *cli, int argc, char **argv)
{
	struct pairs p = { .cli = cli };
	enum exit_code code;

	(void)argc;
	(void)argv;
	if ((code = client_open(&p.client, cli)) == EXIT_DONE)
		code = show(&p);
	json_decref(p.rows);
	client_close(&p.client);
	return code;
}

const struct command cmd_pairs = {
	.name = "pairs",
	.usage = "",
	.help = "lists the pairs: who is active, who takes writes, the lag",
	.about =
	    "One line a server: its role by the KV, the verdict of all vantages, whether it takes "
	    "writes and how far it is behind. Below that what is wrong, and what is proposed. "
	    "Exits "
	    "with 1 when something is.",
	.run = run_pairs,
};
