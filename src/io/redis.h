/*
 * redis.h: commands to one Redis server (or Sentinel) over one kept connection, without waiting. It is
 * opened by the first command and again by the first after it broke. Commands are pipelined: replies
 * come in their order.
 *
 * The process must ignore SIGPIPE where TLS is used (io/stream.h).
 */
#ifndef IO_REDIS_H
#define IO_REDIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "io/endpoint.h"
#include "io/fault.h"
#include "io/resp.h"
#include "io/stream.h"

struct loop;
struct redis;
struct redis_call;

struct redis_config {
	struct endpoint endpoint;
	const char *user;             /* NULL: the default user; only with a password */
	const char *password;         /* NULL: no AUTH */
	const char *database;         /* NULL: as the server starts */
	const struct stream_tls *tls; /* NULL: in the clear */
	size_t max_reply;             /* 0: 1 MB */
};

struct redis_reply {
	/*
	 * ERR_NONE: the server has answered, perhaps with an error of its own (RESP_ERROR). When it
	 * refuses AUTH or SELECT, every command that waited gets that error as its reply.
	 */
	struct err err;
	enum fault fault;
	const struct resp_value *value; /* NULL with an err */
	bool is_sent;                   /* on an err: the server may have carried it out */
	int64_t took_us;                /* with the connecting, where that was needed */
};

/* reply lives as long as the call. done may start, cancel and free at will, redis_free() included. */
typedef void redis_done_fn(const struct redis_reply *reply, void *arg);

struct redis *redis_new(
    struct loop *l, const struct redis_config *config); /* copies what it needs */
void redis_free(struct redis *r); /* cancels what is under way; NULL is allowed */

/* Connected (and let in) at this moment, as far as is known. */
bool redis_is_open(const struct redis *r);

/*
 * argv: NULL-terminated, copied. Never fails: errors come to done. When limit_ms passes, the connection
 * is closed, for its replies can no longer be told apart: all commands that wait fail by it. To be told
 * apart from a time out, a command whose connection broke has FAULT_RESET.
 */
struct redis_call *redis_start(
    struct redis *r, const char *const *argv, int64_t limit_ms, redis_done_fn *done, void *arg);
/* done is not called; what was sent is not taken back. NULL is allowed. */
void redis_cancel(struct redis_call *c);

#endif
