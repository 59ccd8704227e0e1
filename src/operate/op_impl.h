/* op_impl.h: for the op_*.c: what makes an operation, and how it is written down. */
#ifndef OPERATE_OP_IMPL_H
#define OPERATE_OP_IMPL_H

#include "operate/op.h"

struct kv_op;

/* --- op.c ---------------------------------------------------------------------------------------- */

bool op_flag(const struct op *op, size_t step, unsigned flag);
void op_tell(const struct op *op, size_t step, enum op_moment m);
void op_say(const struct op *op, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
double op_now_ms(const struct op *op); /* since it began */
/* For table->open: -1, as a server is in the way; ERR_CONFLICT: another pointsman is at work there. */
int op_no_server(struct op *op, const struct err *e);

/* --- op_runner.c --------------------------------------------------------------------------------- */

/* Since it began: when writes were refused first, perhaps by a process that has died since. NAN: never. */
double op_blocked_at_ms(const struct op *op);

/* --- op_journal.c -------------------------------------------------------------------------------- */

#define OP_KEY_PREFIX "ops/"

/* Under a new id, which is the next free one. */
int op_journal_create(struct op *op, struct err *e);
/*
 * The journal as it is now, in one transaction with the check of our lock and with (NULL: none) before
 * it. 0 with *index (of all that was written; NULL: not wanted); -1: ERR_CONFLICT: nothing was written,
 * the lock, the journal or what with wanted is not as we know it; ERR_UNKNOWN: nobody could be asked,
 * within limit_ms, whether it was written.
 */
int op_journal_write(
    struct op *op, const struct kv_op *with, int64_t limit_ms, uint64_t *index, struct err *e);
/* That of id: NULL with e (ERR_NOT_FOUND …). */
struct journal *op_journal_read(
    struct client *client, const char *id, uint64_t *index, struct err *e);

#endif
