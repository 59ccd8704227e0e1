/*
 * op_command.h: the programs that an operation runs on the operator's host, top to bottom: each call
 * runs the loop until the program has ended, so that a session renewed by a timer stays alive meanwhile.
 * No shell, nothing of ours but the environment, without CONSUL_HTTP_TOKEN (io/exec.h). They are tied to
 * us, whatever spec says of it: a start that goes on when its operation was killed would bring up the second
 * daemon behind the rollback.
 */
#ifndef OPERATE_OP_COMMAND_H
#define OPERATE_OP_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "io/exec.h"

struct loop;
struct str;

/*
 * 0: it ended by itself, and out->exit_status is what it said. -1 with e: it could not be started, was
 * ended by a signal, ran into its limit (ERR_TIMEOUT), or is_canceled (NULL: nobody asks; asked some
 * twenty times a second) said so and it was killed (ERR_CANCELED). It may have done all or a part of its
 * work then; out is what is known of it.
 */
int op_program_run(struct loop *l, const struct exec_spec *spec, bool (*is_canceled)(void *arg),
    void *arg, struct exec_result *out, struct err *e);

/*
 * The same for the start, stop and status of daemons, and for fence-command: {node} and {address} in
 * argv stand for the server. address "" or NULL: it is not known, and with {address} in argv nothing is
 * run (ERR_NOT_FOUND).
 */
int op_command_run(struct loop *l, char *const *argv, const char *node, const char *address,
    int64_t limit_ms, bool (*is_canceled)(void *arg), void *arg, struct exec_result *out,
    struct err *e);

/* How it ended, for a person: "ended with status 3: no such unit", with the first line that it wrote. */
void op_program_add_end(struct str *out, const struct exec_result *r);

#endif
