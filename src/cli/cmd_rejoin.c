/*
 * cmd_rejoin.c: rejoin PAIR: the server that the name does not lead to comes back as the standby, if it
 * has nothing that the active one lacks.
 */
#include <string.h>

#include "cli/cli.h"
#include "cli/client_report.h"
#include "cli/commands.h"
#include "cli/op_flow.h"
#include "cli/op_screen.h"
#include "cli/output.h"
#include "cli/pair_report.h"
#include "cli/report.h"
#include "feature/pair_role.h"
#include "operate/op.h"
#include "operate/op_approval.h"
#include "operate/past.h"
#include "operate/view.h"

static enum exit_code
refuse_unknown_active(const struct cli *cli, const struct config_pair *pair)
{
	struct report r = { STR_INIT, STR_INIT, STR_INIT };

	report_fact(
	    &r, "%s leads to neither %s nor %s", pair->kv_name, pair->nodes[0], pair->nodes[1]);
	report_why(&r, "it is not known which of them is the one that comes back");
	report_do(&r, "pointsman names %s", pair->kv_name);
	return report_send(&r, cli, EXIT_REFUSED);
}

/*
 * What the emergency to {to} switched off is to be switched on again: also where it stopped halfway, behind its
 * lift, and this rejoin is what ends it. Not twice: a rejoin that was done has seen to all that was before it.
 */
static int
note_emergency(struct op *op, struct err *e)
{
	struct past past;
	int rc = past_load(&past, op->client, op->pair->name, e);

	for (size_t i = 0; i < past.count; i++) {
		const struct journal *j = past.journals[i];
		const char *fact = journal_fact(j, "semi-sync");

		if (strcmp(j->kind, "rejoin") == 0 && j->result == OP_DONE)
			break;
		if (strcmp(j->kind, "emergency") != 0 || j->result == OP_UNDONE ||
		    fact[0] == '\0' || strcmp(j->to, op->journal->to) != 0)
			continue;
		journal_note(op->journal, "semi-sync", fact);
		break;
	}
	past_clear(&past);
	return rc;
}

static int
look_again(void *arg, struct err *e)
{
	return op_name_stands(arg, e) > 0 ? 0 : -1;
}

static enum exit_code
make(struct cli *cli, struct client *client, const struct config_pair *pair, struct op **out)
{
	const struct op_table *table = op_table_find("rejoin", pair->kind);
	struct view view = { 0 };
	const struct kv_entry *entry;
	const char *active, *old;
	enum exit_code code = EXIT_DONE;
	struct err e;

	if (table == NULL)
		return cli_usage_error(cli, "a %s pair has nothing to rejoin", pair->kind);
	if (view_load(&view, client, &e) != 0)
		code = client_report_err(client, cli, &e, "reading the names");
	else if ((active = pair_active_node(pair, view.map)) == NULL)
		code = refuse_unknown_active(cli, pair);
	if (code == EXIT_DONE) {
		old = pair->nodes[strcmp(pair->nodes[0], active) == 0];
		entry = view_find(&view, client, pair->kv_name);
		*out = op_new(client, table, pair, old, active, active,
		    entry != NULL ? entry->modify_index : 0);
		(*out)->look_again = look_again;
		(*out)->look_again_arg = *out;
		if (note_emergency(*out, &e) != 0)
			code = client_report_err(client, cli, &e, "reading earlier operations");
		op_rechoose(*out);
		op_expect(*out);
	}
	view_clear(&view);
	return code;
}

static enum exit_code
run_rejoin(struct cli *cli, int argc, char **argv)
{
	const struct config_pair *pair;
	struct client client;
	struct op *op = NULL;
	enum exit_code code;

	(void)argc;
	if ((code = client_open(&client, cli)) != EXIT_DONE)
		goto out;
	if ((pair = pair_report_find(cli, client.config, argv[0])) == NULL) {
		code = EXIT_USAGE;
		goto out;
	}
	if ((code = make(cli, &client, pair, &op)) != EXIT_DONE)
		goto out;
	if (option_is_set(cli, "dry-run") || (cli->is_asking && !cli->is_json))
		op_screen_steps(cli, op);
	if (!option_is_set(cli, "dry-run") &&
	    (code = op_flow_confirm(cli, pair->name, false)) == EXIT_DONE) {
		if (pair->approvals > 0)
			op_approval_need(op);
		code = op_flow_begin(cli, op, "");
	}
out:
	op_free(op);
	client_close(&client);
	return code;
}

const struct command cmd_rejoin = {
	.name = "rejoin",
	.usage = "PAIR [--dry-run] [--yes]",
	.help = "lets the old active server back as the standby",
	.about = "Fences the server that the name does not lead to, and compares what it has executed "
		 "with the active one. With nothing of its own it follows, catches up, and the way back "
		 "is open again. Else its errant transactions are listed and saved from its binary log, "
		 "and it is held, read-only, for you to decide (exit 3).",
	.options = {
		{ "dry-run", '\0', OPTION_FLAG, NULL, "show the steps, change nothing" },
		{ "yes", '\0', OPTION_FLAG, NULL, "do not ask" },
	},
	.min_args = 1,
	.max_args = 1,
	.words = { WORD_PAIR },
	.run = run_rejoin,
};
