/*
 * hook_runner.h: runs the programs of `hook` blocks on events, in the convention of consul's watch
 * handlers: JSON on standard input, CONSUL_INDEX in the environment. Never two of the same hook at
 * once; events that come meanwhile wait, the newest of each kind; the last one is never lost.
 */
#ifndef FEATURE_HOOK_RUNNER_H
#define FEATURE_HOOK_RUNNER_H

#include <jansson.h>
#include <stdint.h>

struct config;
struct loop;
struct hook_runner;

/* What a hook may be asked to run on; hook_event_name() is what the configuration calls it. */
enum hook_event {
	HOOK_CHANGE,  /* values or addresses of names changed, and are served now */
	HOOK_PROBLEM, /* a problem appeared, or all are gone */
	HOOK_EVENTS,
};

const char *hook_event_name(enum hook_event e);

/* config lives longer. */
struct hook_runner *hook_runner_new(struct loop *l, const struct config *config);
void hook_runner_free(struct hook_runner *h); /* kills what runs */

/*
 * Takes document. An event that waits and is replaced by a newer one of its kind is merged into it:
 * the members of its array "changes" come first.
 */
void hook_runner_fire(
    struct hook_runner *h, enum hook_event event, uint64_t generation, json_t *document);

/* The hooks that failed last time, one after the other: NULL at the end. */
const char *hook_runner_failed(const struct hook_runner *h, size_t i, const char **why);

#endif
