/*
 * failover_daemon.c: pairs of daemons, of which one does the work: planned, rehearsed, when the active one
 * is dead, and when it is back. The tables, and their few functions.
 *
 *   {from} is stopped, and seen stopped      by the pair's own check, never by the exit status of stop
 *   {to} is started, and seen at work        the same check: not a pid, what the status command says of it
 *   the name flips                           behind the work, so that whoever follows the name finds it
 *
 * Never both: {to} is started only when {from} is known to be stopped, and on the way back the same the
 * other way round. Where a status command says nothing (its machine is dead) the daemon counts as stopped
 * only in an emergency, whose operator has said so.
 *
 * start, stop and status run on this host, as the configuration has them; they may well be ssh.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "feature/config.h"
#include "model/server_view.h"
#include "operate/check_here.h"
#include "operate/client.h"
#include "operate/gather_impl.h"
#include "operate/op_command.h"
#include "operate/op_impl.h"
#include "operate/op_node.h"
#include "operate/op_steps.h"
#include "operate/op_tables.h"
#include "operate/view.h"

/* A daemon may have much to write before it stops: no writer waits meanwhile, but the work does. */
#define BUDGET_MS 600000
#define COMMAND_MS 300000

/* --- what is asked and done ------------------------------------------------------------------------- */

/* The names are read once: where the servers are does not change by what we do. */
static int
open_pair(struct op *op, struct err *e)
{
	struct view *view = mem_alloc(sizeof(*view));

	op->state = view;
	return view_load(view, op->client, e);
}

static void
close_pair(struct op *op)
{
	if (op->state != NULL)
		view_clear(op->state);
	free(op->state);
	op->state = NULL;
}

enum work { WORK_STOPPED, WORK_RUNS, WORK_UNKNOWN };

/* e: what its check says, in any case. -1: it was interrupted. */
static int
look(struct op *op, const char *node, enum work *out, struct err *e)
{
	const struct view *view = op->state;
	const struct check_spec *spec = gather_find_spec(op->client->config, op->pair, node);
	struct check_here here;
	int rc = check_here_run(&here, op->client, spec, view->map, e);

	if (rc == 0) {
		*out = here.result.view == NULL        ? WORK_UNKNOWN
		       : here.result.view->is_writable ? WORK_RUNS
						       : WORK_STOPPED;
		err_set(e, ERR_TIMEOUT, "%s: %.200s", node, here.result.text);
	}
	check_here_clear(&here);
	return rc;
}

static int
is_in(struct op *op, const char *node, enum work wanted, struct err *e)
{
	enum work is;

	if (look(op, node, &is, e) != 0)
		return -1;
	if (is == wanted)
		op_note(op, "%s", e->text);
	return is == wanted;
}

/* verb: "start", "stop" */
static int
command(struct op *op, const char *verb, char *const *argv, const char *node, struct err *e)
{
	char address[ENDPOINT_TEXT_SIZE];
	struct exec_result result;
	struct str end = STR_INIT;
	int rc;

	if (op_node_address(op, node, address, e) != 0)
		return -1;
	if (op_command_run(op->client->loop, argv, node, address, op->pair->command_limit_ms, NULL,
		NULL, &result, e) != 0)
		return err_wrap(e, "%s of %s", verb, node);
	op_program_add_end(&end, &result);
	rc = result.exit_status == 0
		 ? 0
		 : err_set(e, ERR_CONFLICT, "%s of %s %.180s", verb, node, str_text(&end));
	str_clear(&end);
	return rc;
}

/* Only where the other one is known not to do it. */
static int
start_alone(struct op *op, const char *node, const char *other, struct err *e)
{
	enum work is;

	if (look(op, other, &is, e) != 0)
		return -1;
	if (is == WORK_RUNS)
		return err_wrap(e, "%s is not started while the other one runs", node);
	return command(op, "start", op->pair->start, node, e);
}

/* --- stop the old one ------------------------------------------------------------------------------- */

static int
stop_check(struct op *op, struct err *e)
{
	return is_in(op, op->journal->from, WORK_STOPPED, e);
}

static int
stop(struct op *op, struct err *e)
{
	return command(op, "stop", op->pair->stop, op->journal->from, e);
}

/* Whether to may have been started by us, and was not stopped again: it may come up late. */
static bool
is_started(const struct op *op)
{
	const struct journal_step *s = journal_find(op->journal, "start");

	return s != NULL &&
	       (s->state == STEP_BEGUN || s->state == STEP_DONE || s->state == STEP_FAILED);
}

/* The runner tries this one first, to end what is refused; here the order matters more. */
static int
stop_undo(struct op *op, struct err *e)
{
	enum work is;

	if (look(op, op->journal->from, &is, e) != 0)
		return -1;
	if (is == WORK_RUNS)
		return 0;
	if (is_started(op))
		return err_set(e, ERR_CONFLICT, "%s is not started again before %s was stopped",
		    op->journal->from, op->journal->to);
	return start_alone(op, op->journal->from, op->journal->to, e);
}

static int
stop_undone(struct op *op, struct err *e)
{
	return is_in(op, op->journal->from, WORK_RUNS, e);
}

/* Of one that is dead: as far as that is possible. One that surely runs is in the way. */
static int
stop_dead(struct op *op, struct err *e)
{
	if (stop(op, e) != 0)
		op_say(op, "%s", e->text);
	return 0;
}

static int
stop_dead_verify(struct op *op, struct err *e)
{
	enum work is;

	if (look(op, op->journal->from, &is, e) != 0)
		return -1;
	op_note(op, "%s", e->text);
	return is != WORK_RUNS;
}

/* --- start the new one ------------------------------------------------------------------------------ */

static int
start_check(struct op *op, struct err *e)
{
	return is_in(op, op->journal->to, WORK_RUNS, e);
}

static int
start(struct op *op, struct err *e)
{
	return start_alone(op, op->journal->to, op->journal->from, e);
}

static int
start_undo(struct op *op, struct err *e)
{
	return command(op, "stop", op->pair->stop, op->journal->to, e);
}

static int
start_undone(struct op *op, struct err *e)
{
	return is_in(op, op->journal->to, WORK_STOPPED, e);
}

/* --- and afterwards --------------------------------------------------------------------------------- */

/* Still, when everybody has followed: one that came up only to fall over is no success. */
static int
works_verify(struct op *op, struct err *e)
{
	int rc = is_in(op, op->journal->from, WORK_RUNS, e);

	if (rc != 0)
		return rc < 0 ? -1 : err_wrap(e, "it runs twice");
	return start_check(op, e);
}

/* Of a rejoin: before it is stopped here it has to run there. */
static int
runs_verify(struct op *op, struct err *e)
{
	int rc = start_check(op, e);

	if (rc != 0)
		return rc;
	return err_set(e, ERR_CONFLICT,
	    "it does not work on %s, where %s leads: stopped on %s it would run nowhere",
	    op->journal->to, op->journal->name, op->journal->from);
}

static int
active_works_verify(struct op *op, struct err *e)
{
	return stop_undone(op, e);
}

static int
standby_stands_verify(struct op *op, struct err *e)
{
	return start_undone(op, e);
}

/* --- the tables ------------------------------------------------------------------------------------- */

/* clang-format off */
#define STOP(undo_words, step_flags, undo_fn, undone_fn) \
	{ .name = "stop", .title = "stop it on {from}", \
	    .why = "the work is never done twice", .undo_text = undo_words, \
	    .expect_ms = 500, .limit_ms = COMMAND_MS, .flags = step_flags, .check = stop_check, \
	    .act = stop, .verify = stop_check, .undo = undo_fn, .undone = undone_fn }
#define START \
	{ .name = "start", .title = "start it on {to}, and see it work", \
	    .why = "its check says so, not that there is a process", \
	    .undo_text = "stop it on {to}", .expect_ms = 500, .limit_ms = COMMAND_MS, \
	    .check = start_check, .act = start, .verify = start_check, .undo = start_undo, \
	    .undone = start_undone }
#define WORKS \
	{ .name = "works", .title = "it still works on {to}, and only there", \
	    .why = "one that comes up and falls over is found now and not next week", \
	    .expect_ms = 20, .limit_ms = 30000, .flags = STEP_MAY_FAIL, .verify = works_verify }

static const struct step planned[] = {
	OP_STEP_BEGIN_HOOKS,
	STOP("start it on {from}", STEP_BLOCKS, stop_undo, stop_undone),
	START,
	OP_STEP_FLIP(STEP_RESTORES | STEP_NO_RETURN),
	OP_STEP_AGENTS,
	WORKS,
	OP_STEP_DONE_HOOKS,
	{ .name = NULL },
};

static const struct step emergency[] = {
	OP_STEP_BEGIN_HOOKS,
	{ .name = "stop", .title = "stop it on {from}, as far as that is possible",
	    .why = "the work is never done twice", .expect_ms = 500, .limit_ms = COMMAND_MS,
	    .flags = STEP_STAYS, .act = stop_dead, .verify = stop_dead_verify },
	START,
	OP_STEP_FLIP(STEP_NO_RETURN),
	OP_STEP_AGENTS,
	WORKS,
	OP_STEP_DONE_HOOKS,
	{ .name = NULL },
};

/* {from} is the one that is back, {to} the active one. */
static const struct step rejoin[] = {
	{ .name = "active", .title = "it works on {to}",
	    .why = "else it would run nowhere, once it is stopped on {from}", .expect_ms = 20,
	    .limit_ms = 30000, .verify = runs_verify },
	OP_STEP_BEGIN_HOOKS,
	STOP(NULL, 0, NULL, NULL),
	WORKS,
	OP_STEP_DONE_HOOKS,
	{ .name = NULL },
};

static const struct step rehearsed[] = {
	{ .name = "active", .title = "it works on {from}",
	    .why = "its check says so, from here", .expect_ms = 20, .limit_ms = 30000,
	    .verify = active_works_verify },
	{ .name = "standby", .title = "it does not run on {to}",
	    .why = "its status command answers, from here", .expect_ms = 20, .limit_ms = 30000,
	    .verify = standby_stands_verify },
	OP_STEP_AGENTS,
	{ .name = NULL },
};
/* clang-format on */

const struct op_table op_failover_daemon = {
	.kind = "failover",
	.pair_kind = "daemon",
	.what = "failover {from} ==> {to}",
	.steps = planned,
	.budget_ms = BUDGET_MS,
	.open = open_pair,
	.close = close_pair,
};

const struct op_table op_emergency_daemon = {
	.kind = "emergency",
	.pair_kind = "daemon",
	.what = "emergency failover {from} ==> {to}",
	.steps = emergency,
	.open = open_pair,
	.close = close_pair,
};

const struct op_table op_rejoin_daemon = {
	.kind = "rejoin",
	.pair_kind = "daemon",
	.what = "rejoin of {from} behind {to}",
	.steps = rejoin,
	.open = open_pair,
	.close = close_pair,
};

const struct op_table op_rehearse_daemon = {
	.kind = "rehearse",
	.pair_kind = "daemon",
	.what = "rehearsal of {from} ==> {to}",
	.steps = rehearsed,
	.open = open_pair,
	.close = close_pair,
};
