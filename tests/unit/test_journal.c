/*
 * test_journal.c: ids, the document there and back, and every way in which it is none of ours. What was
 * noted is read back byte for byte, whatever it was.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "model/journal.h"

/* --- ids -------------------------------------------------------------------------------------------- */

static void
ids_sort_by_time(void **state)
{
	static const int64_t times[] = { 0, 1, 31, 32, 1023, 1795302724123, 1795302724124,
		1795302800000, INT64_C(1) << 49 };
	char last[OP_ID_SIZE] = "", id[OP_ID_SIZE], again[OP_ID_SIZE];

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(times); i++) {
		op_id_make(id, times[i]);
		assert_int_equal(strlen(id), OP_ID_SIZE - 1);
		assert_true(strcmp(last, id) < 0);
		assert_int_equal(op_id_parse(id, again), 0);
		assert_string_equal(id, again);
		strcpy(last, id);
	}
	assert_string_equal(op_id_make(id, 0), "0000000000");
	assert_string_equal(op_id_make(id, 32 * 32 + 31), "000000010Z");
	assert_string_equal(op_id_make(id, -5), "0000000000");
}

static void
ids_are_read_in_either_case_and_nothing_else(void **state)
{
	static const char *const bad[] = { "", "01KB8ZCWT", "01KB8ZCWT00", "01KB8ZCWTI",
		"01KB8ZCWTU", "01KB8ZCWT/", "01KB8ZCW\xc3\xa4", " 1KB8ZCWT0", "../../../.." };
	char id[OP_ID_SIZE] = "untouched";

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(bad); i++) {
		assert_int_equal(op_id_parse(bad[i], id), -1);
		assert_string_equal(id, "untouched");
	}
	assert_int_equal(op_id_parse("01kb8zcwt0", id), 0);
	assert_string_equal(id, "01KB8ZCWT0");
}

/* --- there and back ----------------------------------------------------------------------------------- */

static struct journal *
sample(void)
{
	struct journal *j = journal_new();
	struct journal_step *s;

	op_id_make(j->id, 1795302724123);
	journal_set(&j->kind, "failover");
	journal_set(&j->pair_kind, "mysql");
	journal_set(&j->pair, "maindb");
	journal_set(&j->name, "maindb");
	journal_set(&j->from, "db3");
	journal_set(&j->to, "db4");
	journal_set(&j->by, "ola (uid 1004)");
	journal_set(&j->host, "web-01");
	journal_set(&j->plan, "7f3a");
	journal_set(&j->session, "8c0de3f2-0000-0000-0000-000000000000");
	j->pid = 4711;
	j->at_wall_ms = 1795302724123;
	journal_note(j, "old-value", "db3");
	journal_note(j, "position", "3-3-160812");
	s = journal_add_step(j, "fence");
	s->state = STEP_DONE;
	s->at_ms = 20.5;
	s->took_ms = 3;
	s = journal_add_step(j, "catch-up");
	s->state = STEP_BEGUN;
	s->at_ms = 23.75;
	journal_set(&s->note, "3-3-160812");
	journal_add_step(j, "flip");
	return j;
}

static char *
written(const struct journal *j)
{
	json_t *object = journal_to_json(j);
	struct str out = STR_INIT;

	json_write(&out, object);
	json_decref(object);
	return str_take(&out);
}

static struct journal *
read_again(const struct journal *j)
{
	char *text = written(j);
	struct err e = { 0 };
	struct journal *again = journal_parse(text, strlen(text), &e);

	if (again == NULL)
		fail_msg("%s: %s", e.text, text);
	free(text);
	return again;
}

static void
assert_same(const struct journal *a, const struct journal *b)
{
	json_t *x = journal_to_json(a), *y = journal_to_json(b);

	assert_true(json_equal(x, y));
	json_decref(x);
	json_decref(y);
}

static void
it_is_read_as_it_was_written(void **state)
{
	struct journal *j = sample(), *again = read_again(j);

	(void)state;
	assert_same(j, again);
	assert_string_equal(again->id, "01M80634GV");
	assert_int_equal(again->at_wall_ms, 1795302724123);
	assert_int_equal(again->pid, 4711);
	assert_string_equal(journal_fact(again, "position"), "3-3-160812");
	assert_string_equal(journal_fact(again, "no such"), "");
	assert_int_equal(again->step_count, 3);
	assert_string_equal(journal_find(again, "catch-up")->note, "3-3-160812");
	assert_int_equal(journal_find(again, "catch-up")->state, STEP_BEGUN);
	assert_true(isnan(journal_find(again, "catch-up")->took_ms));
	assert_null(journal_find(again, "no such"));
	assert_true(isnan(again->refused_ms));
	journal_free(again);
	for (int r = OP_RUNNING; r <= OP_FAILED; r++) {
		j->result = (enum op_result)r;
		j->is_back = r % 2 == 1;
		j->refused_ms = 13.25;
		again = read_again(j);
		assert_same(j, again);
		journal_free(again);
	}
	journal_free(j);
}

/* What others read: the members of design, section 7. */
static void
the_document_is_that_of_history(void **state)
{
	struct journal *j = sample();
	json_t *object = journal_to_json(j);

	(void)state;
	assert_string_equal(json_get_string(object, "at", ""), "2026-11-21T23:12:04Z");
	assert_string_equal(json_get_string(object, "result", ""), "running");
	assert_string_equal(json_get_string(object, "direction", ""), "forward");
	assert_true(json_is_null(json_object_get(object, "refused_ms")));
	assert_true(json_is_null(json_object_get(object, "error")));
	assert_true(json_is_null(json_object_get(object, "approved_by")));
	assert_int_equal(json_array_size(json_object_get(object, "steps")), 3);
	json_decref(object);
	journal_free(j);
}

static void
wild_text_is_kept_as_it_was_noted(void **state)
{
	struct journal *j = sample(), *again;
	char *longest = mem_alloc(40001);

	(void)state;
	memset(longest, 'x', 40000);
	memcpy(longest + 1022, "\xc3\xa4", 2); /* half of it would fit */
	memcpy(longest + 16383, "\xc3\xa4", 2);
	journal_set(&j->error, longest);
	journal_note(j, "long", longest);
	journal_note(j, "wild", "a\nb\033[2J\xff\xe2\x80\xae");
	journal_set(&j->by, "ola\x9b");
	assert_string_equal(j->by, "ola\\x9b");
	assert_int_equal(strlen(j->error), 1024);
	assert_int_equal(strlen(journal_fact(j, "long")), 16383);
	assert_string_equal(journal_fact(j, "wild"), "a\\x0ab\\x1b[2J\\xff\\xe2\\x80\\xae");
	again = read_again(j);
	assert_same(j, again);
	journal_set(&again->error, again->error + 1); /* of itself */
	assert_int_equal(strlen(again->error), 1023);
	journal_free(again);
	journal_free(j);
	free(longest);
}

/* --- what is none of ours ------------------------------------------------------------------------------- */

/* The sample with one member as that JSON; NULL: without it. */
static struct journal *
parse_with(const char *key, const char *json, struct err *e)
{
	struct journal *j = sample(), *again;
	json_t *object = journal_to_json(j);
	struct str out = STR_INIT;

	if (json != NULL)
		json_object_set_new(object, key, json_parse(json, strlen(json), "test", NULL));
	else
		json_object_del(object, key);
	json_write(&out, object);
	*e = (struct err){ 0 };
	again = journal_parse(str_text(&out), out.len, e);
	str_clear(&out);
	json_decref(object);
	journal_free(j);
	return again;
}

static void
what_is_wrong_is_refused(void **state)
{
	static const struct {
		const char *key, *json;
	} bad[] = {
		{ "id", NULL },
		{ "id", "\"01M80634GVX\"" },
		{ "id", "7" },
		{ "kind", NULL },
		{ "kind", "\"\"" },
		{ "kind", "[]" },
		{ "pair", "1" },
		{ "error", "{}" },
		{ "pid", "-1" },
		{ "pid", "\"1\"" },
		{ "at_ms", "-1" },
		{ "at_ms", "1.5" },
		{ "at_ms", "253402300800000" },
		{ "at_ms", "null" },
		{ "result", NULL },
		{ "result", "\"interrupted\"" },
		{ "result", "\"outside\"" },
		{ "result", "\"fine\"" },
		{ "direction", NULL },
		{ "direction", "\"up\"" },
		{ "refused_ms", "-1" },
		{ "refused_ms", "1e300" },
		{ "refused_ms", "\"13\"" },
		{ "facts", "[]" },
		{ "facts", "{\"a\": 1}" },
		{ "steps", NULL },
		{ "steps", "{}" },
		{ "steps", "[1]" },
		{ "steps", "[{\"state\": \"done\"}]" },
		{ "steps", "[{\"name\": \"a\"}]" },
		{ "steps", "[{\"name\": \"a\", \"state\": \"half\"}]" },
		{ "steps", "[{\"name\": \"a\", \"state\": \"done\", \"took_ms\": true}]" },
		{ "steps",
		    "[{\"name\":\"a\",\"state\":\"done\"},{\"name\":\"a\",\"state\":\"done\"}]" },
	};
	struct err e;

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(bad); i++) {
		struct journal *j = parse_with(bad[i].key, bad[i].json, &e);

		if (j != NULL)
			fail_msg("%s = %s was taken", bad[i].key, bad[i].json);
		assert_int_equal(e.code, ERR_PROTOCOL);
	}
}

static void
what_is_more_is_passed_over(void **state)
{
	static const struct {
		const char *key, *json;
	} good[] = {
		{ "of-tomorrow", "{\"x\": [1]}" },
		{ "facts", NULL },
		{ "host", NULL },
		{ "error", "null" },
		{ "at_ms", NULL },
		{ "steps", "[]" },
	};
	struct err e;

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(good); i++) {
		struct journal *j = parse_with(good[i].key, good[i].json, &e);

		if (j == NULL)
			fail_msg("%s: %s", good[i].key, e.text);
		assert_int_equal(j->at_wall_ms / 1000, 1795302724);
		journal_free(j);
	}
}

static void
what_is_no_document_is_refused(void **state)
{
	static const char *const bad[] = { "", "null", "[]", "\"\"", "{", "{}", "{}{}" };
	struct str big = STR_INIT;
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(bad); i++)
		assert_null(journal_parse(bad[i], strlen(bad[i]), &e));
	str_adds(&big, "{\"id\": \"");
	while (big.len <= JOURNAL_MAX)
		str_addc(&big, 'x');
	assert_null(journal_parse(big.data, big.len, &e));
	assert_int_equal(e.code, ERR_LIMIT);
	str_clear(&big);
}

static void
steps_have_a_maximum(void **state)
{
	struct journal *j = sample(), *again;
	struct err e = { 0 };
	char name[16], *text;

	(void)state;
	while (j->step_count < JOURNAL_STEPS_MAX) {
		snprintf(name, sizeof(name), "s%zu", j->step_count);
		journal_add_step(j, name);
	}
	again = read_again(j);
	journal_free(again);
	journal_add_step(j, "one more");
	text = written(j);
	assert_null(journal_parse(text, strlen(text), &e));
	free(text);
	journal_free(j);
}

static struct journal *
make_op(const char *id, const char *kind, const char *pair, enum op_result result)
{
	struct journal *j = journal_new();

	snprintf(j->id, sizeof(j->id), "%s", id);
	journal_set(&j->kind, kind);
	journal_set(&j->pair, pair);
	j->result = result;
	return j;
}

static void
test_what_came_later(void **state)
{
	static const struct {
		const char *id, *kind, *pair;
		enum op_result result;
		const char *kept;
		bool is_done;
	} others[] = {
		{ "01M8000004", "emergency", "maindb", OP_DONE, "", false },  /* earlier */
		{ "01M8000005", "failover", "maindb", OP_FAILED, "", false }, /* itself */
		{ "01M8000007", "emergency", "otherdb", OP_DONE, "", false },
		{ "01M8000007", "emergency", "maindb", OP_UNDONE, "", false },
		{ "01M8000007", "rehearse", "maindb", OP_DONE, "", false },
		{ "01M8000007", "rejoin", "maindb", OP_RUNNING, "01M8000007", false },
		{ "01M8000006", "rejoin", "maindb", OP_RUNNING, "01M8000007", false },
		{ "01M8000008", "failover", "maindb", OP_FAILED, "01M8000008", false },
		{ "01M8000006", "emergency", "maindb", OP_DONE, "01M8000006", true },
		{ "01M8000009", "failover", "maindb", OP_FAILED, "01M8000006", true },
		{ "01M800000A", "rejoin", "maindb", OP_DONE, "01M800000A", true },
	};
	struct journal *j = make_op("01M8000005", "failover", "maindb", OP_FAILED);
	struct journal_later later = { .id = "" };

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct journal *other =
		    make_op(others[i].id, others[i].kind, others[i].pair, others[i].result);

		journal_see_later(&later, j, other);
		assert_string_equal(others[i].kept, later.id);
		assert_int_equal(others[i].is_done, later.is_done);
		journal_free(other);
	}
	journal_free(j);
}

/* A rehearsal is settled by the next one; what moves something is not. */
static void
test_rehearsals_come_later(void **state)
{
	struct journal *first = make_op("01M8000005", "rehearse", "maindb", OP_RUNNING);
	struct journal *next = make_op("01M8000006", "rehearse", "maindb", OP_DONE);
	struct journal_later later = { .id = "" };

	(void)state;
	journal_see_later(&later, first, next);
	assert_string_equal("01M8000006", later.id);
	journal_free(first);
	journal_free(next);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_sort_by_time),
		cmocka_unit_test(ids_are_read_in_either_case_and_nothing_else),
		cmocka_unit_test(it_is_read_as_it_was_written),
		cmocka_unit_test(the_document_is_that_of_history),
		cmocka_unit_test(wild_text_is_kept_as_it_was_noted),
		cmocka_unit_test(what_is_wrong_is_refused),
		cmocka_unit_test(what_is_more_is_passed_over),
		cmocka_unit_test(what_is_no_document_is_refused),
		cmocka_unit_test(steps_have_a_maximum),
		cmocka_unit_test(test_what_came_later),
		cmocka_unit_test(test_rehearsals_come_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
