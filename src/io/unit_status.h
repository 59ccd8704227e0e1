/*
 * unit_status.h: what systemd says about a unit, asked over its bus without waiting.
 */
#ifndef IO_UNIT_STATUS_H
#define IO_UNIT_STATUS_H

#include <stdint.h>

#include "base/err.h"

struct loop;
struct unit_query;

#define UNIT_WORD_SIZE 32

struct unit_status {
	struct err
	    err; /* ERR_UNREACHABLE: no systemd, or no bus; ERR_TIMEOUT; …; the rest is empty */
	char load[UNIT_WORD_SIZE];   /* "loaded", "not-found", "masked" … */
	char active[UNIT_WORD_SIZE]; /* "active", "activating", "failed" … */
	char sub[UNIT_WORD_SIZE];    /* "running", "auto-restart", "exited" … */
	char result
	    [UNIT_WORD_SIZE]; /* of a service: "success", "exit-code", "oom-kill" …; else "" */
	uint32_t restarts;    /* of a service: by systemd itself, since it was started */
	uint64_t active_since_us; /* monotonic; 0: never */
	int64_t took_us;
};

typedef void unit_done_fn(const struct unit_status *s, void *arg);

/* Never fails: errors come to done. After done the query is gone. */
struct unit_query *unit_query_start(
    struct loop *l, const char *unit, int64_t limit_ms, unit_done_fn *done, void *arg);
void unit_query_cancel(struct unit_query *q); /* NULL is allowed */

#endif
