/*
 * canary.h: the key <names>.pointsman. It has two jobs:
 *
 *   canary  a list of names that does not show it, once it has been seen, was filtered, wiped or
 *           cut short, and is not believed (design, section 4);
 *   bell    `pointsman hold`, `release` and `accept` write their own key and rewrite this one in
 *           ONE transaction. Agents watch the names anyway, so they wake, see that its modify_index
 *           changed, and read the holds again before they use the answer.
 */
#ifndef FEATURE_CANARY_H
#define FEATURE_CANARY_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "io/kv.h"

#define CANARY_CLUSTER_SIZE 37  /* a UUID and its NUL */
#define CANARY_TOUCHED_SIZE 32  /* "2026-11-21T22:37:04.118Z" */
#define CANARY_ACCEPTED_SIZE 72 /* "sha256:" and 64 digits, as name_map.digest */

struct canary {
	char cluster[CANARY_CLUSTER_SIZE]; /* tells one KV from another; never changes */
	char touched[CANARY_TOUCHED_SIZE];
	char accepted[CANARY_ACCEPTED_SIZE]; /* the map allowed past the guard; "": none */
};

/*
 * Reads what somebody may have edited: only a valid cluster is demanded (ERR_PROTOCOL), a missing
 * or malformed touched or accepted is "".
 */
int canary_parse(const struct kv_entry *entry, struct canary *out, struct err *e);

/* A canary for a KV that has none: a new random cluster. */
void canary_new(struct canary *out, int64_t wall_ms);

/*
 * Sets touched to the time, and to another than it was in any case: a write of the same bytes would
 * not change the key's index and wake nobody.
 */
void canary_touch(struct canary *c, int64_t wall_ms);

/* Appends the value to be written. */
void canary_add_text(struct str *out, const struct canary *c);

#endif
