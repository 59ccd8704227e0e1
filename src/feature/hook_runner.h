/*
 * hook_runner.h: runs the programs of `hook` blocks on events, in the convention of consul's watch
 * handlers: JSON on standard input, CONSUL_INDEX in the environment. Never two of the same hook at
 * once; events that come meanwhile wait, the newest of each kind; the last one is never lost: what
 * waits or runs when the daemon ends is kept in <state-dir>/hooks.json and run at the next start. So a
 * hook that was at work at that moment is told twice.
 */
#ifndef FEATURE_HOOK_RUNNER_H
#define FEATURE_HOOK_RUNNER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct config;
struct loop;
struct hook_runner;

/* What a hook may be asked to run on; hook_event_name() is what the configuration calls it. */
enum hook_event {
	HOOK_CHANGE, /* values or addresses of names changed, and are served now: waits for that */
	HOOK_PROPOSAL, /* a failover is proposed, or the proposal is withdrawn */
	HOOK_PROBLEM,  /* a problem appeared, or all are gone */
	HOOK_EVENTS,
};

const char *hook_event_name(enum hook_event e);

/*
 * config lives longer. Takes up what was kept on disk; what cannot be read there is told in e, and
 * the runner begins without.
 */
struct hook_runner *hook_runner_new(struct loop *l, const struct config *config, struct err *e);
void hook_runner_free(struct hook_runner *h); /* kills what runs */

/*
 * Takes document. An event that waits and is replaced by a newer one of its kind is merged into it:
 * the members of its array "changes" come first.
 */
void hook_runner_fire(
    struct hook_runner *h, enum hook_event event, uint64_t generation, json_t *document);

/* Whether every output serves what it has: a HOOK_CHANGE runs only then. At first it is not known. */
void hook_runner_set_served(struct hook_runner *r, bool is_served);

/* Whether the disk is behind; writes what waits and runs, or removes the file. */
bool hook_runner_is_dirty(const struct hook_runner *r);
int hook_runner_save(struct hook_runner *r, struct err *e);

/* The hooks that failed last time, one after the other: NULL at the end. */
const char *hook_runner_failed(const struct hook_runner *h, size_t i, const char **why);

#endif
