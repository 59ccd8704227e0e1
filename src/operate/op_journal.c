/*
 * op_journal.c: the journal in the KV. One transaction an entry: the lock is still ours, what else has to
 * happen at the same moment (the flip), and a check-and-set on our last entry. Whoever else wrote there
 * meanwhile has taken the operation over, and our entry fails, and with it the act that it announces.
 *
 * An error of a write says nothing (facts/consul.md: 40 of 40 in one partition were committed): the key is
 * read until it is known. The last document that was sent is kept, so that it is known again, even later.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "feature/config.h"
#include "io/loop.h"
#include "operate/client.h"
#include "operate/op_impl.h"
#include "operate/op_lock.h"

#define LOOK_PAUSE_MS 100
#define LOOK_LIMIT_MS 500 /* of one look, so that several fit */
#define LOOK_LEAST_MS 100 /* and one, at the end of the limit */

static char *
key_of(struct client *client, const char *id)
{
	char *tail = mem_printf(OP_KEY_PREFIX "%s", id), *key = config_key(client->config, tail);

	free(tail);
	return key;
}

static char *
document_of(const struct op *op)
{
	json_t *document = journal_to_json(op->journal);
	struct str out = STR_INIT;

	json_write(&out, document);
	json_decref(document);
	return str_take(&out);
}

/* --- reading -------------------------------------------------------------------------------------- */

struct journal *
op_journal_read(struct client *client, const char *id, uint64_t *index, struct err *e)
{
	char *key = key_of(client, id);
	struct kv_list list = { 0 };
	struct journal *j = NULL;

	if (kv_wait_get(&client->wait, key, &list, NULL, e) == 0) {
		if (list.count == 0) {
			err_set(e, ERR_NOT_FOUND, "there is no operation %s", id);
		} else {
			*index = list.entries[0].modify_index;
			j = journal_parse(list.entries[0].value, list.entries[0].value_len, e);
		}
	}
	kv_list_clear(&list);
	free(key);
	return j;
}

/* Whether what stands there is what we sent last: 1 yes, 0 no, -1 it could not be read. */
static int
is_ours(struct op *op, const char *key, uint64_t *index, struct err *e)
{
	struct kv_list list;
	int rc;

	if (kv_wait_get(&op->client->wait, key, &list, NULL, e) != 0)
		return -1;
	rc = list.count > 0 && op->attempted != NULL &&
	     list.entries[0].value_len == strlen(op->attempted) &&
	     memcmp(list.entries[0].value, op->attempted, list.entries[0].value_len) == 0;
	*index = list.count > 0 ? list.entries[0].modify_index : 0;
	kv_list_clear(&list);
	return rc;
}

/* --- writing -------------------------------------------------------------------------------------- */

/* The answer of the write is lost: looks until it is known what became of it, or end_ms. */
static int
find_out(struct op *op, const char *key, int64_t end_ms, uint64_t *index, struct err *e)
{
	struct err why = *e;
	int64_t limit_ms = op->client->wait.limit_ms, left_ms;
	int rc;

	do {
		left_ms = end_ms - clock_mono_ms();
		op->client->wait.limit_ms = left_ms < LOOK_LEAST_MS   ? LOOK_LEAST_MS
					    : left_ms > LOOK_LIMIT_MS ? LOOK_LIMIT_MS
								      : left_ms;
		rc = is_ours(op, key, index, e);
		op->client->wait.limit_ms = limit_ms;
		if (rc == 1)
			return 0;
		if (rc == 0)
			return err_set(e, ERR_UNREACHABLE, "not written: %.200s", why.text);
		op_pause(op, LOOK_PAUSE_MS);
	} while (clock_mono_ms() < end_ms);
	return err_set(e, ERR_UNKNOWN, "%s", why.text);
}

/* Whether the entry that stands there is by us: whoever takes an operation over has another process. */
static int
is_by_us(struct op *op, uint64_t *index, struct err *e)
{
	const struct journal *own = op->journal;
	struct journal *j = op_journal_read(op->client, own->id, index, e);
	int rc;

	if (j == NULL)
		return e->code == ERR_NOT_FOUND ? 0 : -1;
	rc = j->pid == own->pid && strcmp(j->host, own->host) == 0 &&
	     strcmp(j->session, own->session) == 0;
	journal_free(j);
	return rc;
}

/*
 * Nothing was written: what was not as we know it. An entry that we sent before and took for lost may
 * stand there, the last one or one before that; then its index was all that we did not know, and 1 says:
 * again.
 */
static int
explain(struct op *op, struct err *e)
{
	struct err why = *e;
	uint64_t index = 0;
	int by_us = is_by_us(op, &index, e);

	if (by_us == 1 && index != op->journal_index) {
		op->journal_index = index;
		return 1;
	}
	if (by_us == 0 && index != op->journal_index) {
		op->is_taken_over = true;
		return err_set(e, ERR_CONFLICT, "somebody else has taken this operation over");
	}
	return err_set(e, ERR_CONFLICT, "Consul refused it: %.200s", why.text);
}

static int
send(struct op *op, const char *key, const struct kv_op *with, uint64_t *index, struct err *e)
{
	struct kv_op ops[3];
	size_t n = 0;

	ops[n++] = (struct kv_op){ .kind = KV_OP_CHECK_SESSION,
		.key = op_lock_key(op->lock),
		.session = op_lock_session(op->lock) };
	if (with != NULL)
		ops[n++] = *with;
	ops[n++] = (struct kv_op){ .kind = KV_OP_CAS,
		.key = key,
		.value = op->attempted,
		.value_len = strlen(op->attempted),
		.index = op->journal_index };
	return kv_wait_txn_index(&op->client->wait, ops, n, index, e);
}

static int
send_and_know(struct op *op, const char *key, const struct kv_op *with, int64_t end_ms,
    uint64_t *index, struct err *e)
{
	char *before = op->attempted;
	int rc;

	op->attempted = document_of(op);
	rc = send(op, key, with, index, e);
	if (rc == 0 && (rc = explain(op, e)) == 1)
		rc = send(op, key, with, index, e);
	if (rc < 0 && e->code == ERR_UNKNOWN)
		rc = find_out(op, key, end_ms, index, e) == 0 ? 1 : -1;
	if (rc == 1 && *index == 0 && is_ours(op, key, index, e) != 1)
		rc = -1;
	/* What was surely not written is no trace to look for. */
	if (rc != 1 && e->code != ERR_UNKNOWN) {
		free(op->attempted);
		op->attempted = before;
	} else {
		free(before);
	}
	return rc == 1 ? 0 : -1;
}

int
op_journal_write(
    struct op *op, const struct kv_op *with, int64_t limit_ms, uint64_t *index, struct err *e)
{
	char *key = key_of(op->client, op->journal->id);
	int64_t saved_ms = op->client->wait.limit_ms, end_ms = clock_mono_ms() + limit_ms;
	uint64_t at = 0;
	int rc;

	if (limit_ms < saved_ms)
		op->client->wait.limit_ms = limit_ms;
	rc = send_and_know(op, key, with, end_ms, &at, e);
	op->client->wait.limit_ms = saved_ms;
	free(key);
	if (rc != 0)
		return err_wrap(e, "the journal");
	op->journal_index = at;
	if (index != NULL)
		*index = at;
	return 0;
}

#define TRIES_MAX 16 /* operations of other pairs that begin in the same millisecond */

int
op_journal_create(struct op *op, struct err *e)
{
	int64_t id_ms = op_id_ms(op->journal->id);
	int rc = -1;

	op->journal->at_wall_ms = clock_wall_ms();
	op->journal_index = 0;
	for (int i = 0; i < TRIES_MAX && rc != 0; i++) {
		if (i > 0)
			op_id_make(op->journal->id, id_ms + i);
		rc = op_journal_write(op, NULL, op->client->wait.limit_ms, NULL, e);
		op->is_taken_over = false; /* the id was taken, and that is all */
		if (rc != 0 && e->code != ERR_CONFLICT)
			break;
	}
	return rc;
}
