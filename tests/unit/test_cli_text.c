/*
 * test_cli_text.c: the pure parts of the command: near misses, line breaking, the difference of two
 * texts. line_diff is checked against the definition: with what it tells one text has the lines of the
 * other, and no shorter way exists.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "cli/line_diff.h"
#include "cli/near.h"
#include "cli/wrap.h"

/* --- near ---------------------------------------------------------------------------------------- */

static void
distance_counts_slips(void **state)
{
	(void)state;
	assert_int_equal(near_distance("maindb", "maindb", 3), 0);
	assert_int_equal(near_distance("maindb", "mandb", 3), 1);
	assert_int_equal(near_distance("maindb", "mainndb", 3), 1);
	assert_int_equal(near_distance("maindb", "maimdb", 3), 1);
	assert_int_equal(near_distance("maindb", "mianbd", 3), 2); /* two swaps */
	assert_int_equal(near_distance("", "abc", 3), 3);
	assert_int_equal(near_distance("abcdef", "uvwxyz", 3), 4); /* beyond the limit */
}

static const char *
nearest(const char *wanted, const char *const *words)
{
	struct near n;

	near_init(&n, wanted);
	for (; *words != NULL; words++)
		near_offer(&n, *words);
	return n.best;
}

static void
the_nearest_is_offered(void **state)
{
	static const char *const nodes[] = { "db1", "db33", "db3", "web-03", NULL };
	static const char *const one[] = { "a", NULL };
	char longest[NEAR_WORD_MAX + 2];

	(void)state;
	assert_string_equal(nearest("db3x", nodes), "db33");
	assert_string_equal(nearest("web03", nodes), "web-03");
	assert_null(nearest("sessions", nodes));
	assert_null(nearest("b", one)); /* a letter of a word of one */
	assert_null(nearest("", nodes));
	memset(longest, 'd', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	assert_null(nearest(longest, nodes));
}

/* --- wrap ---------------------------------------------------------------------------------------- */

static void
check_wrap(int width, const char *text, const char *expected)
{
	struct str out = STR_INIT;

	wrap_add(&out, width, "* ", "  ", text);
	assert_string_equal(str_text(&out), expected);
	str_clear(&out);
}

static void
lines_are_broken_at_blanks(void **state)
{
	(void)state;
	check_wrap(20, "", "* \n");
	check_wrap(20, "one two", "* one two\n");
	check_wrap(9, "one two three", "* one two\n  three\n");
	check_wrap(8, "one two three", "* one\n  two\n  three\n");
	check_wrap(8, "a_word_too_long b", "* a_word_too_long\n  b\n");
	check_wrap(20, "one\ntwo", "* one\n  two\n");
	check_wrap(20, "two  blanks stay", "* two  blanks stay\n");
	check_wrap(7, "\u00e4\u00f6\u00fc \u00df",
	    "* \u00e4\u00f6\u00fc \u00df\n"); /* bytes are no columns */
}

/* --- line_diff ------------------------------------------------------------------------------------ */

struct script {
	struct str text; /* "-a\n+b\n" */
	size_t edits;
};

static void
note(char sign, const char *text, size_t len, void *arg)
{
	struct script *s = arg;

	str_addc(&s->text, sign);
	str_add(&s->text, text, len);
	str_addc(&s->text, '\n');
	s->edits++;
}

static void
check_diff(const char *a, const char *b, const char *expected)
{
	struct script s = { .text = STR_INIT };

	line_diff(a, strlen(a), b, strlen(b), note, &s);
	assert_string_equal(str_text(&s.text), expected);
	str_clear(&s.text);
}

static void
differences_are_told(void **state)
{
	(void)state;
	check_diff("", "", "");
	check_diff("a\nb\n", "a\nb\n", "");
	check_diff("", "a\n", "+a\n");
	check_diff("a\n", "", "-a\n");
	check_diff("a\nb\nc\n", "a\nx\nc\n", "-b\n+x\n");
	check_diff("a\nb\nc\n", "b\nc\nd\n", "-a\n+d\n");
	check_diff("a\nb", "a\nb\n", ""); /* a last line without its newline is that line */
	check_diff("a\n\nb\n", "a\nb\n", "-\n");
	/* The example of Myers' paper, in its order. */
	check_diff("a\nb\nc\na\nb\nb\na\n", "c\nb\na\nb\na\nc\n", "-a\n-b\n+b\n-b\n+c\n");
}

/* Edits of the shortest script, by the definition: lines less twice the longest common part. */
static size_t
shortest(const char *a, const char *b)
{
	size_t table[16][16] = { { 0 } }, n = strlen(a) / 2, m = strlen(b) / 2;

	for (size_t i = 1; i <= n; i++) {
		for (size_t k = 1; k <= m; k++) {
			size_t up = table[i - 1][k], left = table[i][k - 1];

			table[i][k] = a[2 * (i - 1)] == b[2 * (k - 1)] ? table[i - 1][k - 1] + 1
				      : up > left                      ? up
								       : left;
		}
	}
	return n + m - 2 * table[n][m];
}

/* How often a line comes in text, less how often the script takes it, plus how often it puts it. */
static int
balance(const char *text, const char *script, char line)
{
	int n = 0;

	for (; *text != '\0'; text += 2)
		n += *text == line;
	for (; *script != '\0'; script += 3)
		n += script[1] == line ? (script[0] == '+' ? 1 : -1) : 0;
	return n;
}

static void
check_script(const char *a, const char *b)
{
	struct script s = { .text = STR_INIT };

	line_diff(a, strlen(a), b, strlen(b), note, &s);
	assert_int_equal(s.edits, shortest(a, b));
	for (char line = 'a'; line <= 'c'; line++)
		assert_int_equal(balance(a, str_text(&s.text), line), balance(b, "", line));
	str_clear(&s.text);
}

static void
the_way_is_the_shortest(void **state)
{
	char a[32], b[32];

	(void)state;
	srand(1);
	for (int round = 0; round < 20000; round++) {
		size_t n = (size_t)rand() % 12, m = (size_t)rand() % 12;

		a[0] = b[0] = '\0';
		for (size_t i = 0; i < n; i++)
			strcat(a, (const char *[]){ "a\n", "b\n", "c\n" }[rand() % 3]);
		for (size_t i = 0; i < m; i++)
			strcat(b, (const char *[]){ "a\n", "b\n", "c\n" }[rand() % 3]);
		check_script(a, b);
	}
}

static void
too_many_differences_replace_everything(void **state)
{
	struct str a = STR_INIT, b = STR_INIT;
	struct script s = { .text = STR_INIT };
	size_t count = LINE_DIFF_EDITS_MAX;

	(void)state;
	for (size_t i = 0; i < count; i++) {
		str_addf(&a, "a%zu\nsame\n", i);
		str_addf(&b, "b%zu\nsame\n", i);
	}
	line_diff(a.data, a.len, b.data, b.len, note, &s);
	assert_int_equal(s.edits, 2 * (2 * count - 1)); /* all but the last "same" */
	str_clear(&a);
	str_clear(&b);
	str_clear(&s.text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(distance_counts_slips),
		cmocka_unit_test(the_nearest_is_offered),
		cmocka_unit_test(lines_are_broken_at_blanks),
		cmocka_unit_test(differences_are_told),
		cmocka_unit_test(the_way_is_the_shortest),
		cmocka_unit_test(too_many_differences_replace_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
