/*
 * sql_replication.c: by the questions of the checks (model/mysql_view.h) and the statements of both
 * dialects. MariaDB's STOP SLAVE without a name is of the nameless source only, so each is named.
 */
#include "operate/sql_replication.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "model/mysql_view.h"
#include "model/server_view.h"

#define SEMI_SYNC_UNKNOWN 1193 /* no such variable: the plugin is not there */

int
sql_server_look(struct sql_server *s, int64_t limit_ms, struct server_view **out, struct err *e)
{
	struct server_view *v =
	    server_view_new(sql_server_is_mariadb(s) ? SERVER_MARIADB : SERVER_MYSQL);
	struct mysql_extra extra = { .disk = "" };
	struct rows rows = { .column_count = 0 };
	const struct mysql_question *q;
	int rc = 0;

	for (size_t i = 0; rc == 0 && (q = mysql_question_at(i)) != NULL; i++) {
		const char *sql = sql_server_is_mariadb(s) ? q->mariadb : q->mysql;

		if (sql == NULL)
			continue;
		if (sql_server_ask(s, sql, limit_ms, &rows, e) == 0)
			q->read(&rows, v, &extra);
		else if (!q->is_optional || e->code != ERR_DENIED)
			rc = -1;
	}
	rows_clear(&rows);
	if (rc == 0)
		*out = v;
	else
		server_view_free(v);
	return rc;
}

/* --- switching ------------------------------------------------------------------------------------ */

/* A connection's name is the server's own, and an identifier all the same. */
static int
each_source(
    struct sql_server *s, const char *verb, const char *thread, int64_t limit_ms, struct err *e)
{
	struct server_view *v;
	struct str sql = STR_INIT;
	int rc = sql_server_look(s, limit_ms, &v, e);

	if (rc != 0)
		return -1;
	for (size_t i = 0; rc == 0 && i < v->source_count; i++) {
		const char *name = v->sources[i].channel;

		str_reset(&sql);
		if (sql_server_is_mariadb(s))
			str_addf(&sql, "%s SLAVE '%s' %s", verb, name, thread);
		else
			str_addf(&sql, "%s REPLICA %s FOR CHANNEL '%s'", verb, thread, name);
		if (strpbrk(name, "'\\") != NULL)
			rc = err_set(e, ERR_LIMIT, "%s: a source with a quote in its name",
			    sql_server_node(s));
		else
			rc = sql_server_ask(s, str_text(&sql), limit_ms, NULL, e);
	}
	if (rc == 0 && v->source_count == 0)
		rc = err_set(
		    e, ERR_NOT_FOUND, "%s has no source to replicate from", sql_server_node(s));
	server_view_free(v);
	str_clear(&sql);
	return rc;
}

int
sql_server_stop_receiving(struct sql_server *s, int64_t limit_ms, struct err *e)
{
	return each_source(s, "STOP", "IO_THREAD", limit_ms, e);
}

int
sql_server_start_receiving(struct sql_server *s, int64_t limit_ms, struct err *e)
{
	return each_source(s, "START", "IO_THREAD", limit_ms, e);
}

int
sql_server_stop_replication(struct sql_server *s, int64_t limit_ms, struct err *e)
{
	return each_source(s, "STOP", "", limit_ms, e);
}

int
sql_server_start_replication(struct sql_server *s, int64_t limit_ms, struct err *e)
{
	return each_source(s, "START", "", limit_ms, e);
}

int
sql_server_pass(struct sql_server *s, const char *position, int64_t limit_ms, struct err *e)
{
	struct rows rows = { .column_count = 0 };
	struct str reached = STR_INIT, sql = STR_INIT;
	int rc;

	if (!sql_server_is_mariadb(s))
		return 0;
	rc = sql_server_ask(
	    s, "SELECT @@GLOBAL.gtid_slave_pos, @@GLOBAL.server_id", limit_ms, &rows, e);
	if (rc == 0 && rows.row_count > 0 && rows_at(&rows, 0, 0) != NULL &&
	    rows_at(&rows, 0, 1) != NULL &&
	    gtid_advance(rows_at(&rows, 0, 0), position, rows_at(&rows, 0, 1), &reached)) {
		str_addf(&sql, "SET GLOBAL gtid_slave_pos = '%s'", str_text(&reached));
		rc = sql_server_ask(s, str_text(&sql), limit_ms, NULL, e);
	}
	rows_clear(&rows);
	str_clear(&reached);
	str_clear(&sql);
	return rc;
}

/* --- looking -------------------------------------------------------------------------------------- */

static int
say_thread(const struct sql_server *s, const struct replication_view *r, struct err *e)
{
	bool receives = r->is_io_running;
	const char *error = receives ? r->sql_error : r->io_error;

	return err_set(e, !receives || error[0] == '\0' ? ERR_UNAVAILABLE : ERR_CONFLICT,
	    "%s: the %s thread does not run%s%.200s", sql_server_node(s), receives ? "SQL" : "IO",
	    error[0] != '\0' ? ": " : "", error);
}

int
sql_server_may_start(struct sql_server *s, int64_t limit_ms, struct err *e)
{
	struct server_view *v;
	int rc = 0;

	if (sql_server_look(s, limit_ms, &v, e) != 0)
		return -1;
	for (size_t i = 0; i < v->source_count && rc == 0; i++) {
		if (replication_start_empties(v->kind, &v->sources[i]))
			rc = err_set(e, ERR_CONFLICT,
			    "%s: its replication stays stopped, a start would throw away %.0f "
			    "received "
			    "transactions; man pointsman-runbook, \"Received, not executed\"",
			    sql_server_node(s), v->sources[i].behind);
	}
	server_view_free(v);
	return rc;
}

int
sql_server_is_drained(struct sql_server *s, int64_t limit_ms, struct sql_left *left, struct err *e)
{
	struct server_view *v;
	char text[REPLICATION_LEFT_SIZE];
	int rc = 1;

	*left = (struct sql_left){ .count = 0 };
	if (sql_server_look(s, limit_ms, &v, e) != 0)
		return -1;
	for (size_t i = 0; i < v->source_count && rc > 0; i++) {
		const struct replication_view *r = &v->sources[i];

		left->is_growing = left->is_growing || r->is_io_running;
		if (!isnan(r->behind))
			left->count += r->behind;
		else
			rc = err_set(e, ERR_PROTOCOL, "%s does not tell what it has received",
			    sql_server_node(s));
		if (rc > 0 && r->behind > 0 && !r->is_sql_running)
			rc = err_set(e, ERR_UNAVAILABLE, "%s %s", sql_server_node(s),
			    replication_say_left(text, r));
	}
	server_view_free(v);
	if (rc > 0 && left->count > 0) {
		err_set(e, ERR_TIMEOUT, "%s has %.0f received transaction%s left to execute",
		    sql_server_node(s), left->count, left->count == 1 ? "" : "s");
		rc = 0;
	}
	return rc;
}

int
sql_server_replicates(struct sql_server *s, int64_t limit_ms, struct err *e)
{
	struct server_view *v;
	int rc = 1;

	if (sql_server_look(s, limit_ms, &v, e) != 0)
		return -1;
	for (size_t i = 0; i < v->source_count && rc > 0; i++) {
		const struct replication_view *r = &v->sources[i];

		if (r->is_io_running && !r->is_io_connecting && r->is_sql_running)
			continue;
		say_thread(s, r, e);
		rc = 0;
	}
	if (v->source_count == 0)
		rc = err_set(
		    e, ERR_NOT_FOUND, "%s has no source to replicate from", sql_server_node(s));
	server_view_free(v);
	return rc;
}

int
sql_server_is_stopped(struct sql_server *s, int64_t limit_ms, struct err *e)
{
	struct server_view *v;
	int rc = 1;

	if (sql_server_look(s, limit_ms, &v, e) != 0)
		return -1;
	for (size_t i = 0; i < v->source_count && rc > 0; i++) {
		if (replication_is_stopped(&v->sources[i]))
			continue;
		err_set(e, ERR_TIMEOUT, "%s still replicates", sql_server_node(s));
		rc = 0;
	}
	server_view_free(v);
	return rc;
}

/* --- semi-sync ------------------------------------------------------------------------------------ */

/* MySQL has two names for it: 8.0.26 and later say source, and the old plugin still exists. */
static const char *const switches[] = { "rpl_semi_sync_master_enabled",
	"rpl_semi_sync_source_enabled" };

int
sql_server_waits_for_replica(struct sql_server *s, int64_t limit_ms, struct err *e)
{
	char sql[128], text[16];

	for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++) {
		snprintf(sql, sizeof(sql), "SELECT @@GLOBAL.%s", switches[i]);
		if (sql_server_value(s, sql, limit_ms, text, sizeof(text), e) == 0) {
			if (strcmp(text, "1") == 0 || strcmp(text, "ON") == 0)
				return 1;
		} else if (sql_server_number(s) != SEMI_SYNC_UNKNOWN) {
			return -1;
		}
	}
	return 0;
}

int
sql_server_set_semi_sync(struct sql_server *s, bool on, int64_t limit_ms, struct err *e)
{
	char sql[128];
	bool is_set = false;

	for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++) {
		snprintf(sql, sizeof(sql), "SET GLOBAL %s = %d", switches[i], on);
		if (sql_server_ask(s, sql, limit_ms, NULL, e) == 0)
			is_set = true;
		else if (sql_server_number(s) != SEMI_SYNC_UNKNOWN)
			return -1;
	}
	return is_set || !on ? 0
			     : err_set(e, ERR_NOT_FOUND, "%s has no semi-sync", sql_server_node(s));
}
