/*
 * test_guard.c: which map may replace which. Every limit is tested on both of its sides, and every
 * message, because somebody reads it at 3 a.m.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "maps.h"

static const struct guard_limits fifth = { 0.2 };

/* "n00=db0 n01=db1 …" of so many names, the first left out, over so many nodes. */
static const char *
names_text(size_t from, size_t count, size_t node_count)
{
	static char text[4096];
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = from; i < count; i++)
		len += (size_t)snprintf(
		    text + len, sizeof(text) - len, "n%02zu=db%zu ", i, i % node_count);
	return text;
}

/* "db0=10.0.0.1 …", the first moved of them somewhere else. */
static const char *
nodes_text(size_t count, size_t moved)
{
	static char text[4096];
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "db%zu=10.%d.0.%zu ", i,
		    i < moved ? 99 : 0, i + 1);
	return text;
}

/* NULL: it may; else the words. */
static const char *
judge(struct name_map *before, struct name_map *after, bool was_canary_seen)
{
	static struct err e;
	int rc = guard_check(&fifth, before, after, was_canary_seen, &e);

	name_map_unref(before);
	name_map_unref(after);
	return rc == 0 ? NULL : e.text;
}

static const char *
judge_loss(size_t count, size_t lost)
{
	struct name_map *before = maps_build(nodes_text(5, 0), names_text(0, count, 5), NULL);

	return judge(before, maps_build(NULL, names_text(lost, count, 5), before), false);
}

static const char *
judge_moves(size_t node_count, size_t moved)
{
	struct name_map *before =
	    maps_build(nodes_text(node_count, 0), names_text(0, 40, node_count), NULL);

	return judge(before,
	    maps_build(nodes_text(node_count, moved), names_text(0, 40, node_count), before),
	    false);
}

static void
a_list_without_the_canary_is_not_believed(void **state)
{
	struct name_map *a = maps_build("db3=10.0.0.3", ".pointsman={} a=db3 b=db3", NULL);

	(void)state;
	assert_null(judge(name_map_ref(a), maps_build(NULL, ".pointsman={} a=db3 b=db3", a), true));
	assert_string_equal(judge(name_map_ref(a), maps_build(NULL, "a=db3 b=db3", a), true),
	    "the key .pointsman is not in the list, so the list was cut short, filtered or wiped");
	/* Nothing is served yet, but the state on disk remembers the canary. */
	assert_non_null(judge(NULL, maps_build(NULL, "a=db3 b=db3", a), true));
	/* Somebody who never ran pointsman init. */
	assert_null(judge(name_map_ref(a), maps_build(NULL, "a=db3 b=db3", a), false));
	name_map_unref(a);
}

static void
an_empty_map_does_not_replace_names(void **state)
{
	struct name_map *a = maps_build("db3=10.0.0.3", ".pointsman={} a=db3", NULL);

	(void)state;
	assert_string_equal(judge(name_map_ref(a), maps_build(NULL, ".pointsman={}", a), true),
	    "the list has no names, and 1 are served");
	name_map_unref(a);
}

/* `pointsman init` comes before the first name; without a canary an empty list may be anything. */
static void
the_first_map_may_be_empty_with_a_canary(void **state)
{
	(void)state;
	assert_null(judge(NULL, maps_build("", ".pointsman={}", NULL), true));
	assert_string_equal(judge(NULL, maps_build("", "", NULL), false),
	    "the list has neither names nor the key .pointsman");
}

static void
the_first_map_is_written(void **state)
{
	(void)state;
	assert_null(judge(NULL, maps_build("db3=10.0.0.3", "a=db3", NULL), false));
}

static void
one_name_may_always_go(void **state)
{
	(void)state;
	assert_null(judge_loss(2, 1));
	assert_null(judge_loss(3, 1));
	assert_null(judge_loss(40, 1));
}

static void
more_than_the_share_may_not_go(void **state)
{
	(void)state;
	assert_null(judge_loss(10, 2));
	assert_string_equal(
	    judge_loss(10, 3), "3 of 10 names would be gone (30 %, at most 20 %): n00, n01, n02");
	assert_null(judge_loss(40, 8));
	assert_string_equal(
	    judge_loss(40, 9), "9 of 40 names would be gone (22 %, at most 20 %): n00, n01, n02 …");
	assert_non_null(judge_loss(4, 2));
}

/* All of them renamed at once: as many as before, and not one of them left. */
static void
new_names_do_not_make_up_for_lost_ones(void **state)
{
	struct name_map *a = maps_build("db0=10.0.0.1", "a=db0 b=db0 c=db0", NULL);

	(void)state;
	assert_string_equal(judge(name_map_ref(a), maps_build(NULL, "x=db0 y=db0 z=db0", a), false),
	    "3 of 3 names would be gone (100 %, at most 20 %): a, b, c");
	name_map_unref(a);
}

static void
people_may_move_every_name(void **state)
{
	struct name_map *a = maps_build(nodes_text(9, 0), names_text(0, 9, 9), NULL);

	(void)state;
	assert_null(judge(a, maps_build(NULL, names_text(0, 9, 1), a), false));
}

static void
two_nodes_may_always_move(void **state)
{
	(void)state;
	assert_null(judge_moves(2, 2));
	assert_null(judge_moves(3, 2));
	assert_string_equal(judge_moves(3, 3),
	    "3 of 3 nodes would have another address at once (100 %, at most 30 %): db0, db1, db2");
}

static void
more_than_three_in_ten_nodes_may_not_move(void **state)
{
	(void)state;
	assert_null(judge_moves(10, 3));
	assert_string_equal(judge_moves(10, 4),
	    "4 of 10 nodes would have another address at once (40 %, at most 30 %): db0, db1, "
	    "db2 …");
	assert_null(judge_moves(20, 6));
	assert_non_null(judge_moves(20, 7));
}

/* Machines that nobody names may come and go as they like. */
static void
only_nodes_in_use_count(void **state)
{
	struct name_map *a = maps_build(nodes_text(20, 0), names_text(0, 4, 4), NULL);

	(void)state;
	/* 2 of the 4 in use, and 8 others. */
	assert_null(judge(name_map_ref(a),
	    maps_build("db0=10.9.0.1 db1=10.9.0.2 db2=10.0.0.3 db3=10.0.0.4 db4=10.9.0.5 "
		       "db5=10.9.0.6 db6=10.9.0.7 db7=10.9.0.8",
		names_text(0, 4, 4), a),
	    false));
	/* 3 of the 4 in use are too many, however many others stay. */
	assert_string_equal(judge(a, maps_build(nodes_text(20, 3), names_text(0, 4, 4), a), false),
	    "3 of 4 nodes would have another address at once (75 %, at most 30 %): db0, db1, db2");
}

/* The catalog shows nothing any more: every address is the last known one, and none has changed. */
static void
a_catalog_that_is_gone_is_no_move(void **state)
{
	struct name_map *a = maps_build(nodes_text(10, 0), names_text(0, 10, 10), NULL);

	(void)state;
	assert_null(judge(a, maps_build("", names_text(0, 10, 10), a), false));
}

static bool
is_any(const char *name, void *arg)
{
	(void)name;
	(void)arg;
	return true;
}

/* Held names keep their addresses, so a move of their nodes moves nothing. */
static void
nodes_of_held_names_do_not_count(void **state)
{
	struct name_map *a = maps_build(nodes_text(5, 0), names_text(0, 5, 5), NULL);
	struct name_map *b =
	    maps_build_with(nodes_text(5, 5), names_text(0, 5, 5), a, NULL, is_any, NULL);

	(void)state;
	assert_null(judge(a, b, false));
}

static void
the_share_is_the_output_s_own(void **state)
{
	static const struct guard_limits none = { 0 }, all = { 1 };
	struct name_map *a = maps_build(nodes_text(1, 0), names_text(0, 10, 1), NULL);
	struct name_map *one = maps_build(NULL, names_text(1, 10, 1), a);
	struct name_map *two = maps_build(NULL, names_text(2, 10, 1), a);
	struct name_map *nine = maps_build(NULL, names_text(9, 10, 1), a);

	(void)state;
	assert_int_equal(guard_check(&none, a, one, false, NULL), 0);
	assert_int_equal(guard_check(&none, a, two, false, NULL), -1);
	assert_int_equal(guard_check(&all, a, nine, false, NULL), 0);
	name_map_unref(a);
	name_map_unref(one);
	name_map_unref(two);
	name_map_unref(nine);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_without_the_canary_is_not_believed),
		cmocka_unit_test(an_empty_map_does_not_replace_names),
		cmocka_unit_test(the_first_map_may_be_empty_with_a_canary),
		cmocka_unit_test(the_first_map_is_written),
		cmocka_unit_test(one_name_may_always_go),
		cmocka_unit_test(more_than_the_share_may_not_go),
		cmocka_unit_test(new_names_do_not_make_up_for_lost_ones),
		cmocka_unit_test(people_may_move_every_name),
		cmocka_unit_test(two_nodes_may_always_move),
		cmocka_unit_test(more_than_three_in_ten_nodes_may_not_move),
		cmocka_unit_test(only_nodes_in_use_count),
		cmocka_unit_test(a_catalog_that_is_gone_is_no_move),
		cmocka_unit_test(nodes_of_held_names_do_not_count),
		cmocka_unit_test(the_share_is_the_output_s_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
