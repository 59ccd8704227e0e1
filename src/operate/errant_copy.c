/*
 * errant_copy.c: from which file on the transactions are, and then the stream of a replica, of which the
 * bytes of the wanted ones are written as they are, behind the description of their format: a binary log
 * as every tool of the trade takes it, with nothing in it but those.
 *
 * The first file is found backwards: each begins with what came before it (Gtid_list, Previous_gtids), and
 * when none of the wanted is among that, all of them are here or later. So it costs a question a
 * file, and the transfer of the logs from the first errant transaction on, which after a failover is the last
 * one or two.
 *
 * It all happens in a child process. libmariadb's replication API only knows how to block, its TLS has waits of
 * its own (io/mysql_wait.c), and what is taken to pieces here are megabytes from a server that has
 * just crashed: a child can be ended at any moment, by Ctrl-C, by the limit, by a bug. The parent reads what
 * is in the file by itself. The password is in the child's memory only: no argument, no variable, no file.
 */
#include "operate/errant_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "feature/credentials.h"
#include "io/binlog_dump.h"
#include "io/mysql.h"
#include "model/binlog.h"

#define FILE_FD 3
#define REPORT_FD 4
#define SPARE_FD 64   /* above the two while they are put in order */
#define HEAD_EVENTS 4 /* format, encryption, what came before */
#define CREATED_AT 52 /* in the body of a format description: when the file was begun */
#define CREATED_SIZE 4

struct copying {
	const struct errant_copy *c;
	struct binlog_dump *dump;
	struct binlog_reader reader;
	struct str format;  /* the description of the file that is being read */
	struct str written; /* … and the one that was written last */
	bool is_inside;     /* a wanted transaction */
	uint64_t left;      /* how many are still to come: MariaDB counts the last of each source */
	uint64_t bytes;
};

/* --- where to begin ------------------------------------------------------------------------------- */

/* What the binary log's first events say was before it. 1, 0 when they do not say, -1. */
static int
ask_before(struct copying *x, const char *file, struct gtid_set *out, struct err *e)
{
	char *sql = mem_printf("SHOW BINLOG EVENTS IN '%s' LIMIT %d", file, HEAD_EVENTS), *text;
	struct rows rows = { .names = NULL };
	int rc = binlog_dump_ask(x->dump, sql, &rows, e);

	for (size_t i = 0; rc == 0 && i < rows.row_count; i++) {
		const char *type = rows_text(&rows, i, "Event_type");
		const char *info = rows_text(&rows, i, "Info");

		if (type == NULL || info == NULL ||
		    (strcmp(type, "Gtid_list") != 0 && strcmp(type, "Previous_gtids") != 0))
			continue;
		/* MariaDB: "[0-1-5,0-2-3]" */
		text = mem_strdup(info + (info[0] == '['));
		text[strcspn(text, "]")] = '\0';
		rc = gtid_parse(x->c->dialect, text, out, e) == 0 ? 1 : -1;
		free(text);
	}
	rows_clear(&rows);
	free(sql);
	return rc;
}

static void
intersect(const struct gtid_set *a, const struct gtid_set *b, struct gtid_set *out)
{
	struct gtid_set rest;

	gtid_subtract(a, b, &rest);
	gtid_subtract(a, &rest, out);
	gtid_clear(&rest);
}

static bool
is_plain_name(const char *file)
{
	return file != NULL && file[0] != '\0' && strpbrk(file, "'\\") == NULL;
}

/* The newest file before which there is none of the wanted, or the oldest one. *gone: before that, too. */
static char *
find_first(struct copying *x, const struct rows *logs, struct gtid_set *gone, struct err *e)
{
	const char *file = NULL;

	for (size_t i = logs->row_count; i > 0; i--) {
		struct gtid_set before = { NULL, 0 };
		int rc;

		file = rows_at(logs, i - 1, 0);
		if (!is_plain_name(file)) {
			err_set(e, ERR_PROTOCOL, "a binary log without a usable name");
			return NULL;
		}
		if ((rc = ask_before(x, file, &before, e)) == -1)
			return NULL;
		gtid_clear(gone);
		intersect(x->c->wanted, &before, gone);
		gtid_clear(&before);
		if (rc == 1 && gone->count == 0)
			break;
	}
	return file != NULL ? mem_strdup(file) : NULL;
}

static char *
begin_at(struct copying *x, struct gtid_set *gone, struct err *e)
{
	struct rows logs;
	char *file;

	if (binlog_dump_ask(x->dump, "SHOW BINARY LOGS", &logs, e) != 0)
		return NULL;
	if (logs.row_count == 0) {
		err_set(e, ERR_NOT_FOUND, "the server has no binary logs");
		file = NULL;
	} else {
		file = find_first(x, &logs, gone, e);
	}
	rows_clear(&logs);
	return file;
}

/* --- what is copied ------------------------------------------------------------------------------- */

static int
put(struct copying *x, const void *data, size_t len, struct err *e)
{
	const char *p = data;

	x->bytes += len;
	if (x->bytes > x->c->bytes_max)
		return err_set(e, ERR_LIMIT, "the errant transactions are more than %llu MB",
		    (unsigned long long)(x->c->bytes_max >> 20));
	while (len > 0) {
		ssize_t n = write(x->c->file, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, "cannot write the file of the errant transactions");
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Two files of one server differ in when they were begun, which means nothing to what follows. */
static bool
is_same_format(const struct str *a, const struct str *b)
{
	const size_t at = BINLOG_HEADER_SIZE + CREATED_AT, behind = at + CREATED_SIZE;
	const size_t checksum = 4;

	return a->len == b->len && a->len > behind + checksum &&
	       memcmp(a->data + BINLOG_HEADER_SIZE, b->data + BINLOG_HEADER_SIZE, CREATED_AT) ==
		   0 &&
	       memcmp(a->data + behind, b->data + behind, a->len - behind - checksum) == 0;
}

/* Before a transaction: what its file said of itself, unless the one before came from such a file, too. */
static int
put_format(struct copying *x, struct err *e)
{
	if (x->bytes > 0 && is_same_format(&x->written, &x->format))
		return 0;
	if (x->bytes == 0 && put(x, BINLOG_MAGIC, BINLOG_MAGIC_SIZE, e) != 0)
		return -1;
	str_reset(&x->written);
	str_add(&x->written, x->format.data, x->format.len);
	return put(x, x->format.data, x->format.len, e);
}

/* Whether this is one of those that are waited for: all of MySQL's, MariaDB's last of a source. */
static bool
counts(const struct copying *x, const struct binlog_gtid *gtid)
{
	if (x->c->dialect == GTID_MYSQL)
		return true;
	for (size_t i = 0; i < x->c->wanted->count; i++) {
		const struct gtid_source *s = &x->c->wanted->sources[i];

		if (strcmp(s->name, gtid->source) == 0)
			return s->ranges[s->count - 1].last == gtid->number;
	}
	return false;
}

static int
take_begin(struct copying *x, const struct binlog_event *event, struct err *e)
{
	struct binlog_gtid gtid;

	if (binlog_gtid(event, &gtid, e) != 0)
		return -1;
	x->is_inside = gtid.number > 0 && gtid_has(x->c->wanted, gtid.source, gtid.number);
	if (!x->is_inside)
		return 0;
	x->left -= counts(x, &gtid) && x->left > 0;
	return put_format(x, e);
}

/* 1: go on, 0: there is no more to come, -1. */
static int
take_event(struct copying *x, const uint8_t *bytes, size_t len, struct err *e)
{
	struct binlog_event event;
	enum binlog_part part;

	if (binlog_read(&x->reader, bytes, len, &event, e) != 0)
		return -1;
	if ((part = binlog_part(&event)) != BINLOG_PART_INSIDE) {
		x->is_inside = false;
		if (x->left == 0)
			return 0;
	}
	if (event.type == BINLOG_FORMAT) {
		str_reset(&x->format);
		str_add(&x->format, bytes, len);
	}
	if (part == BINLOG_PART_BEGIN && take_begin(x, &event, e) != 0)
		return -1;
	if (x->is_inside && put(x, bytes, len, e) != 0)
		return -1;
	return 1;
}

static int
copy_stream(struct copying *x, struct err *e)
{
	const uint8_t *bytes;
	size_t len;
	int rc;

	do {
		rc = binlog_dump_next(x->dump, &bytes, &len, e);
		if (rc == 1)
			rc = take_event(x, bytes, len, e);
	} while (rc == 1);
	if (rc == 0 && fsync(x->c->file) != 0)
		rc = err_errno(e, "cannot write the file of the errant transactions");
	return rc;
}

static int
say_gone(const struct copying *x, const char *file, const struct gtid_set *gone, struct err *e)
{
	struct str text = STR_INIT;

	gtid_format(x->c->dialect, gone, &text);
	err_set(e, ERR_NOT_FOUND, "purged from its binary logs, of which %s is the oldest: %.120s",
	    file, str_text(&text));
	str_clear(&text);
	return -1;
}

static int
copy(struct copying *x, struct err *e)
{
	struct gtid_set gone = { NULL, 0 };
	char *file;
	int rc = -1;

	if (binlog_dump_is_mariadb(x->dump) != (x->c->dialect == GTID_MARIADB))
		return err_set(e, ERR_PROTOCOL, "the server is not of the kind that it was");
	x->left = x->c->dialect == GTID_MYSQL ? gtid_count(x->c->wanted) : x->c->wanted->count;
	if ((file = begin_at(x, &gone, e)) != NULL && binlog_dump_start(x->dump, file, e) == 0 &&
	    copy_stream(x, e) == 0)
		rc = gone.count == 0 ? 0 : say_gone(x, file, &gone, e);
	free(file);
	gtid_clear(&gone);
	return rc;
}

/* --- the child ------------------------------------------------------------------------------------ */

static struct binlog_dump *
open_dump(const struct errant_copy *c, struct err *e)
{
	struct credentials secret = { 0 };
	struct mysql_account account = { 0 };
	struct binlog_dump *dump;

	if (c->credentials != NULL && credentials_read(c->credentials, &secret, e) != 0)
		return NULL;
	credentials_lend(&secret, &account);
	dump = binlog_dump_new(&c->address, &account, e);
	credentials_clear(&secret);
	return dump;
}

/* Of ours it has the file and the report. And it is not the terminal that ends it, but we. */
static void
leave_parent(struct errant_copy *c, int report, pid_t parent)
{
	static const int defaults[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };
	int file = fcntl(c->file, F_DUPFD, SPARE_FD);
	sigset_t none;

	report = fcntl(report, F_DUPFD, SPARE_FD);
	if (file < 0 || report < 0 || dup2(file, FILE_FD) < 0 || dup2(report, REPORT_FD) < 0)
		_exit(1);
	close_range(REPORT_FD + 1, ~0u, 0);
	c->file = FILE_FD;
	setpgid(0, 0);
	for (size_t i = 0; i < MEM_COUNT(defaults); i++)
		signal(defaults[i], SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
}

static void __attribute__((noreturn)) run_child(struct errant_copy c, int report, pid_t parent)
{
	struct copying x = { .c = &c };
	struct err e = { .code = ERR_NONE };

	leave_parent(&c, report, parent);
	if ((x.dump = open_dump(&c, &e)) != NULL)
		copy(&x, &e);
	_exit(write(REPORT_FD, &e, sizeof(e)) == (ssize_t)sizeof(e) ? 0 : 1);
}

pid_t
errant_copy_start(const struct errant_copy *c, int *report, struct err *e)
{
	pid_t pid, parent = getpid();
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		return err_errno(e, "cannot save the errant transactions");
	if ((pid = fork()) == 0)
		run_child(*c, ends[1], parent);
	close(ends[1]);
	if (pid < 0) {
		err_errno(e, "cannot save the errant transactions");
		close(ends[0]);
		return -1;
	}
	*report = ends[0];
	return pid;
}

int
errant_copy_end(int report, struct err *e)
{
	struct err told;
	ssize_t n = read(report, &told, sizeof(told));

	close(report);
	if (n != (ssize_t)sizeof(told))
		return err_set(e, ERR_PROTOCOL, "what reads the binary log was killed, or crashed");
	told.text[sizeof(told.text) - 1] = '\0';
	if (told.code == ERR_NONE)
		return 0;
	return err_set(e, told.code, "%s", told.text);
}
