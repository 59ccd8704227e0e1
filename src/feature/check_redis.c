/*
 * check_redis.c: PING, ROLE and INFO in one packet over a kept connection; what they mean is said by
 * model/redis_view.
 *
 *   idle ──start──> asking ──the last reply or the limit──> idle (done)
 *                     └─ beside it: the sentinels, at most half of the limit
 *
 * PING finds what INFO does not: a server that loads or has lost its master answers INFO and refuses
 * everything else. ROLE tells in which step a replica's link hangs. An account that may not ask for one
 * of them is told as such (class auth), for a check that looks at half is worse than none.
 *
 * The option file is read for each new connection. When the target moves, the connection is given up:
 * a check looks at where the name points now.
 *
 * A key is not looked at here: what a key must hold is the business of checks/, which has a plugin for
 * heartbeats.
 */
#include "feature/check_type.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "feature/check_net.h"
#include "feature/check_sentinel.h"
#include "io/loop.h"
#include "io/redis.h"
#include "model/redis_view.h"

#define REDIS_PORT 6379        /* redis.conf, port */
#define MASTER_NAME "mymaster" /* sentinel.conf's own example */
#define WORDS_SIZE 256

struct probe {
	struct loop *loop;
	const struct check_spec *spec;
	struct redis *redis;      /* NULL: none yet */
	struct endpoint endpoint; /* of redis */
	struct sentinels *sentinels;
	struct loop_timer *timer; /* the next turn, when there is nothing to wait for */

	/* The run. */
	check_done_fn *done;
	void *arg;
	struct endpoint target;
	enum check_role role;
	int64_t started_us;
	size_t waiting; /* for replies, and for the sentinels as one */
	enum fault fault;
	struct err err;
	char refusal[WORDS_SIZE];    /* what PING was answered with, if not PONG */
	char no_info[WORDS_SIZE];    /* what ROLE or INFO was refused with */
	char link_state[WORDS_SIZE]; /* of ROLE; "" */
	int64_t took_us;
	bool has_info;
	struct redis_info info;
};

static void run_over(void *arg);

static void *
probe_open(struct loop *l, const struct check_spec *s)
{
	struct probe *p = mem_alloc(sizeof(*p));

	p->loop = l;
	p->spec = s;
	p->timer = loop_timer_new(l, run_over, p);
	if (s->sentinels != NULL)
		p->sentinels = sentinels_new(l, (const char *const *)s->sentinels,
		    s->sentinel_master != NULL ? s->sentinel_master : MASTER_NAME);
	return p;
}

static void
probe_close(void *probe)
{
	struct probe *p = probe;

	if (p == NULL)
		return;
	redis_free(p->redis);
	sentinels_free(p->sentinels);
	loop_timer_free(p->timer);
	loop_defer_free(p->loop, p);
}

static void
judge(struct probe *p, struct check_result *r)
{
	/* Who says no and hangs up is known by its words, not by the end of the line. */
	if (p->refusal[0] != '\0' && !p->has_info) {
		redis_view_error(r, p->refusal);
		return;
	}
	if (p->fault != FAULT_NONE) {
		check_net_failed(r, p->fault, &p->err);
		return;
	}
	if (p->has_info) {
		r->view = redis_view_new(&p->info);
		redis_view_judge(r, &p->info, p->role, p->spec->max_lag_ms,
		    p->link_state[0] != '\0' ? p->link_state : NULL);
		if (p->sentinels != NULL)
			sentinels_text(
			    p->sentinels, &p->target, r->view->sentinel, sizeof(r->view->sentinel));
	}
	if (p->refusal[0] != '\0' && r->class == CHECK_OK)
		redis_view_error(r, p->refusal);
	else if (p->no_info[0] != '\0' && r->class == CHECK_OK)
		redis_view_error(r, p->no_info);
}

/* The one place that calls done. */
static void
run_over(void *arg)
{
	struct probe *p = arg;
	struct check_result r = { 0 };

	judge(p, &r);
	check_net_took(&r, p->spec, p->took_us);
	p->done(&r, p->arg);
	check_result_clear(&r);
}

static void
one_less(void *arg)
{
	struct probe *p = arg;

	if (--p->waiting == 0)
		run_over(p);
}

/* What a reply says when it is an error, else NULL. Faults are kept: the first counts. */
static const char *
take_error(struct probe *p, const struct redis_reply *reply)
{
	p->took_us = clock_mono_us() - p->started_us;
	if (reply->value != NULL)
		return reply->value->type == RESP_ERROR ? reply->value->text : NULL;
	if (p->fault == FAULT_NONE) {
		p->fault = reply->fault;
		p->err = reply->err;
	}
	return NULL;
}

static void
ping_done(const struct redis_reply *reply, void *arg)
{
	struct probe *p = arg;
	const char *error = take_error(p, reply);

	if (error != NULL)
		str_printable(p->refusal, sizeof(p->refusal), error, strlen(error));
	one_less(p);
}

static void
role_done(const struct redis_reply *reply, void *arg)
{
	struct probe *p = arg;
	const char *error = take_error(p, reply);
	const struct resp_value *v = reply->value;

	if (error != NULL)
		str_printable(p->no_info, sizeof(p->no_info), error, strlen(error));
	/* Of a replica: "slave", its master's host and port, the state of the link, an offset. */
	else if (v != NULL && v->count == 5)
		str_printable(
		    p->link_state, sizeof(p->link_state), v->items[3].text, v->items[3].len);
	one_less(p);
}

static void
info_done(const struct redis_reply *reply, void *arg)
{
	struct probe *p = arg;
	const char *error = take_error(p, reply);
	struct err e;

	if (error != NULL) {
		str_printable(p->no_info, sizeof(p->no_info), error, strlen(error));
	} else if (reply->value != NULL) {
		p->has_info =
		    redis_info_parse(reply->value->text, reply->value->len, &p->info, &e) == 0;
		if (!p->has_info) {
			p->fault = FAULT_PROTOCOL;
			p->err = e;
		}
	}
	one_less(p);
}

/* 0, or -1: the option file cannot be used. */
static int
connect_to(struct probe *p, const struct endpoint *to, struct err *e)
{
	struct credentials c = { 0 };
	struct redis_config config = { .endpoint = *to, .database = p->spec->database };
	struct stream_tls tls;
	char host[RESOLVE_HOST_SIZE];

	if (p->redis != NULL && redis_is_open(p->redis) &&
	    memcmp(&p->endpoint.address, &to->address, to->len) == 0)
		return 0;
	redis_free(p->redis);
	p->redis = NULL;
	if (p->spec->credentials != NULL && credentials_read(p->spec->credentials, &c, e) != 0)
		return -1;
	config.user = c.password != NULL ? c.user : NULL;
	config.password = c.password;
	if (check_net_tls(p->spec, &c, host, &tls))
		config.tls = &tls;
	p->redis = redis_new(p->loop, &config);
	p->endpoint = *to;
	credentials_clear(&c);
	return 0;
}

static void
probe_start(void *probe, const struct check_run *run, check_done_fn *done, void *arg)
{
	static const struct {
		const char *command[2];
		redis_done_fn *done;
	} questions[] = {
		{ { "PING", NULL }, ping_done },
		{ { "ROLE", NULL }, role_done },
		{ { "INFO", NULL }, info_done },
	};
	struct probe *p = probe;

	p->done = done;
	p->arg = arg;
	p->target = *run->endpoint;
	p->role = run->role;
	p->started_us = clock_mono_us();
	p->took_us = 0;
	p->fault = FAULT_NONE;
	p->refusal[0] = p->no_info[0] = p->link_state[0] = '\0';
	p->has_info = false;
	if (connect_to(p, run->endpoint, &p->err) != 0) {
		p->fault = FAULT_LOCAL;
		loop_timer_set(p->timer, 0);
		return;
	}
	p->waiting = MEM_COUNT(questions);
	for (size_t i = 0; i < MEM_COUNT(questions); i++)
		redis_start(p->redis, questions[i].command, run->limit_ms, questions[i].done, p);
	if (p->sentinels != NULL && sentinels_ask(p->sentinels, run->limit_ms / 2 + 1, one_less, p))
		p->waiting++;
}

static int
validate(const struct check_spec *s, struct err *e)
{
	uint64_t number;

	if (s->database != NULL && str_parse_u64(s->database, &number) != 0)
		return err_set(e, ERR_CONFIG, "database of a redis check is a number");
	return 0;
}

const struct check_type check_type_redis = {
	.name = "redis",
	.has_target = true,
	.port = REDIS_PORT,
	.validate = validate,
	.open = probe_open,
	.start = probe_start,
	.close = probe_close,
};
