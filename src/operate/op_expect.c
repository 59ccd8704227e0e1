/*
 * op_expect.c: how long an operation will take, from how long earlier ones of its kind and pair took: of each step
 * the median of the last times that it was done. What the table says is only for a step that was never seen.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "feature/config.h"
#include "operate/op_impl.h"
#include "operate/past.h"

#define TIMES_MAX 5 /* older ones tell of another time */

struct times {
	double ms[TIMES_MAX];
	size_t count;
};

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
median(struct times *t)
{
	qsort(t->ms, t->count, sizeof(t->ms[0]), compare);
	return t->ms[t->count / 2];
}

static void
add_times(struct op *op, const struct journal *j, struct times *times)
{
	for (size_t i = 0; i < op->step_count; i++) {
		const struct journal_step *s = journal_find(j, op->steps[i]->name);

		if (s != NULL && s->state == STEP_DONE && !isnan(s->took_ms) &&
		    times[i].count < TIMES_MAX)
			times[i].ms[times[i].count++] = s->took_ms;
	}
	if (isfinite(j->felt_ms) && op->felt_count < MEM_COUNT(op->felt_ms))
		op->felt_ms[op->felt_count++] = j->felt_ms;
}

void
op_expect(struct op *op)
{
	struct times *times = mem_array(op->step_count, sizeof(*times));
	struct past past;

	/* Where they cannot be read the plan is as good; only its figures are not. */
	past_load(&past, op->client, op->pair->name, NULL);
	op->felt_count = 0;
	for (size_t i = 0; i < past.count; i++) {
		const struct journal *j = past.journals[i];

		if (j->result == OP_DONE && strcmp(j->kind, op->journal->kind) == 0)
			add_times(op, j, times);
	}
	for (size_t i = 0; i < op->step_count; i++) {
		if (times[i].count > 0)
			op->expect_ms[i] = median(&times[i]);
	}
	past_clear(&past);
	free(times);
}
