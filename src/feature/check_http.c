/*
 * check_http.c: one GET. 2xx and 3xx are fine (redirects are not followed: the server has answered), then
 * the body has to hold the expected text. The connection is kept between the runs where the server keeps
 * it; it is given up when the target moves.
 *
 * The URL names the host that the server knows itself by (host, or the target), the connection goes to
 * the address that the target has at the moment: the Host header and the certificate's name are right,
 * and no resolver is asked behind our back.
 */
#include "feature/check_type.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "feature/check_net.h"
#include "io/http.h"
#include "io/loop.h"

#define HTTP_PORT 80 /* RFC 9110, section 4.2.1; with TLS, too: the port is then named */
#define BODY_MAX ((size_t)1024 * 1024) /* a page that says how somebody is is shorter */

struct probe {
	struct loop *loop;
	const struct check_spec *spec;
	struct http *http;        /* NULL: none yet */
	struct endpoint endpoint; /* of http */
	struct loop_timer *timer; /* the next turn, when there is nothing to wait for */
	int64_t started_us;
	struct err err;
	check_done_fn *done;
	void *arg;
};

/* The one place that calls done. */
static void
finish(struct probe *p, struct check_result *r)
{
	check_net_took(r, p->spec, clock_mono_us() - p->started_us);
	p->done(r, p->arg);
	check_result_clear(r);
}

static void
start_failed(void *arg)
{
	struct probe *p = arg;
	struct check_result r = { 0 };

	check_net_failed(&r, FAULT_LOCAL, &p->err);
	finish(p, &r);
}

static void
judge(struct check_result *r, const struct check_spec *s, const struct http_answer *a)
{
	check_result_number(r, "size", (double)a->body.len, "B", NULL, NULL);
	if (a->status < 200 || a->status > 399)
		check_result_set(r, CHECK_VALUE, "answers %d", a->status);
	else if (s->expect != NULL &&
		 (a->body.len == 0 ||
		     memmem(a->body.data, a->body.len, s->expect, strlen(s->expect)) == NULL))
		check_result_set(r, CHECK_VALUE, "answers %d without \"%s\"", a->status, s->expect);
	else
		check_result_set(r, CHECK_OK, "answers %d, %zu bytes", a->status, a->body.len);
}

static void
answered(struct http_answer *a, void *arg)
{
	struct probe *p = arg;
	struct check_result r = { 0 };

	if (a->err.code != ERR_NONE)
		check_net_failed(&r, a->fault, &a->err);
	else
		judge(&r, p->spec, a);
	finish(p, &r);
}

static int
connect_to(struct probe *p, const struct endpoint *to, struct err *e)
{
	char name[RESOLVE_HOST_SIZE], address[ENDPOINT_TEXT_SIZE];
	const char *host = check_net_host(p->spec, name);
	struct http_peer peer = { .ca_file = p->spec->ca_file,
		.connect_to = endpoint_format(address, to),
		.is_verified = true };
	char *url;

	if (p->http != NULL && memcmp(&p->endpoint.address, &to->address, to->len) == 0)
		return 0;
	http_free(p->http);
	url = mem_printf(strchr(host, ':') != NULL ? "%s://[%s]:%d" : "%s://%s:%d",
	    p->spec->is_tls ? "https" : "http", host, endpoint_port(to));
	peer.url = url;
	p->http = http_new(p->loop, &peer, e);
	p->endpoint = *to;
	free(url);
	return p->http != NULL ? 0 : -1;
}

static void
probe_start(void *probe, const struct check_run *run, check_done_fn *done, void *arg)
{
	struct probe *p = probe;
	const struct http_request request = {
		.method = "GET",
		.path = p->spec->path != NULL ? p->spec->path : "/",
		.limit_ms = run->limit_ms,
		.max_body = BODY_MAX,
	};

	p->done = done;
	p->arg = arg;
	p->started_us = clock_mono_us();
	if (connect_to(p, run->endpoint, &p->err) != 0)
		loop_timer_set(p->timer, 0);
	else
		http_start(p->http, &request, answered, p);
}

static void *
probe_open(struct loop *l, const struct check_spec *s)
{
	struct probe *p = mem_alloc(sizeof(*p));

	p->loop = l;
	p->spec = s;
	p->timer = loop_timer_new(l, start_failed, p);
	return p;
}

static void
probe_close(void *probe)
{
	struct probe *p = probe;

	if (p == NULL)
		return;
	http_free(p->http);
	loop_timer_free(p->timer);
	loop_defer_free(p->loop, p);
}

static int
validate(const struct check_spec *s, struct err *e)
{
	/* RFC 3986, reg-name and addresses; curl would refuse the rest at the first run only. */
	static const char allowed[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:";

	if (s->host != NULL && (s->host[0] == '\0' || s->host[strspn(s->host, allowed)] != '\0'))
		return err_set(e, ERR_CONFIG, "host is a host name without a port");
	return 0;
}

const struct check_type check_type_http = {
	.name = "http",
	.has_target = true,
	.port = HTTP_PORT,
	.validate = validate,
	.open = probe_open,
	.start = probe_start,
	.close = probe_close,
};
