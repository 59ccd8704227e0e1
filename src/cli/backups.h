/*
 * backups.h: the generations of an output that were kept beside it on this host, as
 * .<base>.<unix ms>.<generation>. The generation is that of the content, the time that of its end.
 */
#ifndef CLI_BACKUPS_H
#define CLI_BACKUPS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define BACKUP_SIZE_MAX (64u << 20) /* as large as a rendered file may be */

struct backup {
	char *path;
	uint64_t generation;
	int64_t written_s;   /* when the file became the output */
	int64_t replaced_ms; /* when it was replaced, from the name */
};

struct backups {
	struct backup *list; /* oldest first */
	size_t count;
};

/* ERR_NOT_FOUND or ERR_DENIED for the directory; no backups is an empty list. */
int backups_load(struct backups *b, const char *output_path, struct err *e);
void backups_clear(struct backups *b);
/* The newest of that generation; NULL: it was not kept. */
const struct backup *backups_find(const struct backups *b, uint64_t generation);

#endif
