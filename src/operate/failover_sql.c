/*
 * failover_sql.c: the planned failover of a MariaDB or MySQL pair, and its rehearsal: the tables.
 *
 * Writers are refused from the fence to the lift, and only for what has to happen in between: the last
 * transactions arrive, the name flips. All else is before (what can be waited for while writers go on) or
 * after (what only tidies up). The lift is the point of no return: from then on the new active has
 * transactions that the old one lacks.
 */
#include "operate/op_steps.h"
#include "operate/op_tables.h"
#include "operate/sql_pair.h"

/* design, section 7: whatever is not done by then is undone, and writers go on where they were */
#define BUDGET_MS 3000

/* clang-format off */
#define PRE_SYNC(title_text) \
	{ .name = "pre-sync", .title = title_text, \
	    .why = "what it lacks at the fence is what writers wait for", \
	    .expect_ms = 20, .limit_ms = 30000, .act = sql_presync, .verify = sql_presync_verify }

static const struct step planned[] = {
	OP_STEP_BEGIN_HOOKS,
	PRE_SYNC("pre-sync: {to} keeps up with {from}"),
	{ .name = "fence", .title = "{from} read-only",
	    .why = "from here on nothing is written that {to} could miss",
	    .undo_text = "{from} writable", .expect_ms = 3, .limit_ms = 2000, .flags = STEP_BLOCKS,
	    .check = sql_fence_check, .act = sql_fence_writers, .verify = sql_fence_verify,
	    .undo = sql_fence_undo, .undone = sql_fence_undone },
	{ .name = "catch-up", .title = "{to} has {from}'s last transaction",
	    .why = "what was acknowledged is not lost", .undo_text = "{from} writable",
	    .expect_ms = 4, .limit_ms = 2000, .verify = sql_caught_up_verify },
	OP_STEP_FLIP(0),
	{ .name = "lift", .title = "{to} writable",
	    .why = "writers go on; what they write now only {to} has at first",
	    .expect_ms = 2, .limit_ms = 1500, .flags = STEP_RESTORES | STEP_NO_RETURN,
	    .check = sql_lift_check, .act = sql_lift, .verify = sql_lift_verify },
	OP_STEP_AGENTS,
	{ .name = "sessions", .title = "end the old sessions on {from}",
	    .why = "pools that stay there cannot write any more",
	    .expect_ms = 40, .limit_ms = 5000, .flags = STEP_MAY_FAIL,
	    .act = sql_sessions, .verify = sql_sessions_verify },
	{ .name = "test-write", .title = "test write through the name",
	    .why = "one row of our own says that writes arrive",
	    .expect_ms = 5, .limit_ms = 2000, .flags = STEP_MAY_FAIL, .act = sql_test_write },
	{ .name = "follow", .title = "{from} follows {to}",
	    .why = "the way back is open only while {from} has what {to} writes",
	    .expect_ms = 10, .limit_ms = 10000, .flags = STEP_MAY_FAIL,
	    .verify = sql_follows_verify },
	OP_STEP_DONE_HOOKS,
	{ .name = NULL },
};

/* {to} is the active one itself here: nothing moves. */
static const struct step rehearsed[] = {
	PRE_SYNC("{to} keeps up with {from}"),
	OP_STEP_AGENTS,
	{ .name = "test-write", .title = "test write on {from}",
	    .why = "one row of our own, for {to} to receive",
	    .expect_ms = 5, .limit_ms = 2000, .flags = STEP_MAY_FAIL, .act = sql_rehearse_write },
	{ .name = "catch-up", .title = "{to} has {from}'s last transaction",
	    .why = "so long writers would wait", .expect_ms = 4, .limit_ms = 2000,
	    .verify = sql_presync_verify },
	{ .name = "follow", .title = "{from} follows {to}",
	    .why = "the way back is open only while {from} has what {to} writes",
	    .expect_ms = 10, .limit_ms = 10000, .flags = STEP_MAY_FAIL,
	    .verify = sql_follows_verify },
	{ .name = NULL },
};
/* clang-format on */

const struct op_table op_failover_sql = {
	.kind = "failover",
	.pair_kind = "mysql",
	.what = "failover {from} ==> {to}",
	.steps = planned,
	.budget_ms = BUDGET_MS,
	.open = sql_pair_open,
	.close = sql_pair_close,
};

const struct op_table op_rehearse_sql = {
	.kind = "rehearse",
	.pair_kind = "mysql",
	.what = "rehearsal of {from} ==> {to}",
	.steps = rehearsed,
	.open = sql_pair_open,
	.close = sql_pair_close,
};
