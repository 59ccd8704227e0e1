/*
 * name_map.h: the heart of pointsman: which name has which addresses, decided from what Consul says
 * now and what we knew before. Pure: no clock, no I/O; the same inputs give the same map everywhere.
 *
 * The promise kept here: a name that was in the map stays in it until somebody deletes its key, and
 * keeps its last good value while the new one cannot be understood or resolved.
 *
 * Tables and maps are made once and never changed, so they are shared by reference: outputs at work
 * keep the map they began with, and a flip builds on the node table of the flip before.
 */
#ifndef MODEL_NAME_MAP_H
#define MODEL_NAME_MAP_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "model/name.h"

struct name_map;

/* --- what comes in ------------------------------------------------------------------------- */

/* A key below the names prefix, without the prefix, and its bytes as found. */
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
	bool has_nul; /* bytes of the node or address were hidden behind a NUL: rejected */
};

/* --- the nodes we know ----------------------------------------------------------------------- */

#define NODE_META_MAX 64 /* pairs, Consul's own limit (structs.metaMaxKeyPairs) */

struct node {
	const char *node;
	const char *address;
	const char *const *meta; /* as in raw_node, printable; never NULL */
	bool is_ipv6;
	bool is_last_known; /* gone from the catalog; this was its last address */
};

struct rejected_node {
	const char *node; /* printable */
	const char *why;
};

/* Sorted by node. */
struct node_table {
	int refs;
	struct arena arena; /* all that the table points to */
	struct node *nodes;
	size_t count;
	struct rejected_node *rejected; /* the first REJECTED_MAX of them */
	size_t rejected_count;
	size_t rejected_total;
};

/*
 * The nodes of now. A node that is missing, or whose new address is not valid, keeps the address it
 * had in before (NULL: nothing known) and is last known, as long as a name of before needs it.
 */
struct node_table *node_table_build(
    const struct raw_node *raw, size_t count, const struct name_map *before);
struct node_table *node_table_ref(struct node_table *t);
void node_table_unref(struct node_table *t); /* NULL is allowed */
const struct node *node_table_find(const struct node_table *t, const char *node); /* or NULL */

/* --- the map ----------------------------------------------------------------------------------- */

#define REJECTED_MAX 1000 /* listed; more are only counted: a hostile prefix may hold a million */
#define NODE_NONE UINT32_MAX

struct name_address {
	const char *address;
	const char *node; /* the literal itself when the value is an address */
	uint32_t
	    node_at; /* its place in the map's nodes; NODE_NONE: a literal, or not there any more */
	bool is_ipv6;
	bool is_last_known;
};

struct name {
	const char *name;
	const char *value;              /* the good one, normalised: "db3" or "db3,db4" */
	struct name_address *addresses; /* in the order of the value */
	uint32_t count;
	bool is_held; /* hold/<name> keeps it where it is */
};

struct rejected {
	const char *name;  /* printable */
	const char *value; /* printable and shortened */
	const char *why;
	const char *kept; /* the value that stays in force, NULL: the name is not in the map */
};

/* Sorted by name. */
struct name_map {
	int refs;
	uint64_t generation;
	bool has_canary;
	struct arena arena; /* all that the map points to, but for the nodes */
	struct name *names;
	size_t count;
	struct rejected *rejected; /* the first REJECTED_MAX of them */
	size_t rejected_count;
	size_t rejected_total;
	struct node_table *nodes;
	char digest[72]; /* made when first asked for: name_map_digest() */
};

struct name_map_input {
	uint64_t generation;
	const struct raw_name *raw; /* in any order; fastest in the order of their keys */
	size_t count;
	struct node_table *nodes;      /* the map takes a reference of its own */
	const struct name_map *before; /* what is served; NULL: nothing known yet */
	const char *domain;            /* "service.consul": names may not end in it; NULL: none */
	bool (*held)(
	    const char *name, void *arg); /* whether hold/<name> is set; NULL: nothing is held */
	void *arg;
};

/*
 * A held name stays exactly as it is in before, also when its key is gone. A name whose value cannot
 * be used stays as in before, too, but its addresses follow its nodes; when before does not have it,
 * it is rejected and not in the map.
 */
struct name_map *name_map_build(const struct name_map_input *in);
struct name_map *name_map_ref(struct name_map *m);
void name_map_unref(struct name_map *m);                                      /* NULL is allowed */
const struct name *name_map_find(const struct name_map *m, const char *name); /* or NULL */
/* Whether an address of it is one that no catalog confirms any more; how many names are so. */
bool name_is_last_known(const struct name *n);
size_t name_map_count_last_known(const struct name_map *m);
/* "sha256:…" over names, values and addresses alone: what `pointsman accept` names. */
const char *name_map_digest(struct name_map *m);

/* --- what changed -------------------------------------------------------------------------------- */

enum name_change_kind { NAME_ADDED, NAME_REMOVED, NAME_MOVED /* value */, NAME_READDRESSED };

const char *name_change_kind_name(enum name_change_kind kind); /* "added" */

struct name_change {
	enum name_change_kind kind;
	const struct name *before, *after; /* NULL for added, removed; into the maps */
};

/* Sorted by name; free(*out). before may be NULL (everything is added). */
size_t name_map_diff(
    const struct name_map *before, const struct name_map *after, struct name_change **out);

/* --- the guard ----------------------------------------------------------------------------------- */

struct guard_limits {
	double max_removal; /* share of the names; one may always go */
};

/* Whether after may replace before (what is served now; NULL: nothing yet). 0, or -1: e says why not. */
int guard_check(const struct guard_limits *limits, const struct name_map *before,
    const struct name_map *after, bool was_canary_seen, struct err *e);

/* --- to and from disk ---------------------------------------------------------------------------- */

/*
 * Appends the map as one JSON object. Text, not a json_t: a tree of ten thousand names would cost
 * more memory than the daemon has to itself.
 */
void name_map_add_json(struct str *out, const struct name_map *m);
/* Trusts nothing: whatever the document says, the result is a valid map, or NULL. */
struct name_map *name_map_from_json(const json_t *j, struct err *e);

#endif
