/*
 * pair_watch.h: what the runs of this vantage and the opinions of all mean for each pair, kept up to
 * date; and what an active was last seen to have executed, kept on disk: when it is gone, that is all
 * there is to tell what would be lost.
 */
#ifndef FEATURE_PAIR_WATCH_H
#define FEATURE_PAIR_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "feature/checker.h"
#include "feature/config.h"
#include "feature/health_board.h"
#include "model/name_map.h"
#include "model/verdict.h"

struct pair_watch;

/* What a server was last seen to have while it was the active one. */
struct pair_seen {
	char node[NAME_SIZE]; /* "": none was ever seen */
	enum server_kind kind;
	char *executed; /* NULL: it did not say */
	int64_t wall_s;
};

struct pair_report {
	const struct config_pair *config;
	const char *active;            /* what the KV names; NULL: neither */
	struct pair_member members[2]; /* in the order of the configuration */
	struct pair_state state;
	struct pair_seen seen;
};

/* config lives longer. What is on disk but cannot be read is as if it were not there. */
struct pair_watch *pair_watch_new(const struct config *config);
void pair_watch_free(struct pair_watch *w);

/* A check of a pair ran, and was believed. */
void pair_watch_saw(struct pair_watch *w, const struct check *check);
/* This vantage doubts what it saw: what was read says nothing about now. */
void pair_watch_forget(struct pair_watch *w);

/* Where this vantage stands when pairs are judged. */
struct pair_watch_view {
	const struct name_map *map; /* NULL: not known yet */
	const struct checker *checker;
	const struct health_board *board;
	const char *node;
};

/* This vantage's own opinion on a check, as of now. */
struct opinion pair_watch_opinion(
    const struct check *check, const struct checker *c, const char *node);
/* Judges one pair, or all (name NULL); true: some trouble came, went or changed. */
bool pair_watch_judge(struct pair_watch *w, const char *name, const struct pair_watch_view *view);

size_t pair_watch_count(const struct pair_watch *w);
const struct pair_report *pair_watch_at(const struct pair_watch *w, size_t i);

/* Writes what was seen to disk, if that changed. */
int pair_watch_save(struct pair_watch *w, struct err *e);

#endif
