/*
 * kv_wait.c: starts a call, turns the loop until its answer came, hands over what it holds. The answer is
 * moved out of the callback because it dies with it; it lives in struct wait, on the stack.
 *
 * The loop goes on turning for everybody else meanwhile: a session renewed by a timer stays alive while
 * a command waits.
 */
#include "io/kv_wait.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/str.h"
#include "io/kv_impl.h"
#include "io/loop.h"

#define TURN_MS 100 /* how late a Ctrl-C may be seen */

struct wait {
	bool is_done;
	struct kv_answer answer;
};

static void
answer_came(struct kv_answer *a, void *arg)
{
	struct wait *wait = arg;

	wait->is_done = true;
	wait->answer = *a;
	*a = (struct kv_answer){ 0 };
}

static int
stop(struct kv_waiter *w, enum err_code code, int64_t limit_ms, struct err *e)
{
	char limit[16];

	if (code == ERR_CANCELED)
		return err_set(
		    e, code, "%s: stopped while waiting for an answer", kv_address(w->kv));
	return err_set(e, code, "%s: no answer within %s", kv_address(w->kv),
	    str_duration(limit, sizeof(limit), limit_ms));
}

/* 0 with wait->answer, which is the caller's to clear; -1 with e and nothing to clear. */
static int
wait_for(
    struct kv_waiter *w, struct kv_call *call, struct wait *wait, int64_t limit_ms, struct err *e)
{
	int64_t end_ms = clock_mono_ms() + limit_ms;

	while (!wait->is_done) {
		int64_t left_ms = end_ms - clock_mono_ms();
		bool is_canceled = w->is_canceled != NULL && w->is_canceled(w->arg);

		if (is_canceled || left_ms <= 0) {
			kv_cancel(call);
			return stop(w, is_canceled ? ERR_CANCELED : ERR_TIMEOUT, limit_ms, e);
		}
		loop_turn(w->loop, left_ms < TURN_MS ? left_ms : TURN_MS);
	}
	if (wait->answer.err.code == ERR_NONE)
		return 0;
	if (e != NULL)
		*e = wait->answer.err;
	kv_answer_clear(&wait->answer);
	return -1;
}

static int
wait_for_list(struct kv_waiter *w, struct kv_call *call, struct wait *wait, int64_t limit_ms,
    struct kv_list *out, uint64_t *index, struct err *e)
{
	if (wait_for(w, call, wait, limit_ms, e) == -1)
		return -1;
	kv_list_take(out, &wait->answer.list);
	if (index != NULL)
		*index = wait->answer.index;
	kv_answer_clear(&wait->answer);
	return 0;
}

/* 1 applied, 0 refused, -1 failed. */
static int
wait_for_write(struct kv_waiter *w, struct kv_call *call, struct wait *wait, struct err *e)
{
	struct err own;

	if (wait_for(w, call, wait, w->limit_ms, &own) == -1) {
		if (!wait->is_done)
			own.code = ERR_UNKNOWN;
		if (e != NULL)
			*e = own;
		return -1;
	}
	if (wait->answer.is_applied)
		return 1;
	err_set(e, ERR_CONFLICT, "%s",
	    wait->answer.text[0] != '\0' ? wait->answer.text : "the store refused the write");
	return 0;
}

int
kv_wait_get(
    struct kv_waiter *w, const char *key, struct kv_list *out, uint64_t *index, struct err *e)
{
	const struct kv_read r = { .is_consistent = true, .limit_ms = w->limit_ms };
	struct wait wait = { 0 };
	struct kv_call *call = kv_get(w->kv, key, &r, answer_came, &wait);

	return wait_for_list(w, call, &wait, w->limit_ms, out, index, e);
}

int
kv_wait_list(
    struct kv_waiter *w, const char *prefix, struct kv_list *out, uint64_t *index, struct err *e)
{
	const struct kv_read r = { .is_consistent = true, .limit_ms = w->limit_ms };
	struct wait wait = { 0 };
	struct kv_call *call = kv_list(w->kv, prefix, &r, answer_came, &wait);

	return wait_for_list(w, call, &wait, w->limit_ms, out, index, e);
}

int
kv_wait_list_change(struct kv_waiter *w, const char *prefix, uint64_t index, int64_t wait_ms,
    struct kv_list *out, uint64_t *out_index, struct err *e)
{
	const struct kv_read r = { .index = index, .wait_ms = wait_ms };
	struct wait wait = { 0 };
	struct kv_call *call = kv_list(w->kv, prefix, &r, answer_came, &wait);

	return wait_for_list(w, call, &wait, kv_read_limit_ms(&r), out, out_index, e);
}

int
kv_wait_put(struct kv_waiter *w, const char *key, const void *value, size_t len, struct err *e)
{
	struct wait wait = { 0 };
	struct kv_call *call = kv_put(w->kv, key, value, len, answer_came, &wait);

	return wait_for_write(w, call, &wait, e) == 1 ? 0 : -1;
}

int
kv_wait_delete(struct kv_waiter *w, const char *key, struct err *e)
{
	struct wait wait = { 0 };
	struct kv_call *call = kv_delete(w->kv, key, answer_came, &wait);

	return wait_for_write(w, call, &wait, e) == 1 ? 0 : -1;
}

int
kv_wait_txn_index(
    struct kv_waiter *w, const struct kv_op *ops, size_t count, uint64_t *index, struct err *e)
{
	struct wait wait = { 0 };
	struct kv_call *call = kv_txn(w->kv, ops, count, answer_came, &wait);
	int rc = wait_for_write(w, call, &wait, e);

	if (rc == 1)
		*index = wait.answer.index;
	return rc;
}

int
kv_wait_txn(struct kv_waiter *w, const struct kv_op *ops, size_t count, struct err *e)
{
	uint64_t ignored;

	return kv_wait_txn_index(w, ops, count, &ignored, e);
}

int
kv_wait_put_if(struct kv_waiter *w, const struct kv_op *op, struct err *e)
{
	struct wait wait = { 0 };
	struct kv_call *call = kv_put_if(w->kv, op, answer_came, &wait);

	return wait_for_write(w, call, &wait, e);
}

int
kv_wait_session_create(
    struct kv_waiter *w, const struct kv_session_spec *s, char out[KV_SESSION_SIZE], struct err *e)
{
	struct wait wait = { 0 };
	struct kv_call *call = kv_session_create(w->kv, s, answer_came, &wait);

	if (wait_for(w, call, &wait, w->limit_ms, e) == -1)
		return -1;
	snprintf(out, KV_SESSION_SIZE, "%s", wait.answer.session);
	return 0;
}

int
kv_wait_session_renew(struct kv_waiter *w, const char *session, struct err *e)
{
	struct wait wait = { 0 };
	struct kv_call *call = kv_session_renew(w->kv, session, answer_came, &wait);

	return wait_for(w, call, &wait, w->limit_ms, e);
}

int
kv_wait_session_destroy(struct kv_waiter *w, const char *session, struct err *e)
{
	struct wait wait = { 0 };
	struct kv_call *call = kv_session_destroy(w->kv, session, answer_came, &wait);

	return wait_for(w, call, &wait, w->limit_ms, e);
}

int
kv_wait_catalog_nodes(struct kv_waiter *w, struct kv_nodes *out, struct err *e)
{
	const struct kv_read r = { .is_consistent = true, .limit_ms = w->limit_ms };
	struct wait wait = { 0 };
	struct kv_call *call = kv_catalog_nodes(w->kv, &r, answer_came, &wait);

	if (wait_for(w, call, &wait, w->limit_ms, e) == -1)
		return -1;
	kv_nodes_take(out, &wait.answer.nodes);
	kv_answer_clear(&wait.answer);
	return 0;
}

int
kv_wait_self(struct kv_waiter *w, char *out, size_t size, struct err *e)
{
	struct wait wait = { 0 };
	struct kv_call *call = kv_self(w->kv, answer_came, &wait);

	if (wait_for(w, call, &wait, w->limit_ms, e) == -1)
		return -1;
	snprintf(out, size, "%s", wait.answer.text);
	return 0;
}
