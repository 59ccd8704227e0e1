/*
 * kv_probe.h: a store under test, and the steps that its tests are made of. A step that goes wrong
 * fails the test, so that a test reads as what is done and what is expected.
 */
#ifndef TESTS_UNIT_KV_PROBE_H
#define TESTS_UNIT_KV_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/kv.h"
#include "io/kv_wait.h"

#define PROBE_LIMIT_MS 10000
#define PROBE_WAKE_MS 5000 /* a watcher that is woken at all is woken by then */
#define PROBE_TTL_MS 10000 /* of sessions: the least that Consul takes */

struct probe {
	struct kv *kv, *other; /* two clients of one store */
	struct kv_waiter w;    /* of the first */
};

/* PROBE_OK(f(…, &probe_err)) */
extern struct err probe_err;

#define PROBE_OK(call) \
	do { \
		if ((call) == -1) \
			fail_msg("%s: %s", #call, probe_err.text); \
	} while (0)

void probe_open(struct probe *p, struct loop *l, const char *address);
void probe_close(struct probe *p);

void probe_put(struct probe *p, const char *key, const char *value);
void probe_delete(struct probe *p, const char *key);

/* An entry, or all zero but for the index. */
struct probe_seen {
	bool exists;
	char value[64], session[KV_SESSION_SIZE];
	uint64_t create_index, modify_index, lock_index, index;
};

struct probe_seen probe_get(struct probe *p, const char *key);
uint64_t probe_index(struct probe *p, const char *prefix);
/* "a b c": the keys below prefix, without it. Overwritten by the next call. */
const char *probe_keys(struct probe *p, const char *prefix);

/* 1 applied, 0 refused for a reason that is given. */
int probe_apply(struct probe *p, const struct kv_op *ops, size_t count);
int probe_apply_one(struct probe *p, enum kv_op_kind kind, const char *key, const char *value,
    uint64_t index, const char *session);
int probe_lock(struct probe *p, const char *key, const char *value, const char *session);
void probe_session(
    struct probe *p, int64_t lock_delay_ms, bool deletes_keys, char out[KV_SESSION_SIZE]);

/* A call under way, and what was answered. */
struct probe_watch {
	struct kv_call *call;
	int answers;
	size_t count;
	uint64_t index;
	struct err err;
};

kv_done_fn probe_answered; /* its arg is the watch */
/* A blocking read of the other client, so that it knows nothing from the first one's writes. */
void probe_watch(struct probe *p, struct probe_watch *watch, const char *prefix, uint64_t index,
    int64_t wait_ms);
/* Turns the loop until there is an answer; false: not within limit_ms. */
bool probe_is_answered(struct probe *p, struct probe_watch *watch, int64_t limit_ms);
void probe_expect_woken(struct probe *p, struct probe_watch *watch, uint64_t above, size_t count);
void probe_idle(struct probe *p, int64_t ms);

#endif
