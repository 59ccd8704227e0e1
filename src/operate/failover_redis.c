/*
 * failover_redis.c: the planned failover of a Redis pair, and its rehearsal: the tables. redis_pair.c has
 * the order, and what was measured and rejected.
 *
 * The same for all versions: FAILOVER is not used where the server has it.
 */
#include "operate/op_steps.h"
#include "operate/op_tables.h"
#include "operate/redis_pair.h"

/* design, section 7: whatever is not done by then is undone, and writers go on where they were */
#define BUDGET_MS 3000

/* clang-format off */
#define PRE_SYNC(act_fn) \
	{ .name = "pre-sync", .title = "pre-sync: {to} keeps up with {from}", \
	    .why = "what it lacks at the fence is what writers wait for", \
	    .expect_ms = 10, .limit_ms = 30000, .act = act_fn, .verify = redis_presync_verify }

static const struct step planned[] = {
	OP_STEP_BEGIN_HOOKS,
	PRE_SYNC(redis_presync),
	{ .name = "fence", .title = "{from}: writers wait, then read-only",
	    .why = "from here on nothing is written that {to} could miss",
	    .undo_text = "{from} master", .expect_ms = 3, .limit_ms = 2000, .flags = STEP_BLOCKS,
	    .check = redis_fence_check, .act = redis_fence, .verify = redis_fence_verify,
	    .undo = redis_fence_undo, .undone = redis_fence_undone },
	{ .name = "catch-up", .title = "{to} has {from}'s last write",
	    .why = "what was acknowledged is not lost", .undo_text = "{from} master",
	    .expect_ms = 1, .limit_ms = 2000, .verify = redis_caught_up_verify },
	OP_STEP_FLIP(0),
	{ .name = "promote", .title = "{to} master",
	    .why = "writers go on; what they write now only {to} has at first",
	    .expect_ms = 1, .limit_ms = 1500, .flags = STEP_RESTORES | STEP_NO_RETURN,
	    .check = redis_promote_check, .act = redis_promote, .verify = redis_promote_verify },
	{ .name = "attach", .title = "{from} replica of {to}",
	    .why = "{to} has a replica again; who waited on {from} asks for the name",
	    .expect_ms = 1, .limit_ms = 5000, .flags = STEP_MAY_FAIL,
	    .act = redis_attach, .verify = redis_attach_verify },
	OP_STEP_AGENTS,
	{ .name = "sessions", .title = "end the old sessions on {from}",
	    .why = "pools that stay there cannot write any more",
	    .expect_ms = 1, .limit_ms = 5000, .flags = STEP_MAY_FAIL, .act = redis_sessions },
	{ .name = "test-write", .title = "test write through the name",
	    .why = "a write that changes nothing says that writes are taken",
	    .expect_ms = 2, .limit_ms = 5000, .flags = STEP_MAY_FAIL,
	    .verify = redis_test_write_verify },
	{ .name = "follow", .title = "{from} follows {to}",
	    .why = "the way back is open only while {from} has what {to} writes",
	    .expect_ms = 10, .limit_ms = 60000, .flags = STEP_MAY_FAIL,
	    .verify = redis_follows_verify },
	{ .name = "keep", .title = "both write it into their configuration",
	    .why = "at its next start each would be what it was before",
	    .expect_ms = 5, .limit_ms = 5000, .flags = STEP_MAY_FAIL, .act = redis_keep },
	OP_STEP_DONE_HOOKS,
	{ .name = NULL },
};

/* {to} is the active one itself here: nothing moves. */
static const struct step rehearsed[] = {
	PRE_SYNC(redis_presync),
	OP_STEP_AGENTS,
	{ .name = "test-write", .title = "test write on {from}",
	    .why = "a write that changes nothing says that writes are taken",
	    .expect_ms = 2, .limit_ms = 2000, .flags = STEP_MAY_FAIL,
	    .verify = redis_rehearse_write_verify },
	{ .name = "catch-up", .title = "{to} has {from}'s last write",
	    .why = "so long writers would wait", .expect_ms = 1, .limit_ms = 2000,
	    .verify = redis_presync_verify },
	{ .name = NULL },
};
/* clang-format on */

const struct op_table op_failover_redis = {
	.kind = "failover",
	.pair_kind = "redis",
	.what = "failover {from} ==> {to}",
	.steps = planned,
	.budget_ms = BUDGET_MS,
	.open = redis_pair_open,
	.close = redis_pair_close,
};

const struct op_table op_rehearse_redis = {
	.kind = "rehearse",
	.pair_kind = "redis",
	.what = "rehearsal of {from} ==> {to}",
	.steps = rehearsed,
	.open = redis_pair_open,
	.close = redis_pair_close,
};
