/*
 * test_fleet.c: agents' records are keys that anybody may write: whatever they hold, an agent counts as
 * serving only what it can have served in this history of the KV, and what is shown is printable.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "operate/fleet.h"

#define SESSION "0f1e2d3c-4b5a-4697-8887-a6b5c4d3e2f1"
#define OUTPUT(generation, served, error) \
	"{\"name\":\"hosts\",\"state\":\"served\",\"generation\":" #generation \
	",\"served\":" #served ",\"error\":" error "}"

static struct fleet fleet;

/* One agent with this record, written at index 100; ends up in fleet.agents[0]. */
static const struct fleet_agent *
parse(const char *record, const char *session)
{
	struct kv_entry entry = {
		.key = "pointsman/agents/web-01",
		.value = record,
		.value_len = strlen(record),
		.modify_index = 100,
		.session = session,
	};
	struct kv_list list = { .entries = &entry, .count = 1 };

	fleet_clear(&fleet);
	fleet_parse(&fleet, &list, "pointsman/agents/");
	assert_int_equal(fleet.count, 1);
	return &fleet.agents[0];
}

static void
serves_what_its_slowest_output_serves(void **state)
{
	const struct fleet_agent *a = parse("{\"index\":90,\"generation\":80,\"outputs\":[" OUTPUT(
						90, 85, "null") "," OUTPUT(90, 80, "null") "]}",
	    SESSION);

	(void)state;
	assert_int_equal(a->serves, 80);
	assert_int_equal(a->sees, 90);
	assert_true(fleet_agent_serves(a, 80));
	assert_false(fleet_agent_serves(a, 81));
	assert_true(fleet_agent_sees(a, 90));
	assert_int_equal(fleet_serving(&fleet, 80), 1);
	assert_int_equal(fleet.alive, 1);
}

static void
without_a_session_it_serves_nothing(void **state)
{
	const struct fleet_agent *a =
	    parse("{\"index\":90,\"outputs\":[" OUTPUT(90, 90, "null") "]}", "");

	(void)state;
	assert_int_equal(a->serves, 90);
	assert_false(fleet_agent_serves(a, 1));
	assert_false(fleet_agent_sees(a, 1));
	assert_int_equal(fleet.alive, 0);
}

/* A record is written after what it tells: an index that is not below its own is of another KV. */
static void
another_history_does_not_count(void **state)
{
	const struct fleet_agent *a;

	(void)state;
	a = parse("{\"index\":8812,\"outputs\":[" OUTPUT(8812, 8812, "null") "]}", SESSION);
	assert_int_equal(a->serves, 0);
	assert_int_equal(a->sees, 0);
	a = parse("{\"index\":100,\"outputs\":[" OUTPUT(100, 100, "null") "]}", SESSION);
	assert_int_equal(a->serves, 0);
	a = parse("{\"index\":99,\"outputs\":[" OUTPUT(99, 99, "null") "]}", SESSION);
	assert_int_equal(a->serves, 99);
}

static void
hostile_records_serve_nothing(void **state)
{
	static const char *const records[] = {
		"",
		"null",
		"[]",
		"7",
		"{\"outputs\":7,\"problems\":\"x\",\"guarded\":[]}",
		"{\"outputs\":[7,null,\"x\",[]]}",
		"{\"outputs\":[{\"served\":-5}]}",
		"{\"outputs\":[{\"served\":\"90\"}]}",
		"{\"outputs\":[{\"served\":90.5}]}",
		"{\"index\":90,\"outputs\":[" OUTPUT(90, 90, "null") ",{}]}",
		"\x1b[2J",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		const struct fleet_agent *a = parse(records[i], SESSION);
		struct str trouble = STR_INIT;

		if (fleet_agent_serves(a, 1))
			fail_msg("%s is taken for an agent that serves", records[i]);
		fleet_agent_add_trouble(&trouble, a);
		assert_true(trouble.len > 0);
		str_clear(&trouble);
	}
}

static void
check_trouble(const char *record, const char *session, const char *expected)
{
	struct str trouble = STR_INIT;

	fleet_agent_add_trouble(&trouble, parse(record, session));
	assert_string_equal(str_text(&trouble), expected);
	str_clear(&trouble);
}

static void
trouble_is_told_in_order_of_use(void **state)
{
	(void)state;
	check_trouble("{}", "", "not alive");
	check_trouble("{", SESSION, "its record cannot be read");
	check_trouble("{\"problems\":[\"a\\u001b[2J\",\"b\"],\"guarded\":{\"why\":\"w\"}}", SESSION,
	    "a\\x1b[2J");
	check_trouble("{\"problems\":[{\"what\":\"a\"}]}", SESSION, "a");
	check_trouble("{\"guarded\":{\"why\":\"w\"}}", SESSION, "guarded: w");
	check_trouble("{\"outputs\":[" OUTPUT(9, 9, "null") "," OUTPUT(9, 8, "\"no room\"") "]}",
	    SESSION, "hosts is served: no room");
	check_trouble(
	    "{\"index\":7,\"outputs\":[" OUTPUT(7, 7, "null") "]}", SESSION, "it has seen 7");
}

static void
only_keys_below_the_prefix_are_agents(void **state)
{
	struct kv_entry entries[] = {
		{ .key = "pointsman/agents", .value = "{}", .value_len = 2, .session = "" },
		{ .key = "pointsman/agents/", .value = "{}", .value_len = 2, .session = "" },
		{ .key = "pointsman/agents/WEB-\033",
		    .value = "{}",
		    .value_len = 2,
		    .session = "" },
	};
	struct kv_list list = { .entries = entries, .count = 3 };

	(void)state;
	fleet_clear(&fleet);
	fleet_parse(&fleet, &list, "pointsman/agents/");
	assert_int_equal(fleet.count, 1);
	assert_string_equal(fleet.agents[0].node, "WEB-\\x1b");
	assert_non_null(fleet_find(&fleet, "web-\\x1b"));
	assert_null(fleet_find(&fleet, "web"));
}

/* What an agent guards is told by itself before its record, and where its record is somebody else's. */
static void
the_word_of_the_agent_of_this_host_counts(void **state)
{
	static const char *const records[] = { "{}", "{",
		"{\"guarded\":{\"digest\":\"sha256:old\"}}" };
	json_t *guards = json_pack("{s:s, s:{s:s, s:s, s:[s]}}", "node", "WEB-01", "guarded",
	    "digest", "sha256:new", "why", "12 of 40 names go", "removed", "maindb");
	json_t *guards_not = json_pack("{s:s, s:n}", "node", "web-01", "guarded");

	(void)state;
	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		const struct fleet_agent *a = parse(records[i], SESSION);
		bool is_readable = a->is_readable;

		fleet_hear_guarded(&fleet, guards);
		assert_int_equal(fleet.count, 1);
		assert_string_equal(a->guarded_digest, "sha256:new");
		assert_string_equal(a->guarded_why, "12 of 40 names go");
		assert_int_equal(json_array_size(json_object_get(
				     json_object_get(a->record, "guarded"), "removed")),
		    1);
		assert_int_equal(a->is_readable, is_readable);
		fleet_hear_guarded(&fleet, NULL);
		assert_string_equal(a->guarded_digest, "sha256:new");
		fleet_hear_guarded(&fleet, guards_not);
		assert_string_equal(a->guarded_digest, "");
	}
	fleet_clear(&fleet);
	fleet_hear_guarded(&fleet, guards_not);
	assert_int_equal(fleet.count, 0);
	fleet_hear_guarded(&fleet, guards);
	assert_int_equal(fleet.count, 1);
	assert_string_equal(fleet.agents[0].guarded_digest, "sha256:new");
	assert_false(fleet.agents[0].is_alive);
	json_decref(guards);
	json_decref(guards_not);
}

static int
clear_fleet(void **state)
{
	(void)state;
	fleet_clear(&fleet);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(serves_what_its_slowest_output_serves),
		cmocka_unit_test(without_a_session_it_serves_nothing),
		cmocka_unit_test(another_history_does_not_count),
		cmocka_unit_test(hostile_records_serve_nothing),
		cmocka_unit_test(trouble_is_told_in_order_of_use),
		cmocka_unit_test(only_keys_below_the_prefix_are_agents),
		cmocka_unit_test(the_word_of_the_agent_of_this_host_counts),
	};

	return cmocka_run_group_tests(tests, NULL, clear_fleet);
}
