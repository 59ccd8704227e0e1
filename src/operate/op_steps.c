/*
 * op_steps.c: the flip, the agents, the hooks.
 *
 * The flip is the one act that travels with its journal entry: check of the lock, check-and-set on the
 * name, check-and-set on the journal, all or nothing. So it is not read back: that it was applied says
 * that the journal has it, and when the answer is lost the journal is what is looked at.
 *
 * Taking it back is the same the other way, and only what we flipped: a value that somebody else wrote
 * meanwhile is theirs.
 */
#include "operate/op_steps.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "feature/config.h"
#include "operate/client.h"
#include "operate/fleet.h"
#include "operate/op_hooks.h"
#include "operate/op_impl.h"

#define FLEET_WAIT_MS \
	200 /* one look at the agents blocks for so long at most: Ctrl-C, the screen */

/* --- the flip ------------------------------------------------------------------------------------- */

/* 0 with the value ("": no such key) and its index. */
static int
read_name(struct op *op, char **value, uint64_t *index, struct err *e)
{
	char *key = config_name_key(op->client->config, op->journal->name);
	int64_t saved_ms = op->client->wait.limit_ms;
	struct kv_list list;
	int rc;

	op->client->wait.limit_ms = op_left_ms(op);
	rc = kv_wait_get(&op->client->wait, key, &list, NULL, e);
	op->client->wait.limit_ms = saved_ms;
	free(key);
	if (rc != 0)
		return -1;
	*value = mem_strdup(list.count > 0 ? list.entries[0].value : "");
	*index = list.count > 0 ? list.entries[0].modify_index : 0;
	kv_list_clear(&list);
	return 0;
}

static int
changed_by_others(const struct op *op, const char *value, struct err *e)
{
	char shown[4 * STR_SHOW_MAX + 4];

	return err_set(e, ERR_CONFLICT, "somebody made %s lead to %s meanwhile", op->journal->name,
	    str_printable(shown, sizeof(shown), value, strlen(value)));
}

/* The next entry has it: by it `history` tells our flip from what somebody wrote behind it. */
static void
know_flip(struct op *op, uint64_t index)
{
	char text[24];

	op->flip_index = index;
	snprintf(text, sizeof(text), "%" PRIu64, index);
	journal_note(op->journal, "flip-index", text);
}

int
op_name_stands(struct op *op, struct err *e)
{
	uint64_t index;
	char *value;

	if (op->name_index == 0)
		return 1;
	op->step_end_ms = clock_mono_ms() + op->client->wait.limit_ms;
	if (read_name(op, &value, &index, e) != 0)
		return -1;
	if (index != op->name_index)
		changed_by_others(op, value[0] != '\0' ? value : "nobody", e);
	free(value);
	return index == op->name_index;
}

/* Value and index of now, both checked against what we know. */
int
op_flip_check(struct op *op, struct err *e)
{
	char *value;
	uint64_t index;
	int rc = 0;

	/* The plan was made of value and index, and the check-and-set holds them together. */
	if (!op->is_resumed)
		return 0;
	if (read_name(op, &value, &index, e) != 0)
		return -1;
	if (strcmp(value, op->journal->to) == 0) {
		know_flip(op, index);
		rc = 1;
	} else if (strcmp(value, op_fact(op, "old-value")) == 0) {
		op->name_index = index;
	} else {
		rc = changed_by_others(op, value, e);
	}
	free(value);
	return rc;
}

static int
write_name(struct op *op, const char *value, uint64_t at, uint64_t *index, struct err *e)
{
	char *key = config_name_key(op->client->config, op->journal->name);
	const struct kv_op cas = { .kind = KV_OP_CAS,
		.key = key,
		.value = value,
		.value_len = strlen(value),
		.index = at };
	int rc = op_journal_write(op, &cas, op_left_ms(op), index, e);

	free(key);
	return rc;
}

int
op_flip(struct op *op, struct err *e)
{
	struct journal_step *s = &op->journal->steps[op->current];

	s->state = STEP_DONE;
	if (write_name(op, op->journal->to, op->name_index, &op->flip_index, e) == 0) {
		know_flip(op, op->flip_index);
		return 0;
	}
	s->state = STEP_BEGUN;
	return -1;
}

static bool
has_flipped(const struct op *op)
{
	for (size_t i = 0; i < op->step_count; i++) {
		if (op_flag(op, i, STEP_FLIPS))
			return op->journal->steps[i].state == STEP_DONE;
	}
	return false;
}

int
op_flip_stands(struct op *op, struct err *e)
{
	uint64_t index;
	char *value;
	int rc;

	if (!has_flipped(op))
		return 1;
	op->step_end_ms = clock_mono_ms() + op->client->wait.limit_ms;
	if (read_name(op, &value, &index, e) != 0)
		return -1;
	rc = strcmp(value, op->journal->to) == 0;
	if (!rc)
		changed_by_others(op, value, e);
	free(value);
	return rc;
}

int
op_flip_verify(struct op *op, struct err *e)
{
	(void)e;
	op_note(op, "generation %" PRIu64, op->flip_index);
	return 1;
}

/* Who follows the name was refused by {to} until then, whatever {from} took in the meantime. */
static void
note_detour(struct op *op)
{
	char gone[16];
	double now_ms = op_now_ms(op), felt_ms = now_ms - op_blocked_at_ms(op),
	       led_ms = now_ms - op->journal->steps[op->current].at_ms;

	op_note(op, "it led to %s for %s", op->journal->to,
	    str_duration(gone, sizeof(gone), isfinite(led_ms) && led_ms > 0 ? (int64_t)led_ms : 0));
	if (felt_ms > 0)
		op->journal->felt_ms = felt_ms;
}

int
op_flip_undo(struct op *op, struct err *e)
{
	const char *old = op_fact(op, "old-value");
	char *value;
	uint64_t index;
	int rc = 0;

	if (read_name(op, &value, &index, e) != 0)
		return -1;
	if (strcmp(value, op->journal->to) == 0) {
		note_detour(op);
		rc = write_name(op, old, index, &index, e);
	} else if (strcmp(value, old) != 0)
		rc = changed_by_others(op, value, e);
	free(value);
	return rc;
}

int
op_flip_undone(struct op *op, struct err *e)
{
	char *value;
	uint64_t index;
	int rc;

	if (read_name(op, &value, &index, e) != 0)
		return -1;
	rc = strcmp(value, op_fact(op, "old-value")) == 0;
	if (rc == 0)
		err_set(e, ERR_NONE, "%s is still %s", op->journal->name, op->journal->to);
	free(value);
	return rc;
}

/* --- the agents ----------------------------------------------------------------------------------- */

/* How many of them serve the generation; those that do not, by name. */
static size_t
count_serving(const struct op *op, size_t *wanted, struct str *others)
{
	size_t served = 0;

	*wanted = 0;
	for (size_t i = 0; i < op->fleet->count; i++) {
		const struct fleet_agent *a = &op->fleet->agents[i];

		if (!a->is_alive || fleet_is_left_out(op_fact(op, "without"), a->node))
			continue;
		(*wanted)++;
		if (fleet_agent_serves(a, op->flip_index))
			served++;
		else
			str_addf(others, "%s%s (on %" PRIu64 ")", others->len > 0 ? ", " : "",
			    a->node, a->serves);
	}
	return served;
}

/* A resumed operation knows the generation by its journal only where it flipped itself. */
static int
find_generation(struct op *op, struct err *e)
{
	char *value;
	int rc;

	if (op->flip_index > 0)
		return 0;
	if ((rc = read_name(op, &value, &op->flip_index, e)) == 0)
		free(value);
	return rc;
}

int
op_agents_verify(struct op *op, struct err *e)
{
	int64_t left_ms = op_left_ms(op);
	struct str others = STR_INIT;
	size_t wanted, served;
	int rc;

	if (find_generation(op, e) != 0)
		return 0; /* Consul does not answer just now: within the limit it may */
	rc = op->fleet->index == 0 ? fleet_load(op->fleet, op->client, e)
				   : fleet_wait(op->fleet, op->client,
					 left_ms < FLEET_WAIT_MS ? left_ms : FLEET_WAIT_MS, e);
	if (rc != 0)
		return 0;
	served = count_serving(op, &wanted, &others);
	op_note(op, "%zu of %zu serve %" PRIu64, served, wanted, op->flip_index);
	if (served < wanted) {
		op_note(op, "%zu of %zu serve %" PRIu64 ", not: %s", served, wanted, op->flip_index,
		    str_text(&others));
		err_set(e, ERR_TIMEOUT, "%zu of %zu agents serve %" PRIu64 ", not %.120s", served,
		    wanted, op->flip_index, str_text(&others));
	}
	str_clear(&others);
	return served == wanted;
}

/* --- of a rejoin ---------------------------------------------------------------------------------- */

int
op_nobody_active(const struct op *op, struct err *e)
{
	return err_set(e, ERR_CONFLICT,
	    "%s, where %s leads, takes no writes; what is halfway there: pointsman doctor %s",
	    op->journal->to, op->journal->name, op->journal->pair);
}

/* --- hooks ---------------------------------------------------------------------------------------- */

static int
run_hooks(struct op *op, enum op_hook_event event, struct err *e)
{
	json_t *document = journal_to_json(op->journal);
	int rc = op_hooks_run(op->client->loop, op->client->config, op->pair, event,
	    op->flip_index > 0 ? op->flip_index : op->name_index, document, e);

	json_decref(document);
	return rc;
}

bool
op_has_begin_hooks(const struct op *op)
{
	return op_hooks_any(op->client->config, op->pair, OP_HOOK_BEGIN);
}

int
op_begin_hooks(struct op *op, struct err *e)
{
	return run_hooks(op, OP_HOOK_BEGIN, e);
}

bool
op_has_done_hooks(const struct op *op)
{
	return op_hooks_any(op->client->config, op->pair, OP_HOOK_DONE);
}

/* They are told what it will be once they have run. */
int
op_done_hooks(struct op *op, struct err *e)
{
	int rc;

	op->journal->result = OP_DONE;
	rc = run_hooks(op, OP_HOOK_DONE, e);
	op->journal->result = OP_RUNNING;
	return rc;
}

void
op_failed_hooks(struct op *op)
{
	struct err e;

	if (op_hooks_any(op->client->config, op->pair, OP_HOOK_FAILED) &&
	    run_hooks(op, OP_HOOK_FAILED, &e) != 0)
		op_say(op, "%s", e.text);
}
