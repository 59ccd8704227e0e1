/*
 * op_hooks.h: the programs that are told of an operation: the pair's own (pre-hook, post-hook,
 * failed-hook) and those of hook blocks, in the convention of the daemon's hooks: JSON on standard
 * input, CONSUL_INDEX in the environment. Other than those they are run once, and waited for.
 */
#ifndef OPERATE_OP_HOOKS_H
#define OPERATE_OP_HOOKS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct config;
struct config_pair;
struct loop;

enum op_hook_event {
	OP_HOOK_BEGIN,  /* pre-hook, op-begin: before anything is touched; may refuse it */
	OP_HOOK_DONE,   /* post-hook, op-done */
	OP_HOOK_FAILED, /* failed-hook, op-failed: it failed or was undone */
};

/* Whether anybody is to be told. pair: NULL for an operation that has none. */
bool op_hooks_any(const struct config *c, const struct config_pair *pair, enum op_hook_event event);

/*
 * Runs the pair's own hook and then those of hook blocks in the order of the file, one after the other,
 * each with its limit; runs the loop until they have ended. To a copy of document (an object, or NULL)
 * "event" and "generation" are added. 0: all succeeded, or there were none. -1: e names the hook, how it
 * ended and its first line of output; of OP_HOOK_BEGIN the first failure ends it, of the others all are
 * run and the first failure is told.
 */
int op_hooks_run(struct loop *l, const struct config *c, const struct config_pair *pair,
    enum op_hook_event event, uint64_t generation, const json_t *document, struct err *e);

#endif
