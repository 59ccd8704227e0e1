/* journal_keep.c: counts, from the newest on, what there is of each kind. */
#include "model/journal_keep.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum {
	REHEARSAL, /* also one that was interrupted: it has moved nothing */
	OPERATION,
	SET,
	HALFWAY,
};

/* What was seen of a pair, or of a name. */
struct seen {
	const char *of;
	int class;
	size_t count;
};

struct tally {
	struct seen *seen; /* sorted by class and of */
	size_t count;
	size_t sets;
};

static int
class_of(const struct journal *j)
{
	if (strcmp(j->kind, "rehearse") == 0)
		return REHEARSAL;
	if (j->result != OP_DONE && j->result != OP_UNDONE)
		return HALFWAY;
	return j->pair[0] != '\0' ? OPERATION : SET;
}

static int
compare(const struct seen *s, int class, const char *of)
{
	return s->class != class ? s->class - class : strcmp(s->of, of);
}

/* How many there were before this one. */
static size_t
count_up(struct tally *t, int class, const char *of)
{
	size_t low = 0, high = t->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare(&t->seen[middle], class, of) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == t->count || compare(&t->seen[low], class, of) != 0) {
		t->seen = mem_grow(t->seen, t->count + 1, sizeof(*t->seen));
		memmove(&t->seen[low + 1], &t->seen[low], (t->count - low) * sizeof(*t->seen));
		t->seen[low] = (struct seen){ of, class, 0 };
		t->count++;
	}
	return t->seen[low].count++;
}

static bool
is_old(struct tally *t, const struct journal *j)
{
	switch (class_of(j)) {
	case REHEARSAL:
		return count_up(t, REHEARSAL, j->pair) >= KEEP_REHEARSALS;
	case OPERATION:
		return count_up(t, OPERATION, j->pair) >= KEEP_OPERATIONS;
	case SET:
		return count_up(t, SET, j->name) > 0 && t->sets++ >= KEEP_SETS;
	default:
		return false;
	}
}

void
journal_choose_old(struct journal *const *newest_first, size_t count, bool *out)
{
	struct tally t = { .seen = NULL };

	for (size_t i = 0; i < count; i++)
		out[i] = newest_first[i] != NULL && is_old(&t, newest_first[i]);
	free(t.seen);
}
