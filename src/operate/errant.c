/*
 * errant.c: copy (a child, errant_copy.c) ─> read back ─> give it its name ─> print as text.
 *
 * Of the two ways, the tools of the trade over the network (mariadb-binlog --read-from-remote-server) and
 * libmariadb's replication API, the copy takes the second and the text the first, over the file:
 *
 * - The machine that pointsman runs on has libmariadb. mariadb-binlog is in Debian's mariadb-client, MySQL's
 *   mysqlbinlog not in Debian 12 at all; a rescue must not wait for a package. And each reads its own
 *   server only, while the API does not care: events are copied, not understood.
 * - What is wanted is chosen by the GTIDs in the events. mariadb-binlog knows no list of them, and its
 *   output is text in which a row or a statement may look like the next transaction.
 * - No password leaves this process, and TLS is as it is for everything else here.
 * - What is saved is what the server wrote. Text can be made of it later and elsewhere, the other way
 *   round not.
 *
 * The file is written under a temporary name and linked (never renamed: that would overwrite) to its own when
 * it has been read back. What is told of it was read from the disk, not heard from the child.
 */
#include "operate/errant.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "io/loop.h"
#include "operate/errant_copy.h"
#include "operate/errant_text.h"

#define TURN_MS 20
#define REAP_MS 1000 /* for the kernel to take a killed child away */
#define NAMES_MAX 100

/* --- why, and what to do -------------------------------------------------------------------------- */

static const struct {
	enum err_code code;
	const char *why, *todo;
} advices[] = {
	{ ERR_NOT_FOUND, "what only this server has is lost when it is rebuilt",
	    "look for these in a copy of its binary logs or in its tables before you rebuild it" },
	{ ERR_DENIED, "they are read as a replica reads them",
	    "GRANT REPLICATION SLAVE (MariaDB: BINLOG MONITOR, too) to the account, then again" },
	{ ERR_LIMIT, "so much is not a forgotten tail, and would fill this disk",
	    "compare both servers by hand; mysqlbinlog --raw copies its logs whole" },
	{ ERR_UNREACHABLE, "they are in its binary logs only",
	    "start it, read-only, and try again" },
	{ ERR_TIMEOUT, "they are in its binary logs only",
	    "find out what it is busy with, and try again" },
	{ ERR_IO, "what is not on a disk is not saved",
	    "make room in that directory, and try again" },
	{ ERR_CONFLICT, "nothing that was saved is ever overwritten",
	    "move the earlier files elsewhere, and try again" },
	{ ERR_CANCELED, "nothing was saved", "try again" },
};

static int
give_advice(struct errant_saved *out, const struct err *e)
{
	out->why = "they are not saved, and may be the only copy of what people were told is done";
	out->todo = "keep its binary logs: do not rebuild it, do not RESET it";
	for (size_t i = 0; i < MEM_COUNT(advices); i++) {
		if (advices[i].code != e->code)
			continue;
		out->why = advices[i].why;
		out->todo = advices[i].todo;
	}
	return -1;
}

/* --- the copy ------------------------------------------------------------------------------------- */

static bool
is_canceled(const struct errant_ask *ask)
{
	return ask->is_canceled != NULL && ask->is_canceled(ask->arg);
}

/* Killed, and its number given back, unless the kernel keeps it: then it is left. */
static void
kill_child(pid_t pid)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	int64_t end_ms = clock_mono_ms() + REAP_MS;

	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, WNOHANG) == 0 && clock_mono_ms() < end_ms)
		nanosleep(&pause, NULL);
}

static int
wait_for_child(struct loop *l, const struct errant_ask *ask, pid_t pid, struct err *e)
{
	int64_t limit_ms = ask->limit_ms > 0 ? ask->limit_ms : ERRANT_LIMIT_MS;
	int64_t end_ms = clock_mono_ms() + limit_ms;
	char limit[16];

	while (waitpid(pid, NULL, WNOHANG) == 0) {
		if (is_canceled(ask)) {
			kill_child(pid);
			return err_set(e, ERR_CANCELED, "stopped while they were being saved");
		}
		if (clock_mono_ms() >= end_ms) {
			kill_child(pid);
			return err_set(e, ERR_TIMEOUT, "not saved within %s",
			    str_duration(limit, sizeof(limit), limit_ms));
		}
		loop_turn(l, TURN_MS);
	}
	return 0;
}

/* 0, or -1; with ERR_NOT_FOUND what there was is in the file all the same. */
static int
copy(struct loop *l, const struct errant_ask *ask, int file, struct err *e)
{
	struct errant_copy c = {
		.address = ask->address,
		.credentials = ask->credentials,
		.dialect = ask->dialect,
		.wanted = ask->wanted,
		.bytes_max = ask->bytes_max > 0 ? ask->bytes_max : ERRANT_BYTES_MAX,
		.file = file,
	};
	int report;
	pid_t pid = errant_copy_start(&c, &report, e);

	if (pid < 0)
		return -1;
	if (wait_for_child(l, ask, pid, e) != 0) {
		close(report);
		return -1;
	}
	return errant_copy_end(report, e);
}

/* --- what is in the file -------------------------------------------------------------------------- */

static int
read_events(const uint8_t *bytes, size_t len, struct errant_list *list, struct err *e)
{
	struct binlog_reader reader = { false };
	struct binlog_event event;
	size_t at = BINLOG_MAGIC_SIZE, size;

	if (len < BINLOG_MAGIC_SIZE || memcmp(bytes, BINLOG_MAGIC, BINLOG_MAGIC_SIZE) != 0)
		return err_set(e, ERR_PROTOCOL, "it is no binary log");
	for (; at < len; at += size) {
		if (len - at < BINLOG_HEADER_SIZE || (size = binlog_event_size(bytes + at)) == 0 ||
		    size > len - at)
			return err_set(e, ERR_PROTOCOL, "it ends within an event");
		if (binlog_read(&reader, bytes + at, size, &event, e) != 0 ||
		    errant_list_feed(list, &event, e) != 0)
			return -1;
	}
	errant_list_end(list);
	return 0;
}

static int
read_back(int file, struct errant_saved *out, struct err *e)
{
	struct stat st;
	void *bytes;
	int rc;

	if (fstat(file, &st) != 0)
		return err_errno(e, "cannot read back what was saved");
	out->bytes = (uint64_t)st.st_size;
	if (st.st_size == 0)
		return 0;
	bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, file, 0);
	if (bytes == MAP_FAILED)
		return err_errno(e, "cannot read back what was saved");
	rc = read_events(bytes, (size_t)st.st_size, &out->list, e);
	munmap(bytes, (size_t)st.st_size);
	return rc == 0 ? 0 : err_wrap(e, "what was saved cannot be read back");
}

/* Of MySQL's all, of MariaDB's the last of each source: the numbers before it need not exist. */
static void
find_missing(const struct errant_ask *ask, const struct gtid_set *has, struct gtid_set *out)
{
	if (ask->dialect == GTID_MYSQL) {
		gtid_subtract(ask->wanted, has, out);
		return;
	}
	*out = (struct gtid_set){ NULL, 0 };
	for (size_t i = 0; i < ask->wanted->count; i++) {
		const struct gtid_source *s = &ask->wanted->sources[i];
		uint64_t last = s->ranges[s->count - 1].last;

		if (!gtid_has(has, s->name, last))
			gtid_add(out, s->name, last);
	}
	gtid_tidy(out);
}

/* That the file has all that is wanted and nothing else. */
static int
check_complete(const struct errant_ask *ask, const struct errant_list *list, struct err *e)
{
	struct gtid_set missing;
	struct str text = STR_INIT;
	int rc = 0;

	find_missing(ask, &list->gtids, &missing);
	if (!gtid_contains(ask->wanted, &list->gtids)) {
		rc = err_set(e, ERR_PROTOCOL, "more was saved than was asked for");
	} else if (missing.count > 0) {
		gtid_format(ask->dialect, &missing, &text);
		rc = err_set(e, ERR_NOT_FOUND, "not in its binary logs: %.160s", str_text(&text));
	}
	gtid_clear(&missing);
	str_clear(&text);
	return rc;
}

/* --- names ---------------------------------------------------------------------------------------- */

/* An empty file of mode 0600; its path, or NULL. */
static char *
make_temp(const char *dir, int *fd, struct err *e)
{
	char *path = mem_printf("%s/.errant-XXXXXX", dir);

	if ((*fd = mkostemp(path, O_CLOEXEC)) >= 0)
		return path;
	err_errno(e, "cannot write to %s", dir);
	free(path);
	return NULL;
}

/* Links temp to the first name that is free; NULL with e. n 0: any, else the one that the other has. */
static char *
give_name(const struct errant_ask *ask, const char *temp, const char *ending, int *n, struct err *e)
{
	int first = *n > 0 ? *n : 1, last = *n > 0 ? *n : NAMES_MAX;

	for (int i = first; i <= last; i++) {
		char number[16] = "", *path;

		if (i > 1)
			snprintf(number, sizeof(number), ".%d", i);
		path = mem_printf("%s/%s%s.%s", ask->dir, ask->name, number, ending);
		if (link(temp, path) == 0) {
			*n = i;
			if (file_sync_dir(path, e) == 0)
				return path;
			free(path);
			return NULL;
		}
		free(path);
		if (errno != EEXIST) {
			err_errno(e, "cannot write to %s", ask->dir);
			return NULL;
		}
	}
	err_set(e, ERR_CONFLICT, "%s/%s.%s is there already", ask->dir, ask->name, ending);
	return NULL;
}

/* --- the whole ------------------------------------------------------------------------------------ */

static void
print_text(struct loop *l, const struct errant_ask *ask, struct errant_saved *out, int n)
{
	int64_t limit_ms = ask->limit_ms > 0 ? ask->limit_ms : ERRANT_LIMIT_MS;
	char *temp;
	int fd;

	if ((temp = make_temp(ask->dir, &fd, &out->note)) == NULL)
		return;
	if (errant_text_print(l, ask->dialect, out->file, temp, limit_ms, ask->is_canceled,
		ask->arg, &out->note) == 0) {
		err_clear(&out->note);
		if (fsync(fd) == 0)
			out->text = give_name(ask, temp, "sql", &n, &out->note);
		else
			err_errno(&out->note, "cannot write to %s", ask->dir);
	}
	close(fd);
	unlink(temp);
	free(temp);
}

/* The copy as an open file, checked and named. */
static int
save_file(struct loop *l, const struct errant_ask *ask, const char *temp, int file, int *n,
    struct errant_saved *out, struct err *e)
{
	struct err partly = { .code = ERR_NONE };

	if (copy(l, ask, file, &partly) != 0 && partly.code != ERR_NOT_FOUND)
		return err_set(e, partly.code, "%s", partly.text);
	if (read_back(file, out, e) != 0)
		return -1;
	if (partly.code == ERR_NONE && check_complete(ask, &out->list, &partly) != 0 &&
	    partly.code != ERR_NOT_FOUND)
		return err_set(e, partly.code, "%s", partly.text);
	if (out->list.total > 0 && (out->file = give_name(ask, temp, "binlog", n, e)) == NULL)
		return -1;
	return partly.code == ERR_NONE ? 0 : err_set(e, partly.code, "%s", partly.text);
}

int
errant_save(struct loop *l, const struct errant_ask *ask, struct errant_saved *out, struct err *e)
{
	int64_t started_ms = clock_mono_ms();
	struct err own = { .code = ERR_NONE };
	int file, n = 0, rc = -1;
	char *temp;

	*out = (struct errant_saved){ .file = NULL };
	if (file_make_dirs(ask->dir, 0700, &own) == 0 &&
	    (temp = make_temp(ask->dir, &file, &own)) != NULL) {
		rc = save_file(l, ask, temp, file, &n, out, &own);
		close(file);
		unlink(temp);
		free(temp);
		if (out->file != NULL)
			print_text(l, ask, out, n);
	}
	out->took_ms = clock_mono_ms() - started_ms;
	if (rc == 0)
		return 0;
	err_set(e, own.code, "the errant transactions of %s: %s", ask->node, own.text);
	return give_advice(out, &own);
}

void
errant_saved_clear(struct errant_saved *s)
{
	free(s->file);
	free(s->text);
	errant_list_clear(&s->list);
	*s = (struct errant_saved){ .file = NULL };
}
