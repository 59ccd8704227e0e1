/*
 * file.c: reading whole files, and replacing them through a temporary file in the same directory.
 *
 *   stage:   open(O_EXCL) -> write -> fchown -> fchmod -> fsync -> close     any failure: unlink
 *   swap:    link(old, backup) -> rename(temp, path)
 *   sync:    fsync(directory)
 *
 * Until the rename nobody but a validator looks at the temporary file, and the rename is one step
 * for every reader; the fsync before it keeps the file system from showing the new name with no
 * bytes after a power cut. A kill leaves at worst a temporary file, which file_sweep_temps() finds
 * by its exact form, and a backup that is the current file.
 *
 * file_overwrite() makes no new file: a create, a rename and the end of the old inode cost 0.3 ms and
 * more (ext4 looks for an inode that was not freed lately, and discards the old one's blocks), one
 * write(2) costs a few microseconds. The kernel copies what lies in one page in one step, and looks
 * for a deadly signal only before it.
 *
 * Rejected: O_TMPFILE, because a validator needs a name and linkat(2) cannot replace one; writing
 * in place under a lock, because readers take no lock; following a symbolic link at path, because
 * whoever may change the link would choose what we overwrite: the link itself is replaced.
 */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

#define TEMP_SUFFIX ".tmp"
#define TEMP_DIGITS 16 /* 64 random bits: a second attempt is never needed by chance */
#define TEMP_ATTEMPTS 8
#define READ_CHUNK 65536
#define FIRST_CHUNK 4096 /* when the size is not known */

static int
read_all(int fd, const char *path, size_t max, struct str *out, struct err *e)
{
	size_t start = out->len;

	for (;;) {
		ssize_t n;

		if (out->cap - out->len < 2)
			str_reserve(out, READ_CHUNK);
		n = read(fd, out->data + out->len, out->cap - out->len - 1);
		if (n == 0)
			return 0;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, "cannot read %s", path);
		out->len += (size_t)n;
		out->data[out->len] = '\0';
		if (out->len - start > max)
			return err_set(e, ERR_LIMIT, "%s is larger than %zu bytes", path, max);
	}
}

int
file_read(const char *path, size_t max, struct str *out, struct err *e)
{
	size_t start = out->len;
	struct stat st;
	int fd, rc = -1;

	/* O_NONBLOCK: opening a FIFO that nobody writes to must not stop the loop. */
	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) < 0)
		return err_errno(e, "cannot open %s", path);
	if (fstat(fd, &st) != 0)
		err_errno(e, "cannot read %s", path);
	else if (!S_ISREG(st.st_mode))
		err_set(e, ERR_IO, "%s is not a regular file", path);
	else if (st.st_size > 0 && (uintmax_t)st.st_size > max)
		err_set(e, ERR_LIMIT, "%s is larger than %zu bytes", path, max);
	else {
		/* One byte more than there is, to see the end without another; nothing says how much
		 * a file of /proc has. */
		str_reserve(out, st.st_size > 0 ? (size_t)st.st_size + 1 : FIRST_CHUNK);
		rc = read_all(fd, path, max, out, e);
	}
	close(fd);
	if (rc != 0 && out->data != NULL) {
		out->len = start;
		out->data[start] = '\0';
	}
	return rc;
}

/* Splits path into the directory ("." when there is none) and the last component. */
static char *
path_split(const char *path, const char **base)
{
	const char *slash = strrchr(path, '/');

	*base = slash != NULL ? slash + 1 : path;
	if (slash == NULL)
		return mem_strdup(".");
	return slash == path ? mem_strdup("/") : mem_strndup(path, (size_t)(slash - path));
}

static uint64_t
random_u64(void)
{
	struct timespec ts;
	uint64_t r;

	/* The name only has to be new, O_EXCL sees to the rest: never wait for entropy at boot. */
	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) == sizeof(r))
		return r;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_nsec << 32 ^ (uint64_t)ts.tv_sec ^ (uint64_t)getpid() << 16;
}

/* Creates the temporary file and says its name. */
static int
temp_open(const char *path, char **temp_path, struct err *e)
{
	const char *base;
	char *dir = path_split(path, &base);
	int fd = -1;

	for (int i = 0; fd < 0 && i < TEMP_ATTEMPTS; i++) {
		char *name =
		    mem_printf(".%s.%0*" PRIx64 TEMP_SUFFIX, base, TEMP_DIGITS, random_u64());

		free(*temp_path);
		*temp_path = file_join(dir, name);
		free(name);
		fd = open(*temp_path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd < 0 && errno != EEXIST)
			break;
	}
	free(dir);
	if (fd < 0) {
		err_errno(e, "cannot create a new file beside %s", path);
		free(*temp_path);
		*temp_path = NULL;
	}
	return fd;
}

static int
write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/*
 * Gives the temporary file the owner of the file it replaces, as far as we may: root may give it
 * away, others at most to one of their groups. What cannot be kept is not an error.
 */
static void
keep_owner(int fd, const char *path)
{
	struct stat old, new;
	bool is_kept;

	if (lstat(path, &old) != 0 || !S_ISREG(old.st_mode) || fstat(fd, &new) != 0)
		return;
	if (old.st_uid == new.st_uid && old.st_gid == new.st_gid)
		return;
	is_kept = fchown(fd, old.st_uid, old.st_gid) == 0 || fchown(fd, (uid_t)-1, old.st_gid) == 0;
	(void)is_kept;
}

int
file_stage(struct file_stage *s, const char *path, const void *data, size_t len, mode_t mode,
    struct err *e)
{
	char *temp_path = NULL;
	int fd;

	*s = (struct file_stage){ NULL, NULL };
	if ((fd = temp_open(path, &temp_path, e)) < 0)
		return -1;
	if (write_all(fd, data, len) != 0) {
		err_errno(e, "cannot write the new %s", path);
		goto fail;
	}
	keep_owner(fd, path);
	/* After the owner, because a change of owner takes the set-id bits away. */
	if (fchmod(fd, mode) != 0) {
		err_errno(e, "cannot set the mode of the new %s", path);
		goto fail;
	}
	if (fsync(fd) != 0) {
		err_errno(e, "cannot sync the new %s", path);
		goto fail;
	}
	/* NFS tells of a full disk here. */
	if (close(fd) != 0) {
		fd = -1;
		err_errno(e, "cannot write the new %s", path);
		goto fail;
	}
	s->path = mem_strdup(path);
	s->temp_path = temp_path;
	return 0;
fail:
	if (fd >= 0)
		close(fd);
	unlink(temp_path);
	free(temp_path);
	return -1;
}

/* A second file with the same bytes, where the file system or its rules know no hard link. */
static int
backup_copy(const char *path, const char *backup_path, struct err *e)
{
	struct str bytes = STR_INIT;
	struct stat st;
	int rc = -1;

	if (stat(path, &st) != 0)
		err_errno(e, "cannot read %s", path);
	else if (file_read(path, SIZE_MAX, &bytes, e) == 0)
		rc = file_replace(backup_path, str_text(&bytes), bytes.len, st.st_mode & 07777, e);
	str_clear(&bytes);
	return rc;
}

/* 1 when there is a backup now, 0 when there was nothing to back up. */
static int
backup_make(const char *path, const char *backup_path, struct err *e)
{
	int rc = link(path, backup_path);

	if (rc != 0 && errno == EEXIST && unlink(backup_path) == 0)
		rc = link(path, backup_path);
	if (rc == 0)
		return 1;
	switch (errno) {
	case ENOENT:
		if (access(path, F_OK) != 0)
			return 0;
		errno = ENOENT;
		return err_errno(e, "cannot keep %s as %s", path, backup_path);
	case EPERM: /* no links on this file system, or fs.protected_hardlinks and another's file */
	case EMLINK:
	case EOPNOTSUPP:
	case EXDEV:
		return backup_copy(path, backup_path, e) == 0 ? 1 : -1;
	default:
		return err_errno(e, "cannot keep %s as %s", path, backup_path);
	}
}

int
file_sync_dir(const char *path, struct err *e)
{
	const char *base;
	char *dir = path_split(path, &base);
	int rc = 0, fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* Some file systems cannot sync a directory and say so; there is nothing to wait for then.
	 */
	if (fd < 0 || (fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP))
		rc = err_errno(e, "%s is replaced, but cannot sync directory %s", path, dir);
	if (fd >= 0)
		close(fd);
	free(dir);
	return rc;
}

int
file_swap(struct file_stage *s, const char *backup_path, struct err *e)
{
	int has_backup = 0;

	if (backup_path != NULL && (has_backup = backup_make(s->path, backup_path, e)) < 0)
		return -1;
	if (rename(s->temp_path, s->path) != 0) {
		err_errno(e, "cannot replace %s", s->path);
		if (has_backup)
			unlink(backup_path);
		return -1;
	}
	free(s->temp_path);
	free(s->path);
	*s = (struct file_stage){ NULL, NULL };
	return 0;
}

int
file_commit(struct file_stage *s, const char *backup_path, struct err *e)
{
	char *path = mem_strdup(s->path);
	int rc = file_swap(s, backup_path, e);

	if (rc == 0)
		rc = file_sync_dir(path, e);
	free(path);
	return rc;
}

void
file_discard(struct file_stage *s)
{
	if (s->temp_path != NULL)
		unlink(s->temp_path);
	free(s->temp_path);
	free(s->path);
	*s = (struct file_stage){ NULL, NULL };
}

int
file_replace(const char *path, const void *data, size_t len, mode_t mode, struct err *e)
{
	struct file_stage s;
	int rc;

	if (file_stage(&s, path, data, len, mode, e) != 0)
		return -1;
	rc = file_commit(&s, NULL, e);
	file_discard(&s);
	return rc;
}

int
file_overwrite(const char *path, const void *data, size_t len, mode_t mode, struct err *e)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, mode), rc = -1;
	struct stat st;

	if (fd < 0)
		return err_errno(e, "cannot open %s", path);
	if (write_all(fd, data, len) != 0)
		err_errno(e, "cannot write %s", path);
	else if (fstat(fd, &st) != 0 || (st.st_size > (off_t)len && ftruncate(fd, (off_t)len) != 0))
		err_errno(e, "cannot shorten %s", path);
	else
		rc = 0;
	close(fd);
	return rc;
}

/* ".BASE." + 16 hexadecimal digits + ".tmp", and nothing else. */
static bool
is_temp_of(const char *name, const char *base)
{
	size_t n = strlen(base);

	if (name[0] != '.' || strncmp(name + 1, base, n) != 0 || name[1 + n] != '.')
		return false;
	name += 1 + n + 1;
	return strspn(name, "0123456789abcdef") == TEMP_DIGITS &&
	       strcmp(name + TEMP_DIGITS, TEMP_SUFFIX) == 0;
}

void
file_sweep_temps(const char *path)
{
	const char *base;
	char *dir = path_split(path, &base);
	DIR *d = opendir(dir);
	struct dirent *entry;

	while (d != NULL && (entry = readdir(d)) != NULL) {
		if (is_temp_of(entry->d_name, base))
			unlinkat(dirfd(d), entry->d_name, 0);
	}
	if (d != NULL)
		closedir(d);
	free(dir);
}

int
file_make_dirs(const char *path, mode_t mode, struct err *e)
{
	char *part = mem_strdup(path);
	struct stat st;
	int rc = 0;

	for (char *p = part; rc == 0 && p != NULL;) {
		p = strchr(p + strspn(p, "/"), '/');
		if (p != NULL)
			*p = '\0';
		if (mkdir(part, mode) != 0 && errno != EEXIST)
			rc = err_errno(e, "cannot make directory %s", part);
		if (p != NULL)
			*p = '/';
	}
	if (rc == 0 && (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)))
		rc = err_set(e, ERR_IO, "%s exists and is not a directory", path);
	free(part);
	return rc;
}

char *
file_join(const char *dir, const char *name)
{
	size_t n = strlen(dir);

	if (name[0] == '/' || n == 0)
		return mem_strdup(name);
	return mem_printf("%s%s%s", dir, dir[n - 1] == '/' ? "" : "/", name);
}

char *
file_digest(char out[FILE_DIGEST_SIZE], const void *data, size_t len)
{
	static const char digits[] = "0123456789abcdef", prefix[] = "sha256:";
	unsigned char hash[EVP_MAX_MD_SIZE];
	static EVP_MD *sha256;
	char *p = out + sizeof(prefix) - 1;

	/* Looked up once: EVP_sha256() is looked up anew by each digest, which takes as long as 30 KB. */
	if (sha256 == NULL)
		sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	/* Both fail only when memory is out: mem.h's rule. */
	if (sha256 == NULL || EVP_Digest(data, len, hash, NULL, sha256, NULL) != 1)
		abort();
	memcpy(out, prefix, sizeof(prefix));
	for (size_t i = 0; i < 32; i++) {
		*p++ = digits[hash[i] >> 4];
		*p++ = digits[hash[i] & 15];
	}
	*p = '\0';
	return out;
}
