/* near.h: "did you mean": the word of a set that is most like a mistyped one. Pure. */
#ifndef CLI_NEAR_H
#define CLI_NEAR_H

#include <stddef.h>

#define NEAR_WORD_MAX 64 /* longer words have no near misses */

/* Letters to insert, delete, replace or swap with the next to make one from the other; at most
 * limit + 1 (then the true distance may be larger). */
size_t near_distance(const char *a, const char *b, size_t limit);

/* Feed words, keep the best: a distance of at most a third of the letters, and one at least. */
struct near {
	const char *wanted;
	const char *best; /* NULL: nothing is near */
	size_t distance;
};

void near_init(struct near *n, const char *wanted);
void near_offer(struct near *n, const char *word); /* not copied */

#endif
