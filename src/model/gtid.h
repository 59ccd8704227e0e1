/*
 * gtid.h: arithmetic of what servers have executed. Pure.
 *
 * MySQL: "uuid:1-5:7,uuid:tag:1-3", a set of intervals. MariaDB: "0-1-120,0-2-90", the last number of each
 * domain and server; here it stands for all numbers up to it, which is what a comparison of two of them
 * means, and makes a count an upper bound: servers of one domain share its numbers.
 */
#ifndef MODEL_GTID_H
#define MODEL_GTID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum gtid_dialect { GTID_MARIADB, GTID_MYSQL };

struct gtid_range {
	uint64_t first, last;
};

#define GTID_SOURCE_SIZE 72 /* a UUID, ':', a tag of 32; or "domain-server" */

struct gtid_source {
	char name[GTID_SOURCE_SIZE];
	struct gtid_range *ranges; /* ascending, never touching; at least one */
	size_t count;
};

/* Starts all zero: empty. Sources are sorted by name. */
struct gtid_set {
	struct gtid_source *sources;
	size_t count;
};

/* Whitespace and newlines are allowed between members. 0, or -1 (ERR_PROTOCOL) with out untouched. */
int gtid_parse(enum gtid_dialect dialect, const char *text, struct gtid_set *out, struct err *e);
void gtid_clear(struct gtid_set *s);

/* One more, of a source by its name; gtid_tidy() before the set is used in any other way. */
void gtid_add(struct gtid_set *s, const char *name, uint64_t number);
void gtid_tidy(struct gtid_set *s);
bool gtid_has(const struct gtid_set *s, const char *name, uint64_t number);

uint64_t gtid_count(const struct gtid_set *s);
/* What a has and b does not, into out, which is overwritten and must be neither. */
void gtid_subtract(const struct gtid_set *a, const struct gtid_set *b, struct gtid_set *out);
bool gtid_contains(const struct gtid_set *a, const struct gtid_set *b); /* all of b */
/* Leaves only what that server wrote: its server_uuid on MySQL, its server_id on MariaDB. */
void gtid_keep_server(enum gtid_dialect dialect, struct gtid_set *s, const char *server);
void gtid_format(enum gtid_dialect dialect, const struct gtid_set *s, struct str *out);

/*
 * How many transactions are received and not executed. MariaDB: by domain, as positions are, whoever
 * wrote them. NAN when one of them is no such set.
 */
double gtid_behind(enum gtid_dialect dialect, const char *received, const char *executed);

/*
 * MariaDB: the position of a server of that id, moved on in each domain in which other is further by what
 * another server wrote; into out. False, and nothing is added to out: in none, or one is no position.
 */
bool gtid_advance(const char *position, const char *other, const char *server, struct str *out);

#endif
