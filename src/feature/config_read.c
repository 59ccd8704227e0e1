/*
 * config_read.c: from the text of a value to the field it sets, one function a kind. They only say
 * yes or no: what is allowed stands in the table (config_keys.c), in one place for messages and manual.
 *
 * A field may have been set before (by its default, by the file when the environment wins): texts and
 * lists are replaced.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "feature/config_keys.h"
#include "io/dns.h"
#include "io/endpoint.h"
#include "model/name.h"

#define TEXT_MAX 4096      /* bytes of any value, PATH_MAX among them */
#define ARGV_MAX 256       /* arguments of a program */
#define PROCESS_MAX_LEN 15 /* TASK_COMM_LEN - 1 */

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static int
set_text(void *field, const char *text)
{
	char **to = field;

	free(*to);
	*to = mem_strdup(text);
	return 0;
}

/* Without bytes that would break a line of a log or of a file. */
static bool
is_plain(const char *text)
{
	for (const char *p = text; *p != '\0'; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
	}
	return strlen(text) <= TEXT_MAX;
}

static bool
has_only(const char *text, const char *allowed)
{
	return text[strspn(text, allowed)] == '\0' && strlen(text) <= NAME_MAX_LEN;
}

int
config_read_text(const struct config_key *key, const char *const *values, void *field)
{
	(void)key;
	return is_plain(values[0]) && values[0][0] != '\0' ? set_text(field, values[0]) : -1;
}

int
config_read_path(const struct config_key *key, const char *const *values, void *field)
{
	const char *path = values[0];

	if (path[0] != '/' || path[strlen(path) - 1] == '/')
		return -1;
	return config_read_text(key, values, field);
}

int
config_read_template(const struct config_key *key, const char *const *values, void *field)
{
	size_t len = strlen(values[0]);

	return len > 0 && values[0][len - 1] != '/' ? config_read_text(key, values, field) : -1;
}

int
config_read_word(const struct config_key *key, const char *const *values, void *field)
{
	(void)key;
	return has_only(values[0], LETTERS DIGITS "-_") ? set_text(field, values[0]) : -1;
}

int
config_read_process(const struct config_key *key, const char *const *values, void *field)
{
	return strlen(values[0]) <= PROCESS_MAX_LEN ? config_read_text(key, values, field) : -1;
}

/* --- lists --------------------------------------------------------------------------------------- */

int
config_set_list(void *field, const char *const *values)
{
	char ***to = field;
	size_t n = 0;

	while (values[n] != NULL)
		n++;
	config_free_list(*to);
	*to = mem_array(n + 1, sizeof((*to)[0]));
	for (size_t i = 0; i < n; i++)
		(*to)[i] = mem_strdup(values[i]);
	return 0;
}

int
config_read_argv(const struct config_key *key, const char *const *values, void *field)
{
	size_t n = 0;

	(void)key;
	if (values[0][0] == '\0' || (values[0][0] != '/' && strchr(values[0], '/') != NULL))
		return -1;
	while (values[n] != NULL)
		n++;
	return n <= ARGV_MAX ? config_set_list(field, values) : -1;
}

/* One of the arguments has it. */
static bool
has_mark(const char *const *values, const char *mark)
{
	for (size_t i = 1; values[0] != NULL && values[i] != NULL; i++) {
		if (strstr(values[i], mark) != NULL)
			return true;
	}
	return false;
}

int
config_read_validate(const struct config_key *key, const char *const *values, void *field)
{
	return has_mark(values, "%f") ? config_read_argv(key, values, field) : -1;
}

/* One that is not told which server it is about would cut off the same one always. */
int
config_read_fence(const struct config_key *key, const char *const *values, void *field)
{
	if (!has_mark(values, "{node}") && !has_mark(values, "{address}"))
		return -1;
	return config_read_argv(key, values, field);
}

int
config_read_events(const struct config_key *key, const char *const *values, void *field)
{
	/* Those of operations are run by the command, all others by the daemon. */
	static const char *const events[] = {
		"change",
		"problem",
		"proposal",
		"op-begin",
		"op-done",
		"op-failed",
	};

	(void)key;
	for (size_t i = 0; values[i] != NULL; i++) {
		size_t k = 0;

		while (k < MEM_COUNT(events) && strcmp(values[i], events[k]) != 0)
			k++;
		if (k == MEM_COUNT(events))
			return -1;
	}
	return config_set_list(field, values);
}

/* --- numbers and choices ------------------------------------------------------------------------- */

int
config_read_bool(const struct config_key *key, const char *const *values, void *field)
{
	/* libconfuse's words. */
	static const char *const words[][3] = { { "no", "false", "off" }, { "yes", "true", "on" } };

	(void)key;
	for (size_t i = 0; i < 2; i++) {
		for (size_t k = 0; k < 3; k++) {
			if (strcmp(values[0], words[i][k]) != 0)
				continue;
			*(bool *)field = i == 1;
			return 0;
		}
	}
	return -1;
}

int
config_read_duration(const struct config_key *key, const char *const *values, void *field)
{
	int64_t ms;

	if (str_parse_duration(values[0], &ms) != 0)
		return -1;
	if ((double)ms < key->min || (double)ms > key->max)
		return -1;
	*(int64_t *)field = ms;
	return 0;
}

int
config_read_count(const struct config_key *key, const char *const *values, void *field)
{
	uint64_t n;

	if (str_parse_u64(values[0], &n) != 0 || (double)n < key->min || (double)n > key->max)
		return -1;
	*(uint64_t *)field = n;
	return 0;
}

int
config_read_share(const struct config_key *key, const char *const *values, void *field)
{
	(void)key;
	return str_parse_share(values[0], field);
}

int
config_read_mode(const struct config_key *key, const char *const *values, void *field)
{
	unsigned long mode;

	(void)key;
	if (values[0][0] != '0' || strlen(values[0]) != 4 || !has_only(values[0], "01234567"))
		return -1;
	if ((mode = strtoul(values[0], NULL, 8)) < 0400)
		return -1;
	*(mode_t *)field = (mode_t)mode;
	return 0;
}

int
config_read_escape(const struct config_key *key, const char *const *values, void *field)
{
	(void)key;
	return escape_parse(values[0], field);
}

int
config_read_log_level(const struct config_key *key, const char *const *values, void *field)
{
	(void)key;
	return log_level_parse(values[0], field);
}

/* Those by which daemons are told to read again; not one that would end a process. */
int
config_read_signal(const struct config_key *key, const char *const *values, void *field)
{
	static const struct {
		const char *name;
		int number;
	} signals[] = {
		{ "HUP", SIGHUP },
		{ "USR1", SIGUSR1 },
		{ "USR2", SIGUSR2 },
		{ "WINCH", SIGWINCH },
	};
	const char *name = values[0];

	(void)key;
	if (strncmp(name, "SIG", 3) == 0)
		name += 3;
	for (size_t i = 0; i < MEM_COUNT(signals); i++) {
		if (strcmp(name, signals[i].name) != 0)
			continue;
		*(int *)field = signals[i].number;
		return 0;
	}
	return -1;
}

/* --- addresses and names ------------------------------------------------------------------------- */

int
config_read_server(const struct config_key *key, const char *const *values, void *field)
{
	char **to = field;

	(void)key;
	if (values[0][0] != '\0')
		return dns_check_server(values[0], NULL) == 0 ? set_text(field, values[0]) : -1;
	free(*to);
	*to = NULL;
	return 0;
}

int
config_read_http(const struct config_key *key, const char *const *values, void *field)
{
	struct endpoint ignored;
	const char *text = values[0];

	if (strncmp(text, "unix:/", strlen("unix:/")) == 0)
		return config_read_template(key, values, field);
	if (text[0] != '\0' && endpoint_parse(text, -1, &ignored) != 0)
		return -1;
	return set_text(field, text);
}

int
config_read_node(const struct config_key *key, const char *const *values, void *field)
{
	char **to = field, ignored[NAME_SIZE];

	(void)key;
	if (values[0][0] != '\0')
		return node_parse(values[0], strlen(values[0]), ignored, NULL) == 0
			   ? set_text(field, values[0])
			   : -1;
	free(*to);
	*to = NULL;
	return 0;
}

int
config_read_domain(const struct config_key *key, const char *const *values, void *field)
{
	char domain[NAME_SIZE];

	(void)key;
	if (values[0][0] == '\0')
		return set_text(field, "");
	if (name_parse(values[0], strlen(values[0]), domain, NULL) != 0)
		return -1;
	return set_text(field, domain);
}

int
config_read_prefix(const struct config_key *key, const char *const *values, void *field)
{
	const char *prefix = values[0];
	size_t len = strlen(prefix);

	(void)key;
	if (len < 2 || prefix[0] == '/' || prefix[len - 1] != '/' || strstr(prefix, "//") != NULL)
		return -1;
	return has_only(prefix, LETTERS DIGITS "._-/") ? set_text(field, prefix) : -1;
}

int
config_read_prefix_or_none(const struct config_key *key, const char *const *values, void *field)
{
	char **to = field;

	if (values[0][0] != '\0')
		return config_read_prefix(key, values, field);
	free(*to);
	*to = NULL;
	return 0;
}

/* HOST, HOST:PORT or [IPV6]:PORT; a path of nothing but "/" is forgiven. */
static bool
is_authority(const char *text, bool needs_port)
{
	size_t len = strlen(text);
	char *host, *colon, ignored[NAME_SIZE];
	struct endpoint endpoint;
	bool is_good = false;
	uint64_t port = 1;

	if (len > 0 && text[len - 1] == '/')
		len--;
	host = mem_strndup(text, len);
	colon = strchr(host, ':');
	if (host[0] != '[' && colon != NULL && strchr(colon + 1, ':') != NULL) {
		is_good = false; /* IPv6 without brackets: where would its port begin? */
	} else if (endpoint_parse(host, needs_port ? -1 : 1, &endpoint) == 0) {
		is_good = endpoint_port(&endpoint) > 0;
	} else if (host[0] != '[') {
		if (colon != NULL)
			*colon = '\0';
		is_good = (colon != NULL || !needs_port) &&
			  (colon == NULL || str_parse_u64(colon + 1, &port) == 0) && port >= 1 &&
			  port <= 65535 && node_parse(host, strlen(host), ignored, NULL) == 0;
	}
	free(host);
	return is_good;
}

/* Consul's own variable may be without a scheme. */
int
config_read_address(const struct config_key *key, const char *const *values, void *field)
{
	static const char *const path_schemes[] = { "file:", "unix://" };
	static const char *const host_schemes[] = { "http://", "https://" };
	const char *text = values[0];
	char *whole;

	if (!is_plain(text))
		return -1;
	for (size_t i = 0; i < 2; i++) {
		const char *rest[] = { text + strlen(path_schemes[i]), NULL };
		char *ignored = NULL;
		int rc;

		if (strncmp(text, path_schemes[i], strlen(path_schemes[i])) != 0)
			continue;
		rc = config_read_path(key, rest, &ignored);
		free(ignored);
		return rc == 0 ? set_text(field, text) : -1;
	}
	for (size_t i = 0; i < 2; i++) {
		if (strncmp(text, host_schemes[i], strlen(host_schemes[i])) == 0)
			return is_authority(text + strlen(host_schemes[i]), false)
				   ? set_text(field, text)
				   : -1;
	}
	if (!is_authority(text, true))
		return -1;
	whole = mem_printf("http://%s", text);
	set_text(field, whole);
	free(whole);
	return 0;
}
