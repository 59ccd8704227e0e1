/*
 * verdict.h: what the vantages say together. Pure: opinions in, a verdict with its reason out.
 *
 * Only live (their session holds) and sighted vantages count; failing needs more than half of them.
 * With a single one there is a verdict, but nothing confirms it, and the text says so.
 */
#ifndef MODEL_VERDICT_H
#define MODEL_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/check.h"
#include "model/server_view.h"
#include "model/vantage.h"

/* What one vantage says of one check. */
struct opinion {
	const char *vantage;
	bool is_live;
	enum vantage_sight sight;
	enum check_state state;
	enum check_level level;
	enum check_class class;
	int64_t since_ms; /* wall clock, Unix: vantages have no other clock in common */
};

struct verdict {
	/*
	 * Of the majority: failing (or recovering, when most of those recover). Suspect when at
	 * least half see something bad without a majority for failing. Else passing, also when
	 * nobody can tell: then level is LEVEL_UNKNOWN.
	 */
	enum check_state state;
	enum check_level level;
	enum check_class class; /* the most common of those who say so; ties: the worse */
	bool is_down; /* more than half: failing, critical, in a class that is evidence of it */
	bool is_confirmed; /* by more than one vantage */
	size_t live, sighted, agreeing;
	int64_t since_ms; /* the earliest of those who agree; 0: nobody */
	char text[160];   /* "2 of 3 vantages", "1 vantage, nobody to confirm", … */
};

void verdict_of(const struct opinion *opinions, size_t count, struct verdict *out);

/* --- a pair ----------------------------------------------------------------------------------- */

enum pair_trouble {
	PAIR_FINE,
	PAIR_STANDBY_ILL, /* it could not take over */
	PAIR_NO_WRITER,
	PAIR_TWO_WRITERS,
	PAIR_WRONG_WRITER, /* the KV names the one that is not writable */
	PAIR_ACTIVE_DOWN,
	PAIR_UNKNOWN, /* nothing seen yet, or the vantages cannot tell */
};

const char *pair_trouble_name(enum pair_trouble t);

/* One server of a pair, as this vantage knows it. All zero at first; kept between runs. */
struct pair_member {
	const char *node;
	bool is_active; /* the KV says so */
	struct verdict verdict;
	const struct server_view *view; /* the last good one; NULL: none yet */
	bool is_view_fresh;             /* of the latest run: it answered */
	int writable_reads;             /* fresh views in a row that said writable */
	int read_only_reads;            /* and that said it is not */
	bool was_active;   /* is_active at these reads: after a flip they count no more */
	int64_t grew_ms;   /* seen_ms of the view in which it had last received more */
	uint64_t received; /* by then */
};

/*
 * Notes a run of the member's check: what it saw (seen_ms is set), which stays the caller's and has
 * to live as long as it is the last one; NULL: it did not answer, the last view stays.
 */
void pair_member_saw(struct pair_member *m, const struct server_view *view);

struct pair_state {
	enum pair_trouble trouble;
	enum check_level level;
	bool is_proposed; /* a failover is worth proposing: the active is down, nothing vetoes */
	char text[256];   /* what is wrong, for people */
	char veto[160];   /* why a down active is not believed yet; "" */
};

/*
 * Two writers seen by two reads in a row, or none, is critical at once: no debounce. Both reads are
 * from after a flip: what was right before it is wrong after it.
 *
 * A standby whose replication runs and that has received something from the active since that one
 * began to fail, or whose heartbeat is not due yet, vetoes (facts/checks.md: orchestrator's rule).
 * Not against a server that says for itself that it takes no writes: that is no question of the way
 * there.
 *
 * now_ms: wall clock, as opinions have it.
 */
void pair_judge(
    const struct pair_member *members, size_t count, int64_t now_ms, struct pair_state *out);

#endif
