/*
 * test_consul.c: the store over HTTP, against a server that answers what a Consul may answer on a bad day.
 * What a real one does is tested by test_consul_agent.c and test_kv_conformance.c.
 */
#include "io_test.h"

#include "../fake/fake_http.h"
#include "base/mem.h"
#include "io/kv_impl.h"
#include "io/kv_wait.h"

#define HANG_MS 400   /* where it is waited for in vain, but has to be sent before */
#define WAIT_MS 60000 /* nothing takes long, but 32 MB under valgrind on a busy machine */
#define TOKEN "11111111-2222-3333-4444-555555555555"
#define SESSION "4e0e4f2e-676c-6bf3-fa1a-3f49522c2240"

struct fixture {
	struct loop *loop;
	struct fake_http *fake;
	struct kv *kv;
};

struct seen {
	int count;
	struct kv_answer answer; /* moved out of done */
	struct kv **then_free;
	int order, *clock; /* the when-th of those who share a clock */
};

static const struct kv_read now = { .limit_ms = WAIT_MS };

static struct kv *
open_store(struct fixture *x, const char *token, const char *datacenter)
{
	const struct kv_config config = { .address = fake_http_url(x->fake),
		.token = token,
		.datacenter = datacenter,
		.is_verified = true };
	struct kv *kv = consul_new(x->loop, &config, NULL);

	assert_non_null(kv);
	return kv;
}

static int
setup(void **state)
{
	struct fixture *x = mem_alloc(sizeof(*x));

	x->loop = loop_new();
	x->fake = fake_http_new(x->loop, NULL);
	x->kv = open_store(x, TOKEN, NULL);
	*state = x;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *x = *state;

	kv_free(x->kv);
	fake_http_free(x->fake);
	loop_free(x->loop);
	free(x);
	return 0;
}

static void
saw(struct kv_answer *a, void *arg)
{
	struct seen *s = arg;

	s->count++;
	kv_answer_clear(&s->answer);
	s->answer = *a;
	*a = (struct kv_answer){ 0 };
	if (s->clock != NULL)
		s->order = ++*s->clock;
	if (s->then_free != NULL) {
		kv_free(*s->then_free);
		*s->then_free = NULL;
	}
}

static void
finish(struct fixture *x, struct seen *s, int want)
{
	/* Never from inside the start. */
	assert_int_equal(s->count, want - 1);
	assert_true(io_test_wait(x->loop, &s->count, want, WAIT_MS));
	assert_int_equal(s->count, want);
	/* Wherever it comes from. */
	assert_null(strstr(s->answer.err.text, TOKEN));
	assert_null(strstr(s->answer.text, TOKEN));
}

/* One read of a prefix; the error or none. */
static enum err_code
read_list(struct fixture *x, struct seen *s)
{
	kv_list(x->kv, "n/", &now, saw, s);
	finish(x, s, s->count + 1);
	return s->answer.err.code;
}

static enum err_code
write_key(struct fixture *x, struct seen *s)
{
	kv_put(x->kv, "n/a", "db3", 3, saw, s);
	finish(x, s, s->count + 1);
	return s->answer.err.code;
}

static void
forget(struct seen *s)
{
	kv_answer_clear(&s->answer);
}

#define ONE_KEY \
	"[{\"LockIndex\":0,\"Key\":\"n/a\",\"Flags\":0,\"Value\":\"ZGIz\",\"CreateIndex\":5," \
	"\"ModifyIndex\":7}]"

static void
assert_request(struct fixture *x, size_t i, const char *line)
{
	const char *request = fake_http_request(x->fake, i);
	char *want = mem_printf("%s HTTP/1.1\r\n", line);

	if (strncmp(request, want, strlen(want)) != 0)
		fail_msg("request %zu: %.60s, not %s", i, request, line);
	free(want);
	/* In the header, and nowhere else. */
	assert_non_null(strstr(request, "\r\nX-Consul-Token: " TOKEN "\r\n"));
	assert_null(strstr(strstr(request, TOKEN) + 1, TOKEN));
}

static void
test_reads_ask_for(void **state)
{
	static const struct kv_read consistent = { .is_consistent = true };
	static const struct kv_read watch = { .index = 42, .wait_ms = 60000 };
	static const struct kv_read no_wait = { .index = 42 };
	struct fixture *x = *state;
	struct seen s = { 0 };

	for (int i = 0; i < 6; i++)
		fake_http_push_answer(x->fake, 200, 9, "[]");
	kv_list(x->kv, "n/", &now, saw, &s);
	finish(x, &s, 1);
	kv_list(x->kv, "", &consistent, saw, &s);
	finish(x, &s, 2);
	kv_list(x->kv, "n/", &watch, saw, &s);
	finish(x, &s, 3);
	kv_get(x->kv, "n/\xc3\xa9 ?&#\n", &no_wait, saw, &s);
	finish(x, &s, 4);
	kv_catalog_nodes(x->kv, &watch, saw, &s);
	finish(x, &s, 5);
	kv_free(x->kv);
	x->kv = open_store(x, TOKEN, "dc 2");
	kv_list(x->kv, "n/", &consistent, saw, &s);
	finish(x, &s, 6);
	assert_request(x, 0, "GET /v1/kv/n/?recurse");
	assert_request(x, 1, "GET /v1/kv/?recurse&consistent");
	assert_request(x, 2, "GET /v1/kv/n/?recurse&index=42&wait=60000ms");
	/* Without a time to wait there is nothing to wait for: Consul would take five minutes. */
	assert_request(x, 3, "GET /v1/kv/n/%C3%A9%20%3F%26%23%0A");
	assert_request(x, 4, "GET /v1/catalog/nodes?index=42&wait=60000ms");
	assert_request(x, 5, "GET /v1/kv/n/?recurse&consistent&dc=dc%202");
}

static void
test_list(void **state)
{
	struct fixture *x = *state;
	struct seen s = { 0 };

	fake_http_push_answer(x->fake, 200, 77, ONE_KEY);
	assert_int_equal(read_list(x, &s), ERR_NONE);
	assert_true(s.answer.index == 77);
	assert_int_equal(s.answer.list.count, 1);
	assert_string_equal(s.answer.list.entries[0].key, "n/a");
	assert_string_equal(s.answer.list.entries[0].value, "db3");
	fake_http_push_answer(x->fake, 404, 78, "");
	assert_int_equal(read_list(x, &s), ERR_NONE);
	assert_true(s.answer.index == 78);
	assert_int_equal(s.answer.list.count, 0);
	/* nginx says 404 as well, and that must not empty anything. */
	fake_http_push_answer(x->fake, 404, 0, "<h1>404 Not Found</h1>");
	assert_int_equal(read_list(x, &s), ERR_PROTOCOL);
	forget(&s);
}

#define HEAD "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
static const struct {
	const struct fake_step steps[2];
	uint64_t index;
} index_cases[] = {
	{ { { .kind = FAKE_SEND, .text = HEAD "\r\n[]" } }, 0 },
	{ { { .kind = FAKE_SEND, .text = HEAD "X-Consul-Index: 0\r\n\r\n[]" } }, 0 },
	{ { { .kind = FAKE_SEND, .text = HEAD "X-Consul-Index: -1\r\n\r\n[]" } }, 0 },
	{ { { .kind = FAKE_SEND, .text = HEAD "X-Consul-Index: 5x\r\n\r\n[]" } }, 0 },
	{ { { .kind = FAKE_SEND, .text = HEAD "X-Consul-Index: \r\n\r\n[]" } }, 0 },
	{ { { .kind = FAKE_SEND, .text = HEAD "X-Consul-Index: 99999999999999999999\r\n\r\n[]" } },
	    0 },
	{ { { .kind = FAKE_SEND, .text = HEAD "X-Consul-Index: 18446744073709551615\r\n\r\n[]" } },
	    UINT64_MAX },
	{ { { .kind = FAKE_SEND, .text = HEAD "x-consul-index: 3\r\n\r\n[]" } }, 3 },
};

static void
test_absurd_index(void **state)
{
	struct fixture *x = *state;
	struct seen s = { 0 };

	for (size_t i = 0; i < MEM_COUNT(index_cases); i++) {
		fake_http_push(x->fake, index_cases[i].steps);
		assert_int_equal(read_list(x, &s), ERR_NONE);
		assert_true(s.answer.index == index_cases[i].index);
	}
	forget(&s);
}

static const struct fake_step no_leader[] = {
	{ .kind = FAKE_SEND,
	    .text = HEAD "X-Consul-Index: 9\r\nX-Consul-Knownleader: false\r\n\r\n[]" },
	{ .kind = FAKE_END },
};
static const struct fake_step filtered[] = {
	{ .kind = FAKE_SEND,
	    .text = HEAD "X-Consul-Index: 9\r\nX-Consul-Results-Filtered-By-ACLs: true\r\n\r\n[]" },
	{ .kind = FAKE_END },
};

static void
test_lists_that_must_not_be_believed(void **state)
{
	struct fixture *x = *state;
	struct seen s = { 0 };

	fake_http_push(x->fake, no_leader);
	assert_int_equal(read_list(x, &s), ERR_UNAVAILABLE);
	fake_http_push(x->fake, filtered);
	assert_int_equal(read_list(x, &s), ERR_DENIED);
	/* A token may well see only some nodes: their names keep the last known address. */
	fake_http_push(x->fake, filtered);
	kv_catalog_nodes(x->kv, &now, saw, &s);
	finish(x, &s, 3);
	assert_int_equal(s.answer.err.code, ERR_NONE);
	/* JSON that ends early although the length fits, and a value that is no base64. */
	fake_http_push_answer(x->fake, 200, 9, "[{\"Key\":\"n/a\",\"Value\":null,\"ModifyIn");
	assert_int_equal(read_list(x, &s), ERR_PROTOCOL);
	fake_http_push_answer(
	    x->fake, 200, 9, "[{\"Key\":\"n/a\",\"Value\":\"db3\",\"ModifyIndex\":7}]");
	assert_int_equal(read_list(x, &s), ERR_PROTOCOL);
	assert_ptr_equal(strstr(s.answer.err.text, fake_http_url(x->fake)), s.answer.err.text);
	assert_int_equal(s.answer.list.count, 0);
	forget(&s);
}

static void
test_statuses(void **state)
{
	static const struct {
		int status;
		const char *body;
		enum err_code read, write;
		const char *words;
	} cases[] = {
		{ 403, "Permission denied\n", ERR_DENIED, ERR_DENIED,
		    "status 403: Permission denied" },
		{ 403, "ACL not found", ERR_DENIED, ERR_DENIED, "ACL not found" },
		{ 401, "", ERR_DENIED, ERR_DENIED, "status 401" },
		{ 429, "", ERR_UNAVAILABLE, ERR_UNAVAILABLE, "status 429" },
		{ 400, "Bad request", ERR_USAGE, ERR_USAGE, "status 400: Bad request" },
		{ 413, "too large", ERR_LIMIT, ERR_LIMIT, "status 413" },
		{ 301, "", ERR_PROTOCOL, ERR_PROTOCOL, "status 301" },
		{ 204, "", ERR_PROTOCOL, ERR_PROTOCOL, "status 204" },
		/* The three that may have written. */
		{ 500, "rpc error: leadership lost while committing log", ERR_UNAVAILABLE,
		    ERR_UNKNOWN, "leadership lost" },
		{ 503, "", ERR_UNAVAILABLE, ERR_UNKNOWN, "status 503" },
		{ 504, "gateway timeout", ERR_UNAVAILABLE, ERR_UNKNOWN, "gateway timeout" },
		/* What a terminal must not see, nor anybody. */
		{ 500, "\033[2J\nx", ERR_UNAVAILABLE, ERR_UNKNOWN, "\\x1b[2J\\x0ax" },
		{ 500, "bad token " TOKEN "!", ERR_UNAVAILABLE, ERR_UNKNOWN, "repeats the token" },
	};
	struct fixture *x = *state;
	struct seen s = { 0 };

	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		fake_http_push_answer(x->fake, cases[i].status, 5, cases[i].body);
		assert_int_equal(read_list(x, &s), cases[i].read);
		assert_non_null(strstr(s.answer.err.text, cases[i].words));
		fake_http_push_answer(x->fake, cases[i].status, 5, cases[i].body);
		assert_int_equal(write_key(x, &s), cases[i].write);
		assert_non_null(strstr(s.answer.err.text, cases[i].words));
		assert_false(s.answer.is_applied);
	}
	forget(&s);
}

static const struct fake_step hang[] = { { .kind = FAKE_HANG } };
static const struct fake_step reset[] = { { .kind = FAKE_RESET } };
static const struct fake_step close_it[] = { { .kind = FAKE_CLOSE } };
#define A100 \
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" \
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define A1000 A100 A100 A100 A100 A100 A100 A100 A100 A100 A100
/* 40 MB of rows of 0x411 bytes. */
static const struct fake_step large[] = {
	{ .kind = FAKE_SEND,
	    .text = "HTTP/1.1 200 OK\r\nX-Consul-Index: 9\r\nTransfer-Encoding: chunked\r\n\r\n"
		    "1\r\n[\r\n" },
	{ .kind = FAKE_FILL,
	    .count = 40 * 1024,
	    .text = "411\r\n{\"Key\":\"n/a\",\"Value\":\"" A1000 "\",\"ModifyIndex\":1},\r\n" },
	{ .kind = FAKE_END },
};
static const struct fake_step slow[] = {
	{ .kind = FAKE_SEND, .text = HEAD "X-Consul-Index: 9\r\n\r\n" },
	{ .kind = FAKE_DRIP, .text = "[]", .ms = 40 },
	{ .kind = FAKE_END },
};
static const struct fake_step endless[] = {
	{ .kind = FAKE_SEND, .text = "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n[" },
	{ .kind = FAKE_DRIP,
	    .text = "                                                  ",
	    .ms = 20 },
	{ .kind = FAKE_HANG },
};

static void
test_reads_from_a_broken_server(void **state)
{
	struct fixture *x = *state;
	struct kv_read r = { .limit_ms = HANG_MS };
	struct seen s = { 0 };

	fake_http_push(x->fake, slow);
	assert_int_equal(read_list(x, &s), ERR_NONE);
	fake_http_push(x->fake, large);
	assert_int_equal(read_list(x, &s), ERR_LIMIT);
	fake_http_push(x->fake, reset);
	assert_int_equal(read_list(x, &s), ERR_UNREACHABLE);
	fake_http_push(x->fake, hang);
	kv_list(x->kv, "n/", &r, saw, &s);
	finish(x, &s, 4);
	assert_int_equal(s.answer.err.code, ERR_TIMEOUT);
	fake_http_push(x->fake, endless);
	kv_list(x->kv, "n/", &r, saw, &s);
	finish(x, &s, 5);
	assert_int_equal(s.answer.err.code, ERR_TIMEOUT);
	fake_http_push_answer(x->fake, 200, 77, ONE_KEY);
	assert_int_equal(read_list(x, &s), ERR_NONE);
	forget(&s);
}

static void
test_writes_to_a_broken_server(void **state)
{
	struct fixture *x = *state;
	struct seen s = { 0 };
	size_t before;

	/* On a new connection and on a kept one, which curl by itself would try again. */
	for (int i = 0; i < 2; i++) {
		before = fake_http_request_count(x->fake);
		fake_http_push(x->fake, i == 0 ? reset : close_it);
		assert_int_equal(write_key(x, &s), ERR_UNKNOWN);
		assert_int_equal(fake_http_request_count(x->fake), before + 1);
		fake_http_push_answer(x->fake, 200, 0, "true");
		assert_int_equal(write_key(x, &s), ERR_NONE);
		assert_true(s.answer.is_applied);
	}
	fake_http_push_answer(x->fake, 200, 0, "maybe");
	assert_int_equal(write_key(x, &s), ERR_UNKNOWN);
	/* Nobody there: nothing was sent. */
	fake_http_free(x->fake);
	x->fake = NULL;
	io_test_idle(x->loop, 10);
	assert_int_equal(write_key(x, &s), ERR_UNREACHABLE);
	forget(&s);
}

static void
test_writes_ask_for(void **state)
{
	const struct kv_op ops[] = {
		{ .kind = KV_OP_CHECK_SESSION, .key = "locks/\"a\"", .session = SESSION },
		{ .kind = KV_OP_CAS, .key = "n/a", .value = "\0\xff", .value_len = 2, .index = 17 },
		{ .kind = KV_OP_SET, .key = "n/b", .value = "", .value_len = 0 },
		{ .kind = KV_OP_DELETE_TREE, .key = "n/c/" },
		{ .kind = KV_OP_LOCK,
		    .key = "n/d",
		    .value = "x",
		    .value_len = 1,
		    .session = SESSION },
		{ .kind = KV_OP_CHECK_INDEX, .key = "n/e", .index = UINT64_C(1) << 53 },
	};
	struct fixture *x = *state;
	struct seen s = { 0 };

	for (int i = 0; i < 4; i++)
		fake_http_push_answer(x->fake, 200, 0, i == 1 ? "false\n" : "true");
	kv_put(x->kv, "n/a", "\0\xff", 2, saw, &s);
	finish(x, &s, 1);
	assert_true(s.answer.is_applied);
	kv_delete(x->kv, "n/a", saw, &s);
	finish(x, &s, 2);
	assert_false(s.answer.is_applied);
	kv_txn(x->kv, ops, MEM_COUNT(ops), saw, &s);
	finish(x, &s, 3);
	assert_true(s.answer.is_applied);
	kv_put_if(x->kv, &ops[1], saw, &s);
	finish(x, &s, 4);
	assert_request(x, 0, "PUT /v1/kv/n/a");
	assert_non_null(strstr(fake_http_request(x->fake, 0), "Content-Length: 2\r\n"));
	assert_request(x, 1, "DELETE /v1/kv/n/a");
	assert_request(x, 2, "PUT /v1/txn");
	assert_non_null(strstr(fake_http_request(x->fake, 2),
	    "\r\n\r\n[{\"KV\":{\"Verb\":\"check-session\",\"Key\":\"locks/"
	    "\\\"a\\\"\",\"Session\":\"" SESSION
	    "\"}},{\"KV\":{\"Verb\":\"cas\",\"Key\":\"n/a\",\"Value\":\"AP8=\",\"Index\":17}},"
	    "{\"KV\":{\"Verb\":\"set\",\"Key\":\"n/b\",\"Value\":\"\"}},"
	    "{\"KV\":{\"Verb\":\"delete-tree\",\"Key\":\"n/c/\"}},"
	    "{\"KV\":{\"Verb\":\"lock\",\"Key\":\"n/d\",\"Value\":\"eA==\",\"Session\":\"" SESSION
	    "\"}},{\"KV\":{\"Verb\":\"check-index\",\"Key\":\"n/"
	    "e\",\"Index\":9007199254740992}}]"));
	assert_request(x, 3, "PUT /v1/txn");
	forget(&s);
}

static void
test_transaction_refused(void **state)
{
	static const struct {
		const char *body, *why;
	} cases[] = {
		{ "{\"Results\":null,\"Errors\":[{\"OpIndex\":0,\"What\":\"index is stale\"}]}",
		    "index is stale" },
		{ "{\"Errors\":[{\"What\":\"\\u001b[2J\"}]}", "\\x1b[2J" },
		{ "{\"Errors\":[{\"What\":\"" TOKEN "\"}]}", "(an answer that repeats the token)" },
		{ "{\"Errors\":[]}", "Consul does not say why" },
		{ "{\"Errors\":[5]}", "Consul does not say why" },
		{ "<html>", "Consul does not say why" },
		{ "", "Consul does not say why" },
	};
	const struct kv_op op = { .kind = KV_OP_CAS, .key = "n/a", .index = 5 };
	struct fixture *x = *state;
	struct seen s = { 0 };

	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		fake_http_push_answer(x->fake, 409, 0, cases[i].body);
		kv_txn(x->kv, &op, 1, saw, &s);
		finish(x, &s, (int)i + 1);
		assert_int_equal(s.answer.err.code, ERR_NONE);
		assert_false(s.answer.is_applied);
		assert_string_equal(s.answer.text, cases[i].why);
	}
	forget(&s);
}

/* Consul tells a missing right like a lost condition; nobody may take it for one. */
static void
test_transaction_denied(void **state)
{
	const struct kv_op op = { .kind = KV_OP_CAS, .key = "n/a", .index = 5 };
	struct fixture *x = *state;
	struct seen s = { 0 };

	fake_http_push_answer(x->fake, 409, 0,
	    "{\"Results\":null,\"Errors\":[{\"OpIndex\":0,\"What\":\"Permission denied\"}]}");
	kv_txn(x->kv, &op, 1, saw, &s);
	finish(x, &s, 1);
	assert_int_equal(s.answer.err.code, ERR_DENIED);
	assert_non_null(strstr(s.answer.err.text, "Permission denied"));
	assert_false(s.answer.is_applied);
	forget(&s);
}

static void
test_sessions_and_self(void **state)
{
	const struct kv_session_spec spec = { .name = "x", .ttl_ms = 30000, .lock_delay_ms = 0 };
	struct fixture *x = *state;
	struct seen s = { 0 };

	fake_http_push_answer(x->fake, 200, 0, "{\"ID\":\"" SESSION "\"}");
	kv_session_create(x->kv, &spec, saw, &s);
	finish(x, &s, 1);
	assert_string_equal(s.answer.session, SESSION);
	assert_request(x, 0, "PUT /v1/session/create");
	assert_non_null(strstr(fake_http_request(x->fake, 0),
	    "{\"Name\":\"x\",\"TTL\":\"30000ms\",\"LockDelay\":\"0ms\",\"Behavior\":\"release\"}"));
	fake_http_push_answer(x->fake, 200, 0, "{\"ID\":5}");
	kv_session_create(x->kv, &spec, saw, &s);
	finish(x, &s, 2);
	assert_int_equal(s.answer.err.code, ERR_PROTOCOL);

	fake_http_push_answer(x->fake, 200, 0, "[]");
	kv_session_renew(x->kv, SESSION, saw, &s);
	finish(x, &s, 3);
	assert_int_equal(s.answer.err.code, ERR_NONE);
	assert_request(x, 2, "PUT /v1/session/renew/" SESSION);
	fake_http_push_answer(x->fake, 404, 0, "Session id not found");
	kv_session_renew(x->kv, SESSION, saw, &s);
	finish(x, &s, 4);
	assert_int_equal(s.answer.err.code, ERR_NOT_FOUND);
	fake_http_push_answer(x->fake, 200, 0, "true");
	kv_session_destroy(x->kv, SESSION, saw, &s);
	finish(x, &s, 5);
	assert_request(x, 4, "PUT /v1/session/destroy/" SESSION);

	fake_http_push_answer(x->fake, 200, 0, "{\"Config\":{\"NodeName\":\"web-3\"}}");
	kv_self(x->kv, saw, &s);
	finish(x, &s, 6);
	assert_string_equal(s.answer.text, "web-3");
	fake_http_push_answer(x->fake, 200, 0, "{\"Config\":{}}");
	kv_self(x->kv, saw, &s);
	finish(x, &s, 7);
	assert_int_equal(s.answer.err.code, ERR_PROTOCOL);
	forget(&s);
}

static void
test_arguments(void **state)
{
	const struct kv_op big = {
		.kind = KV_OP_CAS, .key = "a", .value = "", .value_len = KV_VALUE_MAX + 1
	};
	const struct kv_op no_session = { .kind = KV_OP_LOCK, .key = "a", .session = "x" };
	const struct kv_op bad_key = { .kind = KV_OP_SET, .key = "\xff" };
	const struct kv_session_spec spec = { .name = "x", .ttl_ms = 9999 };
	struct fixture *x = *state;
	struct seen s[12] = { 0 };
	static const enum err_code want[] = { ERR_USAGE, ERR_LIMIT, ERR_LIMIT, ERR_LIMIT, ERR_USAGE,
		ERR_USAGE, ERR_USAGE, ERR_USAGE, ERR_USAGE, ERR_USAGE, ERR_USAGE };

	kv_get(x->kv, "", &now, saw, &s[0]);
	kv_put_if(x->kv, &big, saw, &s[1]);
	kv_txn(x->kv, &big, 0, saw, &s[2]);
	kv_txn(x->kv, &big, KV_TXN_MAX + 1, saw, &s[3]);
	kv_put_if(x->kv, &no_session, saw, &s[4]);
	kv_session_renew(x->kv, "../../kv/a", saw, &s[5]);
	kv_session_create(x->kv, &spec, saw, &s[6]);
	/* Keys that Consul's server would turn into others. */
	kv_put(x->kv, "a/../b", "", 0, saw, &s[7]);
	kv_list(x->kv, "a//", &now, saw, &s[8]);
	kv_get(x->kv, "./a", &now, saw, &s[9]);
	kv_txn(x->kv, &bad_key, 1, saw, &s[10]);
	for (size_t i = 0; i < MEM_COUNT(want); i++)
		assert_int_equal(s[i].count, 0);
	for (size_t i = 0; i < MEM_COUNT(want); i++) {
		assert_true(io_test_wait(x->loop, &s[i].count, 1, WAIT_MS));
		assert_int_equal(s[i].answer.err.code, want[i]);
		assert_true(s[i].answer.err.text[0] != '\0');
	}
	/* Cancelled before it was told. */
	kv_cancel(kv_get(x->kv, "", &now, saw, &s[11]));
	io_test_idle(x->loop, 10);
	assert_int_equal(s[11].count, 0);
	assert_int_equal(fake_http_request_count(x->fake), 0);
}

/* Watches have connections of their own; all others take turns on one. */
static void
test_connections(void **state)
{
	const struct kv_read watch = { .index = 42, .wait_ms = 60000 };
	struct fixture *x = *state;
	struct seen s[8] = { 0 }, w[2] = { 0 };
	int clock = 0;

	fake_http_push(x->fake, hang);
	fake_http_push(x->fake, hang);
	kv_list(x->kv, "n/", &watch, saw, &w[0]);
	kv_catalog_nodes(x->kv, &watch, saw, &w[1]);
	while (fake_http_request_count(x->fake) < 2)
		loop_turn(x->loop, 10);
	for (size_t i = 0; i < MEM_COUNT(s); i++) {
		fake_http_push_answer(x->fake, 200, 0, "true");
		s[i].clock = &clock;
		kv_put(x->kv, "a", "", 0, saw, &s[i]);
	}
	for (size_t i = 0; i < MEM_COUNT(s); i++) {
		assert_true(io_test_wait(x->loop, &s[i].count, 1, WAIT_MS));
		assert_int_equal(s[i].order, i + 1);
	}
	assert_int_equal(fake_http_connection_count(x->fake), 3);
	assert_int_equal(w[0].count + w[1].count, 0);
}

static void
test_waiting_for_the_lane_has_a_limit(void **state)
{
	const struct kv_read patient = { .limit_ms = 3 * HANG_MS }, hasty = { .limit_ms = HANG_MS };
	struct fixture *x = *state;
	struct seen first = { 0 }, second = { 0 }, third = { 0 };
	int clock = 0;

	first.clock = second.clock = third.clock = &clock;
	fake_http_push(x->fake, hang);
	fake_http_push_answer(x->fake, 200, 9, "[]");
	kv_list(x->kv, "n/", &patient, saw, &first);
	kv_list(x->kv, "n/", &hasty, saw, &second);
	kv_list(x->kv, "n/", &now, saw, &third);
	assert_true(io_test_wait(x->loop, &third.count, 1, WAIT_MS));
	assert_int_equal(second.order, 1);
	assert_int_equal(second.answer.err.code, ERR_TIMEOUT);
	assert_non_null(strstr(second.answer.err.text, "was not sent"));
	assert_int_equal(first.order, 2);
	assert_int_equal(third.answer.err.code, ERR_NONE);
	assert_int_equal(fake_http_request_count(x->fake), 2);
	forget(&third);
}

static void
test_cancel_on_the_lane(void **state)
{
	struct fixture *x = *state;
	struct seen s[4] = { 0 };
	struct kv_call *c[4];

	fake_http_push(x->fake, hang);
	fake_http_push_answer(x->fake, 200, 9, "[]");
	for (size_t i = 0; i < 4; i++)
		c[i] = kv_list(x->kv, "n/", &now, saw, &s[i]);
	while (fake_http_request_count(x->fake) == 0)
		loop_turn(x->loop, 10);
	kv_cancel(c[1]); /* in the middle, at the end, and the one under way: the third is next */
	kv_cancel(c[3]);
	kv_cancel(c[0]);
	assert_true(io_test_wait(x->loop, &s[2].count, 1, WAIT_MS));
	assert_int_equal(s[0].count + s[1].count + s[3].count, 0);
	assert_int_equal(fake_http_request_count(x->fake), 2);
	/* And with a queue behind it the whole store goes. */
	fake_http_push(x->fake, hang);
	for (size_t i = 0; i < 4; i++)
		kv_list(x->kv, "n/", &now, saw, &s[i]);
	io_test_idle(x->loop, 20);
	kv_free(x->kv);
	x->kv = NULL;
	io_test_idle(x->loop, 20);
	assert_int_equal(s[0].count + s[1].count + s[2].count + s[3].count, 1);
	assert_int_equal(fake_http_open_count(x->fake), 0);
	forget(&s[2]);
}

static void
test_free_inside_done(void **state)
{
	struct fixture *x = *state;
	struct seen s = { .then_free = &x->kv }, other = { 0 };

	fake_http_push_answer(x->fake, 200, 9, "[]");
	kv_list(x->kv, "n/", &now, saw, &s);
	kv_list(x->kv, "n/", &now, saw, &other);
	finish(x, &s, 1);
	io_test_idle(x->loop, 20);
	assert_int_equal(other.count, 0);
}

static bool
is_true(void *arg)
{
	int *countdown = arg;

	return (*countdown)-- <= 0;
}

static void
test_commands_wait(void **state)
{
	struct fixture *x = *state;
	struct kv_waiter w = { .loop = x->loop, .kv = x->kv, .limit_ms = WAIT_MS };
	struct kv_list list;
	struct err e = { 0 };
	uint64_t index = 0;
	int turns = 1;

	fake_http_push_answer(x->fake, 200, 77, ONE_KEY);
	assert_int_equal(kv_wait_list(&w, "n/", &list, &index, &e), 0);
	assert_int_equal(list.count, 1);
	assert_true(index == 77);
	kv_list_clear(&list);
	assert_request(x, 0, "GET /v1/kv/n/?recurse&consistent");
	fake_http_push_answer(x->fake, 403, 0, "Permission denied");
	assert_int_equal(kv_wait_put(&w, "n/a", "x", 1, &e), -1);
	assert_int_equal(e.code, ERR_DENIED);
	fake_http_push_answer(x->fake, 409, 0, "{\"Errors\":[{\"What\":\"index is stale\"}]}");
	assert_int_equal(
	    kv_wait_put_if(&w, &(struct kv_op){ .kind = KV_OP_CAS, .key = "a" }, &e), 0);
	assert_int_equal(e.code, ERR_CONFLICT);
	assert_string_equal(e.text, "index is stale");
	/* The limit: of a write nobody knows what became of it. */
	w.limit_ms = HANG_MS;
	fake_http_push(x->fake, hang);
	assert_int_equal(kv_wait_list(&w, "n/", &list, NULL, &e), -1);
	assert_int_equal(e.code, ERR_TIMEOUT);
	fake_http_push(x->fake, hang);
	assert_int_equal(kv_wait_put(&w, "n/a", "x", 1, &e), -1);
	assert_int_equal(e.code, ERR_UNKNOWN);
	/* Ctrl-C: the same. */
	w.limit_ms = WAIT_MS;
	w.is_canceled = is_true;
	w.arg = &turns;
	fake_http_push(x->fake, hang);
	assert_int_equal(kv_wait_list(&w, "n/", &list, NULL, &e), -1);
	assert_int_equal(e.code, ERR_CANCELED);
	turns = 1;
	fake_http_push(x->fake, hang);
	assert_int_equal(kv_wait_delete(&w, "n/a", &e), -1);
	assert_int_equal(e.code, ERR_UNKNOWN);
	assert_null(x->kv->calls);
}

static void
test_addresses(void **state)
{
	struct fixture *x = *state;
	const struct kv_config newline = { .address = "http://127.0.0.1:1", .token = TOKEN "\n" };
	const struct kv_config slash = { .address = "http://127.0.0.1:1/", .token = "" };
	struct kv *kv;
	struct err e;

	/* Which store an address means. */
	assert_null(kv_new(x->loop, &(struct kv_config){ .address = "ftp://\033[2J" }, &e));
	assert_int_equal(e.code, ERR_CONFIG);
	assert_non_null(
	    strstr(e.text, "ftp://\\x1b[2J is no address of a store: http://HOST:PORT"));
	assert_null(consul_new(x->loop, &newline, &e));
	assert_int_equal(e.code, ERR_CONFIG);
	assert_non_null(strstr(e.text, "X-Consul-Token"));
	assert_null(strstr(e.text, TOKEN));
	assert_non_null(kv = kv_new(x->loop, &slash, &e));
	assert_string_equal(kv_address(kv), "http://127.0.0.1:1");
	assert_false(kv_is_file(kv));
	kv_free(kv);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_reads_ask_for),
		TEST(test_list),
		TEST(test_absurd_index),
		TEST(test_lists_that_must_not_be_believed),
		TEST(test_statuses),
		TEST(test_reads_from_a_broken_server),
		TEST(test_writes_to_a_broken_server),
		TEST(test_writes_ask_for),
		TEST(test_transaction_refused),
		TEST(test_transaction_denied),
		TEST(test_sessions_and_self),
		TEST(test_arguments),
		TEST(test_connections),
		TEST(test_waiting_for_the_lane_has_a_limit),
		TEST(test_cancel_on_the_lane),
		TEST(test_free_inside_done),
		TEST(test_commands_wait),
		TEST(test_addresses),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
