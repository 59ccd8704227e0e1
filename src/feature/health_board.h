/*
 * health_board.h: what the vantages have written below <root>health/, as the watch of it brings it.
 * Pure memory. What is missing from an answer stays until two consistent reads lack it: servers that
 * restart answer with short lists (facts/consul.md), and an opinion that vanished would shift a
 * majority.
 */
#ifndef FEATURE_HEALTH_BOARD_H
#define FEATURE_HEALTH_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "feature/health.h"
#include "io/kv.h"
#include "model/verdict.h"

#define HEALTH_BOARD_MAX 20000 /* documents: 1,000 checks on 20 vantages; the rest is passed over */

struct health_entry {
	char *text_key; /* behind <root>health/ */
	struct health_key key;
	bool is_live;  /* the session of who wrote it holds */
	bool is_valid; /* else nothing below is there */
	union {
		struct health_opinion opinion;
		struct health_vantage vantage;
		struct health_mute mute;
	};
	uint64_t modify_index;
	char session[KV_SESSION_SIZE];
	int misses;
};

struct health_board;

struct health_board *health_board_new(const char *prefix); /* "pointsman/health/" */
void health_board_free(struct health_board *b);

/* A receiver for watch_reader.feed: returns how many are kept back. */
size_t health_board_feed(
    struct health_board *b, const struct kv_list *list, bool is_counted, bool *is_news);

size_t health_board_count(const struct health_board *b);
/* Sorted by key, so that the opinions on one check stand together. */
const struct health_entry *health_board_at(const struct health_board *b, size_t i);
const struct health_entry *health_board_find(const struct health_board *b, const char *key);
/* The i-th opinion on a check, of whomever; NULL: no more. */
const struct health_entry *health_board_opinion(
    const struct health_board *b, const char *check, size_t i);

/* The mute of a check, or of a pair by its name, that is in force; NULL: none. */
const struct health_mute *health_board_mute(
    const struct health_board *b, const char *check, int64_t now_wall_s);
/* The same of a check that may be one of a pair (else NULL): its own, else the pair's. */
const struct health_mute *health_board_mute_of(
    const struct health_board *b, const char *check, const char *pair, int64_t now_wall_s);

/* How far a vantage trusts its eyes; sighted, when it does not say. */
enum vantage_sight health_board_sight(const struct health_board *b, const char *vantage);

/*
 * What all vantages say together. node: this one, whose own opinion of this moment counts instead of
 * what the KV has of it; both NULL: this is no vantage.
 */
void health_board_verdict(const struct health_board *b, const char *check, const char *node,
    const struct opinion *own, struct verdict *out);

#endif
