/*
 * op_approval.h: the second person. Where a pair has `approvals = 1` an operation that somebody confirmed
 * waits, with the lock and before anything is touched, until somebody else has approved it.
 */
#ifndef OPERATE_OP_APPROVAL_H
#define OPERATE_OP_APPROVAL_H

#include "operate/op.h"

#define APPROVAL_LIMIT_MS \
	600000 /* who is needed at 3 a.m. is awake by then, or the plan is made anew */

/* Noted before op_begin(): this operation needs one. */
void op_approval_need(struct op *op);
/* Needed, and not there yet. */
bool op_approval_is_missing(const struct journal *j);

/* Needed, there or not, and nothing was touched yet: such a one is not resumed, since nobody looks again. */
bool op_approval_is_all(const struct journal *j);

/* By the runner: waits for it. 0, or -1: nobody came, or the operator stopped. */
int op_approval_wait(struct op *op, struct err *e);

/*
 * Approves operation id as by. 0; -1: ERR_NOT_FOUND, ERR_CONFLICT: it needs none, has one, has ended, or is
 * by's own; e says which.
 */
int op_approval_give(struct client *client, const char *id, const char *by, struct err *e);

#endif
