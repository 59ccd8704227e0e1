/* test_http.c: src/io/http.c against a server that misbehaves in every way we could think of. */
#include "io_test.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>

#include "base/mem.h"
#include "../fake/fake_http.h"
#include "io/http.h"

#define WAIT_MS 20000

struct fixture {
	struct loop *loop;
	struct fake_http *fake;
	struct http *http;
};

/* What done saw. */
struct seen {
	int count;
	struct err err;
	int status;
	bool is_sent;
	struct str body;
	char index[64];
	int chunks; /* calls of on_body */
	/* What done does besides: */
	struct fixture *then_get; /* starts a second request into next */
	struct seen *next;
	struct http **then_free;
	struct http_call **then_cancel;
};

static struct http *
new_http(struct fixture *x, const char *url)
{
	const struct http_peer peer = { .url = url, .is_verified = true };
	struct http *h = http_new(x->loop, &peer, NULL);

	assert_non_null(h);
	return h;
}

static int
setup(void **state)
{
	struct fixture *x = mem_alloc(sizeof(*x));

	x->loop = loop_new();
	x->fake = fake_http_new(x->loop, NULL);
	x->http = new_http(x, fake_http_url(x->fake));
	*state = x;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *x = *state;

	http_free(x->http);
	fake_http_free(x->fake);
	loop_free(x->loop);
	free(x);
	return 0;
}

static const struct http_request plain_get = {
	.method = "GET", .path = "/v1/kv/a", .limit_ms = WAIT_MS, .max_body = 1 << 20
};

static void
saw(struct http_answer *a, void *arg)
{
	struct seen *s = arg;
	const char *index = http_header(a, "x-consul-index");

	s->count++;
	s->err = a->err;
	s->status = a->status;
	s->is_sent = a->is_sent;
	str_clear(&s->body);
	str_add(&s->body, str_text(&a->body), a->body.len);
	snprintf(s->index, sizeof(s->index), "%s", index != NULL ? index : "-");
	if (s->then_get != NULL)
		http_start(s->then_get->http, &plain_get, saw, s->next);
	if (s->then_cancel != NULL)
		http_cancel(*s->then_cancel);
	if (s->then_free != NULL) {
		http_free(*s->then_free);
		*s->then_free = NULL;
	}
}

static struct http_call *
get(struct fixture *x, struct seen *s)
{
	return http_start(x->http, &plain_get, saw, s);
}

/* Asks for it and waits for the end. */
static void
exchange(struct fixture *x, const struct http_request *r, struct seen *s)
{
	int before = s->count;

	http_start(x->http, r, saw, s);
	assert_int_equal(s->count, before);
	assert_true(io_test_wait(x->loop, &s->count, before + 1, WAIT_MS));
	io_test_idle(x->loop, 5);
	assert_int_equal(s->count, before + 1);
}

static void
test_answer_and_request(void **state)
{
	struct fixture *x = *state;
	struct seen s = { 0 };

	fake_http_push_answer(x->fake, 200, 42, "hello");
	exchange(x, &plain_get, &s);
	assert_int_equal(s.err.code, ERR_NONE);
	assert_int_equal(s.status, 200);
	assert_string_equal(s.body.data, "hello");
	assert_string_equal(s.index, "42");
	/* The whole request: nothing that a proxy, a cache or gzip would act on. */
	{
		char *want = mem_printf("GET /v1/kv/a HTTP/1.1\r\nHost: %s\r\n\r\n",
		    fake_http_url(x->fake) + strlen("http://"));

		assert_string_equal(fake_http_request(x->fake, 0), want);
		free(want);
	}
	str_clear(&s.body);
}

static void
test_missing_header(void **state)
{
	struct fixture *x = *state;
	struct seen s = { 0 };

	fake_http_push_answer(x->fake, 404, 0, "");
	exchange(x, &plain_get, &s);
	assert_int_equal(s.status, 404);
	assert_string_equal(s.index, "-");
	str_clear(&s.body);
}

static void
test_put_sends_at_once(void **state)
{
	struct fixture *x = *state;
	struct seen s = { 0 };
	char *value = mem_alloc(1500000);
	struct http_request r = { .method = "PUT",
		.path = "/v1/kv/a?dc=x",
		.body = value,
		.body_len = 1500000,
		.limit_ms = WAIT_MS,
		.max_body = 1000 };

	/* More than the megabyte from which curl asks first. */
	memset(value, 'v', r.body_len);
	fake_http_push_answer(x->fake, 200, 0, "true");
	exchange(x, &r, &s);
	assert_int_equal(s.status, 200);
	assert_memory_equal(fake_http_request(x->fake, 0), "PUT /v1/kv/a?dc=x HTTP/1.1\r\n", 28);
	assert_non_null(
	    strstr(fake_http_request(x->fake, 0), "Content-Length: 1500000\r\n\r\nvvvv"));
	/* Expect: 100-continue would cost a round trip, or a second with a server that is silent. */
	assert_null(strcasestr(fake_http_request(x->fake, 0), "expect"));
	/* An empty value still says its length. */
	r.body_len = 0;
	fake_http_push_answer(x->fake, 200, 0, "true");
	exchange(x, &r, &s);
	assert_non_null(strstr(fake_http_request(x->fake, 1), "Content-Length: 0\r\n"));
	/* And a GET afterwards, on the same handle, has no body. */
	fake_http_push_answer(x->fake, 200, 0, "x");
	exchange(x, &plain_get, &s);
	assert_memory_equal(fake_http_request(x->fake, 2), "GET ", 4);
	assert_null(strstr(fake_http_request(x->fake, 2), "Content-Length"));
	str_clear(&s.body);
	free(value);
}

static void
test_connection_is_kept(void **state)
{
	struct fixture *x = *state;
	struct seen s = { 0 };

	for (int i = 0; i < 5; i++) {
		fake_http_push_answer(x->fake, i % 2 == 0 ? 200 : 404, 1, "x");
		exchange(x, &plain_get, &s);
	}
	assert_int_equal(fake_http_connection_count(x->fake), 1);
	str_clear(&s.body);
}

static void
test_parallel(void **state)
{
	struct fixture *x = *state;
	struct seen s[3] = { 0 };

	for (size_t i = 0; i < 3; i++) {
		fake_http_push_answer(x->fake, 200, i + 1, "x");
		get(x, &s[i]);
	}
	for (size_t i = 0; i < 3; i++) {
		assert_true(io_test_wait(x->loop, &s[i].count, 1, WAIT_MS));
		assert_int_equal(s[i].status, 200);
		str_clear(&s[i].body);
	}
	assert_int_equal(fake_http_connection_count(x->fake), 3);
}

static const struct fake_step hang[] = { { .kind = FAKE_HANG } };

static void
test_hang_ends_at_the_limit(void **state)
{
	struct fixture *x = *state;
	struct seen s = { 0 };
	struct http_request r = plain_get;
	int64_t begin = clock_mono_ms();

	/* Long enough for a busy machine to send it. */
	r.limit_ms = 600;
	fake_http_push(x->fake, hang);
	exchange(x, &r, &s);
	assert_int_equal(s.err.code, ERR_TIMEOUT);
	assert_true(s.is_sent);
	assert_non_null(strstr(s.err.text, "no answer within 0.60s"));
	assert_ptr_equal(strstr(s.err.text, fake_http_url(x->fake)), s.err.text);
	assert_in_range(clock_mono_ms() - begin, 600, WAIT_MS);
	/* The silent connection is not used again. */
	fake_http_push_answer(x->fake, 200, 1, "x");
	exchange(x, &plain_get, &s);
	assert_int_equal(s.status, 200);
	assert_int_equal(fake_http_connection_count(x->fake), 2);
	str_clear(&s.body);
}

static const struct fake_step slow[] = {
	{ .kind = FAKE_SEND, .text = "HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" },
	{ .kind = FAKE_DRIP, .text = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", .ms = 20 },
	{ .kind = FAKE_HANG },
};

static void
test_slow_bytes_do_not_extend_the_limit(void **state)
{
	struct fixture *x = *state;
	struct seen s = { 0 };
	struct http_request r = plain_get;
	int64_t begin, took_ms = INT64_MAX;

	/* The last byte comes after 860 ms. */
	r.limit_ms = 200;
	for (int i = 0; i < IO_TEST_TRIES && took_ms >= 800; i++) {
		fake_http_push(x->fake, slow);
		begin = clock_mono_ms();
		exchange(x, &r, &s);
		took_ms = clock_mono_ms() - begin;
		assert_int_equal(s.err.code, ERR_TIMEOUT);
		assert_true(took_ms >= 200);
	}
	assert_true(took_ms < 800);
	str_clear(&s.body);
}

#define HEAD "HTTP/1.1 200 OK\r\n"
static const struct fake_step just_close[] = { { .kind = FAKE_CLOSE } };
static const struct fake_step just_reset[] = { { .kind = FAKE_RESET } };
static const struct fake_step cut_head[] = { { .kind = FAKE_SEND, .text = "HTTP/1.1 20" },
	{ .kind = FAKE_CLOSE } };
static const struct fake_step cut_body[] = { { .kind = FAKE_SEND,
						 .text = HEAD "Content-Length: 100\r\n\r\n[1,2" },
	{ .kind = FAKE_CLOSE } };
static const struct fake_step cut_chunk[] = {
	{ .kind = FAKE_SEND, .text = HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n" },
	{ .kind = FAKE_CLOSE }
};
static const struct fake_step bad_chunk[] = {
	{ .kind = FAKE_SEND, .text = HEAD "Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n" },
	{ .kind = FAKE_HANG }
};
static const struct fake_step reset_body[] = { { .kind = FAKE_SEND,
						   .text = HEAD "Content-Length: 100\r\n\r\n[1,2" },
	{ .kind = FAKE_PAUSE, .ms = 30 }, { .kind = FAKE_RESET } };
static const struct fake_step no_http[] = {
	{ .kind = FAKE_SEND, .text = "SSH-2.0-OpenSSH_9.2\r\n" }, { .kind = FAKE_HANG }
};
static const struct fake_step bad_length[] = {
	{ .kind = FAKE_SEND, .text = HEAD "Content-Length: -5\r\n\r\n" }, { .kind = FAKE_HANG }
};
static const struct fake_step endless_head[] = { { .kind = FAKE_SEND, .text = HEAD },
	{ .kind = FAKE_FILL,
	    .text = "X-A: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n",
	    .count = 1 << 20 },
	{ .kind = FAKE_HANG } };
static const struct fake_step large_body[] = {
	{ .kind = FAKE_SEND, .text = HEAD "Content-Length: 41943040\r\n\r\n" },
	{ .kind = FAKE_FILL, .text = "0123456789abcdef", .count = 41943040 / 16 },
	{ .kind = FAKE_END }
};
static const struct fake_step large_chunked[] = {
	{ .kind = FAKE_SEND, .text = HEAD "Transfer-Encoding: chunked\r\n\r\n" },
	{ .kind = FAKE_FILL, .text = "10\r\n0123456789abcdef\r\n", .count = 41943040 / 16 },
	{ .kind = FAKE_SEND, .text = "0\r\n\r\n" }, { .kind = FAKE_END }
};

static void
test_broken_answers(void **state)
{
	static const struct {
		const char *what;
		const struct fake_step *steps;
		enum err_code code;
		const char *words;
	} cases[] = {
		{ "close", just_close, ERR_UNREACHABLE, "closed before an answer" },
		{ "reset", just_reset, ERR_UNREACHABLE, "Connection reset by peer" },
		{ "head cut", cut_head, ERR_UNREACHABLE, "connection" },
		{ "body cut", cut_body, ERR_UNREACHABLE, "before the end of the answer" },
		{ "chunk cut", cut_chunk, ERR_UNREACHABLE, "before the end of the answer" },
		{ "chunk bad", bad_chunk, ERR_UNREACHABLE, "chunk" },
		{ "body reset", reset_body, ERR_UNREACHABLE, "Connection reset by peer" },
		{ "no http", no_http, ERR_PROTOCOL, "HTTP/0.9" },
		{ "length", bad_length, ERR_PROTOCOL, "" },
		{ "endless head", endless_head, ERR_UNREACHABLE, "Too large response headers" },
		{ "40 MB", large_body, ERR_LIMIT, "larger than 1048576 bytes" },
		{ "40 MB chunked", large_chunked, ERR_LIMIT, "larger than 1048576 bytes" },
	};
	struct fixture *x = *state;

	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		struct seen s = { 0 };

		/* A new connection: on a kept one curl would try again. */
		http_free(x->http);
		x->http = new_http(x, fake_http_url(x->fake));
		fake_http_push(x->fake, cases[i].steps);
		exchange(x, &plain_get, &s);
		print_message("%s: %s\n", cases[i].what, s.err.text);
		assert_int_equal(s.err.code, cases[i].code);
		assert_int_equal(s.status, 0);
		assert_true(s.is_sent);
		assert_non_null(strstr(s.err.text, cases[i].words));
		str_clear(&s.body);
		/* Whatever it was, the next request is served. */
		fake_http_push_answer(x->fake, 200, 1, "x");
		exchange(x, &plain_get, &s);
		assert_int_equal(s.status, 200);
		str_clear(&s.body);
	}
}

/* A kept connection that the server closes when the second request is there. */
static void
test_dead_kept_connection(void **state)
{
	struct fixture *x = *state;
	struct seen s = { 0 };
	struct http_request put = {
		.method = "PUT", .path = "/", .limit_ms = WAIT_MS, .max_body = 100
	};
	struct http_request waiting = plain_get;

	waiting.is_waiting = true;

	/* A GET is repeated, on a new connection. */
	fake_http_push_answer(x->fake, 200, 1, "a");
	exchange(x, &plain_get, &s);
	fake_http_push(x->fake, just_close);
	fake_http_push_answer(x->fake, 200, 1, "b");
	exchange(x, &plain_get, &s);
	assert_int_equal(s.status, 200);
	assert_string_equal(s.body.data, "b");
	assert_int_equal(fake_http_request_count(x->fake), 3);

	/* One that waits for news is not: what it was told on the old one is lost. */
	fake_http_push(x->fake, just_close);
	fake_http_push_answer(x->fake, 200, 1, "c");
	exchange(x, &waiting, &s);
	assert_int_equal(s.err.code, ERR_UNREACHABLE);
	assert_int_equal(fake_http_request_count(x->fake), 4);
	str_clear(&s.body);
	exchange(x, &plain_get, &s);
	str_clear(&s.body);

	/* A PUT is not: it may have been done. */
	fake_http_push(x->fake, just_close);
	fake_http_push_answer(x->fake, 200, 1, "c");
	exchange(x, &put, &s);
	assert_int_equal(s.err.code, ERR_UNREACHABLE);
	assert_true(s.is_sent);
	assert_int_equal(fake_http_request_count(x->fake), 6);
	str_clear(&s.body);
}

static void
test_refused(void **state)
{
	struct fixture *x = *state;
	struct seen s = { 0 };

	fake_http_free(x->fake);
	x->fake = NULL;
	exchange(x, &plain_get, &s);
	assert_int_equal(s.err.code, ERR_UNREACHABLE);
	assert_false(s.is_sent);
	assert_non_null(strstr(s.err.text, "cannot connect: Connection refused"));
	str_clear(&s.body);
}

static void
test_unresolved(void **state)
{
	struct fixture *x = *state;
	struct seen s = { 0 };

	http_free(x->http);
	x->http = new_http(x, "http://no-such-host.invalid:8500");
	exchange(x, &plain_get, &s);
	assert_int_equal(s.err.code, ERR_UNREACHABLE);
	assert_false(s.is_sent);
	assert_non_null(strstr(s.err.text, "cannot be resolved"));
	str_clear(&s.body);
}

#define SLOW_HOST "slow.invalid"
#define SLOW_MS 4000

/* libcurl's resolver thread finds this one instead of libc's. */
int
getaddrinfo(
    const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
	const struct timespec pause = { .tv_sec = SLOW_MS / 1000 };

	(void)service;
	(void)hints;
	(void)out;
	if (strcmp(node, SLOW_HOST) == 0)
		nanosleep(&pause, NULL);
	return EAI_NONAME;
}

/* The resolver is dead (it may be the very dnsmasq we write for): the loop must not wait for it. */
static void
test_slow_resolver(void **state)
{
	struct fixture *x = *state;
	struct http_request r = plain_get;
	struct seen s = { 0 };
	int64_t begin = clock_mono_ms();

	http_free(x->http);
	x->http = new_http(x, "http://" SLOW_HOST ":8500");
	r.limit_ms = 200;
	exchange(x, &r, &s);
	assert_int_equal(s.err.code, ERR_TIMEOUT);
	assert_false(s.is_sent);
	assert_non_null(strstr(s.err.text, "no connection within"));
	http_start(x->http, &r, saw, &s);
	io_test_idle(x->loop, 50);
	http_free(x->http);
	x->http = NULL;
	assert_in_range(clock_mono_ms() - begin, 200, SLOW_MS - 250);
	/* They end by themselves: ".", ".." and one thread are left. */
	while (io_test_count_entries("/proc/self/task") > 3)
		io_test_idle(x->loop, 50);
	str_clear(&s.body);
}

static int
on_body(const char *data, size_t len, void *arg, struct err *e)
{
	struct seen *s = arg;

	s->chunks++;
	if (memchr(data, '!', len) != NULL)
		return err_set(e, ERR_PROTOCOL, "an exclamation mark");
	str_add(&s->body, data, len);
	return 0;
}

static const struct fake_step in_parts[] = {
	{ .kind = FAKE_SEND, .text = HEAD "Content-Length: 10\r\n\r\n12345" },
	{ .kind = FAKE_PAUSE, .ms = 20 },
	{ .kind = FAKE_SEND, .text = "67890" },
	{ .kind = FAKE_END },
};
static const struct fake_step marked[] = {
	{ .kind = FAKE_SEND, .text = HEAD "Content-Length: 10\r\n\r\n12!45" },
	{ .kind = FAKE_HANG },
};

static void
streamed(struct http_answer *a, void *arg)
{
	struct seen *s = arg;

	s->count++;
	s->err = a->err;
	s->status = a->status;
	assert_int_equal(a->body.len, s->status == 200 ? 0 : a->body.len);
}

static void
test_streaming(void **state)
{
	struct fixture *x = *state;
	struct seen s = { 0 };
	struct http_request r = plain_get;

	r.on_body = on_body;
	/* Where we are kept waiting for longer than the pause, both parts are one. */
	for (int i = 0; i < IO_TEST_TRIES && s.chunks < 2; i++) {
		s.count = s.chunks = 0;
		str_reset(&s.body);
		fake_http_push(x->fake, in_parts);
		http_start(x->http, &r, streamed, &s);
		assert_true(io_test_wait(x->loop, &s.count, 1, WAIT_MS));
		assert_string_equal(s.body.data, "1234567890");
	}
	assert_true(s.chunks >= 2);

	/* What the sink says ends the call at once. */
	fake_http_push(x->fake, marked);
	http_start(x->http, &r, streamed, &s);
	assert_true(io_test_wait(x->loop, &s.count, 2, 1500));
	assert_int_equal(s.err.code, ERR_PROTOCOL);
	assert_non_null(strstr(s.err.text, "an exclamation mark"));

	/* An error's body is no data. */
	s.chunks = 0;
	str_clear(&s.body);
	fake_http_push_answer(x->fake, 500, 0, "rpc error");
	exchange(x, &r, &s);
	assert_int_equal(s.chunks, 0);
	assert_string_equal(s.body.data, "rpc error");
	str_clear(&s.body);
}

static void
test_cancel(void **state)
{
	struct fixture *x = *state;
	struct seen s = { 0 };
	struct http_call *c;

	/* Before anything was sent, */
	c = get(x, &s);
	http_cancel(c);
	io_test_idle(x->loop, 20);
	assert_int_equal(fake_http_connection_count(x->fake), 0);
	/* while the answer is waited for, */
	fake_http_push(x->fake, hang);
	c = get(x, &s);
	while (fake_http_request_count(x->fake) == 0)
		loop_turn(x->loop, 10);
	assert_int_equal(fake_http_open_count(x->fake), 1);
	http_cancel(c);
	io_test_idle(x->loop, 20);
	assert_int_equal(fake_http_open_count(x->fake), 0);
	/* and never. */
	http_cancel(NULL);
	assert_int_equal(s.count, 0);
}

static void
test_cancel_inside_done(void **state)
{
	struct fixture *x = *state;
	struct seen first = { 0 }, second = { 0 }, own = { 0 };
	struct http_call *c;

	/* Another one, */
	fake_http_push_answer(x->fake, 200, 1, "x");
	fake_http_push(x->fake, hang);
	get(x, &first);
	c = get(x, &second);
	first.then_cancel = &c;
	assert_true(io_test_wait(x->loop, &first.count, 1, WAIT_MS));
	io_test_idle(x->loop, 50);
	assert_int_equal(second.count, 0);
	/* and itself, which is too late. */
	fake_http_push_answer(x->fake, 200, 1, "x");
	own.then_cancel = &c;
	c = get(x, &own);
	assert_true(io_test_wait(x->loop, &own.count, 1, WAIT_MS));
	str_clear(&first.body);
	str_clear(&own.body);
}

/* Both are ended in the same turn; the first one's done cancels the second. */
static void
test_cancel_of_what_has_ended(void **state)
{
	struct fixture *x = *state;
	struct seen s[2] = { 0 };
	struct http_call *c[2];

	fake_http_free(x->fake);
	x->fake = NULL;
	for (size_t i = 0; i < 2; i++)
		c[i] = get(x, &s[i]);
	s[0].then_cancel = &c[1];
	s[1].then_cancel = &c[0];
	io_test_idle(x->loop, 100);
	assert_int_equal(s[0].count + s[1].count, 1);
	str_clear(&s[0].body);
	str_clear(&s[1].body);
}

static void
test_start_inside_done(void **state)
{
	struct fixture *x = *state;
	struct seen first = { 0 }, second = { 0 };

	fake_http_push_answer(x->fake, 200, 1, "x");
	fake_http_push_answer(x->fake, 200, 2, "y");
	first.then_get = x;
	first.next = &second;
	get(x, &first);
	assert_true(io_test_wait(x->loop, &second.count, 1, WAIT_MS));
	assert_string_equal(second.body.data, "y");
	/* The connection was free again when done was called. */
	assert_int_equal(fake_http_connection_count(x->fake), 1);
	str_clear(&first.body);
	str_clear(&second.body);
}

static void
test_free_inside_done(void **state)
{
	struct fixture *x = *state;
	struct seen first = { 0 }, second = { 0 };

	fake_http_push_answer(x->fake, 200, 1, "x");
	fake_http_push(x->fake, hang);
	first.then_free = &x->http;
	get(x, &first);
	get(x, &second);
	assert_true(io_test_wait(x->loop, &first.count, 1, WAIT_MS));
	io_test_idle(x->loop, 50);
	assert_int_equal(second.count, 0);
	assert_int_equal(fake_http_open_count(x->fake), 0);
	str_clear(&first.body);
}

static void
test_nothing_is_left(void **state)
{
	struct fixture *x = *state;
	struct seen s = { 0 };
	int before;

	fake_http_push_answer(x->fake, 200, 1, "x");
	exchange(x, &plain_get, &s);
	before = io_test_count_fds();
	for (int i = 0; i < 10; i++) {
		struct http *h = new_http(x, fake_http_url(x->fake));

		fake_http_push_answer(x->fake, 200, 1, "x");
		http_start(h, &plain_get, saw, &s);
		assert_true(io_test_wait(x->loop, &s.count, i + 2, WAIT_MS));
		http_free(h);
	}
	io_test_idle(x->loop, 50);
	assert_int_equal(io_test_count_fds(), before);
	str_clear(&s.body);
}

static void
test_unix_socket(void **state)
{
	struct fixture *x = *state;
	char dir[] = "/tmp/pm-http-XXXXXX", *path;
	struct fake_http *fake;
	struct seen s = { 0 };

	assert_non_null(mkdtemp(dir));
	path = mem_printf("%s/s", dir);
	fake = fake_http_new(x->loop, path);
	http_free(x->http);
	x->http = new_http(x, fake_http_url(fake));
	fake_http_push_answer(fake, 200, 1, "over a socket");
	exchange(x, &plain_get, &s);
	assert_string_equal(s.body.data, "over a socket");
	fake_http_free(fake);
	unlink(path);
	exchange(x, &plain_get, &s);
	assert_int_equal(s.err.code, ERR_UNREACHABLE);
	assert_false(s.is_sent);
	assert_int_equal(rmdir(dir), 0);
	free(path);
	str_clear(&s.body);
}

static void
test_environment_is_not_asked(void **state)
{
	struct fixture *x = *state;
	struct seen s = { 0 };

	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
	fake_http_push_answer(x->fake, 200, 1, "direct");
	exchange(x, &plain_get, &s);
	unsetenv("http_proxy");
	unsetenv("ALL_PROXY");
	assert_string_equal(s.body.data, "direct");
	str_clear(&s.body);
}

static const struct fake_step redirect[] = {
	{ .kind = FAKE_SEND,
	    .text = "HTTP/1.1 301 Moved\r\nLocation: /v1/kv/b\r\nContent-Length: 0\r\n\r\n" },
	{ .kind = FAKE_END },
};

static void
test_redirects_are_not_followed(void **state)
{
	struct fixture *x = *state;
	struct seen s = { 0 };

	fake_http_push(x->fake, redirect);
	exchange(x, &plain_get, &s);
	assert_int_equal(s.status, 301);
	assert_int_equal(fake_http_request_count(x->fake), 1);
	str_clear(&s.body);
}

static void
test_path_stays_as_it_is(void **state)
{
	struct fixture *x = *state;
	struct seen s = { 0 };
	struct http_request r = plain_get;
	struct str path = STR_INIT;

	str_adds(&path, "/v1/kv/");
	http_add_encoded(&path, "a/../b c%\n\xc3\xa9?#&+", true);
	str_adds(&path, "?x=");
	http_add_encoded(&path, "a/b", false);
	r.path = path.data;
	fake_http_push_answer(x->fake, 200, 1, "x");
	exchange(x, &r, &s);
	assert_non_null(strstr(fake_http_request(x->fake, 0),
	    "GET /v1/kv/a/../b%20c%25%0A%C3%A9%3F%23%26%2B?x=a%2Fb HTTP/1.1\r\n"));
	str_clear(&path);
	str_clear(&s.body);
}

static void
test_addresses(void **state)
{
	static const struct {
		const char *url;
		const char *words; /* NULL: fine */
	} cases[] = {
		{ "http://127.0.0.1:8500", NULL },
		{ "http://127.0.0.1:8500/", NULL },
		{ "https://consul.example/some/prefix/", NULL },
		{ "http://[::1]:8500", NULL },
		{ "unix:///run/consul.sock", NULL },
		{ "unix://run/consul.sock", "absolute path" },
		{ "ftp://127.0.0.1", "is not http://HOST:PORT" },
		{ "http://", "is not http://HOST:PORT" },
		{ "http://a b", "is not http://HOST:PORT" },
		{ "http://127.0.0.1:99999", "is not http://HOST:PORT" },
		{ "127.0.0.1:8500", "is not http://HOST:PORT" },
		{ "http://host/?token=secret", "is not http://HOST:PORT" },
		{ "http://user:secret@host", "is not http://HOST:PORT" },
		{ "", "is not http://HOST:PORT" },
	};
	struct fixture *x = *state;

	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		const struct http_peer peer = { .url = cases[i].url };
		struct err e = { 0 };
		struct http *h = http_new(x->loop, &peer, &e);

		assert_int_equal(h != NULL, cases[i].words == NULL);
		if (h == NULL) {
			assert_int_equal(e.code, ERR_CONFIG);
			assert_non_null(strstr(e.text, cases[i].words));
			assert_null(strstr(e.text, "secret"));
		}
		http_free(h);
	}
}

static void
test_settings_that_cannot_work(void **state)
{
	struct fixture *x = *state;
	const char *const headers[] = { "X-Consul-Token: abc\nX-Evil: 1", NULL };
	const struct http_peer ca = { .url = "https://a", .ca_file = "/nonexistent/ca.pem" };
	const struct http_peer injected = { .url = "http://a", .headers = headers };
	const struct http_peer no_tls = { .url = "http://a", .ca_file = "/nonexistent/ca.pem" };
	struct http *h;
	struct err e;

	assert_null(http_new(x->loop, &ca, &e));
	assert_non_null(strstr(e.text, "CA file /nonexistent/ca.pem: No such file"));
	assert_null(http_new(x->loop, &injected, &e));
	assert_int_equal(e.code, ERR_CONFIG);
	assert_non_null(strstr(e.text, "X-Consul-Token"));
	assert_null(strstr(e.text, "abc"));
	/* Without TLS its files do not matter. */
	assert_non_null(h = http_new(x->loop, &no_tls, &e));
	http_free(h);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_answer_and_request),
		TEST(test_missing_header),
		TEST(test_put_sends_at_once),
		TEST(test_connection_is_kept),
		TEST(test_parallel),
		TEST(test_hang_ends_at_the_limit),
		TEST(test_slow_bytes_do_not_extend_the_limit),
		TEST(test_broken_answers),
		TEST(test_dead_kept_connection),
		TEST(test_refused),
		TEST(test_unresolved),
		TEST(test_slow_resolver),
		TEST(test_streaming),
		TEST(test_cancel),
		TEST(test_cancel_inside_done),
		TEST(test_cancel_of_what_has_ended),
		TEST(test_start_inside_done),
		TEST(test_free_inside_done),
		TEST(test_nothing_is_left),
		TEST(test_unix_socket),
		TEST(test_environment_is_not_asked),
		TEST(test_redirects_are_not_followed),
		TEST(test_path_stays_as_it_is),
		TEST(test_addresses),
		TEST(test_settings_that_cannot_work),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
