/*
 * cmd_resume.c: resume, rollback: an operation whose tool died, taken up where its journal is. Both look
 * at the servers first, as every step does; the journal only says what was ours.
 */
#include "base/mem.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/client_report.h"
#include "cli/commands.h"
#include "cli/op_flow.h"
#include "cli/op_word.h"
#include "cli/output.h"
#include "cli/report.h"
#include "operate/op_approval.h"

#include <stdlib.h>

static enum exit_code
open_op(struct client *client, const struct cli *cli, const char *text, struct op **out)
{
	enum exit_code code;
	char id[OP_ID_SIZE];
	struct err e;

	if ((code = op_word_read(cli, text, id)) != EXIT_DONE)
		return code;
	if ((*out = op_open(client, id, &e)) != NULL)
		return EXIT_DONE;
	if (e.code != ERR_NOT_FOUND && e.code != ERR_CONFIG && e.code != ERR_PROTOCOL)
		return client_report_err(client, cli, &e, "reading the operation");
	return op_word_report(cli, e.text);
}

/* What has ended cannot be gone on with. */
static enum exit_code
refuse_ended(const struct cli *cli, const struct op *op)
{
	struct report r = { STR_INIT, STR_INIT, STR_INIT };

	report_fact(
	    &r, "operation %s has ended: %s", op->journal->id, op_result_name(op->journal->result));
	report_why(&r, "there is nothing of it to go on with, or to take back");
	report_do(&r, "the other way round is a new one: pointsman failover %s --dry-run",
	    op->pair->name);
	return report_send(&r, cli, EXIT_REFUSED);
}

static enum exit_code
refuse_past_return(const struct cli *cli, const struct op *op)
{
	struct report r = { STR_INIT, STR_INIT, STR_INIT };

	report_fact(&r, "operation %s is past its point of no return", op->journal->id);
	report_why(&r, "%s may have transactions by now that %s has not", op->journal->to,
	    op->journal->from);
	report_do(&r, "forward: pointsman resume %s", op->journal->id);
	report_do(&r, "and then back again: pointsman failover %s", op->pair->name);
	return report_send(&r, cli, EXIT_REFUSED);
}

static enum exit_code
refuse_going_back(const struct cli *cli, const struct op *op)
{
	struct report r = { STR_INIT, STR_INIT, STR_INIT };

	report_fact(&r, "operation %s is being taken back", op->journal->id);
	report_why(&r, "half of it is undone already, and forward would be another plan");
	report_do(&r, "pointsman rollback %s", op->journal->id);
	return report_send(&r, cli, EXIT_REFUSED);
}

/* It was seen and approved as it was then; a new one is looked at now. */
static enum exit_code
refuse_unbegun(const struct cli *cli, const struct op *op)
{
	struct report r = { STR_INIT, STR_INIT, STR_INIT };

	report_fact(
	    &r, "operation %s only waited for its approval: nothing was touched", op->journal->id);
	report_why(&r, "what was seen when it was planned may not be so any more");
	report_do(&r, "pointsman rollback %s    ends it; then plan it anew", op->journal->id);
	return report_send(&r, cli, EXIT_REFUSED);
}

static enum exit_code
take_up(struct cli *cli, const char *id, bool is_back)
{
	struct client client;
	struct op *op = NULL;
	enum exit_code code;
	struct err e;

	if ((code = client_open(&client, cli)) != EXIT_DONE ||
	    (code = open_op(&client, cli, id, &op)) != EXIT_DONE)
		goto out;
	if (op->journal->result == OP_DONE || op->journal->result == OP_UNDONE)
		code = refuse_ended(cli, op);
	else if (op_check_later(op, &e) != 0)
		code = op_flow_refuse(cli, op, is_back, &e);
	else if (is_back && op_is_past_return(op))
		code = refuse_past_return(cli, op);
	else if (!is_back && op->journal->is_back)
		code = refuse_going_back(cli, op);
	else if (!is_back && op_approval_is_all(op->journal))
		code = refuse_unbegun(cli, op);
	else if ((code = op_flow_confirm(cli, op->pair->name, false)) == EXIT_DONE)
		code = op_flow_take_over(cli, op, is_back);
out:
	op_free(op);
	client_close(&client);
	return code;
}

static enum exit_code
run_resume(struct cli *cli, int argc, char **argv)
{
	(void)argc;
	return take_up(cli, argv[0], false);
}

const struct command cmd_resume = {
	.name = "resume",
	.usage = "OP [--yes]",
	.help = "carries on an operation whose tool died",
	.about = "Takes the lock of the pair as soon as the dead one's session has ended, ends what it "
		 "left behind at the servers, and goes on where its journal is. Each step looks first "
		 "whether it is done.",
	.options = {
		{ "yes", '\0', OPTION_FLAG, NULL, "do not ask" },
	},
	.min_args = 1,
	.max_args = 1,
	.run = run_resume,
};

static enum exit_code
run_approve(struct cli *cli, int argc, char **argv)
{
	struct report r = { STR_INIT, STR_INIT, STR_INIT };
	char id[OP_ID_SIZE], *who;
	struct client client;
	enum exit_code code;
	struct err e;

	(void)argc;
	if ((code = op_word_read(cli, argv[0], id)) != EXIT_DONE)
		return code;
	if ((code = client_open(&client, cli)) != EXIT_DONE)
		goto out;
	who = ask_who();
	if (op_approval_give(&client, id, who, &e) == 0) {
		if (cli->is_json)
			out_json(json_pack("{s:s, s:s}", "id", id, "approved_by", who));
		else
			out_line(cli, "%s is approved, and goes on", id);
	} else if (e.code == ERR_NOT_FOUND) {
		code = op_word_report(cli, e.text);
	} else if (e.code == ERR_CONFLICT) {
		report_fact(&r, "%s", e.text);
		report_why(&r, "nothing was approved");
		report_do(&r, "what there is: pointsman history");
		code = report_send(&r, cli, EXIT_REFUSED);
	} else {
		code = client_report_err(&client, cli, &e, "approving it");
	}
	free(who);
out:
	client_close(&client);
	return code;
}

const struct command cmd_approve = {
	.name = "approve",
	.usage = "OP",
	.help = "lets an operation of somebody else go on",
	.about =
	    "For pairs with approvals = 1: an operation that was confirmed waits, with nothing "
	    "touched, until another person than its own approves it. Look at it first: pointsman "
	    "history OP.",
	.min_args = 1,
	.max_args = 1,
	.run = run_approve,
};

static enum exit_code
run_rollback(struct cli *cli, int argc, char **argv)
{
	(void)argc;
	return take_up(cli, argv[0], true);
}

const struct command cmd_rollback = {
	.name = "rollback",
	.usage = "OP [--yes]",
	.help = "takes an interrupted operation back",
	.about = "Undoes what the operation has begun, last step first, and reads back that it is undone. "
		 "Refused behind the point of no return: from there it is resume, and then a failover "
		 "the other way.",
	.options = {
		{ "yes", '\0', OPTION_FLAG, NULL, "do not ask" },
	},
	.min_args = 1,
	.max_args = 1,
	.run = run_rollback,
};
