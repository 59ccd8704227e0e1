/*
 * op_runner.c: carries a table of steps out, forward and back.
 *
 *              check ── so already ──────────────────────────> SKIPPED (or DONE: we had begun it)
 *                │
 *   WAITING ─ journal ─> BEGUN ─ act ─ verify ... verify ────> DONE
 *                │                  └── failed, limit, stop ─> FAILED
 *                └── not written: no act, it stays WAITING
 *
 *   then, before the point of no return:   DONE, FAILED, BEGUN ─ undo ─ undone ─> UNDONE, last step first
 *   and behind it:                         the next step, where this one may fail; else a person
 *
 * Turning back has one thing to do at once: writers go on. So where Consul does not answer, the acts at
 * the servers are taken back without waiting for it: the flip has not happened, or has and leads to a
 * server that takes no writes, never two that do. What needs Consul (the flip, the journal) is then tried
 * for PATIENCE_MS. And a flip whose answer was lost cannot happen late: the journal's next entry is a
 * check-and-set on the one that would have travelled with it.
 *
 * Rejected: a thread for the terminal, signals that interrupt a wait. Every wait is cut into slices that
 * look at the flag of Ctrl-C, the lock and the limit.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "operate/client.h"
#include "operate/interrupt.h"
#include "operate/op_approval.h"
#include "operate/op_impl.h"
#include "operate/op_steps.h"

#define POLL_MIN_MS 1
#define POLL_MAX_MS 50
#define TOLD_EVERY_MS 100
#define JOURNAL_LIMIT_MS 10000 /* an election in Consul takes less, mostly */
#define RESTORE_LIMIT_MS 1000  /* of an undo, while writers are refused */
#define TELL_LIMIT_MS 300      /* for the journal meanwhile: they do not wait for Consul */
#define UNDO_LIMIT_MS 10000    /* of one step */
#define PATIENCE_MS 60000      /* for Consul, once writers go on */

typedef int step_fn(struct op *op, struct err *e);

/* --- where it is ---------------------------------------------------------------------------------- */

static bool
has_begun(const struct op *op, size_t i)
{
	enum step_state s = op->journal->steps[i].state;

	return s == STEP_BEGUN || s == STEP_DONE || s == STEP_FAILED;
}

bool
op_is_past_return(const struct op *op)
{
	for (size_t i = 0; i < op->step_count; i++) {
		if (op_flag(op, i, STEP_NO_RETURN) && op->journal->steps[i].state != STEP_WAITING &&
		    op->journal->steps[i].state != STEP_UNDONE)
			return true;
	}
	return false;
}

bool
op_has_acted(const struct op *op)
{
	for (size_t i = 0; i < op->step_count; i++) {
		enum step_state s = op->journal->steps[i].state;

		if (op_flag(op, i, STEP_STAYS) && (s == STEP_BEGUN || s == STEP_DONE))
			return true;
		if (op->steps[i]->act != NULL && op->steps[i]->undo != NULL && s != STEP_WAITING &&
		    s != STEP_SKIPPED)
			return true;
	}
	return false;
}

static bool
is_blocked(const struct op *op)
{
	return op->blocked_us != 0 && op->restored_us == 0;
}

static int64_t
budget_left_ms(const struct op *op)
{
	return op->table->budget_ms - (clock_mono_us() - op->blocked_us) / 1000;
}

static void
set_state(struct op *op, size_t i, enum step_state state)
{
	struct journal_step *s = &op->journal->steps[i];

	if (state == STEP_BEGUN)
		s->at_ms = op_now_ms(op);
	else if (state == STEP_DONE || state == STEP_FAILED)
		/* A wall clock that was set back between two processes must not make it negative. */
		s->took_ms = isnan(s->at_ms) ? 0 : fmax(op_now_ms(op) - s->at_ms, 0);
	s->state = state;
}

double
op_blocked_at_ms(const struct op *op)
{
	double first = NAN;

	if (!op->is_resumed)
		return op->blocked_us != 0 ? (double)(op->blocked_us - op->began_us) / 1e3 : NAN;
	for (size_t i = 0; i < op->step_count; i++) {
		if (op_flag(op, i, STEP_BLOCKS))
			first = fmin(first, op->journal->steps[i].at_ms);
	}
	return first;
}

static void
set_restored(struct op *op)
{
	double refused_ms = op_now_ms(op) - op_blocked_at_ms(op);

	op->restored_us = clock_mono_us();
	if (isfinite(refused_ms))
		op->journal->refused_ms = fmax(refused_ms, 0);
}

static bool
wants_stop(const struct op *op)
{
	return !op->journal->is_back && !op_is_past_return(op) && interrupt_is_pending(NULL);
}

/* --- waiting: the one function that does ---------------------------------------------------------- */

int64_t
op_left_ms(const struct op *op)
{
	int64_t left = op->step_end_ms - clock_mono_ms();

	if (is_blocked(op) && !op->journal->is_back && budget_left_ms(op) < left)
		left = budget_left_ms(op);
	return left > 1 ? left : 1;
}

static void
tell_waiting(const struct op *op, size_t i, const char *reason, int64_t gone_ms, int64_t limit_ms)
{
	if (op->observer != NULL && op->observer->waiting != NULL)
		op->observer->waiting(op, i, reason, gone_ms, limit_ms, op->observer->arg);
}

/* Until fn says 1. What it said last becomes the reason why it did not. */
static int
wait_verified(struct op *op, size_t i, step_fn *fn, int64_t limit_ms, struct err *e)
{
	int64_t began_ms = clock_mono_ms(), told_ms = began_ms, pause_ms = POLL_MIN_MS;
	char limit[16];
	struct err why;

	for (;;) {
		int rc = fn(op, e);

		if (rc != 0)
			return rc > 0 ? 0 : -1;
		if (op_left_ms(op) <= 1) {
			why = *e;
			return err_set(e, ERR_TIMEOUT, "%.180s after %s", why.text,
			    str_duration(limit, sizeof(limit), clock_mono_ms() - began_ms));
		}
		if (wants_stop(op))
			return err_set(e, ERR_CANCELED, "stopped by the operator");
		if (!op->journal->is_back && op_still_ours(op, e) != 0)
			return -1;
		if (clock_mono_ms() - told_ms >= TOLD_EVERY_MS) {
			told_ms = clock_mono_ms();
			tell_waiting(op, i, e->text, told_ms - began_ms, limit_ms);
		}
		op_pause(op, pause_ms);
		/* While writers are refused each millisecond counts. */
		if (!is_blocked(op) && pause_ms < POLL_MAX_MS)
			pause_ms *= 2;
	}
}

/* --- one step forward ----------------------------------------------------------------------------- */

/* Announces the act: 0, or -1, and then there is none. */
static int
announce(struct op *op, size_t i, struct err *e)
{
	enum step_state before = op->journal->steps[i].state;
	int64_t limit_ms = is_blocked(op) ? op_left_ms(op) : JOURNAL_LIMIT_MS;

	if (op_still_ours(op, e) != 0)
		return -1;
	set_state(op, i, STEP_BEGUN);
	op_tell(op, i, OP_STEP_BEGUN);
	/* The flip takes its entry with it. */
	if (op_flag(op, i, STEP_FLIPS) || op_journal_write(op, NULL, limit_ms, NULL, e) == 0)
		return 0;
	op->journal->steps[i].state = before;
	return -1;
}

static int
act_and_verify(struct op *op, size_t i, struct err *e)
{
	const struct step *s = op->steps[i];

	if (s->act == NULL)
		set_state(op, i, STEP_BEGUN), op_tell(op, i, OP_STEP_BEGUN);
	else if (announce(op, i, e) != 0)
		return -1;
	if (op_flag(op, i, STEP_BLOCKS))
		op->blocked_us = clock_mono_us();
	op->step_end_ms = clock_mono_ms() + s->limit_ms;
	if ((s->act != NULL && s->act(op, e) != 0) ||
	    (s->verify != NULL && wait_verified(op, i, s->verify, s->limit_ms, e) != 0)) {
		set_state(op, i, STEP_FAILED);
		op_tell(op, i, OP_STEP_FAILED);
		return -1;
	}
	return 0;
}

/* On resume: what was done stays done where there is nothing to look at again, or no way to change it. */
static bool
stays_done(const struct op *op, size_t i)
{
	const struct step *s = op->steps[i];

	return op->is_resumed && op->journal->steps[i].state == STEP_DONE &&
	       (op_is_past_return(op) || (s->check == NULL && s->verify == NULL));
}

static int
step_forward(struct op *op, size_t i, struct err *e)
{
	const struct step *s = op->steps[i];
	bool is_ours = has_begun(op, i);
	int rc;

	op->current = i;
	if (stays_done(op, i))
		return 0;
	if (wants_stop(op))
		return err_set(e, ERR_CANCELED, "stopped by the operator");
	op->step_end_ms = clock_mono_ms() + s->limit_ms;
	if (s->check != NULL) {
		if ((rc = s->check(op, e)) < 0)
			return -1;
		if (rc > 0) {
			set_state(op, i, is_ours ? STEP_DONE : STEP_SKIPPED);
			if (op_flag(op, i, STEP_BLOCKS) && op->blocked_us == 0)
				op->blocked_us = clock_mono_us();
			op_tell(op, i, is_ours ? OP_STEP_DONE : OP_STEP_SKIPPED);
			return 0;
		}
	}
	if (act_and_verify(op, i, e) != 0)
		return -1;
	set_state(op, i, STEP_DONE);
	if (op_flag(op, i, STEP_RESTORES))
		set_restored(op);
	op_tell(op, i, OP_STEP_DONE);
	return 0;
}

/* --- back ----------------------------------------------------------------------------------------- */

static int
undo_step(struct op *op, size_t i, struct err *e)
{
	const struct step *s = op->steps[i];

	op->current = i;
	op_tell(op, i, OP_STEP_UNDOING);
	op->step_end_ms = clock_mono_ms() + (is_blocked(op) ? RESTORE_LIMIT_MS : UNDO_LIMIT_MS);
	if (s->undo(op, e) != 0 ||
	    (s->undone != NULL && wait_verified(op, i, s->undone, UNDO_LIMIT_MS, e) != 0)) {
		err_wrap(e, "taking \"%s\" back", s->name);
		return -1;
	}
	set_state(op, i, STEP_UNDONE);
	if (op_flag(op, i, STEP_BLOCKS) && op->restored_us == 0)
		set_restored(op);
	op_tell(op, i, OP_STEP_UNDONE);
	return 0;
}

/* The first failure stays in first. */
static void
undo_one(struct op *op, size_t i, struct err *first)
{
	struct err own;

	if (!has_begun(op, i))
		return;
	if (op->steps[i]->undo == NULL) {
		/* A hook that ran, a wait: nothing to take back. */
		if (op->steps[i]->act == NULL)
			set_state(op, i, STEP_UNDONE);
	} else if (undo_step(op, i, &own) != 0 && first->code == ERR_NONE) {
		*first = own;
	}
}

/* What refuses writes: with the name leading wherever it may, taking that back does no harm. */
static void
undo_blocking(struct op *op, struct err *first)
{
	for (size_t i = op->step_count; i-- > 0;) {
		if (is_blocked(op) && op_flag(op, i, STEP_BLOCKS))
			undo_one(op, i, first);
	}
}

/* All that has begun, last first; what fails does not keep the others from it. */
static int
undo_all(struct op *op, struct err *e)
{
	struct err first = { .code = ERR_NONE };

	for (size_t i = op->step_count; i-- > 0;)
		undo_one(op, i, &first);
	if (first.code == ERR_NONE)
		return 0;
	*e = first;
	return -1;
}

/*
 * Once. The entry that says so comes first, and comes to Consul before the name is looked at: from then
 * on a flip whose answer was lost cannot happen any more (see above). But writers do not wait for it.
 */
static int
undo_once(struct op *op, bool *is_told, struct err *e)
{
	struct err own = { .code = ERR_NONE };

	if (!*is_told)
		*is_told = op_journal_write(op, NULL,
			       is_blocked(op) ? TELL_LIMIT_MS : JOURNAL_LIMIT_MS, NULL, e) == 0;
	if (op->is_taken_over)
		return -1;
	undo_blocking(op, &own);
	if (!*is_told || undo_all(op, e) != 0)
		return -1;
	op->journal->result = OP_UNDONE;
	if (op_journal_write(op, NULL, JOURNAL_LIMIT_MS, NULL, e) == 0)
		return 0;
	op->journal->result = OP_RUNNING;
	return -1;
}

/* Until all is undone and written down, for PATIENCE_MS. */
static int
undo_patiently(struct op *op, struct err *e)
{
	int64_t end_ms = clock_mono_ms() + PATIENCE_MS;
	bool is_told = false;

	while (undo_once(op, &is_told, e) != 0) {
		if (clock_mono_ms() > end_ms || e->code == ERR_CONFLICT)
			return -1;
		op_say(op, "not undone yet, trying again: %s", e->text);
		op_pause(op, 500);
	}
	return 0;
}

static enum op_end
needs_you(struct op *op, const struct err *why)
{
	struct err own;

	journal_set(&op->journal->error, why->text);
	op->journal->result = OP_FAILED;
	op_journal_write(op, NULL, JOURNAL_LIMIT_MS, NULL, &own);
	op_failed_hooks(op);
	return OP_END_NEEDS_YOU;
}

enum op_end
op_roll_back(struct op *op, struct err *e)
{
	op->journal->is_back = true;
	if (undo_patiently(op, e) != 0)
		return needs_you(op, e);
	op_failed_hooks(op);
	return OP_END_UNDONE;
}

static enum op_end
turn_back(struct op *op, struct err *e)
{
	struct err why = *e;
	enum op_end end;

	op_say(op, "turning back: %s", why.text);
	journal_set(&op->journal->error, why.text);
	end = op_roll_back(op, e);
	if (end == OP_END_UNDONE)
		*e = why;
	return end;
}

/* --- forward -------------------------------------------------------------------------------------- */

/* Nothing is lost when the last entry cannot be written: a resume finds all done, and writes it. */
static enum op_end
finish(struct op *op, bool has_problems, struct err *e)
{
	struct err own;

	op->journal->result = OP_DONE;
	if (op_journal_write(op, NULL, JOURNAL_LIMIT_MS, NULL, &own) != 0) {
		op->journal->result = OP_RUNNING;
		err_set(e, own.code, "all is done, but not written down: %.200s", own.text);
		return OP_END_NEEDS_YOU;
	}
	if (!has_problems)
		err_clear(e);
	return has_problems ? OP_END_PROBLEMS : OP_END_DONE;
}

enum op_end
op_run(struct op *op, struct err *e)
{
	bool has_problems = false;

	if (op->journal->is_back)
		return op_roll_back(op, e);
	op->journal->result = OP_RUNNING;
	if (op_approval_is_missing(op->journal) &&
	    (op_approval_wait(op, e) != 0 ||
		(op->look_again != NULL && op->look_again(op->look_again_arg, e) != 0)))
		return turn_back(op, e);
	for (size_t i = 0; i < op->step_count; i++) {
		if (step_forward(op, i, e) == 0)
			continue;
		if (op_flag(op, i, STEP_MAY_FAIL)) {
			/* What was seen last is no news any more beside why it failed. */
			op_note(op, "%s", e->text);
			has_problems = true;
			continue;
		}
		if (!op_is_past_return(op))
			return turn_back(op, e);
		err_wrap(e, "%s", op->steps[i]->name);
		return needs_you(op, e);
	}
	return finish(op, has_problems, e);
}
