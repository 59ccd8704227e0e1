/*
 * loop.c: a thin coat over libevent. Deferred work is a zero timer, not event_active(): libevent
 * then runs it after the descriptors of the turn, which is what "next turn" promises.
 */
#include "io/loop.h"

#include <event2/event.h>
#include <stdlib.h>

#include "base/mem.h"

struct deferred {
	struct loop *loop;
	loop_fn *fn;
	void *arg;
	struct event *event;
	struct deferred *prev, *next;
};

struct loop {
	struct event_base *base;
	struct deferred *pending;
};

struct loop_timer {
	struct event *event;
	loop_fn *fn;
	void *arg;
};

struct loop_signal {
	struct event *event;
	loop_fn *fn;
	void *arg;
};

static void *
checked(void *p)
{
	/* libevent returns NULL only when out of memory or out of descriptors for epoll. */
	if (p == NULL)
		abort();
	return p;
}

struct loop *
loop_new(void)
{
	struct loop *l = mem_alloc(sizeof(*l));
	struct event_config *config = checked(event_config_new());

	/* Microsecond timers (timerfd): the settle time is measured in milliseconds. */
	event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
	l->base = checked(event_base_new_with_config(config));
	event_config_free(config);
	return l;
}

static void
deferred_run(struct deferred *d)
{
	struct loop *l = d->loop;

	if (d->prev != NULL)
		d->prev->next = d->next;
	else
		l->pending = d->next;
	if (d->next != NULL)
		d->next->prev = d->prev;
	event_free(d->event);
	d->fn(d->arg);
	free(d);
}

void
loop_free(struct loop *l)
{
	if (l == NULL)
		return;
	/*
	 * libevent puts things off, too: evdns' answer to a query that was cancelled is only freed by
	 * being given, and it still points at what waits below.
	 */
	event_base_loop(l->base, EVLOOP_NONBLOCK);
	while (l->pending != NULL)
		deferred_run(l->pending);
	event_base_free(l->base);
	free(l);
}

struct event_base *
loop_base(struct loop *l)
{
	return l->base;
}

void
loop_want(struct event *event, bool is_wanted)
{
	if (is_wanted)
		event_add(event, NULL);
	else
		event_del(event);
}

void
loop_run(struct loop *l)
{
	event_base_loop(l->base, EVLOOP_NO_EXIT_ON_EMPTY);
}

void
loop_stop(struct loop *l)
{
	event_base_loopbreak(l->base);
}

static void
turn_limit(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

void
loop_turn(struct loop *l, int64_t limit_ms)
{
	struct timeval tv = { .tv_sec = limit_ms / 1000, .tv_usec = limit_ms % 1000 * 1000 };
	struct event *limit;

	if (limit_ms <= 0) {
		event_base_loop(l->base, EVLOOP_NONBLOCK);
		return;
	}
	limit = checked(evtimer_new(l->base, turn_limit, NULL));
	evtimer_add(limit, &tv);
	event_base_loop(l->base, EVLOOP_ONCE);
	event_free(limit);
}

static void
deferred_due(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	deferred_run(arg);
}

void
loop_defer(struct loop *l, loop_fn *fn, void *arg)
{
	static const struct timeval now = { 0, 0 };
	struct deferred *d = mem_alloc(sizeof(*d));

	d->loop = l;
	d->fn = fn;
	d->arg = arg;
	d->next = l->pending;
	if (d->next != NULL)
		d->next->prev = d;
	l->pending = d;
	d->event = checked(evtimer_new(l->base, deferred_due, d));
	evtimer_add(d->event, &now);
}

void
loop_defer_free(struct loop *l, void *p)
{
	if (p != NULL)
		loop_defer(l, free, p);
}

static void
timer_due(evutil_socket_t fd, short what, void *arg)
{
	struct loop_timer *t = arg;

	(void)fd;
	(void)what;
	t->fn(t->arg);
}

struct loop_timer *
loop_timer_new(struct loop *l, loop_fn *fn, void *arg)
{
	struct loop_timer *t = mem_alloc(sizeof(*t));

	t->fn = fn;
	t->arg = arg;
	t->event = checked(evtimer_new(l->base, timer_due, t));
	return t;
}

void
loop_timer_free(struct loop_timer *t)
{
	if (t == NULL)
		return;
	event_free(t->event);
	free(t);
}

void
loop_timer_set(struct loop_timer *t, int64_t delay_ms)
{
	struct timeval tv = { .tv_sec = delay_ms / 1000, .tv_usec = delay_ms % 1000 * 1000 };

	evtimer_add(t->event, &tv);
}

void
loop_timer_stop(struct loop_timer *t)
{
	evtimer_del(t->event);
}

int
loop_timer_is_set(const struct loop_timer *t)
{
	return evtimer_pending(t->event, NULL);
}

static void
signal_due(evutil_socket_t fd, short what, void *arg)
{
	struct loop_signal *s = arg;

	(void)fd;
	(void)what;
	s->fn(s->arg);
}

struct loop_signal *
loop_signal_new(struct loop *l, int signo, loop_fn *fn, void *arg)
{
	struct loop_signal *s = mem_alloc(sizeof(*s));

	s->fn = fn;
	s->arg = arg;
	s->event = checked(evsignal_new(l->base, signo, signal_due, s));
	evsignal_add(s->event, NULL);
	return s;
}

void
loop_signal_free(struct loop_signal *s)
{
	if (s == NULL)
		return;
	event_free(s->event);
	free(s);
}

int64_t
loop_jitter(int64_t delay_ms, double share)
{
	uint32_t r;

	evutil_secure_rng_get_bytes(&r, sizeof(r));
	return delay_ms + (int64_t)((double)delay_ms * share * ((double)r / UINT32_MAX * 2 - 1));
}
