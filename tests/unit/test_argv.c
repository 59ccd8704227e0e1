/* test_argv.c: base/argv.c: what is put into an argument stays there, and is not looked at again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/argv.h"
#include "base/mem.h"

static const struct argv_mark marks[] = {
	{ "{node}", "db3" },
	{ "{address}", "10.0.4.13" },
	{ "{odd}", "{node} $(id); 'x'" },
	{ "{none}", "" },
};

static void
marks_are_replaced_wherever_they_stand(void **state)
{
	static const char *const cases[][2] = {
		{ "{node}", "db3" },
		{ "-n{node}:{address}/{node}", "-ndb3:10.0.4.13/db3" },
		{ "plain", "plain" },
		{ "", "" },
		{ "{none}", "" },
		{ "{nod} {node {} {{node}}", "{nod} {node {} {db3}" },
		{ "{odd}", "{node} $(id); 'x'" },
	};

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		char *argv[] = { (char *)"/bin/x", (char *)cases[i][0], NULL };
		char **out = argv_fill(argv, marks, MEM_COUNT(marks));

		assert_string_equal(out[0], "/bin/x");
		assert_string_equal(out[1], cases[i][1]);
		assert_null(out[2]);
		argv_free(out);
	}
}

static void
nothing_stays_nothing(void **state)
{
	char *none[] = { NULL };
	char **out = argv_fill(none, marks, MEM_COUNT(marks));

	(void)state;
	assert_non_null(out);
	assert_null(out[0]);
	argv_free(out);
	assert_null(argv_fill(NULL, marks, MEM_COUNT(marks)));
	argv_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(marks_are_replaced_wherever_they_stand),
		cmocka_unit_test(nothing_stays_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
