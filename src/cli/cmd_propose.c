/*
 * cmd_propose.c: what another tool has decided becomes a proposal: shown by status and pairs, told
 * by the hooks of the vantages, and carried out by a person. It writes one key below proposals/ and
 * nothing else, so it may be run by any script (contrib/hooks/).
 *
 * Once an incident: what stands already stays, whoever made it. A tool that runs on three hosts calls
 * this three times, and the vantages may have been first.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/client_report.h"
#include "cli/commands.h"
#include "operate/health_view.h"
#include "cli/output.h"
#include "cli/pair_report.h"
#include "cli/report.h"
#include "feature/pair_role.h"
#include "feature/proposal.h"
#include "operate/view.h"

struct proposing {
	struct cli *cli;
	struct client client;
	struct view view;
	const struct config_pair *pair;
	const char *active, *value; /* what the name leads to: the node, and as it is written */
	char to[NAME_SIZE];
	char *by, *key;
	json_t *standing; /* NULL: nothing stands */
	uint64_t standing_index;
	json_t *document; /* ours */
};

/* --- the command line ------------------------------------------------------------------------------ */

static enum exit_code
check_withdrawal(const struct cli *cli)
{
	static const char *const others[] = { "to", "from", "why", "by", "promoted", "dry-run" };

	for (size_t i = 0; i < MEM_COUNT(others); i++) {
		if (option_is_set(cli, others[i]))
			return cli_usage_error(cli, "--withdraw goes with no --%s", others[i]);
	}
	return EXIT_DONE;
}

static enum exit_code
check_why(const struct cli *cli)
{
	const char *why = option_text(cli, "why");
	struct str s = STR_INIT;
	enum exit_code code = EXIT_DONE;

	if (why == NULL || why[0] == '\0')
		return cli_usage_error(cli, "--why is needed: a person has to decide by it");
	str_add_printable(&s, why, strlen(why), PROPOSAL_WHY_MAX);
	if (strcmp(str_text(&s), why) != 0)
		code = cli_usage_error(
		    cli, "--why is one line of at most %d bytes of text", PROPOSAL_WHY_MAX);
	str_clear(&s);
	return code;
}

static enum exit_code
check_options(struct proposing *p)
{
	const char *to = option_text(p->cli, "to"), *by = option_text(p->cli, "by");
	char tool[NAME_SIZE];
	struct err e;

	if (option_is_set(p->cli, "withdraw"))
		return check_withdrawal(p->cli);
	if (to == NULL)
		return cli_usage_error(p->cli, "--to is needed: the server that is to be active");
	if (node_parse(to, strlen(to), p->to, &e) != 0)
		return cli_usage_error(p->cli, "the node %s %s", SHOWN(to), e.text);
	if (by == NULL) {
		p->by = ask_who();
	} else if (node_parse(by, strlen(by), tool, &e) != 0) {
		return cli_usage_error(p->cli, "the tool %s %s", SHOWN(by), e.text);
	} else if (strlen(by) > PROPOSAL_TOOL_MAX) {
		return cli_usage_error(
		    p->cli, "--by is one word of at most %d letters", PROPOSAL_TOOL_MAX);
	} else {
		p->by = mem_strdup(tool);
	}
	return check_why(p->cli);
}

/* --- what there is --------------------------------------------------------------------------------- */

static enum exit_code
load_standing(struct proposing *p)
{
	struct kv_list list = { 0 };
	struct err e;

	json_decref(p->standing);
	p->standing = NULL;
	if (kv_wait_get(&p->client.wait, p->key, &list, NULL, &e) != 0)
		return client_report_err(&p->client, p->cli, &e, "reading the proposals");
	if (list.count > 0) {
		p->standing = json_parse(
		    list.entries[0].value, list.entries[0].value_len, "the proposal", NULL);
		p->standing_index = list.entries[0].modify_index;
		/* Whatever it is, it stands there. */
		if (!json_is_object(p->standing)) {
			json_decref(p->standing);
			p->standing = json_object();
		}
	}
	kv_list_clear(&list);
	return EXIT_DONE;
}

static enum exit_code
load(struct proposing *p, const char *pair)
{
	char *tail;

	if ((p->pair = pair_report_find(p->cli, p->client.config, pair)) == NULL)
		return EXIT_USAGE;
	tail = mem_printf("%s%s", PROPOSALS_PREFIX, p->pair->name);
	p->key = config_key(p->client.config, tail);
	free(tail);
	return load_standing(p);
}

/* --- refusals -------------------------------------------------------------------------------------- */

static enum exit_code
refuse_server(const struct proposing *p)
{
	struct report r = { STR_INIT, STR_INIT, STR_INIT };

	report_fact(&r, "%s is no server of the pair %s", p->to, p->pair->name);
	report_why(&r, "it has %s and %s, and a failover goes from one to the other",
	    p->pair->nodes[0], p->pair->nodes[1]);
	report_do(&r, "if %s is right: pointsman set %s %s", p->to, p->pair->kv_name, p->to);
	return report_send(&r, p->cli, EXIT_REFUSED);
}

static enum exit_code
refuse_name(const struct proposing *p)
{
	struct report r = { STR_INIT, STR_INIT, STR_INIT };

	report_fact(&r, "the name %s %s", p->pair->kv_name,
	    p->value != NULL ? "leads to neither server of the pair" : "is not in the KV");
	report_why(&r, "it cannot be told which server is to be relieved");
	report_do(&r, "pointsman names %s", p->pair->kv_name);
	return report_send(&r, p->cli, EXIT_REFUSED);
}

static enum exit_code
check_from(const struct proposing *p)
{
	const char *from = option_text(p->cli, "from");
	struct report r = { STR_INIT, STR_INIT, STR_INIT };

	if (from == NULL || strcasecmp(from, p->active) == 0)
		return EXIT_DONE;
	report_fact(&r, "%s leads to %s, not to %s", p->pair->kv_name, p->active, SHOWN(from));
	report_why(&r, "who proposes this does not see what the clients see");
	report_do(&r, "pointsman names %s", p->pair->kv_name);
	return report_send(&r, p->cli, EXIT_REFUSED);
}

/* Reads where the name leads, and refuses what cannot be proposed. */
static enum exit_code
check_servers(struct proposing *p)
{
	const struct name *name;
	struct err e;

	if (view_load(&p->view, &p->client, &e) != 0)
		return client_report_err(&p->client, p->cli, &e, "reading the names");
	name = name_map_find(p->view.map, p->pair->kv_name);
	p->value = name != NULL ? name->value : NULL;
	p->active = pair_active_node(p->pair, p->view.map);
	if (strcmp(p->to, p->pair->nodes[0]) != 0 && strcmp(p->to, p->pair->nodes[1]) != 0)
		return refuse_server(p);
	return p->active == NULL ? refuse_name(p) : EXIT_DONE;
}

/* --- what came of it ------------------------------------------------------------------------------- */

static void
print_json(const struct proposing *p, const char *state, const json_t *document)
{
	char *command =
	    document != NULL ? proposal_command(document, p->pair->name, p->pair) : NULL;

	out_json(json_pack("{s:s, s:s, s:s, s:s?, s:s?, s:s?, s:s?, s:o}", "pair", p->pair->name,
	    "name", p->pair->kv_name, "state", state, "from", p->active, "to",
	    p->to[0] != '\0' ? p->to : NULL, "expect", p->value, "command", command, "by",
	    json_text(json_get_string(document, "proposed_by", NULL))));
	free(command);
}

static enum exit_code
report_nothing(const struct proposing *p)
{
	if (p->cli->is_json)
		print_json(p, "nothing", NULL);
	else
		out_line(
		    p->cli, "%s leads to %s already: nothing to propose", p->pair->kv_name, p->to);
	return EXIT_DONE;
}

static enum exit_code
report_standing(const struct proposing *p)
{
	char *command = proposal_command(p->standing, p->pair->name, p->pair);

	if (p->cli->is_json) {
		print_json(p, "standing", p->standing);
	} else {
		out_line(p->cli,
		    "%s: a failover to %s is proposed already, by %s since %s: it stays",
		    p->pair->name, SHOWN(json_get_string(p->standing, "standby", "?")),
		    SHOWN(json_get_string(p->standing, "proposed_by", "?")),
		    SHOWN(json_get_string(p->standing, "since", "?")));
		out_line(p->cli, "what to type: %s", command != NULL ? command : "pointsman pairs");
	}
	free(command);
	return EXIT_DONE;
}

static enum exit_code
report_proposed(const struct proposing *p, bool is_dry)
{
	if (p->cli->is_json) {
		print_json(p, is_dry ? "dry-run" : "proposed", p->document);
		return EXIT_DONE;
	}
	out_line(p->cli, "%s: a failover from %s to %s %s proposed; nothing moves by itself",
	    p->pair->name, p->active, p->to, is_dry ? "would be" : "is");
	out_line(p->cli, "what to type: %s", json_get_string(p->document, "command", ""));
	if (!is_dry)
		out_line(p->cli, "taken back: pointsman propose %s --withdraw", p->pair->name);
	return EXIT_DONE;
}

/* --- propose --------------------------------------------------------------------------------------- */

static enum exit_code
make_document(struct proposing *p)
{
	struct health_board *board;
	struct verdict seen;
	struct err e;
	char *check;

	if ((board = health_view_load(&p->client, &e)) == NULL)
		return client_report_err(&p->client, p->cli, &e, "reading the checks");
	check = mem_printf("%s/%s", p->pair->name, p->active);
	health_board_verdict(board, check, NULL, NULL, &seen);
	p->document = proposal_of_tool(&(struct proposal_claim){ .pair = p->pair,
	    .active = p->active,
	    .standby = p->to,
	    .expect = p->value,
	    .why = option_text(p->cli, "why"),
	    .by = p->by,
	    .seen = &seen,
	    .is_promoted = option_is_set(p->cli, "promoted") });
	free(check);
	health_board_free(board);
	return EXIT_DONE;
}

static enum exit_code
write_document(struct proposing *p)
{
	struct str text = STR_INIT;
	struct kv_op op = { .kind = KV_OP_CAS, .key = p->key, .index = 0 };
	struct write_result w;
	enum exit_code code;
	char *what;

	json_write(&text, p->document);
	op.value = str_text(&text);
	op.value_len = text.len;
	client_write(&p->client, &op, 1, &w);
	str_clear(&text);
	/* Somebody was first; or was it us, and a vantage has added to it meanwhile? Both is said. */
	if (w.state == WRITE_CONFLICT && (code = load_standing(p)) != EXIT_DONE)
		return code;
	if (w.state == WRITE_CONFLICT && p->standing != NULL)
		return report_standing(p);
	what = mem_printf("a proposal for %s", p->pair->name);
	code = client_report_write(&p->client, p->cli, &w, what);
	free(what);
	return code == EXIT_DONE ? report_proposed(p, false) : code;
}

static enum exit_code
propose(struct proposing *p)
{
	enum exit_code code = check_servers(p);

	if (code != EXIT_DONE)
		return code;
	if (strcmp(p->active, p->to) == 0)
		return report_nothing(p);
	if ((code = check_from(p)) != EXIT_DONE || (code = make_document(p)) != EXIT_DONE)
		return code;
	if (option_is_set(p->cli, "dry-run"))
		return report_proposed(p, true);
	return p->standing != NULL ? report_standing(p) : write_document(p);
}

/* --- withdraw -------------------------------------------------------------------------------------- */

static enum exit_code
withdraw(struct proposing *p)
{
	const struct kv_op op = {
		.kind = KV_OP_DELETE_CAS, .key = p->key, .index = p->standing_index
	};
	struct write_result w;
	enum exit_code code;
	char *what;

	if (p->standing == NULL) {
		if (p->cli->is_json)
			print_json(p, "nothing", NULL);
		else
			out_line(
			    p->cli, "nothing is proposed for %s: nothing to do", p->pair->name);
		return EXIT_DONE;
	}
	what = mem_printf("the proposal for %s is withdrawn", p->pair->name);
	client_write(&p->client, &op, 1, &w);
	code = client_report_write(&p->client, p->cli, &w, what);
	if (code == EXIT_DONE && p->cli->is_json)
		print_json(p, "withdrawn", p->standing);
	else if (code == EXIT_DONE)
		out_line(p->cli, "%s; while the trouble lasts no vantage proposes it again", what);
	free(what);
	return code;
}

/* --- the command ----------------------------------------------------------------------------------- */

static void
clear(struct proposing *p)
{
	json_decref(p->standing);
	json_decref(p->document);
	free(p->by);
	free(p->key);
	view_clear(&p->view);
	client_close(&p->client);
}

static enum exit_code
run_propose(struct cli *cli, int argc, char **argv)
{
	struct proposing p = { .cli = cli };
	enum exit_code code;

	(void)argc;
	if ((code = check_options(&p)) == EXIT_DONE &&
	    (code = client_open(&p.client, cli)) == EXIT_DONE &&
	    (code = load(&p, argv[0])) == EXIT_DONE)
		code = option_is_set(cli, "withdraw") ? withdraw(&p) : propose(&p);
	clear(&p);
	return code;
}

const struct command cmd_propose = {
	.name = "propose",
	.usage = "PAIR --to NODE --why TEXT [--by TOOL] | PAIR --withdraw",
	.help = "makes another tool's decision a proposal to a person",
	.about = "Writes that PAIR should fail over to NODE: status, pairs and the hooks of the vantages show it, "
		 "with the command to type. It moves nothing. What is proposed already stays as it is. It "
		 "stands until the name has moved, or until --withdraw.",
	.options = {
		{ "to", '\0', OPTION_TEXT, "NODE", "the server that is to be active" },
		{ "why", '\0', OPTION_TEXT, "TEXT", "what the tool knows, for who decides" },
		{ "by", '\0', OPTION_TEXT, "TOOL", "who says so: sentinel, mha (who types it)" },
		{ "from", '\0', OPTION_TEXT, "NODE", "only if that is the active one now" },
		{ "promoted", '\0', OPTION_FLAG, NULL, "NODE takes writes already: only the flip is left" },
		{ "dry-run", '\0', OPTION_FLAG, NULL, "say what would be proposed, and write nothing" },
		{ "withdraw", '\0', OPTION_FLAG, NULL, "take away what is proposed, by whomever" },
	},
	.min_args = 1,
	.max_args = 1,
	.words = { WORD_PAIR },
	.run = run_propose,
};
