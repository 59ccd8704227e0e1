/* journal_keep.c: counts, from the newest on, what there is of each kind. */
#include "model/journal_keep.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/sorted.h"

/* Of a pair, or of a name, how many there were. */
struct seen {
	const char *of;
	size_t count;
};

/* Sorted by of. */
struct tally {
	struct seen *seen;
	size_t count;
};

struct tallies {
	struct tally rehearsals, operations, flips;
	size_t sets;
};

/* How many there were before this one. */
static size_t
count_up(struct tally *t, const char *of)
{
	size_t at =
	    sorted_place(t->seen, t->count, sizeof(*t->seen), offsetof(struct seen, of), of);

	if (at == t->count || strcmp(t->seen[at].of, of) != 0) {
		t->seen = mem_grow(t->seen, t->count + 1, sizeof(*t->seen));
		memmove(&t->seen[at + 1], &t->seen[at], (t->count - at) * sizeof(*t->seen));
		t->seen[at] = (struct seen){ of, 0 };
		t->count++;
	}
	return t->seen[at].count++;
}

static bool
is_old(struct tallies *t, const struct journal *j)
{
	/* Also one that was interrupted: it has moved nothing. */
	if (strcmp(j->kind, "rehearse") == 0)
		return count_up(&t->rehearsals, j->pair) >= KEEP_REHEARSALS;
	if (j->result != OP_DONE && j->result != OP_UNDONE)
		return false;
	if (j->pair[0] != '\0')
		return count_up(&t->operations, j->pair) >= KEEP_OPERATIONS;
	return count_up(&t->flips, j->name) > 0 && t->sets++ >= KEEP_SETS;
}

void
journal_choose_old(struct journal *const *newest_first, size_t count, bool *out)
{
	struct tallies t = { .sets = 0 };

	for (size_t i = 0; i < count; i++)
		out[i] = newest_first[i] != NULL && is_old(&t, newest_first[i]);
	free(t.rehearsals.seen);
	free(t.operations.seen);
	free(t.flips.seen);
}
