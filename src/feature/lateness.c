/* lateness.c: exact, because a sort of 4,096 numbers at a scrape is cheaper than a good histogram. */
#include "feature/lateness.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void
lateness_add(struct lateness *l, int64_t late_us)
{
	if (late_us < 0)
		late_us = 0;
	l->sum_s += (double)late_us / 1e6;
	l->late_us[l->count++ % LATENESS_RUNS] =
	    late_us < UINT32_MAX ? (uint32_t)late_us : UINT32_MAX;
}

static int
compare(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

void
lateness_quantiles(const struct lateness *l, const double *shares, size_t count, int64_t *out_us)
{
	size_t n = l->count < LATENESS_RUNS ? (size_t)l->count : LATENESS_RUNS;
	uint32_t *sorted = mem_array(n + 1, sizeof(*sorted));

	memcpy(sorted, l->late_us, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), compare);
	for (size_t i = 0; i < count; i++)
		out_us[i] = n > 0 ? sorted[(size_t)((double)(n - 1) * shares[i] + 0.5)] : 0;
	free(sorted);
}
