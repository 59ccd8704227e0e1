/*
 * test_proposal.c: feature/proposal.c: what another tool's proposal looks like, and which of the commands
 * that stand in the KV a person is shown.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"
#include "feature/config.h"
#include "feature/proposal.h"

static char *nodes[] = { "db3", "db4", NULL };
static struct config_pair maindb = {
	.name = "maindb", .kv_name = "main.db", .kind = "mysql", .nodes = nodes
};

static json_t *
claim(bool is_promoted, bool is_down, const char *expect)
{
	const struct verdict seen = {
		.sighted = 3, .is_down = is_down, .is_confirmed = true, .text = "3 of 3 vantages"
	};

	return proposal_of_tool(&(struct proposal_claim){ .pair = &maindb,
	    .active = "db3",
	    .standby = "db4",
	    .expect = expect,
	    .why = "because",
	    .by = "sentinel",
	    .seen = &seen,
	    .is_promoted = is_promoted });
}

static void
check_command(const json_t *document, const struct config_pair *pair, const char *wanted)
{
	char *command = proposal_command(document, "maindb", pair);

	if (wanted == NULL)
		assert_null(command);
	else
		assert_string_equal(command != NULL ? command : "(none)", wanted);
	free(command);
}

/* The members of a vantage's are all there. */
static void
test_of_a_tool(void **state)
{
	static const char *const members[] = { "pair", "kind", "active", "standby", "since", "what",
		"class", "by", "confirmed", "verdict", "standby_state", "active_last", "lost",
		"command", "proposed_by", "id" };
	json_t *j = claim(false, true, "db3");

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(members); i++)
		assert_non_null(json_object_get(j, members[i]));
	assert_true(proposal_is_tools(j));
	assert_false(proposal_is_flip(j));
	assert_string_equal(json_get_string(j, "proposed_by", ""), "sentinel");
	check_command(j, &maindb, "pointsman failover maindb --emergency");
	assert_true(json_get_bool(j, "confirmed", false));
	json_decref(j);
	/* That all of them see the active well confirms nothing. */
	j = claim(false, false, "db3");
	assert_false(json_get_bool(j, "confirmed", true));
	check_command(j, &maindb, "pointsman failover maindb");
	json_decref(j);
}

static void
test_a_flip(void **state)
{
	json_t *j = claim(true, true, "db3");

	(void)state;
	assert_true(proposal_is_flip(j));
	check_command(j, &maindb, "pointsman set main.db db4 --expect db3");
	/* A host without the block takes the name for the pair's, and so cannot be led to another. */
	check_command(j, NULL, NULL);
	json_decref(j);
	/* The value of the name may be an address. */
	j = claim(true, true, "10.0.4.13");
	check_command(j, &maindb, "pointsman set main.db db4 --expect 10.0.4.13");
	json_decref(j);
}

/* Whoever can write there cannot have a person type what they like. */
static void
test_foreign_commands(void **state)
{
	static const struct {
		const char *standby, *expect, *command;
	} bad[] = {
		{ "db4", "db3", "rm -rf /" },
		{ "db4", "db3", "pointsman failover maindb --emergency --yes" },
		{ "db4", "db3", "pointsman failover chat" },
		{ "db4", "db3", "pointsman set main.db db4" },
		{ "db4", "db3", "pointsman set chat db4 --expect db3" },
		{ "db9", "db3", "pointsman set main.db db9 --expect db3" },
		{ "db4", "db9", "pointsman set main.db db4 --expect db9" },
		{ "db4", "db3; reboot", "pointsman set main.db db4 --expect db3; reboot" },
		{ "$(reboot)", "db3", "pointsman set main.db $(reboot) --expect db3" },
		{ "", "", "pointsman set main.db  --expect " },
	};

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(bad); i++) {
		json_t *j = json_pack("{s:s, s:s, s:s, s:s}", "origin", "tool", "standby",
		    bad[i].standby, "expect", bad[i].expect, "command", bad[i].command);

		check_command(j, &maindb, NULL);
		check_command(j, NULL, NULL);
		json_decref(j);
	}
	check_command(NULL, &maindb, NULL);
}

static void
test_with_sight(void **state)
{
	json_t *tools = claim(true, false, "db3");
	json_t *seen = proposal_with_sight(tools,
	    json_pack("{s:s, s:s, s:s, s:{s:i}}", "what", "something else", "verdict", "all fine",
		"command", "pointsman failover maindb", "lost", "transactions", 7),
	    "web-1-1");

	(void)state;
	assert_string_equal(json_get_string(seen, "what", ""), "because");
	assert_string_equal(json_get_string(seen, "verdict", ""), "all fine");
	assert_string_equal(json_get_string(seen, "told_by", ""), "web-1-1");
	assert_int_equal(json_get_int(json_object_get(seen, "lost"), "transactions", 0), 7);
	check_command(seen, &maindb, "pointsman set main.db db4 --expect db3");
	assert_string_equal(json_get_string(seen, "id", "a"), json_get_string(tools, "id", "b"));
	json_decref(seen);
	json_decref(tools);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_of_a_tool),
		cmocka_unit_test(test_a_flip),
		cmocka_unit_test(test_foreign_commands),
		cmocka_unit_test(test_with_sight),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
