/*
 * sql_facts.c: the questions of a preflight, and the reading of the answers.
 *
 * Settings come from SHOW GLOBAL VARIABLES and not from SELECT @@…: a variable that a version does not
 * have, or has under another name, is then a row less and no error. One that is missing keeps the value
 * that it has where it was removed (MySQL's binlog_format is ROW and nothing else some day).
 *
 * Who may write under read_only: MariaDB's READ_ONLY ADMIN, and before 10.11 SUPER as well (measured in
 * 10.11: SUPER does not any more); MySQL's CONNECTION_ADMIN and SUPER. Privileges through roles are not
 * followed. An account without SELECT on the schema mysql sees only itself in USER_PRIVILEGES, which
 * looks like a server without administrators: that counts as not known.
 *
 * XA RECOVER is no SELECT, but it only lists.
 */
#include "model/sql_facts.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"

#define SUPER_WRITES_BEFORE 101100 /* MariaDB took READ ONLY ADMIN out of SUPER in 10.11 */

struct sql_facts *
sql_facts_new(enum server_kind kind, const char *version)
{
	struct sql_facts *f = mem_alloc(sizeof(*f));

	f->view = server_view_new(kind);
	snprintf(f->view->version, sizeof(f->view->version), "%.63s", version);
	snprintf(f->binlog_format, sizeof(f->binlog_format), "ROW");
	f->has_gtids = kind == SERVER_MARIADB; /* always */
	f->auto_increment = f->auto_offset = 1;
	return f;
}

void
sql_facts_free(struct sql_facts *f)
{
	if (f == NULL)
		return;
	server_view_free(f->view);
	free(f->sources);
	free(f->privileges);
	free(f->accounts.list);
	free(f->sessions.list);
	free(f->executed);
	free(f->position);
	free(f);
}

enum gtid_dialect
sql_facts_dialect(const struct sql_facts *f)
{
	return f->view->kind == SERVER_MARIADB ? GTID_MARIADB : GTID_MYSQL;
}

uint64_t
sql_facts_version(const struct sql_facts *f)
{
	unsigned major, minor, patch;

	if (sscanf(f->view->version, "%3u.%3u.%3u", &major, &minor, &patch) != 3)
		return 0;
	return (uint64_t)major * 10000 + minor * 100 + patch;
}

bool
sql_facts_may(const struct sql_facts *f, const char *privilege)
{
	char word[80];

	if (f->privileges == NULL)
		return false;
	snprintf(word, sizeof(word), ",%s,", privilege);
	return strstr(f->privileges, word) != NULL ||
	       strstr(f->privileges, ",ALL PRIVILEGES,") != NULL;
}

/* --- settings ---------------------------------------------------------------------------------- */

static bool
is_on(const char *value)
{
	return strcasecmp(value, "ON") == 0 || strcmp(value, "1") == 0;
}

static void
read_settings(const struct rows *rows, struct sql_facts *f)
{
	for (size_t i = 0; i < rows->row_count; i++) {
		const char *name = rows_at(rows, i, 0), *value = rows_at(rows, i, 1);

		if (name == NULL || value == NULL)
			continue;
		if (strcasecmp(name, "server_id") == 0)
			str_parse_u64(value, &f->server_id);
		else if (strcasecmp(name, "auto_increment_increment") == 0)
			str_parse_u64(value, &f->auto_increment);
		else if (strcasecmp(name, "auto_increment_offset") == 0)
			str_parse_u64(value, &f->auto_offset);
		else if (strcasecmp(name, "sync_binlog") == 0)
			str_parse_u64(value, &f->sync_binlog);
		else if (strcasecmp(name, "innodb_flush_log_at_trx_commit") == 0)
			str_parse_u64(value, &f->flush_at_commit);
		else if (strcasecmp(name, "binlog_format") == 0)
			str_printable(
			    f->binlog_format, sizeof(f->binlog_format), value, strlen(value));
		else if (strcasecmp(name, "log_bin") == 0)
			f->has_binlog = is_on(value);
		else if (strcasecmp(name, "gtid_mode") == 0)
			f->has_gtids = is_on(value);
		else if (strcasecmp(name, "log_slave_updates") == 0 ||
			 strcasecmp(name, "log_replica_updates") == 0)
			f->logs_replica_updates = is_on(value);
		else if (strncasecmp(name, "rpl_semi_sync", strlen("rpl_semi_sync")) == 0)
			f->is_semi_sync_asked |= is_on(value);
	}
}

static void
read_sources(const struct rows *rows, struct sql_facts *f)
{
	bool is_new = rows_has_column(rows, "Source_Server_Id");

	free(f->sources);
	f->sources = mem_array(f->view->source_count, sizeof(*f->sources));
	for (size_t i = 0; i < rows->row_count && i < f->view->source_count; i++) {
		f->sources[i].server_id =
		    rows_u64(rows, i, is_new ? "Source_Server_Id" : "Master_Server_Id", 0);
		f->sources[i].retries = rows_u64(rows, i, "Source_Retry_Count", 0);
		f->sources[i].retry_s = rows_u64(rows, i, "Connect_Retry", 0);
	}
}

/* --- accounts ----------------------------------------------------------------------------------- */

/* "GRANT SELECT, PROCESS ON *.* TO `x`@`%`": adds ",SELECT,PROCESS". */
static void
add_privileges(struct str *out, const char *grant)
{
	static const char begin[] = "GRANT ";
	const char *end = strstr(grant, " ON *.* TO ");

	if (strncmp(grant, begin, strlen(begin)) != 0 || end == NULL)
		return;
	for (const char *p = grant + strlen(begin); p < end;) {
		size_t len = strcspn(p, ",");

		if (p + len > end)
			len = (size_t)(end - p);
		str_addc(out, ',');
		for (size_t i = 0; i < len; i++)
			str_addc(out, (char)toupper((unsigned char)p[i]));
		p += len;
		p += strspn(p, ", ");
	}
}

static void
read_privileges(const struct rows *rows, struct sql_facts *f)
{
	struct str s = STR_INIT;

	for (size_t i = 0; i < rows->row_count; i++) {
		const char *grant = rows_at(rows, i, 0);

		if (grant != NULL)
			add_privileges(&s, grant);
	}
	str_addc(&s, ',');
	free(f->privileges);
	f->privileges = str_take(&s);
}

static struct sql_account *
add_account(struct sql_accounts *a)
{
	a->list = mem_grow(a->list, a->count + 1, sizeof(*a->list));
	a->list[a->count] = (struct sql_account){ .sessions = 0 };
	return &a->list[a->count++];
}

static const char *
text_of(const struct rows *rows, size_t row, const char *column)
{
	const char *text = rows_text(rows, row, column);

	return text != NULL ? text : "";
}

/* "'shop'@'%'" into its two parts. */
static void
split_grantee(const char *grantee, struct sql_account *out)
{
	const char *at = strrchr(grantee, '@');
	size_t len = strlen(grantee);

	if (at == NULL || at - grantee < 2 || len < (size_t)(at - grantee) + 3)
		return;
	str_printable(out->user, sizeof(out->user), grantee + 1, (size_t)(at - grantee) - 2);
	str_printable(out->host, sizeof(out->host), at + 2, len - (size_t)(at - grantee) - 3);
}

/* The servers' own: locked, or nobody can be one of them. */
static bool
is_of_the_server(const char *user)
{
	return strncmp(user, "mysql.", strlen("mysql.")) == 0 || strcmp(user, "mariadb.sys") == 0;
}

static bool
has_account(const struct sql_accounts *a, const struct sql_account *one)
{
	for (size_t i = 0; i + 1 < a->count; i++) {
		if (strcmp(a->list[i].user, one->user) == 0 &&
		    strcmp(a->list[i].host, one->host) == 0)
			return true;
	}
	return false;
}

static void
read_accounts(const struct rows *rows, struct sql_facts *f)
{
	bool does_super_write =
	    f->view->kind == SERVER_MYSQL || sql_facts_version(f) < SUPER_WRITES_BEFORE;
	size_t others = 0;
	char me[384];

	for (size_t i = 0; i < rows->row_count; i++) {
		const char *privilege = text_of(rows, i, "privilege");
		struct sql_account *one = add_account(&f->accounts);

		split_grantee(text_of(rows, i, "grantee"), one);
		str_printable(one->privilege, sizeof(one->privilege), privilege, strlen(privilege));
		snprintf(me, sizeof(me), "%s@%s", one->user, one->host);
		others += strcmp(me, text_of(rows, i, "me")) != 0;
		if (strcmp(me, text_of(rows, i, "me")) == 0 || is_of_the_server(one->user) ||
		    (strcmp(privilege, "SUPER") == 0 && !does_super_write) ||
		    has_account(&f->accounts, one))
			f->accounts.count--;
	}
	if (others > 0)
		return;
	snprintf(f->unknown[SQL_ACCOUNTS], SQL_UNKNOWN_SIZE,
	    "our account sees no other: it has no SELECT on the schema mysql");
	f->is_denied[SQL_ACCOUNTS] = true;
}

/* "0000000012 4711 idle game": seconds, thread, and a schema or none; "" where nobody is at work */
static void
read_work(const char *text, struct sql_account *out)
{
	const size_t word_len = strlen(" busy ");
	char *end;
	uint64_t ago_s = strtoull(text, &end, 10), id = strtoull(end, &end, 10);

	if (strlen(end) < word_len)
		return;
	out->work_ago_s = ago_s;
	out->work_id = id;
	out->is_busy = strncmp(end, " busy ", word_len) == 0;
	end += word_len;
	str_printable(out->schema, sizeof(out->schema), end, strlen(end));
}

static void
read_sessions(const struct rows *rows, struct sql_facts *f)
{
	for (size_t i = 0; i < rows->row_count; i++) {
		struct sql_account *one = add_account(&f->sessions);
		const char *user = text_of(rows, i, "user"), *host = text_of(rows, i, "host");

		str_printable(one->user, sizeof(one->user), user, strlen(user));
		str_printable(one->host, sizeof(one->host), host, strlen(host));
		one->sessions = rows_u64(rows, i, "sessions", 0);
		one->session_id = rows_u64(rows, i, "id", 0);
		read_work(text_of(rows, i, "work"), one);
	}
}

static void
read_xa(const struct rows *rows, struct sql_facts *f)
{
	f->xa_open = rows->row_count;
}

static void
read_gtids(const struct rows *rows, struct sql_facts *f)
{
	free(f->executed);
	free(f->position);
	f->executed = mem_strdup(text_of(rows, 0, "executed"));
	f->position = mem_strdup(text_of(rows, 0, "position"));
}

/* --- the questions ------------------------------------------------------------------------------ */

#define SETTINGS \
	"SHOW GLOBAL VARIABLES WHERE Variable_name IN ('server_id', 'log_bin', " \
	"'log_slave_updates'," \
	" 'log_replica_updates', 'binlog_format', 'sync_binlog', " \
	"'innodb_flush_log_at_trx_commit'," \
	" 'auto_increment_increment', 'auto_increment_offset', 'gtid_mode'," \
	" 'rpl_semi_sync_master_enabled', 'rpl_semi_sync_source_enabled')"
#define ACCOUNTS \
	"SELECT GRANTEE AS grantee, PRIVILEGE_TYPE AS privilege, CURRENT_USER() AS me" \
	" FROM information_schema.USER_PRIVILEGES WHERE PRIVILEGE_TYPE IN " \
	"('SUPER', 'READ_ONLY ADMIN', 'READ ONLY ADMIN', 'CONNECTION_ADMIN')"
/*
 * The replicas' and the servers' own do not write; ours neither. work: the one that did something last, of
 * those with a schema or with a statement that writes.
 */
#define SESSIONS \
	"SELECT USER AS user, SUBSTRING_INDEX(HOST, ':', 1) AS host, COUNT(*) AS sessions," \
	" MIN(ID) AS id, MIN(CASE WHEN DB IS NOT NULL OR " SQL_STATEMENT_WRITES " THEN" \
	" CONCAT(LPAD(GREATEST(TIME, 0), 10, '0'), ' ', ID, IF(COMMAND = 'Sleep', ' idle ', ' " \
	"busy ')," \
	" COALESCE(DB, '')) END) AS work FROM information_schema.PROCESSLIST WHERE ID <> " \
	"CONNECTION_ID()" \
	" AND USER NOT IN ('system user', 'event_scheduler')" \
	" AND COMMAND NOT IN ('Binlog Dump', 'Binlog Dump GTID', 'Daemon') GROUP BY 1, 2 LIMIT " \
	"1000"

static const struct sql_question questions[] = {
	{ SQL_SETTINGS, SETTINGS, SETTINGS, read_settings },
	{ SQL_SOURCES, "SHOW ALL SLAVES STATUS", "SHOW REPLICA STATUS", read_sources },
	{ SQL_PRIVILEGES, "SHOW GRANTS", "SHOW GRANTS", read_privileges },
	{ SQL_ACCOUNTS, ACCOUNTS, ACCOUNTS, read_accounts },
	{ SQL_SESSIONS, SESSIONS, SESSIONS, read_sessions },
	{ SQL_XA, "XA RECOVER", "XA RECOVER", read_xa },
};

/* What a MariaDB was restored with is in gtid_slave_pos and not in its own binary log. */
static const struct sql_question gtids = { SQL_GTIDS,
	"SELECT CONCAT_WS(',', NULLIF(@@GLOBAL.gtid_binlog_state, ''),"
	" NULLIF(@@GLOBAL.gtid_slave_pos, '')) AS executed,"
	" @@GLOBAL.gtid_current_pos AS position",
	"SELECT @@GLOBAL.gtid_executed AS executed, @@GLOBAL.gtid_executed AS position",
	read_gtids };

const struct sql_question *
sql_question_at(size_t i)
{
	return i < MEM_COUNT(questions) ? &questions[i] : NULL;
}

const struct sql_question *
sql_question_gtids(void)
{
	return &gtids;
}
