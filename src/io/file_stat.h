/*
 * file_stat.h: how old and how large a file is, without ever waiting for it: a stat(2) of something on
 * a network disk whose server is gone never returns.
 */
#ifndef IO_FILE_STAT_H
#define IO_FILE_STAT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct loop;
struct file_stat;

struct file_stat_result {
	struct err err; /* ERR_NOT_FOUND, ERR_DENIED, ERR_TIMEOUT, …; then the rest is 0 */
	int64_t size;
	double mtime; /* seconds since 1970, of what a symbolic link points at */
	int64_t took_us;
};

typedef void file_stat_done_fn(const struct file_stat_result *r, void *arg);

/* Never fails: errors come to done. After done the job is gone. The path is absolute and copied. */
struct file_stat *file_stat_start(
    struct loop *l, const char *path, int64_t limit_ms, file_stat_done_fn *done, void *arg);
void file_stat_cancel(struct file_stat *s); /* NULL is allowed */

/*
 * Only what the kernel has in its memory: true with *r, err included, or false: it would have to ask
 * a disk, or somebody else. For the tests.
 */
bool file_stat_cached(const char *path, struct file_stat_result *r);

#endif
