/*
 * agent.h: the running agent: what pointsmand is made of, for the files of this folder only.
 *
 *   watches ──> store ──> outputs ──> publisher
 *                  hold ──┘   └─────> hooks, pages
 */
#ifndef DAEMON_AGENT_H
#define DAEMON_AGENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "daemon/problems.h"
#include "feature/config.h"
#include "feature/contact.h"
#include "feature/hook_runner.h"
#include "feature/output.h"
#include "feature/publish.h"
#include "feature/store.h"
#include "feature/watch.h"

/* Upper bounds of flip_to_served_seconds, in seconds; one more bucket is +Inf. */
#define AGENT_FLIP_BUCKETS 10
extern const double agent_flip_bounds[AGENT_FLIP_BUCKETS];

struct changes;
struct checker;
struct checks;

struct agent {
	struct loop *loop;
	struct config *config; /* ours */
	struct kv *kv;
	char node[NAME_SIZE];
	bool is_node_known; /* said by the configuration or by Consul, not guessed */

	int state_lock; /* state_dir.h */
	struct store *store;
	struct err state_err;                   /* why the state of before could not be read */
	struct watch *watches[STORE_FEEDS + 1]; /* the prefixes, then the catalog */
	size_t watch_count;
	struct kv_call *hold_call, *self_call;
	struct loop_timer *hold_timer, *self_timer; /* those reads failed: again */
	struct contact contact;
	int64_t seen_us; /* when the oldest news that is not yet offered came in; 0: none */

	struct output **outputs;
	size_t output_count;
	struct name_map *offered;

	struct checks *checks; /* NULL: not a vantage */
	struct changes
	    *changes;        /* the same: a fleet of thousands has better to do than tell them */
	int sessions_to_end; /* during agent_finish() */

	struct publisher *publisher;
	struct hook_runner *hooks;
	struct httpd *httpd;
	struct problems problems;
	struct loop_timer *refresh_timer, *save_timer;
	bool is_refresh_near; /* it was asked for */
	int64_t dirty_since_ms;
	struct err save_err;
	struct err reload_err; /* why the configuration on disk is not the one in force */

	int64_t started_ms, started_wall_s;
	void (*done)(void *arg); /* of agent_finish() */
	void *done_arg;

	uint64_t flip_counts[AGENT_FLIP_BUCKETS + 1];
	double flip_sum_s;
};

/*
 * Takes config when it succeeds. Everything that can be wrong with the configuration or this host
 * (templates, directories, the HTTP address) is found here.
 */
struct agent *agent_new(struct loop *l, struct config *config, struct err *e);
/* checker: what agent_take_checker() handed over, taken; NULL: none. */
void agent_start(struct agent *a, struct checker *checker);
/* Before a reload: the checks with all they know, for the next agent. NULL: this one has none. */
struct checker *agent_take_checker(struct agent *a);
/* Whether the parts that can be tried beside a running agent can be made: KV client and outputs. */
int agent_check(struct loop *l, const struct config *config, struct err *e);
/* The configuration on disk is not usable: a problem until the next reload. */
void agent_refuse_reload(struct agent *a, const char *why);
/* Ends the session, so that others see us leave at once; done comes from the loop, within 2 s. */
void agent_finish(struct agent *a, void (*done)(void *arg), void *arg);
void agent_free(struct agent *a);
/* Looks for problems, publishes and so on, in a moment. */
void agent_refresh_soon(struct agent *a);

/* agent_feed.c: what comes in from Consul, up to the offer to the outputs. */
void agent_make_watches(struct agent *a);
void agent_read_hold(struct agent *a);
void agent_hold_due(void *agent); /* of hold_timer */
void agent_note_contact(const struct err *e, void *agent);
/* The same for what is asked beside the names: a refusal there stops no flip. */
void agent_note_aside(const struct err *e, void *agent);

#endif
