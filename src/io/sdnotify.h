/*
 * sdnotify.h: tells systemd how the service is (sd_notify(3)) and keeps its watchdog quiet while the
 * loop turns. Does nothing without systemd, at build time or at run time.
 */
#ifndef IO_SDNOTIFY_H
#define IO_SDNOTIFY_H

struct loop;
struct sdnotify;

/* Pings the watchdog from the loop, twice in each interval that systemd asked for. */
struct sdnotify *sdnotify_new(struct loop *l);
void sdnotify_free(struct sdnotify *s); /* NULL is allowed, here and below */

void sdnotify_ready(struct sdnotify *s);
void sdnotify_reloading(struct sdnotify *s); /* until the next ready */
void sdnotify_stopping(struct sdnotify *s);
/* One line for `systemctl status`. */
void sdnotify_status(struct sdnotify *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
