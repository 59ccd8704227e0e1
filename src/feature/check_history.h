/*
 * check_history.h: what a check found lately, for --explain and for people: a strip of the last
 * minute, how long runs take, the last failures in words.
 */
#ifndef FEATURE_CHECK_HISTORY_H
#define FEATURE_CHECK_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "model/check.h"

/* 10 minutes of runs, one every 5 s. */
#define CHECK_HISTORY_RUNS 128
#define CHECK_HISTORY_FAILURES 5

struct check_mark {
	int64_t began_ms; /* monotonic */
	uint32_t took_us;
	uint8_t class;
	bool is_dropped; /* the vantage did not trust its eyes */
};

struct check_failure {
	int64_t wall_s;
	int64_t took_us;
	enum check_class class;
	bool is_alone; /* no other target was suspect at that moment */
	char *text;
};

/* Starts all zero. */
struct check_history {
	struct check_mark runs[CHECK_HISTORY_RUNS];            /* a ring */
	uint64_t run_count;                                    /* ever */
	struct check_failure failures[CHECK_HISTORY_FAILURES]; /* newest first */
	size_t failure_count;
};

void check_history_clear(struct check_history *h);
void check_history_add(struct check_history *h, const struct check_mark *m);
void check_history_fail(struct check_history *h, const struct check_result *r, bool is_alone);

/*
 * The last minute, a character a run, newest last: '.' ok, 'w' warning, '!' bad, '?' unknown, '-' not
 * believed.
 */
void check_history_strip(const struct check_history *h, int64_t now_ms, struct str *out);
/* Of the runs of the last 10 minutes that are remembered; -1: none. share: 0.99. */
int64_t check_history_quantile_us(const struct check_history *h, int64_t now_ms, double share);

#endif
