/*
 * op_flow.c: the way from a confirmation to an exit code, the same for every operation.
 *
 * Exit codes say what is so now, not how far it got: 5 is "as it was before, though something was tried",
 * 4 and 3 are "nothing was touched" (a rejoin that is refused: but for its fence, which is what holds it),
 * 6 is the only one that needs somebody.
 */
#include "cli/op_flow.h"

#include <stdlib.h>

#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/client_report.h"
#include "cli/op_screen.h"
#include "cli/report.h"
#include "feature/config.h"
#include "operate/interrupt.h"
#include "operate/past.h"

/* Nothing was changed that somebody might miss: of a rejoin the old active was not fenced, either. */
static bool
is_untouched(const struct op *op)
{
	const struct journal_step *fence = journal_find(op->journal, "fence");

	return fence == NULL || fence->state == STEP_WAITING || fence->state == STEP_SKIPPED;
}

static enum exit_code
code_of(const struct op *op, enum op_end end)
{
	switch (end) {
	case OP_END_DONE:
		return EXIT_DONE;
	case OP_END_PROBLEMS:
		return EXIT_PROBLEM;
	case OP_END_UNDONE:
		if (op_has_acted(op))
			return EXIT_UNDONE;
		if (!interrupt_is_pending(NULL))
			return EXIT_REFUSED;
		return is_untouched(op) ? EXIT_STOPPED : EXIT_UNDONE;
	case OP_END_NEEDS_YOU:
	default:
		return EXIT_NEEDS_YOU;
	}
}

/* is_back: of one that is taken back; of one that begins anew neither way is open. */
static void
add_ways(struct report *r, const struct op *op, bool is_back)
{
	const struct journal *j = op->journal;

	if (!op->is_resumed) {
		report_do(r, "pointsman doctor %s", op->pair->name);
		return;
	}
	report_do(r, "when it answers: pointsman %s %s", is_back ? "rollback" : "resume", j->id);
	if (!is_back && !op_is_past_return(op))
		report_do(r, "or now: pointsman rollback %s", j->id);
	else
		report_do(r, "if it stays away: pointsman failover %s --emergency --dry-run",
		    op->pair->name);
}

static void
report_others(struct report *r, const struct op *op, const struct err *e)
{
	report_fact(r, "somebody else is at work on %s: %s", op->pair->name, SHOWN_LONG(e->text));
	report_why(r, "two operations on one pair could make both servers writable");
	report_do(r, "talk to them; pointsman history shows how far it is");
}

static void
report_later(struct report *r, const struct op *op, const struct err *e)
{
	if (op->later.is_done)
		report_fact(r, "operation %s is over: %s", op->journal->id, e->text);
	else
		report_fact(
		    r, "operation %s has to wait: %s, and has not ended", op->journal->id, e->text);
	report_why(r, "%s may be led elsewhere since, and other servers writable", op->pair->name);
	if (op->later.is_done)
		report_do(r, "what is so now: pointsman doctor %s", op->pair->name);
	else
		report_do(r, "first that one: pointsman history %s", op->later.id);
}

static void
report_plan(struct report *r, const struct cli *cli, const struct op *op, const struct err *e)
{
	report_fact(r, "%s", e->text);
	report_why(r, "what runs is what was seen and is still so, or nothing");
	report_do(r, "look again: pointsman doctor %s; then pointsman %s %s", op->pair->name,
	    cli->command->name, op->pair->name);
}

static void
report_moved(struct report *r, const struct op *op, const struct err *e)
{
	const struct journal *j = op->journal;

	report_fact(r, "%s", e->text);
	report_why(
	    r, "operation %s would make %s writable, where nobody is led any more", j->id, j->to);
	report_do(r, "pointsman rejoin %s    (%s follows again; that ends it, too)", op->pair->name,
	    j->to);
	report_do(r, "or back to %s: pointsman set %s %s, and then resume", j->to, j->name, j->to);
}

enum exit_code
op_flow_refuse(const struct cli *cli, const struct op *op, bool is_back, const struct err *e)
{
	struct report r = { STR_INIT, STR_INIT, STR_INIT };

	switch (op->hurdle) {
	case OP_HURDLE_OTHERS:
		report_others(&r, op, e);
		break;
	case OP_HURDLE_PLAN:
		report_plan(&r, cli, op, e);
		break;
	case OP_HURDLE_LATER:
		report_later(&r, op, e);
		break;
	case OP_HURDLE_MOVED:
		report_moved(&r, op, e);
		break;
	case OP_HURDLE_SERVER:
		report_fact(&r, "%s", SHOWN_LONG(e->text));
		report_why(&r, "the operation needs this server, and nothing was touched");
		add_ways(&r, op, is_back);
		break;
	case OP_HURDLE_KV:
	default:
		return client_report_err(op->client, cli, e, "beginning the operation");
	}
	return report_send(&r, cli, EXIT_REFUSED);
}

/* --- from the lock to the end --------------------------------------------------------------------- */

/*
 * plan: what begins; NULL: what somebody began is taken over. Shown from before that: the lock of somebody
 * who died is waited for.
 */
static enum exit_code
carry_out(const struct cli *cli, struct op *op, const char *plan, bool is_back)
{
	struct op_live *live = op_live_new(cli);
	struct err e = { .code = ERR_NONE };
	char *who = ask_who();
	enum op_end end;
	enum exit_code code;
	int rc;

	op->observer = op_live_observer(live);
	rc = plan != NULL ? op_begin(op, plan, who, &e) : op_take_over(op, who, &e);
	if (rc == 0) {
		end = is_back ? op_roll_back(op, &e) : op_run(op, &e);
		/* A rollback that was asked for did what it should. */
		code = is_back && end == OP_END_UNDONE ? EXIT_DONE : code_of(op, end);
		op_live_finish(live, op, end, &e, code);
		op_live_free(live);
		if (code == EXIT_DONE)
			past_tidy(op->client);
	} else {
		op_live_free(live);
		code = op_flow_refuse(cli, op, is_back, &e);
	}
	op->observer = NULL;
	free(who);
	return code;
}

enum exit_code
op_flow_begin(const struct cli *cli, struct op *op, const char *plan)
{
	return carry_out(cli, op, plan, false);
}

enum exit_code
op_flow_take_over(const struct cli *cli, struct op *op, bool is_back)
{
	return carry_out(cli, op, NULL, is_back);
}

/* --- before it ------------------------------------------------------------------------------------ */

enum exit_code
op_flow_confirm(struct cli *cli, const char *word, bool needs_plan)
{
	bool has_plan = !needs_plan || option_text(cli, "plan") != NULL;
	struct report r = { STR_INIT, STR_INIT, STR_INIT };

	if (option_is_set(cli, "yes") && has_plan)
		return EXIT_DONE;
	if (!option_is_set(cli, "yes") && cli->is_asking)
		return ask_to_type(cli, word, "to go");
	report_fact(&r, "%s moves only what was seen before%s", cli->command->name,
	    cli->is_asking ? "" : ", and there is no terminal to ask on");
	report_why(&r, "nothing moves without a person");
	if (needs_plan)
		report_do(&r, "look at it: pointsman %s %s --dry-run; then: … --plan ID --yes",
		    cli->command->name, word);
	else
		report_do(&r, "the same command with --yes");
	return report_send(&r, cli, EXIT_REFUSED);
}
