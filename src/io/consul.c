/*
 * consul.c: the store that is a Consul agent, spoken to over its HTTP API.
 *
 * A read that waits for a change (a watch) has a connection of its own for as long as it waits. All
 * other calls take turns on one more, the lane, in the order they came: an agent with two watches
 * has three connections at any size of the fleet (a Consul server resets more than about 200 from one
 * address, facts/consul.md).
 *
 *   start ──waits for a change──> under way ──────────────────────> finished
 *     └──> waiting for the lane ──its turn──> under way (on_lane) ──┘
 *                  └──limit passed──> finished, and certainly not sent
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "io/consul_answer.h"
#include "io/consul_reader.h"
#include "io/consul_request.h"
#include "io/http.h"
#include "io/kv_impl.h"
#include "io/loop.h"

/* For everything that does not wait: Consul itself holds a request for 7 s when it has no leader. */
#define CALL_LIMIT_MS 10000

/*
 * The last list below a prefix, shared with whoever got it: the next answer differs in a row or two. A
 * handful, one for each prefix that is read; while a read is under way it is with the reader.
 */
struct listed {
	char *prefix;
	struct kv_list list;
	struct listed *next;
};

struct consul {
	struct kv base;
	struct http *http;
	char *token;      /* NULL: none; kept only to keep it out of errors */
	char *datacenter; /* NULL: the agent's own */
	struct consul_call *on_lane;
	struct consul_call *waiting, **waiting_end;
	struct listed *listed;
};

struct consul_call {
	struct kv_call base;
	enum consul_kind kind;
	struct str path, body;
	int64_t deadline_ms; /* monotonic */
	bool is_watch, is_waiting;
	struct consul_call *next_waiting;
	struct loop_timer *turn_limit; /* while waiting for the lane */
	struct http_call *http;
	struct consul_reader *reader;
};

static struct consul *
store_of(const struct consul_call *c)
{
	return (struct consul *)c->base.kv;
}

/* The one place that ends a call which was sent. */
static void
call_done(struct http_answer *h, void *arg)
{
	struct consul_call *c = arg;
	struct kv_answer a = { 0 };

	c->http = NULL;
	consul_read_answer(c->kind, h, c->reader, store_of(c)->token, &a);
	if (a.err.code != ERR_NONE && h->err.code == ERR_NONE) /* else http.c has said it */
		err_wrap(&a.err, "%s", c->base.kv->address);
	kv_call_finish(&c->base, &a);
}

static int
body_arrived(const char *data, size_t len, void *arg, struct err *e)
{
	struct consul_call *c = arg;

	return consul_reader_feed(c->reader, data, len, e);
}

/* Out of the line of those who wait for the lane. */
static void
stop_waiting(struct consul_call *c)
{
	struct consul *s = store_of(c);
	struct consul_call **at = &s->waiting;

	while (*at != c)
		at = &(*at)->next_waiting;
	if ((*at = c->next_waiting) == NULL)
		s->waiting_end = at;
	c->is_waiting = false;
	loop_timer_free(c->turn_limit);
	c->turn_limit = NULL;
}

static void
turn_did_not_come(void *arg)
{
	struct consul_call *c = arg;
	struct err e;

	err_set(&e, ERR_TIMEOUT,
	    "%s: earlier requests got no answer in time, this one was not sent",
	    c->base.kv->address);
	kv_call_finish_err(&c->base, &e);
}

static void
wait_for_lane(struct consul_call *c)
{
	struct consul *s = store_of(c);

	c->is_waiting = true;
	*s->waiting_end = c;
	s->waiting_end = &c->next_waiting;
	c->turn_limit = loop_timer_new(s->base.loop, turn_did_not_come, c);
	loop_timer_set(c->turn_limit, c->deadline_ms - clock_mono_ms());
}

static void
send_call(struct consul_call *c)
{
	const struct http_request r = {
		.method = consul_method(c->kind),
		.path = str_text(&c->path),
		.body = c->body.data,
		.body_len = c->body.len,
		.limit_ms = c->deadline_ms - clock_mono_ms(),
		.max_body = consul_max_body(c->kind),
		.on_body = c->reader != NULL ? body_arrived : NULL,
		.is_waiting = c->is_watch,
	};

	c->http = http_start(store_of(c)->http, &r, call_done, c);
	str_clear(&c->path);
	str_clear(&c->body);
}

static void
start_call(struct consul_call *c)
{
	struct consul *s = store_of(c);

	if (c->is_watch) {
		send_call(c);
	} else if (s->on_lane == NULL) {
		s->on_lane = c;
		send_call(c);
	} else {
		wait_for_lane(c);
	}
}

static void
release(struct kv_call *call)
{
	struct consul_call *c = (struct consul_call *)call, *next;
	struct consul *s = store_of(c);

	http_cancel(c->http);
	c->http = NULL;
	consul_reader_free(c->reader);
	c->reader = NULL;
	str_clear(&c->path);
	str_clear(&c->body);
	if (c->is_waiting)
		stop_waiting(c);
	if (s->on_lane == c) {
		s->on_lane = NULL;
		if ((next = s->waiting) != NULL) {
			stop_waiting(next);
			start_call(next);
		}
	}
}

static struct consul_call *
new_call(struct kv *kv, enum consul_kind kind, int64_t limit_ms, kv_done_fn *done, void *arg)
{
	struct consul_call *c = mem_alloc(sizeof(*c));

	c->kind = kind;
	c->deadline_ms = clock_mono_ms() + limit_ms;
	kv_call_begin(&c->base, kv, done, arg);
	return c;
}

/* Begins once path and body are built; with result -1 e says why they could not be. */
static struct kv_call *
begin(struct consul_call *c, int result, const struct err *e)
{
	const struct consul *s = store_of(c);

	if (result == -1) {
		kv_call_defer_err(&c->base, e);
		return &c->base;
	}
	if (s->datacenter != NULL && c->kind != CONSUL_SELF)
		consul_add_param(&c->path, "dc", s->datacenter);
	start_call(c);
	return &c->base;
}

static struct consul_call *
new_read(struct kv *kv, enum consul_kind kind, const struct kv_read *r, kv_done_fn *done, void *arg)
{
	struct consul_call *c = new_call(kv, kind, kv_read_limit_ms(r), done, arg);

	c->is_watch = r->index > 0 && r->wait_ms > 0;
	return c;
}

static struct kv_call *
get(struct kv *kv, const char *key, const struct kv_read *r, kv_done_fn *done, void *arg)
{
	struct consul_call *c = new_read(kv, CONSUL_KEYS, r, done, arg);
	struct err e;
	int result = consul_add_key_path(&c->path, key, &e);

	consul_add_read(&c->path, r);
	c->reader = consul_reader_new_keys(key, true);
	return begin(c, result, &e);
}

static struct kv_list *
last_list(struct consul *s, const char *prefix)
{
	struct listed *l = s->listed;

	while (l != NULL && strcmp(l->prefix, prefix) != 0)
		l = l->next;
	if (l == NULL) {
		l = mem_alloc(sizeof(*l));
		l->prefix = mem_strdup(prefix);
		l->next = s->listed;
		s->listed = l;
	}
	return &l->list;
}

static struct kv_call *
list(struct kv *kv, const char *prefix, const struct kv_read *r, kv_done_fn *done, void *arg)
{
	struct consul_call *c = new_read(kv, CONSUL_KEYS, r, done, arg);
	struct err e;
	int result = consul_add_key_path(&c->path, prefix, &e);

	consul_add_param(&c->path, "recurse", NULL);
	consul_add_read(&c->path, r);
	c->reader = consul_reader_new_keys(prefix, false);
	consul_reader_recall(c->reader, last_list(store_of(c), prefix));
	return begin(c, result, &e);
}

static struct kv_call *
txn(struct kv *kv, const struct kv_op *ops, size_t count, kv_done_fn *done, void *arg)
{
	struct consul_call *c = new_call(kv, CONSUL_TXN, CALL_LIMIT_MS, done, arg);
	struct err e;

	str_adds(&c->path, "/v1/txn");
	return begin(c, consul_add_txn(&c->body, ops, count, &e), &e);
}

static struct kv_call *
write_one(struct kv *kv, const struct kv_op *op, kv_done_fn *done, void *arg)
{
	enum consul_kind kind = op->kind == KV_OP_SET ? CONSUL_PUT : CONSUL_DELETE;
	struct consul_call *c;
	struct err e;
	int result;

	/* Only these two need no condition; and a transaction has no room for the largest value. */
	if (op->kind != KV_OP_SET && op->kind != KV_OP_DELETE)
		return txn(kv, op, 1, done, arg);
	c = new_call(kv, kind, CALL_LIMIT_MS, done, arg);
	result = consul_add_key_path(&c->path, op->key, &e);
	if (op->kind == KV_OP_SET)
		str_add(&c->body, op->value, op->value_len);
	return begin(c, result, &e);
}

static struct kv_call *
create_session(struct kv *kv, const struct kv_session_spec *spec, kv_done_fn *done, void *arg)
{
	struct consul_call *c = new_call(kv, CONSUL_SESSION_CREATE, CALL_LIMIT_MS, done, arg);
	struct err e;

	str_adds(&c->path, "/v1/session/create");
	return begin(c, consul_add_session(&c->body, spec, &e), &e);
}

static struct kv_call *
renew_session(struct kv *kv, const char *session, kv_done_fn *done, void *arg)
{
	struct consul_call *c = new_call(kv, CONSUL_SESSION, CALL_LIMIT_MS, done, arg);

	str_addf(&c->path, "/v1/session/renew/%s", session);
	return begin(c, 0, NULL);
}

static struct kv_call *
destroy_session(struct kv *kv, const char *session, kv_done_fn *done, void *arg)
{
	struct consul_call *c = new_call(kv, CONSUL_SESSION, CALL_LIMIT_MS, done, arg);

	str_addf(&c->path, "/v1/session/destroy/%s", session);
	return begin(c, 0, NULL);
}

static struct kv_call *
catalog_nodes(struct kv *kv, const struct kv_read *r, kv_done_fn *done, void *arg)
{
	struct consul_call *c = new_read(kv, CONSUL_NODES, r, done, arg);

	str_adds(&c->path, "/v1/catalog/nodes");
	consul_add_read(&c->path, r);
	c->reader = consul_reader_new_nodes();
	return begin(c, 0, NULL);
}

static struct kv_call *
self(struct kv *kv, kv_done_fn *done, void *arg)
{
	struct consul_call *c = new_call(kv, CONSUL_SELF, CALL_LIMIT_MS, done, arg);

	str_adds(&c->path, "/v1/agent/self");
	return begin(c, 0, NULL);
}

static void
consul_free(struct kv *kv)
{
	struct consul *s = (struct consul *)kv;
	struct listed *l;

	while ((l = s->listed) != NULL) {
		s->listed = l->next;
		kv_list_clear(&l->list);
		free(l->prefix);
		free(l);
	}
	http_free(s->http);
	free(s->token);
	free(s->datacenter);
	free(s);
}

static const struct kv_ops ops = {
	.is_file = false,
	.free = consul_free,
	.release = release,
	.get = get,
	.list = list,
	.write = write_one,
	.txn = txn,
	.session_create = create_session,
	.session_renew = renew_session,
	.session_destroy = destroy_session,
	.catalog_nodes = catalog_nodes,
	.self = self,
};

/* A setting that is there and not empty, else NULL. */
static const char *
set_or_null(const char *text)
{
	return text != NULL && text[0] != '\0' ? text : NULL;
}

struct kv *
consul_new(struct loop *l, const struct kv_config *config, struct err *e)
{
	const char *token = set_or_null(config->token);
	char *header = token != NULL ? mem_printf("X-Consul-Token: %s", token) : NULL;
	const char *headers[] = { header, NULL };
	const struct http_peer peer = {
		.url = config->address,
		.ca_file = set_or_null(config->ca_file),
		.cert_file = set_or_null(config->cert_file),
		.key_file = set_or_null(config->key_file),
		.server_name = set_or_null(config->tls_server_name),
		.is_verified = config->is_verified,
		.headers = headers,
	};
	struct http *http = http_new(l, &peer, e);
	struct consul *s;

	free(header);
	if (http == NULL)
		return NULL;
	s = mem_alloc(sizeof(*s));
	kv_init(&s->base, &ops, l, http_url(http));
	s->http = http;
	s->waiting_end = &s->waiting;
	if (token != NULL)
		s->token = mem_strdup(token);
	if (set_or_null(config->datacenter) != NULL)
		s->datacenter = mem_strdup(config->datacenter);
	return &s->base;
}
