/*
 * check_tcp.c: knocks. Connects anew at every run, shakes hands when TLS is asked for, and reads until
 * the expected text has come when one is asked for.
 *
 * Without an expected text a server that accepts is fine, also one that would never answer: the kernel
 * accepts for it. That is all that a plain connect can see, and the manual says so.
 */
#include "feature/check_type.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "feature/check_net.h"
#include "io/loop.h"
#include "io/stream.h"

#define BANNER_MAX 4096 /* what is searched for the expected text */

struct probe {
	struct loop *loop;
	const struct check_spec *spec;
	struct loop_timer *timer; /* the limit */
	struct stream *stream;    /* NULL: no run */
	struct endpoint endpoint;
	struct str banner;
	int64_t started_us, limit_ms;
	check_done_fn *done;
	void *arg;
};

/* The one place that calls done. */
static void
finish(struct probe *p, struct check_result *r)
{
	stream_close(p->stream);
	p->stream = NULL;
	loop_timer_stop(p->timer);
	check_net_took(r, p->spec, clock_mono_us() - p->started_us);
	p->done(r, p->arg);
	check_result_clear(r);
}

static void
not_expected(struct probe *p, struct check_result *r)
{
	char shown[STR_SHOW_MAX * 4 + 4];
	const char *said = str_text(&p->banner);

	/* Its first line: what follows is rarely better. */
	check_result_set(r, CHECK_VALUE, "says \"%s\" instead of \"%s\"",
	    str_printable(shown, sizeof(shown), said, strcspn(said, "\r\n")), p->spec->expect);
}

static void
opened(void *arg)
{
	struct probe *p = arg;
	struct check_result r = { 0 };

	if (p->spec->expect != NULL)
		return;
	check_result_set(&r, CHECK_OK, p->spec->is_tls ? "accepts, with TLS" : "accepts");
	finish(p, &r);
}

static void
arrived(const char *data, size_t len, void *arg)
{
	struct probe *p = arg;
	struct check_result r = { 0 };

	str_add(&p->banner, data, len);
	if (memmem(p->banner.data, p->banner.len, p->spec->expect, strlen(p->spec->expect)) != NULL)
		check_result_set(&r, CHECK_OK, "says \"%s\"", p->spec->expect);
	else if (p->banner.len >= BANNER_MAX)
		not_expected(p, &r);
	else
		return;
	finish(p, &r);
}

static void
ended(enum fault f, const struct err *e, void *arg)
{
	struct probe *p = arg;
	struct check_result r = { 0 };

	if (f == FAULT_RESET && p->banner.len > 0)
		not_expected(p, &r);
	else
		check_net_failed(&r, f, e);
	finish(p, &r);
}

static const struct stream_events events = { opened, arrived, ended };

static void
limit_passed(void *arg)
{
	struct probe *p = arg;
	struct check_result r = { 0 };
	char limit[16], peer[ENDPOINT_TEXT_SIZE];

	if (p->banner.len > 0)
		not_expected(p, &r);
	else
		check_result_set(&r, CHECK_TIMEOUT, "%s: %s within %s",
		    endpoint_format(peer, &p->endpoint), stream_wait_text(p->stream),
		    str_duration(limit, sizeof(limit), p->limit_ms));
	finish(p, &r);
}

static void *
probe_open(struct loop *l, const struct check_spec *s)
{
	struct probe *p = mem_alloc(sizeof(*p));

	p->loop = l;
	p->spec = s;
	p->timer = loop_timer_new(l, limit_passed, p);
	return p;
}

static void
probe_start(void *probe, const struct check_run *run, check_done_fn *done, void *arg)
{
	struct probe *p = probe;
	char host[RESOLVE_HOST_SIZE];
	struct stream_tls tls;
	bool is_tls = check_net_tls(p->spec, NULL, host, &tls);

	p->done = done;
	p->arg = arg;
	p->endpoint = *run->endpoint;
	p->started_us = clock_mono_us();
	p->limit_ms = run->limit_ms;
	str_reset(&p->banner);
	p->stream = stream_open(p->loop, run->endpoint, is_tls ? &tls : NULL, &events, p);
	loop_timer_set(p->timer, run->limit_ms);
}

static void
probe_close(void *probe)
{
	struct probe *p = probe;

	if (p == NULL)
		return;
	stream_close(p->stream);
	loop_timer_free(p->timer);
	str_clear(&p->banner);
	loop_defer_free(p->loop, p);
}

const struct check_type check_type_tcp = {
	.name = "tcp",
	.has_target = true,
	.open = probe_open,
	.start = probe_start,
	.close = probe_close,
};
