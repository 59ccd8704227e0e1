/*
 * check_type.h: the types of checks, one file each (feature/check_*.c): how one target is looked at
 * once. No memory of earlier results here, but a probe may keep its connection open between runs.
 *
 * The rule of loop.h holds: done comes exactly once for a start, from the loop, never inside start,
 * never after close. A run never takes longer than its limit (a child is killed as a group by then).
 */
#ifndef FEATURE_CHECK_TYPE_H
#define FEATURE_CHECK_TYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "io/endpoint.h"
#include "model/check.h"

struct loop;

struct check_run {
	const struct endpoint
	    *endpoint;        /* where the target is now; NULL: the types that have none */
	enum check_role role; /* what it must be at this moment */
	int64_t limit_ms;
};

/* The result is the callee's: take what is wanted (the view: set it NULL) before returning. */
typedef void check_done_fn(struct check_result *r, void *arg);

struct check_type {
	const char *name;
	bool has_target; /* must have a target; whoever has one has it resolved before every run */
	bool is_program; /* runs a program: fewer of those at once */
	int port;        /* when neither target nor port say one; 0: must be given */
	/* The type's own demands on a spec: 0, or -1 with what is missing or wrong. NULL: none. */
	int (*validate)(const struct check_spec *s, struct err *e);
	/* s outlives the probe. Never fails: what is wrong comes out of the runs. */
	void *(*open)(struct loop *l, const struct check_spec *s);
	void (*start)(void *probe, const struct check_run *run, check_done_fn *done, void *arg);
	void (*close)(void *probe); /* cancels a run; NULL is allowed */
};

extern const struct check_type check_type_mysql, check_type_redis, check_type_tcp, check_type_http,
    check_type_sql, check_type_file, check_type_unit, check_type_exec;

/* NULL: no such type. */
const struct check_type *check_type_find(const char *name);

#endif
