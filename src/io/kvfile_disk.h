/*
 * kvfile_disk.h: a file store's three files: PATH, which people read and edit; PATH.index, which is
 * the store; PATH.lock, which whoever writes holds. Nothing here waits but for the disk.
 */
#ifndef IO_KVFILE_DISK_H
#define IO_KVFILE_DISK_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/file.h"
#include "base/str.h"
#include "io/kvfile_format.h"
#include "io/kvfile_state.h"

struct kvfile_disk {
	char *main_path, *index_path, *lock_path;
	char boot[KVFILE_BOOT_SIZE];
	bool is_swept;
};

enum kvfile_main {
	KVFILE_MAIN_CURRENT, /* says what the index says */
	KVFILE_MAIN_BEHIND,  /* a writer has not come to it yet, or never will */
	KVFILE_MAIN_EDITED,  /* somebody else wrote it; the state does not know it yet */
};

struct kvfile_snapshot {
	struct kvfile_state state;
	enum kvfile_main main;
	struct str text; /* the main file */
	char digest[FILE_DIGEST_SIZE];
	char ident[KVFILE_IDENT_SIZE]; /* "": there is none */
	mode_t mode;
};

void kvfile_disk_init(struct kvfile_disk *d, const char *path);
void kvfile_disk_clear(struct kvfile_disk *d);
void kvfile_snapshot_clear(struct kvfile_snapshot *s);

/* 1 and the descriptor of the lock, 0 when another process holds it, -1. close(2) gives it back. */
int kvfile_disk_lock(struct kvfile_disk *d, int *fd, struct err *e);

/* What is there. For who holds no lock, EDITED may also mean that others write all the time. */
int kvfile_disk_peek(const struct kvfile_disk *d, struct kvfile_snapshot *s, struct err *e);

/* The following hold the lock. */

int kvfile_disk_read(const struct kvfile_disk *d, struct kvfile_snapshot *s, struct err *e);
/* Takes over what somebody wrote into the main file. ERR_PROTOCOL with the place of a mistake. */
int kvfile_disk_settle(const struct kvfile_disk *d, struct kvfile_snapshot *s, struct err *e);
/*
 * Writes the state down: 0; 1 when the main file was edited since it was read (nothing is written:
 * read it again); -1 with the old state in place, or with ERR_UNKNOWN when the new one is there but
 * may not survive a power cut, or the main file could not be made to follow it.
 */
int kvfile_disk_write(const struct kvfile_disk *d, struct kvfile_snapshot *s, struct err *e);

#endif
