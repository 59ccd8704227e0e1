/* test_sorted.c: a key is found at its first place, and one that is not there where it would be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/sorted.h"

struct item {
	int number;
	const char *key;
};

static size_t
place(const struct item *items, size_t count, const char *key)
{
	return sorted_place(items, count, sizeof(*items), offsetof(struct item, key), key);
}

static void
it_is_found_or_its_place_is(void **state)
{
	static const struct item items[] = { { 0, "b" }, { 1, "d" }, { 2, "d" }, { 3, "f" } };

	(void)state;
	assert_int_equal(place(items, 4, ""), 0);
	assert_int_equal(place(items, 4, "b"), 0);
	assert_int_equal(place(items, 4, "c"), 1);
	assert_int_equal(place(items, 4, "d"), 1); /* the first of two */
	assert_int_equal(place(items, 4, "da"), 3);
	assert_int_equal(place(items, 4, "f"), 3);
	assert_int_equal(place(items, 4, "g"), 4);
	assert_int_equal(place(items, 4, "\xff"), 4); /* bytes are not negative */
}

static void
nothing_has_no_place_but_the_first(void **state)
{
	(void)state;
	assert_int_equal(place(NULL, 0, "a"), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_found_or_its_place_is),
		cmocka_unit_test(nothing_has_no_place_but_the_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
