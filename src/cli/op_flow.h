/* op_flow.h: an operation carried out before the eyes of the operator, and how it ended as an exit code. */
#ifndef CLI_OP_FLOW_H
#define CLI_OP_FLOW_H

#include <stdbool.h>

#include "base/err.h"
#include "cli/exit_code.h"
#include "operate/op.h"

struct cli;

/* op_begin() as whoever runs us, then the steps; shows each of them, and the end. */
enum exit_code op_flow_begin(const struct cli *cli, struct op *op, const char *plan);
/* op_take_over(), and then on from where it is, or back. */
enum exit_code op_flow_take_over(const struct cli *cli, struct op *op, bool is_back);

/* After a -1 of op_begin(), op_take_over() or op_check_later(): what op->hurdle says, and the ways from there. */
enum exit_code op_flow_refuse(
    const struct cli *cli, const struct op *op, bool is_back, const struct err *e);

/*
 * Without a terminal: only with --yes and, where a plan was asked for, its id. On a terminal: the word
 * typed, unless --yes was given with a plan. EXIT_DONE: go on; else reported.
 */
enum exit_code op_flow_confirm(struct cli *cli, const char *word, bool needs_plan);

#endif
