/*
 * check.h: the words of checks: what is checked (a spec), what one run found (a result with its class
 * and numbers). Pure; who runs them is feature/checker, what it means in time is model/debounce.
 */
#ifndef MODEL_CHECK_H
#define MODEL_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/debounce.h"
#include "model/range.h"

struct server_view;

/* What a run found. The table behind check_class_*() has a line for each. */
enum check_class {
	CHECK_OK,
	CHECK_WARNING,     /* a number in its warning range, a plugin's exit 1 */
	CHECK_AUTH,        /* it answers, but not to this account */
	CHECK_TOO_MANY,    /* it answers: too many connections */
	CHECK_REFUSED,     /* nobody listens */
	CHECK_RESET,       /* closed on us in the middle */
	CHECK_TIMEOUT,     /* accepts or not, never answers */
	CHECK_UNREACHABLE, /* no route */
	CHECK_RESOLVE,     /* the target has no address */
	CHECK_TLS,
	CHECK_PROTOCOL,    /* answers nonsense, or something else listens there */
	CHECK_READ_ONLY,   /* the active refuses writes */
	CHECK_ROLE,        /* a writable standby, a replica where a master must be */
	CHECK_REPLICATION, /* stopped, either thread */
	CHECK_LAG,
	CHECK_DISK_FULL,
	CHECK_STOPPED, /* a daemon that must run here does not */
	CHECK_VALUE,   /* a number in its critical range, a plugin's exit 2, an unexpected answer */
	CHECK_MISSING, /* no such file, unit, key or row */
	CHECK_UNKNOWN, /* could not be checked: a plugin's exit 3, a program that is not there */
	CHECK_CLASS_COUNT
};

/* "ok", "refused", "too-many-connections" …: in JSON, in metrics, on screens. */
const char *check_class_name(enum check_class c);
int check_class_parse(const char *name, enum check_class *out); /* 0, or -1: no such class */
/* For people: "refused the connection". */
const char *check_class_text(enum check_class c);
/* Nagios' four: what debounce is fed, the exit code of a plugin. */
enum check_level check_class_level(enum check_class c);
/* Evidence that the server cannot take writes: only these can propose a failover. */
bool check_class_is_down(enum check_class c);
/* The server itself said it, over its protocol: no question of the way there. */
bool check_class_is_told(enum check_class c);

enum check_role {
	CHECK_ROLE_ANY,
	CHECK_ROLE_ACTIVE,  /* must be writable, a master */
	CHECK_ROLE_STANDBY, /* must be read-only and replicate */
};

#define CHECK_NAME_MAX 128 /* "maindb/db3" */
#define CHECK_TEXT_SIZE 512
#define CHECK_NUMBERS_MAX 24
#define CHECK_LABEL_SIZE 48

/* One number of a result, as Nagios' perfdata has it. */
struct check_number {
	char label[CHECK_LABEL_SIZE];
	double value;
	char unit[8]; /* "s", "B", "%", "c" (a counter) or "" */
	struct range warning, critical;
};

struct check_result {
	enum check_class class;
	char text[CHECK_TEXT_SIZE]; /* one line for people, printable whatever the peer said */
	int64_t took_us;
	struct check_number numbers[CHECK_NUMBERS_MAX];
	size_t number_count;
	struct server_view *view; /* mysql and redis, when they answered; owned; else NULL */
};

void check_result_clear(struct check_result *r);
/* Appends; silently drops what is too much. NULL ranges are none. */
void check_result_number(struct check_result *r, const char *label, double value, const char *unit,
    const struct range *warning, const struct range *critical);
/* Sets class and text, which is made printable and cut at its end. */
void check_result_set(struct check_result *r, enum check_class c, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* What is to be checked. Strings are the owner's (feature/config); NULL or 0 where not given. */
struct check_spec {
	char *name;
	char *pair, *node; /* a check of a pair: which one, and its server; else NULL */
	char *type;        /* of feature/check_type.h */
	char *target;      /* a name, a node or host:port; NULL: the types that need none */
	int port;          /* 0: the type's */
	char *credentials; /* an option file */
	char *query;       /* sql: the first column of the first row is the number */
	char *database;    /* sql, mysql: the default schema; redis: its number */
	char *path;        /* file: the file; http: "/health" */
	char *measure;     /* file: "age" or "size" */
	char *unit;        /* unit: "fees.service" */
	char *host;       /* http: the Host header; http, tcp, redis: the name in the certificate */
	char *expect;     /* http: text that the body must hold; tcp: that it must say */
	char **sentinels; /* redis: "host:port" of those to ask, NULL-terminated; NULL: none */
	char *sentinel_master; /* redis: what they call the pair; NULL: "mymaster" */
	char **command;        /* exec: argv, NULL-terminated, no shell */
	enum check_role role;
	bool is_tls;                       /* tcp, http, redis */
	char *ca_file;                     /* of the TLS above; NULL: the system's */
	struct range warning, critical;    /* of the type's main number */
	int64_t max_lag_ms, long_write_ms; /* 0: not asked */
	struct debounce_config timing;
};

void check_spec_clear(struct check_spec *s); /* frees what it holds */

#endif
