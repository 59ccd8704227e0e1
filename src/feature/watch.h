/*
 * watch.h: follows one prefix of the KV, or the catalog's nodes, and hands on only answers that may
 * be believed (facts/consul.md: servers that restart answer 200 with short or empty lists).
 *
 *   - The first read, and the first after any error or an index that went backwards, is a
 *     non-blocking consistent one. Then blocking reads carry the index; an answer with a higher index
 *     is good for everything but removals.
 *   - The receiver says how many removals it keeps back. They are asked for again, consistently,
 *     WATCH_CONFIRM_MS apart, while the blocking read goes on, until it keeps back none.
 *   - After max-silence without news comes a consistent read.
 */
#ifndef FEATURE_WATCH_H
#define FEATURE_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "io/kv.h"

/* Between the two reads that must agree before anything is taken away. */
#define WATCH_CONFIRM_MS 2000

struct loop;
struct watch;

enum watch_state {
	WATCH_STOPPED,
	WATCH_READING,   /* a consistent read is under way */
	WATCH_FOLLOWING, /* a blocking read is under way */
	WATCH_PAUSED,    /* a short rest: the last answer brought nothing new */
	WATCH_BACKOFF,   /* after an error, or an answer that led nowhere */
};

const char *watch_state_name(enum watch_state s);

struct watch_reader {
	/*
	 * An answer that may be used; what it holds may be taken. is_counted: a quorum verified it,
	 * WATCH_CONFIRM_MS or more after the last one that counted, so that what is missing from it
	 * counts as missing once. Returns how many removals are kept back; *is_news says whether
	 * anything was different.
	 */
	size_t (*feed)(struct kv_answer *a, bool is_counted, bool *is_news, void *arg);
	/* Consul answered, or did not: for the report. Called for every answer. */
	void (*contact)(const struct err *e, void *arg);
	void *arg;
};

/* prefix NULL: the catalog's nodes. */
struct watch *watch_new(struct loop *l, struct kv *kv, const char *prefix, int64_t max_silence_ms,
    const struct watch_reader *reader);
void watch_free(struct watch *w);

void watch_start(struct watch *w);
/* Reads again, consistently, beside what is under way. */
void watch_reread(struct watch *w);

enum watch_state watch_state(const struct watch *w);
uint64_t watch_index(const struct watch *w);
/* Of the last answer: ERR_NONE when it was a good one. */
const struct err *watch_error(const struct watch *w);

#endif
