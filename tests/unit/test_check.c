/* test_check.c: model/check.c and model/server_view.c: the table of classes, results, views. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "model/check.h"
#include "model/server_view.h"

static void
test_classes_have_all(void **state)
{
	(void)state;
	for (int i = 0; i < CHECK_CLASS_COUNT; i++) {
		enum check_class c = (enum check_class)i, back = CHECK_CLASS_COUNT;

		assert_true(check_class_name(c)[0] != '\0');
		assert_true(check_class_text(c)[0] != '\0');
		assert_int_equal(check_class_parse(check_class_name(c), &back), 0);
		assert_int_equal(back, c);
		/* what is down is critical */
		assert_true(!check_class_is_down(c) || check_class_level(c) == LEVEL_CRITICAL);
	}
	assert_int_equal(check_class_parse("fine", &(enum check_class){ 0 }), -1);
	assert_string_equal(check_class_name((enum check_class)99), "unknown");
}

/* Degraded, not down: a wrong password must never move a database. */
static void
test_degraded_is_not_down(void **state)
{
	static const enum check_class not_down[] = { CHECK_OK, CHECK_WARNING, CHECK_AUTH,
		CHECK_TOO_MANY, CHECK_RESOLVE, CHECK_TLS, CHECK_REPLICATION, CHECK_LAG,
		CHECK_UNKNOWN };
	static const enum check_class down[] = { CHECK_REFUSED, CHECK_RESET, CHECK_TIMEOUT,
		CHECK_UNREACHABLE };

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(not_down); i++)
		assert_false(check_class_is_down(not_down[i]));
	for (size_t i = 0; i < MEM_COUNT(down); i++) {
		assert_true(check_class_is_down(down[i]));
		assert_false(check_class_is_told(down[i]));
	}
	assert_int_equal(check_class_level(CHECK_AUTH), LEVEL_WARNING);
	assert_int_equal(check_class_level(CHECK_TOO_MANY), LEVEL_WARNING);
	assert_int_equal(check_class_level(CHECK_UNKNOWN), LEVEL_UNKNOWN);
}

static void
test_text_is_printable(void **state)
{
	struct check_result r = { 0 };

	(void)state;
	check_result_set(&r, CHECK_PROTOCOL, "it says \"%s\"", "\033[2J\n\xff");
	assert_int_equal(r.class, CHECK_PROTOCOL);
	assert_string_equal(r.text, "it says \"\\x1b[2J\\x0a\\xff\"");
	check_result_clear(&r);
	assert_int_equal(r.class, CHECK_OK);
}

/* Whatever the length, a text is cut between two characters. */
static void
test_text_is_cut(void **state)
{
	char text[3 * CHECK_TEXT_SIZE];

	(void)state;
	for (size_t shift = 0; shift < 4; shift++) {
		struct check_result r = { 0 };
		size_t len = shift;

		memset(text, 'x', shift);
		while (len + 4 < sizeof(text)) {
			memcpy(text + len, "\xe2\x82\xac", 3);
			len += 3;
		}
		text[len] = '\0';
		check_result_set(&r, CHECK_VALUE, "%s", text);
		assert_true(strlen(r.text) >= CHECK_TEXT_SIZE - 8);
		assert_true(str_is_utf8(r.text, strlen(r.text)));
	}
}

static void
test_numbers(void **state)
{
	struct check_result r = { 0 };
	struct range limit;

	(void)state;
	assert_int_equal(range_parse("10", &limit, NULL), 0);
	check_result_number(
	    &r, "a label that is longer than forty-eight characters are", 1, "s", &limit, NULL);
	assert_int_equal(strlen(r.numbers[0].label), CHECK_LABEL_SIZE - 1);
	assert_true(r.numbers[0].warning.is_set);
	assert_false(r.numbers[0].critical.is_set);
	for (int i = 1; i < 2 * CHECK_NUMBERS_MAX; i++)
		check_result_number(&r, "n", i, "", NULL, NULL);
	assert_int_equal(r.number_count, CHECK_NUMBERS_MAX);
	assert_true(r.numbers[CHECK_NUMBERS_MAX - 1].value == CHECK_NUMBERS_MAX - 1);
	check_result_clear(&r);
	assert_int_equal(r.number_count, 0);
}

static void
test_view(void **state)
{
	struct check_result r = { .view = server_view_new(SERVER_MYSQL) };
	struct replication_view *source = server_view_source(r.view);

	(void)state;
	assert_true(isnan(r.view->longest_write_s));
	assert_true(isnan(source->lag_s) && isnan(source->behind));
	source->gtid_received = mem_strdup("0-1-1");
	source = server_view_source(r.view);
	assert_true(isnan(source->lag_s) && source->gtid_received == NULL);
	assert_string_equal(r.view->sources[0].gtid_received, "0-1-1");
	assert_string_equal(server_kind_name(r.view->kind), "mysql");
	check_result_clear(&r); /* the sanitizer sees what it leaves behind */
	assert_null(r.view);
	server_view_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_classes_have_all),
		cmocka_unit_test(test_degraded_is_not_down),
		cmocka_unit_test(test_text_is_printable),
		cmocka_unit_test(test_text_is_cut),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_view),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
