/*
 * writer_write.c: the connections. Each is a thread that goes from top to bottom: find the address,
 * connect, write a row at its turn, remember the answer; after any error it starts over.
 *
 * A row goes out every connections/rate seconds of each connection, the connections evenly apart. Turns
 * that were missed while there was nobody to write to are not made up for: a back end's players do not
 * come back all at once, and a burst would measure the burst.
 */
#include "writer.h"

#include <mysqld_error.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct worker {
	const struct writer_options *options;
	const char *run;
	unsigned number; /* of the connection, from 1 */
	uint32_t sequence;
	int64_t turn_ns; /* when the next row is due */
	struct where *where;
	MYSQL *session;
	char address[WRITER_ADDRESS_SIZE];
	pthread_t thread;
};

/* No unique key on the number: a row that is there twice has to be seen, not refused. */
static const char table_sql[] =
    "CREATE TABLE IF NOT EXISTS %s (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,"
    " run CHAR(16) CHARACTER SET ascii NOT NULL, connection SMALLINT UNSIGNED NOT NULL,"
    " sequence INT UNSIGNED NOT NULL, KEY (run, connection, sequence)) ENGINE = InnoDB";

MYSQL *
writer_connect(
    const struct writer_options *o, const char *address, unsigned *number, char text[static 256])
{
	const char *colon = strrchr(address, ':');
	char host[WRITER_ADDRESS_SIZE] = "";
	MYSQL *session;

	*number = 0;
	if (colon == NULL || (size_t)(colon - address) >= sizeof(host)) {
		snprintf(text, 256, "%.100s is not an address and a port", address);
		return NULL;
	}
	memcpy(host, address, (size_t)(colon - address));
	session = mysql_init(NULL);
	mysql_options(session, MYSQL_READ_DEFAULT_FILE, o->account);
	mysql_options(session, MYSQL_READ_DEFAULT_GROUP, "client");
	mysql_options(session, MYSQL_OPT_CONNECT_TIMEOUT, &o->limit_s);
	mysql_options(session, MYSQL_OPT_READ_TIMEOUT, &o->limit_s);
	mysql_options(session, MYSQL_OPT_WRITE_TIMEOUT, &o->limit_s);
	/* By address: libmariadb takes "localhost" for a socket, and never gets to see a name here. */
	if (mysql_real_connect(session, host, NULL, NULL, NULL, (unsigned)atoi(colon + 1), NULL, 0))
		return session;
	*number = mysql_errno(session);
	snprintf(text, 256, "%s", mysql_error(session));
	mysql_close(session);
	return NULL;
}

static void
worker_close(struct worker *w)
{
	if (w->session != NULL)
		mysql_close(w->session);
	w->session = NULL;
}

static int
worker_open(struct worker *w)
{
	int64_t sent = record_now_ns();
	char text[256] = "";
	unsigned number = 0;

	strcpy(w->address, "-");
	if (where_find(w->where, w->address, text) == 0)
		w->session = writer_connect(w->options, w->address, &number, text);
	if (w->session != NULL)
		return 0;
	record_event(&(struct event){ .outcome = OUTCOME_NO_SESSION,
	    .connection = w->number,
	    .sent_ns = sent,
	    .took_ns = record_now_ns() - sent,
	    .address = w->address,
	    .number = number,
	    .text = text });
	return -1;
}

/*
 * Errors that say that the row was not saved. Whatever is not among them leaves it in doubt: a session that
 * was killed, or a server that shut down, may have done so behind the commit.
 */
static bool
is_refusal(unsigned number)
{
	static const unsigned refusals[] = { ER_OPTION_PREVENTS_STATEMENT, /* 1290: read_only */
		ER_READ_ONLY_MODE, ER_CANT_UPDATE_WITH_READLOCK, ER_LOCK_WAIT_TIMEOUT,
		ER_LOCK_DEADLOCK, ER_TABLEACCESS_DENIED_ERROR, ER_DBACCESS_DENIED_ERROR,
		ER_NO_SUCH_TABLE, ER_BAD_DB_ERROR, ER_TABLE_NOT_LOCKED_FOR_WRITE,
		3989 /* MySQL's schema that is READ ONLY */ };

	for (size_t i = 0; i < MEM_COUNT(refusals); i++) {
		if (refusals[i] == number)
			return true;
	}
	return false;
}

static void
worker_write(struct worker *w)
{
	struct event e = { .outcome = OUTCOME_ACKNOWLEDGED,
		.connection = w->number,
		.sequence = ++w->sequence,
		.address = w->address,
		.text = "" };
	char sql[300];
	int len = snprintf(sql, sizeof(sql),
	    "INSERT INTO %s (run, connection, sequence) VALUES ('%s', %u, %u)", w->options->table,
	    w->run, w->number, (unsigned)w->sequence);
	int failed;

	e.sent_ns = record_now_ns();
	failed = mysql_real_query(w->session, sql, (unsigned long)len);
	e.took_ns = record_now_ns() - e.sent_ns;
	if (failed) {
		e.number = mysql_errno(w->session);
		e.text = mysql_error(w->session);
		e.outcome = is_refusal(e.number) ? OUTCOME_REFUSED : OUTCOME_DOUBT;
	} else if (mysql_affected_rows(w->session) != 1) {
		e.outcome = OUTCOME_DOUBT;
		e.text = "OK, but not of one row";
	}
	record_event(&e);
	if (e.outcome != OUTCOME_ACKNOWLEDGED)
		worker_close(w);
}

/* A turn that is more than one interval late is given up, and the next is an interval from now. */
static void
worker_next_turn(struct worker *w)
{
	int64_t interval = (int64_t)1000000000 * w->options->connections / w->options->rate;
	int64_t now = record_now_ns();

	w->turn_ns += interval;
	if (w->turn_ns < now - interval)
		w->turn_ns = now + interval;
}

static void *
worker_run(void *arg)
{
	struct worker *w = arg;

	mysql_thread_init();
	while (!where_is_stopping()) {
		if (w->session == NULL && worker_open(w) != 0) {
			where_wait(record_now_ns() + (int64_t)w->options->retry_ms * 1000000);
		} else if (where_has_moved(w->where)) {
			worker_close(w);
		} else if (w->turn_ns > record_now_ns()) {
			where_wait(w->turn_ns);
		} else {
			worker_write(w);
			if (w->session != NULL)
				worker_next_turn(w);
			else
				where_wait(
				    record_now_ns() + (int64_t)w->options->retry_ms * 1000000);
		}
	}
	worker_close(w);
	mysql_thread_end();
	return NULL;
}

/* Through the same door as the rows, before there are any. */
static void
table_create(const struct writer_options *o)
{
	struct where *where = where_new(o);
	char address[WRITER_ADDRESS_SIZE], text[256] = "", sql[512];
	unsigned number;
	MYSQL *session = NULL;
	bool is_made = false;

	if (where_find(where, address, text) == 0)
		session = writer_connect(o, address, &number, text);
	if (session != NULL) {
		snprintf(sql, sizeof(sql), table_sql, o->table);
		is_made = mysql_query(session, sql) == 0;
		if (!is_made)
			snprintf(text, sizeof(text), "%s", mysql_error(session));
		mysql_close(session);
	}
	where_free(where);
	if (!is_made) {
		fprintf(stderr, "writer: the table %s: %s\n", o->table, text);
		exit(EXIT_BLIND);
	}
}

/* The end after o->seconds, or by a signal. */
static void
wait_end(const struct writer_options *o)
{
	int64_t end = (int64_t)(o->seconds * 1e9);

	while (!where_is_stopping() && (o->seconds <= 0 || record_now_ns() < end))
		where_wait(o->seconds > 0 ? end : record_now_ns() + (int64_t)3600 * 1000000000);
	where_stop();
}

void
writer_write(const struct writer_options *o, const char *run)
{
	struct worker *workers = mem_array(o->connections, sizeof(*workers));

	if (o->follow != NULL)
		where_follow(o);
	if (o->is_create)
		table_create(o);
	for (unsigned i = 0; i < o->connections; i++) {
		struct worker *w = &workers[i];
		w->options = o;
		w->run = run;
		w->number = i + 1;
		w->where = where_new(o);
		w->turn_ns = record_now_ns() + (int64_t)1000000000 * i / o->rate;
		if (pthread_create(&w->thread, NULL, worker_run, w) != 0) {
			fprintf(stderr, "writer: no thread for connection %u\n", w->number);
			exit(EXIT_BLIND);
		}
	}
	wait_end(o);
	for (unsigned i = 0; i < o->connections; i++) {
		pthread_join(workers[i].thread, NULL);
		where_free(workers[i].where);
	}
	free(workers);
}
