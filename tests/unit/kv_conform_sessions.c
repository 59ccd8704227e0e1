/*
 * kv_conform_sessions.c: locks and sessions, the same on both stores.
 *
 * Sessions take 10 to 20 s to expire (Consul's minimum, and up to twice that): those that nobody
 * ends are begun before the first test and judged after the last, while one loop serves all.
 */
#include "kv_conform_sessions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "io/loop.h"

#define LOCK_DELAY_MS 2000
#define RENEW_MS 3000
#define LATE_MS 10000 /* the store, or we in seeing it, on a busy machine */
#define UNKNOWN_SESSION "00000000-1111-2222-3333-444444444444"

void
conform_locks_and_unlocks(void **state)
{
	struct probe *p = *state;
	char mine[KV_SESSION_SIZE], yours[KV_SESSION_SIZE];
	struct probe_seen seen, again;

	probe_session(p, 0, false, mine);
	probe_session(p, 0, false, yours);
	assert_int_equal(probe_lock(p, "lock/a", "by me", mine), 1);
	seen = probe_get(p, "lock/a");
	assert_string_equal(seen.value, "by me");
	assert_string_equal(seen.session, mine);
	assert_int_equal(seen.lock_index, 1);
	assert_int_equal(probe_lock(p, "lock/a", "by you", yours), 0);
	assert_string_equal(probe_get(p, "lock/a").value, "by me");
	/* Locking again writes, and is not another lock. */
	assert_int_equal(probe_lock(p, "lock/a", "still me", mine), 1);
	again = probe_get(p, "lock/a");
	assert_string_equal(again.value, "still me");
	assert_int_equal(again.lock_index, 1);
	assert_true(again.modify_index > seen.modify_index);
	assert_int_equal(probe_lock(p, "lock/a", "still me", mine), 1);
	assert_int_equal(probe_get(p, "lock/a").modify_index, again.modify_index);

	assert_int_equal(probe_apply_one(p, KV_OP_UNLOCK, "lock/a", "x", 0, yours), 0);
	assert_int_equal(probe_apply_one(p, KV_OP_UNLOCK, "lock/none", "x", 0, mine), 0);
	assert_int_equal(probe_apply_one(p, KV_OP_UNLOCK, "lock/a", "free", 0, mine), 1);
	seen = probe_get(p, "lock/a");
	assert_string_equal(seen.value, "free");
	assert_string_equal(seen.session, "");
	assert_int_equal(seen.lock_index, 1);
	/* A release is no end of a session: the next one may lock at once. */
	assert_int_equal(probe_lock(p, "lock/a", "by you", yours), 1);
	assert_int_equal(probe_get(p, "lock/a").lock_index, 2);
	assert_int_equal(probe_lock(p, "lock/b", "x", UNKNOWN_SESSION), 0);
	assert_false(probe_get(p, "lock/b").exists);
	PROBE_OK(kv_wait_session_destroy(&p->w, mine, &probe_err));
	PROBE_OK(kv_wait_session_destroy(&p->w, yours, &probe_err));
}

/* A lock keeps nobody from writing: what fences is check-session in the same transaction. */
void
conform_plain_writes_pass_locks(void **state)
{
	struct probe *p = *state;
	char mine[KV_SESSION_SIZE];
	struct probe_seen locked, written;

	probe_session(p, 0, false, mine);
	assert_int_equal(probe_lock(p, "plain/a", "1", mine), 1);
	locked = probe_get(p, "plain/a");
	probe_put(p, "plain/a", "1");
	written = probe_get(p, "plain/a");
	assert_string_equal(written.session, mine);
	assert_int_equal(written.lock_index, 0);
	assert_true(written.modify_index > locked.modify_index);
	probe_put(p, "plain/a", "1");
	assert_int_equal(probe_get(p, "plain/a").modify_index, written.modify_index);
	probe_delete(p, "plain/a");
	assert_false(probe_get(p, "plain/a").exists);
	PROBE_OK(kv_wait_session_destroy(&p->w, mine, &probe_err));
}

/* The fence of an operation: check-session on the lock, cas on the name, set of the journal. */
void
conform_fences_by_session(void **state)
{
	struct probe *p = *state;
	char mine[KV_SESSION_SIZE], yours[KV_SESSION_SIZE];
	struct kv_op ops[] = {
		{ .kind = KV_OP_CHECK_SESSION, .key = "fence/lock", .session = mine },
		{ .kind = KV_OP_CAS, .key = "fence/name", .value = "db4", .value_len = 3 },
		{ .kind = KV_OP_SET, .key = "fence/journal", .value = "flip", .value_len = 4 },
	};

	probe_session(p, 0, false, mine);
	probe_session(p, 0, false, yours);
	probe_put(p, "fence/name", "db3");
	ops[1].index = probe_get(p, "fence/name").modify_index;
	assert_int_equal(probe_apply(p, ops, 3), 0); /* there is no lock */
	assert_int_equal(probe_lock(p, "fence/lock", "", yours), 1);
	assert_int_equal(probe_apply(p, ops, 3), 0); /* it is another's */
	assert_int_equal(probe_apply_one(p, KV_OP_UNLOCK, "fence/lock", "", 0, yours), 1);
	assert_int_equal(probe_apply(p, ops, 3), 0); /* it is nobody's */
	assert_int_equal(probe_lock(p, "fence/lock", "", mine), 1);
	ops[1].index--;
	assert_int_equal(probe_apply(p, ops, 3), 0); /* the name was flipped meanwhile */
	assert_string_equal(probe_keys(p, "fence/"), "lock name");
	assert_string_equal(probe_get(p, "fence/name").value, "db3");
	ops[1].index++;
	assert_int_equal(probe_apply(p, ops, 3), 1);
	assert_string_equal(probe_keys(p, "fence/"), "journal lock name");
	assert_string_equal(probe_get(p, "fence/name").value, "db4");
	ops[1].index = probe_get(p, "fence/name").modify_index;
	PROBE_OK(kv_wait_session_destroy(&p->w, mine, &probe_err));
	assert_int_equal(probe_apply(p, ops, 3), 0); /* the session is gone */
	PROBE_OK(kv_wait_session_destroy(&p->w, yours, &probe_err));
}

void
conform_renews_and_destroys_sessions(void **state)
{
	struct probe *p = *state;
	char mine[KV_SESSION_SIZE];
	struct err e = { 0 };

	probe_session(p, 0, false, mine);
	PROBE_OK(kv_wait_session_renew(&p->w, mine, &probe_err));
	PROBE_OK(kv_wait_session_destroy(&p->w, mine, &probe_err));
	assert_int_equal(kv_wait_session_renew(&p->w, mine, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_int_equal(kv_wait_session_renew(&p->w, UNKNOWN_SESSION, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	PROBE_OK(kv_wait_session_destroy(&p->w, mine, &probe_err));
}

void
conform_destroyed_sessions_free_keys(void **state)
{
	struct probe *p = *state;
	char releases[KV_SESSION_SIZE], deletes[KV_SESSION_SIZE];
	struct probe_seen held;
	struct probe_watch watch;

	probe_session(p, 0, false, releases);
	probe_session(p, 0, true, deletes);
	assert_int_equal(probe_lock(p, "end/a", "kept", releases), 1);
	assert_int_equal(probe_lock(p, "end/b", "gone", deletes), 1);
	held = probe_get(p, "end/a");
	probe_watch(p, &watch, "end/", probe_index(p, "end/"), PROBE_LIMIT_MS);
	PROBE_OK(kv_wait_session_destroy(&p->w, releases, &probe_err));
	probe_expect_woken(p, &watch, held.index, 2);
	assert_string_equal(probe_get(p, "end/a").session, "");
	assert_string_equal(probe_get(p, "end/a").value, "kept");
	assert_int_equal(probe_get(p, "end/a").lock_index, 1);
	assert_true(probe_get(p, "end/a").modify_index > held.modify_index);
	probe_watch(p, &watch, "end/", watch.index, PROBE_LIMIT_MS);
	PROBE_OK(kv_wait_session_destroy(&p->w, deletes, &probe_err));
	probe_expect_woken(p, &watch, held.index, 1);
	assert_string_equal(probe_keys(p, "end/"), "a");
}

void
conform_delays_locks(void **state)
{
	struct probe *p = *state;
	char first[KV_SESSION_SIZE], second[KV_SESSION_SIZE];

	probe_session(p, LOCK_DELAY_MS, false, first);
	probe_session(p, 0, false, second);
	assert_int_equal(probe_lock(p, "delay/a", "1", first), 1);
	assert_int_equal(probe_lock(p, "delay/released", "1", first), 1);
	assert_int_equal(probe_apply_one(p, KV_OP_UNLOCK, "delay/released", "", 0, first), 1);
	PROBE_OK(kv_wait_session_destroy(&p->w, first, &probe_err));
	assert_int_equal(probe_lock(p, "delay/a", "2", second), 0);
	assert_int_equal(probe_lock(p, "delay/released", "2", second), 1);
	probe_put(p, "delay/a", "a plain write is not delayed");
	probe_idle(p, LOCK_DELAY_MS / 2);
	assert_int_equal(probe_lock(p, "delay/a", "2", second), 0);
	probe_idle(p, LOCK_DELAY_MS / 2 + 300);
	assert_int_equal(probe_lock(p, "delay/a", "2", second), 1);
	PROBE_OK(kv_wait_session_destroy(&p->w, second, &probe_err));
}

struct expiry {
	struct probe *probe;
	int64_t began_ms, released_ms, deleted_ms;
	char releases[KV_SESSION_SIZE], deletes[KV_SESSION_SIZE], renewed[KV_SESSION_SIZE];
	uint64_t locked_index;
	struct loop_timer *renewal;
	int renewals;
};

static struct expiry expiries[2];

/* That of the store; NULL: a free one. */
static struct expiry *
expiry_of(const struct probe *p)
{
	for (size_t i = 0; i < MEM_COUNT(expiries); i++) {
		if (expiries[i].probe == p)
			return &expiries[i];
	}
	fail_msg("more stores than expected");
	return NULL;
}

static void
renewal_answered(struct kv_answer *a, void *arg)
{
	struct expiry *x = arg;

	x->renewals += a->err.code == ERR_NONE;
}

static void
renewal_due(void *arg)
{
	struct expiry *x = arg;

	kv_session_renew(x->probe->kv, x->renewed, renewal_answered, x);
	loop_timer_set(x->renewal, RENEW_MS);
}

static void expiry_watch(struct expiry *x, uint64_t index);

static void
expiry_seen(struct kv_answer *a, void *arg)
{
	struct expiry *x = arg;
	const struct kv_entry *entry = kv_list_find(&a->list, "expiry/releases");

	if (a->err.code != ERR_NONE)
		return;
	if (entry != NULL && entry->session[0] == '\0' && x->released_ms == 0)
		x->released_ms = clock_mono_ms();
	if (kv_list_find(&a->list, "expiry/deletes") == NULL && x->deleted_ms == 0)
		x->deleted_ms = clock_mono_ms();
	expiry_watch(x, a->index);
}

static void
expiry_watch(struct expiry *x, uint64_t index)
{
	const struct kv_read r = { .index = index, .wait_ms = 60000 };

	kv_list(x->probe->other, "expiry/", &r, expiry_seen, x);
}

void
conform_begin_expiry(struct probe *p)
{
	struct expiry *x = expiry_of(NULL);

	x->probe = p;
	x->began_ms = clock_mono_ms();
	probe_session(p, LOCK_DELAY_MS, false, x->releases);
	probe_session(p, LOCK_DELAY_MS, true, x->deletes);
	probe_session(p, LOCK_DELAY_MS, false, x->renewed);
	assert_int_equal(probe_lock(p, "expiry/releases", "kept", x->releases), 1);
	assert_int_equal(probe_lock(p, "expiry/deletes", "gone", x->deletes), 1);
	assert_int_equal(probe_lock(p, "expiry/renewed", "held", x->renewed), 1);
	x->locked_index = probe_index(p, "expiry/");
	expiry_watch(x, x->locked_index);
	x->renewal = loop_timer_new(p->w.loop, renewal_due, x);
	loop_timer_set(x->renewal, RENEW_MS);
}

void
conform_sessions_expire(void **state)
{
	struct probe *p = *state;
	struct expiry *x = expiry_of(p);
	int64_t latest_ms = 2 * PROBE_TTL_MS + LATE_MS, end = x->began_ms + latest_ms + 1000;
	struct err e = { 0 };

	while ((x->released_ms == 0 || x->deleted_ms == 0) && clock_mono_ms() < end)
		loop_turn(p->w.loop, 50);
	print_message("[          ] %s: a TTL of 10 s ended after %.1f s and %.1f s\n",
	    kv_address(p->kv), (double)(x->released_ms - x->began_ms) / 1000,
	    (double)(x->deleted_ms - x->began_ms) / 1000);
	assert_in_range(x->released_ms - x->began_ms, PROBE_TTL_MS - 100, latest_ms);
	assert_in_range(x->deleted_ms - x->began_ms, PROBE_TTL_MS - 100, latest_ms);
	assert_int_equal(kv_wait_session_renew(&p->w, x->releases, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_string_equal(probe_keys(p, "expiry/"), "releases renewed");
	assert_string_equal(probe_get(p, "expiry/releases").value, "kept");
	assert_true(probe_get(p, "expiry/releases").modify_index > x->locked_index);
	/* The renewed one holds its lock, and takes those of the others after their delay. */
	assert_string_equal(probe_get(p, "expiry/renewed").session, x->renewed);
	assert_true(x->renewals >= 3);
	if (clock_mono_ms() - x->released_ms < LOCK_DELAY_MS - 500)
		assert_int_equal(probe_lock(p, "expiry/releases", "", x->renewed), 0);
	probe_idle(p, LOCK_DELAY_MS + 500);
	assert_int_equal(probe_lock(p, "expiry/releases", "", x->renewed), 1);
	assert_int_equal(probe_lock(p, "expiry/deletes", "", x->renewed), 1);
	PROBE_OK(kv_wait_session_destroy(&p->w, x->renewed, &probe_err));
}

void
conform_end_expiry(void)
{
	for (size_t i = 0; i < MEM_COUNT(expiries); i++)
		loop_timer_free(expiries[i].renewal);
}
