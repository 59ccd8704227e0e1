/*
 * op_approval.c: the approval is an entry of the journal itself, by check-and-set, so that it cannot meet
 * one of the operation's own: the operation has written that it waits, and writes nothing until it reads it.
 *
 * Who somebody is, is what their host says (cli/ask.h): this is a second look at the plan, not a defence
 * against a colleague with root.
 */
#include "operate/op_approval.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "feature/config.h"
#include "operate/client.h"
#include "operate/interrupt.h"
#include "operate/op_impl.h"

#define NEEDED "approval" /* the fact */
#define LOOK_MS 500

void
op_approval_need(struct op *op)
{
	journal_note(op->journal, NEEDED, "1");
}

bool
op_approval_is_missing(const struct journal *j)
{
	return journal_fact(j, NEEDED)[0] != '\0' && j->approved_by[0] == '\0';
}

bool
op_approval_is_all(const struct journal *j)
{
	for (size_t i = 0; i < j->step_count; i++) {
		if (j->steps[i].state != STEP_WAITING)
			return false;
	}
	return journal_fact(j, NEEDED)[0] != '\0';
}

/* 1 it is there, 0 not yet or nobody could be asked, -1 the journal is not ours any more. */
static int
look(struct op *op, struct err *e)
{
	uint64_t index = 0;
	struct journal *j = op_journal_read(op->client, op->journal->id, &index, e);
	int rc = 0;

	if (j == NULL)
		return e->code == ERR_NOT_FOUND ? -1 : 0;
	if (strcmp(j->session, op->journal->session) != 0) {
		rc = err_set(e, ERR_CONFLICT, "somebody else has taken this operation over");
	} else if (!op_approval_is_missing(j)) {
		journal_set(&op->journal->approved_by, j->approved_by);
		op->journal_index = index;
		rc = 1;
	}
	journal_free(j);
	return rc;
}

int
op_approval_wait(struct op *op, struct err *e)
{
	int64_t end_ms = clock_mono_ms() + APPROVAL_LIMIT_MS;
	int rc;

	op_say(op, "nothing is touched before somebody else has typed:");
	op_say(op, "pointsman approve %s", op->journal->id);
	while ((rc = look(op, e)) == 0) {
		if (interrupt_is_pending(NULL))
			return err_set(e, ERR_CANCELED, "stopped by the operator");
		if (op_still_ours(op, e) != 0)
			return -1;
		if (clock_mono_ms() > end_ms)
			return err_set(e, ERR_TIMEOUT, "nobody approved it within 10 minutes");
		op_pause(op, LOOK_MS);
	}
	if (rc > 0)
		op_say(op, "approved by %s", op->journal->approved_by);
	return rc > 0 ? 0 : -1;
}

static int
check_approvable(const struct journal *j, const char *by, struct err *e)
{
	if (j->result != OP_RUNNING)
		return err_set(e, ERR_CONFLICT, "operation %s has ended: %s", j->id,
		    op_result_name(j->result));
	if (!op_approval_is_missing(j))
		return err_set(e, ERR_CONFLICT, "operation %s %s%s", j->id,
		    j->approved_by[0] != '\0' ? "was approved by " : "needs no approval",
		    j->approved_by);
	if (strcmp(j->by, by) == 0)
		return err_set(
		    e, ERR_CONFLICT, "operation %s is your own: somebody else has to", j->id);
	return 0;
}

int
op_approval_give(struct client *client, const char *id, const char *by, struct err *e)
{
	uint64_t index = 0;
	struct journal *j = op_journal_read(client, id, &index, e);
	char *tail = mem_printf(OP_KEY_PREFIX "%s", id), *key = config_key(client->config, tail);
	struct str text = STR_INIT;
	struct write_result w;
	json_t *document;
	int rc = j == NULL ? -1 : check_approvable(j, by, e);

	if (rc == 0) {
		journal_set(&j->approved_by, by);
		document = journal_to_json(j);
		json_write(&text, document);
		json_decref(document);
		client_write(client,
		    &(struct kv_op){ .kind = KV_OP_CAS,
			.key = key,
			.value = text.data,
			.value_len = text.len,
			.index = index },
		    1, &w);
		if (w.state != WRITE_DONE) {
			*e = w.err;
			rc = -1;
		}
	}
	str_clear(&text);
	journal_free(j);
	free(key);
	free(tail);
	return rc;
}
