/*
 * rejoin_redis.c: {from}, the old master, is back, and becomes the replica of {to}, the active one: the
 * table.
 *
 *   it takes no writes    first of all, whatever it is: a replica of nobody, with all that it has
 *   nothing would be lost by what both say of their histories (model/redis_history.h)
 *   replica of {to}       and linked, with all that {to} has
 *
 * One that has more, or of which nobody can tell, is held: it stays as it is, takes no writes, and has just
 * saved all that it has to its dump. REPLICAOF would make it forget that, so a person has to type it.
 * There is no undo: that an old master takes no writes is right, whatever comes next.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "operate/op_steps.h"
#include "operate/op_tables.h"
#include "operate/redis_pair.h"

/* Also at its next start, if it can write that down. */
static int
fence(struct op *op, struct err *e)
{
	static const char *const rewrite[] = { "CONFIG", "REWRITE", NULL };
	struct redis_server *from = redis_pair_of(op)->from;
	struct err own;

	if (redis_keep_out(op, from, e) != 0)
		return -1;
	if (redis_server_ask(from, redis_pair_ask_ms(op), rewrite, &own) != 0)
		op_note(op, "not at its next start: %.150s", own.text);
	return 0;
}

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
	if (history == REDIS_HISTORY_CLEAN)
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
	char dir[128], file[64];
	struct err ignored;

	if (redis_server_setting(from, "dir", redis_pair_ask_ms(op), dir, sizeof(dir), &ignored) !=
		0 ||
	    redis_server_setting(
		from, "dbfilename", redis_pair_ask_ms(op), file, sizeof(file), &ignored) != 0 ||
	    dir[0] == '\0')
		snprintf(out, size, "its dump");
	else
		snprintf(out, size, "%s/%s", dir, file);
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
	if (history == REDIS_HISTORY_CLEAN)
		return 1;
	if (from.is_saving == 1) {
		err_set(e, ERR_TIMEOUT, "%s saves what it has", op->journal->from);
		return 0;
	}
	return say_held(op, history, bytes, &from, e);
}

/* clang-format off */
static const struct step rejoin[] = {
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
