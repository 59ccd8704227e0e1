/* test_plan_id.c: an id fits the plan it was made of, for two minutes, and no other. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "model/plan_id.h"

#define NOW 1795886644

static int64_t age_s;

static void
fits_its_plan(void **state)
{
	char id[PLAN_ID_SIZE];

	(void)state;
	plan_id_make(id, "maindb db3 db4 17", NOW);
	assert_int_equal(strlen(id), 13);
	assert_int_equal(plan_id_check(id, "maindb db3 db4 17", NOW, &age_s), PLAN_FITS);
	assert_int_equal(age_s, 0);
	assert_int_equal(
	    plan_id_check(id, "maindb db3 db4 17", NOW + PLAN_VALID_S, &age_s), PLAN_FITS);
	assert_int_equal(age_s, PLAN_VALID_S);
}

static void
fits_no_other(void **state)
{
	char id[PLAN_ID_SIZE];

	(void)state;
	plan_id_make(id, "maindb db3 db4 17", NOW);
	assert_int_equal(plan_id_check(id, "maindb db3 db4 18", NOW + 1, &age_s), PLAN_CHANGED);
	id[0] = id[0] == 'a' ? 'b' : 'a';
	assert_int_equal(plan_id_check(id, "maindb db3 db4 17", NOW + 1, &age_s), PLAN_CHANGED);
}

static void
grows_old(void **state)
{
	char id[PLAN_ID_SIZE], young[PLAN_ID_SIZE];

	(void)state;
	plan_id_make(id, "x", NOW);
	assert_int_equal(plan_id_check(id, "x", NOW + PLAN_VALID_S + 1, &age_s), PLAN_OLD);
	assert_int_equal(age_s, PLAN_VALID_S + 1);
	/* The time of a younger one in its place does not help. */
	plan_id_make(young, "y", NOW + 60);
	memcpy(id + 9, young + 9, 4);
	assert_int_equal(plan_id_check(id, "x", NOW + 61, &age_s), PLAN_CHANGED);
}

static void
reads_nothing_else(void **state)
{
	static const char *const others[] = { "", "7f3a", "7f3a91c2-4k8", "7f3a91c2-4k8dd",
		"7f3a91c2x4k8d", "7f3a91c2-4k8u", "7f3a91c2-4k8\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(plan_id_check(others[i], "x", NOW, &age_s), PLAN_NONE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fits_its_plan),
		cmocka_unit_test(fits_no_other),
		cmocka_unit_test(grows_old),
		cmocka_unit_test(reads_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
