/*
 * kv_wait.h: the same store for top-to-bottom code: each call runs the loop until its answer came or
 * limit_ms passed. Only the CLI and tests use it; the daemon never waits.
 */
#ifndef IO_KV_WAIT_H
#define IO_KV_WAIT_H

#include "io/kv.h"

struct kv_waiter {
	struct loop *loop;
	struct kv *kv;
	int64_t limit_ms; /* for each call */
	/*
	 * Asked at least ten times a second while waiting; true ends the wait with ERR_CANCELED. May be
	 * NULL.
	 */
	bool (*is_canceled)(void *arg);
	void *arg;
};

/*
 * A write to the KV whose wait ended early, by the limit or by is_canceled, is ERR_UNKNOWN: it may
 * happen after we stopped waiting. Nothing here says ERR_CANCELED or ERR_TIMEOUT of a write under way.
 */

/* 0, or -1 with e. Lists and nodes are the caller's to clear. index may be NULL. */
int kv_wait_get(
    struct kv_waiter *w, const char *key, struct kv_list *out, uint64_t *index, struct err *e);
/* By default reads are consistent: a command must not show yesterday's truth. */
int kv_wait_list(
    struct kv_waiter *w, const char *prefix, struct kv_list *out, uint64_t *index, struct err *e);
int kv_wait_list_change(struct kv_waiter *w, const char *prefix, uint64_t index, int64_t wait_ms,
    struct kv_list *out, uint64_t *out_index, struct err *e);
int kv_wait_put(struct kv_waiter *w, const char *key, const void *value, size_t len, struct err *e);
int kv_wait_delete(struct kv_waiter *w, const char *key, struct err *e);
/* 1 applied, 0 not (why in e->text with ERR_CONFLICT), -1 failed: ERR_UNKNOWN means re-read. */
int kv_wait_txn(struct kv_waiter *w, const struct kv_op *ops, size_t count, struct err *e);
/* The same, and once it was applied the modify_index of the last operation's key (0: not told). */
int kv_wait_txn_index(
    struct kv_waiter *w, const struct kv_op *ops, size_t count, uint64_t *index, struct err *e);
int kv_wait_put_if(struct kv_waiter *w, const struct kv_op *op, struct err *e);
int kv_wait_session_create(
    struct kv_waiter *w, const struct kv_session_spec *s, char out[KV_SESSION_SIZE], struct err *e);
int kv_wait_session_renew(struct kv_waiter *w, const char *session, struct err *e);
int kv_wait_session_destroy(struct kv_waiter *w, const char *session, struct err *e);
int kv_wait_catalog_nodes(struct kv_waiter *w, struct kv_nodes *out, struct err *e);
int kv_wait_self(struct kv_waiter *w, char *out, size_t size, struct err *e);

#endif
