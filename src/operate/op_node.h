/* op_node.h: what an operation knows of a server before it talks to it; and its fence-command. */
#ifndef OPERATE_OP_NODE_H
#define OPERATE_OP_NODE_H

#include "io/endpoint.h"
#include "operate/op.h"

/* Its address by the names as they are in the KV: 0, with "" where it is not known; or -1. */
int op_node_address(struct op *op, const char *node, char out[ENDPOINT_TEXT_SIZE], struct err *e);

/* The program that makes sure that the old active one writes no more: power off, port shut. */
bool op_has_fence_command(const struct op *op);
int op_fence_command(struct op *op, struct err *e);

/* clang-format off */
#define OP_STEP_FENCE_COMMAND \
	{ .name = "fence-command", .title = "fence-command: {from} is shut out", \
	    .why = "whoever still reaches it would write where nobody looks", \
	    .expect_ms = 1000, .limit_ms = 660000, .flags = STEP_STAYS, \
	    .applies = op_has_fence_command, \
	    .act = op_fence_command }
/* clang-format on */

#endif
