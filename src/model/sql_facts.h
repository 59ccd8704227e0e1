/*
 * sql_facts.h: what is asked of a MariaDB or a MySQL before it takes part in a failover, beyond what a
 * check looks at (mysql_view.h), and how the rows become facts. Pure; every statement only reads.
 */
#ifndef MODEL_SQL_FACTS_H
#define MODEL_SQL_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rows.h"
#include "model/gtid.h"
#include "model/mysql_view.h"
#include "model/server_view.h"

/* What one question is about. Each may fail by itself, for want of a privilege mostly. */
enum sql_topic {
	SQL_SETTINGS,
	SQL_SOURCES,
	SQL_PRIVILEGES, /* our own */
	SQL_ACCOUNTS,   /* those that write in spite of read_only */
	SQL_SESSIONS,
	SQL_XA,
	SQL_GTIDS,
	SQL_TOPIC_COUNT
};

/* One that the server replicates from; as many, and in the order, as the view's sources. */
struct sql_source {
	uint64_t server_id;        /* 0: it has never been connected */
	uint64_t retries, retry_s; /* 0: the server does not tell */
};

/* An account with the privilege that lets it, or the sessions of one user from one host. */
/* Of a column INFO of the process list: a statement that writes. */
#define SQL_STATEMENT_WRITES "INFO REGEXP '^[[:space:]]*(insert|update|delete|replace|load|call)'"

struct sql_account {
	char user[128], host[256], privilege[64];
	uint64_t sessions, session_id; /* session_id: of one of them */
	/* Of sessions, the one that was last at work: with a schema, or a statement that writes. 0: none. */
	uint64_t work_id, work_ago_s;
	bool is_busy; /* with that statement, for work_ago_s */
	char schema[128];
};

struct sql_accounts {
	struct sql_account *list;
	size_t count;
};

#define SQL_UNKNOWN_SIZE 256

struct sql_facts {
	struct server_view *view; /* owned */
	struct mysql_extra extra;
	char unknown[SQL_TOPIC_COUNT][SQL_UNKNOWN_SIZE]; /* why the topic is not known; "": it is */
	bool is_denied[SQL_TOPIC_COUNT]; /* and that our account lacks a privilege for it */
	/* SQL_SETTINGS */
	uint64_t server_id, auto_increment, auto_offset, sync_binlog, flush_at_commit;
	char binlog_format[16];
	bool has_binlog, logs_replica_updates, has_gtids, is_semi_sync_asked;
	struct sql_source *sources; /* view->source_count of them, or NULL */
	char *privileges;           /* ",PROCESS,BINLOG MONITOR,": those ON *.*, upper case */
	struct sql_accounts accounts, sessions;
	uint64_t xa_open; /* prepared, neither committed nor rolled back */
	char *executed;   /* all that it has, of whatever origin */
	char *position;   /* what the other one has to reach */
};

struct sql_facts *sql_facts_new(enum server_kind kind, const char *version);
void sql_facts_free(struct sql_facts *f); /* NULL is allowed */

enum gtid_dialect sql_facts_dialect(const struct sql_facts *f);
/* 101119, 90704; 0: cannot be read. */
uint64_t sql_facts_version(const struct sql_facts *f);
/* ON *.*, by the name that SHOW GRANTS has. */
bool sql_facts_may(const struct sql_facts *f, const char *privilege);

struct sql_question {
	enum sql_topic topic;
	const char *mariadb, *mysql;
	void (*read)(const struct rows *rows, struct sql_facts *f);
};

/* In this order, after the view's; NULL at the end. SQL_GTIDS is asked by sql_question_gtids() alone. */
const struct sql_question *sql_question_at(size_t i);
const struct sql_question *sql_question_gtids(void);

#endif
