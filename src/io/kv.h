/*
 * kv.h: the key-value store that all coordination goes through. Two stores speak it with the same
 * semantics, held to that by one conformance suite (tests/unit/test_kv_conformance.c):
 *
 *   http://, https://, unix://   a Consul agent                  io/consul.c
 *   file:/path/kv.json           one machine without Consul      io/kvfile.c
 *
 * Everything is asynchronous (loop.h has the rule for completions); the CLI waits with kv_wait.h.
 *
 * Index rules, the same for both: every change raises the store's index; a write that changes
 * nothing does not change modify_index and wakes nobody; a list's index is the largest
 * modify_index (or deletion) below its prefix; the empty prefix, a prefix that never had a key
 * and a key that is not there have the store's index, and may wake at any change. The index of a
 * prefix may go DOWN (Consul collects tombstones, a store is restored or wiped): callers start
 * over.
 *
 * Locks, the same for both: a plain write or deletion passes a lock (it keeps the holder and sets
 * lock_index to 0); what fences is KV_OP_CHECK_SESSION in the same transaction. When a session
 * ends, its keys get a new modify_index and can be locked again after its lock delay; when a lock
 * is released, at once. A session that is not renewed ends after its TTL: a file store's then,
 * Consul's up to another TTL later.
 */
#ifndef IO_KV_H
#define IO_KV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

struct loop;
struct kv;
struct kv_call;

#define KV_VALUE_MAX 524288          /* Consul's limit for a value, facts/consul.md */
#define KV_TXN_MAX 64                /* operations in a transaction of 512 KiB as JSON, the same */
#define KV_LIST_BODY_MAX (32u << 20) /* an answer larger than this is not a list of names */
#define KV_SESSION_SIZE 37           /* a UUID and its NUL */

struct kv_entry {
	const char *key;   /* NUL-terminated; see has_nul_key */
	const char *value; /* may hold NUL bytes; NUL-terminated behind value_len */
	size_t value_len;
	uint64_t create_index, modify_index, lock_index, flags;
	const char *session; /* "" when not held; never NULL */
	bool has_nul_key;    /* bytes of the key were hidden behind a NUL */
};

/*
 * Entries in the order of their keys (strcmp); all memory belongs to the list. Starts all zero.
 * Two entries may show the same key: Consul writes U+FFFD for every byte that is not UTF-8, and a
 * key is seen here only up to its first NUL.
 */
struct kv_list {
	struct kv_entry *entries;
	size_t count, room;
	struct arena arena;
	size_t *refs; /* NULL: nobody shares it (kv_impl.h) */
};

struct kv_meta {
	char *key, *value;
};

/* As the catalog says it, nothing validated; strings may be shortened at a NUL. */
struct kv_node {
	char *node;
	char *address;
	struct kv_meta *meta;
	size_t meta_count;
};

struct kv_nodes {
	struct kv_node *nodes;
	size_t count, room;
	struct arena arena; /* the strings; meta arrays are separate */
};

void kv_list_clear(struct kv_list *l);
/* Bytes of the key or the value are hidden behind a NUL: what strlen() sees is not all of it. */
bool kv_entry_has_nul(const struct kv_entry *e);
/* Of a list that is sorted, as every list of a store is: where the key is, or would be. */
size_t kv_list_place(const struct kv_list *l, const char *key);
/* The first entry with that key; NULL: not there. */
const struct kv_entry *kv_list_find(const struct kv_list *l, const char *key);
void kv_list_take(struct kv_list *to, struct kv_list *from); /* from is empty afterwards */
void kv_nodes_clear(struct kv_nodes *n);
void kv_nodes_take(struct kv_nodes *to, struct kv_nodes *from);

struct kv_answer {
	struct err err; /* ERR_UNKNOWN for a write that may or may not have happened */
	/*
	 * Reads: of what was read (0: the answer had none). Transactions that were applied: the
	 * modify_index of the last operation's key; 0: it has none.
	 */
	uint64_t index;
	bool is_applied;     /* writes: false when the check-and-set, lock or transaction lost */
	struct kv_list list; /* get (at most one entry), list: freed after, unless taken */
	struct kv_nodes nodes;
	char session[KV_SESSION_SIZE];
	char text[256]; /* self: the node's name; txn: why it was not applied */
};

typedef void kv_done_fn(struct kv_answer *a, void *arg);

/* How to read. All zero: now, in the default consistency. */
struct kv_read {
	bool is_consistent; /* only what the leader verified with a quorum */
	uint64_t index;     /* wait until the index is above this … */
	int64_t wait_ms;    /* … for at most this long, then answer with what is there */
	int64_t limit_ms;   /* for the whole call; 0: wait_ms + wait_ms/16 + 10 s */
};

enum kv_op_kind {
	KV_OP_SET,
	KV_OP_CAS, /* index 0: only if the key does not exist */
	KV_OP_DELETE,
	KV_OP_DELETE_CAS, /* what does not exist is deleted already */
	KV_OP_DELETE_TREE,
	KV_OP_CHECK_SESSION, /* the key is locked by this session */
	KV_OP_CHECK_INDEX,
	KV_OP_LOCK, /* both write the value, too; LOCK by the holder only does that */
	KV_OP_UNLOCK,
};

struct kv_op {
	enum kv_op_kind kind;
	const char *key;
	const void *value;
	size_t value_len;
	uint64_t index;
	const char *session;
};

struct kv_session_spec {
	const char *name;
	int64_t ttl_ms;        /* 10 s to 24 h, as in Consul */
	int64_t lock_delay_ms; /* 0 to 60 s; after an invalidation, not after a release */
	bool deletes_keys;     /* at the end its keys are deleted, else only released */
};

struct kv_config {
	const char *address;
	const char *token;      /* NULL: none; goes into a header, never into a URL or a log */
	const char *datacenter; /* NULL or "": the agent's own */
	const char *ca_file, *cert_file, *key_file, *tls_server_name;
	bool is_verified;
};

struct kv *kv_new(struct loop *l, const struct kv_config *c, struct err *e);
void kv_free(struct kv *kv); /* cancels what is under way */

/* "http://127.0.0.1:8500": for messages; holds no secret. Lives as long as kv. */
const char *kv_address(const struct kv *kv);
bool kv_is_file(const struct kv *kv);

struct kv_call *kv_get(
    struct kv *kv, const char *key, const struct kv_read *r, kv_done_fn *done, void *arg);
/* An empty or missing prefix is an empty list, not an error. */
struct kv_call *kv_list(
    struct kv *kv, const char *prefix, const struct kv_read *r, kv_done_fn *done, void *arg);
struct kv_call *kv_put(
    struct kv *kv, const char *key, const void *value, size_t len, kv_done_fn *done, void *arg);
struct kv_call *kv_delete(struct kv *kv, const char *key, kv_done_fn *done, void *arg);
/* All or nothing; is_applied says which. At most KV_TXN_MAX operations. */
struct kv_call *kv_txn(
    struct kv *kv, const struct kv_op *ops, size_t count, kv_done_fn *done, void *arg);
/* put with a condition, or with a lock: one-operation forms of the above that work on any store. */
struct kv_call *kv_put_if(struct kv *kv, const struct kv_op *op, kv_done_fn *done, void *arg);

struct kv_call *kv_session_create(
    struct kv *kv, const struct kv_session_spec *s, kv_done_fn *done, void *arg);
/* ERR_NOT_FOUND when the session is gone. */
struct kv_call *kv_session_renew(struct kv *kv, const char *session, kv_done_fn *done, void *arg);
struct kv_call *kv_session_destroy(struct kv *kv, const char *session, kv_done_fn *done, void *arg);

/* The catalog's nodes; none in a file store (there `nodes/` in the KV says it all). */
struct kv_call *kv_catalog_nodes(
    struct kv *kv, const struct kv_read *r, kv_done_fn *done, void *arg);
/* The node name of the local Consul agent, in text; a file store says the host's name. */
struct kv_call *kv_self(struct kv *kv, kv_done_fn *done, void *arg);

/* done is not called any more. */
void kv_cancel(struct kv_call *call);

#endif
