/*
 * store_disk.h: the state file: the good map and whether a canary was ever seen, so that an agent
 * that starts while Consul is away knows what it served, and one that starts while Consul lies knows
 * what would vanish.
 */
#ifndef FEATURE_STORE_DISK_H
#define FEATURE_STORE_DISK_H

#include <stdbool.h>

#include "base/err.h"
#include "model/name_map.h"

char *store_disk_path(const char *state_dir);

/*
 * NULL without an error when there is no file yet. A file that is broken gives the copy before it
 * (every save keeps one) and an error to report.
 */
struct name_map *store_disk_load(const char *path, bool *was_canary_seen, struct err *e);
int store_disk_save(
    const char *path, const struct name_map *m, bool was_canary_seen, struct err *e);

#endif
