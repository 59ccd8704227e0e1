/*
 * emergency_redis.c: the active Redis is dead, or so its operator says: the table.
 *
 * Nothing is asked of the old one that it has to answer. The name flips first, by check-and-set: who loses
 * that race has changed nothing. Only then the replica becomes a master, from where there is no way back:
 * what it writes from then on the old one lacks, and the old one may have what it lacks.
 *
 * If the old one answers after all it is put out of reach, before the new one takes writes and once more
 * behind it, when it had the time to come back. What it has is for pointsman rejoin to look at.
 */
#include <inttypes.h>
#include <string.h>

#include "operate/op_node.h"
#include "operate/op_steps.h"
#include "operate/op_tables.h"
#include "operate/redis_pair.h"

#define OLD_MS 1000             /* for a dead one to be heard */
#define OLD_FENCED "old-fenced" /* the fact that there is something to undo */

/* --- the old one ---------------------------------------------------------------------------------- */

/* Looks only: the journal has to say that there is something to undo before it is done. */
static int
look_at_old(struct op *op, struct err *e)
{
	struct redis_server *from = redis_pair_of(op)->from;
	struct redis_info info;

	if (redis_server_is_open(from) &&
	    redis_server_look(from, redis_pair_ask_ms(op), &info, e) == 0 &&
	    redis_info_is_master(&info))
		journal_note(op->journal, OLD_FENCED, "1");
	return 0;
}

/* A replica of nobody takes no writes, and keeps what it has. */
static int
fence_old(struct op *op, struct err *e)
{
	struct redis_server *from = redis_pair_of(op)->from;
	struct redis_info info;
	int rc;

	if (!redis_server_is_open(from)) {
		op_note(op, "%s does not answer", op->journal->from);
		return 0;
	}
	/* One that came up as a master since it was looked at is the rejoin's. */
	if ((rc = redis_server_look(from, redis_pair_ask_ms(op), &info, e)) == 0)
		rc = redis_keep_out(op, from, e);
	if (rc == 0) {
		op_note(op, "%s answers, and takes no writes now", op->journal->from);
	} else if (op_fact(op, "dead")[0] != '\0') {
		/* Named dead by the operator. */
		op_note(op, "NOT FENCED: %.200s", e->text);
		rc = 0;
	}
	return rc;
}

static int
unfence_old(struct op *op, struct err *e)
{
	return op_fact(op, OLD_FENCED)[0] != '\0' ? redis_fence_undo(op, e) : 0;
}

/* --- the new one ---------------------------------------------------------------------------------- */

/* How much of the old history it has: what is lost is behind that. */
static int
take_over(struct op *op, struct err *e)
{
	struct redis_pair *p = redis_pair_of(op);
	struct redis_info to;

	if (redis_pair_again(op, p->to, e) != 0 ||
	    redis_server_look(p->to, redis_pair_ask_ms(op), &to, e) != 0)
		return -1;
	if (!redis_info_is_master(&to))
		op_note(op, "has %.12s up to %" PRId64, to.replid, redis_info_offset(&to));
	return redis_promote(op, e);
}

/* One that came back meanwhile must not keep its clients. */
static int
shut_out(struct op *op, struct err *e)
{
	struct redis_server *from = redis_pair_of(op)->from;

	if (redis_server_connect(from, OLD_MS, e) != 0) {
		op_note(op, "it does not answer");
		return 0;
	}
	if (redis_keep_out(op, from, e) != 0 || redis_sessions(op, e) != 0)
		return -1;
	op_note(
	    op, "it answers, and takes no writes; next: pointsman rejoin %s", op->journal->pair);
	return 0;
}

/* clang-format off */
static const struct step emergency[] = {
	OP_STEP_BEGIN_HOOKS,
	OP_STEP_FENCE_COMMAND,
	{ .name = "fence", .title = "{from} takes no writes, if it answers",
	    .why = "whoever still reaches it must not write there",
	    .undo_text = "{from} master", .expect_ms = 1000, .limit_ms = 5000,
	    .check = look_at_old, .act = fence_old, .undo = unfence_old },
	OP_STEP_FLIP(0),
	{ .name = "promote", .title = "{to} master",
	    .why = "writers go on; what only {from} had is lost",
	    .expect_ms = 2, .limit_ms = 5000, .flags = STEP_RESTORES | STEP_NO_RETURN,
	    .check = redis_promote_check, .act = take_over, .verify = redis_promote_verify },
	OP_STEP_AGENTS,
	{ .name = "old", .title = "{from} looked for once more",
	    .why = "one that thawed takes writes that nobody will find again",
	    .expect_ms = 1000, .limit_ms = 5000, .flags = STEP_MAY_FAIL, .act = shut_out },
	{ .name = "test-write", .title = "test write through the name",
	    .why = "a write that changes nothing says that writes are taken",
	    .expect_ms = 2, .limit_ms = 5000, .flags = STEP_MAY_FAIL,
	    .verify = redis_test_write_verify },
	{ .name = "keep", .title = "{to} writes it into its configuration",
	    .why = "at its next start it would be the replica of {from} again",
	    .expect_ms = 5, .limit_ms = 5000, .flags = STEP_MAY_FAIL, .act = redis_keep_living },
	OP_STEP_DONE_HOOKS,
	{ .name = NULL },
};
/* clang-format on */

const struct op_table op_emergency_redis = {
	.kind = "emergency",
	.pair_kind = "redis",
	.what = "emergency failover {from} ==> {to}",
	.steps = emergency,
	.open = redis_pair_open_to,
	.close = redis_pair_close,
};
