/*
 * ack.h: waits until the agents serve what was changed. The one function that waits after a write.
 */
#ifndef CLI_ACK_H
#define CLI_ACK_H

#include <jansson.h>
#include <stdint.h>

#include "cli/exit_code.h"

struct cli;
struct client;

#define ACK_LIMIT_MS 10000 /* --timeout, when it is not given */

enum ack_kind {
	ACK_SERVED, /* their files stand at the generation, proven where that is asked for */
	ACK_SEEN,   /* they have read it: for a hold, under which nothing new is served */
};

struct ack {
	enum ack_kind kind;
	uint64_t generation;
	int64_t started_us; /* monotonic: when the write was under way */
	int64_t limit_ms;
	/* Printed when the wait is interrupted: what IS changed, and the command to undo it. */
	const char *changed;
	const char *undo;
};

/*
 * Prints "served by 3 of 3 agents in 12 ms" and names the stragglers: EXIT_DONE or EXIT_PROBLEM. With
 * -o json it prints nothing and leaves the outcome in *json (a new reference, for "acknowledged").
 */
enum exit_code ack_wait(
    const struct cli *cli, struct client *client, const struct ack *ack, json_t **json);

#endif
