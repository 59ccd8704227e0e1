/*
 * checks.h: what makes an agent a vantage: its checks, what it says of them in the KV and hears from
 * others, its pairs and proposals. For the files of this folder only.
 *
 *   checker ──> post ──> KV <──watch── board ──> verdicts ──> pairs ──> proposals
 */
#ifndef DAEMON_CHECKS_H
#define DAEMON_CHECKS_H

#include <jansson.h>

#include "base/str.h"
#include "feature/checker.h"
#include "feature/health_board.h"
#include "feature/health_post.h"
#include "feature/pair_watch.h"
#include "feature/propose.h"

struct agent;
struct problems;

struct checks {
	struct agent *agent;
	struct checker *checker; /* NULL before the start */
	struct health_board *board;
	bool is_board_read;       /* what others say is known, and as of now */
	struct health_post *post; /* NULL until the node's name is known */
	struct watch *watch;
	struct pair_watch *pairs;
	struct propose *propose; /* as post */
	struct loop_timer *timer;
	struct kv_call *agents_call;
	size_t agents_alive, agents_gone; /* documents below agents/, by their sessions */
	int64_t agents_ms;                /* last read; 0: never */
	bool is_gateway_silent;
	int64_t gateway_ms; /* last looked at */
	int64_t saved_ms;   /* positions, to disk */
	struct err save_err;
};

struct checks *checks_new(struct agent *a);
void checks_free(struct checks *c);
/* checker: of the agent before a reload, taken; NULL: none. */
void checks_start(struct checks *c, struct checker *checker);
/* The agent knows its node: from now on it can publish. */
void checks_node_known(struct checks *c);
/* Hands over the checks with all they know; checks_free() then does not free them. */
struct checker *checks_take_checker(struct checks *c);
void checks_finish(struct checks *c, void (*done)(void *arg), void *arg);

/* The verdict of all vantages on a check. */
void checks_verdict(const struct checks *c, const struct check *k, struct verdict *out);
/* What keeps people from being woken for a check, or for a pair by its name; NULL: nothing. */
const struct health_mute *checks_mute(const struct checks *c, const char *name);
const struct health_mute *checks_mute_of(const struct checks *c, const struct check *k);

/* checks_report.c: /v1/checks and /v1/pairs. */
void checks_add_json(const struct checks *c, struct str *out);
void checks_add_pairs_json(const struct checks *c, struct str *out);
/* checks_metrics.c */
void checks_add_metrics(const struct checks *c, struct str *out);
/* checks_problems.c */
void checks_collect_problems(const struct checks *c, struct problems *p);
/* checks_proposal.c: what is written below proposals/. */
json_t *checks_proposal(const struct checks *c, const struct pair_report *p);
/* What to type for a pair whose active is ill. */
void checks_add_command(struct str *out, const struct pair_report *p);

#endif
