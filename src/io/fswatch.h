/*
 * fswatch.h: tells when a file was changed, replaced or deleted by somebody (inotify on its
 * directory, so that it survives renames and may be set on a file that does not exist yet).
 */
#ifndef IO_FSWATCH_H
#define IO_FSWATCH_H

#include "base/err.h"

struct loop;
struct fswatch;

/*
 * Called from the loop, once for a bunch of events of one turn; the file may be half-written. Also
 * called when the file may have changed unseen: when its directory goes away (deleted, moved,
 * unmounted, covered by a mount), when it comes back, and when the kernel dropped events.
 */
typedef void fswatch_fn(void *arg);

/* The directory must exist: ERR_NOT_FOUND, ERR_DENIED, ERR_IO. fn may call fswatch_free(). */
struct fswatch *fswatch_new(
    struct loop *l, const char *path, fswatch_fn *fn, void *arg, struct err *e);
void fswatch_free(struct fswatch *w);

#endif
