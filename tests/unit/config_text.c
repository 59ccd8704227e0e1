/*
 * config_text.c: see config_text.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "config_text.h"
#include "scratch.h"

char config_dir[] = "/tmp/test_config.XXXXXX";

void
config_write(const char *name, const char *text, mode_t mode)
{
	char *path = file_join(config_dir, name);
	struct err e;

	if (file_replace(path, text, strlen(text), mode, &e) != 0)
		fail_msg("%s", e.text);
	assert_int_equal(chmod(path, mode), 0);
	free(path);
}

/* Copies text without "<config_dir>/". */
void
config_without_dir(char *out, size_t size, const char *text)
{
	size_t n = strlen(config_dir) + 1, len = 0;

	while (*text != '\0' && len + 1 < size) {
		if (strncmp(text, config_dir, n - 1) == 0)
			text += n;
		else
			out[len++] = *text++;
	}
	out[len] = '\0';
}

/* The problems, without the directory; "" when there is none, and *out is the configuration. */
const char *
config_load_text(const char *text, struct config **out)
{
	static char shown[16384];
	struct str problems = STR_INIT;
	char *path = file_join(config_dir, "main.conf");
	struct config *c;
	struct err e = { 0 };

	config_write("main.conf", text, 0600);
	c = config_load(path, &problems, &e);
	assert_int_equal(c == NULL, problems.len > 0);
	config_without_dir(shown, sizeof(shown), str_text(&problems));
	str_clear(&problems);
	free(path);
	if (out != NULL)
		*out = c;
	else
		config_free(c);
	return shown;
}

struct config *
config_load_good(const char *text)
{
	struct config *c;

	assert_string_equal(config_load_text(text, &c), "");
	return c;
}

static const char *const variables[] = { "CONSUL_HTTP_ADDR", "CONSUL_HTTP_TOKEN",
	"CONSUL_HTTP_TOKEN_FILE", "CONSUL_CACERT", "CONSUL_CLIENT_CERT", "CONSUL_CLIENT_KEY",
	"CONSUL_HTTP_SSL", "CONSUL_HTTP_SSL_VERIFY", "CONSUL_TLS_SERVER_NAME" };

int
config_clean_environment(void **state)
{
	(void)state;
	for (size_t i = 0; i < MEM_COUNT(variables); i++)
		unsetenv(variables[i]);
	return 0;
}

int
config_make_dir(void **state)
{
	(void)state;
	config_clean_environment(NULL);
	return mkdtemp(config_dir) != NULL ? 0 : -1;
}

int
config_remove_dir(void **state)
{
	(void)state;
	return scratch_remove(config_dir);
}
