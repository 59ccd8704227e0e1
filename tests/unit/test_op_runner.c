/*
 * test_op_runner.c: the rules that the runner keeps for every operation, on a table of three switches (files
 * that are there or not) and a flip, with the KV in a file. Where the tool dies it really does: a child is
 * killed at the place, and a further one takes the operation up.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "config_text.h"
#include "operate/client.h"
#include "operate/op.h"
#include "operate/op_steps.h"
#include "scratch.h"

enum { FENCE, FLIP, LIFT, AFTER, STEPS };

/* What happens where. Inherited by the children. */
enum { NOTHING, FAILS, DIES_BEFORE, DIES_AFTER, NEVER_TRUE };

static struct {
	int at;   /* a step, or -1 */
	int what; /* one of those */
} trouble = { -1, NOTHING };

static char id[OP_ID_SIZE];

/* --- the switches --------------------------------------------------------------------------------- */

static const char *
switch_path(int step)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/switch-%d", config_dir, step);
	return path;
}

static bool
is_on(int step)
{
	return access(switch_path(step), F_OK) == 0;
}

/* Rule 1, looked at from inside each act: the journal in the KV says that this step has begun. */
static void
assert_journal_says_begun(const struct op *op)
{
	struct op *seen;
	struct err e;

	seen = op_open(op->client, op->journal->id, &e);
	if (seen == NULL)
		fail_msg("%s", e.text);
	assert_int_equal(seen->journal->steps[op->current].state, STEP_BEGUN);
	op_free(seen);
}

static int
turn(struct op *op, bool on, struct err *e)
{
	int step = (int)op->current;
	bool is_here = trouble.at == step && on;
	int fd;

	if (on)
		assert_journal_says_begun(op);
	if (is_here && trouble.what == DIES_BEFORE)
		raise(SIGKILL);
	if (is_here && trouble.what == FAILS)
		return err_set(e, ERR_UNAVAILABLE, "the switch is stuck");
	if (on) {
		fd = open(switch_path(step), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		assert_true(fd >= 0);
		close(fd);
	} else {
		unlink(switch_path(step));
	}
	if (is_here && trouble.what == DIES_AFTER)
		raise(SIGKILL);
	return 0;
}

static int
check(struct op *op, struct err *e)
{
	(void)e;
	return is_on((int)op->current);
}

static int
act(struct op *op, struct err *e)
{
	return turn(op, true, e);
}

static int
verify(struct op *op, struct err *e)
{
	if (trouble.at == (int)op->current && trouble.what == NEVER_TRUE) {
		err_set(e, ERR_TIMEOUT, "it does not hold");
		return 0;
	}
	return is_on((int)op->current);
}

static int
undo(struct op *op, struct err *e)
{
	return turn(op, false, e);
}

static int
undone(struct op *op, struct err *e)
{
	(void)e;
	return !is_on((int)op->current);
}

static int
nothing_to_open(struct op *op, struct err *e)
{
	(void)op;
	(void)e;
	return 0;
}

static void
nothing_to_close(struct op *op)
{
	(void)op;
}

/* clang-format off */
static const struct step steps[] = {
	{ .name = "fence", .title = "fence", .expect_ms = 1, .limit_ms = 300, .flags = STEP_BLOCKS,
	    .check = check, .act = act, .verify = verify, .undo = undo, .undone = undone },
	OP_STEP_FLIP(0),
	{ .name = "lift", .title = "lift", .expect_ms = 1, .limit_ms = 300,
	    .flags = STEP_RESTORES | STEP_NO_RETURN, .check = check, .act = act, .verify = verify },
	{ .name = "after", .title = "after", .expect_ms = 1, .limit_ms = 300, .flags = STEP_MAY_FAIL,
	    .check = check, .act = act, .verify = verify },
	{ .name = NULL },
};
/* clang-format on */

static const struct op_table table = { .kind = "failover",
	.pair_kind = "daemon",
	.what = "test",
	.steps = steps,
	.budget_ms = 1000,
	.open = nothing_to_open,
	.close = nothing_to_close };

const struct op_table *__wrap_op_table_find(const char *kind, const char *pair_kind);

const struct op_table *
__wrap_op_table_find(const char *kind, const char *pair_kind)
{
	(void)kind;
	(void)pair_kind;
	return &table;
}

/* --- an operation on them ------------------------------------------------------------------------- */

static void
open_client(struct client *c)
{
	static char text[1024];
	struct err e;

	snprintf(text, sizeof(text),
	    "consul { address = \"file:%s/kv.json\" }\n"
	    "pair \"fees\" { kind = \"daemon\" nodes = {\"a\", \"b\"}\n"
	    "status = {\"/bin/true\", \"{node}\"} start = {\"/bin/true\", \"{node}\"}\n"
	    "stop = {\"/bin/true\", \"{node}\"} }\n",
	    config_dir);
	if (client_connect(c, config_load_good(text), &e) != 0)
		fail_msg("%s", e.text);
}

/* What the name leads to; static. */
static const char *
name_of(struct client *c)
{
	static char value[64];
	struct kv_list list;
	struct err e;

	if (kv_wait_get(&c->wait, "pointsman/names/fees", &list, NULL, &e) != 0)
		fail_msg("%s", e.text);
	snprintf(value, sizeof(value), "%s", list.count > 0 ? list.entries[0].value : "");
	kv_list_clear(&list);
	return value;
}

static void
write_key(struct client *c, const char *key, const char *value)
{
	struct err e;

	if (kv_wait_put(&c->wait, key, value, strlen(value), &e) != 0)
		fail_msg("%s", e.text);
}

/* With the name leading to a. */
static struct op *
planned(struct client *c)
{
	struct kv_list list;
	struct op *op;
	struct err e;

	write_key(c, "pointsman/names/fees", "a");
	if (kv_wait_get(&c->wait, "pointsman/names/fees", &list, NULL, &e) != 0)
		fail_msg("%s", e.text);
	op = op_new(c, &table, &c->config->pairs[0], "a", "b", "a", list.entries[0].modify_index);
	kv_list_clear(&list);
	return op;
}

/* From the beginning. */
static enum op_end
run_new(struct op **out, struct client *c, struct err *e)
{
	*out = planned(c);
	if (op_begin(*out, "plan", "ola", e) != 0)
		fail_msg("%s", e->text);
	memcpy(id, (*out)->journal->id, sizeof(id));
	return op_run(*out, e);
}

static enum op_end
take_up(struct op **out, struct client *c, bool is_back, struct err *e)
{
	if ((*out = op_open(c, id, e)) == NULL || op_take_over(*out, "kim", e) != 0)
		fail_msg("%s", e->text);
	return is_back ? op_roll_back(*out, e) : op_run(*out, e);
}

static enum step_state
state_of(const struct op *op, int step)
{
	return op->journal->steps[step].state;
}

/* In a child, which ends by the trouble of the moment. Its id is told by the file of the lock. */
static void
run_in_child(int n)
{
	struct client c;
	struct op *op;
	struct err e;
	FILE *f;
	char path[256];

	(void)n;
	open_client(&c);
	/* op_begin() makes the id: written down before anything can happen. */
	op = op_new(&c, &table, &c.config->pairs[0], "a", "b", "a", 0);
	if (kv_wait_put(&c.wait, "pointsman/names/fees", "a", 1, &e) != 0)
		_exit(1);
	op->is_resumed = false;
	if (op_begin(op, "plan", "ola", &e) != 0)
		_exit(2);
	snprintf(path, sizeof(path), "%s/id", config_dir);
	if ((f = fopen(path, "w")) == NULL || fputs(op->journal->id, f) < 0 || fclose(f) != 0)
		_exit(3);
	{
		struct kv_list list;

		if (kv_wait_get(&c.wait, "pointsman/names/fees", &list, NULL, &e) != 0)
			_exit(4);
		op->name_index = list.entries[0].modify_index;
		kv_list_clear(&list);
	}
	op_run(op, &e);
	_exit(5);
}

static void
die_at(int step, int what)
{
	char path[256];
	FILE *f;

	trouble.at = step;
	trouble.what = what;
	scratch_run_killed(run_in_child, 0);
	trouble.at = -1;
	trouble.what = NOTHING;
	snprintf(path, sizeof(path), "%s/id", config_dir);
	assert_non_null(f = fopen(path, "r"));
	assert_non_null(fgets(id, sizeof(id), f));
	fclose(f);
}

/* Each test begins with an empty directory. */
static int
clean(void **state)
{
	(void)state;
	trouble.at = -1;
	trouble.what = NOTHING;
	return scratch_remove(config_dir) == 0 ? mkdir(config_dir, 0700) : -1;
}

/* --- the tests ------------------------------------------------------------------------------------ */

static void
goes_to_its_end(void **state)
{
	struct client c;
	struct op *op;
	struct err e;

	(void)state;
	open_client(&c);
	assert_int_equal(run_new(&op, &c, &e), OP_END_DONE);
	assert_true(is_on(FENCE) && is_on(LIFT) && is_on(AFTER));
	assert_string_equal(name_of(&c), "b");
	assert_true(op->journal->refused_ms >= 0);
	op_free(op);
	client_close(&c);
}

static void
undoes_all_before_the_return(void **state)
{
	static const int whats[] = { FAILS, NEVER_TRUE };
	struct client c;
	struct op *op;
	struct err e;

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(whats); i++) {
		open_client(&c);
		trouble.at = FENCE;
		trouble.what = whats[i];
		assert_int_equal(run_new(&op, &c, &e), OP_END_UNDONE);
		assert_false(is_on(FENCE) || is_on(LIFT) || is_on(AFTER));
		assert_string_equal(name_of(&c), "a");
		assert_int_equal(op->journal->result, OP_UNDONE);
		assert_int_equal(state_of(op, FENCE), STEP_UNDONE);
		assert_int_equal(state_of(op, LIFT), STEP_WAITING);
		assert_true(op_has_acted(op));
		op_free(op);
		client_close(&c);
	}
}

static void
needs_somebody_behind_the_return(void **state)
{
	struct client c;
	struct op *op;
	struct err e;

	(void)state;
	open_client(&c);
	trouble.at = LIFT;
	trouble.what = FAILS;
	assert_int_equal(run_new(&op, &c, &e), OP_END_NEEDS_YOU);
	assert_true(is_on(FENCE));
	assert_string_equal(name_of(&c), "b");
	assert_true(op_is_past_return(op));
	assert_int_equal(op->journal->result, OP_FAILED);
	op_free(op);
	trouble.at = -1;
	assert_int_equal(take_up(&op, &c, false, &e), OP_END_DONE);
	assert_true(is_on(LIFT) && is_on(AFTER));
	op_free(op);
	client_close(&c);
}

static void
tells_of_what_may_fail(void **state)
{
	struct client c;
	struct op *op;
	struct err e;

	(void)state;
	open_client(&c);
	trouble.at = AFTER;
	trouble.what = FAILS;
	assert_int_equal(run_new(&op, &c, &e), OP_END_PROBLEMS);
	assert_int_equal(op->journal->result, OP_DONE);
	assert_int_equal(state_of(op, AFTER), STEP_FAILED);
	assert_string_equal(op->journal->steps[AFTER].note, "the switch is stuck");
	op_free(op);
	client_close(&c);
}

/* Rule 2: what was so before we came is never undone. */
static void
keeps_what_was_so_before(void **state)
{
	struct client c;
	struct op *op;
	struct err e;
	int fd = open(switch_path(FENCE), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	open_client(&c);
	/* The flip loses: somebody else changed the name. */
	op = planned(&c);
	assert_int_equal(op_begin(op, "plan", "ola", &e), 0);
	write_key(&c, "pointsman/names/fees", "c");
	write_key(&c, "pointsman/names/fees", "a");
	assert_int_equal(op_run(op, &e), OP_END_UNDONE);
	assert_int_equal(state_of(op, FENCE), STEP_SKIPPED);
	assert_true(is_on(FENCE));
	assert_string_equal(name_of(&c), "a");
	op_free(op);
	client_close(&c);
}

/* While somebody read the plan, or looked for the word to type. */
static void
does_not_begin_when_the_name_was_moved(void **state)
{
	struct client c;
	struct op *op;
	struct err e;

	(void)state;
	open_client(&c);
	op = planned(&c);
	write_key(&c, "pointsman/names/fees", "b");
	assert_int_equal(op_begin(op, "plan", "ola", &e), -1);
	assert_int_equal(op->hurdle, OP_HURDLE_PLAN);
	assert_non_null(strstr(e.text, "lead to b meanwhile"));
	assert_int_equal(op->journal_index, 0);
	op_free(op);
	client_close(&c);
}

/* By the ids it is told what came later, and hosts have clocks of their own. */
static void
comes_behind_what_a_fast_clock_wrote(void **state)
{
	struct client c;
	struct op *first, *second;
	struct str text = STR_INIT;
	json_t *document;
	struct err e;
	char key[64];

	(void)state;
	open_client(&c);
	assert_int_equal(run_new(&first, &c, &e), OP_END_DONE);
	op_id_make(first->journal->id, clock_wall_ms() + 300000);
	document = journal_to_json(first->journal);
	json_write(&text, document);
	snprintf(key, sizeof(key), "pointsman/ops/%s", first->journal->id);
	write_key(&c, key, str_text(&text));
	json_decref(document);
	str_clear(&text);
	op_free(first);

	second = planned(&c);
	assert_int_equal(op_begin(second, "plan", "ola", &e), 0);
	assert_true(strcmp(second->journal->id, key + strlen("pointsman/ops/")) > 0);
	assert_true(second->journal->at_wall_ms <= clock_wall_ms());
	op_free(second);
	client_close(&c);
}

static void
two_cannot_be_at_it(void **state)
{
	struct client c, d;
	struct op *one, *other;
	struct err e;

	(void)state;
	open_client(&c);
	open_client(&d);
	one = op_new(&c, &table, &c.config->pairs[0], "a", "b", "a", 0);
	other = op_new(&d, &table, &d.config->pairs[0], "a", "b", "a", 0);
	assert_int_equal(op_begin(one, "plan", "ola", &e), 0);
	assert_int_equal(op_begin(other, "plan", "kim", &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
	assert_non_null(strstr(e.text, "ola"));
	op_free(one);
	op_free(other);
	client_close(&c);
	client_close(&d);
}

/* Rules 1 to 3 by the kill: before and after each act, then forward. */
static void
resumes_from_everywhere(void **state)
{
	static const int places[] = { FENCE, LIFT, AFTER };
	static const int whats[] = { DIES_BEFORE, DIES_AFTER };
	struct client c;
	struct op *op;
	struct err e;

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(places) * 2; i++) {
		die_at(places[i / 2], whats[i % 2]);
		open_client(&c);
		assert_int_equal(take_up(&op, &c, false, &e), OP_END_DONE);
		assert_true(is_on(FENCE) && is_on(LIFT) && is_on(AFTER));
		assert_string_equal(name_of(&c), "b");
		/* Ours, because the journal shows that we began it. */
		assert_int_equal(state_of(op, FENCE), STEP_DONE);
		op_free(op);
		for (int step = 0; step < STEPS; step++)
			unlink(switch_path(step));
		client_close(&c);
	}
}

/* Rule 4, and 3: back from where there is a way back, refused where there is none. */
static void
rolls_back_from_before_the_return(void **state)
{
	static const int whats[] = { DIES_BEFORE, DIES_AFTER };
	struct client c;
	struct op *op;
	struct err e;

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(whats); i++) {
		die_at(FENCE, whats[i]);
		open_client(&c);
		assert_int_equal(take_up(&op, &c, true, &e), OP_END_UNDONE);
		assert_false(is_on(FENCE) || is_on(LIFT));
		assert_string_equal(name_of(&c), "a");
		assert_int_equal(op->journal->result, OP_UNDONE);
		op_free(op);
		client_close(&c);
		die_at(LIFT, whats[i]);
		open_client(&c);
		assert_non_null(op = op_open(&c, id, &e));
		assert_true(op_is_past_return(op));
		op_free(op);
		assert_int_equal(take_up(&op, &c, false, &e), OP_END_DONE);
		op_free(op);
		for (int step = 0; step < STEPS; step++)
			unlink(switch_path(step));
		client_close(&c);
	}
}

#define TEST(name) cmocka_unit_test_setup(name, clean)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(goes_to_its_end),
		TEST(undoes_all_before_the_return),
		TEST(needs_somebody_behind_the_return),
		TEST(tells_of_what_may_fail),
		TEST(keeps_what_was_so_before),
		TEST(does_not_begin_when_the_name_was_moved),
		TEST(comes_behind_what_a_fast_clock_wrote),
		TEST(two_cannot_be_at_it),
		TEST(resumes_from_everywhere),
		TEST(rolls_back_from_before_the_return),
	};

	return cmocka_run_group_tests(tests, config_make_dir, config_remove_dir);
}
