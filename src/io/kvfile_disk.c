/*
 * kvfile_disk.c: how two files change as one.
 *
 * PATH.index holds everything, values too, so that one rename commits a transaction over values,
 * locks and sessions. PATH is its face, written after it; the index names the digest of the PATH it
 * goes with, and the file (by inode and change time) that this PATH replaces:
 *
 *   PATH has the digest                 CURRENT
 *   PATH is the file to be replaced     BEHIND: the writer is about to, or was killed; the index
 *                                       holds, and the next writer brings PATH up
 *   neither                             EDITED: by hand, or restored, or imported; PATH holds, and
 *                                       what differs gets a new index
 *
 * Rejected: indexes and locks alone in PATH.index, with a digest for each value. Then no order of
 * the two renames is right: a kill between them leaves new values with old locks, or the reverse,
 * and looks like an edit by hand.
 *
 * Readers take no lock: they read PATH first and then the index, so that PATH is BEHIND unless two
 * writes pass in between. What looks EDITED is read again, and then judged under the lock.
 *
 * flock(2), not a lock file that exists or not: the kernel gives it back when its holder is killed.
 */
#include "io/kvfile_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

#define MAIN_MAX KV_LIST_BODY_MAX
#define INDEX_MAX (3 * MAIN_MAX) /* a key's row there is at most three times as long */
#define MODE_DEFAULT 0644        /* names and addresses are no secrets */
#define PEEK_TRIES 3             /* two writes between two reads, as often as that, are an edit */
#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"

void
kvfile_disk_init(struct kvfile_disk *d, const char *path)
{
	struct str boot = STR_INIT;

	*d = (struct kvfile_disk){
		.main_path = mem_strdup(path),
		.index_path = mem_printf("%s.index", path),
		.lock_path = mem_printf("%s.lock", path),
	};
	/* Without /proc all boots look like one, and old sessions end by their time. */
	if (file_read(BOOT_ID_PATH, sizeof(d->boot), &boot, NULL) == 0)
		snprintf(
		    d->boot, sizeof(d->boot), "%.*s", (int)strcspn(boot.data, "\n"), boot.data);
	str_clear(&boot);
}

void
kvfile_disk_clear(struct kvfile_disk *d)
{
	free(d->main_path);
	free(d->index_path);
	free(d->lock_path);
}

void
kvfile_snapshot_clear(struct kvfile_snapshot *s)
{
	kvfile_state_clear(&s->state);
	str_clear(&s->text);
}

/* Who may write the store may read and so lock this; a mere reader must not hold up its writers. */
static mode_t
lock_mode(const struct kvfile_disk *d)
{
	struct stat st;
	mode_t writers = stat(d->main_path, &st) == 0 ? st.st_mode & 0222 : 0200;

	return writers << 1;
}

int
kvfile_disk_lock(struct kvfile_disk *d, int *fd, struct err *e)
{
	const int flags = O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW;
	struct stat held, there;

	if ((*fd = open(d->lock_path, flags, lock_mode(d))) < 0)
		return err_errno(e, "cannot open %s", d->lock_path);
	if (flock(*fd, LOCK_EX | LOCK_NB) != 0) {
		int rc = errno == EWOULDBLOCK ? 0 : err_errno(e, "cannot lock %s", d->lock_path);

		close(*fd);
		return rc;
	}
	/* Somebody may have removed the file, and another may hold the one that is there now. */
	if (fstat(*fd, &held) != 0 || stat(d->lock_path, &there) != 0 ||
	    held.st_ino != there.st_ino || held.st_dev != there.st_dev) {
		close(*fd);
		return 0;
	}
	if (!d->is_swept) {
		file_sweep_temps(d->main_path);
		file_sweep_temps(d->index_path);
		d->is_swept = true;
	}
	return 1;
}

/* Which file it is, and in which version. The change time cannot be set by anybody. */
static void
identify(const char *path, char ident[KVFILE_IDENT_SIZE], mode_t *mode)
{
	struct stat st;

	ident[0] = '\0';
	if (stat(path, &st) != 0)
		return;
	*mode = st.st_mode & 0777;
	snprintf(ident, KVFILE_IDENT_SIZE, "%ju:%ju:%jd:%jd.%09ld", (uintmax_t)st.st_dev,
	    (uintmax_t)st.st_ino, (intmax_t)st.st_size, (intmax_t)st.st_ctim.tv_sec,
	    st.st_ctim.tv_nsec);
}

static int
read_or_missing(const char *path, size_t max, struct str *out, struct err *e)
{
	struct err mine = { ERR_NONE, "" };

	if (file_read(path, max, out, &mine) == 0 || mine.code == ERR_NOT_FOUND)
		return 0;
	if (e != NULL)
		*e = mine;
	return -1;
}

static int
read_index(
    const struct kvfile_disk *d, struct kvfile_head *head, struct kvfile_state *s, struct err *e)
{
	struct str text = STR_INIT;
	int rc = read_or_missing(d->index_path, INDEX_MAX, &text, e);

	if (rc == 0 && text.len > 0 &&
	    (rc = kvfile_parse_index(text.data, text.len, head, s, e)) != 0) {
		err_wrap(e, "%s", d->index_path);
		err_wrap(e, "remove the index to start again from %s", d->main_path);
	}
	str_clear(&text);
	/* Times count from the boot: what was held before it is held by nobody now. */
	if (rc == 0 && strcmp(head->boot, d->boot) != 0) {
		for (size_t i = 0; i < s->session_count; i++)
			s->sessions[i].expires_ms = 0;
		s->delays.count = 0;
	}
	return rc;
}

int
kvfile_disk_read(const struct kvfile_disk *d, struct kvfile_snapshot *s, struct err *e)
{
	struct kvfile_head head = { .digest = "" };
	char ident[KVFILE_IDENT_SIZE];

	*s = (struct kvfile_snapshot){ .mode = MODE_DEFAULT };
	file_digest(head.digest, "", 0); /* goes with no index and no main file */
	identify(d->main_path, s->ident, &s->mode);
	if (read_or_missing(d->main_path, MAIN_MAX, &s->text, e) != 0 ||
	    read_index(d, &head, &s->state, e) != 0) {
		kvfile_snapshot_clear(s);
		return -1;
	}
	file_digest(s->digest, str_text(&s->text), s->text.len);
	identify(d->main_path, ident, &s->mode);
	if (strcmp(s->digest, head.digest) == 0)
		s->main = KVFILE_MAIN_CURRENT;
	else if (strcmp(s->ident, head.replaced) == 0 && strcmp(s->ident, ident) == 0)
		s->main = KVFILE_MAIN_BEHIND;
	else
		s->main = KVFILE_MAIN_EDITED;
	return 0;
}

int
kvfile_disk_peek(const struct kvfile_disk *d, struct kvfile_snapshot *s, struct err *e)
{
	for (int tries = 1;; tries++) {
		if (kvfile_disk_read(d, s, e) != 0)
			return -1;
		if (s->main != KVFILE_MAIN_EDITED || tries == PEEK_TRIES)
			return 0;
		kvfile_snapshot_clear(s);
	}
}

int
kvfile_disk_settle(const struct kvfile_disk *d, struct kvfile_snapshot *s, struct err *e)
{
	struct kv_list edited = { 0 };

	if (s->main != KVFILE_MAIN_EDITED) {
		s->state.is_dirty = s->main == KVFILE_MAIN_BEHIND;
		return 0;
	}
	/* Never taken for an empty store: some editors move the old file away before they write. */
	if (s->ident[0] == '\0')
		return err_set(e, ERR_NOT_FOUND,
		    "%s is gone, but %s knows its %zu keys: put it back, or remove both",
		    d->main_path, d->index_path, s->state.list.count);
	if (kvfile_parse_main(str_text(&s->text), s->text.len, &edited, e) != 0)
		return err_wrap(e, "%s", d->main_path);
	kvfile_state_absorb(&s->state, &edited);
	kv_list_clear(&edited);
	return 0;
}

/* The text and digest of the main file as it should be; false: it is so already. */
static bool
format_main(const struct kvfile_snapshot *s, struct str *text, char digest[FILE_DIGEST_SIZE])
{
	memcpy(digest, s->digest, FILE_DIGEST_SIZE);
	if (!s->state.is_changed && s->main != KVFILE_MAIN_BEHIND && s->ident[0] != '\0')
		return false;
	kvfile_format_main(text, &s->state);
	file_digest(digest, text->data, text->len);
	return s->ident[0] == '\0' || strcmp(digest, s->digest) != 0;
}

static bool
is_untouched(const struct kvfile_disk *d, const struct kvfile_snapshot *s)
{
	char ident[KVFILE_IDENT_SIZE];
	mode_t mode;

	identify(d->main_path, ident, &mode);
	return strcmp(ident, s->ident) == 0;
}

/* Both files lie ready. The first rename is the commit; from there on it is too late to fail. */
static int
commit(const struct kvfile_disk *d, const struct kvfile_snapshot *s, struct file_stage *index,
    struct file_stage *main, struct err *e)
{
	int rc = file_commit(index, NULL, e);

	if (rc != 0 && index->temp_path != NULL)
		return -1;
	/* An edit in this very moment came after our write, and is not ours to undo. */
	if (main->path != NULL && is_untouched(d, s) && file_commit(main, NULL, e) != 0)
		rc = -1;
	if (rc != 0 && e != NULL) {
		e->code = ERR_UNKNOWN;
		err_wrap(e, "written, but");
	}
	return rc;
}

int
kvfile_disk_write(const struct kvfile_disk *d, struct kvfile_snapshot *s, struct err *e)
{
	struct kvfile_head head = { .digest = "" };
	struct file_stage main = { NULL, NULL }, index = { NULL, NULL };
	struct str main_text = STR_INIT, index_text = STR_INIT;
	bool is_main_due = format_main(s, &main_text, head.digest);
	int rc = -1;

	memcpy(head.replaced, s->ident, sizeof(head.replaced));
	memcpy(head.boot, d->boot, sizeof(head.boot));
	kvfile_format_index(&index_text, &head, &s->state);
	if (main_text.len > MAIN_MAX || index_text.len > INDEX_MAX) {
		err_set(e, ERR_LIMIT, "%s would become larger than %u MB", d->main_path,
		    MAIN_MAX >> 20);
		goto out;
	}
	if (is_main_due &&
	    file_stage(&main, d->main_path, main_text.data, main_text.len, s->mode, e) != 0)
		goto out;
	if (file_stage(&index, d->index_path, index_text.data, index_text.len, s->mode, e) != 0)
		goto out;
	rc = is_untouched(d, s) ? commit(d, s, &index, &main, e) : 1;
out:
	file_discard(&main);
	file_discard(&index);
	str_clear(&main_text);
	str_clear(&index_text);
	return rc;
}
