/*
 * notify.h: tells whoever reads an output that there is a new file: a signal to the process of a
 * pidfile, or a command. One attempt; that it is owed, and tried again, is the output's business.
 *
 * A pidfile may be stale, and its number given to somebody else: the process must be called what the
 * configuration says (process), else dnsmasq or as the pidfile is ("nginx.pid", "haproxy-2.pid").
 */
#ifndef FEATURE_NOTIFY_H
#define FEATURE_NOTIFY_H

#include <stdbool.h>

#include "base/err.h"

struct config_output;
struct loop;
struct notify;

/* e->code ERR_NONE: done. Else the fact, the why and the do in one sentence each. */
typedef void notify_done_fn(const struct err *e, void *arg);

/* Whether the output has anybody to tell at all. */
bool notify_is_wanted(const struct config_output *c);

struct notify *notify_start(
    struct loop *l, const struct config_output *c, notify_done_fn *done, void *arg);
void notify_cancel(struct notify *n);

#endif
