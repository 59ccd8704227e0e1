/*
 * redis_pair.h: both Redis of a pair in the hands of an operation, and the step functions that planned,
 * emergency and rejoin have in common. op->state is a struct redis_pair while one of their tables is at
 * work.
 */
#ifndef OPERATE_REDIS_PAIR_H
#define OPERATE_REDIS_PAIR_H

#include "operate/op.h"
#include "operate/redis_server.h"

struct redis_pair {
	struct redis_server *from, *to; /* the journal's */
	int64_t wanted;   /* an offset of from that to has to reach; -1: not taken yet */
	int64_t taken_ms; /* monotonic: when */
};

#define REDIS_CONNECT_MS 3000
#define REDIS_ASK_MS 2000 /* one command; a server that is well answers in one */

struct redis_pair *redis_pair_of(const struct op *op);

/* op_table's: connects to both. Behind the point of no return from may be dead. */
int redis_pair_open(struct op *op, struct err *e);
/* The same when from is thought dead: it is connected to if it can be. */
int redis_pair_open_to(struct op *op, struct err *e);
void redis_pair_close(struct op *op);

/* Connected again after a lost connection: for undoing, and behind the point of no return. */
int redis_pair_again(const struct op *op, struct redis_server *s, struct err *e);
/* What a command may take: REDIS_ASK_MS, or what is left of the step. */
int64_t redis_pair_ask_ms(const struct op *op);

/* --- steps; each as op.h wants it ------------------------------------------------------------------- */

int redis_presync(struct op *op, struct err *e); /* to keeps up with from */
int redis_presync_verify(struct op *op, struct err *e);

int redis_fence_check(struct op *op, struct err *e); /* from takes no writes */
int redis_fence(struct op *op, struct err *e);
int redis_fence_verify(struct op *op, struct err *e);
int redis_fence_undo(struct op *op, struct err *e);
int redis_fence_undone(struct op *op, struct err *e);

int redis_caught_up_verify(struct op *op, struct err *e); /* to has all that from has */

int redis_promote_check(struct op *op, struct err *e); /* to is the master */
int redis_promote(struct op *op, struct err *e);
int redis_promote_verify(struct op *op, struct err *e);

/* redis_after.c */
int redis_attach(
    struct op *op, struct err *e); /* from is to's replica, its writers wait no longer */
int redis_attach_verify(struct op *op, struct err *e);
int redis_sessions(struct op *op, struct err *e); /* those of applications on from are ended */
int redis_test_write_verify(struct op *op, struct err *e);     /* through the name, on to */
int redis_rehearse_write_verify(struct op *op, struct err *e); /* on from, which stays what it is */
int redis_follows_verify(struct op *op, struct err *e); /* from is linked, and has what to has */
int redis_keep(struct op *op, struct err *e);           /* both write it into their configuration */
int redis_keep_living(struct op *op, struct err *e);    /* the same, from only if it answers */

/* If it answers and is a master: a replica of nobody from now on, which keeps what it has. */
int redis_keep_out(struct op *op, struct redis_server *s, struct err *e);
/* Their writers go on, as far as it is for us: whatever the fence did besides REPLICAOF. */
int redis_release(struct op *op, struct redis_server *s, struct err *e);

#endif
