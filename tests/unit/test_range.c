/* test_range.c: model/range.c: the guidelines' own examples, and what is refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "model/range.h"

/* The table of the Nagios plugin guidelines, with values at and beside each end. */
static const struct {
	const char *text;
	double value;
	bool is_caught;
} cases[] = {
	{ "10", 10, false },
	{ "10", 10.001, true },
	{ "10", 0, false },
	{ "10", -0.001, true },
	{ ":10", -0.001, true },
	{ ":10", 10, false },
	{ "10:", 10, false },
	{ "10:", 9.999, true },
	{ "10:", INFINITY, false },
	{ "~:10", -1e300, false },
	{ "~:10", 10.1, true },
	{ "10:20", 9.9, true },
	{ "10:20", 10, false },
	{ "10:20", 20, false },
	{ "10:20", 20.1, true },
	{ "@10:20", 9.9, false },
	{ "@10:20", 10, true },
	{ "@10:20", 20, true },
	{ "@10:20", 20.1, false },
	{ "@10", 0, true },
	{ "@10", -1, false },
	{ "@~:0", -5, true },
	{ "-5:-1", -5, false },
	{ "-5:-1", 0, true },
	{ "0.5:1e3", 999, false },
	{ "0.5:1e3", 0.4, true },
	{ "0:0", 0, false },
	{ "0:0", 1, true },
	{ "~:", -1e9, false },
	{ "@~:", 0, true },
};

static void
test_values(void **state)
{
	(void)state;
	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		struct range r;
		struct err e = { 0 };

		assert_int_equal(range_parse(cases[i].text, &r, &e), 0);
		assert_string_equal(r.text, cases[i].text);
		if (range_catches(&r, cases[i].value) != cases[i].is_caught)
			fail_msg("%s and %g", cases[i].text, cases[i].value);
		/* no number is no good news, inside or outside */
		assert_true(range_catches(&r, NAN));
	}
}

static void
test_refused(void **state)
{
	static const char *const bad[] = { "", "@", ":", "@:", "~", "10:~", "~10", "x", "10x",
		"10:20x", "10:20:30", "20:10", " 10", "10 ", "10: 20", "0x10", "inf", "nan",
		"1e999", "--1", "+-1", "1,5", "~~:1", "@@1", "5:@6", "10:\n", "-", "." };
	char huge[RANGE_TEXT_SIZE + 1];

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(bad); i++) {
		struct range r = { .low = 7 };
		struct err e = { 0 };

		if (range_parse(bad[i], &r, &e) != -1)
			fail_msg("\"%s\" was taken", bad[i]);
		assert_int_equal(e.code, ERR_CONFIG);
		assert_non_null(strstr(e.text, "10:20")); /* says what is allowed */
		assert_true(r.low == 7 && !r.is_set);
	}
	memset(huge, '1', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	assert_int_equal(range_parse(huge, &(struct range){ 0 }, NULL), -1);
	huge[sizeof(huge) - 2] = '\0';
	assert_int_equal(range_parse(huge, &(struct range){ 0 }, NULL), 0);
}

static void
test_none_catches_nothing(void **state)
{
	struct range none = { 0 };

	(void)state;
	assert_false(range_catches(&none, 1));
	assert_false(range_catches(&none, NAN));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_none_catches_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
