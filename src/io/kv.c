/*
 * kv.c: what all stores have in common: the arguments are checked here, once and alike, and a
 * call's life is kept here:
 *
 *   kv_call_begin ──> under way ──finish──> over (done called, freed after the turn)
 *                        │  └──defer──> deferred ──next turn──> over
 *                        └──kv_cancel──> freed at once (also from deferred)
 *
 * A call that cannot even start (a value too large) is deferred with its error, so that callers
 * have one path for errors and no callback ever comes from inside kv_*().
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "io/kv_impl.h"
#include "io/loop.h"

/* Consul's session limits (its HTTP API, "Create Session"). */
#define TTL_MIN_MS 10000
#define TTL_MAX_MS (24 * 3600 * 1000)
#define LOCK_DELAY_MAX_MS 60000

/* Beyond what the peer waits itself: its jitter is wait/16, and then the answer has to travel. */
#define READ_SLACK_MS 10000

void
kv_init(struct kv *kv, const struct kv_ops *ops, struct loop *l, const char *address)
{
	kv->ops = ops;
	kv->loop = l;
	kv->address = mem_strdup(address);
}

void
kv_free(struct kv *kv)
{
	if (kv == NULL)
		return;
	while (kv->calls != NULL)
		kv_cancel(kv->calls);
	free(kv->address);
	kv->ops->free(kv);
}

const char *
kv_address(const struct kv *kv)
{
	return kv->address;
}

bool
kv_is_file(const struct kv *kv)
{
	return kv->ops->is_file;
}

int64_t
kv_read_limit_ms(const struct kv_read *r)
{
	return r->limit_ms > 0 ? r->limit_ms : r->wait_ms + r->wait_ms / 16 + READ_SLACK_MS;
}

void
kv_answer_clear(struct kv_answer *a)
{
	kv_list_clear(&a->list);
	kv_nodes_clear(&a->nodes);
}

void
kv_call_begin(struct kv_call *c, struct kv *kv, kv_done_fn *done, void *arg)
{
	c->kv = kv;
	c->done = done;
	c->arg = arg;
	c->next = kv->calls;
	if (c->next != NULL)
		c->next->prev = c;
	kv->calls = c;
}

static void
call_unlink(struct kv_call *c)
{
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		c->kv->calls = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
}

/* The one place that calls done. The store has let go of the call. */
static void
call_end(struct kv_call *c, struct kv_answer *a)
{
	struct loop *l = c->kv->loop;

	c->is_over = true;
	call_unlink(c);
	c->done(a, c->arg);
	kv_answer_clear(a);
	loop_defer_free(l, c);
}

void
kv_call_finish(struct kv_call *c, struct kv_answer *a)
{
	c->kv->ops->release(c);
	call_end(c, a);
}

static void
deferred_due(void *arg)
{
	struct kv_call *c = arg;
	struct kv_answer *a = c->deferred;

	c->deferred = NULL;
	loop_timer_free(c->timer);
	c->timer = NULL;
	call_end(c, a);
	free(a);
}

static void
call_defer(struct kv_call *c, struct kv_answer *a)
{
	c->deferred = mem_alloc(sizeof(*c->deferred));
	*c->deferred = *a;
	*a = (struct kv_answer){ 0 };
	c->timer = loop_timer_new(c->kv->loop, deferred_due, c);
	loop_timer_set(c->timer, 0);
}

void
kv_call_defer(struct kv_call *c, struct kv_answer *a)
{
	c->kv->ops->release(c);
	call_defer(c, a);
}

void
kv_call_finish_err(struct kv_call *c, const struct err *e)
{
	struct kv_answer a = { .err = *e };

	kv_call_finish(c, &a);
}

void
kv_call_defer_err(struct kv_call *c, const struct err *e)
{
	struct kv_answer a = { .err = *e };

	kv_call_defer(c, &a);
}

void
kv_cancel(struct kv_call *c)
{
	if (c == NULL || c->is_over)
		return;
	if (c->deferred != NULL) {
		loop_timer_free(c->timer);
		kv_answer_clear(c->deferred);
		free(c->deferred);
	} else {
		c->kv->ops->release(c);
	}
	call_unlink(c);
	free(c);
}

/* A call that never reaches the store. */
static struct kv_call *
fail(struct kv *kv, const struct err *e, kv_done_fn *done, void *arg)
{
	struct kv_call *c = mem_alloc(sizeof(*c));
	struct kv_answer a = { .err = *e };

	kv_call_begin(c, kv, done, arg);
	call_defer(c, &a);
	return c;
}

static int
check_key(const char *key, struct err *e)
{
	if (key[0] == '\0')
		return err_set(e, ERR_USAGE, "the key is empty");
	return 0;
}

static int
check_session(const char *session, struct err *e)
{
	char shown[STR_SHOW_MAX * 4 + 4];

	if (session != NULL && strlen(session) == KV_SESSION_SIZE - 1 &&
	    strspn(session, "0123456789abcdefABCDEF-") == KV_SESSION_SIZE - 1)
		return 0;
	return err_set(e, ERR_USAGE, "%s is not the id of a session",
	    session == NULL ? "nothing"
			    : str_printable(shown, sizeof(shown), session, strlen(session)));
}

static const struct {
	bool has_value, has_session;
} op_kinds[] = {
	[KV_OP_SET] = { .has_value = true },
	[KV_OP_CAS] = { .has_value = true },
	[KV_OP_DELETE] = { .has_value = false },
	[KV_OP_DELETE_CAS] = { .has_value = false },
	[KV_OP_DELETE_TREE] = { .has_value = false },
	[KV_OP_CHECK_SESSION] = { .has_session = true },
	[KV_OP_CHECK_INDEX] = { .has_value = false },
	[KV_OP_LOCK] = { .has_value = true, .has_session = true },
	[KV_OP_UNLOCK] = { .has_value = true, .has_session = true },
};

static int
check_op(const struct kv_op *op, struct err *e)
{
	if (check_key(op->key, e) == -1)
		return -1;
	if (op_kinds[op->kind].has_session && check_session(op->session, e) == -1)
		return -1;
	if (op_kinds[op->kind].has_value && op->value_len > KV_VALUE_MAX)
		return err_set(e, ERR_LIMIT, "the value has %zu bytes; a store takes %d",
		    op->value_len, KV_VALUE_MAX);
	return 0;
}

struct kv_call *
kv_get(struct kv *kv, const char *key, const struct kv_read *r, kv_done_fn *done, void *arg)
{
	struct err e;

	if (check_key(key, &e) == -1)
		return fail(kv, &e, done, arg);
	return kv->ops->get(kv, key, r, done, arg);
}

struct kv_call *
kv_list(struct kv *kv, const char *prefix, const struct kv_read *r, kv_done_fn *done, void *arg)
{
	return kv->ops->list(kv, prefix, r, done, arg);
}

static struct kv_call *
start_write(struct kv *kv, const struct kv_op *op, kv_done_fn *done, void *arg)
{
	struct err e;

	if (check_op(op, &e) == -1)
		return fail(kv, &e, done, arg);
	return kv->ops->write(kv, op, done, arg);
}

struct kv_call *
kv_put(struct kv *kv, const char *key, const void *value, size_t len, kv_done_fn *done, void *arg)
{
	const struct kv_op op = { .kind = KV_OP_SET, .key = key, .value = value, .value_len = len };

	return start_write(kv, &op, done, arg);
}

struct kv_call *
kv_delete(struct kv *kv, const char *key, kv_done_fn *done, void *arg)
{
	const struct kv_op op = { .kind = KV_OP_DELETE, .key = key };

	return start_write(kv, &op, done, arg);
}

struct kv_call *
kv_put_if(struct kv *kv, const struct kv_op *op, kv_done_fn *done, void *arg)
{
	return start_write(kv, op, done, arg);
}

struct kv_call *
kv_txn(struct kv *kv, const struct kv_op *ops, size_t count, kv_done_fn *done, void *arg)
{
	struct err e;

	if (count == 0 || count > KV_TXN_MAX) {
		err_set(&e, ERR_LIMIT, "a transaction of %zu operations; a store takes 1 to %d",
		    count, KV_TXN_MAX);
		return fail(kv, &e, done, arg);
	}
	for (size_t i = 0; i < count; i++) {
		if (check_op(&ops[i], &e) == -1)
			return fail(kv, &e, done, arg);
	}
	return kv->ops->txn(kv, ops, count, done, arg);
}

struct kv_call *
kv_session_create(struct kv *kv, const struct kv_session_spec *s, kv_done_fn *done, void *arg)
{
	struct err e;

	if (s->ttl_ms < TTL_MIN_MS || s->ttl_ms > TTL_MAX_MS) {
		err_set(&e, ERR_USAGE,
		    "a session's TTL of %" PRId64 " ms; 10 s to 24 h are allowed", s->ttl_ms);
		return fail(kv, &e, done, arg);
	}
	if (s->lock_delay_ms < 0 || s->lock_delay_ms > LOCK_DELAY_MAX_MS) {
		err_set(&e, ERR_USAGE,
		    "a session's lock delay of %" PRId64 " ms; 0 to 60 s are allowed",
		    s->lock_delay_ms);
		return fail(kv, &e, done, arg);
	}
	return kv->ops->session_create(kv, s, done, arg);
}

struct kv_call *
kv_session_renew(struct kv *kv, const char *session, kv_done_fn *done, void *arg)
{
	struct err e;

	if (check_session(session, &e) == -1)
		return fail(kv, &e, done, arg);
	return kv->ops->session_renew(kv, session, done, arg);
}

struct kv_call *
kv_session_destroy(struct kv *kv, const char *session, kv_done_fn *done, void *arg)
{
	struct err e;

	if (check_session(session, &e) == -1)
		return fail(kv, &e, done, arg);
	return kv->ops->session_destroy(kv, session, done, arg);
}

struct kv_call *
kv_catalog_nodes(struct kv *kv, const struct kv_read *r, kv_done_fn *done, void *arg)
{
	return kv->ops->catalog_nodes(kv, r, done, arg);
}

struct kv_call *
kv_self(struct kv *kv, kv_done_fn *done, void *arg)
{
	return kv->ops->self(kv, done, arg);
}
