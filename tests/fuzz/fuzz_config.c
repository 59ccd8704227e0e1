/*
 * fuzz_config.c: a configuration file. Beside what the sanitizers see: there is a configuration or
 * there are problems, never both and never neither; every problem is one printable line; what the
 * daemon relies on is so; and whatever was read, a good file is read well after it, for libconfuse
 * keeps a lexer of its own behind our back.
 *
 * libconfuse 3.3 leaks the arguments of a function whose call is broken off, "include(a b": some
 * bytes for a mistake that a person makes once. Leaks of its own are left out, ours are not.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "feature/config.h"
#include "model/name.h"

const char *__lsan_default_suppressions(void);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

const char *
__lsan_default_suppressions(void)
{
	return "leak:libconfuse.so\n";
}

static void
require(bool is_so)
{
	if (!is_so)
		abort();
}

/* libconfuse reads the text again for every new unknown key, so a large one takes its time. */
#define INPUT_MAX 4096

/* A file that is only in memory. */
static int fd = -1;

static struct config *
load(const void *data, size_t size, struct str *problems)
{
	struct err e = { 0 };
	struct config *c;
	char path[32];

	if (fd < 0)
		require((fd = memfd_create("fuzz_config", 0)) >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	require(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
	c = config_load(path, problems, &e);
	require((c == NULL) == (problems->len > 0));
	require((c == NULL) == (e.code == ERR_CONFIG));
	return c;
}

static void
check_lines(const struct str *problems)
{
	struct str shown = STR_INIT;

	require(problems->data[problems->len - 1] == '\n');
	for (const char *line = problems->data, *end; *line != '\0'; line = end + 1) {
		require((end = strchr(line, '\n')) != NULL && end > line);
		str_reset(&shown);
		str_add_printable(&shown, line, (size_t)(end - line), SIZE_MAX);
		require(shown.len == (size_t)(end - line));
	}
	str_clear(&shown);
}

static void
check_config(const struct config *c)
{
	char domain[NAME_SIZE];

	require(c->consul.root[strlen(c->consul.root) - 1] == '/');
	require(c->consul.names[strlen(c->consul.names) - 1] == '/');
	require(c->agent.state_dir[0] == '/');
	require(c->agent.domain[0] == '\0' ||
		name_parse(c->agent.domain, strlen(c->agent.domain), domain, NULL) == 0);
	for (size_t i = 0; i < c->output_count; i++) {
		const struct config_output *o = &c->outputs[i];

		require(o->path[0] == '/' && strchr(o->path, '\n') == NULL);
		require(o->settle_min_ms <= o->settle_max_ms);
		require(o->signal == 0 || o->pidfile[0] == '/');
		require(o->signal == 0 || o->command == NULL);
		require(strchr(o->name, '/') == NULL);
	}
	for (size_t i = 0; i < c->hook_count; i++)
		require(c->hooks[i].on[0] != NULL && c->hooks[i].command[0] != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char good[] = "agent { node = \"web-03\" }\noutput x { path = /x/y }\n";
	struct str problems = STR_INIT;
	struct config *c;

	if (size > INPUT_MAX)
		return -1;
	if ((c = load(data, size, &problems)) != NULL)
		check_config(c);
	else
		check_lines(&problems);
	config_free(c);
	str_reset(&problems);
	require((c = load(good, sizeof(good) - 1, &problems)) != NULL);
	require(strcmp(c->agent.node, "web-03") == 0 && c->output_count == 1);
	config_free(c);
	str_clear(&problems);
	return 0;
}
