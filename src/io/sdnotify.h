/*
 * sdnotify.h: what systemd wants to hear from a Type=notify service, and its watchdog. All of it does
 * nothing where there is no systemd: built without libsystemd, or started without NOTIFY_SOCKET.
 */
#ifndef IO_SDNOTIFY_H
#define IO_SDNOTIFY_H

struct loop;
struct sdnotify;

/* Pings from the loop from now on, where WatchdogSec= is set: a loop that stands still is noticed. */
struct sdnotify *sdnotify_new(struct loop *l);
void sdnotify_free(struct sdnotify *s); /* NULL is allowed, here and below */

void sdnotify_ready(struct sdnotify *s);     /* started, or reloaded */
void sdnotify_reloading(struct sdnotify *s); /* ready() has to follow */
void sdnotify_stopping(struct sdnotify *s);
/* The line that `systemctl status` shows. */
void sdnotify_status(struct sdnotify *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
