/*
 * checker_impl.h: what the files of the checker share. Nobody else includes this.
 *
 *   checker.c        which checks there are, when they run and how many at once
 *   checker_run.c    one run: from its target to what follows from its result
 *   checker_sight.c  how far this vantage trusts its eyes
 */
#ifndef FEATURE_CHECKER_IMPL_H
#define FEATURE_CHECKER_IMPL_H

#include "feature/checker.h"

struct resolve;

enum slot_phase { SLOT_WAITING, SLOT_QUEUED, SLOT_RESOLVING, SLOT_RUNNING };

/* Programs have a lane of their own: a few that hang must not keep sockets waiting. */
enum lane { LANE_SOCKETS, LANE_PROGRAMS, LANES };

struct slot {
	struct check check;
	struct checker *checker;
	enum slot_phase phase;
	enum lane lane;
	struct loop_timer *timer; /* WAITING: the next run */
	void *probe;
	struct resolve *resolve;
	struct slot *next; /* in the queue of its lane */
	int64_t due_us;    /* when the next run was to begin */
	int64_t began_ms;
	int64_t limit_ms;
	int64_t spread_ms;    /* instead of the first pause of an interval; 0: that has been */
	enum check_role role; /* of the run under way */
};

struct queue {
	struct slot *first, *last;
	size_t count, running;
};

struct checker {
	struct loop *loop;
	struct checker_env env;
	struct slot **slots;   /* in the order of the specs */
	struct slot **by_name; /* sorted */
	size_t count;
	struct queue queues[LANES];
	bool is_pumping;
	struct vantage vantage;
	struct loop_timer *turn_timer;
	int64_t turn_due_ms;
	struct lateness lateness;
};

/* checker.c */
void checker_run_ended(struct slot *s); /* plans the next one and lets others begin */

/* checker_run.c */
void checker_run_begin(struct slot *s); /* ends in checker_run_ended(), perhaps at once */
void checker_run_cancel(struct slot *s);
/* Earlier results are in doubt: rows begin again. */
void checker_forget(struct slot *s, const char *why);

/* checker_sight.c */
void checker_turn_due(void *checker);
/* A result came in: if the turn of the loop is overdue, it is looked at first. */
void checker_look(struct checker *c, int64_t now_ms);

#endif
