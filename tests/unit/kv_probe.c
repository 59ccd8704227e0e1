/* kv_probe.c: one step of a test each; whatever goes wrong in it fails the test. */
#include "kv_probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "io/loop.h"

struct err probe_err;

static struct kv *
open_store(struct loop *l, const char *address)
{
	const struct kv_config config = { .address = address, .is_verified = true };
	struct kv *kv = kv_new(l, &config, &probe_err);

	if (kv == NULL)
		fail_msg("%s", probe_err.text);
	return kv;
}

void
probe_open(struct probe *p, struct loop *l, const char *address)
{
	p->kv = open_store(l, address);
	p->other = open_store(l, address);
	p->w = (struct kv_waiter){ .loop = l, .kv = p->kv, .limit_ms = PROBE_LIMIT_MS };
}

void
probe_close(struct probe *p)
{
	kv_free(p->kv);
	kv_free(p->other);
}

void
probe_put(struct probe *p, const char *key, const char *value)
{
	PROBE_OK(kv_wait_put(&p->w, key, value, strlen(value), &probe_err));
}

void
probe_delete(struct probe *p, const char *key)
{
	PROBE_OK(kv_wait_delete(&p->w, key, &probe_err));
}

struct probe_seen
probe_get(struct probe *p, const char *key)
{
	struct probe_seen seen = { 0 };
	struct kv_list list;

	PROBE_OK(kv_wait_get(&p->w, key, &list, &seen.index, &probe_err));
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

uint64_t
probe_index(struct probe *p, const char *prefix)
{
	struct kv_list list;
	uint64_t index = 0;

	PROBE_OK(kv_wait_list(&p->w, prefix, &list, &index, &probe_err));
	kv_list_clear(&list);
	assert_true(index > 0);
	return index;
}

const char *
probe_keys(struct probe *p, const char *prefix)
{
	static char text[256];
	struct kv_list list;

	text[0] = '\0';
	PROBE_OK(kv_wait_list(&p->w, prefix, &list, NULL, &probe_err));
	for (size_t i = 0; i < list.count; i++) {
		size_t n = strlen(text);

		snprintf(text + n, sizeof(text) - n, "%s%s", i > 0 ? " " : "",
		    list.entries[i].key + strlen(prefix));
	}
	kv_list_clear(&list);
	return text;
}

int
probe_apply(struct probe *p, const struct kv_op *ops, size_t count)
{
	struct err e = { 0 };
	int rc = count == 1 ? kv_wait_put_if(&p->w, ops, &e) : kv_wait_txn(&p->w, ops, count, &e);

	if (rc == -1)
		fail_msg("%s", e.text);
	if (rc == 0) {
		assert_int_equal(e.code, ERR_CONFLICT);
		assert_true(strlen(e.text) > 5);
	}
	return rc;
}

int
probe_apply_one(struct probe *p, enum kv_op_kind kind, const char *key, const char *value,
    uint64_t index, const char *session)
{
	const struct kv_op op = {
		.kind = kind,
		.key = key,
		.value = value,
		.value_len = value != NULL ? strlen(value) : 0,
		.index = index,
		.session = session,
	};

	return probe_apply(p, &op, 1);
}

int
probe_lock(struct probe *p, const char *key, const char *value, const char *session)
{
	return probe_apply_one(p, KV_OP_LOCK, key, value, 0, session);
}

void
probe_session(struct probe *p, int64_t lock_delay_ms, bool deletes_keys, char out[KV_SESSION_SIZE])
{
	const struct kv_session_spec spec = {
		.name = "conformance",
		.ttl_ms = PROBE_TTL_MS,
		.lock_delay_ms = lock_delay_ms,
		.deletes_keys = deletes_keys,
	};

	PROBE_OK(kv_wait_session_create(&p->w, &spec, out, &probe_err));
	assert_int_equal(strlen(out), KV_SESSION_SIZE - 1);
}

void
probe_answered(struct kv_answer *a, void *arg)
{
	struct probe_watch *watch = arg;

	watch->answers++;
	watch->count = a->list.count;
	watch->index = a->index;
	watch->err = a->err;
}

void
probe_watch(
    struct probe *p, struct probe_watch *watch, const char *prefix, uint64_t index, int64_t wait_ms)
{
	const struct kv_read r = { .index = index, .wait_ms = wait_ms };

	*watch = (struct probe_watch){ 0 };
	watch->call = kv_list(p->other, prefix, &r, probe_answered, watch);
	assert_int_equal(watch->answers, 0);
}

bool
probe_is_answered(struct probe *p, struct probe_watch *watch, int64_t limit_ms)
{
	int64_t end_ms = clock_mono_ms() + limit_ms;

	while (watch->answers == 0 && clock_mono_ms() < end_ms)
		loop_turn(p->w.loop, 10);
	return watch->answers > 0;
}

void
probe_idle(struct probe *p, int64_t ms)
{
	struct probe_watch never = { 0 };

	probe_is_answered(p, &never, ms);
}

void
probe_expect_woken(struct probe *p, struct probe_watch *watch, uint64_t above, size_t count)
{
	assert_true(probe_is_answered(p, watch, PROBE_WAKE_MS));
	if (watch->err.code != ERR_NONE)
		fail_msg("%s", watch->err.text);
	assert_true(watch->index > above);
	assert_int_equal(watch->count, count);
	probe_idle(p, 20);
	assert_int_equal(watch->answers, 1);
}
