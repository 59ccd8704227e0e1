/*
 * settle.h: when a change may go through. The first change after a quiet time goes at once, because
 * a flip must be served in milliseconds; those that follow are gathered, so that a burst of 200 flips
 * is a few files. A change is delayed, never dropped. Pure: the caller brings the clock.
 */
#ifndef MODEL_SETTLE_H
#define MODEL_SETTLE_H

#include <stdbool.h>
#include <stdint.h>

struct settle {
	int64_t min_ms; /* of quiet before gathered changes go */
	int64_t max_ms; /* that a change waits at most */
	int64_t last_change_ms, first_waiting_ms;
	int64_t quiet_ms; /* demanded now */
	int64_t work_ms;  /* that the last flush took */
	unsigned burst_changes;
	bool is_waiting, is_burst, was_used;
};

void settle_init(struct settle *s, int64_t min_ms, int64_t max_ms);
/* A change came: how long it has to wait from now, 0: go. */
int64_t settle_change(struct settle *s, int64_t now_ms);
/* The wait is over (or was cut short) and what was gathered goes. */
void settle_flush(struct settle *s);
/* What went took so long, until now: while we were busy nobody could be quiet. */
void settle_worked(struct settle *s, int64_t took_ms, int64_t now_ms);

#endif
