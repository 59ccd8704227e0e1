/*
 * mysql_view.c: the questions, and the reading of the answers. Both dialects' columns are looked for by
 * both of their names, so that the words of a later version do no harm.
 *
 * What cannot be known is said so:
 *   - the next start: once read_only was SET, MariaDB does not tell any more what its files say; of its
 *     skip-slave-start it never does. MySQL tells both, and persisted values.
 *   - a full disk: nothing in either server says "full". MariaDB's InnoDB tries again and again, and the
 *     writers stand in the state "Update" like any slow one (measured on a full tmpfs); what shows is the
 *     state of a thread that waits for room, and the error of an applier. The rest shows as a long write.
 *   - heartbeats: MariaDB counts them in its status, MySQL in performance_schema, which wants a GRANT.
 */
#include "model/mysql_view.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"
#include "model/gtid.h"

#define SYSTEM_USER "system user" /* the appliers' sessions, on both */

static const char *const writing[] = { "INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD", "ALTER",
	"CREATE", "DROP", "TRUNCATE", "RENAME", "OPTIMIZE", "REPAIR", "ANALYZE", "COMMIT", "XA",
	"CALL", "GRANT", "REVOKE" };

/* Errors of an applier that mean a full disk: ER_DISK_FULL, ER_RECORD_FILE_FULL, ENOSPC by itself. */
static const int disk_errors[] = { 1021, 1114, 28 };

static enum gtid_dialect
dialect_of(const struct server_view *v)
{
	return v->kind == SERVER_MARIADB ? GTID_MARIADB : GTID_MYSQL;
}

/* The cell under the first of two names that the answer has. */
static const char *
either(const struct rows *rows, size_t row, const char *a, const char *b)
{
	const char *text = rows_text(rows, row, rows_has_column(rows, a) ? a : b);

	return text != NULL ? text : "";
}

static void
copy(char *out, size_t size, const char *text)
{
	str_printable(out, size, text, strlen(text));
}

static void
read_identity(const struct rows *rows, struct server_view *v, struct mysql_extra *x)
{
	const char *executed = rows_text(rows, 0, "executed");
	size_t len = executed != NULL ? strlen(executed) : 0;

	(void)x;
	copy(v->server_id, sizeof(v->server_id), either(rows, 0, "server_id", "server_id"));
	v->is_read_only = rows_u64(rows, 0, "read_only", 0) != 0;
	v->is_super_read_only = rows_u64(rows, 0, "super_read_only", 0) != 0;
	v->is_writable = !v->is_read_only && !v->is_super_read_only;
	v->session_limit = rows_u64(rows, 0, "session_limit", 0);
	v->is_gtid_cut = len > SERVER_GTID_MAX;
	if (executed != NULL)
		v->gtid_executed = mem_strndup(executed, v->is_gtid_cut ? SERVER_GTID_MAX : len);
}

static void
read_thread(const char *state, bool *is_running, bool *is_connecting)
{
	*is_running = strcasecmp(state, "Yes") == 0;
	if (is_connecting != NULL)
		*is_connecting = !*is_running && strcasecmp(state, "No") != 0;
}

/* Received: what it read of the source's log, and the heartbeats that come when there is nothing. */
static uint64_t
received_of(const struct rows *rows, size_t row)
{
	const char *file = either(rows, row, "Source_Log_File", "Master_Log_File");
	const char *dot = strrchr(file, '.');
	uint64_t number = 0, at = 0;

	if (dot != NULL)
		str_parse_u64(dot + 1 + strspn(dot + 1, "0"), &number);
	str_parse_u64(either(rows, row, "Read_Source_Log_Pos", "Read_Master_Log_Pos"), &at);
	return (number << 40) + at + rows_u64(rows, row, "Slave_received_heartbeats", 0);
}

static void
read_gtids(
    const struct rows *rows, size_t row, const struct server_view *v, struct replication_view *r)
{
	const char *received = either(rows, row, "Retrieved_Gtid_Set", "Gtid_IO_Pos");
	const char *executed = either(rows, row, "Executed_Gtid_Set", "Gtid_Slave_Pos");

	bool is_used = strcasecmp(either(rows, row, "Using_Gtid", "Auto_Position"), "No") != 0 &&
		       strcmp(either(rows, row, "Using_Gtid", "Auto_Position"), "0") != 0;

	/* Positions of files only: nothing to count. An empty set is one, too: nothing received. */
	if (!is_used || strlen(received) > SERVER_GTID_MAX)
		return;
	r->gtid_received = mem_strdup(received);
	r->behind = gtid_behind(dialect_of(v), received, executed);
}

/* MySQL's coordinator says 100 characters about itself before it says which transaction failed. */
static const char *
of_worker(const char *error)
{
	static const char begin[] = "The most recent failure being: ";
	const char *found = strstr(error, begin);

	return found != NULL ? found + strlen(begin) : error;
}

static void
read_source(const struct rows *rows, size_t row, struct server_view *v)
{
	struct replication_view *r = server_view_source(v);

	copy(r->channel, sizeof(r->channel), either(rows, row, "Connection_name", "Channel_Name"));
	copy(r->source_host, sizeof(r->source_host),
	    either(rows, row, "Source_Host", "Master_Host"));
	r->source_port = atoi(either(rows, row, "Source_Port", "Master_Port"));
	read_thread(either(rows, row, "Replica_IO_Running", "Slave_IO_Running"), &r->is_io_running,
	    &r->is_io_connecting);
	read_thread(either(rows, row, "Replica_SQL_Running", "Slave_SQL_Running"),
	    &r->is_sql_running, NULL);
	r->io_errno = atoi(either(rows, row, "Last_IO_Errno", ""));
	r->sql_errno = atoi(either(rows, row, "Last_SQL_Errno", ""));
	copy(r->io_error, sizeof(r->io_error), either(rows, row, "Last_IO_Error", ""));
	copy(
	    r->sql_error, sizeof(r->sql_error), of_worker(either(rows, row, "Last_SQL_Error", "")));
	r->lag_s = rows_double(rows, row,
	    rows_has_column(rows, "Seconds_Behind_Source") ? "Seconds_Behind_Source"
							   : "Seconds_Behind_Master",
	    NAN);
	r->heartbeat_s = rows_double(rows, row, "Slave_heartbeat_period", 0);
	r->received = received_of(rows, row);
	read_gtids(rows, row, v, r);
}

static bool
is_disk_error(int number, const char *text)
{
	for (size_t i = 0; i < MEM_COUNT(disk_errors); i++) {
		if (number == disk_errors[i])
			return true;
	}
	return strstr(text, "No space left on device") != NULL;
}

static void
read_replication(const struct rows *rows, struct server_view *v, struct mysql_extra *x)
{
	for (size_t i = 0; i < rows->row_count; i++) {
		const struct replication_view *r;

		read_source(rows, i, v);
		r = &v->sources[v->source_count - 1];
		if (is_disk_error(r->sql_errno, r->sql_error))
			snprintf(x->disk, sizeof(x->disk), "%.120s", r->sql_error);
		else if (is_disk_error(r->io_errno, r->io_error))
			snprintf(x->disk, sizeof(x->disk), "%.120s", r->io_error);
	}
}

static uint64_t
status_value(const struct rows *rows, const char *name, bool *is_on)
{
	uint64_t value = 0;

	for (size_t i = 0; i < rows->row_count; i++) {
		const char *text = rows_at(rows, i, 1), *row_name = rows_at(rows, i, 0);

		if (text == NULL || row_name == NULL || strcasecmp(row_name, name) != 0)
			continue;
		str_parse_u64(text, &value);
		if (is_on != NULL)
			*is_on = strcasecmp(text, "ON") == 0;
	}
	return value;
}

static void
read_status(const struct rows *rows, struct server_view *v, struct mysql_extra *x)
{
	bool is_master = false, is_source = false;

	v->sessions = status_value(rows, "Threads_connected", NULL);
	status_value(rows, "Rpl_semi_sync_master_status", &is_master);
	status_value(rows, "Rpl_semi_sync_source_status", &is_source);
	x->is_semi_sync = is_master || is_source;
	x->semi_sync_waiting = status_value(rows, "Rpl_semi_sync_master_wait_sessions", NULL) +
			       status_value(rows, "Rpl_semi_sync_source_wait_sessions", NULL);
}

static bool
is_write(const char *statement)
{
	statement += strspn(statement, " \t\r\n(");
	while (strncmp(statement, "/*", 2) == 0) {
		const char *end = strstr(statement + 2, "*/");

		if (end == NULL)
			return false;
		statement = end + 2 + strspn(end + 2, " \t\r\n(");
	}
	for (size_t i = 0; i < MEM_COUNT(writing); i++) {
		if (strncasecmp(statement, writing[i], strlen(writing[i])) == 0)
			return true;
	}
	return false;
}

static void
read_sessions(const struct rows *rows, struct server_view *v, struct mysql_extra *x)
{
	v->longest_write_s = 0;
	for (size_t i = 0; i < rows->row_count; i++) {
		const char *state = either(rows, i, "state", ""),
			   *info = either(rows, i, "info", "");
		double s = rows_double(rows, i, "seconds", 0);

		/* MySQL's words for a log that cannot be written; MariaDB's for a table. */
		if (strcasecmp(state, "Waiting for disk space") == 0 ||
		    strstr(state, "free space") != NULL)
			snprintf(x->disk, sizeof(x->disk),
			    "a session has been in state \"%.40s\" "
			    "for %.0f s",
			    state, s);
		if (strcmp(either(rows, i, "user", ""), SYSTEM_USER) == 0 || !is_write(info) ||
		    s <= v->longest_write_s)
			continue;
		v->longest_write_s = s;
		copy(x->longest_write, sizeof(x->longest_write), info);
	}
}

/* MySQL's: needs SELECT on performance_schema. */
static void
read_heartbeats(const struct rows *rows, struct server_view *v, struct mysql_extra *x)
{
	(void)x;
	for (size_t i = 0; i < rows->row_count; i++) {
		for (size_t j = 0; j < v->source_count; j++) {
			struct replication_view *r = &v->sources[j];

			if (strcmp(r->channel, either(rows, i, "channel", "")) != 0)
				continue;
			r->received += rows_u64(rows, i, "heartbeats", 0);
			r->heartbeat_s = rows_double(rows, i, "period", 0);
		}
	}
}

static void
read_restart_mariadb(const struct rows *rows, struct server_view *v, struct mysql_extra *x)
{
	const char *origin = either(rows, 0, "origin", "");
	const char *replication =
	    v->source_count > 0 ? "; whether replication starts by itself, MariaDB does not tell"
				: "";

	x->starts_writable = strcmp(origin, "SQL") != 0 && !v->is_read_only;
	if (strcmp(origin, "SQL") == 0)
		snprintf(v->restart, sizeof(v->restart),
		    "whether it comes up writable cannot be known: read_only was set while it "
		    "ran%s",
		    replication);
	else if (!v->is_read_only)
		snprintf(v->restart, sizeof(v->restart), "comes up writable (read_only is %s)%s",
		    strcmp(origin, "COMPILE-TIME") == 0 ? "not in its configuration"
							: "off in its configuration",
		    replication);
	else if (v->source_count > 0)
		snprintf(v->restart, sizeof(v->restart), "comes up read-only%s", replication);
}

static void
read_restart_mysql(const struct rows *rows, struct server_view *v, struct mysql_extra *x)
{
	const char *source = either(rows, 0, "source", "");
	const char *persisted = rows_text(rows, 0, "persisted");
	const char *write = "";
	bool starts = v->source_count > 0 && rows_u64(rows, 0, "skip_start", 0) == 0;

	x->starts_replicating = starts;
	if (persisted != NULL ? strcasecmp(persisted, "OFF") == 0
			      : strcmp(source, "DYNAMIC") != 0 && !v->is_read_only)
		x->starts_writable = true;
	if (x->starts_writable)
		write = "comes up writable";
	else if (persisted == NULL && strcmp(source, "DYNAMIC") == 0)
		write =
		    "whether it comes up writable cannot be known: read_only was set while it ran";
	snprintf(v->restart, sizeof(v->restart), "%s%s%s", write,
	    write[0] != '\0' && starts ? "; " : "", starts ? "replication starts by itself" : "");
}

static void
read_restart(const struct rows *rows, struct server_view *v, struct mysql_extra *x)
{
	if (rows->row_count == 0)
		return;
	x->is_restart_known = true;
	if (v->kind == SERVER_MARIADB)
		read_restart_mariadb(rows, v, x);
	else
		read_restart_mysql(rows, v, x);
}

#define SESSIONS \
	"FROM information_schema.PROCESSLIST WHERE COMMAND IN ('Query', 'Execute', 'Connect'," \
	" 'Slave_SQL', 'Slave_worker') AND ID <> CONNECTION_ID() ORDER BY TIME DESC LIMIT 200"
#define STATUS \
	"SHOW GLOBAL STATUS WHERE Variable_name IN ('Threads_connected'," \
	" 'Rpl_semi_sync_master_status', 'Rpl_semi_sync_source_status'," \
	" 'Rpl_semi_sync_master_wait_sessions', 'Rpl_semi_sync_source_wait_sessions')"

static const struct mysql_question questions[] = {
	{ .mariadb = "SELECT @@GLOBAL.read_only AS read_only, 0 AS super_read_only,"
		     " @@GLOBAL.server_id AS server_id, @@GLOBAL.gtid_binlog_state AS executed,"
		     " @@GLOBAL.max_connections AS session_limit",
	    .mysql =
		"SELECT @@GLOBAL.read_only AS read_only,"
		" @@GLOBAL.super_read_only AS super_read_only, @@GLOBAL.server_uuid AS server_id,"
		" @@GLOBAL.gtid_executed AS executed, @@GLOBAL.max_connections AS session_limit",
	    .read = read_identity },
	{ .mariadb = "SHOW ALL SLAVES STATUS",
	    .mysql = "SHOW REPLICA STATUS",
	    .read = read_replication },
	{ .mariadb = STATUS, .mysql = STATUS, .read = read_status },
	{ .mariadb = "SELECT USER AS user, TIME_MS / 1000 AS seconds, STATE AS state,"
		     " LEFT(INFO, 60) AS info " SESSIONS,
	    .mysql = "SELECT USER AS user, TIME AS seconds, STATE AS state,"
		     " LEFT(INFO, 60) AS info " SESSIONS,
	    .is_optional = true,
	    .read = read_sessions },
	{ .mysql = "SELECT s.CHANNEL_NAME AS channel, s.COUNT_RECEIVED_HEARTBEATS AS heartbeats,"
		   " c.HEARTBEAT_INTERVAL AS period"
		   " FROM performance_schema.replication_connection_status s"
		   " JOIN performance_schema.replication_connection_configuration c"
		   " ON c.CHANNEL_NAME = s.CHANNEL_NAME",
	    .is_optional = true,
	    .read = read_heartbeats },
	{ .mariadb = "SELECT GLOBAL_VALUE_ORIGIN AS origin FROM information_schema.SYSTEM_VARIABLES"
		     " WHERE VARIABLE_NAME = 'READ_ONLY'",
	    .mysql = "SELECT i.VARIABLE_SOURCE AS source, p.VARIABLE_VALUE AS persisted,"
		     " @@GLOBAL.skip_replica_start AS skip_start"
		     " FROM performance_schema.variables_info i"
		     " LEFT JOIN performance_schema.persisted_variables p"
		     " ON p.VARIABLE_NAME = i.VARIABLE_NAME WHERE i.VARIABLE_NAME = 'read_only'",
	    .is_optional = true,
	    .read = read_restart },
};

const struct mysql_question *
mysql_question_at(size_t i)
{
	return i < MEM_COUNT(questions) ? &questions[i] : NULL;
}
