/*
 * client.h: the configuration and the KV for one run of a command, and writes that are verified. What
 * goes wrong is told by cli/client_report.h.
 */
#ifndef OPERATE_CLIENT_H
#define OPERATE_CLIENT_H

#include <stdint.h>

#include "base/err.h"
#include "feature/config.h"
#include "io/kv_wait.h"

struct loop;

#define CLIENT_LIMIT_MS 10000 /* for each call: Consul holds a request about 7 s without a leader */

struct client {
	struct config *config;
	struct loop *loop;
	struct kv *kv;
	struct kv_waiter wait;
};

/*
 * Takes config (also when it fails) and makes ready to talk to its KV; connects to nothing yet. 0, or -1.
 * client_close() in either case.
 */
int client_connect(struct client *client, struct config *config, struct err *e);
void client_close(struct client *client);

/* Waits while the loop runs: -1 when it was interrupted. */
int client_sleep(struct client *client, int64_t ms);

/* --- writes -------------------------------------------------------------------------------------- */

enum write_state {
	WRITE_DONE,     /* read back: it is there */
	WRITE_CONFLICT, /* somebody else was first; nothing was written */
	WRITE_NOT_DONE, /* it failed, and nothing was written */
	WRITE_UNKNOWN,  /* it failed, and nobody could be asked whether it was written */
};

struct write_result {
	enum write_state state;
	uint64_t index; /* of the last operation's key as read back; 0: not there, or not read */
	struct err err; /* of the write; for all but WRITE_DONE */
};

/*
 * One transaction, and then a consistent look at the key of its last operation, which must be a
 * KV_OP_CAS or KV_OP_DELETE_CAS: only what was read back is called done. An error of the
 * write may have happened before or behind the commit (facts/consul.md): the look decides.
 */
void client_write(
    struct client *client, const struct kv_op *ops, size_t count, struct write_result *out);

#endif
