/*
 * redis_after.c: what comes when the new master takes writes.
 *
 * The old one becomes its replica at once, for a master with min-replicas-to-write refuses writes without
 * one. Its writers are let go in the same moment: each gets one READONLY and asks for the name again, some
 * sooner than all agents have followed, and none later. Those that do not understand READONLY, and pools
 * that only read, are ended when the agents serve the new place.
 *
 * The test write changes nothing: SETRANGE of an empty string on a key that is not there is a write to all
 * that may refuse one (READONLY, NOREPLICAS, MISCONF, OOM), and is not replicated.
 *
 * Without CONFIG REWRITE the next start undoes it all: a server that was started as a replica of the old
 * master would come up as one again, and copy what that has over its own.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "operate/name_look.h"
#include "operate/op_impl.h"
#include "operate/redis_pair.h"

#define LOOK_MS 1000

/* --- the old one ---------------------------------------------------------------------------------- */

/* Never over a master: what it has written since would be gone. */
int
redis_attach(struct op *op, struct err *e)
{
	struct redis_pair *p = redis_pair_of(op);
	struct redis_info from;

	if (redis_pair_again(op, p->from, e) != 0 ||
	    redis_server_look(p->from, redis_pair_ask_ms(op), &from, e) != 0)
		return -1;
	if (redis_info_is_master(&from))
		return err_set(e, ERR_CONFLICT,
		    "%s is a master again: pointsman rejoin %s looks at what it has",
		    op->journal->from, op->journal->pair);
	if (redis_server_replicate(p->from, redis_server_at(p->to), redis_pair_ask_ms(op), e) != 0)
		return -1;
	return redis_release(op, p->from, e);
}

int
redis_attach_verify(struct op *op, struct err *e)
{
	struct redis_pair *p = redis_pair_of(op);
	struct redis_info from;

	if (redis_server_look(p->from, redis_pair_ask_ms(op), &from, e) != 0)
		return -1;
	if (redis_info_follows(&from, redis_server_at(p->to)))
		return 1;
	err_set(e, ERR_TIMEOUT, "%s is no replica of %s", op->journal->from, op->journal->to);
	return 0;
}

/* Progress of a full copy, where it comes to that. */
static int
say_link(const struct op *op, const struct redis_info *from, struct err *e)
{
	err_set(e, ERR_TIMEOUT, "the link of %s to %s is down%s", op->journal->from,
	    op->journal->to, from->is_syncing > 0 ? ": it copies all of it" : "");
	return 0;
}

int
redis_follows_verify(struct op *op, struct err *e)
{
	struct redis_pair *p = redis_pair_of(op);
	struct redis_info from, to;
	int64_t behind;

	if (redis_pair_again(op, p->from, e) != 0 || redis_pair_again(op, p->to, e) != 0 ||
	    redis_server_look(p->to, redis_pair_ask_ms(op), &to, e) != 0 ||
	    redis_server_look(p->from, redis_pair_ask_ms(op), &from, e) != 0)
		return -1;
	if (redis_info_is_master(&from))
		return err_set(e, ERR_CONFLICT, "%s is a master", op->journal->from);
	/* It did not answer when it was to be attached. */
	if (redis_info_follows(&from, REDIS_NOWHERE) && redis_attach(op, e) != 0)
		return -1;
	if (strcmp(from.link, "up") != 0 || strcmp(from.replid, to.replid) != 0)
		return say_link(op, &from, e);
	behind = redis_info_offset(&to) - redis_info_offset(&from);
	if (behind <= 0)
		return 1;
	err_set(e, ERR_TIMEOUT, "%s is %" PRId64 " bytes behind", op->journal->from, behind);
	return 0;
}

/* --- sessions ------------------------------------------------------------------------------------- */

int
redis_sessions(struct op *op, struct err *e)
{
	static const char *const types[] = { "normal", "pubsub" };
	struct redis_server *from = redis_pair_of(op)->from;
	int64_t count = 0;

	if (redis_pair_again(op, from, e) != 0)
		return -1;
	for (size_t i = 0; i < MEM_COUNT(types); i++) {
		if (redis_server_ask(from, redis_pair_ask_ms(op),
			(const char *const[]){
			    "CLIENT", "KILL", "TYPE", types[i], "SKIPME", "yes", NULL },
			e) != 0)
			return -1;
		count += redis_server_number(from);
	}
	op_note(op, "%" PRId64 " ended", count);
	if (op->blocked_us != 0)
		op->journal->felt_ms = (double)(clock_mono_us() - op->blocked_us) / 1e3;
	return 0;
}

/* --- the test write ------------------------------------------------------------------------------- */

static int
try_write(struct op *op, struct redis_server *s, struct err *e)
{
	int rc;

	if (redis_pair_again(op, s, e) != 0)
		return -1;
	if ((rc = redis_server_takes_writes(s, redis_pair_ask_ms(op), e)) != 2)
		return rc;
	op_note(op, "not tested: %.200s", redis_server_refusal(s));
	return 1;
}

int
redis_test_write_verify(struct op *op, struct err *e)
{
	struct redis_server *to = redis_pair_of(op)->to;

	if (name_look(op->client, op->journal->name, redis_server_at(to), LOOK_MS, e) == 0)
		return err_wrap(e, "%s", op->journal->name);
	return try_write(op, to, e);
}

int
redis_rehearse_write_verify(struct op *op, struct err *e)
{
	return try_write(op, redis_pair_of(op)->from, e);
}

/* --- the next start ------------------------------------------------------------------------------- */

static void
keep_one(struct op *op, struct redis_server *s, struct str *failed)
{
	static const char *const rewrite[] = { "CONFIG", "REWRITE", NULL };
	struct err own;

	if (redis_pair_again(op, s, &own) != 0 ||
	    redis_server_ask(s, redis_pair_ask_ms(op), rewrite, &own) != 0)
		str_addf(failed, "%s%.100s", failed->len > 0 ? "; " : "", own.text);
}

static int
judge_kept(struct str *failed, struct err *e)
{
	int rc = failed->len == 0
		     ? 0
		     : err_set(e, ERR_IO, "the next start will undo it: %s", str_text(failed));

	str_clear(failed);
	return rc;
}

int
redis_keep(struct op *op, struct err *e)
{
	struct redis_pair *p = redis_pair_of(op);
	struct str failed = STR_INIT;

	keep_one(op, p->to, &failed);
	keep_one(op, p->from, &failed);
	return judge_kept(&failed, e);
}

int
redis_keep_living(struct op *op, struct err *e)
{
	struct redis_pair *p = redis_pair_of(op);
	struct str failed = STR_INIT;

	keep_one(op, p->to, &failed);
	if (redis_server_is_open(p->from))
		keep_one(op, p->from, &failed);
	return judge_kept(&failed, e);
}
