/*
 * test_kv_conformance.c: io/kv.h means the same on both stores. Each test runs against a real
 * Consul and against a file, through the same calls; what it expects was measured on Consul. Here
 * are keys, indexes, transactions and watches; locks and sessions are in kv_conform_sessions.c.
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
#include "base/file.h"
#include "base/mem.h"
#include "consul_agent.h"
#include "io/loop.h"
#include "io_test.h"
#include "kv_conform_sessions.h"
#include "kv_probe.h"

#define QUIET_MS 400 /* a watcher that must not be woken is watched for so long */

static struct loop *loop;
static struct consul_agent *agent;
static char dir[] = "/tmp/pointsman-kv.XXXXXX";
static struct probe consul, file;

static void
gets_and_puts(void **state)
{
	struct probe *p = *state;
	struct probe_seen before = probe_get(p, "get/a"), first, second;

	assert_false(before.exists);
	assert_true(before.index > 0);
	probe_put(p, "get/a", "1");
	first = probe_get(p, "get/a");
	assert_string_equal(first.value, "1");
	assert_true(first.create_index > 0);
	assert_int_equal(first.modify_index, first.create_index);
	assert_int_equal(first.index, first.modify_index);
	assert_int_equal(first.lock_index, 0);
	assert_string_equal(first.session, "");
	probe_put(p, "get/a", "2");
	second = probe_get(p, "get/a");
	assert_string_equal(second.value, "2");
	assert_int_equal(second.create_index, first.create_index);
	assert_true(second.modify_index > first.modify_index);
	probe_delete(p, "get/a");
	assert_false(probe_get(p, "get/a").exists);
	probe_delete(p, "get/a");
	probe_put(p, "get/a", "3");
	assert_true(probe_get(p, "get/a").create_index > second.modify_index);
}

static void
lists_by_prefix(void **state)
{
	struct probe *p = *state;
	struct kv_list list;

	assert_string_equal(probe_keys(p, "list/"), "");
	probe_put(p, "list/b", "");
	probe_put(p, "list/a/2", "");
	probe_put(p, "list/a/10", "");
	probe_put(p, "list/ab", "");
	probe_put(p, "list2", "");
	assert_string_equal(probe_keys(p, "list/"), "a/10 a/2 ab b");
	assert_string_equal(probe_keys(p, "list/a"), "/10 /2 b");
	assert_string_equal(probe_keys(p, "list/a/"), "10 2");
	assert_string_equal(probe_keys(p, "list/x"), "");
	PROBE_OK(kv_wait_list(&p->w, "", &list, NULL, &probe_err));
	assert_non_null(kv_list_find(&list, "list/a/10"));
	assert_non_null(kv_list_find(&list, "list2"));
	kv_list_clear(&list);
}

static void
same_value_changes_nothing(void **state)
{
	struct probe *p = *state;
	struct probe_seen first, second;
	struct probe_watch watch;

	probe_put(p, "same/a", "1");
	first = probe_get(p, "same/a");
	probe_watch(p, &watch, "same/", first.index, QUIET_MS);
	probe_idle(p, 50);
	probe_put(p, "same/a", "1");
	second = probe_get(p, "same/a");
	assert_int_equal(second.modify_index, first.modify_index);
	assert_int_equal(probe_index(p, "same/"), first.modify_index);
	/* It ends by its wait, with what was there. */
	assert_true(probe_is_answered(p, &watch, PROBE_WAKE_MS + QUIET_MS));
	assert_int_equal(watch.err.code, ERR_NONE);
	assert_int_equal(watch.index, first.index);
	assert_int_equal(watch.count, 1);
	assert_int_equal(probe_apply_one(p, KV_OP_CAS, "same/a", "1", first.modify_index, NULL), 1);
	assert_int_equal(probe_get(p, "same/a").modify_index, first.modify_index);
}

static void
checks_and_sets(void **state)
{
	struct probe *p = *state;
	uint64_t index;

	assert_int_equal(probe_apply_one(p, KV_OP_CAS, "cas/a", "0", 7, NULL), 0);
	assert_false(probe_get(p, "cas/a").exists);
	assert_int_equal(probe_apply_one(p, KV_OP_CAS, "cas/a", "1", 0, NULL), 1);
	assert_int_equal(probe_apply_one(p, KV_OP_CAS, "cas/a", "2", 0, NULL), 0);
	index = probe_get(p, "cas/a").modify_index;
	assert_int_equal(probe_apply_one(p, KV_OP_CAS, "cas/a", "3", index - 1, NULL), 0);
	assert_int_equal(probe_apply_one(p, KV_OP_CAS, "cas/a", "4", index + 1, NULL), 0);
	assert_string_equal(probe_get(p, "cas/a").value, "1");
	assert_int_equal(probe_apply_one(p, KV_OP_CAS, "cas/a", "5", index, NULL), 1);
	assert_string_equal(probe_get(p, "cas/a").value, "5");
	assert_int_equal(probe_apply_one(p, KV_OP_CAS, "cas/a", "6", index, NULL), 0);

	assert_int_equal(probe_apply_one(p, KV_OP_DELETE_CAS, "cas/a", NULL, index, NULL), 0);
	assert_true(probe_get(p, "cas/a").exists);
	index = probe_get(p, "cas/a").modify_index;
	assert_int_equal(probe_apply_one(p, KV_OP_DELETE_CAS, "cas/a", NULL, index, NULL), 1);
	assert_false(probe_get(p, "cas/a").exists);
	/* What does not exist is deleted already, whatever the index. */
	assert_int_equal(probe_apply_one(p, KV_OP_DELETE_CAS, "cas/a", NULL, index, NULL), 1);
}

static void
deletes_trees(void **state)
{
	struct probe *p = *state;
	uint64_t index;

	probe_put(p, "tree/a/1", "");
	probe_put(p, "tree/a/2", "");
	probe_put(p, "tree/ab", "");
	probe_put(p, "tree/b", "");
	assert_int_equal(probe_apply_one(p, KV_OP_DELETE_TREE, "tree/a/", NULL, 0, NULL), 1);
	assert_string_equal(probe_keys(p, "tree/"), "ab b");
	index = probe_index(p, "tree/");
	assert_int_equal(probe_apply_one(p, KV_OP_DELETE_TREE, "tree/x", NULL, 0, NULL), 1);
	assert_int_equal(probe_index(p, "tree/"), index);
	assert_int_equal(probe_apply_one(p, KV_OP_DELETE_TREE, "tree/a", NULL, 0, NULL), 1);
	assert_string_equal(probe_keys(p, "tree/"), "b");
	assert_true(probe_index(p, "tree/") > index);
}

static void
transacts_all_or_nothing(void **state)
{
	struct probe *p = *state;
	struct probe_seen a, b;
	struct kv_op ops[] = {
		{ .kind = KV_OP_SET, .key = "txn/a", .value = "1", .value_len = 1 },
		{ .kind = KV_OP_CAS, .key = "txn/b", .value = "1", .value_len = 1 },
		{ .kind = KV_OP_DELETE, .key = "txn/c" },
	};

	probe_put(p, "txn/c", "");
	assert_int_equal(probe_apply(p, ops, 3), 1);
	assert_string_equal(probe_keys(p, "txn/"), "a b");
	a = probe_get(p, "txn/a");
	b = probe_get(p, "txn/b");
	assert_int_equal(a.modify_index, b.modify_index);
	assert_int_equal(probe_index(p, "txn/"), a.modify_index);

	ops[0].value = "2"; /* would be done, but the second loses: b exists */
	assert_int_equal(probe_apply(p, ops, 3), 0);
	assert_int_equal(probe_get(p, "txn/a").modify_index, a.modify_index);
	assert_string_equal(probe_get(p, "txn/a").value, "1");

	ops[1] = (struct kv_op){ .kind = KV_OP_CHECK_INDEX, .key = "txn/b", .index = 1 };
	assert_int_equal(probe_apply(p, ops, 3), 0);
	ops[1].key = "txn/none";
	assert_int_equal(probe_apply(p, ops, 3), 0);
	assert_string_equal(probe_get(p, "txn/a").value, "1");
	ops[1].key = "txn/b";
	ops[1].index = b.modify_index;
	assert_int_equal(probe_apply(p, ops, 3), 1);
	assert_string_equal(probe_get(p, "txn/a").value, "2");
}

/* Each operation sees what those before it did. */
static void
transacts_in_order(void **state)
{
	struct probe *p = *state;
	const struct kv_op ops[] = {
		{ .kind = KV_OP_SET, .key = "order/a", .value = "1", .value_len = 1 },
		{ .kind = KV_OP_DELETE_TREE, .key = "order/" },
		{ .kind = KV_OP_CAS, .key = "order/a", .value = "2", .value_len = 1 },
		{ .kind = KV_OP_SET, .key = "order/b", .value = "3", .value_len = 1 },
		{ .kind = KV_OP_DELETE, .key = "order/b" },
	};
	const struct kv_op twice[] = { ops[0], ops[2] };

	assert_int_equal(probe_apply(p, ops, MEM_COUNT(ops)), 1);
	assert_string_equal(probe_keys(p, "order/"), "a");
	assert_string_equal(probe_get(p, "order/a").value, "2");
	probe_delete(p, "order/a");
	assert_int_equal(probe_apply(p, twice, 2), 0);
	assert_string_equal(probe_keys(p, "order/"), "");
}

/* What was written is known by its index without a further read; what changes nothing keeps its own. */
static void
tells_the_index_of_a_transaction(void **state)
{
	struct probe *p = *state;
	const struct kv_op ops[] = {
		{ .kind = KV_OP_SET, .key = "told/a", .value = "1", .value_len = 1 },
		{ .kind = KV_OP_SET, .key = "told/b", .value = "2", .value_len = 1 },
	};
	const struct kv_op gone = { .kind = KV_OP_DELETE, .key = "told/a" };
	uint64_t first = 0, second = 0, none = 7;

	assert_int_equal(kv_wait_txn_index(&p->w, ops, 2, &first, &probe_err), 1);
	assert_int_equal(probe_get(p, "told/b").modify_index, first);
	assert_int_equal(kv_wait_txn_index(&p->w, ops, 2, &second, &probe_err), 1);
	assert_int_equal(second, first);
	assert_int_equal(kv_wait_txn_index(&p->w, &gone, 1, &none, &probe_err), 1);
	assert_int_equal(none, 0);
	probe_delete(p, "told/b");
}

static void
limits_transactions(void **state)
{
	struct probe *p = *state;
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
	assert_int_equal(kv_wait_txn(&p->w, ops, KV_TXN_MAX + 1, &e), -1);
	assert_int_equal(e.code, ERR_LIMIT);
	assert_string_equal(probe_keys(p, "limit/"), "");
	assert_int_equal(probe_apply(p, ops, KV_TXN_MAX), 1);
	PROBE_OK(kv_wait_list(&p->w, "limit/", &list, NULL, &probe_err));
	assert_int_equal(list.count, KV_TXN_MAX);
	kv_list_clear(&list);
}

/* What does not travel as a transaction to Consul, does not as one to a file. */
static void
limits_the_size_of_transactions(void **state)
{
	struct probe *p = *state;
	char *value = mem_alloc(KV_VALUE_MAX);
	struct kv_op op = { .kind = KV_OP_CAS, .key = "size/a", .value = value };
	struct err e = { 0 };

	memset(value, 'x', KV_VALUE_MAX);
	op.value_len = KV_VALUE_MAX * 3 / 4;
	assert_int_equal(kv_wait_put_if(&p->w, &op, &e), -1);
	assert_int_equal(e.code, ERR_LIMIT);
	op.value_len -= 1024;
	assert_int_equal(probe_apply(p, &op, 1), 1);
	probe_delete(p, "size/a");
	free(value);
}

static void
wakes_watchers(void **state)
{
	struct probe *p = *state;
	struct probe_watch watch;
	uint64_t index;
	int64_t began_ms;

	probe_put(p, "watch/a", "1");
	index = probe_index(p, "watch/");
	probe_watch(p, &watch, "watch/", index, PROBE_LIMIT_MS);
	probe_idle(p, 100);
	assert_int_equal(watch.answers, 0);
	probe_put(p, "watch/a", "2");
	probe_expect_woken(p, &watch, index, 1);
	/* An index that is below answers at once; so does 0. */
	probe_watch(p, &watch, "watch/", index, PROBE_LIMIT_MS);
	probe_expect_woken(p, &watch, index, 1);
	probe_watch(p, &watch, "watch/", 0, PROBE_LIMIT_MS);
	probe_expect_woken(p, &watch, index, 1);
	/* The wait ends, not before its time, with the same index. */
	index = watch.index;
	began_ms = clock_mono_ms();
	probe_watch(p, &watch, "watch/", index, 300);
	assert_true(probe_is_answered(p, &watch, PROBE_WAKE_MS));
	assert_true(clock_mono_ms() - began_ms >= 290);
	assert_int_equal(watch.index, index);
	assert_int_equal(watch.count, 1);
}

static void
watches_a_key(void **state)
{
	struct probe *p = *state;
	struct kv_read r = { .wait_ms = PROBE_LIMIT_MS };
	struct probe_watch watch = { 0 };

	probe_put(p, "key/a", "1");
	probe_put(p, "key/ab", "1");
	r.index = probe_get(p, "key/a").index;
	kv_get(p->other, "key/a", &r, probe_answered, &watch);
	probe_idle(p, 50);
	probe_put(p, "key/ab", "2");
	probe_idle(p, 50);
	assert_int_equal(watch.answers, 0);
	probe_put(p, "key/a", "2");
	probe_expect_woken(p, &watch, r.index, 1);
	r.index = watch.index;
	watch = (struct probe_watch){ 0 };
	kv_get(p->other, "key/a", &r, probe_answered, &watch);
	probe_idle(p, 50);
	probe_delete(p, "key/a");
	probe_expect_woken(p, &watch, r.index, 0);
}

/* The index of a list is that of the newest change or deletion below its prefix. */
static void
indexes_by_prefix(void **state)
{
	struct probe *p = *state;
	uint64_t a, b, index;
	struct probe_watch watch;

	probe_put(p, "index/a/1", "");
	probe_put(p, "index/a/2", "");
	probe_put(p, "index/b/1", "");
	a = probe_index(p, "index/a/");
	b = probe_index(p, "index/b/");
	assert_int_equal(a, probe_get(p, "index/a/2").modify_index);
	assert_true(b > a);
	assert_int_equal(probe_index(p, "index/"), b);
	/* What happens elsewhere neither raises it nor wakes. */
	probe_watch(p, &watch, "index/a/", a, QUIET_MS);
	probe_put(p, "index/b/2", "");
	assert_int_equal(probe_index(p, "index/a/"), a);
	assert_true(probe_is_answered(p, &watch, PROBE_WAKE_MS));
	assert_int_equal(watch.index, a);
	/* A deletion raises and wakes, also that of the last key. */
	for (int i = 2; i >= 1; i--) {
		index = probe_index(p, "index/a/");
		probe_watch(p, &watch, "index/a/", index, PROBE_LIMIT_MS);
		probe_idle(p, 50);
		probe_delete(p, i == 2 ? "index/a/2" : "index/a/1");
		probe_expect_woken(p, &watch, index, (size_t)i - 1);
		assert_int_equal(probe_index(p, "index/a/"), watch.index);
	}
	/* Its tombstone keeps the index in place. */
	probe_put(p, "index/c", "");
	assert_int_equal(probe_index(p, "index/a/"), watch.index);
}

/* A prefix with nothing below it, and a key that is not there, have the index of the store. */
static void
empty_takes_the_stores_index(void **state)
{
	struct probe *p = *state;
	struct probe_watch watch;
	uint64_t index, none, all;
	int tries = 0;

	probe_put(p, "empty/other", "1");
	/* The sessions of another test may end meanwhile, which is a write, too: then once more. */
	do {
		all = probe_index(p, "");
		index = probe_index(p, "empty/nothing/");
		none = probe_get(p, "empty/none").index;
	} while (probe_index(p, "") != all && ++tries < IO_TEST_TRIES);
	assert_int_equal(index, all);
	assert_int_equal(none, all);
	assert_true(index >= probe_get(p, "empty/other").modify_index);
	probe_put(p, "empty/other", "2");
	assert_true(probe_index(p, "empty/nothing/") > index);
	assert_true(probe_get(p, "empty/none").index > index);
	/* The whole store is a prefix, too. */
	probe_watch(p, &watch, "", probe_index(p, ""), PROBE_LIMIT_MS);
	probe_idle(p, 50);
	probe_delete(p, "empty/other");
	assert_true(probe_is_answered(p, &watch, PROBE_WAKE_MS));
	assert_true(watch.index > all);
}

static void
watches_missing_prefixes(void **state)
{
	struct probe *p = *state;
	uint64_t index = probe_index(p, "missing/");
	struct probe_watch watch;

	probe_watch(p, &watch, "missing/", index, PROBE_LIMIT_MS);
	probe_idle(p, 50);
	probe_put(p, "missing/a", "1");
	assert_true(probe_is_answered(p, &watch, PROBE_WAKE_MS));
	/* Any write wakes it, as one that another test's session ends with; then it is asked again. */
	if (watch.count == 0)
		probe_watch(p, &watch, "missing/", watch.index, PROBE_LIMIT_MS);
	probe_expect_woken(p, &watch, index, 1);
}

static void
bears_hostile_values(void **state)
{
	static const char bytes[] = "\0\n\r\t\xff\xc0\x80\"\\</script>\x1b[31m$(reboot)`'";
	struct probe *p = *state;
	char *large = mem_alloc(KV_VALUE_MAX + 1);
	struct err e = { 0 };
	struct kv_list list;

	PROBE_OK(kv_wait_put(&p->w, "hostile/bytes", bytes, sizeof(bytes), &probe_err));
	PROBE_OK(kv_wait_get(&p->w, "hostile/bytes", &list, NULL, &probe_err));
	assert_int_equal(list.entries[0].value_len, sizeof(bytes));
	assert_memory_equal(list.entries[0].value, bytes, sizeof(bytes));
	kv_list_clear(&list);
	PROBE_OK(kv_wait_put(&p->w, "hostile/empty", NULL, 0, &probe_err));
	PROBE_OK(kv_wait_get(&p->w, "hostile/empty", &list, NULL, &probe_err));
	assert_int_equal(list.count, 1);
	assert_int_equal(list.entries[0].value_len, 0);
	assert_string_equal(list.entries[0].value, "");
	kv_list_clear(&list);
	for (size_t i = 0; i <= KV_VALUE_MAX; i++)
		large[i] = (char)(i * 7 + i / 256);
	PROBE_OK(kv_wait_put(&p->w, "hostile/large", large, KV_VALUE_MAX, &probe_err));
	PROBE_OK(kv_wait_get(&p->w, "hostile/large", &list, NULL, &probe_err));
	assert_int_equal(list.entries[0].value_len, KV_VALUE_MAX);
	assert_memory_equal(list.entries[0].value, large, KV_VALUE_MAX);
	kv_list_clear(&list);
	assert_int_equal(kv_wait_put(&p->w, "hostile/large", large, KV_VALUE_MAX + 1, &e), -1);
	assert_int_equal(e.code, ERR_LIMIT);
	probe_delete(p, "hostile/large");
	free(large);
}

static void
bears_hostile_keys(void **state)
{
	static const char *const hostile[] = { "hostile-key/a\nb", "hostile-key/\"\\",
		"hostile-key/\x1b[2J", "hostile-key/\xc3\xa4\xe2\x80\xae",
		"hostile-key/a b%2f?x=1#", "hostile-key/\x7f" };
	struct probe *p = *state;
	struct err e = { 0 };
	struct kv_list list;

	for (size_t i = 0; i < MEM_COUNT(hostile); i++) {
		const struct kv_op op = {
			.kind = KV_OP_CAS, .key = hostile[i], .value = "v", .value_len = 1
		};

		assert_int_equal(probe_apply(p, &op, 1), 1);
	}
	PROBE_OK(kv_wait_list(&p->w, "hostile-key/", &list, NULL, &probe_err));
	assert_int_equal(list.count, MEM_COUNT(hostile));
	for (size_t i = 0; i < MEM_COUNT(hostile); i++)
		assert_non_null(kv_list_find(&list, hostile[i]));
	kv_list_clear(&list);
	assert_int_equal(kv_wait_put(&p->w, "", "x", 1, &e), -1);
	assert_int_equal(e.code, ERR_USAGE);
}

static void
cancels(void **state)
{
	struct probe *p = *state;
	struct probe_watch watch;
	uint64_t index;

	probe_put(p, "cancel/a", "1");
	index = probe_index(p, "cancel/");
	probe_watch(p, &watch, "cancel/", index, PROBE_LIMIT_MS);
	kv_cancel(watch.call); /* before its first turn */
	probe_idle(p, 20);
	probe_watch(p, &watch, "cancel/", index, PROBE_LIMIT_MS);
	probe_idle(p, 100);
	kv_cancel(watch.call); /* while it waits */
	probe_put(p, "cancel/a", "2");
	probe_idle(p, 100);
	assert_int_equal(watch.answers, 0);
}

/* Calls that are under way together are all answered. */
static void
serves_many_at_once(void **state)
{
	static char names[200][32];
	static struct probe_watch watches[200];
	struct probe *p = *state;
	int64_t end = clock_mono_ms() + 12 * PROBE_LIMIT_MS; /* 200 times to the disk */
	int answered = 0;
	struct kv_list list;

	for (int i = 0; i < 200; i++) {
		snprintf(names[i], sizeof(names[i]), "many/%03d", i);
		watches[i] = (struct probe_watch){ 0 };
		kv_put(p->kv, names[i], names[i], strlen(names[i]), probe_answered, &watches[i]);
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
	PROBE_OK(kv_wait_list(&p->w, "many/", &list, NULL, &probe_err));
	assert_int_equal(list.count, 200);
	kv_list_clear(&list);
}

/* Nodes differ by nature; that a watch on them waits does not. */
static void
knows_nodes(void **state)
{
	struct probe *p = *state;
	struct probe_watch watch = { 0 };
	struct kv_read r = { 0 };
	struct kv_nodes nodes;
	char self[256], host[256];

	PROBE_OK(kv_wait_catalog_nodes(&p->w, &nodes, &probe_err));
	assert_int_equal(nodes.count, kv_is_file(p->kv) ? 0 : 1);
	kv_nodes_clear(&nodes);
	kv_catalog_nodes(p->kv, &r, probe_answered, &watch);
	assert_true(probe_is_answered(p, &watch, PROBE_WAKE_MS));
	assert_true(watch.index > 0);
	r = (struct kv_read){ .index = watch.index, .wait_ms = QUIET_MS };
	watch = (struct probe_watch){ 0 };
	kv_catalog_nodes(p->kv, &r, probe_answered, &watch);
	assert_false(probe_is_answered(p, &watch, QUIET_MS / 2));
	assert_true(probe_is_answered(p, &watch, PROBE_WAKE_MS));
	PROBE_OK(kv_wait_self(&p->w, self, sizeof(self), &probe_err));
	assert_int_equal(gethostname(host, sizeof(host)), 0);
	assert_string_equal(self, kv_is_file(p->kv) ? host : "test-node");
}

/* The main file is, byte for byte, what consul kv export says of the same keys; and it imports. */
static void
exports_alike(void **state)
{
	static const char *const keys[] = { "export/maindb", "export/\"quotes\"", "export/\xc3\xa4",
		"export/a/b", "export/empty" };
	const char *const export[] = { "kv", "export", "export/", NULL };
	const char *const import[] = { "kv", "import", "@export.json", NULL };
	struct str ours = STR_INIT, theirs = STR_INIT;
	char *main_path = file_join(dir, "export.json"), *log_path = file_join(dir, "log");
	char *address = mem_printf("file:%s", main_path);
	struct probe exported = { 0 };

	(void)state;
	setenv("CONSUL_HTTP_ADDR", consul_agent_address(agent), 1);
	probe_open(&exported, loop, address);
	for (size_t i = 0; i < MEM_COUNT(keys); i++) {
		probe_put(&consul, keys[i], i + 1 < MEM_COUNT(keys) ? keys[i] : "");
		probe_put(&exported, keys[i], i + 1 < MEM_COUNT(keys) ? keys[i] : "");
	}
	consul_agent_run(dir, export);
	PROBE_OK(file_read(main_path, 1 << 20, &ours, &probe_err));
	PROBE_OK(file_read(log_path, 1 << 20, &theirs, &probe_err));
	assert_string_equal(str_text(&ours), str_text(&theirs));
	assert_int_equal(probe_apply_one(&consul, KV_OP_DELETE_TREE, "export/", NULL, 0, NULL), 1);
	consul_agent_run(dir, import);
	for (size_t i = 0; i < MEM_COUNT(keys); i++)
		assert_string_equal(
		    probe_get(&consul, keys[i]).value, probe_get(&exported, keys[i]).value);
	probe_close(&exported);
	unlink(log_path);
	free(main_path);
	free(log_path);
	free(address);
	str_clear(&ours);
	str_clear(&theirs);
}

static int
setup(void **state)
{
	char *address;

	(void)state;
	assert_non_null(mkdtemp(dir));
	address = mem_printf("file:%s/kv.json", dir);
	agent = consul_agent_start();
	loop = loop_new();
	probe_open(&consul, loop, consul_agent_address(agent));
	probe_open(&file, loop, address);
	conform_begin_expiry(&consul);
	conform_begin_expiry(&file);
	free(address);
	return 0;
}

static int
teardown(void **state)
{
	static const char *const left[] = { "kv.json", "kv.json.index", "kv.json.lock",
		"export.json", "export.json.index", "export.json.lock" };

	(void)state;
	conform_end_expiry();
	probe_close(&consul);
	probe_close(&file);
	loop_free(loop);
	consul_agent_stop(agent);
	for (size_t i = 0; i < MEM_COUNT(left); i++) {
		char *path = file_join(dir, left[i]);

		unlink(path);
		free(path);
	}
	return rmdir(dir); /* fails when anything else was left behind */
}

/* clang-format off */
#define TEST(fn) \
	{ "consul: " #fn, fn, NULL, NULL, &consul }, { "file: " #fn, fn, NULL, NULL, &file }
/* clang-format on */

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
		TEST(tells_the_index_of_a_transaction),
		TEST(limits_transactions),
		TEST(limits_the_size_of_transactions),
		TEST(conform_locks_and_unlocks),
		TEST(conform_plain_writes_pass_locks),
		TEST(conform_fences_by_session),
		TEST(conform_renews_and_destroys_sessions),
		TEST(conform_destroyed_sessions_free_keys),
		TEST(conform_delays_locks),
		TEST(wakes_watchers),
		TEST(watches_a_key),
		TEST(indexes_by_prefix),
		TEST(empty_takes_the_stores_index),
		TEST(watches_missing_prefixes),
		TEST(bears_hostile_values),
		TEST(bears_hostile_keys),
		TEST(cancels),
		TEST(serves_many_at_once),
		TEST(knows_nodes),
		cmocka_unit_test(exports_alike),
		TEST(conform_sessions_expire),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
