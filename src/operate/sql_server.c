/*
 * sql_server.c: one connection, asked one thing at a time.
 *
 * It is never made anew behind the caller's back: a new connection does not hold the GET_LOCK, and what
 * was asked on the lost one may still happen. So a step that fails by a lost connection fails; only who
 * undoes connects again, and then looks first.
 *
 * lock_wait_timeout is a second (facts/mysql.md: the defaults are a day and a year): a fence that has to
 * wait longer for a running statement would make every other writer wait as well, and a MySQL would even
 * carry it out later, when nobody expects it any more.
 */
#include "operate/sql_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "feature/check_target.h"
#include "feature/config.h"
#include "feature/credentials.h"
#include "io/endpoint.h"
#include "io/loop.h"
#include "io/mysql.h"
#include "model/mysql_view.h"
#include "model/sql_facts.h"
#include "operate/check_here.h"
#include "operate/client.h"
#include "operate/gather_impl.h"
#include "operate/view.h"

#define TURN_MS 50
#define LOCK_AGAIN_MS 20
#define LOCK_NAME_MAX 64 /* MySQL's longest name of a user lock */
#define NUMBER_MAX 32
#define POSITION_MAX 65536

struct sql_server {
	struct client *client;
	const struct config_pair *pair;
	char *node;
	struct endpoint at;
	struct mysql_link *link;
	struct mysql_answer answer;
	bool is_done;
	bool is_mariadb;
	unsigned number;
};

/* --- where it is ---------------------------------------------------------------------------------- */

static int
find(struct sql_server *s, struct err *e)
{
	const struct check_spec *spec = gather_find_spec(s->client->config, s->pair, s->node);
	struct check_target target;
	struct view view = { 0 };
	int rc = view_load(&view, s->client, e);

	if (rc == 0 && (rc = check_here_find(&target, s->client, spec, view.map, e)) == 0) {
		if (target.kind == CHECK_TARGET_ADDRESS)
			s->at = target.endpoint;
		else
			rc = err_set(e, ERR_UNREACHABLE, "%s: %s", s->node, target.err.text);
	}
	view_clear(&view);
	return rc;
}

struct sql_server *
sql_server_new(
    struct client *client, const struct config_pair *pair, const char *node, struct err *e)
{
	struct sql_server *s = mem_alloc(sizeof(*s));

	s->client = client;
	s->pair = pair;
	s->node = mem_strdup(node);
	s->link = mysql_link_new(client->loop);
	if (find(s, e) != 0) {
		sql_server_free(s);
		return NULL;
	}
	return s;
}

void
sql_server_free(struct sql_server *s)
{
	if (s == NULL)
		return;
	mysql_link_free(s->link);
	rows_clear(&s->answer.rows);
	free(s->node);
	free(s);
}

bool
sql_server_is_open(const struct sql_server *s)
{
	return mysql_link_is_open(s->link);
}

const char *
sql_server_node(const struct sql_server *s)
{
	return s->node;
}

const struct endpoint *
sql_server_at(const struct sql_server *s)
{
	return &s->at;
}

bool
sql_server_is_mariadb(const struct sql_server *s)
{
	return s->is_mariadb;
}

enum gtid_dialect
sql_server_dialect(const struct sql_server *s)
{
	return s->is_mariadb ? GTID_MARIADB : GTID_MYSQL;
}

unsigned
sql_server_number(const struct sql_server *s)
{
	return s->number;
}

/* --- asking --------------------------------------------------------------------------------------- */

static void
answered(struct mysql_answer *a, void *arg)
{
	struct sql_server *s = arg;

	s->answer = *a;
	memset(&a->rows, 0, sizeof(a->rows));
	s->is_done = true;
}

/* The link has a limit of its own; Ctrl-C is not looked at: a statement is as long as its limit. */
static int
wait_answer(struct sql_server *s, struct err *e)
{
	while (!s->is_done)
		loop_turn(s->client->loop, TURN_MS);
	s->number = s->answer.number;
	if (s->answer.err.code == ERR_NONE)
		return 0;
	*e = s->answer.err;
	return err_wrap(e, "%s", s->node);
}

static void
begin(struct sql_server *s)
{
	rows_clear(&s->answer.rows);
	s->is_done = false;
	s->number = 0;
}

int
sql_server_ask(
    struct sql_server *s, const char *sql, int64_t limit_ms, struct rows *rows, struct err *e)
{
	begin(s);
	mysql_link_query(s->link, sql, limit_ms, answered, s);
	if (wait_answer(s, e) != 0)
		return -1;
	if (rows != NULL) {
		rows_clear(rows);
		*rows = s->answer.rows;
		memset(&s->answer.rows, 0, sizeof(s->answer.rows));
	}
	return 0;
}

int
sql_server_value(
    struct sql_server *s, const char *sql, int64_t limit_ms, char *out, size_t size, struct err *e)
{
	struct rows rows = { .column_count = 0 };
	const char *text;
	int rc = sql_server_ask(s, sql, limit_ms, &rows, e);

	if (rc == 0) {
		text = rows.row_count > 0 ? rows_at(&rows, 0, 0) : NULL;
		snprintf(out, size, "%s", text != NULL ? text : "");
	}
	rows_clear(&rows);
	return rc;
}

/* --- connecting ----------------------------------------------------------------------------------- */

static int
log_in(struct sql_server *s, int64_t limit_ms, struct err *e)
{
	struct credentials c = { 0 };
	struct mysql_account account = { .user = NULL };

	if (s->pair->credentials != NULL && credentials_read(s->pair->credentials, &c, e) != 0)
		return -1;
	credentials_lend(&c, &account);
	begin(s);
	mysql_link_connect(s->link, &s->at, &account, limit_ms, answered, s);
	credentials_clear(&c);
	return wait_answer(s, e);
}

int
sql_server_connect(struct sql_server *s, int64_t limit_ms, struct err *e)
{
	int64_t end_ms = clock_mono_ms() + limit_ms, left_ms;

	if (mysql_link_is_open(s->link))
		return 0;
	if (log_in(s, limit_ms, e) != 0)
		return -1;
	s->is_mariadb = mysql_link_is_mariadb(s->link);
	left_ms = end_ms - clock_mono_ms();
	/* An operation may wait for a long time between two statements. */
	return sql_server_ask(s, "SET SESSION lock_wait_timeout = 1, wait_timeout = 86400",
	    left_ms > 1 ? left_ms : 1, NULL, e);
}

/* --- the lock ------------------------------------------------------------------------------------- */

static int
say_holder(struct sql_server *s, const char *holder, int64_t limit_ms, struct err *e)
{
	char sql[128], who[256] = "";

	snprintf(sql, sizeof(sql),
	    "SELECT CONCAT(USER, '@', HOST) FROM information_schema.PROCESSLIST WHERE ID = %s",
	    holder);
	sql_server_value(s, sql, limit_ms, who, sizeof(who), e);
	return err_set(e, ERR_CONFLICT, "%s: another pointsman is at work there, session %s%s%s",
	    s->node, holder, who[0] != '\0' ? " of " : "", who);
}

static int
end_holder(struct sql_server *s, const char *holder, int64_t limit_ms, struct err *e)
{
	char sql[64];

	snprintf(sql, sizeof(sql), "KILL CONNECTION %s", holder);
	if (sql_server_ask(s, sql, limit_ms, NULL, e) != 0 && s->number != 1094)
		return -1;
	return 0; /* 1094: it has gone by itself */
}

int
sql_server_lock(struct sql_server *s, bool takes, int64_t limit_ms, struct err *e)
{
	int64_t end_ms = clock_mono_ms() + limit_ms;
	char name[LOCK_NAME_MAX + 1], get[128], used[128], got[NUMBER_MAX], holder[NUMBER_MAX];
	uint64_t number;

	snprintf(name, sizeof(name), "pointsman/%s", s->pair->name);
	snprintf(get, sizeof(get), "SELECT GET_LOCK('%s', 0)", name);
	snprintf(used, sizeof(used), "SELECT IS_USED_LOCK('%s')", name);
	for (;;) {
		if (sql_server_value(s, get, limit_ms, got, sizeof(got), e) != 0)
			return -1;
		if (strcmp(got, "1") == 0)
			return 0;
		if (sql_server_value(s, used, limit_ms, holder, sizeof(holder), e) != 0)
			return -1;
		if (str_parse_u64(holder, &number) == 0) {
			if (!takes || clock_mono_ms() > end_ms)
				return say_holder(s, holder, limit_ms, e);
			if (end_holder(s, holder, limit_ms, e) != 0)
				return -1;
		} else if (clock_mono_ms() > end_ms) {
			return err_set(e, ERR_TIMEOUT,
			    "%s does not give its lock %s, and names no holder", s->node, name);
		}
		loop_turn(s->client->loop, LOCK_AGAIN_MS);
	}
}

/* --- fence, lift, positions ----------------------------------------------------------------------- */

static int
is_set(struct sql_server *s, const char *sql, int64_t limit_ms, struct err *e)
{
	char text[NUMBER_MAX];

	if (sql_server_value(s, sql, limit_ms, text, sizeof(text), e) != 0)
		return -1;
	return strcmp(text, "1") == 0;
}

int
sql_server_is_fenced(struct sql_server *s, int64_t limit_ms, struct err *e)
{
	return is_set(s,
	    s->is_mariadb ? "SELECT @@GLOBAL.read_only" : "SELECT @@GLOBAL.super_read_only",
	    limit_ms, e);
}

int
sql_server_is_writable(struct sql_server *s, int64_t limit_ms, struct err *e)
{
	return is_set(s, "SELECT NOT @@GLOBAL.read_only", limit_ms, e);
}

/* MySQL turns read_only on with super_read_only, and super_read_only off with read_only. */
int
sql_server_set_read_only(struct sql_server *s, bool on, int64_t limit_ms, struct err *e)
{
	const char *sql =
	    on ? (s->is_mariadb ? "SET GLOBAL read_only = 1" : "SET GLOBAL super_read_only = 1")
	       : "SET GLOBAL read_only = 0";

	return sql_server_ask(s, sql, limit_ms, NULL, e);
}

static void
remove_breaks(char *text)
{
	char *to = text;

	for (; *text != '\0'; text++) {
		if (*text != '\n')
			*to++ = *text;
	}
	*to = '\0';
}

int
sql_server_position(struct sql_server *s, int64_t limit_ms, char **out, struct err *e)
{
	char *text = mem_alloc(POSITION_MAX);
	int rc = sql_server_value(s,
	    s->is_mariadb ? "SELECT @@GLOBAL.gtid_current_pos" : "SELECT @@GLOBAL.gtid_executed",
	    limit_ms, text, POSITION_MAX, e);

	if (rc == 0 && strlen(text) == POSITION_MAX - 1)
		rc = err_set(e, ERR_LIMIT, "%s: what it has executed is longer than %d bytes",
		    s->node, POSITION_MAX);
	/* A MySQL breaks its lines behind each server. */
	if (rc == 0)
		remove_breaks(text);
	if (rc == 0)
		*out = text;
	else
		free(text);
	return rc;
}

int
sql_server_has_passer(struct sql_server *s, int64_t limit_ms, struct err *e)
{
	static const char sql[] =
	    "SELECT EXISTS (SELECT 1 FROM information_schema.PROCESSLIST p JOIN"
	    " information_schema.USER_PRIVILEGES u ON u.PRIVILEGE_TYPE IN ('READ_ONLY ADMIN',"
	    " 'READ ONLY ADMIN') AND SUBSTRING_INDEX(u.GRANTEE, '@', 1) = CONCAT('''', p.USER, "
	    "'''')"
	    " WHERE p.USER <> SUBSTRING_INDEX(USER(), '@', 1)"
	    " AND (p.DB IS NOT NULL OR p." SQL_STATEMENT_WRITES ")"
	    " AND (p.COMMAND <> 'Sleep' OR p.TIME_MS < 1000))";

	return sql_server_is_mariadb(s) ? is_set(s, sql, limit_ms, e) : 0;
}

int
sql_server_written(struct sql_server *s, int64_t limit_ms, char **out, struct err *e)
{
	static const char *const questions[] = {
		[GTID_MARIADB] = "SELECT @@GLOBAL.server_id, @@GLOBAL.gtid_binlog_state",
		[GTID_MYSQL] = "SELECT @@GLOBAL.server_uuid, @@GLOBAL.gtid_executed",
	};
	enum gtid_dialect dialect = sql_server_dialect(s);
	struct rows rows = { .column_count = 0 };
	struct gtid_set set = { NULL, 0 };
	struct str text = STR_INIT;
	int rc = sql_server_ask(s, questions[dialect], limit_ms, &rows, e);

	if (rc == 0 && (rows.row_count == 0 || rows_at(&rows, 0, 0) == NULL))
		rc = err_set(e, ERR_PROTOCOL, "%s does not say what it has written", s->node);
	if (rc == 0)
		rc = gtid_parse(
		    dialect, rows_at(&rows, 0, 1) != NULL ? rows_at(&rows, 0, 1) : "", &set, e);
	if (rc == 0) {
		gtid_keep_server(dialect, &set, rows_at(&rows, 0, 0));
		gtid_format(dialect, &set, &text);
		*out = str_take(&text);
		gtid_clear(&set);
	}
	rows_clear(&rows);
	return rc;
}

int
sql_server_has(struct sql_server *s, const char *position, int64_t limit_ms, struct err *e)
{
	char *own;
	double behind;

	if (sql_server_position(s, limit_ms, &own, e) != 0)
		return -1;
	behind = gtid_behind(sql_server_dialect(s), position, own);
	free(own);
	if (behind <= 0)
		return 1;
	if (behind > 0)
		err_set(e, ERR_TIMEOUT, "%s is %.0f transaction%s behind", s->node, behind,
		    behind == 1 ? "" : "s");
	else
		return err_set(e, ERR_PROTOCOL, "%s: its position cannot be compared", s->node);
	return 0;
}
