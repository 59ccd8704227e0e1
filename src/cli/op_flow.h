/* op_flow.h: an operation carried out before the eyes of the operator, and how it ended as an exit code. */
#ifndef CLI_OP_FLOW_H
#define CLI_OP_FLOW_H

#include <stdbool.h>

#include "base/err.h"
#include "cli/exit_code.h"
#include "operate/op.h"

struct cli;

/* Runs it, or rolls it back, from where it is; shows each step, and the end. */
enum exit_code op_flow_run(const struct cli *cli, struct op *op, bool is_back);

/* op_begin() or op_take_over() failed: nothing was changed, or what was before is as it was. */
enum exit_code op_flow_refuse(const struct cli *cli, const struct op *op, const struct err *e);

/*
 * Without a terminal: only with --yes and, where a plan was asked for, its id. On a terminal: the word
 * typed, unless --yes was given with a plan. EXIT_DONE: go on; else reported.
 */
enum exit_code op_flow_confirm(struct cli *cli, const char *word, bool needs_plan);

#endif
