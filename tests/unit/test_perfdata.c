/*
 * test_perfdata.c: what plugins print, well and badly, and a result as a plugin's line.
 */
#include "model/perfdata.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static struct check_result
read_text(const char *output)
{
	struct check_result r = { .class = CHECK_OK };

	perfdata_read(output, strlen(output), &r);
	return r;
}

static void
assert_number(const struct check_number *n, const char *label, double value, const char *unit,
    const char *warning, const char *critical)
{
	assert_string_equal(label, n->label);
	assert_true(fabs(value - n->value) <= fabs(value) * 1e-15);
	assert_string_equal(unit, n->unit);
	assert_string_equal(warning, n->warning.text);
	assert_string_equal(critical, n->critical.text);
}

static void
test_usual(void **state)
{
	struct check_result r =
	    read_text("DISK OK - free space: / 3326 MB (56%); | /=2643MB;5948;5958;0;5968\n");

	(void)state;
	assert_string_equal("DISK OK - free space: / 3326 MB (56%);", r.text);
	assert_int_equal(1, r.number_count);
	assert_number(&r.numbers[0], "/", 2643, "MB", "5948", "5958");
	assert_int_equal(CHECK_OK, r.class);
}

/* The example of the guidelines. */
static void
test_many_lines(void **state)
{
	struct check_result r =
	    read_text("DISK OK - free space: / 3326 MB (56%); | /=2643MB;5948;5958;0;5968\n"
		      "/ 15272 MB (77%);\n/boot 68 MB (69%);\n/home 69357 MB (27%);\n"
		      "/var/log 819 MB (84%); | /boot=68MB;88;93;0;98\n"
		      "/home=69357MB;253404;253409;0;253414\n/var/log=818MB;970;975;0;980\n");

	(void)state;
	assert_string_equal("DISK OK - free space: / 3326 MB (56%);", r.text);
	assert_int_equal(4, r.number_count);
	assert_number(&r.numbers[1], "/boot", 68, "MB", "88", "93");
	assert_number(&r.numbers[3], "/var/log", 818, "MB", "970", "975");
}

static void
test_forms(void **state)
{
	static const struct {
		const char *item, *label;
		double value;
		const char *unit, *warning, *critical;
	} cases[] = {
		{ "time=0.013s", "time", 0.013, "s", "", "" },
		{ "time=0.013s;;;0", "time", 0.013, "s", "", "" },
		{ "time=.5s;;1", "time", 0.5, "s", "", "1" },
		{ "'free space'=7%;@10:20;~:5", "free space", 7, "%", "@10:20", "~:5" },
		{ "'it''s'=1c", "it's", 1, "c", "", "" },
		{ "'a=b|c'=1", "a_b_c", 1, "", "", "" },
		{ "x=-1.5e-3", "x", -1.5e-3, "", "", "" },
		{ "x=5EB", "x", 5, "EB", "", "" },
		{ "x=1;nonsense;10", "x", 1, "", "", "10" },
		{ "users=\t y=2", "y", 2, "", "", "" }, /* a value that is missing */
		{ "x=U y=2", "y", 2, "", "", "" },      /* one that is not known */
		{ "x=nan y=2", "y", 2, "", "", "" },
		{ "x=0x10 y=2", "y", 2, "", "", "" },
		{ "x=1e999 y=2", "y", 2, "", "", "" },
		{ "x=1,5s y=2", "y", 2, "", "", "" }, /* somebody's locale */
		{ "x=1longunit y=2", "y", 2, "", "", "" },
		{ "noise =7 y=2", "y", 2, "", "", "" },
		{ "''=1 y=2", "y", 2, "", "", "" },
		{ "y=2 'open=3", "y", 2, "", "", "" },
	};

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		char *output = mem_printf("fine|%s", cases[i].item);
		struct check_result r = read_text(output);

		assert_string_equal("fine", r.text);
		assert_int_equal(1, r.number_count);
		assert_number(&r.numbers[0], cases[i].label, cases[i].value, cases[i].unit,
		    cases[i].warning, cases[i].critical);
		free(output);
	}
}

static void
test_no_numbers(void **state)
{
	static const char *const outputs[] = { "", "\n", "|", "fine", "fine|", "fine\nlong\nlong",
		"|||| |", "fine|'", "fine|=", "fine|x=", "fine|'x'" };

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(outputs); i++)
		assert_int_equal(0, read_text(outputs[i]).number_count);
}

static void
test_hostile(void **state)
{
	static const char output[] = "\x1b[2Jgone\0hidden\x07|\x1b[31m=1 a\0b=2 'c\nd'=3";
	struct check_result r = { .class = CHECK_VALUE };

	(void)state;
	perfdata_read(output, sizeof(output) - 1, &r);
	assert_string_equal("\\x1b[2Jgone\\x00hidden\\x07", r.text);
	for (size_t i = 0; i < r.number_count; i++)
		assert_null(strpbrk(r.numbers[i].label, "\x1b\n"));
	assert_string_equal("\\x1b[31m", r.numbers[0].label);
	assert_int_equal(CHECK_VALUE, r.class);
}

static void
test_too_much(void **state)
{
	struct str s = STR_INIT;
	struct check_result r;

	(void)state;
	for (int i = 0; i < 2000; i++)
		str_addc(&s, 'x');
	str_addc(&s, '|');
	for (int i = 0; i < 100; i++)
		str_addf(&s, " n%d=%d", i, i);
	r = read_text(s.data);
	assert_int_equal(CHECK_TEXT_SIZE - 1, strlen(r.text));
	assert_int_equal(CHECK_NUMBERS_MAX, r.number_count);
	str_clear(&s);
}

static void
test_write(void **state)
{
	struct check_result r = { 0 };
	struct range warning = { 0 }, critical;
	struct str s = STR_INIT;

	(void)state;
	check_result_set(&r, CHECK_LAG, "12 s | behind");
	perfdata_write(&r, "maindb/db4", &s);
	assert_string_equal("maindb/db4 CRITICAL: 12 s / behind", s.data);
	str_reset(&s);
	assert_int_equal(0, range_parse("10:", &critical, NULL));
	check_result_number(&r, "lag", 0.1, "s", &warning, &critical);
	check_result_number(&r, "not known", NAN, "", NULL, NULL);
	check_result_number(&r, "it's a=b", 8813160812, "c", &critical, NULL);
	perfdata_write(&r, "x", &s);
	assert_string_equal(
	    "x CRITICAL: 12 s / behind | 'lag'=0.1s;;10: 'it''s a_b'=8813160812c;10:", s.data);
	str_clear(&s);
}

static void
test_levels(void **state)
{
	static const struct {
		enum check_class class;
		const char *line;
	} cases[] = {
		{ CHECK_OK, "x OK: " },
		{ CHECK_AUTH, "x WARNING: " },
		{ CHECK_REFUSED, "x CRITICAL: " },
		{ CHECK_UNKNOWN, "x UNKNOWN: " },
	};

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		struct check_result r = { .class = cases[i].class };
		struct str s = STR_INIT;

		perfdata_write(&r, "x", &s);
		assert_string_equal(cases[i].line, s.data);
		str_clear(&s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_usual),
		cmocka_unit_test(test_many_lines),
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_no_numbers),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_too_much),
		cmocka_unit_test(test_write),
		cmocka_unit_test(test_levels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
