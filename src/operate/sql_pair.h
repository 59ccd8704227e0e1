/*
 * sql_pair.h: both databases of a pair in the hands of an operation, and the step functions that planned,
 * emergency and rejoin have in common. op->state is a struct sql_pair while one of their tables is at work.
 */
#ifndef OPERATE_SQL_PAIR_H
#define OPERATE_SQL_PAIR_H

#include "operate/op.h"
#include "operate/sql_server.h"

struct sql_pair {
	struct sql_server *from, *to; /* the journal's */
	char *position;               /* of from, that to has to reach; NULL: not taken yet */
	int64_t taken_ms;             /* monotonic: when */
	int64_t still_ms; /* monotonic: since when from stands behind its fence; 0: not looked at */
	bool is_passed;   /* somebody was at work there who the fence does not stop */
	char *written;    /* of to, that from has to reach afterwards; NULL: not yet */
	double drain_first;     /* transactions that to had left when it was looked at first */
	int64_t drain_began_ms; /* monotonic: when; 0: not yet */
};

#define SQL_CONNECT_MS 5000
#define SQL_CONNECT_DEAD_MS 1500 /* to one that is thought dead: a black hole answers never */
#define SQL_ASK_MS 2000          /* one question; a server that is well answers in one */

/* Facts of the journal: what from had when it was fenced; and what it wrote itself, before a rejoin. */
#define SQL_POSITION "position"
#define SQL_WRITTEN "written"

#define SQL_ASK_LEAST_MS 100

struct sql_pair *sql_pair_of(const struct op *op);

/* op_table's: connects to both and takes their locks. Behind the point of no return from may be dead. */
int sql_pair_open(struct op *op, struct err *e);
/* The same when from is thought dead: it is connected to if it can be (sql_server_is_open). */
int sql_pair_open_to(struct op *op, struct err *e);
void sql_pair_close(struct op *op);

/* Connected and locked again, after a lost connection: for undoing, and behind the point of no return. */
int sql_pair_again(struct op *op, struct sql_server *s, struct err *e);
/* What a question may take: SQL_ASK_MS, or what is left of the step, but SQL_ASK_LEAST_MS. */
int64_t sql_pair_ask_ms(const struct op *op);

/* --- steps; each as op.h wants it ------------------------------------------------------------------- */

int sql_fence_check(struct op *op, struct err *e); /* from takes no writes */
int sql_fence(struct op *op, struct err *e);
int sql_fence_writers(
    struct op *op, struct err *e); /* of one that works: for the catch-up behind it */
int sql_fence_verify(struct op *op, struct err *e);
int sql_fence_undo(struct op *op, struct err *e);
int sql_fence_undone(struct op *op, struct err *e);

int sql_presync(struct op *op, struct err *e); /* to keeps up with from */
int sql_presync_verify(struct op *op, struct err *e);
int sql_caught_up_verify(
    struct op *op, struct err *e); /* to has all that from has, and from stands */

int sql_lift_check(struct op *op, struct err *e); /* to takes writes */
int sql_lift(struct op *op, struct err *e);
int sql_lift_verify(struct op *op, struct err *e);

int sql_sessions(struct op *op, struct err *e); /* those of applications on from are ended */
int sql_sessions_verify(struct op *op, struct err *e);

/* The table of the test write, on s, which takes writes; without the right to, a fact says so. */
int sql_make_table(struct op *op, struct sql_server *s, struct err *e);
int sql_test_write(struct op *op, struct err *e);     /* through the name, on to */
int sql_rehearse_write(struct op *op, struct err *e); /* on from, which stays what it is */
int sql_follows_verify(struct op *op, struct err *e); /* from has it, and nothing that to has not */

#endif
