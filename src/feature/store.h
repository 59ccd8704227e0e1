/*
 * store.h: what Consul said last and what we know from before, joined into the map of names. Fed by
 * the watches, kept on disk in <state-dir>/state.json, pure memory otherwise: it never waits.
 *
 * What it keeps back: a key that is missing from an answer stays for as long as it was not missing
 * from STORE_MISSES consistent answers. What was on disk at start counts as an answer of before.
 */
#ifndef FEATURE_STORE_H
#define FEATURE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "feature/canary.h"
#include "feature/hold.h"
#include "io/kv.h"
#include "model/name_map.h"

struct config;
struct store;

#define STORE_MISSES 2

/* Never NULL. A state that cannot be read is an error to report, and the store starts empty. */
struct store *store_new(const struct config *c, struct err *e);
void store_free(struct store *s);

/* The prefixes to watch: the first gives the generation. The second is NULL when the first covers it. */
#define STORE_FEEDS 2
const char *store_prefix(const struct store *s, size_t feed);

/* Receivers for watch_reader.feed and for the read of hold; they take the lists. */
size_t store_feed_keys(
    struct store *s, size_t feed, struct kv_answer *a, bool is_consistent, bool *is_news);
void store_feed_nodes(struct store *s, struct kv_answer *a, bool *is_news);
/* A read of hold begins: a canary that is rewritten from now on is not covered by its answer. */
void store_ask_hold(struct store *s);
/* Returns whether anything changed. */
bool store_feed_hold(struct store *s, struct kv_answer *a);
/* The catalog cannot be read: go on with the nodes we know, if we know any. */
void store_nodes_failed(struct store *s);

/* The canary was rewritten since hold was last read: read it before the map is used. */
bool store_wants_hold(const struct store *s);
/* Names, nodes and hold have been read since the start. */
bool store_is_ready(const struct store *s);

const struct hold_set *store_holds(const struct store *s);
bool store_was_canary_seen(const struct store *s);
/* modify_index of the name's key, as it was listed last; 0: not listed. */
uint64_t store_name_index(const struct store *s, const char *name);
size_t store_kept_back(const struct store *s); /* removals that wait for confirmation */

/*
 * The map of now: built when something changed. NULL when nothing was ever known. The base is
 * what it falls back on: the newest map that is in a file. The good map is in all of them, and is kept
 * on disk; at start it is both.
 */
struct name_map *store_map(struct store *s);
void store_set_base(struct store *s, struct name_map *m);
const struct name_map *store_good_map(const struct store *s);
void store_set_good(struct store *s, struct name_map *m);

struct output_offer;

/* The newest map, not NULL, with all that an output judges it by; good until the store changes. */
void store_make_offer(struct store *s, int64_t seen_us, struct output_offer *out);

/* Whether the disk is behind; writes it (a few milliseconds at 10,000 names). */
bool store_is_dirty(const struct store *s);
int store_save(struct store *s, struct err *e);

#endif
