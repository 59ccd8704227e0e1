/*
 * check_history.c: one ring for both the strip and the quantiles: 16 bytes a run, 2 KiB a check. A
 * histogram by minute was rejected: it costs the same, and says less.
 */
#include "feature/check_history.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define STRIP_MS 60000
#define QUANTILE_MS 600000

void
check_history_clear(struct check_history *h)
{
	for (size_t i = 0; i < h->failure_count; i++)
		free(h->failures[i].text);
	*h = (struct check_history){ 0 };
}

void
check_history_add(struct check_history *h, const struct check_mark *m)
{
	h->runs[h->run_count++ % CHECK_HISTORY_RUNS] = *m;
}

void
check_history_fail(struct check_history *h, const struct check_result *r, bool is_alone)
{
	const size_t last = CHECK_HISTORY_FAILURES - 1;

	if (h->failure_count == CHECK_HISTORY_FAILURES)
		free(h->failures[last].text);
	else
		h->failure_count++;
	memmove(&h->failures[1], &h->failures[0], last * sizeof(h->failures[0]));
	h->failures[0] = (struct check_failure){ .wall_s = clock_wall_s(),
		.took_us = r->took_us,
		.class = r->class,
		.is_alone = is_alone,
		.text = mem_strdup(r->text) };
}

/* The i-th newest; NULL: forgotten, or never was. */
static const struct check_mark *
newest(const struct check_history *h, uint64_t i)
{
	if (i >= h->run_count || i >= CHECK_HISTORY_RUNS)
		return NULL;
	return &h->runs[(h->run_count - 1 - i) % CHECK_HISTORY_RUNS];
}

static uint64_t
count_since(const struct check_history *h, int64_t since_ms)
{
	const struct check_mark *m;
	uint64_t n = 0;

	while ((m = newest(h, n)) != NULL && m->began_ms >= since_ms)
		n++;
	return n;
}

void
check_history_strip(const struct check_history *h, int64_t now_ms, struct str *out)
{
	static const char signs[] = { [LEVEL_OK] = '.',
		[LEVEL_WARNING] = 'w',
		[LEVEL_CRITICAL] = '!',
		[LEVEL_UNKNOWN] = '?' };

	for (uint64_t i = count_since(h, now_ms - STRIP_MS); i > 0; i--) {
		const struct check_mark *m = newest(h, i - 1);

		str_addc(out,
		    m->is_dropped ? '-' : signs[check_class_level((enum check_class)m->class)]);
	}
}

static int
compare(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

int64_t
check_history_quantile_us(const struct check_history *h, int64_t now_ms, double share)
{
	uint64_t count = count_since(h, now_ms - QUANTILE_MS);
	uint32_t took[CHECK_HISTORY_RUNS];

	if (count == 0)
		return -1;
	for (uint64_t i = 0; i < count; i++)
		took[i] = newest(h, i)->took_us;
	qsort(took, count, sizeof(took[0]), compare);
	return took[(size_t)((double)(count - 1) * share + 0.5)];
}
