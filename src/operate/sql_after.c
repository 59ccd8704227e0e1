/*
 * sql_after.c: what comes when the new active takes writes: the sessions that stayed behind, a write of
 * our own, and the way home.
 *
 * Sessions are ended after the agents have followed, never before: clients that are thrown out while
 * their name still leads back only come back (facts/mysql.md: 221 of 221 writes failed when killing first,
 * 0 of 300 after). They have to be ended, though: a pool's SELECT 1 passes on a demoted master, and an idle
 * transaction's row lock stalls its applier.
 *
 * The test write is one row a pair in pointsman.operation, replaced each time. It is the first transaction
 * of which both sides can be asked: that it arrives on the old active proves the way back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "feature/config.h"
#include "operate/name_look.h"
#include "operate/op_impl.h"
#include "operate/sql_pair.h"

#define TEST_WRITE "test-write" /* the fact that says why it cannot be made */
#define ACCESS_DENIED 1044      /* to a database */
#define TABLE_DENIED 1142
#define NO_SUCH_TABLE 1146
#define KILL_DENIED 1095
#define PRIVILEGE_DENIED 1227
#define LOOK_MS 1000

/* --- sessions ------------------------------------------------------------------------------------- */

/* Not clients: replication, the server itself, ourselves (facts/mysql.md, "Sessions"). */
static bool
is_client(const struct rows *rows, size_t i, const char *me)
{
	static const char *const users[] = { "system user", "event_scheduler" };
	const char *user = rows_text(rows, i, "User"), *command = rows_text(rows, i, "Command");

	if (user == NULL || command == NULL || strcmp(user, me) == 0)
		return false;
	for (size_t k = 0; k < MEM_COUNT(users); k++) {
		if (strcmp(user, users[k]) == 0)
			return false;
	}
	return strncmp(command, "Binlog Dump", 11) != 0 && strcmp(command, "Daemon") != 0 &&
	       strcmp(command, "Slave_IO") != 0 && strcmp(command, "Slave_SQL") != 0;
}

/* What was found: those that were there, the users of the first few; and those that we may not end. */
struct sessions {
	size_t count, spared;
	struct str who, spared_who;
};

static void
add_user(struct str *who, size_t n, const char *user)
{
	if (n >= 3)
		return;
	str_adds(who, who->len > 0 ? ", " : "");
	str_add_printable(who, user, strlen(user), STR_SHOW_MAX);
}

/*
 * 0, or -1 with a lost connection. A MySQL does not let an account without SYSTEM_USER end one that has
 * it: such are no application's, and trying for longer would not help.
 */
static int
end_session(struct op *op, const char *id, const char *user, struct sessions *found, struct err *e)
{
	struct sql_server *from = sql_pair_of(op)->from;
	char sql[64];

	snprintf(sql, sizeof(sql), "KILL CONNECTION %s", id);
	if (sql_server_ask(from, sql, sql_pair_ask_ms(op), NULL, e) != 0) {
		if (!sql_server_is_open(from))
			return -1;
		if (sql_server_number(from) == KILL_DENIED ||
		    sql_server_number(from) == PRIVILEGE_DENIED) {
			add_user(&found->spared_who, found->spared++, user);
			return 0;
		}
	}
	add_user(&found->who, found->count++, user);
	return 0;
}

static int
end_sessions(struct op *op, struct sessions *found, struct err *e)
{
	struct sql_server *from = sql_pair_of(op)->from;
	struct rows rows = { .column_count = 0 };
	char me[128];
	int rc = sql_server_value(
	    from, "SELECT SUBSTRING_INDEX(USER(), '@', 1)", sql_pair_ask_ms(op), me, sizeof(me), e);

	if (rc == 0)
		rc = sql_server_ask(from, "SHOW PROCESSLIST", sql_pair_ask_ms(op), &rows, e);
	for (size_t i = 0; rc == 0 && i < rows.row_count; i++) {
		const char *id = rows_text(&rows, i, "Id"), *user = rows_text(&rows, i, "User");

		if (id != NULL && is_client(&rows, i, me))
			rc = end_session(op, id, user, found, e);
	}
	rows_clear(&rows);
	return rc;
}

static void
sessions_clear(struct sessions *s)
{
	str_clear(&s->who);
	str_clear(&s->spared_who);
}

static void
note_felt(struct op *op)
{
	if (op->blocked_us != 0)
		op->journal->felt_ms = (double)(clock_mono_us() - op->blocked_us) / 1e3;
}

int
sql_sessions(struct op *op, struct err *e)
{
	struct sessions found = { .who = STR_INIT, .spared_who = STR_INIT };
	int rc;

	if (!sql_server_is_open(sql_pair_of(op)->from) &&
	    sql_pair_again(op, sql_pair_of(op)->from, e) != 0)
		return -1;
	rc = end_sessions(op, &found, e);
	if (rc == 0 && found.spared > 0)
		op_note(op, "%zu ended, %zu not ours to end: %s", found.count, found.spared,
		    str_text(&found.spared_who));
	else if (rc == 0)
		op_note(op, "%zu ended", found.count);
	sessions_clear(&found);
	if (rc == 0)
		note_felt(op);
	return rc;
}

/* Pools that come back, to the address that they kept, are ended again. */
int
sql_sessions_verify(struct op *op, struct err *e)
{
	struct sessions found = { .who = STR_INIT, .spared_who = STR_INIT };
	int rc = end_sessions(op, &found, e);

	if (rc == 0 && found.count > 0)
		err_set(e, ERR_TIMEOUT, "%zu session%s of %s on %s", found.count,
		    found.count == 1 ? "" : "s", str_text(&found.who), op->journal->from);
	sessions_clear(&found);
	return rc != 0 ? -1 : found.count == 0;
}

/* --- the test write ------------------------------------------------------------------------------- */

static const char *const making[] = {
	"CREATE DATABASE IF NOT EXISTS pointsman",
	"CREATE TABLE IF NOT EXISTS pointsman.operation (pair VARCHAR(253) NOT NULL PRIMARY KEY,"
	" op CHAR(10) NOT NULL, server VARCHAR(253) NOT NULL, at TIMESTAMP(3) NOT NULL"
	" DEFAULT CURRENT_TIMESTAMP(3)) ENGINE=InnoDB",
};

int
sql_make_table(struct op *op, struct sql_server *s, struct err *e)
{
	char there[8];

	if (sql_server_value(s,
		"SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'pointsman'"
		" AND TABLE_NAME = 'operation'",
		SQL_ASK_MS, there, sizeof(there), e) != 0)
		return -1;
	if (strcmp(there, "1") == 0)
		return 0;
	for (size_t i = 0; i < MEM_COUNT(making); i++) {
		if (sql_server_ask(s, making[i], SQL_ASK_MS, NULL, e) == 0)
			continue;
		if (!sql_server_is_open(s))
			return -1;
		journal_note(op->journal, TEST_WRITE, e->text);
		return 0;
	}
	return 0;
}

/* Made before anything is fenced, while from takes writes. */
int
sql_presync(struct op *op, struct err *e)
{
	return sql_make_table(op, sql_pair_of(op)->from, e);
}

/* What the account may not do is no fault of the operation. */
static int
not_tested(struct op *op, const char *why)
{
	op_note(op, "not tested: %.200s", why);
	return 0;
}

static int
write_row(struct op *op, struct sql_server *s, struct err *e)
{
	char sql[1024];

	snprintf(sql, sizeof(sql),
	    "REPLACE INTO pointsman.operation (pair, op, server) VALUES ('%s', '%s', '%s')",
	    op->pair->name, op->journal->id, sql_server_node(s));
	if (sql_server_ask(s, sql, sql_pair_ask_ms(op), NULL, e) == 0)
		return 0;
	if (sql_server_number(s) == ACCESS_DENIED || sql_server_number(s) == TABLE_DENIED ||
	    sql_server_number(s) == NO_SUCH_TABLE)
		return not_tested(op, e->text);
	return -1;
}

int
sql_test_write(struct op *op, struct err *e)
{
	struct sql_server *to = sql_pair_of(op)->to;

	if (op_fact(op, TEST_WRITE)[0] != '\0')
		return not_tested(op, op_fact(op, TEST_WRITE));
	if (sql_pair_again(op, to, e) != 0)
		return -1;
	if (name_look(op->client, op->journal->name, sql_server_at(to), LOOK_MS, e) == 0)
		return err_wrap(e, "%s", op->journal->name);
	return write_row(op, to, e);
}

int
sql_rehearse_write(struct op *op, struct err *e)
{
	if (op_fact(op, TEST_WRITE)[0] != '\0')
		return not_tested(op, op_fact(op, TEST_WRITE));
	return write_row(op, sql_pair_of(op)->from, e);
}

/* --- the way home --------------------------------------------------------------------------------- */

/*
 * Whoever may write past read_only has done so: nobody knows in what order the two servers' rows belong.
 * An emergency has no such fact.
 */
static int
has_stood_still(struct op *op, struct err *e)
{
	struct sql_server *from = sql_pair_of(op)->from;
	const char *fact = op_fact(op, SQL_WRITTEN);
	const char *fenced = fact[0] != '\0' ? fact : op_fact(op, SQL_POSITION);
	double more;
	char *now;

	if (fenced[0] == '\0')
		return 1;
	if (sql_server_written(from, sql_pair_ask_ms(op), &now, e) != 0)
		return -1;
	more = gtid_behind(sql_server_dialect(from), now, fenced);
	if (more > 0)
		err_set(e, ERR_CONFLICT,
		    "%s has written %.0f transaction%s behind the fence, up to %.60s: an account "
		    "that read_only does not stop is at work there",
		    op->journal->from, more, more == 1 ? "" : "s", now);
	free(now);
	return more > 0 ? -1 : 1;
}

/* from executes what to writes, and has written nothing of its own behind the fence. */
int
sql_follows_verify(struct op *op, struct err *e)
{
	struct sql_pair *p = sql_pair_of(op);
	int rc;

	if (sql_pair_again(op, p->from, e) != 0 || sql_pair_again(op, p->to, e) != 0)
		return -1;
	if ((rc = has_stood_still(op, e)) <= 0)
		return rc;
	/* Once: to goes on writing, and is always a moment ahead. */
	if (p->written == NULL &&
	    sql_server_position(p->to, sql_pair_ask_ms(op), &p->written, e) != 0)
		return -1;
	return sql_server_has(p->from, p->written, sql_pair_ask_ms(op), e);
}
