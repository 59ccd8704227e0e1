/*
 * line_diff.c: Myers' greedy O(ND) algorithm ("An O(ND) Difference Algorithm and Its Variations",
 * 1986) on lines. Generations of a file differ in a few lines out of ten thousand, which is where it
 * shines: the work grows with the differences. Running diff(1) was rejected: its output would have to
 * be read back for -o json and made printable.
 *
 * The furthest x reached on each diagonal is kept for every number of edits, so that the way back can
 * be read from it: d * d integers in all, which LINE_DIFF_EDITS_MAX bounds at 16 MB.
 */
#include "cli/line_diff.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct line {
	const char *text;
	size_t len;
};

struct lines {
	struct line *list;
	size_t count;
};

static void
split(struct lines *out, const char *text, size_t len)
{
	const char *end = text + len;
	size_t room = 64;

	out->list = mem_array(room, sizeof(*out->list));
	out->count = 0;
	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t n = (size_t)((newline != NULL ? newline : end) - text);

		if (out->count == room) {
			room *= 2;
			out->list = mem_grow(out->list, room, sizeof(*out->list));
		}
		out->list[out->count++] = (struct line){ text, n };
		text += n + 1;
	}
}

static bool
is_same(const struct line *a, const struct line *b)
{
	return a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

/* --- the shortest way from a to b ----------------------------------------------------------------- */

struct walk {
	const struct line *a, *b;
	int a_count, b_count;
	int **reached; /* [d][k + d]: the furthest x on diagonal k (x - y) after d edits */
	int edits;     /* how many were needed; -1: more than the limit */
};

/* How far diagonal k is reached with d edits, from its better neighbour one edit before. */
static int
step(const struct walk *w, int d, int k)
{
	const int *before = d > 0 ? w->reached[d - 1] : NULL;

	if (d == 0)
		return 0;
	/* The row of d - 1 edits has diagonals -(d-1) to d-1 at places 0 to 2(d-1). */
	if (k == -d || (k != d && before[k - 1 + d - 1] < before[k + 1 + d - 1]))
		return before[k + 1 + d - 1];
	return before[k - 1 + d - 1] + 1;
}

static void
search(struct walk *w)
{
	w->edits = -1;
	w->reached = mem_array(LINE_DIFF_EDITS_MAX + 1, sizeof(*w->reached));
	for (int d = 0; d <= LINE_DIFF_EDITS_MAX; d++) {
		w->reached[d] = mem_array((size_t)(2 * d + 1), sizeof(int));
		for (int k = -d; k <= d; k += 2) {
			int x = step(w, d, k), y = x - k;

			while (x < w->a_count && y >= 0 && y < w->b_count &&
			       is_same(&w->a[x], &w->b[y])) {
				x++;
				y++;
			}
			w->reached[d][k + d] = x;
			if (x >= w->a_count && y >= w->b_count) {
				w->edits = d;
				return;
			}
		}
	}
}

/* Marks the lines that the way passes by an edit. */
static void
walk_back(const struct walk *w, bool *gone, bool *come)
{
	int x = w->a_count, y = w->b_count;

	for (int d = w->edits; d > 0; d--) {
		int k = x - y, from = step(w, d, k);

		/* from is where the diagonal began after the edit. Down: a line of b came. */
		if (k == -d || (k != d && w->reached[d - 1][k - 1 + d - 1] <
					      w->reached[d - 1][k + 1 + d - 1])) {
			come[from - k - 1] = true;
			x = from;
			y = from - k - 1;
		} else {
			gone[from - 1] = true;
			x = from - 1;
			y = from - k;
		}
	}
}

/* --- what differs -------------------------------------------------------------------------------- */

static void
tell(const struct walk *w, const bool *gone, const bool *come, line_diff_fn *fn, void *arg)
{
	int x = 0, y = 0;

	while (x < w->a_count || y < w->b_count) {
		bool is_told = false;

		for (; x < w->a_count && gone[x]; x++, is_told = true)
			fn('-', w->a[x].text, w->a[x].len, arg);
		for (; y < w->b_count && come[y]; y++, is_told = true)
			fn('+', w->b[y].text, w->b[y].len, arg);
		if (!is_told) {
			x++;
			y++;
		}
	}
}

static void
diff_middle(struct walk *w, line_diff_fn *fn, void *arg)
{
	bool *gone = mem_array((size_t)w->a_count, sizeof(*gone));
	bool *come = mem_array((size_t)w->b_count, sizeof(*come));

	search(w);
	if (w->edits >= 0) {
		walk_back(w, gone, come);
	} else {
		memset(gone, true, (size_t)w->a_count * sizeof(*gone));
		memset(come, true, (size_t)w->b_count * sizeof(*come));
	}
	tell(w, gone, come, fn, arg);
	for (int d = 0; d <= LINE_DIFF_EDITS_MAX; d++)
		free(w->reached[d]);
	free(w->reached);
	free(gone);
	free(come);
}

void
line_diff(const char *a, size_t a_len, const char *b, size_t b_len, line_diff_fn *fn, void *arg)
{
	struct lines la, lb;
	struct walk w = { .edits = 0 };
	size_t head = 0, tail = 0;

	split(&la, a, a_len);
	split(&lb, b, b_len);
	while (head < la.count && head < lb.count && is_same(&la.list[head], &lb.list[head]))
		head++;
	while (tail < la.count - head && tail < lb.count - head &&
	       is_same(&la.list[la.count - 1 - tail], &lb.list[lb.count - 1 - tail]))
		tail++;
	w.a = la.list + head;
	w.b = lb.list + head;
	w.a_count = (int)(la.count - head - tail);
	w.b_count = (int)(lb.count - head - tail);
	if (w.a_count > 0 || w.b_count > 0)
		diff_middle(&w, fn, arg);
	free(la.list);
	free(lb.list);
}
