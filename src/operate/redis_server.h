/*
 * redis_server.h: one of the two Redis of a pair in the hands of an operation: one named connection. Who
 * connects ends those of the same name: a command of an operation that was thought dead, which still
 * stands before the server in some queue, is not carried out any more.
 *
 * Top to bottom: every call runs the loop until its answer came or limit_ms passed. A call whose limit
 * passed has lost the connection: what it asked for may still happen at the server.
 */
#ifndef OPERATE_REDIS_SERVER_H
#define OPERATE_REDIS_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/redis_history.h"

struct client;
struct config_pair;
struct endpoint;
struct loop;
struct redis_server;
struct str;
struct stream;
struct stream_events;

/* Finds where node is by the names as they are in the KV; connects to nothing. NULL with e. */
struct redis_server *redis_server_new(
    struct client *client, const struct config_pair *pair, const char *node, struct err *e);
void redis_server_free(struct redis_server *s); /* NULL is allowed */

/* Connects, unless it is. */
int redis_server_connect(struct redis_server *s, int64_t limit_ms, struct err *e);
bool redis_server_is_open(const struct redis_server *s);
const char *redis_server_node(const struct redis_server *s);
const struct endpoint *redis_server_at(const struct redis_server *s);

/* A connection of its own, for redis_tail.c: stream_open() as the pair wants it. NULL with e. */
struct stream *redis_server_stream(
    struct redis_server *s, const struct stream_events *events, void *arg, struct err *e);
/* Adds AUTH; false: there is no password. */
bool redis_server_add_auth(struct redis_server *s, struct str *out);
struct loop *redis_server_loop(const struct redis_server *s);

/* argv: NULL-terminated. An error that the server answers with is one here. */
int redis_server_ask(
    struct redis_server *s, int64_t limit_ms, const char *const *argv, struct err *e);
/* Of the last call: the text of the reply, of a list its last element; "" for none. */
const char *redis_server_text(const struct redis_server *s);
int64_t redis_server_number(const struct redis_server *s); /* a reply that is a number; 0 */
/* Of the last call: what the server said no with, "READONLY …"; "" when that was not it. */
const char *redis_server_refusal(const struct redis_server *s);

/* INFO */
int redis_server_look(
    struct redis_server *s, int64_t limit_ms, struct redis_info *out, struct err *e);

/* --- what operations do with it --------------------------------------------------------------------- */

/*
 * REDIS_NOWHERE in place of an endpoint: a replica of nobody, which takes no writes, keeps its data, its
 * own replicas and its place in the history. NULL: a master.
 */
extern const struct endpoint redis_nowhere;
#define REDIS_NOWHERE (&redis_nowhere)
int redis_server_replicate(
    struct redis_server *s, const struct endpoint *of, int64_t limit_ms, struct err *e);
/* A replica of that one, linked or not. */
bool redis_info_follows(const struct redis_info *info, const struct endpoint *of);

/*
 * A write that changes nothing: SETRANGE of an empty string on a key that is not there. 1: it takes
 * writes; 0: it does not, e says why; 2: our account may not try; -1. A server whose writers are paused
 * does not answer.
 */
int redis_server_takes_writes(struct redis_server *s, int64_t limit_ms, struct err *e);
/* One setting into out; "" when there is none of that name or it is not told. */
int redis_server_setting(struct redis_server *s, const char *name, int64_t limit_ms, char *out,
    size_t size, struct err *e);
int redis_server_set(
    struct redis_server *s, const char *name, const char *value, int64_t limit_ms, struct err *e);

#endif
