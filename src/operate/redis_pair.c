/*
 * redis_pair.c: the two connections, the fence, catching up and the promotion.
 *
 *   writers wait      CLIENT PAUSE … WRITE on the old master: they are not refused, and go on by themselves
 *                     when the budget is over, whatever became of us
 *   nothing is left   the replica has applied what the master has written
 *   read-only         REPLICAOF nowhere on the old master: from here on no pause has to last
 *   nothing is left   once more, of what stands still now; only then the name flips
 *   promoted          REPLICAOF NO ONE on the new master, the old one becomes its replica
 *
 * Measured on 7.0.15 and 6.0.16 under 8 writers, 30 and 10 flips: none lost, a partial resync each time,
 * writers waited 20 ms (p50) on a machine with ten times the load it has cores for.
 *
 * Rejected:
 *   - FAILOVER (6.2 and later): it waits for the replica's next REPLCONF ACK, one a second, so writers
 *     wait 580 ms (p50, at most 1,015). And once it tries to reach the replica its TIMEOUT is no longer
 *     looked at: where the master cannot connect to it (NAT, a firewall, no masterauth) all writes hang
 *     without end.
 *   - REPLICAOF the new one on the old master while that is still its replica: two replicas of each other;
 *     and if the pause ended a moment too early, the old one asks for more than the new one has, gets a
 *     full copy instead, and its last acknowledged writes are gone. Nowhere has nothing to give it.
 *   - promoting first: two masters when we are killed in between, with the writers on the wrong one.
 *
 * A Redis before 6.2 has no CLIENT PAUSE for writers alone, and a pause for all stops us, too. There
 * min-replicas-to-write is out of reach meanwhile: writers get NOREPLICAS. It does not end by itself.
 */
#include "operate/redis_pair.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "operate/op_impl.h"

#define SETTLED_MS \
	50 /* pre-sync: so far behind a replica may be, and still catch up in the budget */
#define CATCH_UP_MS \
	1000          /* while writers wait; a third of the budget, all of it is not needed twice */
#define GLANCE_MS 200 /* at the other one, while writers wait to go on */
#define MIN_REPLICAS "min-replicas-to-write"
#define OUT_OF_REACH "1000"

struct redis_pair *
redis_pair_of(const struct op *op)
{
	return op->state;
}

int64_t
redis_pair_ask_ms(const struct op *op)
{
	int64_t left = op_left_ms(op);

	return left < REDIS_ASK_MS ? left : REDIS_ASK_MS;
}

/* --- connections ---------------------------------------------------------------------------------- */

int
redis_pair_again(const struct op *op, struct redis_server *s, struct err *e)
{
	int64_t left = op_left_ms(op);

	return redis_server_connect(s, left < REDIS_CONNECT_MS ? left : REDIS_CONNECT_MS, e);
}

static int
open_pair(struct op *op, bool needs_from, struct err *e)
{
	struct redis_pair *p = mem_alloc(sizeof(*p));

	op->state = p;
	p->wanted = -1;
	if ((p->from = redis_server_new(op->client, op->pair, op->journal->from, e)) == NULL ||
	    (p->to = redis_server_new(op->client, op->pair, op->journal->to, e)) == NULL)
		return e->code == ERR_NOT_FOUND ? op_no_server(op, e) : -1;
	if (redis_server_connect(p->from, REDIS_CONNECT_MS, e) != 0 && needs_from)
		return op_no_server(op, e);
	/* To take an operation back, the standby is not needed; and forward its steps say that it is. */
	if (redis_server_connect(p->to, REDIS_CONNECT_MS, e) != 0 &&
	    (!op->is_resumed || op_is_past_return(op)))
		return op_no_server(op, e);
	return 0;
}

int
redis_pair_open(struct op *op, struct err *e)
{
	return open_pair(op, !op_is_past_return(op), e);
}

int
redis_pair_open_to(struct op *op, struct err *e)
{
	return open_pair(op, false, e);
}

void
redis_pair_close(struct op *op)
{
	struct redis_pair *p = op->state;

	if (p == NULL)
		return;
	redis_server_free(p->from);
	redis_server_free(p->to);
	free(p);
	op->state = NULL;
}

static int
look_at(struct op *op, struct redis_server *s, struct redis_info *out, struct err *e)
{
	return redis_server_look(s, redis_pair_ask_ms(op), out, e);
}

/* --- pre-sync ------------------------------------------------------------------------------------- */

/* An option that nobody tells us is taken for its default: the checks behind the acts are what counts. */
static int
read_setting(struct redis_server *s, const char *name, char *out, size_t size, struct err *e)
{
	if (redis_server_setting(s, name, REDIS_ASK_MS, out, size, e) == 0)
		return 0;
	if (!redis_server_is_open(s))
		return -1;
	out[0] = '\0';
	return 0;
}

/* What the fence will have to put back is written down with its announcement. */
int
redis_presync(struct op *op, struct err *e)
{
	struct redis_pair *p = redis_pair_of(op);
	char read_only[16], min_replicas[16];

	if (read_setting(p->from, "replica-read-only", read_only, sizeof(read_only), e) != 0 ||
	    read_setting(p->from, MIN_REPLICAS, min_replicas, sizeof(min_replicas), e) != 0)
		return -1;
	if (strcmp(read_only, "no") == 0)
		return err_set(e, ERR_CONFLICT,
		    "%s has replica-read-only no: as a replica it would take writes, and lose them",
		    op->journal->from);
	if (op_fact(op, MIN_REPLICAS)[0] == '\0' && strcmp(min_replicas, OUT_OF_REACH) != 0)
		journal_note(op->journal, MIN_REPLICAS, min_replicas);
	return 0;
}

/* 1, 0 with how much is missing, -1: a replica of something else. */
static int
has_offset(struct op *op, const struct redis_info *from, int64_t wanted, struct err *e)
{
	struct redis_info to;

	if (look_at(op, redis_pair_of(op)->to, &to, e) != 0)
		return -1;
	if (strcmp(from->replid, to.replid) != 0)
		return err_set(e, ERR_CONFLICT, "%s does not have the history of %s",
		    op->journal->to, op->journal->from);
	if (redis_info_offset(&to) >= wanted)
		return 1;
	err_set(e, ERR_TIMEOUT, "%s is %" PRId64 " bytes behind%s", op->journal->to,
	    wanted - redis_info_offset(&to),
	    strcmp(to.link, "up") == 0 ? "" : ", and its link is down");
	return 0;
}

int
redis_presync_verify(struct op *op, struct err *e)
{
	struct redis_pair *p = redis_pair_of(op);
	struct redis_info from;
	int64_t behind_ms;
	int rc;

	if (look_at(op, p->from, &from, e) != 0)
		return -1;
	if (p->wanted < 0) {
		p->wanted = redis_info_offset(&from);
		p->taken_ms = clock_mono_ms();
	}
	if ((rc = has_offset(op, &from, p->wanted, e)) <= 0)
		return rc;
	behind_ms = clock_mono_ms() - p->taken_ms;
	p->wanted = -1;
	if (behind_ms <= SETTLED_MS)
		return 1;
	err_set(e, ERR_TIMEOUT, "%s was %" PRId64 " ms behind", op->journal->to, behind_ms);
	return 0;
}

/* --- the fence ------------------------------------------------------------------------------------ */

/* A replica of nobody, or of the other one: some operation of ours has been here. */
int
redis_fence_check(struct op *op, struct err *e)
{
	struct redis_info from;

	if (look_at(op, redis_pair_of(op)->from, &from, e) != 0)
		return -1;
	return !redis_info_is_master(&from);
}

/* Without a pause for writers alone: see above. */
static int
refuse_writers(struct op *op, const char *why, struct err *e)
{
	struct redis_server *from = redis_pair_of(op)->from;
	char max_lag[16];

	if (redis_server_setting(from, "min-replicas-max-lag", redis_pair_ask_ms(op), max_lag,
		sizeof(max_lag), e) != 0)
		return -1;
	if (max_lag[0] == '\0' || strcmp(max_lag, "0") == 0 || op_fact(op, MIN_REPLICAS)[0] == '\0')
		return err_set(e, ERR_CONFLICT,
		    "the writers of %s can be stopped neither by CLIENT PAUSE (%.80s) nor by "
		    "min-replicas-to-write",
		    op->journal->from, why);
	return redis_server_set(from, MIN_REPLICAS, OUT_OF_REACH, redis_pair_ask_ms(op), e);
}

static int
stop_writers(struct op *op, struct err *e)
{
	struct redis_server *from = redis_pair_of(op)->from;
	char budget[24];
	const char *const pause[] = { "CLIENT", "PAUSE", budget, "WRITE", NULL };
	struct str why = STR_INIT;
	int rc;

	snprintf(budget, sizeof(budget), "%" PRId64, op->table->budget_ms);
	rc = redis_server_ask(from, redis_pair_ask_ms(op), pause, e);
	if (rc != 0 && redis_server_is_open(from)) {
		str_adds(&why, redis_server_refusal(from));
		rc = refuse_writers(op, str_text(&why), e);
		str_clear(&why);
	}
	return rc;
}

/* The master first: what it had when it was asked the replica has now, and nothing is written since. */
static int
wait_equal(struct op *op, struct err *e)
{
	int64_t end_ms = clock_mono_ms() + CATCH_UP_MS;
	struct redis_info from;
	int rc;

	for (;;) {
		if (look_at(op, redis_pair_of(op)->from, &from, e) != 0)
			return -1;
		if ((rc = has_offset(op, &from, redis_info_offset(&from), e)) != 0)
			return rc > 0 ? 0 : -1;
		if (clock_mono_ms() > end_ms || op_left_ms(op) <= 1)
			return -1;
		op_pause(op, 1);
	}
}

int
redis_fence(struct op *op, struct err *e)
{
	struct redis_pair *p = redis_pair_of(op);

	if (stop_writers(op, e) != 0 || wait_equal(op, e) != 0)
		return -1;
	return redis_server_replicate(p->from, REDIS_NOWHERE, redis_pair_ask_ms(op), e);
}

int
redis_fence_verify(struct op *op, struct err *e)
{
	int rc = redis_fence_check(op, e);

	if (rc == 0)
		err_set(e, ERR_TIMEOUT, "%s is still a master", op->journal->from);
	return rc;
}

int
redis_release(struct op *op, struct redis_server *s, struct err *e)
{
	static const char *const unpause[] = { "CLIENT", "UNPAUSE", NULL };
	const char *before = op_fact(op, MIN_REPLICAS);
	char now[16];

	/* A Redis before 6.2 does not know it; nor did it pause. */
	if (redis_server_ask(s, REDIS_ASK_MS, unpause, e) != 0 && !redis_server_is_open(s))
		return -1;
	if (before[0] == '\0')
		return 0;
	if (read_setting(s, MIN_REPLICAS, now, sizeof(now), e) != 0)
		return -1;
	return strcmp(now, OUT_OF_REACH) != 0
		   ? 0
		   : redis_server_set(s, MIN_REPLICAS, before, REDIS_ASK_MS, e);
}

/*
 * It can be a master by us only behind the point of no return, so that one which has died meanwhile keeps
 * nobody from writing. Limits of its own: what the dead one takes is not taken from the other.
 */
static int
refuse_second_master(struct op *op, struct err *e)
{
	struct redis_server *to = redis_pair_of(op)->to;
	struct redis_info info;
	struct err ignored;

	if (redis_server_connect(to, GLANCE_MS, &ignored) != 0 ||
	    redis_server_look(to, GLANCE_MS, &info, &ignored) != 0 || !redis_info_is_master(&info))
		return 0;
	return err_set(e, ERR_CONFLICT, "%s is a master: %s must not be one, too", op->journal->to,
	    op->journal->from);
}

int
redis_fence_undo(struct op *op, struct err *e)
{
	struct redis_server *from = redis_pair_of(op)->from;
	struct redis_info info;

	if (redis_server_connect(from, REDIS_ASK_MS, e) != 0 ||
	    redis_server_look(from, REDIS_ASK_MS, &info, e) != 0)
		return -1;
	if (!redis_info_is_master(&info) &&
	    (refuse_second_master(op, e) != 0 ||
		redis_server_replicate(from, NULL, REDIS_ASK_MS, e) != 0))
		return -1;
	return redis_release(op, from, e);
}

int
redis_fence_undone(struct op *op, struct err *e)
{
	struct redis_server *from = redis_pair_of(op)->from;
	struct redis_info info;

	if (redis_server_connect(from, REDIS_ASK_MS, e) != 0 ||
	    redis_server_look(from, REDIS_ASK_MS, &info, e) != 0)
		return -1;
	if (!redis_info_is_master(&info)) {
		err_set(e, ERR_TIMEOUT, "%s is still no master", op->journal->from);
		return 0;
	}
	return redis_server_takes_writes(from, REDIS_ASK_MS, e);
}

/* --- catching up ---------------------------------------------------------------------------------- */

int
redis_caught_up_verify(struct op *op, struct err *e)
{
	struct redis_info from;
	int rc;

	if (look_at(op, redis_pair_of(op)->from, &from, e) != 0)
		return -1;
	if (redis_info_is_master(&from))
		return err_set(e, ERR_CONFLICT, "%s is a master again", op->journal->from);
	if ((rc = has_offset(op, &from, redis_info_offset(&from), e)) > 0)
		op_note(op, "%.12s:%" PRId64, from.replid, redis_info_offset(&from));
	return rc;
}

/* --- the promotion -------------------------------------------------------------------------------- */

int
redis_promote_check(struct op *op, struct err *e)
{
	struct redis_info to;

	if (look_at(op, redis_pair_of(op)->to, &to, e) != 0)
		return -1;
	return redis_info_is_master(&to);
}

/* 1, 0, also of one that cannot be asked (then it is not open any more), -1. */
static int
is_master_still(struct op *op, struct redis_server *s, struct err *e)
{
	struct redis_info info;

	if (!redis_server_is_open(s))
		return 0;
	if (look_at(op, s, &info, e) != 0)
		return redis_server_is_open(s) ? -1 : 0;
	return redis_info_is_master(&info);
}

int
redis_keep_out(struct op *op, struct redis_server *s, struct err *e)
{
	int rc = is_master_still(op, s, e);

	return rc > 0 ? redis_server_replicate(s, REDIS_NOWHERE, redis_pair_ask_ms(op), e) : rc;
}

/*
 * One that is taken up may have been interrupted for days, or have turned back where Consul did not hear it. What a
 * master took since then its replica may lack, and loses when it is put out of reach: of a planned failover nothing
 * is lost. An emergency leaves that to the rejoin.
 */
static int
keep_old_out(struct op *op, struct err *e)
{
	struct redis_server *from = redis_pair_of(op)->from;
	const struct journal *j = op->journal;
	int rc;

	if (strcmp(j->kind, "failover") != 0)
		return redis_keep_out(op, from, e);
	if ((rc = is_master_still(op, from, e)) < 0)
		return -1;
	if (!redis_server_is_open(from))
		op_note(op, "%s could not be asked whether it takes writes", j->from);
	if (rc == 0)
		return 0;
	return err_set(e, ERR_CONFLICT,
	    "%s takes writes again, and %s may lack them; to stay there: pointsman set %s %s, then "
	    "rejoin",
	    j->from, j->to, j->name, j->from);
}

int
redis_promote(struct op *op, struct err *e)
{
	struct redis_pair *p = redis_pair_of(op);

	if (redis_pair_again(op, p->to, e) != 0 || (op->is_resumed && keep_old_out(op, e) != 0))
		return -1;
	return redis_server_replicate(p->to, NULL, redis_pair_ask_ms(op), e);
}

int
redis_promote_verify(struct op *op, struct err *e)
{
	int rc = redis_promote_check(op, e);

	if (rc == 0)
		err_set(e, ERR_TIMEOUT, "%s is still no master", op->journal->to);
	return rc;
}
