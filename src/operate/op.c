/*
 * op.c: what an operation is made of, before it runs: the steps of its table that apply, the journal of
 * them, the lock. And its words: titles with {from} and {to} filled in.
 *
 * Taking one over (resume, rollback) needs the lock of whoever died. On the host where it ran we see that
 * its process is gone, and take its session up; anywhere else its session has to end first, which takes
 * Consul at most twice its TTL. The process may not be dead but frozen: see op_lock.c.
 */
#include "operate/op.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "feature/config.h"
#include "feature/pair_role.h"
#include "io/loop.h"
#include "operate/client.h"
#include "operate/fleet.h"
#include "operate/interrupt.h"
#include "operate/op_impl.h"
#include "operate/op_lock.h"
#include "operate/op_steps.h"
#include "operate/past.h"

#define LOCK_PATIENCE_MS 35000 /* Consul ends a session after up to twice its TTL of 15 s */
#define LOCK_AGAIN_MS 500
#define HOST_MAX 256

/* --- making --------------------------------------------------------------------------------------- */

static size_t
count_steps(const struct op_table *t)
{
	size_t n = 0;

	while (t->steps[n].name != NULL)
		n++;
	return n;
}

static void
choose_steps(struct op *op)
{
	size_t n = count_steps(op->table);

	op->steps = mem_array(n, sizeof(const struct step *));
	op->expect_ms = mem_array(n, sizeof(double));
	for (size_t i = 0; i < n; i++) {
		const struct step *s = &op->table->steps[i];

		if (s->applies != NULL && !s->applies(op))
			continue;
		op->expect_ms[op->step_count] = (double)s->expect_ms;
		op->steps[op->step_count++] = s;
	}
}

static struct op *
make(struct client *client, const struct op_table *t, const struct config_pair *pair,
    struct journal *j)
{
	struct op *op = mem_alloc(sizeof(*op));

	op->client = client;
	op->table = t;
	op->pair = pair;
	op->journal = j;
	op->fleet = mem_alloc(sizeof(*op->fleet));
	choose_steps(op);
	return op;
}

struct op *
op_new(struct client *client, const struct op_table *table, const struct config_pair *pair,
    const char *from, const char *to, const char *value, uint64_t index)
{
	struct journal *j = journal_new();
	struct op *op;

	journal_set(&j->kind, table->kind);
	journal_set(&j->pair_kind, table->pair_kind);
	journal_set(&j->pair, pair->name);
	journal_set(&j->name, pair->kv_name);
	journal_set(&j->from, from);
	journal_set(&j->to, to);
	journal_note(j, "old-value", value);
	op = make(client, table, pair, j);
	op->name_index = index;
	for (size_t i = 0; i < op->step_count; i++)
		journal_add_step(j, op->steps[i]->name);
	return op;
}

void
op_rechoose(struct op *op)
{
	struct journal *j = op->journal;

	free(op->steps);
	free(op->expect_ms);
	op->step_count = 0;
	choose_steps(op);
	journal_clear_steps(j);
	for (size_t i = 0; i < op->step_count; i++)
		journal_add_step(j, op->steps[i]->name);
}

/* The steps of a journal are those of our table: it was not written by another version. */
static int
check_steps(const struct op *op, struct err *e)
{
	const struct journal *j = op->journal;
	bool fits = j->step_count == op->step_count;

	for (size_t i = 0; fits && i < op->step_count; i++)
		fits = strcmp(j->steps[i].name, op->steps[i]->name) == 0;
	return fits ? 0
		    : err_set(e, ERR_CONFIG,
			  "operation %s has other steps than this pointsman, or the hooks of pair "
			  "%s "
			  "were changed meanwhile",
			  j->id, j->pair);
}

struct op *
op_open(struct client *client, const char *id, struct err *e)
{
	uint64_t index = 0;
	struct journal *j = op_journal_read(client, id, &index, e);
	const struct config_pair *pair;
	const struct op_table *table;
	struct op *op;

	if (j == NULL)
		return NULL;
	pair = pair_find(client->config, j->pair);
	table = op_table_find(j->kind, j->pair_kind);
	if (strcmp(j->kind, "set") == 0) {
		err_set(e, ERR_CONFIG,
		    "operation %s is a flip by set, done at once: nothing of it is left to do", id);
		journal_free(j);
		return NULL;
	}
	if (pair == NULL || table == NULL) {
		err_set(e, ERR_CONFIG, "operation %s is a %s of %s, which %s", id, j->kind, j->pair,
		    pair == NULL ? "is in no pair block here" : "this pointsman cannot carry on");
		journal_free(j);
		return NULL;
	}
	op = make(client, table, pair, j);
	op->journal_index = index;
	op->is_resumed = true;
	if (check_steps(op, e) != 0) {
		op_free(op);
		return NULL;
	}
	return op;
}

void
op_free(struct op *op)
{
	if (op == NULL)
		return;
	if (op->lock != NULL)
		op->table->close(op);
	if (op->lock != NULL && op->is_taken_over)
		op_lock_disown(op->lock);
	op_lock_free(op->lock);
	fleet_clear(op->fleet);
	free(op->fleet);
	journal_free(op->journal);
	free(op->attempted);
	free(op->expect_ms);
	free(op->steps);
	free(op);
}

/* --- the lock ------------------------------------------------------------------------------------- */

static void
host_name(char out[HOST_MAX])
{
	if (gethostname(out, HOST_MAX) != 0)
		out[0] = '\0';
	out[HOST_MAX - 1] = '\0';
}

static int
take_lock(struct op *op, const char *by, const char *adopts, struct err *e)
{
	struct str what = STR_INIT;
	char host[HOST_MAX];
	struct op_lock_words words = { .op = op->journal->id,
		.by = by,
		.host = host,
		.pid = getpid(),
		.since_wall_s = clock_wall_s() };
	int rc;

	host_name(host);
	op_add_text(op, op->table->what, &what);
	words.what = str_text(&what);
	rc = op_lock_take(&op->lock, op->client, op->pair->name, &words, adopts, e);
	if (rc == 0) {
		journal_set(&op->journal->by, by);
		journal_set(&op->journal->host, host);
		journal_set(&op->journal->session, op_lock_session(op->lock));
		op->journal->pid = getpid();
	}
	str_clear(&what);
	return rc;
}

/* From now on only the runner decides what an interrupt means. */
static void
outlive_interrupts(struct op *op)
{
	interrupt_keep();
	op->client->wait.is_canceled = NULL;
}

static int
hurdle(struct op *op, enum op_hurdle what)
{
	op->hurdle = what;
	return -1;
}

/* Of what is taken for us alone, the lock of the pair and of a server: a conflict is somebody else. */
static int
not_had(struct op *op, const struct err *e, enum op_hurdle otherwise)
{
	return hurdle(op, e->code == ERR_CONFLICT ? OP_HURDLE_OTHERS : otherwise);
}

int
op_no_server(struct op *op, const struct err *e)
{
	return not_had(op, e, OP_HURDLE_SERVER);
}

/* Behind all others of its pair, whatever the clocks of their hosts said: by their ids it is told what came later. */
static int
choose_id(struct op *op, struct err *e)
{
	int64_t wall_ms = clock_wall_ms(), newest_ms = 0;
	struct past past;
	int rc = past_load(&past, op->client, op->pair->name, e);

	if (past.count > 0)
		newest_ms = op_id_ms(past.journals[0]->id);
	past_clear(&past);
	op_id_make(op->journal->id, newest_ms >= wall_ms ? newest_ms + 1 : wall_ms);
	return rc;
}

int
op_begin(struct op *op, const char *plan, const char *by, struct err *e)
{
	int rc;

	if (choose_id(op, e) != 0) /* the lock names it */
		return -1;
	if (take_lock(op, by, NULL, e) != 0)
		return not_had(op, e, OP_HURDLE_KV);
	outlive_interrupts(op);
	if ((rc = op_name_stands(op, e)) <= 0)
		return rc == 0 ? hurdle(op, OP_HURDLE_PLAN) : -1;
	op->began_us = clock_mono_us();
	journal_set(&op->journal->plan, plan);
	if (op->table->open(op, e) != 0)
		return -1;
	return op_journal_create(op, e);
}

/* Whether the process of the journal, on this very host, is gone. */
static bool
is_known_dead(const struct journal *j)
{
	char host[HOST_MAX];

	host_name(host);
	/* EPERM: it lives, as somebody else's. */
	return j->pid > 1 && strcmp(host, j->host) == 0 && kill((pid_t)j->pid, 0) != 0 &&
	       errno == ESRCH;
}

/* Ours the moment the dead one's session has ended. */
static int
wait_for_lock(struct op *op, const char *by, struct err *e)
{
	int64_t began_ms = clock_mono_ms(), gone_ms;
	char *adopts = is_known_dead(op->journal) ? mem_strdup(op->journal->session) : NULL;
	int rc;

	while ((rc = take_lock(op, by, adopts, e)) != 0 && e->code == ERR_CONFLICT) {
		gone_ms = clock_mono_ms() - began_ms;
		if (gone_ms > LOCK_PATIENCE_MS || interrupt_is_pending(NULL))
			break;
		op_say(op, "waiting for the lock, at most %d s: %s",
		    (int)((LOCK_PATIENCE_MS - gone_ms) / 1000), e->text);
		op_pause(op, LOCK_AGAIN_MS);
	}
	free(adopts);
	return rc;
}

/*
 * What was planned then may be wrong by now: the failover that got stuck at its last step, and was followed by
 * an emergency the other way, would make the wrong one writable.
 */
int
op_check_later(struct op *op, struct err *e)
{
	int rc;

	if (past_find_later(op->client, op->journal, &op->later, e) != 0)
		return -1;
	if (op->later.id[0] != '\0') {
		err_set(e, ERR_CONFLICT, "operation %s came after it", op->later.id);
		return hurdle(op, OP_HURDLE_LATER);
	}
	if (!op_is_past_return(op) || (rc = op_flip_stands(op, e)) > 0)
		return 0;
	return rc == 0 ? hurdle(op, OP_HURDLE_MOVED) : -1;
}

/* It may have gone on while we waited, at the prompt or for the lock. */
static int
check_unchanged(struct op *op, struct err *e)
{
	uint64_t index;
	struct journal *now = op_journal_read(op->client, op->journal->id, &index, e);

	if (now == NULL)
		return -1;
	journal_free(now);
	if (index == op->journal_index)
		return 0;
	err_set(e, ERR_CONFLICT, "operation %s went on meanwhile: look again", op->journal->id);
	return hurdle(op, OP_HURDLE_OTHERS);
}

int
op_take_over(struct op *op, const char *by, struct err *e)
{
	int64_t gone_ms;

	/* Before the session of the dead is adopted: it may be that of somebody who lives by now. */
	if (check_unchanged(op, e) != 0)
		return -1;
	if (wait_for_lock(op, by, e) != 0)
		return not_had(op, e, OP_HURDLE_KV);
	outlive_interrupts(op);
	/* Times stay those since it began, by the wall clock: all that two processes have in common. */
	gone_ms = clock_wall_ms() - op->journal->at_wall_ms;
	op->began_us = clock_mono_us() - (gone_ms > 0 ? gone_ms : 0) * 1000;
	if (check_unchanged(op, e) != 0) {
		op_lock_disown(op->lock);
		return -1;
	}
	if (op_check_later(op, e) != 0)
		return -1;
	return op->table->open(op, e);
}

/* --- words ---------------------------------------------------------------------------------------- */

void
op_add_text(const struct op *op, const char *text, struct str *out)
{
	const struct journal *j = op->journal;
	char generation[24];
	const struct {
		const char *word, *text;
	} words[] = { { "{from}", j->from }, { "{to}", j->to }, { "{name}", j->name },
		{ "{pair}", j->pair }, { "{generation}", generation } };

	if (op->flip_index > 0)
		snprintf(
		    generation, sizeof(generation), "%llu", (unsigned long long)op->flip_index);
	else
		snprintf(generation, sizeof(generation), "of the flip");
	while (*text != '\0') {
		size_t i = 0;

		while (i < MEM_COUNT(words) &&
		       strncmp(text, words[i].word, strlen(words[i].word)) != 0)
			i++;
		if (i == MEM_COUNT(words)) {
			str_addc(out, *text++);
			continue;
		}
		str_adds(out, words[i].text);
		text += strlen(words[i].word);
	}
}

void
op_add_title(const struct op *op, size_t step, struct str *out)
{
	op_add_text(op, op->steps[step]->title, out);
}

void
op_add_undo(const struct op *op, size_t step, struct str *out)
{
	const struct step *s = op->steps[step];

	if ((s->flags & STEP_NO_RETURN) != 0)
		str_adds(out, "none: NO RETURN");
	else
		op_add_text(op, s->undo_text != NULL ? s->undo_text : "-", out);
}

double
op_expected_refused_ms(const struct op *op)
{
	double total = 0;
	bool is_blocked = false;

	for (size_t i = 0; i < op->step_count; i++) {
		is_blocked = is_blocked || op_flag(op, i, STEP_BLOCKS);
		if (is_blocked)
			total += op->expect_ms[i];
		if (op_flag(op, i, STEP_RESTORES))
			return total;
	}
	return is_blocked ? total : 0;
}

/* --- for the runner and for steps ----------------------------------------------------------------- */

bool
op_flag(const struct op *op, size_t step, unsigned flag)
{
	return (op->steps[step]->flags & flag) != 0;
}

void
op_tell(const struct op *op, size_t step, enum op_moment m)
{
	if (op->observer != NULL && op->observer->moment != NULL)
		op->observer->moment(op, step, m, op->observer->arg);
}

void
op_say(const struct op *op, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX], shown[ERR_TEXT_MAX];
	va_list ap;

	if (op->observer == NULL || op->observer->said == NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* Whatever a server said of itself. */
	str_copy_printable(shown, sizeof(shown), text);
	op->observer->said(op, shown, op->observer->arg);
}

double
op_now_ms(const struct op *op)
{
	return (double)(clock_mono_us() - op->began_us) / 1e3;
}

void
op_pause(struct op *op, int64_t ms)
{
	int64_t end_ms = clock_mono_ms() + ms, left_ms;

	while ((left_ms = end_ms - clock_mono_ms()) > 0)
		loop_turn(op->client->loop, left_ms);
}

int
op_still_ours(const struct op *op, struct err *e)
{
	return op_lock_is_sure(op->lock, e);
}

const char *
op_fact(const struct op *op, const char *fact)
{
	return journal_fact(op->journal, fact);
}

void
op_note(struct op *op, const char *fmt, ...)
{
	struct journal_step *s = &op->journal->steps[op->current];
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	journal_set(&s->note, text);
}
