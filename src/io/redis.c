/*
 * redis.c: a stream, a reader and a queue of calls.
 *
 *   closed ──first command──> opening ──opened──> greeting ──AUTH, SELECT are fine──> ready
 *     ^                          └────────────────────┴──broken, limit, refused───────┘│
 *     └───────────────────────────────all that wait fail───────────────────────────────┘
 *
 * AUTH and SELECT are calls of our own in front of the queue; the commands behind them are sent in the
 * same packet, so that a fresh connection costs no further round trip. When one of them is refused,
 * what it says is the reply to all.
 *
 * drop() is the one way out of a connection. It fails the calls that were there when it broke, told by
 * the number of their connection: done may start new ones, which belong to the next.
 *
 * A cancelled call that was sent keeps its place (and its limit), for its reply will come.
 */
#include "io/redis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "io/loop.h"

#define MAX_REPLY ((size_t)1024 * 1024)

enum redis_state { REDIS_CLOSED, REDIS_OPENING, REDIS_GREETING, REDIS_READY };

struct redis {
	struct loop *loop;
	enum redis_state state;
	struct endpoint endpoint;
	char *user, *password, *database;
	bool is_tls;
	struct stream_tls tls; /* its strings are ours */
	size_t max_reply;
	struct stream *stream;
	struct resp_reader *reader;
	struct redis_call *first, *last;
	unsigned connection; /* its number */
	size_t greetings;    /* replies that belong to AUTH and SELECT */
	bool is_freed;
};

struct redis_call {
	struct redis *redis;
	struct redis_call *prev, *next;
	struct loop_timer *timer;
	struct str request;
	unsigned connection;
	bool is_sent, is_cancelled;
	int64_t limit_ms, started_us;
	redis_done_fn *done;
	void *arg;
};

static void connection_opened(void *arg);
static void connection_arrived(const char *data, size_t len, void *arg);
static void connection_ended(enum fault f, const struct err *e, void *arg);

static const struct stream_events events = {
	.opened = connection_opened,
	.arrived = connection_arrived,
	.ended = connection_ended,
};

static void
wipe(char *text)
{
	if (text != NULL)
		explicit_bzero(text, strlen(text));
	free(text);
}

static char *
copy(const char *text)
{
	return text != NULL ? mem_strdup(text) : NULL;
}

struct redis *
redis_new(struct loop *l, const struct redis_config *config)
{
	struct redis *r = mem_alloc(sizeof(*r));

	r->loop = l;
	r->endpoint = config->endpoint;
	r->user = copy(config->user);
	r->password = copy(config->password);
	r->database = copy(config->database);
	r->max_reply = config->max_reply != 0 ? config->max_reply : MAX_REPLY;
	if (config->tls != NULL) {
		r->is_tls = true;
		r->tls = *config->tls;
		r->tls.ca_file = copy(config->tls->ca_file);
		r->tls.cert_file = copy(config->tls->cert_file);
		r->tls.key_file = copy(config->tls->key_file);
		r->tls.name = copy(config->tls->name);
	}
	return r;
}

static void
call_free(struct redis_call *c)
{
	struct redis *r = c->redis;

	*(c->prev != NULL ? &c->prev->next : &r->first) = c->next;
	*(c->next != NULL ? &c->next->prev : &r->last) = c->prev;
	loop_timer_free(c->timer);
	str_clear(&c->request);
	loop_defer_free(r->loop, c);
}

/* The one place that calls done. */
static void
call_finish(struct redis_call *c, struct redis_reply *reply)
{
	redis_done_fn *done = c->is_cancelled ? NULL : c->done;
	void *arg = c->arg;

	reply->is_sent = c->is_sent;
	reply->took_us = clock_mono_us() - c->started_us;
	call_free(c);
	if (done != NULL)
		done(reply, arg);
}

static void
free_reader(void *reader)
{
	resp_reader_free(reader);
}

static void
close_connection(struct redis *r)
{
	stream_close(r->stream);
	r->stream = NULL;
	/* The reply that somebody stands on lives in there. */
	if (r->reader != NULL)
		loop_defer(r->loop, free_reader, r->reader);
	r->reader = NULL;
	r->state = REDIS_CLOSED;
}

static void
drop(struct redis *r, struct redis_reply reply)
{
	unsigned broken = r->connection++;

	close_connection(r);
	/* r outlives this turn of the loop, whatever done does. */
	while (r->first != NULL && r->first->connection == broken)
		call_finish(r->first, &reply);
}

void
redis_free(struct redis *r)
{
	if (r == NULL || r->is_freed)
		return;
	r->is_freed = true;
	while (r->first != NULL)
		call_free(r->first);
	close_connection(r);
	free(r->user);
	wipe(r->password);
	free(r->database);
	free((char *)r->tls.ca_file);
	free((char *)r->tls.cert_file);
	free((char *)r->tls.key_file);
	free((char *)r->tls.name);
	loop_defer_free(r->loop, r);
}

bool
redis_is_open(const struct redis *r)
{
	return r->state == REDIS_READY;
}

static void
send_command(struct redis *r, const char *const *argv)
{
	struct str s = STR_INIT;

	str_reserve(&s, 1024); /* growing would leave a copy of the password behind */
	resp_add_command(&s, argv);
	stream_write(r->stream, s.data, s.len);
	explicit_bzero(s.data, s.len);
	str_clear(&s);
	r->greetings++;
}

static void
greet(struct redis *r)
{
	const char *auth[] = { "AUTH", r->user != NULL ? r->user : r->password, r->password, NULL };
	const char *select[] = { "SELECT", r->database, NULL };

	r->greetings = 0;
	if (r->user == NULL)
		auth[2] = NULL; /* Redis before 6 knows this form only */
	if (r->password != NULL)
		send_command(r, auth);
	if (r->database != NULL)
		send_command(r, select);
	r->state = r->greetings > 0 ? REDIS_GREETING : REDIS_READY;
}

static void
call_send(struct redis_call *c)
{
	c->is_sent = true;
	stream_write(c->redis->stream, c->request.data, c->request.len);
	str_clear(&c->request);
}

static void
connection_opened(void *arg)
{
	struct redis *r = arg;

	greet(r);
	for (struct redis_call *c = r->first; c != NULL; c = c->next)
		call_send(c);
}

static void
connection_ended(enum fault f, const struct err *e, void *arg)
{
	drop(arg, (struct redis_reply){ .err = *e, .fault = f });
}

static void
protocol_failed(struct redis *r, const struct err *e)
{
	struct redis_reply reply = { .err = *e, .fault = FAULT_PROTOCOL };
	char peer[ENDPOINT_TEXT_SIZE];

	err_wrap(&reply.err, "%s", endpoint_format(peer, &r->endpoint));
	drop(r, reply);
}

/* One reply. false: the connection is gone. */
static bool
take_reply(struct redis *r, const struct resp_value *value)
{
	struct redis_reply reply = { .value = value };
	unsigned connection = r->connection;
	struct err e;

	if (r->state == REDIS_GREETING) {
		if (value->type == RESP_ERROR) {
			drop(r, reply);
			return false;
		}
		if (--r->greetings == 0)
			r->state = REDIS_READY;
		return true;
	}
	if (r->first == NULL) {
		err_set(&e, ERR_PROTOCOL, "a reply that nobody asked for");
		protocol_failed(r, &e);
		return false;
	}
	call_finish(r->first, &reply);
	return !r->is_freed && r->connection == connection;
}

static void
connection_arrived(const char *data, size_t len, void *arg)
{
	struct redis *r = arg;
	const struct resp_value *value;
	struct err e;
	int result;

	resp_reader_feed(r->reader, data, len);
	while ((result = resp_reader_next(r->reader, &value, &e)) == 1) {
		if (!take_reply(r, value))
			return;
	}
	if (result == -1)
		protocol_failed(r, &e);
}

static void
limit_passed(void *arg)
{
	struct redis_call *c = arg;
	struct redis *r = c->redis;
	struct redis_reply reply = { .fault = FAULT_TIMEOUT };
	char limit[16], peer[ENDPOINT_TEXT_SIZE];

	err_set(&reply.err, ERR_TIMEOUT, "%s: %s within %s", endpoint_format(peer, &r->endpoint),
	    stream_wait_text(r->stream), str_duration(limit, sizeof(limit), c->limit_ms));
	drop(r, reply);
}

static void
connect_now(struct redis *r)
{
	r->state = REDIS_OPENING;
	r->reader = resp_reader_new(r->max_reply);
	r->stream = stream_open(r->loop, &r->endpoint, r->is_tls ? &r->tls : NULL, &events, r);
}

struct redis_call *
redis_start(
    struct redis *r, const char *const *argv, int64_t limit_ms, redis_done_fn *done, void *arg)
{
	struct redis_call *c = mem_alloc(sizeof(*c));

	c->redis = r;
	c->limit_ms = limit_ms;
	c->started_us = clock_mono_us();
	c->done = done;
	c->arg = arg;
	resp_add_command(&c->request, argv);
	c->timer = loop_timer_new(r->loop, limit_passed, c);
	loop_timer_set(c->timer, limit_ms);
	c->prev = r->last;
	*(r->last != NULL ? &r->last->next : &r->first) = c;
	r->last = c;
	if (r->state == REDIS_CLOSED)
		connect_now(r);
	c->connection = r->connection;
	if (r->state >= REDIS_GREETING)
		call_send(c);
	return c;
}

void
redis_cancel(struct redis_call *c)
{
	if (c == NULL)
		return;
	if (c->is_sent)
		c->is_cancelled = true;
	else
		call_free(c);
}
