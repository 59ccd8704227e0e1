/*
 * server_view.h: what a check of a database server saw of it: is it writable, from whom does it
 * replicate and how far, what it has executed. Filled by the mysql and redis checks, read by pairs,
 * proposals and screens.
 */
#ifndef MODEL_SERVER_VIEW_H
#define MODEL_SERVER_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum server_kind { SERVER_MARIADB, SERVER_MYSQL, SERVER_REDIS, SERVER_DAEMON };

const char *server_kind_name(enum server_kind k); /* "mariadb" … */

#define SERVER_ERROR_SIZE 512
#define SERVER_GTID_MAX 65536 /* a longer set is cut, and is_gtid_cut says so */

/* One source that a server replicates from. */
struct replication_view {
	char channel[65]; /* MariaDB's connection name, MySQL's channel */
	char source_host[256];
	int source_port;
	bool is_io_running; /* receives (Redis: the link is up) */
	bool is_io_connecting;
	bool is_sql_running; /* applies */
	int io_errno, sql_errno;
	char io_error[SERVER_ERROR_SIZE], sql_error[SERVER_ERROR_SIZE]; /* printable */
	double lag_s;                                                   /* NAN: not known */
	double behind; /* transactions (Redis: bytes) received and not applied; NAN: not known */
	uint64_t received;   /* heartbeats and bytes or positions: grows while the source lives */
	double heartbeat_s;  /* the period it expects of its source; 0: none */
	char *gtid_received; /* NULL: not known */
};

struct server_view {
	enum server_kind kind;
	char version[64];
	char server_id[64]; /* MySQL: the UUID; MariaDB: the id; Redis: run_id */
	bool is_writable;   /* read_only, super_read_only off; a Redis master; a daemon that runs */
	bool is_read_only, is_super_read_only;
	struct replication_view *sources;
	size_t source_count;
	char *
	    gtid_executed; /* MariaDB: gtid_binlog_state; MySQL: gtid_executed; Redis: replid:offset */
	bool is_gtid_cut;
	uint64_t sessions, session_limit;
	double longest_write_s; /* NAN: not known */
	char restart[256];  /* what its configuration does at the next start; "" : as it should */
	char sentinel[256]; /* Redis: what a sentinel says of it; "": none asked */
	int64_t seen_ms;    /* the caller's monotonic clock; set by the checker */
};

struct server_view *server_view_new(enum server_kind kind);
void server_view_free(struct server_view *v);
/* A further source, all zero but NAN where not known. */
struct replication_view *server_view_source(struct server_view *v);

/* Neither thread runs, or tries to. */
bool replication_is_stopped(const struct replication_view *r);
/*
 * Whether the next start of its replication throws away what it has received and not executed: a MariaDB with
 * GTIDs of which both threads are stopped empties its relay log when either is started (10.11, measured).
 */
bool replication_start_empties(enum server_kind kind, const struct replication_view *r);
#define REPLICATION_LEFT_SIZE 320
/* What was received and nobody executes, as the predicate of a sentence about the server: "has 5 …". */
char *replication_say_left(char out[REPLICATION_LEFT_SIZE], const struct replication_view *r);

#endif
