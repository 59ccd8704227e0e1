/*
 * sql_session.c: begin ─> [read credentials ─> connect ─> set up] ─> ask ... ask
 *
 * A connection is kept from run to run, so that a check costs a server no login and looks at what its
 * clients have: an old connection. Its first question of a run may find out that it is gone (wait_timeout,
 * a restart, a KILL): that says nothing of the server of now, so the way is gone once more from the
 * beginning, within the limit of the same run, and only what that finds counts.
 *
 * Credentials are read for each new connection and forgotten after it.
 */
#include "feature/sql_session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "feature/credentials.h"
#include "io/endpoint.h"
#include "io/loop.h"

struct sql_session {
	struct loop *loop;
	struct mysql_link *link;
	struct loop_timer *timer; /* the next turn, for what is known at once */
	const char *credentials, *database;
	const char *set_up_mariadb, *set_up_mysql;
	struct endpoint address;
	int64_t end_ms, connect_us;
	bool is_kept;    /* of an earlier run, and not yet heard of in this one */
	bool is_new;     /* not set up yet */
	const char *sql; /* to be asked once there is a connection; NULL: begin */
	struct err err;  /* for the next turn */
	mysql_done_fn *done;
	void *arg;
};

/* What the library or the server say, as a class; the first line that fits. */
static const struct {
	unsigned number;
	enum check_class class;
} classes[] = {
	{ 1040, CHECK_TOO_MANY }, /* max_connections */
	{ 1203, CHECK_TOO_MANY }, /* max_user_connections */
	{ 1226, CHECK_TOO_MANY }, /* a limit of the account */
	{ 1021, CHECK_DISK_FULL },
	{ 1114, CHECK_DISK_FULL }, /* the table is full */
	{ 3, CHECK_DISK_FULL },    /* a write failed, of a temporary table say */
	{ 3159, CHECK_TLS },       /* MySQL's require_secure_transport */
	{ 2026, CHECK_TLS },
	{ 2006, CHECK_RESET },
	{ 2013, CHECK_RESET },
	{ 2055, CHECK_RESET },
	{ 1053, CHECK_RESET },   /* it shuts down */
	{ 1969, CHECK_TIMEOUT }, /* MariaDB's max_statement_time */
	{ 3024, CHECK_TIMEOUT }, /* MySQL's MAX_EXECUTION_TIME */
	{ 1205, CHECK_TIMEOUT },
};

enum check_class
sql_session_class(const struct mysql_answer *a)
{
	for (size_t i = 0; i < MEM_COUNT(classes); i++) {
		if (classes[i].number == a->number)
			return classes[i].class;
	}
	switch (a->err.code) {
	case ERR_NONE:
		return CHECK_OK;
	case ERR_DENIED:
		return CHECK_AUTH;
	case ERR_TIMEOUT:
		return CHECK_TIMEOUT;
	case ERR_PROTOCOL:
	case ERR_LIMIT:
		return CHECK_PROTOCOL;
	case ERR_UNREACHABLE:
		return a->system_errno == ECONNREFUSED ? CHECK_REFUSED : CHECK_UNREACHABLE;
	default:
		return CHECK_UNKNOWN;
	}
}

static void begin_connect(struct sql_session *s);
static void ask_now(struct sql_session *s, const char *sql, mysql_done_fn *done);

static void
finish(struct sql_session *s, struct mysql_answer *a)
{
	mysql_done_fn *done = s->done;

	s->done = NULL;
	done(a, s->arg);
}

/* The next turn: a connection that was kept, or what went wrong before there was one. */
static void
timer_due(void *arg)
{
	struct sql_session *s = arg;
	struct mysql_answer a = { .err = s->err };

	finish(s, &a);
}

static int64_t
time_left(const struct sql_session *s)
{
	int64_t left = s->end_ms - clock_mono_ms();

	return left > 0 ? left : 1;
}

static void
answered(struct mysql_answer *a, void *arg)
{
	struct sql_session *s = arg;
	bool is_lost = a->err.code != ERR_NONE && !mysql_link_is_open(s->link) &&
		       sql_session_class(a) == CHECK_RESET;

	if (is_lost && s->is_kept) {
		begin_connect(s);
		return;
	}
	s->is_kept = false;
	finish(s, a);
}

static void
set_up_done(struct mysql_answer *a, void *arg)
{
	struct sql_session *s = arg;

	if (a->err.code != ERR_NONE) {
		mysql_link_close(s->link);
		finish(s, a);
		return;
	}
	s->is_new = false;
	if (s->sql != NULL)
		ask_now(s, s->sql, answered);
	else
		finish(s, a);
}

static void
connected(struct mysql_answer *a, void *arg)
{
	struct sql_session *s = arg;
	const char *set_up;

	s->connect_us += a->took_us;
	if (a->err.code != ERR_NONE) {
		finish(s, a);
		return;
	}
	set_up = mysql_link_is_mariadb(s->link) ? s->set_up_mariadb : s->set_up_mysql;
	if (set_up != NULL)
		ask_now(s, set_up, set_up_done);
	else
		set_up_done(a, s);
}

static void
ask_now(struct sql_session *s, const char *sql, mysql_done_fn *done)
{
	mysql_link_query(s->link, sql, time_left(s), done, s);
}

static void
begin_connect(struct sql_session *s)
{
	struct credentials c = { 0 };
	struct mysql_account account = { .database = s->database };

	s->is_kept = false;
	s->is_new = true;
	if (s->credentials != NULL && credentials_read(s->credentials, &c, &s->err) != 0) {
		loop_timer_set(s->timer, 0);
		return;
	}
	credentials_lend(&c, &account);
	mysql_link_connect(s->link, &s->address, &account, time_left(s), connected, s);
	credentials_clear(&c);
}

struct sql_session *
sql_session_new(struct loop *l, const char *credentials, const char *database,
    const char *set_up_mariadb, const char *set_up_mysql)
{
	struct sql_session *s = mem_alloc(sizeof(*s));

	s->loop = l;
	s->link = mysql_link_new(l);
	s->timer = loop_timer_new(l, timer_due, s);
	s->credentials = credentials;
	s->database = database;
	s->set_up_mariadb = set_up_mariadb;
	s->set_up_mysql = set_up_mysql;
	return s;
}

void
sql_session_cancel(struct sql_session *s)
{
	loop_timer_stop(s->timer);
	mysql_link_cancel(s->link);
	s->done = NULL;
}

void
sql_session_free(struct sql_session *s)
{
	if (s == NULL)
		return;
	sql_session_cancel(s);
	mysql_link_free(s->link);
	loop_timer_free(s->timer);
	loop_defer_free(s->loop, s);
}

static bool
is_same_place(const struct endpoint *a, const struct endpoint *b)
{
	return a->len == b->len && memcmp(&a->address, &b->address, a->len) == 0;
}

void
sql_session_begin(struct sql_session *s, const struct endpoint *address, int64_t limit_ms,
    mysql_done_fn *done, void *arg)
{
	bool is_open =
	    mysql_link_is_open(s->link) && !s->is_new && is_same_place(&s->address, address);

	s->end_ms = clock_mono_ms() + limit_ms;
	s->address = *address;
	s->connect_us = 0;
	s->sql = NULL;
	s->done = done;
	s->arg = arg;
	err_clear(&s->err);
	s->is_kept = is_open;
	if (is_open)
		loop_timer_set(s->timer, 0);
	else
		begin_connect(s);
}

void
sql_session_ask(struct sql_session *s, const char *sql, mysql_done_fn *done, void *arg)
{
	s->sql = sql;
	s->done = done;
	s->arg = arg;
	err_clear(&s->err);
	ask_now(s, sql, answered);
}

bool
sql_session_is_mariadb(const struct sql_session *s)
{
	return mysql_link_is_mariadb(s->link);
}

const char *
sql_session_version(const struct sql_session *s)
{
	return mysql_link_version(s->link);
}

void
sql_session_add_times(const struct sql_session *s, struct check_result *r, int64_t took_us)
{
	r->took_us = took_us;
	check_result_number(r, "connect_time", (double)s->connect_us / 1e6, "s", NULL, NULL);
	check_result_number(
	    r, "query_time", (double)(took_us - s->connect_us) / 1e6, "s", NULL, NULL);
}

int64_t
sql_session_connect_us(const struct sql_session *s)
{
	return s->connect_us;
}
