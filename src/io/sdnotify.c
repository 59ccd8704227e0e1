/*
 * sdnotify.c: a thin coat over sd_notify(3). The watchdog is pinged at half its time, as
 * sd_watchdog_enabled(3) recommends, by a timer of the loop: what it proves is that the loop turns.
 *
 * sd_notify() sends on a blocking socket: it can only wait when systemd itself does not read.
 */
#include "io/sdnotify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "io/loop.h"

#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#else
#define sd_notify(unset, state) ((void)(state), 0)
#define sd_watchdog_enabled(unset, usec) ((void)(usec), 0)
#endif

#define STATUS_MAX 256

struct sdnotify {
	struct loop_timer *ping;
	int64_t ping_ms;
};

static void
ping_due(void *arg)
{
	struct sdnotify *s = arg;

	sd_notify(0, "WATCHDOG=1");
	loop_timer_set(s->ping, s->ping_ms);
}

struct sdnotify *
sdnotify_new(struct loop *l)
{
	struct sdnotify *s = mem_alloc(sizeof(*s));
	uint64_t watchdog_us = 0;

	s->ping = loop_timer_new(l, ping_due, s);
	if (sd_watchdog_enabled(0, &watchdog_us) > 0) {
		s->ping_ms = (int64_t)(watchdog_us / 2000);
		ping_due(s);
	}
	return s;
}

void
sdnotify_free(struct sdnotify *s)
{
	if (s == NULL)
		return;
	loop_timer_free(s->ping);
	free(s);
}

void
sdnotify_ready(struct sdnotify *s)
{
	(void)s;
	sd_notify(0, "READY=1");
}

void
sdnotify_reloading(struct sdnotify *s)
{
	char state[64];

	(void)s;
	/* The time is what Type=notify-reload (systemd 253) asks for; older ones ignore it. */
	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%" PRId64, clock_mono_us());
	sd_notify(0, state);
}

void
sdnotify_stopping(struct sdnotify *s)
{
	(void)s;
	sd_notify(0, "STOPPING=1");
}

void
sdnotify_status(struct sdnotify *s, const char *fmt, ...)
{
	struct str state = STR_INIT;
	char text[STATUS_MAX];
	va_list ap;

	(void)s;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* A newline would begin another assignment: MAINPID=1, say. */
	str_adds(&state, "STATUS=");
	str_add_printable(&state, text, strlen(text), sizeof(text));
	sd_notify(0, state.data);
	str_clear(&state);
}
