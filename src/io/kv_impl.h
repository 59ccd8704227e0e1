/*
 * kv_impl.h: what a store implements (io/consul.c, io/kvfile.c) and what io/kv.c does for it.
 * Nobody else includes this.
 *
 * A store embeds struct kv as its first member and struct kv_call as the first member of its calls:
 *
 *   struct file_call { struct kv_call base; ... };
 *
 *   struct file_call *c = mem_alloc(sizeof(*c));
 *   kv_call_begin(&c->base, kv, done, arg);
 *   ... and later, exactly one of
 *   kv_call_finish(&c->base, &answer);   from the loop: done is called here and now
 *   kv_call_defer(&c->base, &answer);    from anywhere: done is called in the next turn
 *
 * kv.c has checked the arguments (keys, sizes, counts, sessions) before it calls an operation.
 */
#ifndef IO_KV_IMPL_H
#define IO_KV_IMPL_H

#include "io/kv.h"

struct loop_timer;

struct kv_ops {
	bool is_file;
	/* Frees kv, whose calls were all cancelled before. */
	void (*free)(struct kv *kv);
	/*
	 * Stops what a call waits for and frees what it owns, not the call itself. Comes once for
	 * each call: when it finishes (before done), is deferred or is cancelled.
	 */
	void (*release)(struct kv_call *c);

	struct kv_call *(*get)(
	    struct kv *kv, const char *key, const struct kv_read *r, kv_done_fn *done, void *arg);
	struct kv_call *(*list)(struct kv *kv, const char *prefix, const struct kv_read *r,
	    kv_done_fn *done, void *arg);
	/* put, delete and put_if are single operations. */
	struct kv_call *(*write)(
	    struct kv *kv, const struct kv_op *op, kv_done_fn *done, void *arg);
	struct kv_call *(*txn)(
	    struct kv *kv, const struct kv_op *ops, size_t count, kv_done_fn *done, void *arg);
	struct kv_call *(*session_create)(
	    struct kv *kv, const struct kv_session_spec *s, kv_done_fn *done, void *arg);
	struct kv_call *(*session_renew)(
	    struct kv *kv, const char *session, kv_done_fn *done, void *arg);
	struct kv_call *(*session_destroy)(
	    struct kv *kv, const char *session, kv_done_fn *done, void *arg);
	struct kv_call *(*catalog_nodes)(
	    struct kv *kv, const struct kv_read *r, kv_done_fn *done, void *arg);
	struct kv_call *(*self)(struct kv *kv, kv_done_fn *done, void *arg);
};

struct kv {
	const struct kv_ops *ops;
	struct loop *loop;
	char *address;         /* freed by kv_free() */
	struct kv_call *calls; /* under way, newest first */
};

struct kv_call {
	struct kv *kv;
	kv_done_fn *done;
	void *arg;
	struct kv_call *prev, *next;
	struct loop_timer *timer; /* set once the answer is deferred */
	struct kv_answer *deferred;
	bool is_over; /* done was called or is being called */
};

/* The stores, chosen by the address (io/kv_open.c). NULL and an error for a bad address. */
struct kv *consul_new(struct loop *l, const struct kv_config *c, struct err *e);
struct kv *kvfile_new(struct loop *l, const struct kv_config *c, struct err *e);

void kv_init(struct kv *kv, const struct kv_ops *ops, struct loop *l, const char *address);

void kv_call_begin(struct kv_call *c, struct kv *kv, kv_done_fn *done, void *arg);
/* Both take over what the answer holds. After _finish() c is gone; kv may be gone as well. */
void kv_call_finish(struct kv_call *c, struct kv_answer *a);
void kv_call_defer(struct kv_call *c, struct kv_answer *a);
/* The same with nothing but an error in the answer. */
void kv_call_finish_err(struct kv_call *c, const struct err *e);
void kv_call_defer_err(struct kv_call *c, const struct err *e);

/*
 * Building answers: push, then fill in the strings with arena_strndup(&l->arena, …). A pushed entry
 * has "" in all its strings. kv_list_sort() leaves a list in the order that kv.h promises.
 */
struct kv_entry *kv_list_push(struct kv_list *l);
void kv_list_sort(struct kv_list *l);
/* Two lists with one memory, which the last kv_list_clear() frees. Neither may be changed any more. */
void kv_list_share(struct kv_list *to, struct kv_list *from);
struct kv_node *kv_nodes_push(struct kv_nodes *n);
void kv_node_push_meta(struct kv_node *node, char *key, char *value);
void kv_answer_clear(struct kv_answer *a);

/* The limit of a read: r->limit_ms, or what kv.h says for 0. */
int64_t kv_read_limit_ms(const struct kv_read *r);

#endif
