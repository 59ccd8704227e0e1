/*
 * rejoin_redis.c: {from}, the old master, is back, and becomes the replica of {to}, the active one: the
 * table.
 *
 *   it takes no writes    first of all, whatever it is: a replica of nobody, with all that it has
 *   nothing would be lost by what both say of their histories (model/redis_history.h)
 *   replica of {to}       and linked, with all that {to} has
 *
 * One that has more, or of which nobody can tell, is held: it stays as it is, takes no writes, and has just
 * saved all that it has to its dump. Its last writes, where it can still send them, are listed and lie in a
 * file of ours. REPLICAOF would make it forget them, so a person has to type it.
 * There is no undo: that an old master takes no writes is right, whatever comes next.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "feature/config.h"
#include "operate/client.h"
#include "operate/op_impl.h"
#include "operate/op_steps.h"
#include "operate/op_tables.h"
#include "operate/redis_pair.h"
#include "operate/redis_tail.h"

#define TAIL_SHOWN 20
#define PAUSE_MS "5000"
#define PAUSED_MS 4000 /* its writers surely still wait */
#define TAIL_END \
	"tail-end"      /* how far the old master was when it was fenced, its last writes read */
#define ERRANT "errant" /* how many they are: "0", "12" */
#define ERRANT_FILE "errant-file"

static int
compare(
    struct op *op, enum redis_history *out, int64_t *bytes, struct redis_info *from, struct err *e)
{
	struct redis_pair *p = redis_pair_of(op);
	struct redis_info to;

	if (redis_server_look(p->from, redis_pair_ask_ms(op), from, e) != 0 ||
	    redis_server_look(p->to, redis_pair_ask_ms(op), &to, e) != 0)
		return -1;
	if (!redis_info_is_master(&to))
		return err_set(
		    e, ERR_CONFLICT, "%s, which the name leads to, is no master", op->journal->to);
	/* It has begun to copy: what it had before is gone, or was nothing to lose. */
	*out = redis_info_follows(from, redis_server_at(p->to))
		   ? REDIS_HISTORY_CLEAN
		   : redis_history_compare(from, &to, bytes);
	return 0;
}

/* --- it takes no writes --------------------------------------------------------------------------- */

struct shown {
	struct op *op;
	size_t count;
};

static void
say_write(const char *line, void *arg)
{
	struct shown *shown = arg;

	if (shown->count++ < TAIL_SHOWN)
		op_say(shown->op, "only on %s: %s", shown->op->journal->from, line);
}

/* The stream names its database once, maybe long before these. */
static bool
names_database(const struct str *tail)
{
	static const char select[] = "*2\r\n$6\r\nSELECT";

	return tail->len > sizeof(select) &&
	       strncasecmp(tail->data, select, sizeof(select) - 1) == 0;
}

static int
keep_tail(struct op *op, const struct str *tail, struct err *e)
{
	char *dir = mem_printf("%s/errant", op->client->config->agent.state_dir);
	char *path = mem_printf(
	    "%s/%s-%s-%s.resp", dir, op->journal->pair, op->journal->from, op->journal->id);
	int rc = 0;

	mkdir(op->client->config->agent.state_dir, 0700); /* where no agent runs */
	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		rc = err_errno(e, "cannot make %s", dir);
	if (rc == 0 && (rc = file_replace(path, str_text(tail), tail->len, 0600, e)) == 0) {
		journal_note(op->journal, ERRANT_FILE, path);
		op_say(op, "to replay: redis-cli -h %s --pipe <%s%s", op->journal->to, path,
		    names_database(tail) ? "" : "    (into database 0; are they of another: -n N)");
	}
	free(path);
	free(dir);
	return rc;
}

/* Whatever does not work out here, it is held for it. */
static int
read_tail(struct op *op, const struct redis_info *from, int64_t bytes, struct err *e)
{
	struct shown shown = { op, 0 };
	struct str tail = STR_INIT;
	char number[24];
	int64_t count = 0;
	int rc =
	    redis_tail_read(redis_pair_of(op)->from, from, bytes, redis_pair_ask_ms(op), &tail, e);

	if (rc == 0 && (count = redis_tail_writes(&tail, say_write, &shown)) < 0)
		rc = err_set(e, ERR_PROTOCOL, "its last writes cannot be read");
	if (rc == 0 && count > TAIL_SHOWN)
		op_say(op, "... and %" PRId64 " more", count - TAIL_SHOWN);
	if (rc == 0 && count > 0)
		rc = keep_tail(op, &tail, e);
	if (rc == 0) {
		snprintf(number, sizeof(number), "%" PRId64, count);
		journal_note(op->journal, ERRANT, number);
	}
	str_clear(&tail);
	return rc;
}

/*
 * A replica of nobody does not send them any more, so they are read before it is one. How far they were read;
 * -1: they were not.
 */
static int64_t
save_tail(struct op *op)
{
	enum redis_history history;
	struct redis_info from;
	int64_t bytes;
	struct err e;

	if (compare(op, &history, &bytes, &from, &e) != 0 || history != REDIS_HISTORY_AHEAD)
		return -1;
	if (read_tail(op, &from, bytes, &e) == 0)
		return redis_info_offset(&from);
	op_say(
	    op, "%s has writes of its own, and cannot tell which: %s", op->journal->from, e.text);
	return -1;
}

/*
 * While its writers wait there is nothing between the reading and the fence but pings, of which we as a
 * replica cause some ourselves. Where they could not be made to wait there must be nothing at all.
 */
static int
note_end(struct op *op, int64_t read_to, bool did_wait, struct err *e)
{
	struct redis_info from;
	char number[24];

	if (redis_server_look(redis_pair_of(op)->from, redis_pair_ask_ms(op), &from, e) != 0)
		return -1;
	if (!did_wait && redis_info_offset(&from) != read_to)
		return 0;
	snprintf(number, sizeof(number), "%" PRId64, redis_info_offset(&from));
	journal_note(op->journal, TAIL_END, number);
	return 0;
}

/* Also at its next start, if it can write that down. */
static int
fence(struct op *op, struct err *e)
{
	static const char *const pause[] = { "CLIENT", "PAUSE", PAUSE_MS, "WRITE", NULL };
	static const char *const rewrite[] = { "CONFIG", "REWRITE", NULL };
	struct redis_server *from = redis_pair_of(op)->from;
	int64_t began_ms = clock_mono_ms(), read_to;
	struct err own;
	bool did_wait = redis_server_ask(from, redis_pair_ask_ms(op), pause, &own) == 0;

	read_to = save_tail(op);
	if (redis_keep_out(op, from, e) != 0)
		return -1;
	did_wait = did_wait && clock_mono_ms() - began_ms < PAUSED_MS;
	if (read_to >= 0 && note_end(op, read_to, did_wait, e) != 0)
		return -1;
	if (redis_release(op, from, e) != 0)
		return -1;
	if (redis_server_ask(from, redis_pair_ask_ms(op), rewrite, &own) != 0)
		op_note(op, "not at its next start: %.150s", own.text);
	return 0;
}

/* --- nothing would be lost ------------------------------------------------------------------------ */

/* All of them were read, and what it had then it has now. */
static bool
is_tail_known(const struct op *op, const struct redis_info *from)
{
	char now[24];

	snprintf(now, sizeof(now), "%" PRId64, redis_info_offset(from));
	return strcmp(op_fact(op, TAIL_END), now) == 0;
}

static bool
is_clean(const struct op *op, enum redis_history history, const struct redis_info *from)
{
	return history == REDIS_HISTORY_CLEAN ||
	       (history == REDIS_HISTORY_AHEAD && is_tail_known(op, from) &&
		   strcmp(op_fact(op, ERRANT), "0") == 0);
}

/* One that is under way already is not good enough: it may have begun before the last write. */
static int
save(struct op *op, struct err *e)
{
	static const char *const bgsave[] = { "BGSAVE", NULL };
	enum redis_history history;
	struct redis_info from;
	int64_t bytes;

	if (compare(op, &history, &bytes, &from, e) != 0)
		return -1;
	if (is_clean(op, history, &from))
		return 0;
	if (from.is_saving == 1)
		return err_set(e, ERR_UNAVAILABLE,
		    "%s may have more than %s, and a BGSAVE of its own is under way",
		    op->journal->from, op->journal->to);
	if (redis_server_ask(redis_pair_of(op)->from, redis_pair_ask_ms(op), bgsave, e) != 0)
		return err_wrap(e, "%s may have more than %s, and cannot save it",
		    op->journal->from, op->journal->to);
	return 0;
}

/* "/var/lib/redis/dump.rdb"; "its dump" when nobody tells. */
static void
find_dump(struct op *op, char *out, size_t size)
{
	struct redis_server *from = redis_pair_of(op)->from;
	char dir[128], file[64], path[sizeof(dir) + sizeof(file)];
	struct err ignored;

	snprintf(out, size, "its dump");
	if (redis_server_setting(from, "dir", redis_pair_ask_ms(op), dir, sizeof(dir), &ignored) !=
		0 ||
	    redis_server_setting(
		from, "dbfilename", redis_pair_ask_ms(op), file, sizeof(file), &ignored) != 0 ||
	    dir[0] == '\0')
		return;
	snprintf(path, sizeof(path), "%s/%s", dir, file);
	str_copy_printable(out, size, path);
}

static int
say_held(struct op *op, enum redis_history history, int64_t bytes, const struct redis_info *from,
    struct err *e)
{
	const struct journal *j = op->journal;
	char dump[200];

	find_dump(op, dump, sizeof(dump));
	if (strcmp(from->bgsave_status, "ok") != 0)
		return err_set(e, ERR_CONFLICT, "%s may have more than %s, and its BGSAVE failed",
		    j->from, j->to);
	if (history == REDIS_HISTORY_AHEAD && is_tail_known(op, from))
		return err_set(e, ERR_CONFLICT,
		    "%s is held: it has %s writes that %s lacks, saved in %.140s", j->from,
		    op_fact(op, ERRANT), j->to, op_fact(op, ERRANT_FILE));
	if (history == REDIS_HISTORY_AHEAD)
		return err_set(e, ERR_CONFLICT,
		    "%s is held: it has %" PRId64 " bytes of writes that %s lacks, saved in %s",
		    j->from, bytes, j->to, dump);
	return err_set(e, ERR_CONFLICT,
	    "%s is held: it was started anew, and which of its %" PRId64
	    " keys %s lacks nobody can tell; saved in %s",
	    j->from, from->keys, j->to, dump);
}

static int
history_verify(struct op *op, struct err *e)
{
	enum redis_history history;
	struct redis_info from;
	int64_t bytes;

	if (compare(op, &history, &bytes, &from, e) != 0)
		return -1;
	if (is_clean(op, history, &from))
		return 1;
	if (from.is_saving == 1) {
		err_set(e, ERR_TIMEOUT, "%s saves what it has", op->journal->from);
		return 0;
	}
	return say_held(op, history, bytes, &from, e);
}

static int
active_verify(struct op *op, struct err *e)
{
	int rc = redis_promote_check(op, e);

	return rc == 0 ? op_nobody_active(op, e) : rc;
}

/* clang-format off */
static const struct step rejoin[] = {
	OP_STEP_ACTIVE(active_verify),
	OP_STEP_BEGIN_HOOKS,
	{ .name = "fence", .title = "{from} takes no writes",
	    .why = "two masters are two truths",
	    .expect_ms = 1, .limit_ms = 5000, .check = redis_fence_check, .act = fence,
	    .verify = redis_fence_verify },
	{ .name = "history", .title = "{to} has all that {from} has",
	    .why = "whatever else {from} has it would forget",
	    .expect_ms = 1, .limit_ms = 600000, .act = save, .verify = history_verify },
	{ .name = "attach", .title = "{from} replica of {to}",
	    .why = "it gets what it missed, or all of it when that is too much",
	    .expect_ms = 1, .limit_ms = 5000, .act = redis_attach, .verify = redis_attach_verify },
	{ .name = "follow", .title = "{from} has what {to} has",
	    .why = "from then on the pair can fail over again",
	    .expect_ms = 1000, .limit_ms = 3600000, .verify = redis_follows_verify },
	{ .name = "keep", .title = "both write it into their configuration",
	    .why = "at its next start each would be what it was before",
	    .expect_ms = 5, .limit_ms = 5000, .flags = STEP_MAY_FAIL, .act = redis_keep },
	OP_STEP_DONE_HOOKS,
	{ .name = NULL },
};
/* clang-format on */

const struct op_table op_rejoin_redis = {
	.kind = "rejoin",
	.pair_kind = "redis",
	.what = "rejoin of {from} behind {to}",
	.steps = rejoin,
	.open = redis_pair_open,
	.close = redis_pair_close,
};
