/*
 * test_canary.c: the canary is a key that anybody may edit: what is not as we write it must neither be
 * believed nor crash, and a ring of the bell must always change its bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "feature/canary.h"

#define CLUSTER "0f1e2d3c-4b5a-4697-8887-a6b5c4d3e2f1"
#define DIGEST "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static int
parse(const char *text, struct canary *c)
{
	struct kv_entry entry = { .key = "x", .value = text, .value_len = strlen(text) };
	struct err e;

	memset(c, 'x', sizeof(*c));
	return canary_parse(&entry, c, &e);
}

static void
what_is_written_is_read(void **state)
{
	struct canary made, read;
	struct str text = STR_INIT;

	(void)state;
	canary_new(&made, 1795300624118);
	strcpy(made.accepted, DIGEST);
	canary_add_text(&text, &made);
	assert_int_equal(parse(text.data, &read), 0);
	assert_string_equal(read.cluster, made.cluster);
	assert_string_equal(read.touched, "2026-11-21T22:37:04.118Z");
	assert_string_equal(read.accepted, DIGEST);
	str_clear(&text);
}

static void
a_new_one_has_its_own_cluster(void **state)
{
	struct canary a, b;

	(void)state;
	canary_new(&a, 0);
	canary_new(&b, 0);
	assert_string_not_equal(a.cluster, b.cluster);
	assert_int_equal(a.cluster[14], '4'); /* version 4 */
	assert_non_null(strchr("89ab", a.cluster[19]));
	assert_string_equal(a.accepted, "");
}

static void
a_ring_changes_the_bytes(void **state)
{
	struct canary c;
	char before[CANARY_TOUCHED_SIZE];

	(void)state;
	canary_new(&c, 1000);
	for (int i = 0; i < 3; i++) {
		strcpy(before, c.touched);
		canary_touch(&c, 1000); /* the clock stands still */
		assert_string_not_equal(c.touched, before);
	}
}

static void
nothing_is_accepted_without_a_digest(void **state)
{
	struct canary c;

	(void)state;
	assert_int_equal(parse("{\"cluster\":\"" CLUSTER "\"}", &c), 0);
	assert_string_equal(c.cluster, CLUSTER);
	assert_string_equal(c.touched, "");
	assert_string_equal(c.accepted, "");
	assert_int_equal(
	    parse("{\"cluster\":\"" CLUSTER "\",\"accepted\":7,\"touched\":[]}", &c), 0);
	assert_string_equal(c.accepted, "");
	assert_int_equal(parse("{\"cluster\":\"" CLUSTER "\",\"accepted\":\"sha256:00\"}", &c), 0);
	assert_string_equal(c.accepted, "");
	assert_int_equal(
	    parse("{\"cluster\":\"" CLUSTER "\",\"accepted\":\"" DIGEST "0\"}", &c), 0);
	assert_string_equal(c.accepted, "");
	assert_int_equal(
	    parse(
		"{\"cluster\":\"" CLUSTER "\",\"touched\":\"2026-11-21T22:37:04.1\\u001b[\"}", &c),
	    0);
	assert_string_equal(c.touched, "");
}

static void
others_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"hello",
		"{}",
		"[]",
		"null",
		"{\"cluster\":null}",
		"{\"cluster\":\"0f1e2d3c-4b5a-4697-8887-a6b5c4d3e2f\"}",
		"{\"cluster\":\"0f1e2d3c-4b5a-4697-8887-a6b5c4d3e2f1x\"}",
		"{\"cluster\":\"0f1e2d3c-4b5a-4697-8887-a6b5c4d3e2fg\"}",
		"{\"cluster\":\"0f1e2d3c04b5a-4697-8887-a6b5c4d3e2f1\"}",
		"{\"cluster\":\"" CLUSTER "\"",
	};
	struct canary c, untouched;

	(void)state;
	memset(&untouched, 'x', sizeof(untouched));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(parse(bad[i], &c), -1);
		assert_memory_equal(&c, &untouched, sizeof(c));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(a_new_one_has_its_own_cluster),
		cmocka_unit_test(a_ring_changes_the_bytes),
		cmocka_unit_test(nothing_is_accepted_without_a_digest),
		cmocka_unit_test(others_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
