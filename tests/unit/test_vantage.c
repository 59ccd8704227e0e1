/* test_vantage.c: model/vantage.c on a clock of its own: score, blind, held. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "model/vantage.h"

#define TURN_MS 250

/* Turns on time until then. */
static void
turn_until(struct vantage *v, int64_t until_ms)
{
	for (int64_t t = v->turn_ms + TURN_MS; t <= until_ms; t += TURN_MS)
		vantage_turn(v, t, t);
}

static void
test_score(void **state)
{
	struct vantage v;

	(void)state;
	vantage_init(&v, 0);
	assert_false(vantage_turn(&v, 250, 500)); /* late by the limit */
	assert_int_equal(vantage_timeout_ms(&v, 2000), 2000);
	assert_true(vantage_turn(&v, 750, 1001));
	assert_int_equal(v.score, 1);
	assert_int_equal(vantage_timeout_ms(&v, 2000), 4000);
	assert_true(vantage_may_judge(&v)); /* slower to judge, not silent */
	vantage_set_consul(&v, true);
	vantage_set_gateway(&v, true);
	assert_true(vantage_turn(&v, 1250, 1250));
	assert_int_equal(v.score, 3);
	vantage_set_targets(&v, 10, 3, 1300);
	assert_int_equal(v.score, VANTAGE_SCORE_MAX);
	assert_int_equal(vantage_timeout_ms(&v, 2000), 10000);
	vantage_set_consul(&v, false);
	vantage_set_gateway(&v, false);
	vantage_set_targets(&v, 10, 0, 1400);
	turn_until(&v, 11000);
	assert_int_equal(v.score, 1); /* the lag of ten seconds ago is remembered */
	turn_until(&v, 11500);
	assert_int_equal(v.score, 0);
}

/*
 * A small vantage must not stretch its timeouts for a single dead target: the bound is for score 0.
 */
static void
test_one_suspect_is_no_doubt(void **state)
{
	(void)state;
	for (size_t count = 1; count <= 100; count++) {
		struct vantage v;

		vantage_init(&v, 0);
		assert_false(vantage_set_targets(&v, count, 1, 100));
		assert_int_equal(v.score, 0);
	}
}

static void
test_blind_at(void **state)
{
	(void)state;
	for (size_t count = 1; count <= 200; count++) {
		size_t share = (count * 3 + 9) / 10, needed = share > 3 ? share : 3;

		for (size_t suspects = 0; suspects <= count; suspects++) {
			struct vantage v;
			bool is_blind = suspects >= needed;

			vantage_init(&v, 0);
			assert_int_equal(vantage_set_targets(&v, count, suspects, 100), is_blind);
			assert_int_equal(v.sight, is_blind ? VANTAGE_BLIND : VANTAGE_SIGHTED);
			assert_int_equal(vantage_may_judge(&v), !is_blind);
		}
	}
}

/* One or two targets alone never make it blind; with a silent gateway and Consul they do. */
static void
test_few_targets(void **state)
{
	(void)state;
	for (int witnesses = 0; witnesses < 4; witnesses++) {
		size_t silent = (size_t)((witnesses & 1) + (witnesses >> 1));

		for (size_t count = 0; count <= 2; count++) {
			struct vantage v;

			vantage_init(&v, 0);
			vantage_set_consul(&v, witnesses & 1);
			vantage_set_gateway(&v, witnesses & 2);
			vantage_set_targets(&v, count, count, 100);
			assert_int_equal(v.is_blind, count > 0 && count + silent >= 3);
		}
	}
}

static void
test_blind_ends(void **state)
{
	struct vantage v;

	(void)state;
	vantage_init(&v, 0);
	assert_true(vantage_set_targets(&v, 20, 6, 1000));
	/* not at the mark where it began: loss comes and goes */
	assert_false(vantage_set_targets(&v, 20, 3, 4000));
	assert_int_equal(v.sight, VANTAGE_BLIND);
	assert_int_equal(v.since_ms, 1000);
	assert_true(vantage_set_targets(&v, 20, 2, 5000));
	assert_int_equal(v.sight, VANTAGE_SIGHTED);
	assert_int_equal(v.since_ms, 5000);
	assert_true(vantage_set_targets(&v, 20, 6, 6000)); /* and again */
}

/* Three of ten are dead, and everything else is well: after a minute they are believed, once. */
static void
test_blind_for_a_minute(void **state)
{
	struct vantage v;

	(void)state;
	vantage_init(&v, 0);
	assert_true(vantage_set_targets(&v, 10, 3, 1000));
	turn_until(&v, 60750);
	assert_int_equal(v.sight, VANTAGE_BLIND);
	turn_until(&v, 61000);
	assert_int_equal(v.sight, VANTAGE_SIGHTED);
	assert_false(vantage_set_targets(&v, 10, 3, 62000)); /* the same ones */
	assert_false(vantage_set_targets(&v, 10, 0, 72000)); /* now failing */
	assert_true(vantage_set_targets(&v, 10, 3, 73000));  /* others */
}

/* As long as the gateway is silent it is us. */
static void
test_witness_keeps_it_blind(void **state)
{
	struct vantage v;

	(void)state;
	vantage_init(&v, 0);
	vantage_set_gateway(&v, true);
	vantage_set_targets(&v, 10, 10, 1000);
	turn_until(&v, 600000);
	assert_int_equal(v.sight, VANTAGE_BLIND);
	vantage_set_gateway(&v, false);
	turn_until(&v, 659500);
	assert_int_equal(v.sight, VANTAGE_BLIND);
	turn_until(&v, 660500);
	assert_int_equal(v.sight, VANTAGE_SIGHTED);
}

/* But when no target is bad any more, nothing is held back: two silent ones are no suspects. */
static void
test_witnesses_alone_blind_nobody(void **state)
{
	struct vantage v;

	(void)state;
	vantage_init(&v, 0);
	vantage_set_consul(&v, true);
	vantage_set_gateway(&v, true);
	assert_true(vantage_set_targets(&v, 5, 1, 1000));
	assert_int_equal(v.sight, VANTAGE_BLIND);
	assert_true(vantage_set_targets(&v, 5, 0, 2000));
	assert_int_equal(v.sight, VANTAGE_SIGHTED);
}

static void
test_held_after_a_gap(void **state)
{
	struct vantage v;

	(void)state;
	vantage_init(&v, 0);
	assert_true(vantage_turn(&v, 250, 2000)); /* late, but no gap */
	assert_int_equal(v.sight, VANTAGE_SIGHTED);
	assert_true(vantage_turn(&v, 2250, 4001));
	assert_int_equal(v.sight, VANTAGE_HELD);
	assert_false(vantage_may_judge(&v));
	turn_until(&v, 34000);
	assert_int_equal(v.sight, VANTAGE_HELD);
	assert_true(vantage_turn(&v, 34251, 34251));
	assert_int_equal(v.sight, VANTAGE_SIGHTED);
	assert_int_equal(v.since_ms, 34251);
}

/* A gap in the hold begins it anew; targets that went bad in it make it blind when it ends. */
static void
test_held_again_and_blind(void **state)
{
	struct vantage v;

	(void)state;
	vantage_init(&v, 0);
	vantage_turn(&v, 3000, 3000);
	turn_until(&v, 20000);
	vantage_turn(&v, 60000, 60000);
	turn_until(&v, 89900);
	assert_int_equal(v.sight, VANTAGE_HELD);
	assert_false(vantage_set_targets(&v, 10, 5, 89950));
	turn_until(&v, 90200);
	assert_int_equal(v.sight, VANTAGE_BLIND);
}

/* What the caller counts: news of the last 10 s; while blind, all since then. */
static void
test_targets(void **state)
{
	struct vantage_target t = { 0 };
	struct vantage v;

	(void)state;
	vantage_init(&v, 0);
	vantage_target_note(&t, false, false, 500);
	assert_false(vantage_target_is_suspect(&t, &v, 500));
	vantage_target_note(&t, true, false, 1000);
	vantage_target_note(&t, true, false, 9000); /* the row began at 1000 */
	assert_true(vantage_target_is_suspect(&t, &v, 11000));
	assert_false(vantage_target_is_suspect(&t, &v, 11001));
	vantage_set_targets(&v, 10, 3, 8000);
	assert_true(vantage_target_is_suspect(&t, &v, 50000));
	vantage_target_note(&t, true, true, 51000);
	assert_false(vantage_target_is_suspect(&t, &v, 51000));
	vantage_target_note(&t, false, false, 52000);
	assert_false(vantage_target_is_suspect(&t, &v, 52000));
}

/*
 * A vantage of ten, as the checker runs it: all bad, held back; after a minute seven are dead
 * indeed and become failing; then three of the rest, which is news.
 */
static void
test_whole_story(void **state)
{
	struct vantage_target targets[10] = { 0 };
	struct vantage v;
	int64_t failing_ms = 0;

	(void)state;
	vantage_init(&v, 0);
	for (int64_t t = TURN_MS; t < 200000; t += TURN_MS) {
		size_t suspects = 0;

		for (size_t i = 0; i < MEM_COUNT(targets); i++) {
			bool is_bad = t >= 5000 && (i < 7 || (t >= 150000 && t < 160000));
			bool is_failing = i < 7 && failing_ms != 0 && t >= failing_ms;

			vantage_target_note(&targets[i], is_bad, is_failing, t);
			suspects += vantage_target_is_suspect(&targets[i], &v, t);
		}
		vantage_turn(&v, t, t);
		vantage_set_targets(&v, MEM_COUNT(targets), suspects, t);
		if (t > 6000 && failing_ms == 0 && v.sight == VANTAGE_SIGHTED)
			failing_ms = t + 10000;
		if (t >= 5000 && t < 65000)
			assert_int_equal(v.sight, VANTAGE_BLIND);
		else if (t >= 150000 && t < 160000)
			assert_int_equal(v.sight, VANTAGE_BLIND);
		else
			assert_int_equal(v.sight, VANTAGE_SIGHTED);
	}
	assert_int_equal(failing_ms, 75000);
}

static void
test_names(void **state)
{
	(void)state;
	for (int i = VANTAGE_SIGHTED; i <= VANTAGE_HELD; i++) {
		enum vantage_sight back = VANTAGE_SIGHTED;

		assert_int_equal(
		    vantage_sight_parse(vantage_sight_name((enum vantage_sight)i), &back), 0);
		assert_int_equal(back, i);
	}
	assert_int_equal(vantage_sight_parse("asleep", &(enum vantage_sight){ 0 }), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_score),
		cmocka_unit_test(test_one_suspect_is_no_doubt),
		cmocka_unit_test(test_blind_at),
		cmocka_unit_test(test_few_targets),
		cmocka_unit_test(test_blind_ends),
		cmocka_unit_test(test_blind_for_a_minute),
		cmocka_unit_test(test_witness_keeps_it_blind),
		cmocka_unit_test(test_witnesses_alone_blind_nobody),
		cmocka_unit_test(test_held_after_a_gap),
		cmocka_unit_test(test_held_again_and_blind),
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_whole_story),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
