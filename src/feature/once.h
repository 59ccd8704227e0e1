/*
 * once.h: renders every output a single time, with guard, validation, notification and proof as the
 * daemon does it: `pointsmand --once`, and `pointsman watch-hook` for those who want no daemon.
 */
#ifndef FEATURE_ONCE_H
#define FEATURE_ONCE_H

#include "base/err.h"
#include "base/str.h"
#include "io/kv.h"

struct config;
struct loop;

#define ONCE_LIMIT_MS 60000

/*
 * names: what a watch handler was given (its list is taken), with its index; NULL: read from the
 * store. What the handler shows is believed no more than any other answer: what would be taken away
 * is asked for again, and the guard applies. Every output gets a line in report ("hosts: served
 * generation 8813"). 0, or -1 with e: ERR_CONFLICT when an output did not get there, ERR_CONFIG when none was begun because
 * the state directory (in use, say) or an output cannot be used; else Consul could not be read.
 */
int once_run(struct loop *l, const struct config *c, struct kv_answer *names, struct str *report,
    struct err *e);

#endif
