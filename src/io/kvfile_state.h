/*
 * kvfile_state.h: what a file store holds, and the rules of Consul's KV over it: indexes,
 * check-and-set, locks, sessions, deletions. No file and no clock: time comes in as now_ms.
 *
 * A state lives for one reading or one writing of the file: it is loaded, changed by any number of
 * operations, which all get the same index, and saved or thrown away. So a transaction that loses
 * half-way is undone by throwing away.
 */
#ifndef IO_KVFILE_STATE_H
#define IO_KVFILE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "io/kv.h"

struct kvfile_session {
	char id[KV_SESSION_SIZE];
	const char *name;
	int64_t ttl_ms, lock_delay_ms;
	int64_t expires_ms;
	bool deletes_keys;
};

/* A key and a number: a tombstone and its index, a lock delay and its end in ms. */
struct kvfile_mark {
	const char *key;
	uint64_t at;
};

struct kvfile_marks {
	struct kvfile_mark *rows;
	size_t count, room;
};

struct kvfile_state {
	uint64_t index; /* of the last change of an entry */
	uint64_t floor; /* of the newest tombstone that was forgotten: no list's index is lower */
	struct kv_list list; /* the entries, sorted; its arena holds all strings of the state */
	struct kvfile_marks tombstones; /* a key, or the prefix that a delete-tree took away */
	struct kvfile_marks delays;
	struct kvfile_session *sessions;
	size_t session_count, session_room;
	bool is_changed; /* entries are not those that were loaded */
	bool is_dirty;   /* entries, sessions or indexes are not */
};

void kvfile_state_clear(struct kvfile_state *s);

/* Changes the state, or fails with ERR_CONFLICT and the reason; what was done before stays. */
int kvfile_state_apply(
    struct kvfile_state *s, const struct kv_op *op, int64_t now_ms, struct err *why);

/* The entries become those of edited (sorted, no key twice), under one new index. */
void kvfile_state_absorb(struct kvfile_state *s, const struct kv_list *edited);

/* The key alone or all keys with the prefix, and their index, as they are at now_ms. */
void kvfile_state_answer(const struct kvfile_state *s, const char *key, bool is_prefix,
    int64_t now_ms, struct kv_answer *a);

/* For the loader: nothing is checked. */
void kvfile_state_add_session(struct kvfile_state *s, const struct kvfile_session *session);
void kvfile_marks_add(struct kvfile_marks *m, const char *key, uint64_t at);

void kvfile_state_create_session(
    struct kvfile_state *s, const char *id, const struct kv_session_spec *spec, int64_t now_ms);
int kvfile_state_renew_session(
    struct kvfile_state *s, const char *id, int64_t now_ms); /* -1: gone */
void kvfile_state_destroy_session(struct kvfile_state *s, const char *id, int64_t now_ms);
bool kvfile_state_has_session(const struct kvfile_state *s, const char *id);

/* Ends the sessions whose time is up, and forgets old tombstones and delays. */
void kvfile_state_expire(struct kvfile_state *s, int64_t now_ms);
int64_t kvfile_state_next_expiry(const struct kvfile_state *s); /* INT64_MAX: none */

#endif
