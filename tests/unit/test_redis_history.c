/*
 * test_redis_history.c: what an old master has that the active one lacks, of the offsets that real servers
 * had at both ends of an emergency.
 */
#include "model/redis_history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#define FIRST "615374ebf564bf47b9940debadb3f2c30eec3d87"
#define SECOND "8113f13b71698afef0dfd2568e73dfcbcc0f1acb"
#define THIRD "a1ce6422510ca88aa592153b173875b3b87836fe"
#define NONE "0000000000000000000000000000000000000000"

static struct redis_info
server(const char *role, const char *id, int64_t offset, const char *id2, int64_t second_offset)
{
	struct redis_info info = { .keys = 5 };

	snprintf(info.role, sizeof(info.role), "%s", role);
	snprintf(info.replid, sizeof(info.replid), "%s", id);
	snprintf(info.replid2, sizeof(info.replid2), "%s", id2);
	info.second_offset = second_offset;
	info.offset = info.applied = -1;
	if (redis_info_is_master(&info))
		info.offset = offset;
	else
		info.applied = offset;
	return info;
}

static void
expect(struct redis_info own, struct redis_info active, enum redis_history wanted, int64_t bytes)
{
	int64_t got = -1;

	assert_int_equal(redis_history_compare(&own, &active, &got), wanted);
	assert_int_equal(got, bytes);
}

/* The active one was promoted at byte 1000: 1001 is the first that is its own. */
static struct redis_info
promoted(void)
{
	return server("master", SECOND, 5000, FIRST, 1001);
}

static void
test_it_has_all(void **state)
{
	(void)state;
	expect(server("master", FIRST, 1000, NONE, -1), promoted(), REDIS_HISTORY_CLEAN, 0);
	expect(server("master", FIRST, 400, NONE, -1), promoted(), REDIS_HISTORY_CLEAN, 0);
	/* Fenced meanwhile: a replica of nobody. */
	expect(server("slave", FIRST, 1000, NONE, -1), promoted(), REDIS_HISTORY_CLEAN, 0);
	/* It is a replica already. */
	expect(server("slave", SECOND, 4990, FIRST, 1001), promoted(), REDIS_HISTORY_CLEAN, 0);
}

static void
test_it_went_on(void **state)
{
	(void)state;
	expect(server("master", FIRST, 1001, NONE, -1), promoted(), REDIS_HISTORY_AHEAD, 1);
	expect(server("slave", FIRST, 1400, NONE, -1), promoted(), REDIS_HISTORY_AHEAD, 400);
	/* Both promoted at once: each has its own history from there on. */
	expect(server("master", THIRD, 1250, FIRST, 1001), promoted(), REDIS_HISTORY_AHEAD, 250);
	/* Promoted before the other one was: the bytes in between count. */
	expect(server("master", THIRD, 950, FIRST, 901), promoted(), REDIS_HISTORY_AHEAD, 50);
}

/* Redis 7 knows its history of before, from the dump that it has loaded. */
static void
test_it_was_started_anew(void **state)
{
	(void)state;
	expect(server("master", THIRD, 1000, FIRST, 1001), promoted(), REDIS_HISTORY_CLEAN, 0);
	expect(server("master", THIRD, 300, FIRST, 301), promoted(), REDIS_HISTORY_CLEAN, 0);
	expect(server("master", THIRD, 1040, FIRST, 1001), promoted(), REDIS_HISTORY_AHEAD, 40);
}

static void
test_nothing_in_common(void **state)
{
	struct redis_info own = server("master", THIRD, 0, NONE, -1);

	(void)state;
	expect(own, promoted(), REDIS_HISTORY_UNKNOWN, 0);
	/* Neither had one before: that is nothing in common. */
	expect(own, server("master", SECOND, 5000, NONE, -1), REDIS_HISTORY_UNKNOWN, 0);
	own.keys = 0;
	expect(own, promoted(), REDIS_HISTORY_CLEAN, 0);
}

/* The active one has been promoted twice since: it does not remember. */
static void
test_too_long_ago(void **state)
{
	(void)state;
	expect(server("master", FIRST, 1000, NONE, -1), server("master", THIRD, 9000, SECOND, 5001),
	    REDIS_HISTORY_UNKNOWN, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_has_all),
		cmocka_unit_test(test_it_went_on),
		cmocka_unit_test(test_it_was_started_anew),
		cmocka_unit_test(test_nothing_in_common),
		cmocka_unit_test(test_too_long_ago),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
