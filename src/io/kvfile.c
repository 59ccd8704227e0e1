/*
 * kvfile.c: the embedded store, `file:/path/kv.json`: one machine's KV without a Consul, with the
 * same semantics. Here are the operations of kv.h; each is a function over the state of the store
 * (act_*), and what calls it, with the lock held and the result written down, is kvfile_call.c.
 *
 *   kvfile.c ─> kvfile_call.c ─> kvfile_disk.c ─> kvfile_format.c
 *       └────────────────────────────┴──────────> kvfile_state.c
 *
 * What differs from Consul: the catalog is empty (nodes are keys below `nodes/`), a key must be
 * UTF-8, a session ends at its TTL and not up to one more TTL later, and flags can be set only in
 * the file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "io/kvfile_call.h"
#include "io/loop.h"

#define SCHEME "file:"

/* Consul takes a transaction as JSON of at most 512 KiB (txn_max_req_len), a plain write not. */
#define TXN_BODY_MAX (512 * 1024)
#define TXN_OP_SIZE 80 /* the braces, names and numbers around each */

static struct kv_call *
start_read(struct kv *kv, const char *key, bool is_prefix, const struct kv_read *r,
    kv_done_fn *done, void *arg)
{
	struct file_call *c = file_call_new(kv, file_act_read, done, arg);
	int64_t limit_ms = kv_read_limit_ms(r);

	c->key = arena_strdup(&c->memory, key);
	c->is_prefix = is_prefix;
	c->above = r->index;
	c->is_limited = r->wait_ms > limit_ms;
	if (r->index > 0)
		c->wait_ms = c->is_limited ? limit_ms : r->wait_ms;
	file_call_set_state(c, CALL_READ, 0);
	return &c->call;
}

static struct kv_call *
kvfile_get(struct kv *kv, const char *key, const struct kv_read *r, kv_done_fn *done, void *arg)
{
	return start_read(kv, key, false, r, done, arg);
}

static struct kv_call *
kvfile_list(struct kv *kv, const char *prefix, const struct kv_read *r, kv_done_fn *done, void *arg)
{
	return start_read(kv, prefix, true, r, done, arg);
}

static void
act_ops(struct file_call *c, struct kvfile_state *s, int64_t now_ms, struct kv_answer *a)
{
	struct kv_answer last = { .index = 0 };
	struct err why;

	for (size_t i = 0; i < c->op_count; i++) {
		if (kvfile_state_apply(s, &c->ops[i], now_ms, &why) != 0) {
			memcpy(a->text, why.text, sizeof(a->text));
			return;
		}
	}
	kvfile_state_answer(s, c->ops[c->op_count - 1].key, false, now_ms, &last);
	a->index = last.list.count > 0 ? last.list.entries[0].modify_index : 0;
	kv_answer_clear(&last);
	a->is_applied = true;
}

static const char *
copy_or_null(struct arena *memory, const char *text)
{
	return text != NULL ? arena_strdup(memory, text) : NULL;
}

/* What Consul would refuse as well, and what the file cannot hold. */
static int
check_ops(const struct kv_op *ops, size_t count, bool is_txn, struct err *e)
{
	char shown[STR_SHOW_MAX * 4 + 4];
	size_t size = 0;

	for (size_t i = 0; i < count; i++) {
		size_t key_len = strlen(ops[i].key);

		size += TXN_OP_SIZE + key_len + (ops[i].value_len + 2) / 3 * 4;
		if (!str_is_utf8(ops[i].key, key_len))
			return err_set(e, ERR_USAGE,
			    "key %s is not UTF-8, and a file store is JSON",
			    str_printable(shown, sizeof(shown), ops[i].key, key_len));
	}
	if (is_txn && size > TXN_BODY_MAX)
		return err_set(e, ERR_LIMIT, "a transaction of %zu bytes; a store takes %d", size,
		    TXN_BODY_MAX);
	return 0;
}

static struct kv_call *
start_ops(
    struct kv *kv, const struct kv_op *ops, size_t count, bool is_txn, kv_done_fn *done, void *arg)
{
	struct file_call *c = file_call_new(kv, act_ops, done, arg);
	struct err e;

	if (check_ops(ops, count, is_txn, &e) != 0) {
		kv_call_defer_err(&c->call, &e);
		return &c->call;
	}
	c->ops = arena_array(&c->memory, count, sizeof(*c->ops));
	c->op_count = count;
	for (size_t i = 0; i < count; i++) {
		c->ops[i] = ops[i];
		c->ops[i].key = arena_strdup(&c->memory, ops[i].key);
		c->ops[i].session = copy_or_null(&c->memory, ops[i].session);
		if (ops[i].value_len > 0)
			c->ops[i].value = arena_strndup(&c->memory, ops[i].value, ops[i].value_len);
	}
	file_call_set_state(c, CALL_LOCK, 0);
	return &c->call;
}

static struct kv_call *
kvfile_txn(struct kv *kv, const struct kv_op *ops, size_t count, kv_done_fn *done, void *arg)
{
	return start_ops(kv, ops, count, true, done, arg);
}

static struct kv_call *
kvfile_write(struct kv *kv, const struct kv_op *op, kv_done_fn *done, void *arg)
{
	/* As consul.c does it: what has a condition travels as a transaction. */
	bool is_txn = op->kind != KV_OP_SET && op->kind != KV_OP_DELETE;

	return start_ops(kv, op, 1, is_txn, done, arg);
}

/* A random UUID (RFC 4122, version 4), as Consul's sessions have. */
static void
make_uuid(char out[KV_SESSION_SIZE])
{
	unsigned char r[16];

	if (getrandom(r, sizeof(r), 0) != sizeof(r))
		abort(); /* not possible for 16 bytes, getrandom(2) */
	r[6] = (unsigned char)((r[6] & 0x0f) | 0x40);
	r[8] = (unsigned char)((r[8] & 0x3f) | 0x80);
	snprintf(out, KV_SESSION_SIZE,
	    "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", r[0], r[1],
	    r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12], r[13], r[14],
	    r[15]);
}

static void
act_create(struct file_call *c, struct kvfile_state *s, int64_t now_ms, struct kv_answer *a)
{
	kvfile_state_create_session(s, c->session, &c->spec, now_ms);
	memcpy(a->session, c->session, sizeof(a->session));
	a->is_applied = true;
}

static struct kv_call *
kvfile_session_create(
    struct kv *kv, const struct kv_session_spec *spec, kv_done_fn *done, void *arg)
{
	struct file_call *c = file_call_new(kv, act_create, done, arg);

	c->spec = *spec;
	c->spec.name = copy_or_null(&c->memory, spec->name);
	make_uuid(c->session);
	file_call_set_state(c, CALL_LOCK, 0);
	return &c->call;
}

static void
act_renew(struct file_call *c, struct kvfile_state *s, int64_t now_ms, struct kv_answer *a)
{
	if (kvfile_state_renew_session(s, c->session, now_ms) == 0)
		a->is_applied = true;
	else
		err_set(&a->err, ERR_NOT_FOUND, "session %s is gone", c->session);
}

static void
act_destroy(struct file_call *c, struct kvfile_state *s, int64_t now_ms, struct kv_answer *a)
{
	kvfile_state_destroy_session(s, c->session, now_ms);
	a->is_applied = true;
}

static struct kv_call *
start_session(struct kv *kv, act_fn *act, const char *session, kv_done_fn *done, void *arg)
{
	struct file_call *c = file_call_new(kv, act, done, arg);

	snprintf(c->session, sizeof(c->session), "%s", session);
	file_call_set_state(c, CALL_LOCK, 0);
	return &c->call;
}

static struct kv_call *
kvfile_session_renew(struct kv *kv, const char *session, kv_done_fn *done, void *arg)
{
	return start_session(kv, act_renew, session, done, arg);
}

static struct kv_call *
kvfile_session_destroy(struct kv *kv, const char *session, kv_done_fn *done, void *arg)
{
	return start_session(kv, act_destroy, session, done, arg);
}

static struct kv_call *
kvfile_catalog_nodes(struct kv *kv, const struct kv_read *r, kv_done_fn *done, void *arg)
{
	struct file_call *c = file_call_new(kv, file_act_nothing, done, arg);

	file_call_set_state(c, CALL_SLEEP, r->index >= KVFILE_CATALOG_INDEX ? r->wait_ms : 0);
	return &c->call;
}

static struct kv_call *
kvfile_self(struct kv *kv, kv_done_fn *done, void *arg)
{
	struct file_call *c = file_call_new(kv, file_act_nothing, done, arg);
	struct kv_answer a = { 0 };

	if (gethostname(a.text, sizeof(a.text) - 1) != 0)
		err_errno(&a.err, "the host's name");
	kv_call_defer(&c->call, &a);
	return &c->call;
}

static void
kvfile_free(struct kv *kv)
{
	struct kvfile *f = (struct kvfile *)kv;

	kvfile_watch_stop(f);
	loop_timer_free(f->look);
	kvfile_disk_clear(&f->disk);
	free(f);
}

static const struct kv_ops kvfile_ops = {
	.is_file = true,
	.free = kvfile_free,
	.release = file_call_release,
	.get = kvfile_get,
	.list = kvfile_list,
	.write = kvfile_write,
	.txn = kvfile_txn,
	.session_create = kvfile_session_create,
	.session_renew = kvfile_session_renew,
	.session_destroy = kvfile_session_destroy,
	.catalog_nodes = kvfile_catalog_nodes,
	.self = kvfile_self,
};

struct kv *
kvfile_new(struct loop *l, const struct kv_config *config, struct err *e)
{
	const char *path = config->address + strlen(SCHEME);
	struct kvfile *f;

	if (path[0] != '/' || path[strlen(path) - 1] == '/') {
		err_set(e, ERR_CONFIG, "%s: after file: comes the absolute path of a file",
		    config->address);
		return NULL;
	}
	f = mem_alloc(sizeof(*f));
	kv_init(&f->kv, &kvfile_ops, l, config->address);
	f->look = loop_timer_new(l, kvfile_look, f);
	kvfile_disk_init(&f->disk, path);
	return &f->kv;
}
