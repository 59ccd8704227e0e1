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
 * A replacement in two acts, so that a validator can look at the new file before anybody else does:
 *
 *   file_stage()   writes <dir>/.<base>.<random>.tmp with mode and fsyncs it
 *   file_commit()  links the old file to backup_path (unless NULL), renames, fsyncs the directory
 *   file_discard() removes the temporary file; harmless after file_commit()
 *
 * mode is set whatever the umask says. The owner and group of a file that is replaced are kept as
 * far as we may (root always, others at most the group), and it is no error when we may not. A
 * symbolic link at path is itself replaced; what it points at stays.
 *
 * A failed file_stage() leaves nothing behind. A failed file_commit() leaves the old file and may
 * be tried again, with one exception: when temp_path is NULL, the new file is in place and only the
 * fsync of its directory failed, so that a power cut may still bring the old one back.
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
int file_commit(struct file_stage *s, const char *backup_path, struct err *e);
void file_discard(struct file_stage *s);

/* Stage and commit in one: for our own state. */
int file_replace(const char *path, const void *data, size_t len, mode_t mode, struct err *e);

/*
 * The same without the two fsyncs: safe from a killed process, whose writes the kernel keeps, but not
 * from a power cut. For notes that may be lost then.
 */
int file_replace_unsynced(
    const char *path, const void *data, size_t len, mode_t mode, struct err *e);

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
