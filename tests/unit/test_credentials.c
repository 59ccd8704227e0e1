/*
 * test_credentials.c: option files as MySQL's programs read them, what we refuse, and that no password
 * stays behind or gets into a message.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "feature/credentials.h"

/* Of [pointsman] with one line: its password, as it is understood. */
static const struct {
	const char *line, *password;
} passwords[] = {
	{ "password=secret", "secret" },
	{ "  password \t= secret  \r", "secret" },
	{ "password=", "" },
	{ "password=\"\"", "" },
	{ "password=a b", "a b" },
	{ "password=a=b", "a=b" },
	{ "password=\" a \"", " a " },
	{ "password='a \" b'", "a \" b" },
	{ "password=\"a#b\"", "a#b" },
	{ "password=a#b", "a" }, /* as MySQL's: a comment */
	{ "password=a;b", "a;b" },
	{ "password=a # why", "a" },
	{ "password=\"a\" # \"why\"", "a" },
	{ "password=\"a\\\"#b\"", "a\"#b" },
	{ "password=a\\sb\\tc\\\\d", "a b\tc\\d" },
	{ "password=a\\qb\\", "a\\qb\\" }, /* not an escape */
	{ "password=\"a", NULL },
	{ "password=it's", NULL },
	{ "password", NULL },
	{ "pasword=secret", NULL },
	{ "=secret", NULL },
	{ "password-=secret", NULL },
	{ "!include /etc/other", NULL },
	{ "[other", NULL },
	{ "host=db3", NULL },
};

static void
test_passwords(void **state)
{
	(void)state;
	for (size_t i = 0; i < MEM_COUNT(passwords); i++) {
		char *text = mem_printf("[pointsman]\n%s\n", passwords[i].line);
		struct credentials c = { 0 };
		struct err e = { 0 };
		int rc = credentials_parse(text, strlen(text), "a.cnf", &c, &e);

		if (passwords[i].password == NULL) {
			assert_int_equal(rc, -1);
			assert_int_equal(e.code, ERR_CONFIG);
			assert_ptr_equal(strstr(e.text, "a.cnf:2: "), e.text);
			assert_null(strstr(e.text, "secret"));
		} else {
			assert_int_equal(rc, 0);
			assert_string_equal(c.password, passwords[i].password);
		}
		credentials_clear(&c);
		free(text);
	}
}

static void
parse(const char *text, struct credentials *c)
{
	struct err e = { 0 };

	if (credentials_parse(text, strlen(text), "a.cnf", c, &e) != 0)
		fail_msg("%s", e.text);
}

static void
test_groups(void **state)
{
	struct credentials c;

	(void)state;
	parse("\xef\xbb\xbf"
	      "user=nobody\n[client]\npassword=\"wrong\nwhat=ever\n"
	      "; comment\n# comment\n[ pointsman ] # ours\nuser = watch\n"
	      "[mysqld]\nuser=mysql\n[pointsman]\npassword=a\npassword=b",
	    &c);
	assert_string_equal(c.user, "watch");
	assert_string_equal(c.password, "b");
	assert_false(c.is_tls);
	assert_false(c.is_verified);
	credentials_clear(&c);
	assert_null(c.password);
}

static void
test_tls(void **state)
{
	static const struct {
		const char *lines;
		bool is_good, is_tls, is_verified;
	} cases[] = {
		{ "ssl", true, true, false },
		{ "ssl=OFF", true, false, false },
		{ "ssl=maybe", false, false, false },
		{ "ssl=", false, false, false },
		{ "ssl_ca=/a", true, true, true },
		{ "ssl-ca=/a\nssl-verify-server-cert=0", true, true, false },
		{ "ssl_verify-server_cert", true, true, true },
		{ "ssl-cert=/a\nssl-key=/b", true, true, false },
		{ "ssl-cert=/a", false, false, false },
		{ "ssl=0\nssl-ca=/a", false, false, false },
	};

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		char *text = mem_printf("[pointsman]\n%s", cases[i].lines);
		struct credentials c = { 0 };
		int rc = credentials_parse(text, strlen(text), "a.cnf", &c, NULL);

		assert_int_equal(rc, cases[i].is_good ? 0 : -1);
		assert_int_equal(c.is_tls, cases[i].is_tls);
		assert_int_equal(c.is_verified, cases[i].is_verified);
		credentials_clear(&c);
		free(text);
	}
}

static void
write_file(const char *path, const char *text, mode_t mode)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) != EOF && fclose(f) == 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void
test_file(void **state)
{
	char path[] = "/tmp/pm-credentials-XXXXXX", *large;
	struct credentials c = { 0 };
	struct err e = { 0 };
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	write_file(path, "[pointsman]\nuser=watch\npassword=secret\n", 0640);
	assert_int_equal(credentials_read(path, &c, &e), 0);
	assert_string_equal(c.user, "watch");
	credentials_clear(&c);

	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(credentials_read(path, &c, &e), -1);
	assert_int_equal(e.code, ERR_DENIED);
	assert_non_null(strstr(e.text, path));
	assert_null(c.user);

	large = mem_alloc(70000);
	memset(large, '#', 69999);
	write_file(path, large, 0600);
	free(large);
	assert_int_equal(credentials_read(path, &c, &e), -1);
	assert_int_equal(e.code, ERR_LIMIT);

	write_file(path, "[client]\nuser=watch\n", 0600);
	assert_int_equal(credentials_read(path, &c, &e), -1);
	assert_non_null(strstr(e.text, "no [pointsman] group"));

	assert_int_equal(unlink(path), 0);
	assert_int_equal(credentials_read(path, &c, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
}

static void
test_nul(void **state)
{
	static const char text[] = "[pointsman]\npassword=a\0b\n";
	struct credentials c = { 0 };

	(void)state;
	assert_int_equal(credentials_parse(text, sizeof(text) - 1, "a.cnf", &c, NULL), -1);
	assert_null(c.password);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_passwords),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_tls),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_nul),
	};

	return cmocka_run_group_tests_name("credentials", tests, NULL, NULL);
}
