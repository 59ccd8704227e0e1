/*
 * client.h: the configuration and the KV for one run of a command, and writes that are verified.
 */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include <stdint.h>

#include "base/err.h"
#include "cli/exit_code.h"
#include "feature/config.h"
#include "io/kv_wait.h"

struct cli;
struct loop;

#define CLIENT_LIMIT_MS 10000 /* for each call: Consul holds a request about 7 s without a leader */

struct client {
	struct config *config;
	struct loop *loop;
	struct kv *kv;
	struct kv_waiter wait;
};

/* The configuration alone; all its problems are reported. */
enum exit_code client_load_config(const struct cli *cli, struct config **out);

/* Connects to nothing yet. Not EXIT_DONE: reported; close it anyway. */
enum exit_code client_open(struct client *client, const struct cli *cli);
/* The same without a word to the operator: 0 or -1. */
int client_open_quietly(struct client *client, const struct cli *cli);
void client_close(struct client *client);

/*
 * An error of the KV on its way to the operator: what was being tried ("reading the names"), the
 * error, why it matters and what to do about this kind of error, which comes from a table.
 */
enum exit_code client_report_err(
    const struct client *client, const struct cli *cli, const struct err *e, const char *what);

/* What to do about such an error, for those who tell it in words of their own; NULL: nothing. */
const char *client_advise(const struct client *client, const struct err *e);

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

/* Reports every state but WRITE_DONE; what is "maindb = db4". */
enum exit_code client_report_write(const struct client *client, const struct cli *cli,
    const struct write_result *w, const char *what);

#endif
