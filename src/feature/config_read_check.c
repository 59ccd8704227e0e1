/*
 * config_read_check.c: the readers of what only checks and pairs have, as in config_read.c.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "feature/check_type.h"
#include "feature/config_keys.h"
#include "model/name.h"
#include "model/target.h"

/* One of the words, the last of which is NULL. */
static int
read_choice(const char *const *words, const char *text, char **field)
{
	for (; *words != NULL; words++) {
		if (strcmp(*words, text) != 0)
			continue;
		free(*field);
		*field = mem_strdup(text);
		return 0;
	}
	return -1;
}

int
config_read_type(const struct config_key *key, const char *const *values, void *field)
{
	const char *const words[] = { values[0], NULL };

	(void)key;
	return check_type_find(values[0]) != NULL ? read_choice(words, values[0], field) : -1;
}

int
config_read_kind(const struct config_key *key, const char *const *values, void *field)
{
	static const char *const kinds[] = { "mysql", "redis", "daemon", NULL };

	(void)key;
	return read_choice(kinds, values[0], field);
}

int
config_read_measure(const struct config_key *key, const char *const *values, void *field)
{
	static const char *const measures[] = { "age", "size", NULL };

	(void)key;
	return read_choice(measures, values[0], field);
}

int
config_read_role(const struct config_key *key, const char *const *values, void *field)
{
	static const struct {
		const char *name;
		enum check_role role;
	} roles[] = {
		{ "any", CHECK_ROLE_ANY },
		{ "master", CHECK_ROLE_ACTIVE },
		{ "replica", CHECK_ROLE_STANDBY },
	};

	(void)key;
	for (size_t i = 0; i < MEM_COUNT(roles); i++) {
		if (strcmp(values[0], roles[i].name) != 0)
			continue;
		*(enum check_role *)field = roles[i].role;
		return 0;
	}
	return -1;
}

int
config_read_range(const struct config_key *key, const char *const *values, void *field)
{
	(void)key;
	return range_parse(values[0], field, NULL);
}

int
config_read_int(const struct config_key *key, const char *const *values, void *field)
{
	uint64_t n;

	if (str_parse_u64(values[0], &n) != 0 || (double)n < key->min || (double)n > key->max)
		return -1;
	*(int *)field = (int)n;
	return 0;
}

int
config_read_name(const struct config_key *key, const char *const *values, void *field)
{
	char name[NAME_SIZE], **to = field;

	(void)key;
	if (name_parse(values[0], strlen(values[0]), name, NULL) != 0)
		return -1;
	free(*to);
	*to = mem_strdup(name);
	return 0;
}

int
config_read_nodes(const struct config_key *key, const char *const *values, void *field)
{
	char first[NAME_SIZE], second[NAME_SIZE];

	(void)key;
	if (values[0] == NULL || values[1] == NULL || values[2] != NULL ||
	    node_parse(values[0], strlen(values[0]), first, NULL) != 0 ||
	    node_parse(values[1], strlen(values[1]), second, NULL) != 0 ||
	    strcmp(first, second) == 0)
		return -1;
	return config_set_list(field, (const char *const[]){ first, second, NULL });
}

int
config_read_target(const struct config_key *key, const char *const *values, void *field)
{
	struct target t;

	return target_parse(values[0], &t) == 0 ? config_read_text(key, values, field) : -1;
}

/* Addresses with their ports: nobody is asked who a sentinel is. */
int
config_read_targets(const struct config_key *key, const char *const *values, void *field)
{
	struct target t;

	(void)key;
	for (size_t i = 0; values[i] != NULL; i++) {
		if (target_parse(values[i], &t) != 0 || !t.is_address || t.port == 0)
			return -1;
	}
	return config_set_list(field, values);
}

/* It goes into the first line of a request as it is, or to stat(2). */
int
config_read_url_path(const struct config_key *key, const char *const *values, void *field)
{
	const char *path = values[0];

	if (path[0] != '/' || strpbrk(path, " \t#") != NULL)
		return -1;
	return config_read_text(key, values, field);
}

int
config_read_systemd_unit(const struct config_key *key, const char *const *values, void *field)
{
	static const char allowed[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	    ":-_.\\@"; /* systemd.unit(5) */
	const char *unit = values[0], *dot = strrchr(unit, '.');

	if (dot == NULL || dot == unit || unit[0] == '-' || strlen(unit) > 255 ||
	    unit[strspn(unit, allowed)] != '\0')
		return -1;
	return config_read_text(key, values, field);
}

int
config_read_windows(const struct config_key *key, const char *const *values, void *field)
{
	struct time_windows all = { 0 };

	(void)key;
	for (; *values != NULL; values++) {
		if (all.count == TIME_WINDOWS_MAX ||
		    time_window_parse(*values, &all.list[all.count++]) != 0)
			return -1;
	}
	*(struct time_windows *)field = all;
	return 0;
}
