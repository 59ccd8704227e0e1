/*
 * state_dir.h: the directory in which an agent remembers what it knew and wrote. It belongs to one
 * process at a time: two that shared it would share a session and call each other's work drift.
 */
#ifndef FEATURE_STATE_DIR_H
#define FEATURE_STATE_DIR_H

#include <stdint.h>

#include "base/err.h"

/*
 * Makes the directory if it is missing and locks it; waits at most limit_ms (and blocks meanwhile:
 * 0 on the loop) for another process to let go of it. -1: ERR_CONFLICT when it did not.
 */
int state_dir_open(const char *path, int64_t limit_ms, struct err *e);
void state_dir_close(int lock); /* -1 is allowed */

#endif
