/*
 * trouble.h: what is wrong, gathered from everybody who knows something, and shown worst first: the
 * fact, and below it what to type.
 */
#ifndef CLI_TROUBLE_H
#define CLI_TROUBLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/output.h"

struct cli;
struct fleet;
struct hold_set;
struct view;

struct trouble {
	enum mark mark;
	char *what;
	char *why;  /* "" when the fact says it all */
	char *todo; /* a command, or "" */
};

/* Starts all zero. */
struct troubles {
	struct trouble *list;
	size_t count;
};

/* todo and why may be NULL; all three are printable. */
void trouble_add(struct troubles *t, enum mark mark, const char *why, const char *todo,
    const char *fmt, ...) __attribute__((format(printf, 5, 6)));
void trouble_clear(struct troubles *t);

/* The agent's own list, as in /v1/status. */
void trouble_add_reported(struct troubles *t, const json_t *problems);
/* The canary is missing, names are refused. */
void trouble_add_view(struct troubles *t, const struct view *v);
/*
 * Agents that are not alive, guard a map, or do not serve the generation (have not seen it, while
 * everything is held), but for the agent on node skip (NULL: none).
 */
void trouble_add_fleet(
    struct troubles *t, const struct fleet *f, uint64_t generation, bool is_held, const char *skip);

/* Those that somebody has to see to: not what is muted (MARK_NONE). */
size_t trouble_count(const struct troubles *t);
void trouble_print(const struct cli *cli, struct troubles *t);
/* Of those. */
json_t *trouble_to_json(const struct troubles *t);

#endif
