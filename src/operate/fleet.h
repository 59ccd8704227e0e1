/*
 * fleet.h: the agents as they describe themselves under agents/. Their records are foreign text like
 * any other key: what is shown went through str_add_printable, what is missing is 0 or "".
 */
#ifndef OPERATE_FLEET_H
#define OPERATE_FLEET_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "io/kv.h"

struct client;

struct fleet_output {
	char *name;
	char *path;
	char *state; /* "served", "written", "guarded", "held", "failed" */
	char *digest;
	char *error;         /* "" when there is none */
	uint64_t generation; /* in the file */
	uint64_t served; /* the one that landed: proven, or written where no proof is asked for */
};

struct fleet_agent {
	char *node;
	bool is_alive;    /* a session holds its key */
	bool is_readable; /* its record could be understood */
	char *version;
	char *since;
	char *map;       /* digest of the names and addresses it has */
	uint64_t sees;   /* the index of the names that it has read */
	uint64_t serves; /* the lowest that its outputs have landed */
	struct fleet_output *outputs;
	size_t output_count;
	char *guarded_digest; /* of the map that waits for `pointsman accept`; "" */
	char *guarded_why;
	char **problems;
	size_t problem_count;
	json_t *record; /* as published; NULL when not readable */
};

/* In the order of their nodes. */
struct fleet {
	struct fleet_agent *agents;
	size_t count, alive;
	uint64_t index; /* for fleet_wait() */
};

int fleet_load(struct fleet *f, struct client *client, struct err *e);
/*
 * As fleet_load, as soon as something changed since f or after wait_ms. f is replaced, or left as it
 * is on an error.
 */
int fleet_wait(struct fleet *f, struct client *client, int64_t wait_ms, struct err *e);
void fleet_clear(struct fleet *f);

/*
 * What the agent of this host guards, by its own word (/v1/status; NULL: it did not answer), in place of
 * its record's: the record comes a moment later, and not at all while it cannot publish. An agent that
 * has none is added as one that is not alive.
 */
void fleet_hear_guarded(struct fleet *f, const json_t *status);

/* From a list of the prefix agents/; pure, for fleet_load() and the tests. */
void fleet_parse(struct fleet *f, const struct kv_list *list, const char *prefix);

/* Alive, and every output at generation or later. */
bool fleet_agent_serves(const struct fleet_agent *a, uint64_t generation);
/* Alive, and it has read the names at generation or later, whether or not it serves them. */
bool fleet_agent_sees(const struct fleet_agent *a, uint64_t generation);
/* How many agents do: fleet_agent_serves or fleet_agent_sees. */
typedef bool fleet_agent_fn(const struct fleet_agent *a, uint64_t generation);
size_t fleet_count(const struct fleet *f, fleet_agent_fn *does, uint64_t generation);
size_t fleet_serving(const struct fleet *f, uint64_t generation);
const struct fleet_agent *fleet_find(const struct fleet *f, const char *node);
/* Whether list, "web-12,web-13", has the agent of that node. */
bool fleet_is_left_out(const char *list, const char *node);
/* In one line: why it does not serve what it should: the first problem, error or state. */
void fleet_agent_add_trouble(struct str *out, const struct fleet_agent *a);

#endif
