/*
 * sdnotify.c: the watchdog is fed by a timer of the loop and by nothing else: a loop that hangs is
 * what systemd shall notice.
 */
#include "config.h"

#include "io/sdnotify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

#include "base/clock.h"
#include "base/mem.h"
#include "io/loop.h"

#define STATUS_MAX 256

struct sdnotify {
	struct loop_timer *watchdog;
	int64_t interval_ms; /* between two pings; 0: no watchdog */
};

static void
tell(const char *state)
{
#ifdef HAVE_SYSTEMD
	sd_notify(0, state);
#else
	(void)state;
#endif
}

static int64_t
watchdog_ms(void)
{
#ifdef HAVE_SYSTEMD
	uint64_t us;

	if (sd_watchdog_enabled(0, &us) > 0)
		return (int64_t)(us / 1000);
#endif
	return 0;
}

static void
ping(void *arg)
{
	struct sdnotify *s = arg;

	tell("WATCHDOG=1");
	loop_timer_set(s->watchdog, s->interval_ms);
}

struct sdnotify *
sdnotify_new(struct loop *l)
{
	struct sdnotify *s = mem_alloc(sizeof(*s));

	s->watchdog = loop_timer_new(l, ping, s);
	s->interval_ms = watchdog_ms() / 2;
	if (s->interval_ms > 0)
		loop_timer_set(s->watchdog, s->interval_ms);
	return s;
}

void
sdnotify_free(struct sdnotify *s)
{
	if (s == NULL)
		return;
	loop_timer_free(s->watchdog);
	free(s);
}

void
sdnotify_ready(struct sdnotify *s)
{
	if (s != NULL)
		tell("READY=1");
}

void
sdnotify_reloading(struct sdnotify *s)
{
	char state[64];

	if (s == NULL)
		return;
	/* Type=notify-reload wants the time of the reload with it (sd_notify(3)). */
	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%" PRId64, clock_mono_us());
	tell(state);
}

void
sdnotify_stopping(struct sdnotify *s)
{
	if (s != NULL)
		tell("STOPPING=1");
}

void
sdnotify_status(struct sdnotify *s, const char *fmt, ...)
{
	char state[STATUS_MAX] = "STATUS=";
	va_list ap;

	if (s == NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(state + 7, sizeof(state) - 7, fmt, ap);
	va_end(ap);
	tell(state);
}
