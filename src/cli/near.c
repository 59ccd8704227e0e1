/*
 * near.c: the restricted Damerau-Levenshtein distance (insert, delete, replace, swap two
 * neighbours): what fingers do wrong. Three rows are enough; words are short by NEAR_WORD_MAX.
 */
#include "cli/near.h"

#include <string.h>

static size_t
min3(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

size_t
near_distance(const char *a, const char *b, size_t limit)
{
	size_t rows[3][NEAR_WORD_MAX + 1];
	size_t *before = rows[0], *last = rows[1], *now = rows[2];
	size_t a_len = strlen(a), b_len = strlen(b);

	if (a_len > NEAR_WORD_MAX || b_len > NEAR_WORD_MAX)
		return limit + 1;
	for (size_t j = 0; j <= b_len; j++)
		last[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t *spare = before;

		now[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t differs = a[i - 1] != b[j - 1];

			now[j] = min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + differs);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < now[j])
				now[j] = before[j - 2] + 1;
		}
		before = last;
		last = now;
		now = spare;
	}
	return last[b_len] <= limit ? last[b_len] : limit + 1;
}

void
near_init(struct near *n, const char *wanted)
{
	size_t limit = strlen(wanted) / 3;

	n->wanted = wanted;
	n->best = NULL;
	n->distance = (limit > 0 ? limit : 1) + 1; /* the first that is nearer than this */
}

void
near_offer(struct near *n, const char *word)
{
	size_t d = near_distance(n->wanted, word, n->distance);

	/* A letter of a word of one letter is the whole word. */
	if (d >= n->distance || d >= strlen(word))
		return;
	n->best = word;
	n->distance = d;
}
