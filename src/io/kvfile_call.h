/*
 * kvfile_call.h: the calls of a file store, between the operations (kvfile.c) and the files
 * (kvfile_disk.h). Only these two include it.
 */
#ifndef IO_KVFILE_CALL_H
#define IO_KVFILE_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "io/kv_impl.h"
#include "io/kvfile_disk.h"
#include "io/loop.h"

struct fswatch;

/* The catalog is empty for ever: an index that never rises lets a watcher wait and not spin. */
#define KVFILE_CATALOG_INDEX 1

enum call_state { CALL_READ, CALL_WAIT, CALL_LOCK, CALL_SLEEP };

struct file_call;

/* What is done with the state, under the lock: a->err or !a->is_applied throws the state away. */
typedef void act_fn(
    struct file_call *c, struct kvfile_state *s, int64_t now_ms, struct kv_answer *a);

struct file_call {
	struct kv_call call;
	enum call_state state;
	act_fn *act;
	struct loop_timer *timer;
	struct arena memory; /* of what follows */

	/* a read */
	const char *key;
	bool is_prefix, is_wait_over, is_edited;
	bool is_refused; /* we may not write: expired sessions are only hidden */
	uint64_t above;  /* answer when the index is above this */
	int64_t wait_ms; /* 0: do not wait */
	bool is_limited; /* the limit comes before the wait's end */

	/* under the lock */
	int64_t lock_limit_at_ms;
	struct kv_op *ops;
	size_t op_count;
	struct kv_session_spec spec;
	char session[KV_SESSION_SIZE];
};

struct kvfile {
	struct kv kv;
	struct kvfile_disk disk;
	struct fswatch *main_watch, *index_watch; /* since the first wait */
	int64_t turn_began_ms, unlocked_ms;       /* with the lock */
	struct loop_timer *look;
	int64_t look_at_ms;
	struct file_call *settling; /* a call of our own */
	bool is_edited, is_behind;  /* what the last look found */
	int64_t failing_since_ms;   /* looking or settling; 0: it works */
};

/* The operation fills in what it needs, then sets the state: READ or LOCK, or SLEEP for so long. */
struct file_call *file_call_new(struct kv *kv, act_fn *act, kv_done_fn *done, void *arg);
void file_call_set_state(struct file_call *c, enum call_state state, int64_t timer_ms);
void file_call_release(struct kv_call *call);

act_fn file_act_read;
act_fn file_act_nothing;

void kvfile_watch_stop(struct kvfile *f);
loop_fn kvfile_look; /* for all calls of a store (its arg) that wait */

#endif
