/*
 * name_map.h: the heart of pointsman: which name has which addresses, decided from what Consul says
 * now and what we knew before. Pure: no clock, no I/O; the same inputs give the same map everywhere.
 *
 * The promise kept here: a name that was in the map stays in it until somebody deletes its key, and
 * keeps its last good value while the new one cannot be understood or resolved.
 */
#ifndef MODEL_NAME_MAP_H
#define MODEL_NAME_MAP_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/name.h"

/* --- what comes in ------------------------------------------------------------------------- */

/* A key below the names prefix, without the prefix, and its bytes as found. Sorted by key. */
struct raw_name {
	const char *key;
	size_t key_len; /* a key may hide a NUL: strlen() does not see all of it */
	const char *value;
	size_t value_len;
};

/* A node as the catalog or nodes/ says it: nothing validated. An override wins over the catalog. */
struct raw_node {
	const char *node;
	const char *address;
	const char *const *meta; /* key, value, key, value …, NULL; or NULL */
	bool is_override;
};

/* --- the nodes we know ----------------------------------------------------------------------- */

struct node {
	char *node;
	char address[ADDRESS_SIZE];
	bool is_ipv6;
	bool is_last_known; /* gone from the catalog; this was its last address */
	char **meta;	    /* as in raw_node, printable */
};

/* Sorted by node. */
struct node_table {
	struct node *nodes;
	size_t count;
	struct rejected_node {
		char *node; /* printable */
		char *why;
	} *rejected;
	size_t rejected_count;
};

/*
 * The nodes of now over those of before: a node that is missing or whose new address is not valid
 * keeps its old one and is last known. before may be NULL. A node that nobody names any more is
 * dropped with keep == NULL or when keep says so.
 */
void node_table_build(struct node_table *out, const struct raw_node *raw, size_t count,
    const struct node_table *before, bool (*keep)(const char *node, void *arg), void *arg);
const struct node *node_table_find(const struct node_table *t, const char *node);
void node_table_clear(struct node_table *t);

/* --- the map ----------------------------------------------------------------------------------- */

struct name_address {
	char address[ADDRESS_SIZE];
	const char *node; /* into the value's text; the literal itself when the value is an address */
	bool is_ipv6;
	bool is_last_known;
};

struct name {
	char *name;
	char *value; /* the good one, normalised: "db3" or "db3,db4" */
	struct name_address *addresses;
	size_t count;
	bool is_held; /* hold/<name> keeps it where it is */
};

struct rejected {
	char *name;  /* printable */
	char *value; /* printable and shortened */
	char *why;
	char *kept; /* the value that stays in force, NULL: the name is not in the map */
};

/* Sorted by name. Reference-counted: outputs at work keep the map they began with. */
struct name_map {
	int refs;
	uint64_t generation;
	bool has_canary;
	struct name *names;
	size_t count;
	struct rejected *rejected;
	size_t rejected_count;
	struct node_table nodes;
	char digest[72]; /* over names, values and addresses: what `pointsman accept` names */
};

/*
 * held(name) tells whether hold/<name> is set. nodes is taken over. before may be NULL: then a name
 * that cannot be resolved is rejected and not in the map.
 */
struct name_map *name_map_build(uint64_t generation, const struct raw_name *raw, size_t count,
    struct node_table *nodes, const struct name_map *before,
    bool (*held)(const char *name, void *arg), void *arg);
struct name_map *name_map_ref(struct name_map *m);
void name_map_unref(struct name_map *m); /* NULL is allowed */
const struct name *name_map_find(const struct name_map *m, const char *name);

/* --- what changed -------------------------------------------------------------------------------- */

enum name_change_kind { NAME_ADDED, NAME_REMOVED, NAME_MOVED /* value */, NAME_READDRESSED };

struct name_change {
	enum name_change_kind kind;
	const struct name *before, *after; /* NULL for added, removed; into the maps */
};

/* Sorted by name; free(*out). before may be NULL (everything is added). */
size_t name_map_diff(const struct name_map *before, const struct name_map *after,
    struct name_change **out);

/* --- the guard ----------------------------------------------------------------------------------- */

struct guard_limits {
	double max_removal; /* share of the names; one may always go */
};

/* Whether after may replace before (what is served now; NULL: nothing yet). 0, or -1: e says why not. */
int guard_check(const struct guard_limits *limits, const struct name_map *before,
    const struct name_map *after, bool was_canary_seen, struct err *e);

/* --- to and from disk ---------------------------------------------------------------------------- */

json_t *name_map_to_json(const struct name_map *m);
struct name_map *name_map_from_json(const json_t *j, struct err *e);

#endif
