/* op_screen.h: what an operator sees of an operation: the plan, the refusal, the run, the end. */
#ifndef CLI_OP_SCREEN_H
#define CLI_OP_SCREEN_H

#include "cli/exit_code.h"
#include "model/preflight.h"
#include "operate/op.h"

struct cli;
struct op_live;

/* Before it is confirmed; with -o json the document of a dry run. */
void op_screen_plan(const struct cli *cli, const struct op *op, const struct preflight_facts *f,
    const struct preflight *p, const char *plan_id);
/* Its steps alone, for what has no preflight of its own. */
void op_screen_steps(const struct cli *cli, const struct op *op);
/* Why it will not begin. */
void op_screen_refused(const struct cli *cli, const struct op *op, const struct preflight_facts *f,
    const struct preflight *p);

struct op_live *op_live_new(const struct cli *cli);
const struct op_observer *op_live_observer(struct op_live *l);
/* How it ended; e: why it did not end well. With -o json the document of the operation. */
void op_live_finish(struct op_live *l, const struct op *op, enum op_end end, const struct err *e,
    enum exit_code code);
void op_live_free(struct op_live *l);

#endif
