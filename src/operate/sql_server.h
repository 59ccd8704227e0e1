/*
 * sql_server.h: one of the two databases of a pair in the hands of an operation: a connection that holds
 * the pair's GET_LOCK, so that an operation which was thought dead loses its connection, and with it any
 * statement under way, before the next one acts (sql_server_lock).
 *
 * Top to bottom: every call runs the loop until its answer came or limit_ms passed. A call whose limit
 * passed has lost the connection: what it asked for may still happen at the server.
 */
#ifndef OPERATE_SQL_SERVER_H
#define OPERATE_SQL_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/rows.h"
#include "model/gtid.h"

struct client;
struct config_pair;
struct endpoint;
struct sql_server;

/* Finds where node is by the names as they are in the KV; connects to nothing. NULL with e. */
struct sql_server *sql_server_new(
    struct client *client, const struct config_pair *pair, const char *node, struct err *e);
void sql_server_free(struct sql_server *s); /* NULL is allowed */

/* Connects, unless it is. */
int sql_server_connect(struct sql_server *s, int64_t limit_ms, struct err *e);
bool sql_server_is_open(const struct sql_server *s);
const char *sql_server_node(const struct sql_server *s);
const struct endpoint *sql_server_at(const struct sql_server *s);
bool sql_server_is_mariadb(const struct sql_server *s);
enum gtid_dialect sql_server_dialect(const struct sql_server *s);

/*
 * GET_LOCK of the pair. takes: whoever holds it is disconnected first (its owner lost Consul's lock to
 * us); else ERR_CONFLICT names the session.
 */
int sql_server_lock(struct sql_server *s, bool takes, int64_t limit_ms, struct err *e);

/* rows (NULL: not wanted) is cleared first and the caller's to clear. */
int sql_server_ask(
    struct sql_server *s, const char *sql, int64_t limit_ms, struct rows *rows, struct err *e);
/* Of the last call: the server's error (1205), the library's (2013), 0. */
unsigned sql_server_number(const struct sql_server *s);
/* The first column of the first row into out ("" for NULL): 0 or -1. */
int sql_server_value(
    struct sql_server *s, const char *sql, int64_t limit_ms, char *out, size_t size, struct err *e);

/* --- what operations do with it --------------------------------------------------------------------- */

/* It takes writes from nobody but replication (and, on a MariaDB, READ ONLY ADMIN): 1, 0 or -1. */
int sql_server_is_fenced(struct sql_server *s, int64_t limit_ms, struct err *e);
/* It takes writes from everybody: 1, 0 or -1. A MySQL may be neither. */
int sql_server_is_writable(struct sql_server *s, int64_t limit_ms, struct err *e);
/* Fences (true) or lifts. Any error means: not known, read it back. */
int sql_server_set_read_only(struct sql_server *s, bool on, int64_t limit_ms, struct err *e);
/*
 * Whether a session that MariaDB's read_only does not stop was at work within the last second, with a schema or
 * with a statement that writes: 1, 0 (also where our account sees no other, and on MySQL), -1.
 */
int sql_server_has_passer(struct sql_server *s, int64_t limit_ms, struct err *e);
/* All that it has executed, as the other one has to reach it; malloc'ed in *out. */
int sql_server_position(struct sql_server *s, int64_t limit_ms, char **out, struct err *e);
/* What it wrote itself, and did not receive: stands still while it is fenced; malloc'ed in *out. */
int sql_server_written(struct sql_server *s, int64_t limit_ms, char **out, struct err *e);
/* Whether it has executed position: 1, 0 with how much is missing in e, -1. Returns at once. */
int sql_server_has(struct sql_server *s, const char *position, int64_t limit_ms, struct err *e);

#endif
