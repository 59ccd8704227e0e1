/*
 * preflight_accounts.c: who could write in spite of the fence, and whether we may do what a failover
 * does.
 *
 * The fence of a MariaDB is read_only alone, and who has READ ONLY ADMIN passes it; a MySQL is fenced by
 * super_read_only, which holds everybody. So a session of such an account refuses on MariaDB and warns
 * on MySQL. Administrators on the machine itself (root@localhost) are people who know what they do, and do
 * not refuse: but one with a schema of its own, or at a statement that writes, may be in the middle of
 * something, and is named.
 */
#include <inttypes.h>
#include <string.h>

#include "base/str.h"
#include "model/preflight_rules.h"

#define LISTED_MAX 5

static bool
is_local(const char *host)
{
	static const char *const local[] = { "localhost", "127.0.0.1", "::1" };

	for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++) {
		if (strcmp(host, local[i]) == 0)
			return true;
	}
	return false;
}

static bool
is_administrator(const struct sql_account *a)
{
	return strcmp(a->user, "root") == 0 || is_local(a->host);
}

/* --- accounts ----------------------------------------------------------------------------------- */

static void
judge_accounts(const struct preflight_server *s, struct preflight *out)
{
	struct str list = STR_INIT;
	size_t count = 0;

	if (!preflight_knows(s, SQL_ACCOUNTS, out))
		return;
	for (size_t i = 0; i < s->sql->accounts.count; i++) {
		const struct sql_account *a = &s->sql->accounts.list[i];

		if (is_administrator(a))
			continue;
		if (count++ < LISTED_MAX)
			str_addf(&list, "%s%s@%s (%s)", count > 1 ? ", " : "", a->user, a->host,
			    a->privilege);
	}
	if (count > 0) {
		preflight_say(out, PREFLIGHT_WARNING, "%s: may write under read_only: %s%s",
		    s->node, str_text(&list), count > LISTED_MAX ? ", …" : "");
		preflight_why(out, "what they write on the standby, or past the fence, diverges");
		preflight_do(out, "REVOKE it from every account of an application");
	}
	str_clear(&list);
}

void
preflight_rule_accounts(const struct preflight_facts *f, struct preflight *out)
{
	judge_accounts(&f->servers[0], out);
	judge_accounts(&f->servers[1], out);
	if (!preflight_has_said(out))
		preflight_say(out, PREFLIGHT_OK, "only administrators may write under read_only");
}

/* --- sessions ----------------------------------------------------------------------------------- */

/* The account that lets this session write; NULL: none. Its host is a pattern, so the user decides. */
static const struct sql_account *
account_of(const struct sql_facts *f, const struct sql_account *session)
{
	for (size_t i = 0; i < f->accounts.count; i++) {
		if (strcmp(f->accounts.list[i].user, session->user) == 0)
			return &f->accounts.list[i];
	}
	return NULL;
}

/* On MariaDB: whoever has just done something there may go on behind the fence. */
static void
judge_local(const struct preflight_server *s, const struct sql_account *one,
    const struct sql_account *by, struct preflight *out)
{
	char ago[16];

	str_duration(ago, sizeof(ago), (int64_t)one->work_ago_s * 1000);
	preflight_say(out, PREFLIGHT_WARNING,
	    "%s: %s@%s is at work there with %s%s%s, %s for %s (thread %" PRIu64 ")", s->node,
	    one->user, one->host, by->privilege, one->schema[0] != '\0' ? ", in schema " : "",
	    one->schema, one->is_busy ? "at one statement" : "idle", ago, one->work_id);
	preflight_why(out,
	    "read_only does not stop it: what it writes behind the fence takes the failover back, "
	    "or makes the servers differ");
	preflight_do(out, "see whose it is, and end it before: KILL %" PRIu64 " on %s",
	    one->work_id, s->node);
}

static void
judge_sessions(const struct preflight_server *s, struct preflight *out)
{
	bool is_fenced = s->sql->view->kind == SERVER_MYSQL;

	for (size_t i = 0; i < s->sql->sessions.count; i++) {
		const struct sql_account *one = &s->sql->sessions.list[i];
		const struct sql_account *by = account_of(s->sql, one);

		if (by == NULL)
			continue;
		if (is_local(one->host)) {
			if (!is_fenced && one->work_id != 0)
				judge_local(s, one, by, out);
			continue;
		}
		preflight_say(out, is_fenced ? PREFLIGHT_WARNING : PREFLIGHT_REFUSED,
		    "%s: %s is there from %s with %s: %" PRIu64 " session%s (thread %" PRIu64 ")",
		    s->node, one->user, one->host, by->privilege, one->sessions,
		    one->sessions == 1 ? "" : "s", one->session_id);
		preflight_why(out, "%s",
		    is_fenced
			? "read_only does not stop it, only super_read_only does"
			: "read_only does not stop it: it would write on both sides of the switch");
		preflight_do(out, "end it, and REVOKE %s from %s", by->privilege, one->user);
	}
}

void
preflight_rule_sessions(const struct preflight_facts *f, struct preflight *out)
{
	for (size_t i = 0; i < 2; i++) {
		const struct preflight_server *s = &f->servers[i];

		if (preflight_knows(s, SQL_ACCOUNTS, out) && preflight_knows(s, SQL_SESSIONS, out))
			judge_sessions(s, out);
	}
	if (!preflight_has_said(out))
		preflight_say(out, PREFLIGHT_OK, "nobody is at work who may write under read_only");
}

/* --- ours --------------------------------------------------------------------------------------- */

/* facts: measured on MariaDB 10.11 and MySQL 9.7. SHOW GRANTS has SLAVE MONITOR for REPLICA MONITOR. */
static const struct need {
	enum server_kind kind;
	const char *privilege, *grant; /* grant: as one types it */
	const char *what;
	bool is_for_semi_sync;
} needs[] = {
	{ SERVER_MARIADB, "SLAVE MONITOR", "REPLICA MONITOR", "read the state of replication",
	    false },
	{ SERVER_MARIADB, "BINLOG MONITOR", "BINLOG MONITOR", "read positions", false },
	{ SERVER_MARIADB, "READ_ONLY ADMIN", "READ_ONLY ADMIN", "fence and lift", false },
	{ SERVER_MARIADB, "PROCESS", "PROCESS", "see sessions", false },
	{ SERVER_MARIADB, "CONNECTION ADMIN", "CONNECTION ADMIN", "end sessions", false },
	{ SERVER_MARIADB, "REPLICATION SLAVE ADMIN", "REPLICATION SLAVE ADMIN",
	    "stop and start replication", false },
	{ SERVER_MARIADB, "BINLOG ADMIN", "BINLOG ADMIN", "write without the binary log", false },
	{ SERVER_MARIADB, "REPLICATION MASTER ADMIN", "REPLICATION MASTER ADMIN",
	    "switch semi-sync off in an emergency", true },
	{ SERVER_MYSQL, "REPLICATION CLIENT", "REPLICATION CLIENT", "read the state of replication",
	    false },
	{ SERVER_MYSQL, "PROCESS", "PROCESS", "see sessions", false },
	{ SERVER_MYSQL, "SYSTEM_VARIABLES_ADMIN", "SYSTEM_VARIABLES_ADMIN", "fence and lift",
	    false },
	{ SERVER_MYSQL, "CONNECTION_ADMIN", "CONNECTION_ADMIN", "end sessions", false },
	{ SERVER_MYSQL, "REPLICATION_SLAVE_ADMIN", "REPLICATION_SLAVE_ADMIN",
	    "stop and start replication", false },
};

static void
judge_privileges(const struct preflight_server *s, struct preflight *out)
{
	struct str lacks = STR_INIT, what = STR_INIT;

	if (!preflight_knows(s, SQL_PRIVILEGES, out))
		return;
	for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++) {
		const struct need *n = &needs[i];

		if (n->kind != s->sql->view->kind || sql_facts_may(s->sql, n->privilege) ||
		    (n->is_for_semi_sync && !s->sql->is_semi_sync_asked))
			continue;
		str_addf(&lacks, "%s%s", lacks.len > 0 ? ", " : "", n->grant);
		str_addf(&what, "%s%s", what.len > 0 ? ", " : "", n->what);
	}
	if (lacks.len > 0) {
		preflight_say(
		    out, PREFLIGHT_REFUSED, "%s: our account lacks %s", s->node, str_text(&lacks));
		preflight_why(out, "a failover has to %s", str_text(&what));
		preflight_do(
		    out, "on %s: GRANT %s ON *.* TO our account", s->node, str_text(&lacks));
	}
	str_clear(&lacks);
	str_clear(&what);
}

void
preflight_rule_privileges(const struct preflight_facts *f, struct preflight *out)
{
	judge_privileges(&f->servers[0], out);
	judge_privileges(&f->servers[1], out);
	if (!preflight_has_said(out))
		preflight_say(out, PREFLIGHT_OK, "our account may do all that a failover does");
}
