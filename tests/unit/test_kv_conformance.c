/*
 * test_kv_conformance.c: io/kv.h means the same on both stores. Each test below runs against a real
 * Consul and against a file, through the same calls; what it expects was measured on Consul.
 *
 * Sessions take 10 to 20 s to expire (Consul's minimum, and up to twice that): the cases that wait
 * for it are begun before the first test and judged after the last, while one loop serves all.
 */
#include "io/kv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "consul_agent.h"
#include "io/kv_wait.h"
#include "io/loop.h"

#define LIMIT_MS 10000
#define WAKE_MS 2000 /* a watcher that is woken at all is woken by then */
#define QUIET_MS 400 /* one that must not be woken is watched for so long */
#define TTL_MS 10000
#define LOCK_DELAY_MS 2000
#define RENEW_MS 3000
#define UNKNOWN_SESSION "00000000-1111-2222-3333-444444444444"

/* What happens to sessions that nobody ends: begun by begin_expiry(), judged at the end. */
struct expiry {
	int64_t began_ms, released_ms, deleted_ms;
	char releases[KV_SESSION_SIZE], deletes[KV_SESSION_SIZE], renewed[KV_SESSION_SIZE];
	uint64_t locked_index;
	struct kv_call *watch;
	struct loop_timer *renewal;
	int renewals;
};

struct store {
	const char *name;
	struct kv *kv, *other; /* two clients of one store */
	struct kv_waiter w;
	struct expiry expiry;
};

static struct loop *loop;
static struct consul_agent *agent;
static char dir[] = "/tmp/pointsman-kv.XXXXXX";
static struct store stores[] = { { .name = "consul" }, { .name = "file" } };

/* OK(f(…, &oops)) */
static struct err oops;

#define OK(call) \
	do { \
		if ((call) == -1) \
			fail_msg("%s: %s", #call, oops.text); \
	} while (0)

static void
put(struct store *s, const char *key, const char *value)
{
	OK(kv_wait_put(&s->w, key, value, strlen(value), &oops));
}

static void
remove_key(struct store *s, const char *key)
{
	OK(kv_wait_delete(&s->w, key, &oops));
}

/* The entry as the caller's own, "" and zero when it does not exist. */
struct seen {
	bool exists;
	char value[64], session[KV_SESSION_SIZE];
	uint64_t create_index, modify_index, lock_index, index;
};

static struct seen
get(struct store *s, const char *key)
{
	struct seen seen = { 0 };
	struct kv_list list;

	OK(kv_wait_get(&s->w, key, &list, &seen.index, &oops));
	assert_in_range(list.count, 0, 1);
	if (list.count == 1) {
		const struct kv_entry *entry = &list.entries[0];

		assert_string_equal(entry->key, key);
		seen.exists = true;
		snprintf(seen.value, sizeof(seen.value), "%s", entry->value);
		snprintf(seen.session, sizeof(seen.session), "%s", entry->session);
		seen.create_index = entry->create_index;
		seen.modify_index = entry->modify_index;
		seen.lock_index = entry->lock_index;
	}
	kv_list_clear(&list);
	return seen;
}

static uint64_t
list_index(struct store *s, const char *prefix)
{
	struct kv_list list;
	uint64_t index = 0;

	OK(kv_wait_list(&s->w, prefix, &list, &index, &oops));
	kv_list_clear(&list);
	assert_true(index > 0);
	return index;
}

/* "a b c": the keys below prefix, without it. */
static const char *
keys(struct store *s, const char *prefix)
{
	static char text[256];
	struct kv_list list;

	text[0] = '\0';
	OK(kv_wait_list(&s->w, prefix, &list, NULL, &oops));
	for (size_t i = 0; i < list.count; i++) {
		size_t n = strlen(text);

		snprintf(text + n, sizeof(text) - n, "%s%s", i > 0 ? " " : "",
		    list.entries[i].key + strlen(prefix));
	}
	kv_list_clear(&list);
	return text;
}

static int
apply(struct store *s, const struct kv_op *ops, size_t count)
{
	struct err e = { 0 };
	int rc = count == 1 ? kv_wait_put_if(&s->w, ops, &e) : kv_wait_txn(&s->w, ops, count, &e);

	if (rc == -1)
		fail_msg("%s", e.text);
	if (rc == 0) {
		assert_int_equal(e.code, ERR_CONFLICT);
		assert_true(strlen(e.text) > 5);
	}
	return rc;
}

static int
apply_one(struct store *s, enum kv_op_kind kind, const char *key, const char *value, uint64_t index,
    const char *session)
{
	const struct kv_op op = {
		.kind = kind,
		.key = key,
		.value = value,
		.value_len = value != NULL ? strlen(value) : 0,
		.index = index,
		.session = session,
	};

	return apply(s, &op, 1);
}

static int
lock_key(struct store *s, const char *key, const char *value, const char *session)
{
	return apply_one(s, KV_OP_LOCK, key, value, 0, session);
}

static void
create_session(struct store *s, int64_t lock_delay_ms, bool deletes_keys, char out[KV_SESSION_SIZE])
{
	const struct kv_session_spec spec = {
		.name = "conformance",
		.ttl_ms = TTL_MS,
		.lock_delay_ms = lock_delay_ms,
		.deletes_keys = deletes_keys,
	};

	OK(kv_wait_session_create(&s->w, &spec, out, &oops));
	assert_int_equal(strlen(out), KV_SESSION_SIZE - 1);
}

/* A blocking read under way, and what it said. */
struct watch {
	struct kv_call *call;
	int answers;
	size_t count;
	uint64_t index;
	struct err err;
};

static void
watch_answered(struct kv_answer *a, void *arg)
{
	struct watch *watch = arg;

	watch->answers++;
	watch->count = a->list.count;
	watch->index = a->index;
	watch->err = a->err;
}

/* Begun by the other client, so that nothing is known from the write itself. */
static void
watch_begin(struct store *s, struct watch *watch, const char *prefix, uint64_t index, int64_t wait)
{
	const struct kv_read r = { .index = index, .wait_ms = wait };

	*watch = (struct watch){ 0 };
	watch->call = kv_list(s->other, prefix, &r, watch_answered, watch);
	assert_int_equal(watch->answers, 0);
}

static bool
is_answered(struct watch *watch, int64_t limit_ms)
{
	int64_t end = clock_mono_ms() + limit_ms;

	while (watch->answers == 0 && clock_mono_ms() < end)
		loop_turn(loop, 10);
	return watch->answers > 0;
}

static void
idle(int64_t ms)
{
	struct watch never = { 0 };

	is_answered(&never, ms);
}

static void
expect_woken(struct watch *watch, uint64_t above, size_t count)
{
	assert_true(is_answered(watch, WAKE_MS));
	if (watch->err.code != ERR_NONE)
		fail_msg("%s", watch->err.text);
	assert_true(watch->index > above);
	assert_int_equal(watch->count, count);
	idle(20);
	assert_int_equal(watch->answers, 1);
}

static void
gets_and_puts(void **state)
{
	struct store *s = *state;
	struct seen before = get(s, "get/a"), first, second;

	assert_false(before.exists);
	assert_true(before.index > 0);
	put(s, "get/a", "1");
	first = get(s, "get/a");
	assert_string_equal(first.value, "1");
	assert_true(first.create_index > 0);
	assert_int_equal(first.modify_index, first.create_index);
	assert_int_equal(first.index, first.modify_index);
	assert_int_equal(first.lock_index, 0);
	assert_string_equal(first.session, "");
	put(s, "get/a", "2");
	second = get(s, "get/a");
	assert_string_equal(second.value, "2");
	assert_int_equal(second.create_index, first.create_index);
	assert_true(second.modify_index > first.modify_index);
	remove_key(s, "get/a");
	assert_false(get(s, "get/a").exists);
	remove_key(s, "get/a");
	put(s, "get/a", "3");
	assert_true(get(s, "get/a").create_index > second.modify_index);
}

static void
lists_by_prefix(void **state)
{
	struct store *s = *state;
	struct kv_list list;

	assert_string_equal(keys(s, "list/"), "");
	put(s, "list/b", "");
	put(s, "list/a/2", "");
	put(s, "list/a/10", "");
	put(s, "list/ab", "");
	put(s, "list2", "");
	assert_string_equal(keys(s, "list/"), "a/10 a/2 ab b");
	assert_string_equal(keys(s, "list/a"), "/10 /2 b");
	assert_string_equal(keys(s, "list/a/"), "10 2");
	assert_string_equal(keys(s, "list/x"), "");
	OK(kv_wait_list(&s->w, "", &list, NULL, &oops));
	assert_non_null(kv_list_find(&list, "list/a/10"));
	assert_non_null(kv_list_find(&list, "list2"));
	kv_list_clear(&list);
}

static void
same_value_changes_nothing(void **state)
{
	struct store *s = *state;
	struct seen first, second;
	struct watch watch;

	put(s, "same/a", "1");
	first = get(s, "same/a");
	watch_begin(s, &watch, "same/", first.index, QUIET_MS);
	idle(50);
	put(s, "same/a", "1");
	second = get(s, "same/a");
	assert_int_equal(second.modify_index, first.modify_index);
	assert_int_equal(list_index(s, "same/"), first.modify_index);
	/* It ends by its wait, with what was there. */
	assert_true(is_answered(&watch, WAKE_MS + QUIET_MS));
	assert_int_equal(watch.err.code, ERR_NONE);
	assert_int_equal(watch.index, first.index);
	assert_int_equal(watch.count, 1);
	assert_int_equal(apply_one(s, KV_OP_CAS, "same/a", "1", first.modify_index, NULL), 1);
	assert_int_equal(get(s, "same/a").modify_index, first.modify_index);
}

static void
checks_and_sets(void **state)
{
	struct store *s = *state;
	uint64_t index;

	assert_int_equal(apply_one(s, KV_OP_CAS, "cas/a", "0", 7, NULL), 0);
	assert_false(get(s, "cas/a").exists);
	assert_int_equal(apply_one(s, KV_OP_CAS, "cas/a", "1", 0, NULL), 1);
	assert_int_equal(apply_one(s, KV_OP_CAS, "cas/a", "2", 0, NULL), 0);
	index = get(s, "cas/a").modify_index;
	assert_int_equal(apply_one(s, KV_OP_CAS, "cas/a", "3", index - 1, NULL), 0);
	assert_int_equal(apply_one(s, KV_OP_CAS, "cas/a", "4", index + 1, NULL), 0);
	assert_string_equal(get(s, "cas/a").value, "1");
	assert_int_equal(apply_one(s, KV_OP_CAS, "cas/a", "5", index, NULL), 1);
	assert_string_equal(get(s, "cas/a").value, "5");
	assert_int_equal(apply_one(s, KV_OP_CAS, "cas/a", "6", index, NULL), 0);

	assert_int_equal(apply_one(s, KV_OP_DELETE_CAS, "cas/a", NULL, index, NULL), 0);
	assert_true(get(s, "cas/a").exists);
	index = get(s, "cas/a").modify_index;
	assert_int_equal(apply_one(s, KV_OP_DELETE_CAS, "cas/a", NULL, index, NULL), 1);
	assert_false(get(s, "cas/a").exists);
	/* What does not exist is deleted already, whatever the index. */
	assert_int_equal(apply_one(s, KV_OP_DELETE_CAS, "cas/a", NULL, index, NULL), 1);
}

static void
deletes_trees(void **state)
{
	struct store *s = *state;
	uint64_t index;

	put(s, "tree/a/1", "");
	put(s, "tree/a/2", "");
	put(s, "tree/ab", "");
	put(s, "tree/b", "");
	assert_int_equal(apply_one(s, KV_OP_DELETE_TREE, "tree/a/", NULL, 0, NULL), 1);
	assert_string_equal(keys(s, "tree/"), "ab b");
	index = list_index(s, "tree/");
	assert_int_equal(apply_one(s, KV_OP_DELETE_TREE, "tree/x", NULL, 0, NULL), 1);
	assert_int_equal(list_index(s, "tree/"), index);
	assert_int_equal(apply_one(s, KV_OP_DELETE_TREE, "tree/a", NULL, 0, NULL), 1);
	assert_string_equal(keys(s, "tree/"), "b");
	assert_true(list_index(s, "tree/") > index);
}

static void
transacts_all_or_nothing(void **state)
{
	struct store *s = *state;
	struct seen a, b;
	struct kv_op ops[] = {
		{ .kind = KV_OP_SET, .key = "txn/a", .value = "1", .value_len = 1 },
		{ .kind = KV_OP_CAS, .key = "txn/b", .value = "1", .value_len = 1 },
		{ .kind = KV_OP_DELETE, .key = "txn/c" },
	};

	put(s, "txn/c", "");
	assert_int_equal(apply(s, ops, 3), 1);
	assert_string_equal(keys(s, "txn/"), "a b");
	a = get(s, "txn/a");
	b = get(s, "txn/b");
	assert_int_equal(a.modify_index, b.modify_index);
	assert_int_equal(list_index(s, "txn/"), a.modify_index);

	ops[0].value = "2"; /* would be done, but the second loses: b exists */
	assert_int_equal(apply(s, ops, 3), 0);
	assert_int_equal(get(s, "txn/a").modify_index, a.modify_index);
	assert_string_equal(get(s, "txn/a").value, "1");

	ops[1] = (struct kv_op){ .kind = KV_OP_CHECK_INDEX, .key = "txn/b", .index = 1 };
	assert_int_equal(apply(s, ops, 3), 0);
	ops[1].key = "txn/none";
	assert_int_equal(apply(s, ops, 3), 0);
	assert_string_equal(get(s, "txn/a").value, "1");
	ops[1].key = "txn/b";
	ops[1].index = b.modify_index;
	assert_int_equal(apply(s, ops, 3), 1);
	assert_string_equal(get(s, "txn/a").value, "2");
}

/* Each operation sees what those before it did. */
static void
transacts_in_order(void **state)
{
	struct store *s = *state;
	const struct kv_op ops[] = {
		{ .kind = KV_OP_SET, .key = "order/a", .value = "1", .value_len = 1 },
		{ .kind = KV_OP_DELETE_TREE, .key = "order/" },
		{ .kind = KV_OP_CAS, .key = "order/a", .value = "2", .value_len = 1 },
		{ .kind = KV_OP_SET, .key = "order/b", .value = "3", .value_len = 1 },
		{ .kind = KV_OP_DELETE, .key = "order/b" },
	};
	const struct kv_op twice[] = { ops[0], ops[2] };

	assert_int_equal(apply(s, ops, MEM_COUNT(ops)), 1);
	assert_string_equal(keys(s, "order/"), "a");
	assert_string_equal(get(s, "order/a").value, "2");
	remove_key(s, "order/a");
	assert_int_equal(apply(s, twice, 2), 0);
	assert_string_equal(keys(s, "order/"), "");
}

static void
limits_transactions(void **state)
{
	struct store *s = *state;
	struct kv_op ops[KV_TXN_MAX + 1];
	char names[KV_TXN_MAX + 1][32];
	struct err e = { 0 };
	struct kv_list list;

	for (int i = 0; i <= KV_TXN_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "limit/%02d", i);
		ops[i] = (struct kv_op){
			.kind = KV_OP_SET, .key = names[i], .value = "x", .value_len = 1
		};
	}
	assert_int_equal(kv_wait_txn(&s->w, ops, KV_TXN_MAX + 1, &e), -1);
	assert_int_equal(e.code, ERR_LIMIT);
	assert_string_equal(keys(s, "limit/"), "");
	assert_int_equal(apply(s, ops, KV_TXN_MAX), 1);
	OK(kv_wait_list(&s->w, "limit/", &list, NULL, &oops));
	assert_int_equal(list.count, KV_TXN_MAX);
	kv_list_clear(&list);
}

static void
locks_and_unlocks(void **state)
{
	struct store *s = *state;
	char mine[KV_SESSION_SIZE], yours[KV_SESSION_SIZE];
	struct seen seen, again;

	create_session(s, 0, false, mine);
	create_session(s, 0, false, yours);
	assert_int_equal(lock_key(s, "lock/a", "by me", mine), 1);
	seen = get(s, "lock/a");
	assert_string_equal(seen.value, "by me");
	assert_string_equal(seen.session, mine);
	assert_int_equal(seen.lock_index, 1);
	assert_int_equal(lock_key(s, "lock/a", "by you", yours), 0);
	assert_string_equal(get(s, "lock/a").value, "by me");
	/* Locking again writes, and is not another lock. */
	assert_int_equal(lock_key(s, "lock/a", "still me", mine), 1);
	again = get(s, "lock/a");
	assert_string_equal(again.value, "still me");
	assert_int_equal(again.lock_index, 1);
	assert_true(again.modify_index > seen.modify_index);
	assert_int_equal(lock_key(s, "lock/a", "still me", mine), 1);
	assert_int_equal(get(s, "lock/a").modify_index, again.modify_index);

	assert_int_equal(apply_one(s, KV_OP_UNLOCK, "lock/a", "x", 0, yours), 0);
	assert_int_equal(apply_one(s, KV_OP_UNLOCK, "lock/none", "x", 0, mine), 0);
	assert_int_equal(apply_one(s, KV_OP_UNLOCK, "lock/a", "free", 0, mine), 1);
	seen = get(s, "lock/a");
	assert_string_equal(seen.value, "free");
	assert_string_equal(seen.session, "");
	assert_int_equal(seen.lock_index, 1);
	/* A release is no end of a session: the next one may lock at once. */
	assert_int_equal(lock_key(s, "lock/a", "by you", yours), 1);
	assert_int_equal(get(s, "lock/a").lock_index, 2);
	assert_int_equal(lock_key(s, "lock/b", "x", UNKNOWN_SESSION), 0);
	assert_false(get(s, "lock/b").exists);
	OK(kv_wait_session_destroy(&s->w, mine, &oops));
	OK(kv_wait_session_destroy(&s->w, yours, &oops));
}

/* A lock keeps nobody from writing: what fences is check-session in the same transaction. */
static void
plain_writes_pass_locks(void **state)
{
	struct store *s = *state;
	char mine[KV_SESSION_SIZE];
	struct seen locked, written;

	create_session(s, 0, false, mine);
	assert_int_equal(lock_key(s, "plain/a", "1", mine), 1);
	locked = get(s, "plain/a");
	put(s, "plain/a", "1");
	written = get(s, "plain/a");
	assert_string_equal(written.session, mine);
	assert_int_equal(written.lock_index, 0);
	assert_true(written.modify_index > locked.modify_index);
	put(s, "plain/a", "1");
	assert_int_equal(get(s, "plain/a").modify_index, written.modify_index);
	remove_key(s, "plain/a");
	assert_false(get(s, "plain/a").exists);
	OK(kv_wait_session_destroy(&s->w, mine, &oops));
}

/* The fence of an operation: check-session on the lock, cas on the name, set of the journal. */
static void
fences_by_session(void **state)
{
	struct store *s = *state;
	char mine[KV_SESSION_SIZE], yours[KV_SESSION_SIZE];
	struct kv_op ops[] = {
		{ .kind = KV_OP_CHECK_SESSION, .key = "fence/lock", .session = mine },
		{ .kind = KV_OP_CAS, .key = "fence/name", .value = "db4", .value_len = 3 },
		{ .kind = KV_OP_SET, .key = "fence/journal", .value = "flip", .value_len = 4 },
	};

	create_session(s, 0, false, mine);
	create_session(s, 0, false, yours);
	put(s, "fence/name", "db3");
	ops[1].index = get(s, "fence/name").modify_index;
	assert_int_equal(apply(s, ops, 3), 0); /* there is no lock */
	assert_int_equal(lock_key(s, "fence/lock", "", yours), 1);
	assert_int_equal(apply(s, ops, 3), 0); /* it is another's */
	assert_int_equal(apply_one(s, KV_OP_UNLOCK, "fence/lock", "", 0, yours), 1);
	assert_int_equal(apply(s, ops, 3), 0); /* it is nobody's */
	assert_int_equal(lock_key(s, "fence/lock", "", mine), 1);
	ops[1].index--;
	assert_int_equal(apply(s, ops, 3), 0); /* the name was flipped meanwhile */
	assert_string_equal(keys(s, "fence/"), "lock name");
	assert_string_equal(get(s, "fence/name").value, "db3");
	ops[1].index++;
	assert_int_equal(apply(s, ops, 3), 1);
	assert_string_equal(keys(s, "fence/"), "journal lock name");
	assert_string_equal(get(s, "fence/name").value, "db4");
	ops[1].index = get(s, "fence/name").modify_index;
	OK(kv_wait_session_destroy(&s->w, mine, &oops));
	assert_int_equal(apply(s, ops, 3), 0); /* the session is gone */
	OK(kv_wait_session_destroy(&s->w, yours, &oops));
}

static void
renews_and_destroys_sessions(void **state)
{
	struct store *s = *state;
	char mine[KV_SESSION_SIZE];
	struct err e = { 0 };

	create_session(s, 0, false, mine);
	OK(kv_wait_session_renew(&s->w, mine, &oops));
	OK(kv_wait_session_destroy(&s->w, mine, &oops));
	assert_int_equal(kv_wait_session_renew(&s->w, mine, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_int_equal(kv_wait_session_renew(&s->w, UNKNOWN_SESSION, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	OK(kv_wait_session_destroy(&s->w, mine, &oops));
}

static void
destroyed_sessions_free_keys(void **state)
{
	struct store *s = *state;
	char releases[KV_SESSION_SIZE], deletes[KV_SESSION_SIZE];
	struct seen held;
	struct watch watch;

	create_session(s, 0, false, releases);
	create_session(s, 0, true, deletes);
	assert_int_equal(lock_key(s, "end/a", "kept", releases), 1);
	assert_int_equal(lock_key(s, "end/b", "gone", deletes), 1);
	held = get(s, "end/a");
	watch_begin(s, &watch, "end/", list_index(s, "end/"), LIMIT_MS);
	OK(kv_wait_session_destroy(&s->w, releases, &oops));
	expect_woken(&watch, held.index, 2);
	assert_string_equal(get(s, "end/a").session, "");
	assert_string_equal(get(s, "end/a").value, "kept");
	assert_int_equal(get(s, "end/a").lock_index, 1);
	assert_true(get(s, "end/a").modify_index > held.modify_index);
	watch_begin(s, &watch, "end/", watch.index, LIMIT_MS);
	OK(kv_wait_session_destroy(&s->w, deletes, &oops));
	expect_woken(&watch, held.index, 1);
	assert_string_equal(keys(s, "end/"), "a");
}

static void
delays_locks(void **state)
{
	struct store *s = *state;
	char first[KV_SESSION_SIZE], second[KV_SESSION_SIZE];

	create_session(s, LOCK_DELAY_MS, false, first);
	create_session(s, 0, false, second);
	assert_int_equal(lock_key(s, "delay/a", "1", first), 1);
	assert_int_equal(lock_key(s, "delay/released", "1", first), 1);
	assert_int_equal(apply_one(s, KV_OP_UNLOCK, "delay/released", "", 0, first), 1);
	OK(kv_wait_session_destroy(&s->w, first, &oops));
	assert_int_equal(lock_key(s, "delay/a", "2", second), 0);
	assert_int_equal(lock_key(s, "delay/released", "2", second), 1);
	put(s, "delay/a", "a plain write is not delayed");
	idle(LOCK_DELAY_MS / 2);
	assert_int_equal(lock_key(s, "delay/a", "2", second), 0);
	idle(LOCK_DELAY_MS / 2 + 300);
	assert_int_equal(lock_key(s, "delay/a", "2", second), 1);
	OK(kv_wait_session_destroy(&s->w, second, &oops));
}

static void
wakes_watchers(void **state)
{
	struct store *s = *state;
	struct watch watch;
	uint64_t index;
	int64_t began_ms;

	put(s, "watch/a", "1");
	index = list_index(s, "watch/");
	watch_begin(s, &watch, "watch/", index, LIMIT_MS);
	idle(100);
	assert_int_equal(watch.answers, 0);
	put(s, "watch/a", "2");
	expect_woken(&watch, index, 1);
	/* An index that is below answers at once; so does 0. */
	watch_begin(s, &watch, "watch/", index, LIMIT_MS);
	expect_woken(&watch, index, 1);
	watch_begin(s, &watch, "watch/", 0, LIMIT_MS);
	expect_woken(&watch, index, 1);
	/* The wait ends, not before its time, with the same index. */
	index = watch.index;
	began_ms = clock_mono_ms();
	watch_begin(s, &watch, "watch/", index, 300);
	assert_true(is_answered(&watch, WAKE_MS));
	assert_true(clock_mono_ms() - began_ms >= 290);
	assert_int_equal(watch.index, index);
	assert_int_equal(watch.count, 1);
}

/* The index of a list is that of the newest change or deletion below its prefix. */
static void
indexes_by_prefix(void **state)
{
	struct store *s = *state;
	uint64_t a, b, index;
	struct watch watch;

	put(s, "index/a/1", "");
	put(s, "index/a/2", "");
	put(s, "index/b/1", "");
	a = list_index(s, "index/a/");
	b = list_index(s, "index/b/");
	assert_int_equal(a, get(s, "index/a/2").modify_index);
	assert_true(b > a);
	assert_int_equal(list_index(s, "index/"), b);
	/* What happens elsewhere neither raises it nor wakes. */
	watch_begin(s, &watch, "index/a/", a, QUIET_MS);
	put(s, "index/b/2", "");
	assert_int_equal(list_index(s, "index/a/"), a);
	assert_true(is_answered(&watch, WAKE_MS));
	assert_int_equal(watch.index, a);
	/* A deletion raises and wakes, also that of the last key. */
	for (int i = 2; i >= 1; i--) {
		index = list_index(s, "index/a/");
		watch_begin(s, &watch, "index/a/", index, LIMIT_MS);
		idle(50);
		remove_key(s, i == 2 ? "index/a/2" : "index/a/1");
		expect_woken(&watch, index, (size_t)i - 1);
		assert_int_equal(list_index(s, "index/a/"), watch.index);
	}
	/* Its tombstone keeps the index in place. */
	put(s, "index/c", "");
	assert_int_equal(list_index(s, "index/a/"), watch.index);
}

/* A prefix with nothing below it, and a key that is not there, have the index of the whole store. */
static void
empty_takes_the_stores_index(void **state)
{
	struct store *s = *state;
	struct watch watch;
	uint64_t index, all;

	put(s, "empty/other", "1");
	index = list_index(s, "empty/nothing/");
	all = list_index(s, "");
	assert_int_equal(index, all);
	assert_int_equal(get(s, "empty/none").index, all);
	assert_true(index >= get(s, "empty/other").modify_index);
	put(s, "empty/other", "2");
	assert_true(list_index(s, "empty/nothing/") > index);
	assert_true(get(s, "empty/none").index > index);
	/* The whole store is a prefix, too. */
	watch_begin(s, &watch, "", list_index(s, ""), LIMIT_MS);
	idle(50);
	remove_key(s, "empty/other");
	assert_true(is_answered(&watch, WAKE_MS));
	assert_true(watch.index > all);
}

static void
watches_missing_prefixes(void **state)
{
	struct store *s = *state;
	uint64_t index = list_index(s, "missing/");
	struct watch watch;

	watch_begin(s, &watch, "missing/", index, LIMIT_MS);
	idle(50);
	put(s, "missing/a", "1");
	expect_woken(&watch, index, 1);
}

static void
bears_hostile_values(void **state)
{
	static const char bytes[] = "\0\n\r\t\xff\xc0\x80\"\\</script>\x1b[31m$(reboot)`'";
	struct store *s = *state;
	char *large = mem_alloc(KV_VALUE_MAX + 1);
	struct err e = { 0 };
	struct kv_list list;

	OK(kv_wait_put(&s->w, "hostile/bytes", bytes, sizeof(bytes), &oops));
	OK(kv_wait_get(&s->w, "hostile/bytes", &list, NULL, &oops));
	assert_int_equal(list.entries[0].value_len, sizeof(bytes));
	assert_memory_equal(list.entries[0].value, bytes, sizeof(bytes));
	kv_list_clear(&list);
	OK(kv_wait_put(&s->w, "hostile/empty", NULL, 0, &oops));
	OK(kv_wait_get(&s->w, "hostile/empty", &list, NULL, &oops));
	assert_int_equal(list.count, 1);
	assert_int_equal(list.entries[0].value_len, 0);
	assert_string_equal(list.entries[0].value, "");
	kv_list_clear(&list);
	for (size_t i = 0; i <= KV_VALUE_MAX; i++)
		large[i] = (char)(i * 7 + i / 256);
	OK(kv_wait_put(&s->w, "hostile/large", large, KV_VALUE_MAX, &oops));
	OK(kv_wait_get(&s->w, "hostile/large", &list, NULL, &oops));
	assert_int_equal(list.entries[0].value_len, KV_VALUE_MAX);
	assert_memory_equal(list.entries[0].value, large, KV_VALUE_MAX);
	kv_list_clear(&list);
	assert_int_equal(kv_wait_put(&s->w, "hostile/large", large, KV_VALUE_MAX + 1, &e), -1);
	assert_int_equal(e.code, ERR_LIMIT);
	remove_key(s, "hostile/large");
	free(large);
}

static void
bears_hostile_keys(void **state)
{
	static const char *const hostile[] = { "hostile-key/a\nb", "hostile-key/\"\\",
		"hostile-key/\x1b[2J", "hostile-key/\xc3\xa4\xe2\x80\xae",
		"hostile-key/a b%2f?x=1#", "hostile-key/\x7f" };
	struct store *s = *state;
	struct err e = { 0 };
	struct kv_list list;

	for (size_t i = 0; i < MEM_COUNT(hostile); i++) {
		const struct kv_op op = {
			.kind = KV_OP_CAS, .key = hostile[i], .value = "v", .value_len = 1
		};

		assert_int_equal(apply(s, &op, 1), 1);
	}
	OK(kv_wait_list(&s->w, "hostile-key/", &list, NULL, &oops));
	assert_int_equal(list.count, MEM_COUNT(hostile));
	for (size_t i = 0; i < MEM_COUNT(hostile); i++)
		assert_non_null(kv_list_find(&list, hostile[i]));
	kv_list_clear(&list);
	assert_int_equal(kv_wait_put(&s->w, "", "x", 1, &e), -1);
	assert_int_equal(e.code, ERR_USAGE);
}

static void
cancels(void **state)
{
	struct store *s = *state;
	struct watch watch;
	uint64_t index;

	put(s, "cancel/a", "1");
	index = list_index(s, "cancel/");
	watch_begin(s, &watch, "cancel/", index, LIMIT_MS);
	kv_cancel(watch.call); /* before its first turn */
	idle(20);
	watch_begin(s, &watch, "cancel/", index, LIMIT_MS);
	idle(100);
	kv_cancel(watch.call); /* while it waits */
	put(s, "cancel/a", "2");
	idle(100);
	assert_int_equal(watch.answers, 0);
}

/* Calls that are under way together are all answered. */
static void
serves_many_at_once(void **state)
{
	static char names[200][32];
	static struct watch watches[200];
	struct store *s = *state;
	int64_t end = clock_mono_ms() + 3 * LIMIT_MS;
	int answered = 0;
	struct kv_list list;

	for (int i = 0; i < 200; i++) {
		snprintf(names[i], sizeof(names[i]), "many/%03d", i);
		watches[i] = (struct watch){ 0 };
		kv_put(s->kv, names[i], names[i], strlen(names[i]), watch_answered, &watches[i]);
	}
	while (answered < 200 && clock_mono_ms() < end) {
		loop_turn(loop, 10);
		answered = 0;
		for (int i = 0; i < 200; i++)
			answered += watches[i].answers;
	}
	assert_int_equal(answered, 200);
	for (int i = 0; i < 200; i++)
		assert_int_equal(watches[i].err.code, ERR_NONE);
	OK(kv_wait_list(&s->w, "many/", &list, NULL, &oops));
	assert_int_equal(list.count, 200);
	kv_list_clear(&list);
}

/* Nodes differ by nature; that a watch on them waits does not. */
static void
knows_nodes(void **state)
{
	struct store *s = *state;
	struct watch watch = { 0 };
	struct kv_read r = { 0 };
	struct kv_nodes nodes;
	char self[256], host[256];

	OK(kv_wait_catalog_nodes(&s->w, &nodes, &oops));
	assert_int_equal(nodes.count, kv_is_file(s->kv) ? 0 : 1);
	kv_nodes_clear(&nodes);
	kv_catalog_nodes(s->kv, &r, watch_answered, &watch);
	assert_true(is_answered(&watch, WAKE_MS));
	assert_true(watch.index > 0);
	r = (struct kv_read){ .index = watch.index, .wait_ms = QUIET_MS };
	watch = (struct watch){ 0 };
	kv_catalog_nodes(s->kv, &r, watch_answered, &watch);
	assert_false(is_answered(&watch, QUIET_MS / 2));
	assert_true(is_answered(&watch, WAKE_MS));
	OK(kv_wait_self(&s->w, self, sizeof(self), &oops));
	assert_int_equal(gethostname(host, sizeof(host)), 0);
	assert_string_equal(self, kv_is_file(s->kv) ? host : "test-node");
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
	struct store *s = arg;

	kv_session_renew(s->kv, s->expiry.renewed, renewal_answered, &s->expiry);
	loop_timer_set(s->expiry.renewal, RENEW_MS);
}

static void expiry_watch(struct store *s, uint64_t index);

static void
expiry_seen(struct kv_answer *a, void *arg)
{
	struct store *s = arg;
	struct expiry *x = &s->expiry;
	const struct kv_entry *entry = kv_list_find(&a->list, "expiry/releases");

	x->watch = NULL;
	if (a->err.code != ERR_NONE)
		return;
	if (entry != NULL && entry->session[0] == '\0' && x->released_ms == 0)
		x->released_ms = clock_mono_ms();
	if (kv_list_find(&a->list, "expiry/deletes") == NULL && x->deleted_ms == 0)
		x->deleted_ms = clock_mono_ms();
	expiry_watch(s, a->index);
}

static void
expiry_watch(struct store *s, uint64_t index)
{
	const struct kv_read r = { .index = index, .wait_ms = 60000 };

	s->expiry.watch = kv_list(s->other, "expiry/", &r, expiry_seen, s);
}

static void
begin_expiry(struct store *s)
{
	struct expiry *x = &s->expiry;

	create_session(s, LOCK_DELAY_MS, false, x->releases);
	create_session(s, LOCK_DELAY_MS, true, x->deletes);
	create_session(s, LOCK_DELAY_MS, false, x->renewed);
	x->began_ms = clock_mono_ms();
	assert_int_equal(lock_key(s, "expiry/releases", "kept", x->releases), 1);
	assert_int_equal(lock_key(s, "expiry/deletes", "gone", x->deletes), 1);
	assert_int_equal(lock_key(s, "expiry/renewed", "held", x->renewed), 1);
	x->locked_index = list_index(s, "expiry/");
	expiry_watch(s, x->locked_index);
	x->renewal = loop_timer_new(loop, renewal_due, s);
	loop_timer_set(x->renewal, RENEW_MS);
}

static void
sessions_expire(void **state)
{
	struct store *s = *state;
	struct expiry *x = &s->expiry;
	int64_t end = x->began_ms + 2 * TTL_MS + 3000;
	struct err e = { 0 };

	while ((x->released_ms == 0 || x->deleted_ms == 0) && clock_mono_ms() < end)
		loop_turn(loop, 50);
	print_message("[          ] %s: a TTL of 10 s ended after %.1f s and %.1f s\n", s->name,
	    (double)(x->released_ms - x->began_ms) / 1000,
	    (double)(x->deleted_ms - x->began_ms) / 1000);
	assert_in_range(x->released_ms - x->began_ms, TTL_MS - 100, 2 * TTL_MS + 2000);
	assert_in_range(x->deleted_ms - x->began_ms, TTL_MS - 100, 2 * TTL_MS + 2000);
	assert_int_equal(kv_wait_session_renew(&s->w, x->releases, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_string_equal(keys(s, "expiry/"), "releases renewed");
	assert_string_equal(get(s, "expiry/releases").value, "kept");
	assert_true(get(s, "expiry/releases").modify_index > x->locked_index);
	/* The one that was renewed holds its lock, and takes those of the others after their delay. */
	assert_string_equal(get(s, "expiry/renewed").session, x->renewed);
	assert_true(x->renewals >= 3);
	if (clock_mono_ms() - x->released_ms < LOCK_DELAY_MS - 500)
		assert_int_equal(lock_key(s, "expiry/releases", "", x->renewed), 0);
	idle(LOCK_DELAY_MS + 500);
	assert_int_equal(lock_key(s, "expiry/releases", "", x->renewed), 1);
	assert_int_equal(lock_key(s, "expiry/deletes", "", x->renewed), 1);
	OK(kv_wait_session_destroy(&s->w, x->renewed, &oops));
}

static struct kv *
open_store(const char *address)
{
	const struct kv_config config = { .address = address, .is_verified = true };
	struct err e = { 0 };
	struct kv *kv = kv_new(loop, &config, &e);

	if (kv == NULL)
		fail_msg("%s", e.text);
	return kv;
}

static int
setup(void **state)
{
	char *file;

	(void)state;
	assert_non_null(mkdtemp(dir));
	file = mem_printf("file:%s/kv.json", dir);
	agent = consul_agent_start();
	loop = loop_new();
	for (size_t i = 0; i < MEM_COUNT(stores); i++) {
		struct store *s = &stores[i];
		const char *address = i == 0 ? consul_agent_address(agent) : file;

		s->kv = open_store(address);
		s->other = open_store(address);
		s->w = (struct kv_waiter){ .loop = loop, .kv = s->kv, .limit_ms = LIMIT_MS };
		begin_expiry(s);
	}
	free(file);
	return 0;
}

static int
teardown(void **state)
{
	static const char *const files[] = { "kv.json", "kv.json.index", "kv.json.lock" };

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(stores); i++) {
		loop_timer_free(stores[i].expiry.renewal);
		kv_free(stores[i].kv);
		kv_free(stores[i].other); /* with a watch under way */
	}
	loop_free(loop);
	consul_agent_stop(agent);
	for (size_t i = 0; i < MEM_COUNT(files); i++) {
		char *path = mem_printf("%s/%s", dir, files[i]);

		unlink(path);
		free(path);
	}
	return rmdir(dir); /* fails when anything else was left behind */
}

#define TEST(fn) \
	{ "consul: " #fn, fn, NULL, NULL, &stores[0] }, \
	{ \
		"file: " #fn, fn, NULL, NULL, &stores[1] \
	}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(gets_and_puts),
		TEST(lists_by_prefix),
		TEST(same_value_changes_nothing),
		TEST(checks_and_sets),
		TEST(deletes_trees),
		TEST(transacts_all_or_nothing),
		TEST(transacts_in_order),
		TEST(limits_transactions),
		TEST(locks_and_unlocks),
		TEST(plain_writes_pass_locks),
		TEST(fences_by_session),
		TEST(renews_and_destroys_sessions),
		TEST(destroyed_sessions_free_keys),
		TEST(delays_locks),
		TEST(wakes_watchers),
		TEST(indexes_by_prefix),
		TEST(empty_takes_the_stores_index),
		TEST(watches_missing_prefixes),
		TEST(bears_hostile_values),
		TEST(bears_hostile_keys),
		TEST(cancels),
		TEST(serves_many_at_once),
		TEST(knows_nodes),
		TEST(sessions_expire),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
