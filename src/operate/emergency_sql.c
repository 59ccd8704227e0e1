/*
 * emergency_sql.c: the active is dead: its standby takes over with what it has received.
 *
 * The order is that of facts/mysql.md, "The old master's return": commits of the standby must not wait
 * for a dead replica while it drains (10 s each, measured); what it received is executed to the end; and
 * it stops listening to the old one before it takes writes, so that whatever the old one still has when it
 * comes back cannot overwrite anything. That is `pointsman rejoin`'s, which compares first.
 *
 * It goes on receiving while it drains, from a source that is dead or as good as that. A MariaDB of which
 * both threads are stopped empties its relay log when either is started: an applier that meets a
 * transaction it cannot execute has to find the other thread running, or what comes behind is lost.
 *
 * Dead or not, the old one is tried: one that can be reached is fenced, like in a planned failover, and
 * one that nobody can reach may be cut off by the pair's fence-command. There is no budget: nobody can
 * write anyway.
 */
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "feature/config.h"
#include "operate/op_node.h"
#include "operate/op_steps.h"
#include "operate/op_tables.h"
#include "operate/sql_pair.h"
#include "operate/sql_replication.h"

#define OLD_FENCED "old-fenced"
#define SEMI_SYNC "semi-sync" /* that it was on, for the rejoin to turn it on again */
#define DRAIN_RATE_MS 500     /* a rate over less than that is none */
#define DRAIN_REST 100        /* transactions; "part" waits for them, with nothing coming after */

/* --- the old one ---------------------------------------------------------------------------------- */

/*
 * Before the act's journal entry, so that it is in there: who takes it back has to know that the old one took
 * writes, also when the tool died in between.
 */
static int
fence_check(struct op *op, struct err *e)
{
	struct sql_server *from = sql_pair_of(op)->from;

	if (sql_server_is_open(from) && sql_server_is_writable(from, sql_pair_ask_ms(op), e) == 1)
		journal_note(op->journal, OLD_FENCED, "1");
	return 0;
}

static int
fence_old(struct op *op, struct err *e)
{
	struct sql_server *from = sql_pair_of(op)->from;

	if (!sql_server_is_open(from)) {
		op_note(op, "%s does not answer", op->journal->from);
		return 0;
	}
	if (sql_fence(op, e) != 0 || sql_fence_verify(op, e) != 1) {
		/* Named dead by the operator: a full disk, say, lets nobody write, nor fence. */
		if (op_fact(op, "dead")[0] == '\0')
			return -1;
		op_note(op, "NOT FENCED: %.200s", e->text);
		return 0;
	}
	op_note(op, "%s answers, and is read-only now", op->journal->from);
	return 0;
}

static int
unfence_old(struct op *op, struct err *e)
{
	return op_fact(op, OLD_FENCED)[0] != '\0' ? sql_fence_undo(op, e) : 0;
}

/* --- the standby ---------------------------------------------------------------------------------- */

static int
waits_check(struct op *op, struct err *e)
{
	int rc = sql_server_waits_for_replica(sql_pair_of(op)->to, sql_pair_ask_ms(op), e);

	/* Known before the act's journal entry: a resume finds it off. */
	if (rc > 0)
		journal_note(op->journal, SEMI_SYNC, "1");
	return rc < 0 ? -1 : !rc;
}

static int
waits_off(struct op *op, struct err *e)
{
	return sql_server_set_semi_sync(sql_pair_of(op)->to, false, sql_pair_ask_ms(op), e);
}

static int
waits_on(struct op *op, struct err *e)
{
	if (sql_pair_again(op, sql_pair_of(op)->to, e) != 0)
		return -1;
	return sql_server_set_semi_sync(sql_pair_of(op)->to, true, sql_pair_ask_ms(op), e);
}

/* By how fast it was until now; one line of a screen holds it. */
static void
say_how_long(struct sql_pair *p, double left, struct err *e)
{
	int64_t took_ms = clock_mono_ms() - p->drain_began_ms;
	char about[16];

	if (p->drain_began_ms == 0) {
		p->drain_began_ms = clock_mono_ms();
		p->drain_first = left;
	} else if (took_ms >= DRAIN_RATE_MS && left < p->drain_first) {
		str_duration(about, sizeof(about),
		    (int64_t)(left / (p->drain_first - left) * (double)took_ms));
		err_set(e, ERR_TIMEOUT, "%.0f received and left to execute, about %s", left, about);
	}
}

static int
drain_verify(struct op *op, struct err *e)
{
	struct sql_pair *p = sql_pair_of(op);
	struct sql_left left;
	int rc = sql_server_is_drained(p->to, SQL_ASK_MS, &left, e);

	/* Of a source that still sends there is always something left. */
	if (rc == 0 && left.is_growing && left.count <= DRAIN_REST)
		return 1;
	if (rc == 0)
		say_how_long(p, left.count, e);
	return rc;
}

static int
drained(struct op *op, struct err *e)
{
	struct sql_left left;

	return sql_server_is_drained(sql_pair_of(op)->to, sql_pair_ask_ms(op), &left, e);
}

/* A MySQL that tries to connect to one that stands still takes 2.06 s for it (9.7, measured). */
static int
part(struct op *op, struct err *e)
{
	return sql_server_stop_receiving(sql_pair_of(op)->to, op_left_ms(op), e);
}

static int
receive_again(struct op *op, struct err *e)
{
	struct sql_server *to = sql_pair_of(op)->to;

	if (sql_pair_again(op, to, e) != 0 || sql_server_may_start(to, sql_pair_ask_ms(op), e) != 0)
		return -1;
	return sql_server_start_replication(to, op_left_ms(op), e);
}

static int
stop_check(struct op *op, struct err *e)
{
	return sql_server_is_stopped(sql_pair_of(op)->to, sql_pair_ask_ms(op), e);
}

static int
part_check(struct op *op, struct err *e)
{
	int rc = stop_check(op, e);

	return rc == 1 ? drained(op, e) : rc;
}

/* Waits for the transaction at work: longer than a question. */
static int
stop(struct op *op, struct err *e)
{
	return sql_server_stop_replication(sql_pair_of(op)->to, op_left_ms(op), e);
}

/* --- afterwards ----------------------------------------------------------------------------------- */

static int
test_write(struct op *op, struct err *e)
{
	if (sql_pair_again(op, sql_pair_of(op)->to, e) != 0 ||
	    sql_make_table(op, sql_pair_of(op)->to, e) != 0)
		return -1;
	return sql_test_write(op, e);
}

/* One that came back meanwhile must not keep its clients. */
static int
old_again(struct op *op, struct err *e)
{
	struct sql_pair *p = sql_pair_of(op);

	if (!sql_server_is_open(p->from) &&
	    sql_server_connect(p->from, SQL_CONNECT_DEAD_MS, e) != 0) {
		op_note(op, "%s does not answer; when it does: pointsman rejoin %s",
		    op->journal->from, op->pair->name);
		return 0;
	}
	if (sql_fence(op, e) != 0 || sql_sessions(op, e) != 0)
		return err_wrap(e, "%s is back", op->journal->from);
	op_note(op, "%s is back: read-only, its sessions ended; pointsman rejoin %s",
	    op->journal->from, op->pair->name);
	return 0;
}

/* clang-format off */
static const struct step steps[] = {
	OP_STEP_BEGIN_HOOKS,
	OP_STEP_FENCE_COMMAND,
	{ .name = "fence", .title = "{from} read-only, if it answers",
	    .why = "whoever still reaches it must not write there",
	    .undo_text = "{from} writable", .expect_ms = 1000, .limit_ms = 5000,
	    .check = fence_check, .act = fence_old, .undo = unfence_old },
	{ .name = "semi-sync", .title = "{to} commits without waiting",
	    .why = "it would wait for a replica that is dead", .undo_text = "it waits again",
	    .expect_ms = 2, .limit_ms = 5000, .check = waits_check, .act = waits_off,
	    .verify = waits_check, .undo = waits_on },
	{ .name = "drain", .title = "{to} executes all it received",
	    .why = "what reached it is not lost",
	    .expect_ms = 50, .limit_ms = 600000, .verify = drain_verify },
	{ .name = "part", .title = "{to} stops listening to {from}",
	    .why = "what {from} still has when it comes back must not overwrite anything",
	    .undo_text = "{to} receives again", .expect_ms = 20, .limit_ms = 60000,
	    .check = part_check, .act = part, .verify = drained, .undo = receive_again },
	{ .name = "stop", .title = "{to}: replication stopped",
	    .why = "it begins again with the rejoin, which compares first",
	    .undo_text = "{to} receives again", .expect_ms = 20, .limit_ms = 30000,
	    .check = stop_check, .act = stop, .verify = stop_check, .undo = receive_again },
	OP_STEP_FLIP(0),
	{ .name = "lift", .title = "{to} writable", .why = "writers go on",
	    .expect_ms = 2, .limit_ms = 5000, .flags = STEP_RESTORES | STEP_NO_RETURN,
	    .check = sql_lift_check, .act = sql_lift, .verify = sql_lift_verify },
	OP_STEP_AGENTS,
	{ .name = "test-write", .title = "test write through the name",
	    .why = "one row of our own says that writes arrive",
	    .expect_ms = 5, .limit_ms = 5000, .flags = STEP_MAY_FAIL, .act = test_write },
	{ .name = "old", .title = "{from} looked for once more",
	    .why = "one that thawed takes writes that nobody will find again",
	    .expect_ms = 1000, .limit_ms = 10000, .flags = STEP_MAY_FAIL, .act = old_again },
	OP_STEP_DONE_HOOKS,
	{ .name = NULL },
};
/* clang-format on */

const struct op_table op_emergency_sql = {
	.kind = "emergency",
	.pair_kind = "mysql",
	.what = "emergency failover {from} ==> {to}",
	.steps = steps,
	.open = sql_pair_open_to,
	.close = sql_pair_close,
};
