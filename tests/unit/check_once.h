/*
 * check_once.h: one run of a check's type, as the checker does it, and what it must keep: done comes
 * once, from the loop, and no descriptor stays.
 */
#ifndef TESTS_UNIT_CHECK_ONCE_H
#define TESTS_UNIT_CHECK_ONCE_H

#include "io_test.h"

#include "feature/check_type.h"
#include "model/check.h"

#define AMPLE_MS 20000 /* far more than anything here takes, also under valgrind */

struct outcome {
	int done;
	struct check_result result;
};

static inline void
check_once_done(struct check_result *r, void *arg)
{
	struct outcome *o = arg;

	o->done++;
	o->result = *r;
	o->result.view = NULL; /* it stays theirs */
}

static inline struct check_result
check_once_run(const struct check_type *type, const struct check_spec *spec,
    const struct endpoint *endpoint, int64_t limit_ms)
{
	const struct check_run run = {
		.endpoint = endpoint, .role = spec->role, .limit_ms = limit_ms
	};
	struct loop *l = loop_new();
	int fds = io_test_count_fds(), children = io_test_count_children();
	struct outcome o = { 0 };
	void *probe = type->open(l, spec);

	type->start(probe, &run, check_once_done, &o);
	assert_int_equal(0, o.done);
	assert_true(io_test_wait(l, &o.done, 1, AMPLE_MS));
	io_test_idle(l, 5);
	assert_int_equal(1, o.done);
	type->close(probe);
	type->close(NULL);
	io_test_idle(l, 5);
	assert_int_equal(fds, io_test_count_fds());
	assert_int_equal(children, io_test_count_children());
	loop_free(l);
	return o.result;
}

/* Closed after so many turns: done does not come any more, nothing stays. */
static inline void
check_once_close_early(const struct check_type *type, const struct check_spec *spec, int turns)
{
	const struct check_run run = { .limit_ms = AMPLE_MS };
	struct loop *l = loop_new();
	int fds = io_test_count_fds(), children = io_test_count_children();
	struct outcome o = { 0 };
	void *probe = type->open(l, spec);

	type->start(probe, &run, check_once_done, &o);
	for (int i = 0; i < turns && o.done == 0; i++)
		loop_turn(l, 1);
	turns = o.done;
	type->close(probe);
	for (int i = 0; i < 500 && io_test_count_children() > children; i++)
		io_test_idle(l, 20);
	assert_int_equal(turns, o.done);
	assert_int_equal(fds, io_test_count_fds());
	loop_free(l);
}

#endif
