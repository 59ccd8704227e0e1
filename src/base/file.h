/*
 * file.h: whole files, read with a maximum and replaced so that every reader, at every instant and
 * after every crash, finds the old or the new bytes and never anything else.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

/*
 * Appends the file to out. ERR_NOT_FOUND, ERR_LIMIT when larger than max, ERR_DENIED, ERR_IO (also
 * for what is no regular file). Every error of this module names the file.
 */
int file_read(const char *path, size_t max, struct str *out, struct err *e);

/*
 * A replacement in acts, so that a validator can look at the new file before anybody else does, and
 * its readers need not wait for the disk:
 *
 *   file_stage()    writes <dir>/.<base>.<random>.tmp with mode and fsyncs it
 *   file_swap()     links the old file to backup_path (unless NULL) and renames
 *   file_sync_dir() fsyncs the directory of path: a power cut brings the old file back until then
 *   file_commit()   swaps and syncs
 *   file_discard()  removes the temporary file; harmless after the others
 *
 * mode is set whatever the umask says. The owner and group of a file that is replaced are kept as
 * far as we may (root always, others at most the group), and it is no error when we may not. A
 * symbolic link at path is itself replaced; what it points at stays.
 *
 * A failed file_stage() leaves nothing behind. A failed file_swap() leaves the old file and may be
 * tried again. So may a failed file_commit(), unless temp_path is NULL: then the new file is in place
 * and only the fsync of its directory failed.
 * A backup_path that exists is replaced; no old file, no backup.
 *
 * The name begins with a dot and ends in .tmp: dnsmasq's hostsdir and most *.d directories skip it.
 */
struct file_stage {
	char *path;
	char *temp_path; /* NULL when nothing is staged */
};

int file_stage(struct file_stage *s, const char *path, const void *data, size_t len, mode_t mode,
    struct err *e);
int file_swap(struct file_stage *s, const char *backup_path, struct err *e);
int file_sync_dir(const char *path, struct err *e);
int file_commit(struct file_stage *s, const char *backup_path, struct err *e);
void file_discard(struct file_stage *s);

/* Stage and commit in one: for our own state. */
int file_replace(const char *path, const void *data, size_t len, mode_t mode, struct err *e);

/*
 * Overwrites a small file of our own where it lies, or creates it with mode (less the umask). With the
 * same len each time, of at most 512 bytes (a sector, which lies in one page), a kill leaves the old
 * or the new bytes, and before the very first of them an empty file. It is not fsynced, so after a
 * power cut the file may be an older one: for notes that may be lost then.
 */
int file_overwrite(const char *path, const void *data, size_t len, mode_t mode, struct err *e);

/* Removes temporary files that a crash left beside path; nobody may be staging it meanwhile. */
void file_sweep_temps(const char *path);

/* mkdir -p, with mode (less the umask) for what is made; an existing directory is fine. */
int file_make_dirs(const char *path, mode_t mode, struct err *e);

/* "/a/b" + "c" is "/a/b/c"; an absolute name stays as it is. malloc'ed. */
char *file_join(const char *dir, const char *name);

/* "sha256:" and 64 hexadecimal digits. */
#define FILE_DIGEST_SIZE 72
char *file_digest(char out[FILE_DIGEST_SIZE], const void *data, size_t len);

#endif
