/*
 * sql_replication.h: the replication of one server of a pair, looked at and switched. All sources of a
 * server at once: in a pair of masters each has the other one, and what else it follows is no business of
 * a failover.
 */
#ifndef OPERATE_SQL_REPLICATION_H
#define OPERATE_SQL_REPLICATION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "operate/sql_server.h"

struct server_view;

/* What a check would see of it; server_view_free() it. */
int sql_server_look(
    struct sql_server *s, int64_t limit_ms, struct server_view **out, struct err *e);

/* The receiving thread alone, or both. Idempotent. 0 or -1. */
int sql_server_stop_receiving(struct sql_server *s, int64_t limit_ms, struct err *e);
int sql_server_start_receiving(struct sql_server *s, int64_t limit_ms, struct err *e);
int sql_server_stop_replication(struct sql_server *s, int64_t limit_ms, struct err *e);
int sql_server_start_replication(struct sql_server *s, int64_t limit_ms, struct err *e);

/*
 * MariaDB only: what position says and replication did not bring (a replay of errant transactions) is not
 * executed again; s must have it, and must not replicate. A MySQL knows by itself.
 */
int sql_server_pass(struct sql_server *s, const char *position, int64_t limit_ms, struct err *e);

/* Whether starting it loses nothing: 0, or -1; ERR_CONFLICT: it would (replication_start_empties). */
int sql_server_may_start(struct sql_server *s, int64_t limit_ms, struct err *e);

struct sql_left {
	double count;    /* transactions received and not executed */
	bool is_growing; /* its source still sends */
};

/* All that was received is executed: 1, 0 with what is left in *left and e, -1: it stands, and why. */
int sql_server_is_drained(
    struct sql_server *s, int64_t limit_ms, struct sql_left *left, struct err *e);
/*
 * Both threads of every source run: 1, 0 (e: which does not, and its error; ERR_CONFLICT: of a transaction
 * that it cannot execute, and will not by waiting), -1.
 */
int sql_server_replicates(struct sql_server *s, int64_t limit_ms, struct err *e);
/* Neither does, of any source, or tries to. */
int sql_server_is_stopped(struct sql_server *s, int64_t limit_ms, struct err *e);

/*
 * Whether its commits wait for a replica (semi-sync, as a source): 1, 0, or 0 where it has no such thing;
 * -1 failed.
 */
int sql_server_waits_for_replica(struct sql_server *s, int64_t limit_ms, struct err *e);
int sql_server_set_semi_sync(struct sql_server *s, bool on, int64_t limit_ms, struct err *e);

#endif
