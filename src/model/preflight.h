/*
 * preflight.h: whether a pair could fail over now. Pure: the facts of the KV, the agents and both
 * servers in, a list of findings out. `pointsman doctor` shows it at any time; a failover refuses by it.
 */
#ifndef MODEL_PREFLIGHT_H
#define MODEL_PREFLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/sql_facts.h"

/* --- the facts --------------------------------------------------------------------------------- */

#define PREFLIGHT_TEXT_SIZE 512

struct redis_facts {
	struct server_view *view; /* owned */
	int64_t min_replicas;     /* -1: not known */
	int64_t sentinel_clients; /* connections that Sentinels have to it; -1: not known */
	/* 1, 0; -1: not known. */
	int is_read_only_replica; /* it takes no writes when it is a replica */
	int has_masterauth;       /* a password for its master */
};

/* Text in it is printable. Which of sql, redis there is says the kind of the pair; both owned. */
struct preflight_server {
	const char *node;
	char host[64]; /* its address */
	int port;
	bool is_reached;
	char error[PREFLIGHT_TEXT_SIZE]; /* why not */
	struct sql_facts *sql;
	struct redis_facts *redis;
	bool is_running;                /* a daemon; a Redis: as a master */
	char text[PREFLIGHT_TEXT_SIZE]; /* of its check, run now (redis, daemon) */
};

struct preflight_agent {
	const char *node;
	bool is_alive, serves; /* the current generation */
	char why[PREFLIGHT_TEXT_SIZE];
};

/* Starts all zero. Errors are "" where it is known. */
struct preflight_facts {
	const char *pair, *name; /* its name in the KV */
	const char *kind;        /* "mysql", "redis", "daemon" */
	int64_t max_lag_ms, long_write_ms;
	char kv_error[PREFLIGHT_TEXT_SIZE]; /* nothing of the KV is known */
	char session_error[PREFLIGHT_TEXT_SIZE];
	char value[PREFLIGHT_TEXT_SIZE]; /* of the name; "": there is none */
	char hold[PREFLIGHT_TEXT_SIZE];  /* who, since when, why; "": none */
	uint64_t generation;
	const char *without; /* agents that nobody waits for, "web-12,web-13"; NULL: none */
	struct preflight_agent *agents;
	size_t agent_count;
	struct preflight_server servers[2];
	size_t active;        /* which of them the KV names; else the one that is writable */
	bool is_active_known; /* the KV names one of them */
	char unfinished[32];  /* an operation on this pair that has not ended, its id; "": none */
	bool is_unfinished_held;              /* somebody is at it */
	char past_error[PREFLIGHT_TEXT_SIZE]; /* why no journal could be read; "": they were */
	int64_t rehearsed_ago_s; /* since the last rehearsal or failover; -1: never seen */
	/* Of an emergency: the active is said to be dead. */
	bool is_emergency;
	const char *dead_word;             /* the node that the operator says is dead; NULL: none */
	bool is_dead_seen;                 /* a majority of the vantages says so, of one that one */
	bool is_dead_confirmed;            /* by more than one of them */
	char dead_by[PREFLIGHT_TEXT_SIZE]; /* who says so of the vantages; "": nobody */
	char lost[PREFLIGHT_TEXT_SIZE];    /* what they last saw of it; "": nothing */
	int64_t settle_ms; /* how long the standby had to reach where the active was */
};

/* What it owns: the servers' facts and the list of agents. */
void preflight_facts_clear(struct preflight_facts *f);

/* --- the findings ------------------------------------------------------------------------------ */

enum preflight_level {
	PREFLIGHT_OK,
	PREFLIGHT_UNKNOWN, /* could not be looked at; a failover is refused by it */
	PREFLIGHT_WARNING, /* a failover would go, but something will hurt some day */
	PREFLIGHT_REFUSED,
};

const char *preflight_level_name(enum preflight_level l); /* "ok", "unknown", … */

struct preflight_finding {
	const char *name; /* of the rule: "replication" */
	enum preflight_level level;
	char *fact, *why, *todo; /* why and todo are "" where all is well */
};

/* Starts all zero. At least one finding a rule, in the order of the rules. */
struct preflight {
	struct preflight_finding *list;
	size_t count;
	const char *rule; /* at work */
};

void preflight_judge(const struct preflight_facts *f, struct preflight *out);
size_t preflight_count(const struct preflight *p, enum preflight_level l);
void preflight_clear(struct preflight *p);

#endif
