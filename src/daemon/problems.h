/*
 * problems.h: what is wrong on this host right now, in words: the fact, why it matters, what to do.
 * Derived from the parts of the agent whenever one of them changed; nothing is kept but the list.
 */
#ifndef DAEMON_PROBLEMS_H
#define DAEMON_PROBLEMS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct agent;

/* Of one kind (rejected names, say) the first few; one more then says how many there are. */
#define PROBLEMS_OF_A_KIND 20

struct problem {
	bool is_critical;
	char *what, *why, *todo;
};

/* Starts all zero. */
struct problems {
	struct problem *list;
	size_t count;
};

void problems_collect(const struct agent *a, struct problems *out);
/* Takes what. */
void problems_add(
    struct problems *p, bool is_critical, char *what, const char *why, const char *todo);
void problems_clear(struct problems *p);
/* Whether it is in the list, perhaps with another text behind its first ": ". */
bool problems_has(const struct problems *p, const char *what);
json_t *problems_to_json(const struct problems *p);
/* The first PROBLEMS_SHORT of them, without why and do: every agent writes it into the KV. */
#define PROBLEMS_SHORT 10
json_t *problems_to_short_json(const struct problems *p);

#endif
