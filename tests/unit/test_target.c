/*
 * test_target.c: what a check may be aimed at.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "model/target.h"

static void
test_good(void **state)
{
	static const struct {
		const char *text, *host;
		int port;
		bool is_address;
	} cases[] = {
		{ "maindb", "maindb", 0, false },
		{ "Shard-017.EU", "shard-017.eu", 0, false },
		{ "cache.example:6379", "cache.example", 6379, false },
		{ "10.0.4.13", "10.0.4.13", 0, true },
		{ "10.0.4.13:1", "10.0.4.13", 1, true },
		{ "10.0.4.13:65535", "10.0.4.13", 65535, true },
		{ "fd00::1", "fd00::1", 0, true },
		{ "[fd00:0:0::1]", "fd00::1", 0, true },
		{ "[FD00::1]:80", "fd00::1", 80, true },
	};

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		struct target t;

		assert_int_equal(target_parse(cases[i].text, &t), 0);
		assert_string_equal(t.host, cases[i].host);
		assert_int_equal(t.port, cases[i].port);
		assert_int_equal(t.is_address, cases[i].is_address);
	}
}

static void
test_bad(void **state)
{
	static const char *const cases[] = { "", ":80", "db3:", "db3:0", "db3:65536", "db3:x",
		"db3:80:80", "fd00::1]:80", "[fd00::1", "[fd00::1]x",
		"[fd00::1]:", "[10.0.4.13]:80", "[db3]:80", "db 3", "-db3", "db3/x", "0.0.0.0:80",
		"user@db3:80" };

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		struct target t = { .port = 7 };

		if (target_parse(cases[i], &t) == 0)
			fail_msg("\"%s\" is a target", cases[i]);
		assert_int_equal(t.port, 7);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
