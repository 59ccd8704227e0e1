/* op_steps.h: the steps that operations share, for their tables; and the flip. */
#ifndef OPERATE_OP_STEPS_H
#define OPERATE_OP_STEPS_H

#include "operate/op.h"

/* --- the flip: STEP_FLIPS, needs the old value noted as fact "old-value" and to as the new one ------ */

int op_flip_check(struct op *op, struct err *e);
int op_flip(struct op *op, struct err *e);
int op_flip_verify(struct op *op, struct err *e);
int op_flip_undo(struct op *op, struct err *e);
int op_flip_undone(struct op *op, struct err *e);
/* Reads only: 1 the name is as the flip left it, or is still to be flipped; 0 it leads elsewhere, -1. */
int op_flip_stands(struct op *op, struct err *e);

/* --- the agents serve it ---------------------------------------------------------------------------- */

int op_agents_verify(struct op *op, struct err *e);

/* --- of a rejoin: there is an active one to follow --------------------------------------------------- */

/* As a verify that says no: {to}, where the name leads, takes no writes. */
int op_nobody_active(const struct op *op, struct err *e);

/* --- hooks: of the pair and of hook blocks ---------------------------------------------------------- */

bool op_has_begin_hooks(const struct op *op);
int op_begin_hooks(struct op *op, struct err *e);
bool op_has_done_hooks(const struct op *op);
int op_done_hooks(struct op *op, struct err *e);
/* By the runner, after a failure or an undone operation. */
void op_failed_hooks(struct op *op);

/* clang-format off */
#define OP_STEP_BEGIN_HOOKS \
	{ .name = "pre-hook", .title = "hooks: it begins", .why = "alerts are silenced, people told", \
	    .expect_ms = 100, .limit_ms = 660000, .applies = op_has_begin_hooks, .act = op_begin_hooks }
#define OP_STEP_FLIP(no_return) \
	{ .name = "flip", .title = "names/{name} = {to} (CAS)", \
	    .why = "from now on every agent sends clients to {to}", \
	    .undo_text = "back to {from}", .expect_ms = 4, .limit_ms = 2000, \
	    .flags = STEP_FLIPS | (no_return), .check = op_flip_check, .act = op_flip, \
	    .verify = op_flip_verify, .undo = op_flip_undo, .undone = op_flip_undone }
#define OP_STEP_AGENTS \
	{ .name = "agents", .title = "agents serve generation {generation}", \
	    .why = "clients find {to} only where their agent says so", \
	    .expect_ms = 60, .limit_ms = 10000, .flags = STEP_MAY_FAIL, .verify = op_agents_verify }
/* Before the hooks: what it refuses has not begun. */
#define OP_STEP_ACTIVE(verify_fn) \
	{ .name = "active", .title = "{to} takes writes", \
	    .why = "else nobody would, once {from} is fenced; whatever is halfway comes first", \
	    .expect_ms = 1, .limit_ms = 5000, .verify = verify_fn }
#define OP_STEP_DONE_HOOKS \
	{ .name = "post-hook", .title = "hooks: it is done", .why = "alerts are back, people told", \
	    .expect_ms = 100, .limit_ms = 660000, .flags = STEP_MAY_FAIL, \
	    .applies = op_has_done_hooks, .act = op_done_hooks }
/* clang-format on */

#endif
