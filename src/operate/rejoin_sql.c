/*
 * rejoin_sql.c: the old master comes back. {from} is the one that comes back here, {to} the active one.
 *
 * It is let back only when everything that it has executed is on the active one, too. What is not there is
 * errant: transactions that somebody was told are saved, which replication would carry over the new rows
 * without an error (facts/mysql.md: 3 of 14), or stop at. Those are listed, copied from its binary log into
 * files, and the old one is held, read-only and deaf, for a person to decide.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "feature/config.h"
#include "io/loop.h"
#include "model/errant.h"
#include "operate/client.h"
#include "operate/errant.h"
#include "operate/op_impl.h"
#include "operate/op_steps.h"
#include "operate/op_tables.h"
#include "operate/sql_pair.h"
#include "operate/sql_replication.h"

#define STEP_LIMIT_MS 300000 /* a night of the active one's transactions to catch up with */
#define START_MS 10000       /* a busy MySQL took more than the 2 s of a question (measured) */
#define SHOWN_MAX 20
#define COMPARED \
	"compared" /* MariaDB's position of the one that comes back, known to the active one */

static int
active_verify(struct op *op, struct err *e)
{
	int rc = sql_lift_check(op, e);

	return rc == 0 ? op_nobody_active(op, e) : rc;
}

/* --- alone, and quiet ----------------------------------------------------------------------------- */

static int
deaf_check(struct op *op, struct err *e)
{
	return sql_server_is_stopped(sql_pair_of(op)->from, sql_pair_ask_ms(op), e);
}

static int
deaf(struct op *op, struct err *e)
{
	return sql_server_stop_replication(sql_pair_of(op)->from, op_left_ms(op), e);
}

/* --- errant transactions -------------------------------------------------------------------------- */

/* All that it has, of whatever origin; malloc'ed. */
static int
read_executed(struct op *op, struct sql_server *s, char **out, struct err *e)
{
	struct rows rows = { .column_count = 0 };
	const char *text;
	int rc = sql_server_ask(s,
	    sql_server_is_mariadb(s)
		? "SELECT CONCAT_WS(',', NULLIF(@@GLOBAL.gtid_binlog_state, ''),"
		  " NULLIF(@@GLOBAL.gtid_slave_pos, ''))"
		: "SELECT @@GLOBAL.gtid_executed",
	    sql_pair_ask_ms(op), &rows, e);

	if (rc == 0) {
		text = rows.row_count > 0 ? rows_at(&rows, 0, 0) : NULL;
		*out = mem_strdup(text != NULL ? text : "");
	}
	rows_clear(&rows);
	return rc;
}

/* The old one is read first: what it got from the active one in between does not count against it. */
static int
find_errant(struct op *op, struct gtid_set *out, struct err *e)
{
	struct sql_pair *p = sql_pair_of(op);
	char *old = NULL, *active = NULL, id[32];
	uint64_t server_id = 0;
	int rc = -1;

	if (sql_server_value(p->from, "SELECT @@GLOBAL.server_id", sql_pair_ask_ms(op), id,
		sizeof(id), e) == 0 &&
	    read_executed(op, p->from, &old, e) == 0 && read_executed(op, p->to, &active, e) == 0) {
		str_parse_u64(id, &server_id);
		rc = errant_find(sql_server_dialect(p->from), old, server_id, active, out, e);
	}
	free(old);
	free(active);
	return rc;
}

static void
say_errant(const struct op *op, const struct errant_saved *saved)
{
	const struct errant_list *l = &saved->list;

	for (size_t i = 0; i < l->count && i < SHOWN_MAX; i++)
		op_say(op, "errant %s  %s", l->items[i].gtid, l->items[i].what);
	if (l->total > SHOWN_MAX)
		op_say(op, "... and %llu more", (unsigned long long)(l->total - SHOWN_MAX));
	if (saved->text != NULL)
		op_say(op, "to read: %s", saved->text);
	if (saved->file != NULL)
		op_say(op, "to replay: %s", saved->file);
}

static int
save_errant(struct op *op, const struct gtid_set *errant, struct err *e)
{
	struct sql_pair *p = sql_pair_of(op);
	const struct config *c = op->client->config;
	char *dir = mem_printf("%s/errant", c->agent.state_dir);
	char *name = mem_printf("%s-%s-%s", op->pair->name, op->journal->from, op->journal->id);
	const struct errant_ask ask = { .address = *sql_server_at(p->from),
		.node = op->journal->from,
		.credentials = op->pair->credentials,
		.dialect = sql_server_dialect(p->from),
		.wanted = errant,
		.dir = dir,
		.name = name };
	struct errant_saved saved = { .file = NULL };
	struct str set = STR_INIT;
	struct err own;

	gtid_format(ask.dialect, errant, &set);
	journal_note(op->journal, "errant", str_text(&set));
	if (errant_save(op->client->loop, &ask, &saved, &own) != 0)
		err_set(e, ERR_CONFLICT,
		    "%s has transactions that %s lacks (%.80s), not saved: %.100s",
		    op->journal->from, op->journal->to, str_text(&set), own.text);
	else
		err_set(e, ERR_CONFLICT, "%s has %llu transaction%s that %s lacks, saved in %.120s",
		    op->journal->from, (unsigned long long)saved.list.total,
		    saved.list.total == 1 ? "" : "s", op->journal->to, saved.file);
	if (saved.file != NULL)
		journal_note(op->journal, "errant-file", saved.file);
	say_errant(op, &saved);
	errant_saved_clear(&saved);
	str_clear(&set);
	free(dir);
	free(name);
	return -1;
}

/*
 * What it has, for the steps behind the comparison: as far as it is known to be on the active one; and that
 * nobody has written there since, who read_only does not stop.
 */
static int
note_compared(struct op *op, struct err *e)
{
	struct sql_server *from = sql_pair_of(op)->from;
	char *position, *written;

	if (sql_server_written(from, sql_pair_ask_ms(op), &written, e) != 0)
		return -1;
	journal_note(op->journal, SQL_WRITTEN, written);
	free(written);
	if (!sql_server_is_mariadb(from))
		return 0;
	if (sql_server_position(from, sql_pair_ask_ms(op), &position, e) != 0)
		return -1;
	journal_note(op->journal, COMPARED, position);
	free(position);
	return 0;
}

static int
compare(struct op *op, struct err *e)
{
	struct gtid_set errant = { .count = 0 };
	int rc;

	if (note_compared(op, e) != 0 || find_errant(op, &errant, e) != 0)
		return -1;
	rc = errant.count == 0 ? 0 : save_errant(op, &errant, e);
	gtid_clear(&errant);
	return rc;
}

/* --- together again ------------------------------------------------------------------------------- */

/* No writer waits for a start: it may take a busy MySQL some seconds, as a stop does. */
static int
start(struct op *op, struct sql_server *s, struct err *e)
{
	int64_t left_ms = op_left_ms(op);

	return sql_server_start_replication(s, left_ms < START_MS ? left_ms : START_MS, e);
}

static int
follow(struct op *op, struct err *e)
{
	return start(op, sql_pair_of(op)->from, e);
}

/* As verify: a transaction that cannot be executed is not waited for. */
static int
replicates_verify(struct op *op, struct sql_server *s, struct err *e)
{
	int rc = sql_server_replicates(s, sql_pair_ask_ms(op), e);

	return rc == 0 && e->code == ERR_CONFLICT ? -1 : rc;
}

static int
follow_verify(struct op *op, struct err *e)
{
	int rc = replicates_verify(op, sql_pair_of(op)->from, e);

	return rc == 1 ? sql_follows_verify(op, e) : rc;
}

static int
follow_undo(struct op *op, struct err *e)
{
	if (sql_pair_again(op, sql_pair_of(op)->from, e) != 0)
		return -1;
	return sql_server_stop_replication(sql_pair_of(op)->from, op_left_ms(op), e);
}

static int
back_check(struct op *op, struct err *e)
{
	return sql_server_replicates(sql_pair_of(op)->to, sql_pair_ask_ms(op), e);
}

/* Errant transactions that a person has replayed there must not come once more: they would stop it (1062). */
static int
back(struct op *op, struct err *e)
{
	struct sql_server *to = sql_pair_of(op)->to;

	if (sql_server_is_stopped(to, sql_pair_ask_ms(op), e) == 1 &&
	    sql_server_pass(to, op_fact(op, COMPARED), sql_pair_ask_ms(op), e) != 0)
		return -1;
	return start(op, to, e);
}

/* Threads that run at first may stop at the first transaction. */
static int
back_verify(struct op *op, struct err *e)
{
	struct sql_pair *p = sql_pair_of(op);
	char *wanted;
	int rc = replicates_verify(op, p->to, e);

	if (rc <= 0 || sql_server_position(p->from, sql_pair_ask_ms(op), &wanted, e) != 0)
		return rc > 0 ? -1 : rc;
	rc = sql_server_has(p->to, wanted, sql_pair_ask_ms(op), e);
	free(wanted);
	return rc;
}

static int
back_undo(struct op *op, struct err *e)
{
	if (sql_pair_again(op, sql_pair_of(op)->to, e) != 0)
		return -1;
	return sql_server_stop_replication(sql_pair_of(op)->to, op_left_ms(op), e);
}

/* --- semi-sync, where the emergency turned it off ------------------------------------------------- */

static bool
had_semi_sync(const struct op *op)
{
	return op_fact(op, "semi-sync")[0] != '\0';
}

static int
waits_check(struct op *op, struct err *e)
{
	return sql_server_waits_for_replica(sql_pair_of(op)->to, sql_pair_ask_ms(op), e);
}

static int
waits(struct op *op, struct err *e)
{
	return sql_server_set_semi_sync(sql_pair_of(op)->to, true, sql_pair_ask_ms(op), e);
}

/* clang-format off */
static const struct step steps[] = {
	OP_STEP_ACTIVE(active_verify),
	OP_STEP_BEGIN_HOOKS,
	{ .name = "fence", .title = "{from} read-only",
	    .why = "two that take writes are two truths; it stays so whatever comes",
	    .expect_ms = 3, .limit_ms = 5000, .check = sql_fence_check, .act = sql_fence,
	    .verify = sql_fence_verify },
	{ .name = "sessions", .title = "end the sessions on {from}",
	    .why = "clients that found it again belong to {to}", .expect_ms = 40,
	    .limit_ms = 5000, .act = sql_sessions, .verify = sql_sessions_verify },
	{ .name = "deaf", .title = "{from} does not replicate yet",
	    .why = "what it lacks and what it alone has are told apart first",
	    .expect_ms = 20, .limit_ms = 30000, .check = deaf_check, .act = deaf,
	    .verify = deaf_check },
	{ .name = "compare", .title = "{from} has nothing that {to} lacks",
	    .why = "its errant transactions would overwrite newer rows without a word",
	    .expect_ms = 10, .limit_ms = STEP_LIMIT_MS, .act = compare },
	{ .name = "follow", .title = "{from} follows {to}, and catches up",
	    .why = "a standby has what the active one has",
	    .undo_text = "{from} stops again", .expect_ms = 500, .limit_ms = STEP_LIMIT_MS,
	    .act = follow, .verify = follow_verify, .undo = follow_undo },
	{ .name = "back", .title = "{to} follows {from}",
	    .why = "the way back is open again", .undo_text = "{to} stops again",
	    .expect_ms = 100, .limit_ms = 30000, .check = back_check, .act = back,
	    .verify = back_verify, .undo = back_undo },
	{ .name = "semi-sync", .title = "{to} waits for {from} again",
	    .why = "as before the emergency", .expect_ms = 2, .limit_ms = 5000,
	    .applies = had_semi_sync, .check = waits_check, .act = waits,
	    .verify = waits_check },
	OP_STEP_DONE_HOOKS,
	{ .name = NULL },
};
/* clang-format on */

const struct op_table op_rejoin_sql = {
	.kind = "rejoin",
	.pair_kind = "mysql",
	.what = "rejoin of {from} to {to}",
	.steps = steps,
	.open = sql_pair_open,
	.close = sql_pair_close,
};
