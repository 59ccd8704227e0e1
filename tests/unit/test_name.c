/*
 * test_name.c: what passes the gate and what does not, and that the words say which. Consul stores
 * every one of these bytes without a murmur (facts/consul.md).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "model/name.h"

#define LABEL_63 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk"
#define NAME_251 \
	LABEL_63 "." LABEL_63 "." LABEL_63 "." \
		 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefg"

/* The hostile bytes may hold a NUL: text and its length. */
#define BYTES(text) (text), sizeof(text) - 1

struct case_bytes {
	const char *text;
	size_t len;
	const char *want; /* what comes out, or the words of the error */
};

static void
good_names_are_lowered(void **state)
{
	static const struct case_bytes cases[] = {
		{ BYTES("maindb"), "maindb" },
		{ BYTES("shard-017"), "shard-017" },
		{ BYTES("DB.Eu"), "db.eu" },
		{ BYTES("_mysql._tcp"), "_mysql._tcp" },
		{ BYTES("a"), "a" },
		{ BYTES("017"), "017" },
		{ BYTES("10.0.0"), "10.0.0" },
		{ BYTES("10.0.0.256"), "10.0.0.256" },
		{ BYTES("xn--mnchen-3ya"), "xn--mnchen-3ya" },
		{ BYTES(LABEL_63), LABEL_63 },
		{ BYTES(NAME_251 ".x"), NAME_251 ".x" },
		{ BYTES("internal"), "internal" },
		{ BYTES("xpointsman.internal"), "xpointsman.internal" },
	};

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		char out[NAME_SIZE];
		struct err e = { 0 };

		if (name_parse(cases[i].text, cases[i].len, out, &e) != 0)
			fail_msg("%s: %s", cases[i].text, e.text);
		assert_string_equal(out, cases[i].want);
	}
}

static void
hostile_names_are_refused_in_words(void **state)
{
	static const struct case_bytes cases[] = {
		{ BYTES(""), "is empty" },
		{ BYTES("."), "has an empty label" },
		{ BYTES(".maindb"), "has an empty label" },
		{ BYTES("maindb."), "has an empty label" },
		{ BYTES("a..b"), "has an empty label" },
		{ BYTES("-a"), "has a label that begins or ends with '-'" },
		{ BYTES("a-.b"), "has a label that begins or ends with '-'" },
		{ BYTES("a.b-"), "has a label that begins or ends with '-'" },
		{ BYTES(LABEL_63 "l"), "has a label longer than 63 bytes" },
		{ BYTES("a." LABEL_63 "l"), "has a label longer than 63 bytes" },
		{ BYTES(NAME_251 ".xy"), "is 254 bytes long, more than 253" },
		{ BYTES("../../etc/passwd"), "has an empty label" },
		{ BYTES("eu/maindb"), "has '/'; allowed are letters, digits, '-', '_' and '.'" },
		{ BYTES("$(reboot)"), "has '$'; allowed are letters, digits, '-', '_' and '.'" },
		{ BYTES("main db"),
		    "has the byte \\x20; allowed are letters, digits, '-', '_' and '.'" },
		{ BYTES("maindb\n10.6.6.6 evil"),
		    "has the byte \\x0a; allowed are letters, digits, '-', '_' and '.'" },
		{ BYTES("maindb\0evil"),
		    "has the byte \\x00; allowed are letters, digits, '-', '_' and '.'" },
		{ BYTES("\033[2Jmaindb"),
		    "has the byte \\x1b; allowed are letters, digits, '-', '_' and '.'" },
		{ BYTES("ma\xc3\xafndb"),
		    "has the byte \\xc3; allowed are letters, digits, '-', '_' and '.'" },
		{ BYTES("\xff\xfe"),
		    "has the byte \\xff; allowed are letters, digits, '-', '_' and '.'" },
		{ BYTES("\x7f"),
		    "has the byte \\x7f; allowed are letters, digits, '-', '_' and '.'" },
		{ BYTES("10.0.4.13"), "is an address" },
		{ BYTES("pointsman.internal"),
		    "is in pointsman.internal, which belongs to the agents" },
		{ BYTES("generation.POINTSMAN.internal"),
		    "is in pointsman.internal, which belongs to the agents" },
		{ BYTES(".pointsman"), "has an empty label" },
	};
	char long_name[300];

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		char out[NAME_SIZE] = "untouched";
		struct err e = { 0 };

		assert_int_equal(name_parse(cases[i].text, cases[i].len, out, &e), -1);
		assert_string_equal(e.text, cases[i].want);
		assert_string_equal(out, "untouched");
		assert_int_equal(name_parse(cases[i].text, cases[i].len, out, NULL), -1);
	}
	memset(long_name, 'a', sizeof(long_name));
	assert_int_equal(name_parse(long_name, sizeof(long_name), long_name, NULL), -1);
}

/* Every byte there is: out come letters, digits, '-', '_', '.', and nothing else. */
static void
only_the_alphabet_comes_out(void **state)
{
	size_t passed = 0;

	(void)state;
	for (int c = 0; c < 256; c++) {
		char text[3] = { 'a', (char)c, 'a' }, out[NAME_SIZE];
		const char *allowed = "abcdefghijklmnopqrstuvwxyz0123456789-_.";

		if (name_parse(text, sizeof(text), out, NULL) != 0)
			continue;
		passed++;
		assert_non_null(strchr(allowed, out[1]));
		assert_int_equal(strlen(out), 3);
	}
	assert_int_equal(passed, 26 + 26 + 10 + 3);
}

static void
nodes_have_the_same_alphabet(void **state)
{
	char out[NAME_SIZE];
	struct err e = { 0 };

	(void)state;
	assert_int_equal(node_parse(BYTES("DB3"), out, &e), 0);
	assert_string_equal(out, "db3");
	assert_int_equal(node_parse(BYTES("a.pointsman.internal"), out, &e), 0);
	assert_int_equal(node_parse(BYTES("10.0.0.1"), out, &e), -1);
	assert_string_equal(e.text, "is an address");
	assert_int_equal(node_parse(BYTES("db3\n10.6.6.6 evil"), out, &e), -1);
}

static void
addresses_come_out_in_one_form(void **state)
{
	static const struct case_bytes cases[] = {
		{ BYTES("10.0.4.13"), "10.0.4.13" },
		{ BYTES("127.0.0.1"), "127.0.0.1" },
		{ BYTES("::1"), "::1" },
		{ BYTES("2001:DB8:0:0:0:0:0:1"), "2001:db8::1" },
		{ BYTES("fe80::1"), "fe80::1" },
		{ BYTES("::ffff:10.0.0.1"), "::ffff:10.0.0.1" },
	};

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		char out[ADDRESS_SIZE];
		struct err e = { 0 };
		bool is_ipv6;

		if (address_parse(cases[i].text, cases[i].len, out, &is_ipv6, &e) != 0)
			fail_msg("%s: %s", cases[i].text, e.text);
		assert_string_equal(out, cases[i].want);
		assert_int_equal(is_ipv6, strchr(out, ':') != NULL);
	}
}

static void
other_addresses_are_refused(void **state)
{
	static const struct case_bytes cases[] = {
		{ BYTES(""), "is empty" },
		{ BYTES("10.0.4"), "is not an IP address" },
		{ BYTES("10.0.4.256"), "is not an IP address" },
		{ BYTES("010.0.4.1"), "is not an IP address" },
		{ BYTES("0x0a.0.4.1"), "is not an IP address" },
		{ BYTES("10.0.4.13 "), "is not an IP address" },
		{ BYTES("10.0.4.13\n"), "is not an IP address" },
		{ BYTES("10.0.4.13\n10.6.6.6 evil"), "is not an IP address" },
		{ BYTES("10.0.4.13\0x"), "is not an IP address" },
		{ BYTES("10.0.4.13:3306"), "is not an IP address" },
		{ BYTES("fe80::1%eth0"), "is not an IP address" },
		{ BYTES("[::1]"), "is not an IP address" },
		{ BYTES("1:2:3:4:5:6:7:8:9"), "is not an IP address" },
		{ BYTES("db3"), "is not an IP address" },
		{ BYTES("1111:2222:3333:4444:5555:6666:255.255.255.2551"), "is not an IP address" },
		{ BYTES("0.0.0.0"), "is not the address of a machine" },
		{ BYTES("::"), "is not the address of a machine" },
		{ BYTES("224.0.0.251"), "is not the address of a machine" },
		{ BYTES("255.255.255.255"), "is not the address of a machine" },
		{ BYTES("ff02::1"), "is not the address of a machine" },
	};

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		char out[ADDRESS_SIZE] = "untouched";
		struct err e = { 0 };
		bool is_ipv6 = true;

		assert_int_equal(address_parse(cases[i].text, cases[i].len, out, &is_ipv6, &e), -1);
		assert_string_equal(e.text, cases[i].want);
		assert_string_equal(out, "untouched");
		assert_true(is_ipv6);
	}
}

static void
values_keep_their_order(void **state)
{
	struct value v;

	(void)state;
	assert_int_equal(value_parse(BYTES("db3"), &v, NULL), 0);
	assert_int_equal(v.count, 1);
	assert_string_equal(v.items[0].text, "db3");
	assert_false(v.items[0].is_address);
	value_clear(&v);

	assert_int_equal(value_parse(BYTES(" DB4 ,\tdb3 , 2001:DB8::1,10.0.0.1 "), &v, NULL), 0);
	assert_int_equal(v.count, 4);
	assert_string_equal(v.items[0].text, "db4");
	assert_string_equal(v.items[1].text, "db3");
	assert_string_equal(v.items[2].text, "2001:db8::1");
	assert_true(v.items[2].is_address && v.items[2].is_ipv6);
	assert_string_equal(v.items[3].text, "10.0.0.1");
	assert_true(v.items[3].is_address && !v.items[3].is_ipv6);
	value_clear(&v);
	assert_null(v.items);
	value_clear(&v);
}

static void
hostile_values_are_refused_in_words(void **state)
{
	static const struct case_bytes cases[] = {
		{ BYTES(""), "is empty" },
		{ BYTES(" "), "has an empty part" },
		{ BYTES(","), "has an empty part" },
		{ BYTES("db3,"), "has an empty part" },
		{ BYTES("db3,,db4"), "has an empty part" },
		{ BYTES("db3,DB3"), "has db3 twice" },
		{ BYTES("::1,0:0::1"), "has ::1 twice" },
		{ BYTES("db3\n"), "ends with a newline (echo writes one, printf does not)" },
		{ BYTES("db3\n10.6.6.6 evil"),
		    "has the byte \\x0a; allowed are letters, digits, '-', '_' and '.'" },
		{ BYTES("db3\0"),
		    "has the byte \\x00; allowed are letters, digits, '-', '_' and '.'" },
		{ BYTES("db3 db4"),
		    "has the byte \\x20; allowed are letters, digits, '-', '_' and '.'" },
		{ BYTES("$(reboot)"), "has '$'; allowed are letters, digits, '-', '_' and '.'" },
		{ BYTES("../../etc/passwd"), "has an empty label" },
		{ BYTES("\xc3\x28"),
		    "has the byte \\xc3; allowed are letters, digits, '-', '_' and '.'" },
		{ BYTES("10.0.4.256"), "has 10.0.4.256, which is not an IP address" },
		{ BYTES("db3,10.0.4"), "has 10.0.4, which is not an IP address" },
		{ BYTES("10.0.4.13:3306"), "has 10.0.4.13:3306, which is not an IP address" },
		{ BYTES("::1\n"), "ends with a newline (echo writes one, printf does not)" },
		{ BYTES("::\n1"), "has ::\\x0a1, which is not an IP address" },
		{ BYTES("0.0.0.0"), "has 0.0.0.0, which is not the address of a machine" },
	};

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		struct value v = { NULL, 77 };
		struct err e = { 0 };

		assert_int_equal(value_parse(cases[i].text, cases[i].len, &v, &e), -1);
		assert_string_equal(e.text, cases[i].want);
		assert_int_equal(v.count, 77);
	}
}

static void
large_values_are_refused_before_they_are_read(void **state)
{
	size_t len = 512 * 1024; /* what Consul allows */
	char *noise = mem_alloc(len);
	struct value v;
	struct err e;

	(void)state;
	for (size_t i = 0; i < len; i++)
		noise[i] = (char)(i * 7 + i / 256);
	assert_int_equal(value_parse(noise, len, &v, &e), -1);
	assert_int_equal(e.code, ERR_LIMIT);
	assert_string_equal(e.text, "is 524288 bytes long, more than 4096");
	free(noise);
}

static void
values_have_at_most_64_parts(void **state)
{
	char text[65 * 5 + 1] = "";
	struct value v;
	struct err e;

	(void)state;
	for (size_t i = 0; i < 64; i++)
		snprintf(text + 5 * i, sizeof(text) - 5 * i, "db%02zu,", i);
	assert_int_equal(value_parse(text, 64 * 5 - 1, &v, &e), 0);
	assert_int_equal(v.count, 64);
	value_clear(&v);
	snprintf(text + 5 * 64, sizeof(text) - 5 * 64, "db64");
	assert_int_equal(value_parse(text, strlen(text), &v, &e), -1);
	assert_int_equal(e.code, ERR_LIMIT);
	assert_string_equal(e.text, "has 65 parts, more than 64");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_names_are_lowered),
		cmocka_unit_test(hostile_names_are_refused_in_words),
		cmocka_unit_test(only_the_alphabet_comes_out),
		cmocka_unit_test(nodes_have_the_same_alphabet),
		cmocka_unit_test(addresses_come_out_in_one_form),
		cmocka_unit_test(other_addresses_are_refused),
		cmocka_unit_test(values_keep_their_order),
		cmocka_unit_test(hostile_values_are_refused_in_words),
		cmocka_unit_test(large_values_are_refused_before_they_are_read),
		cmocka_unit_test(values_have_at_most_64_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
