/*
 * sql_pair.c: the two connections, the fence, catching up and the lift. facts/mysql.md has the reason of
 * each order here:
 *
 *   - the position is taken behind the fence, and once more when it was reached: it has to stand still;
 *   - an error of the fence means nothing: MySQL keeps a queued SET and carries it out later. So whatever
 *     was tried is undone, and read back;
 *   - nobody is made writable before the other one is surely not.
 */
#include "operate/sql_pair.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "feature/config.h"
#include "operate/op_impl.h"
#include "operate/past.h"

#define LOCK_MS 5000  /* until a connection that was killed has let its lock go */
#define FENCE_MS 1500 /* lock_wait_timeout is 1 s */
#define STILL_MS \
	300 /* where somebody may pass the fence: a commit on a slow disk, well inside the budget */
#define UNDO_ASK_MS 300 /* for the standby's word, while writers wait for the active to be lifted */
#define AGAIN_MS \
	3000 /* for what an old active took until it was fenced again: as long as the budget */
#define AGAIN_PAUSE_MS 5
#define SETTLED_MS \
	50 /* pre-sync: so far behind a standby may be, and still catch up in the budget */

struct sql_pair *
sql_pair_of(const struct op *op)
{
	return op->state;
}

int64_t
sql_pair_ask_ms(const struct op *op)
{
	int64_t left = op_left_ms(op);

	/* A last look that gets no time says nothing but that, and costs the connection. */
	if (left < SQL_ASK_LEAST_MS)
		return SQL_ASK_LEAST_MS;
	return left < SQL_ASK_MS ? left : SQL_ASK_MS;
}

/* --- connections ---------------------------------------------------------------------------------- */

static int
connect_and_lock(struct sql_server *s, bool takes, int64_t limit_ms, struct err *e)
{
	if (sql_server_connect(s, limit_ms, e) != 0)
		return -1;
	return sql_server_lock(s, takes, LOCK_MS, e);
}

/*
 * Nobody is thrown out of a server by an operation that is not sure of its own lock: whoever has that by
 * now may have taken it over.
 */
static int
again(struct op *op, struct sql_server *s, int64_t limit_ms, struct err *e)
{
	struct err own;

	if (sql_server_is_open(s))
		return 0;
	return connect_and_lock(s, op_still_ours(op, &own) == 0, limit_ms, e);
}

int
sql_pair_again(struct op *op, struct sql_server *s, struct err *e)
{
	return again(op, s, SQL_CONNECT_MS, e);
}

/*
 * Whoever began an operation of this pair and lost our lock, its host with it: the server may hold its connection
 * for hours. Of others, under another Consul, we know nothing: they keep theirs.
 */
static bool
has_orphan(struct op *op)
{
	struct past past;
	bool is_any = false;

	past_load(&past, op->client, op->pair->name, NULL);
	for (size_t i = 0; i < past.count; i++)
		is_any = is_any || past.journals[i]->result == OP_RUNNING;
	past_clear(&past);
	return is_any;
}

static int
first_connect(struct op *op, struct sql_server *s, int64_t limit_ms, struct err *e)
{
	if (connect_and_lock(s, op->is_resumed, limit_ms, e) == 0)
		return 0;
	if (e->code != ERR_CONFLICT || op->is_resumed || !has_orphan(op))
		return -1;
	return connect_and_lock(s, true, limit_ms, e);
}

static int
open_pair(struct op *op, bool needs_from, struct err *e)
{
	struct sql_pair *p = mem_alloc(sizeof(*p));

	op->state = p;
	if ((p->from = sql_server_new(op->client, op->pair, op->journal->from, e)) == NULL ||
	    (p->to = sql_server_new(op->client, op->pair, op->journal->to, e)) == NULL)
		return e->code == ERR_NOT_FOUND ? op_no_server(op, e) : -1;
	if (first_connect(op, p->from, needs_from ? SQL_CONNECT_MS : SQL_CONNECT_DEAD_MS, e) != 0 &&
	    (needs_from || e->code == ERR_CONFLICT))
		return op_no_server(op, e);
	/* To take an operation back, the standby is not needed; and forward its steps say that it is. */
	if (first_connect(op, p->to, SQL_CONNECT_MS, e) != 0 &&
	    (!op->is_resumed || op_is_past_return(op) || e->code == ERR_CONFLICT))
		return op_no_server(op, e);
	return 0;
}

int
sql_pair_open(struct op *op, struct err *e)
{
	return open_pair(op, !op_is_past_return(op), e);
}

int
sql_pair_open_to(struct op *op, struct err *e)
{
	return open_pair(op, false, e);
}

void
sql_pair_close(struct op *op)
{
	struct sql_pair *p = op->state;

	if (p == NULL)
		return;
	sql_server_free(p->from);
	sql_server_free(p->to);
	free(p->position);
	free(p->written);
	free(p);
	op->state = NULL;
}

/* --- the fence ------------------------------------------------------------------------------------ */

int
sql_fence_check(struct op *op, struct err *e)
{
	return sql_server_is_fenced(sql_pair_of(op)->from, sql_pair_ask_ms(op), e);
}

int
sql_fence(struct op *op, struct err *e)
{
	struct sql_server *from = sql_pair_of(op)->from;

	if (sql_server_set_read_only(from, true, FENCE_MS, e) == 0)
		return 0;
	if (sql_server_number(from) == 1205)
		return err_set(e, ERR_TIMEOUT,
		    "%s could not be fenced within a second: a statement, LOCK TABLES or a commit "
		    "that waits for semi-sync stands in the way",
		    sql_server_node(from));
	return -1;
}

/* Whoever passes it is looked for while all still may write: so it takes nothing from the writers. */
int
sql_fence_writers(struct op *op, struct err *e)
{
	struct sql_pair *p = sql_pair_of(op);

	p->is_passed = sql_server_has_passer(p->from, sql_pair_ask_ms(op), e) == 1;
	return sql_fence(op, e);
}

int
sql_fence_verify(struct op *op, struct err *e)
{
	int rc = sql_fence_check(op, e);

	if (rc == 0)
		err_set(e, ERR_TIMEOUT, "%s still takes writes", op->journal->from);
	return rc;
}

/*
 * Whether the other one takes writes: 1, 0, -1 when somebody else is at work there. One that is dead or
 * hangs cannot say so, and is what most failovers are taken back for. What is known of it then: it took
 * none when this began, and we never lifted it, because behind the lift nothing is undone.
 */
static int
is_to_writable(struct op *op, struct err *e)
{
	struct sql_server *to = sql_pair_of(op)->to;
	int rc;

	if (again(op, to, UNDO_ASK_MS, e) != 0)
		return e->code == ERR_CONFLICT ? -1 : 0;
	rc = sql_server_is_writable(to, UNDO_ASK_MS, e);
	return rc > 0 ? 1 : 0;
}

/*
 * Only while the other one takes none. A fence that was asked for and lost its answer may still be in the
 * queue of the server: our connection is gone then, and sql_pair_again() has ended it there.
 */
int
sql_fence_undo(struct op *op, struct err *e)
{
	struct sql_pair *p = sql_pair_of(op);
	int is_writable;

	if (sql_pair_again(op, p->from, e) != 0)
		return -1;
	if ((is_writable = is_to_writable(op, e)) < 0)
		return -1;
	if (is_writable)
		return err_set(e, ERR_CONFLICT, "%s takes writes: %s must not, too",
		    op->journal->to, op->journal->from);
	return sql_server_set_read_only(p->from, false, FENCE_MS, e);
}

int
sql_fence_undone(struct op *op, struct err *e)
{
	int rc = sql_server_is_writable(sql_pair_of(op)->from, SQL_ASK_MS, e);

	if (rc == 0)
		err_set(e, ERR_TIMEOUT, "%s is still read-only", op->journal->from);
	return rc;
}

/* --- catching up ---------------------------------------------------------------------------------- */

static int
take_position(struct op *op, struct err *e)
{
	struct sql_pair *p = sql_pair_of(op);

	free(p->position);
	p->position = NULL;
	p->taken_ms = clock_mono_ms();
	return sql_server_position(p->from, sql_pair_ask_ms(op), &p->position, e);
}

/* A pair that keeps up is at most a moment behind: what it lacks now it has SETTLED_MS later. */
int
sql_presync_verify(struct op *op, struct err *e)
{
	struct sql_pair *p = sql_pair_of(op);
	int64_t behind_ms;
	int rc;

	if (p->position == NULL && take_position(op, e) != 0)
		return -1;
	if ((rc = sql_server_has(p->to, p->position, sql_pair_ask_ms(op), e)) <= 0)
		return rc;
	behind_ms = clock_mono_ms() - p->taken_ms;
	free(p->position);
	p->position = NULL;
	if (behind_ms <= SETTLED_MS)
		return 1;
	err_set(e, ERR_TIMEOUT, "%s was %lld ms behind", op->journal->to, (long long)behind_ms);
	return 0;
}

/* The part of a position that a note has room for: MariaDB's is short, of a MySQL's the end counts. */
static const char *
shown_position(const char *position)
{
	size_t len = strlen(position);

	return len > 60 ? position + len - 60 : position;
}

static int
say_writes_on(const struct op *op, struct err *e)
{
	return err_set(e, ERR_TIMEOUT,
	    "%s still writes behind the fence: an account that read_only does not stop is at work "
	    "there",
	    op->journal->from);
}

int
sql_caught_up_verify(struct op *op, struct err *e)
{
	struct sql_pair *p = sql_pair_of(op);
	char *reached;
	bool stood;
	int rc;

	if (p->position == NULL && take_position(op, e) != 0)
		return -1;
	if ((rc = sql_server_has(p->to, p->position, sql_pair_ask_ms(op), e)) <= 0)
		return rc;
	reached = p->position;
	p->position = NULL;
	if (take_position(op, e) != 0) {
		free(reached);
		return -1;
	}
	stood = strcmp(reached, p->position) == 0;
	free(reached);
	if (!stood || p->still_ms == 0)
		p->still_ms = clock_mono_ms();
	if (!stood) {
		say_writes_on(op, e);
		return p->is_passed ? -1 : 0;
	}
	if (p->is_passed && clock_mono_ms() - p->still_ms < STILL_MS) {
		err_set(e, ERR_TIMEOUT, "whether %s writes behind the fence is being looked at",
		    op->journal->from);
		return 0;
	}
	op_note(op, "%s", shown_position(p->position));
	journal_note(op->journal, SQL_POSITION, p->position);
	return 1;
}

/* --- the lift ------------------------------------------------------------------------------------- */

/*
 * Whoever read_only does not stop had the time of the flip to be seen once more, and behind the lift nothing
 * is undone. Of a MySQL there is nobody: super_read_only. One that does not answer any more is left anyway.
 */
static int
has_from_stood_still(struct op *op, struct err *e)
{
	struct sql_server *from = sql_pair_of(op)->from;
	const char *fenced = op_fact(op, SQL_POSITION);
	char *now;
	int rc = 0;

	if (fenced[0] == '\0' || op->is_resumed || !sql_server_is_open(from) ||
	    !sql_server_is_mariadb(from) || sql_server_position(from, UNDO_ASK_MS, &now, e) != 0)
		return 0;
	if (strcmp(now, fenced) != 0)
		rc = say_writes_on(op, e);
	free(now);
	return rc;
}

int
sql_lift_check(struct op *op, struct err *e)
{
	int rc = sql_server_is_writable(sql_pair_of(op)->to, sql_pair_ask_ms(op), e);

	return rc == 0 ? has_from_stood_still(op, e) : rc;
}

/* 1; 0 with what is missing after AGAIN_MS; -1. */
static int
wait_caught_up(struct op *op, struct err *e)
{
	struct sql_pair *p = sql_pair_of(op);
	int64_t end_ms = clock_mono_ms() + AGAIN_MS;
	int rc;

	if (take_position(op, e) != 0)
		return -1;
	while ((rc = sql_server_has(p->to, p->position, SQL_ASK_MS, e)) == 0 &&
	       clock_mono_ms() < end_ms)
		op_pause(op, AGAIN_PAUSE_MS);
	return rc;
}

/*
 * It took writes since. Of a planned failover nothing is lost: the other one has to have them first, and where
 * it does not get them this one takes writes again, as it did. An emergency leaves them to the rejoin.
 */
static int
fence_again(struct op *op, struct err *e)
{
	struct sql_server *from = sql_pair_of(op)->from;
	struct err why = { .code = ERR_NONE }, own;

	if (sql_server_set_read_only(from, true, FENCE_MS, e) != 0)
		return -1;
	if (strcmp(op->journal->kind, "failover") != 0)
		return 0;
	if (wait_caught_up(op, &why) > 0) {
		journal_note(op->journal, SQL_POSITION, sql_pair_of(op)->position);
		return 0;
	}
	if (sql_server_set_read_only(from, false, FENCE_MS, &own) != 0)
		op_say(op, "%s is read-only still: %s", op->journal->from, own.text);
	return err_set(e, ERR_CONFLICT,
	    "%s took writes since, and %s does not get them (%.120s); to stay there: pointsman set "
	    "%s %s, then rejoin",
	    op->journal->from, op->journal->to, why.text, op->journal->name, op->journal->from);
}

/*
 * An operation that is taken up may have been interrupted for days, or have turned back where Consul did not
 * hear it: the old one is looked at again, if it can be, and fenced again if it takes writes.
 */
static int
is_from_still_fenced(struct op *op, struct err *e)
{
	struct sql_pair *p = sql_pair_of(op);
	int rc;

	if (!sql_server_is_open(p->from)) {
		op_note(op, "%s could not be asked whether it takes writes", op->journal->from);
		return 0;
	}
	if ((rc = sql_server_is_fenced(p->from, sql_pair_ask_ms(op), e)) != 0)
		return rc > 0 ? 0 : -1;
	return fence_again(op, e);
}

int
sql_lift(struct op *op, struct err *e)
{
	if (op->is_resumed && is_from_still_fenced(op, e) != 0)
		return -1;
	return sql_server_set_read_only(sql_pair_of(op)->to, false, FENCE_MS, e);
}

int
sql_lift_verify(struct op *op, struct err *e)
{
	int rc = sql_lift_check(op, e);

	if (rc == 0)
		err_set(e, ERR_TIMEOUT, "%s still takes no writes", op->journal->to);
	return rc;
}
