/*
 * op.h: an operation: one table of steps, and one runner for it. Dry run, live run, resume, rollback,
 * timing, history and audit all come from the table; a kind of operation is its table and the functions
 * in it, and nothing else.
 *
 * The rules (design, section 7), which the runner keeps and no step has to think of:
 *   1. Journal before act. No journal write, no act.
 *   2. On resume "already true" counts as ours if the journal shows that we began it; else it is skipped
 *      and never undone.
 *   3. The point of no return is passed when its step has begun, also when it then fails.
 *   4. A rollback is journalled, too, so that a broken one resumes backwards.
 */
#ifndef OPERATE_OP_H
#define OPERATE_OP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "model/journal.h"

struct client;
struct config_pair;
struct fleet;
struct op;
struct op_lock;

enum step_flag {
	STEP_BLOCKS = 1,    /* from its act on writes are refused; the budget begins */
	STEP_RESTORES = 2,  /* when it is verified they are accepted again; the budget ends */
	STEP_NO_RETURN = 4, /* once begun there is only forward */
	STEP_FLIPS = 8,     /* its act is op_flip(): one transaction with its journal entry */
	STEP_MAY_FAIL = 16, /* a failure is told, and the next step begins; never before the last
			       STEP_RESTORES */
	STEP_STAYS = 32, /* what its act did stays so, whatever comes: a server that was cut off */
};

/*
 * In titles and undo texts {from}, {to} (nodes), {name}, {pair} and {generation} (of the flip) stand for
 * what they are in this operation. Functions return as below, with the reason in e for all but 1 and for
 * check's 0; e->text of verify's 0 is what the operator reads while waiting ("db4 is 12 transactions
 * behind").
 */
struct step {
	const char *name;  /* in the journal: "catch-up" */
	const char *title; /* "{to} has {from}'s last transaction" */
	const char *why;
	const char *undo_text; /* NULL: "-" */
	int64_t expect_ms, limit_ms;
	unsigned flags;
	/* Whether the operation has this step at all; NULL: yes. Must not ask anybody. */
	bool (*applies)(const struct op *op);
	/* Reads only: 1 it is so already, 0 it is not, -1 failed. NULL: it never is. */
	int (*check)(struct op *op, struct err *e);
	/* Idempotent: 0 or -1. NULL: there is only something to wait for. */
	int (*act)(struct op *op, struct err *e);
	/* Reads only: 1 it is so, 0 not yet, -1 it will not be. NULL: the act said it all. */
	int (*verify)(struct op *op, struct err *e);
	/* Takes the act back, idempotent: 0 or -1. NULL: there is nothing to take back. */
	int (*undo)(struct op *op, struct err *e);
	/* Reads only, as verify: whether it is taken back. NULL: the undo said it all. */
	int (*undone)(struct op *op, struct err *e);
};

struct op_table {
	const char *kind, *pair_kind; /* "failover", "mysql" */
	const char *what;             /* in the lock and in history: "failover {from} ==> {to}" */
	const struct step *steps;     /* up to the first without a name */
	int64_t budget_ms;            /* from STEP_BLOCKS to STEP_RESTORES; 0: it has neither */
	/* Connections and locks of its own at the servers: 0 or -1; close is called in either case. */
	int (*open)(struct op *op, struct err *e);
	void (*close)(struct op *op);
};

/* The table of that kind; NULL: there is none. */
const struct op_table *op_table_find(const char *kind, const char *pair_kind);

/* What happens to a step, for the screen. */
enum op_moment {
	OP_STEP_BEGUN,
	OP_STEP_DONE,
	OP_STEP_SKIPPED,
	OP_STEP_FAILED,
	OP_STEP_UNDOING,
	OP_STEP_UNDONE
};

/* Called between acts: must not take time, whatever became of the terminal. Any may be NULL. */
struct op_observer {
	void (*moment)(const struct op *op, size_t step, enum op_moment m, void *arg);
	/* While a step is waited for, some ten times a second. */
	void (*waiting)(const struct op *op, size_t step, const char *reason, int64_t gone_ms,
	    int64_t limit_ms, void *arg);
	/* What is no step: that it turns back and why, that Consul is waited for. */
	void (*said)(const struct op *op, const char *text, void *arg);
	void *arg;
};

#define OP_FELT_MAX 3 /* of earlier ones: more the plan does not show */

/* What kept it from beginning, or from being taken over. */
enum op_hurdle {
	OP_HURDLE_KV,     /* Consul could not be asked, or did not let us */
	OP_HURDLE_OTHERS, /* somebody else is at work on this pair */
	OP_HURDLE_PLAN,   /* the name is not any more what it was when this was planned */
	OP_HURDLE_LATER,  /* another one came after it: op->later */
	OP_HURDLE_MOVED,  /* behind its point of no return: the name leads elsewhere by now */
	OP_HURDLE_SERVER, /* one of them could not be reached, or does not let us */
};

/* What a step may look at. Only the runner writes here; steps have state, and journal_note(). */
struct op {
	struct client *client;
	const struct config_pair *pair;
	const struct op_table *table;
	const struct op_observer *observer;
	struct journal *journal;
	struct op_lock *lock;      /* NULL before op_begin() and op_take_over() */
	uint64_t journal_index;    /* of ops/<id> as we wrote it last */
	const struct step **steps; /* those that apply, in order; journal->steps has the same */
	size_t step_count;
	size_t current;
	bool is_resumed;
	double *expect_ms; /* of each step: as it was the last times, else as the table says */
	/* The last times, newest first: until the last old session was ended. */
	double felt_ms[OP_FELT_MAX];
	size_t felt_count;
	int64_t began_us, blocked_us, restored_us; /* monotonic; 0: not yet */
	uint64_t name_index;                       /* of names/<name> as it was; 0: to be read */
	uint64_t flip_index;                       /* of names/<name> as flipped; 0: not yet */
	int64_t step_end_ms;                       /* monotonic: the limit of the step at work */
	char *attempted; /* the last journal that was sent, to know it again */
	enum op_hurdle hurdle;
	struct journal_later later; /* of OP_HURDLE_LATER */
	bool is_taken_over;         /* its journal has an entry of somebody else: hands off */
	struct fleet *fleet;        /* the agents, as they were looked at last */
	void *state;                /* of table->open */
	/* Set by who made the plan: whether it may still be carried out, asked once behind an approval, before
	 * anything is touched: 0, or -1 with what is in the way. NULL: nobody looks. */
	int (*look_again)(void *arg, struct err *e);
	void *look_again_arg;
};

/* --- making one ---------------------------------------------------------------------------------- */

/*
 * pair lives longer. value and index: of the name as it is now, for the flip. Nothing is connected or
 * written; what else steps need to know is noted as facts: "without", agents that are not waited for,
 * "web-12,web-13".
 */
struct op *op_new(struct client *client, const struct op_table *table,
    const struct config_pair *pair, const char *from, const char *to, const char *value,
    uint64_t index);
/* That of the KV; NULL with e: no such operation, or the configuration no longer has its pair. */
struct op *op_open(struct client *client, const char *id, struct err *e);
/* After further facts: the steps that apply now. Before op_begin() only. */
void op_rechoose(struct op *op);
/* Fills expect_ms and felt_ms with what it took the last times; keeps the table's where nobody knows. */
void op_expect(struct op *op);
void op_free(struct op *op); /* gives the lock back; NULL is allowed */

/*
 * Takes the lock, connects to the servers and writes the journal for the first time. -1: op->hurdle says
 * what was in the way; e, of others, who, since when, doing what.
 */
int op_begin(struct op *op, const char *plan, const char *by, struct err *e);
/*
 * Of one that was interrupted: whether it may still be taken up, or what came after it has settled it. 0, or
 * -1 with op->hurdle.
 */
int op_check_later(struct op *op, struct err *e);
/* Reads only: 1, the name is as this was planned with; 0, it was moved, to where says e; -1: the KV. */
int op_name_stands(struct op *op, struct err *e);
/* As op_begin(). Waits for the lock of the dead as long as it lives; with it, op_check_later() once more. */
int op_take_over(struct op *op, const char *by, struct err *e);

/* --- running it ---------------------------------------------------------------------------------- */

enum op_end {
	OP_END_DONE,
	OP_END_PROBLEMS,  /* done, but steps that may fail did: their notes say what */
	OP_END_UNDONE,    /* it failed or was stopped, and everything is as it was */
	OP_END_NEEDS_YOU, /* neither: e says what is so; then resume or roll back */
};

/* From where the journal is to the end, or back. e: why it is not OP_END_DONE. */
enum op_end op_run(struct op *op, struct err *e);
/* Backwards from where it is. Refused by the caller when op_is_past_return(). */
enum op_end op_roll_back(struct op *op, struct err *e);

bool op_is_past_return(const struct op *op);
/* Some act may have been made: what is undone then was something. */
bool op_has_acted(const struct op *op);

/* --- for screens --------------------------------------------------------------------------------- */

void op_add_title(const struct op *op, size_t step, struct str *out);
void op_add_undo(const struct op *op, size_t step, struct str *out); /* "-" for none */
/* A text of the table with {from} … replaced. */
void op_add_text(const struct op *op, const char *text, struct str *out);
/* How long writes will be refused, by the steps' expected times. */
double op_expected_refused_ms(const struct op *op);

/* --- for steps ----------------------------------------------------------------------------------- */

/* What is left for the current step: of its limit, and of the budget while it runs. At least 1. */
int64_t op_left_ms(const struct op *op);
/* Ours, and surely so: renewed lately. Else -1: no step may go on. */
int op_still_ours(const struct op *op, struct err *e);
/* Runs the loop for so long: a pause that keeps the session alive. */
void op_pause(struct op *op, int64_t ms);
/* Of the journal: "old-value" */
const char *op_fact(const struct op *op, const char *fact);
/* The note of the current step: what was seen. */
void op_note(struct op *op, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
