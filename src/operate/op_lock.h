/*
 * op_lock.h: locks/<pair>, held by a session of Consul while an operation runs. The session is renewed
 * by a timer whenever the loop turns; an operation that could not renew it for LOCK_SURE_MS stops by
 * itself, before anybody else can have the lock.
 */
#ifndef OPERATE_OP_LOCK_H
#define OPERATE_OP_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct client;
struct op_lock;

/* facts/consul.md, "Advised": TTL 15 s, renew every 5 s, abort after 10 s without a renewal. */
#define LOCK_TTL_MS 15000
#define LOCK_RENEW_MS 5000
#define LOCK_SURE_MS 10000

/* For others: who, doing what. Kept in the key as JSON. */
struct op_lock_words {
	const char *op, *by, *host, *what;
	int64_t pid, since_wall_s;
};

/*
 * 0; or -1: ERR_CONFLICT: e says who has it, since when, doing what. adopts: a session that may still
 * hold it, of an operation that is known to be dead on this host; NULL: none.
 */
int op_lock_take(struct op_lock **out, struct client *client, const char *pair,
    const struct op_lock_words *words, const char *adopts, struct err *e);
void op_lock_free(struct op_lock *l); /* gives it back; NULL is allowed */
/*
 * Somebody else is at work under the session that was adopted: op_lock_free() leaves it, and the lock, to them. Of
 * a session of our own it changes nothing.
 */
void op_lock_disown(struct op_lock *l);

/* Without taking it: 1, free; 0, somebody has it: e says who, since when, doing what; -1: the KV. */
int op_lock_is_free(struct client *client, const char *pair, struct err *e);

const char *op_lock_key(const struct op_lock *l);
const char *op_lock_session(const struct op_lock *l);
/* Ours, and renewed lately: 0; else -1 with how long ago. */
int op_lock_is_sure(const struct op_lock *l, struct err *e);

#endif
