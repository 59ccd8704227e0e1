/*
 * check_spec.c: the texts and lists of a spec stand in two tables; whoever gives struct check_spec a
 * pointer gives it a line here. Everything else is compared and copied member by member, because the
 * padding between members says nothing.
 */
#include "model/check_spec.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static const size_t texts[] = {
	offsetof(struct check_spec, name),
	offsetof(struct check_spec, type),
	offsetof(struct check_spec, target),
	offsetof(struct check_spec, pair),
	offsetof(struct check_spec, node),
	offsetof(struct check_spec, credentials),
	offsetof(struct check_spec, query),
	offsetof(struct check_spec, database),
	offsetof(struct check_spec, path),
	offsetof(struct check_spec, measure),
	offsetof(struct check_spec, unit),
	offsetof(struct check_spec, host),
	offsetof(struct check_spec, expect),
	offsetof(struct check_spec, sentinel_master),
	offsetof(struct check_spec, ca_file),
};

static const size_t lists[] = {
	offsetof(struct check_spec, sentinels),
	offsetof(struct check_spec, command),
};

static char **
text_at(const struct check_spec *s, size_t i)
{
	return (char **)((char *)(uintptr_t)s + texts[i]);
}

static char ***
list_at(const struct check_spec *s, size_t i)
{
	return (char ***)((char *)(uintptr_t)s + lists[i]);
}

static size_t
list_len(char *const *list)
{
	size_t n = 0;

	while (list[n] != NULL)
		n++;
	return n;
}

char **
check_spec_copy_list(char *const *list)
{
	size_t n;
	char **out;

	if (list == NULL)
		return NULL;
	n = list_len(list);
	out = mem_array(n + 1, sizeof(*out));
	for (size_t i = 0; i < n; i++)
		out[i] = mem_strdup(list[i]);
	return out;
}

static bool
is_same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool
is_same_list(char *const *a, char *const *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	for (; *a != NULL && *b != NULL; a++, b++) {
		if (strcmp(*a, *b) != 0)
			return false;
	}
	return *a == *b;
}

static bool
is_same_range(const struct range *a, const struct range *b)
{
	return a->is_set == b->is_set && strcmp(a->text, b->text) == 0;
}

static bool
is_same_timing(const struct debounce_config *a, const struct debounce_config *b)
{
	return a->interval_ms == b->interval_ms && a->fast_ms == b->fast_ms &&
	       a->timeout_ms == b->timeout_ms && a->failures == b->failures &&
	       a->successes == b->successes && a->window_ms == b->window_ms &&
	       a->success_window_ms == b->success_window_ms &&
	       a->refused_window_ms == b->refused_window_ms;
}

void
check_spec_copy(struct check_spec *to, const struct check_spec *from)
{
	*to = *from;
	for (size_t i = 0; i < MEM_COUNT(texts); i++) {
		const char *text = *text_at(from, i);

		*text_at(to, i) = text != NULL ? mem_strdup(text) : NULL;
	}
	for (size_t i = 0; i < MEM_COUNT(lists); i++)
		*list_at(to, i) = check_spec_copy_list(*list_at(from, i));
}

bool
check_spec_is_same(const struct check_spec *a, const struct check_spec *b)
{
	for (size_t i = 0; i < MEM_COUNT(texts); i++) {
		if (!is_same_text(*text_at(a, i), *text_at(b, i)))
			return false;
	}
	for (size_t i = 0; i < MEM_COUNT(lists); i++) {
		if (!is_same_list(*list_at(a, i), *list_at(b, i)))
			return false;
	}
	return a->port == b->port && a->role == b->role && a->is_tls == b->is_tls &&
	       is_same_range(&a->warning, &b->warning) &&
	       is_same_range(&a->critical, &b->critical) && a->max_lag_ms == b->max_lag_ms &&
	       a->long_write_ms == b->long_write_ms && is_same_timing(&a->timing, &b->timing);
}

void
check_spec_clear(struct check_spec *s)
{
	for (size_t i = 0; i < MEM_COUNT(texts); i++)
		free(*text_at(s, i));
	for (size_t i = 0; i < MEM_COUNT(lists); i++) {
		char **list = *list_at(s, i);

		for (size_t k = 0; list != NULL && list[k] != NULL; k++)
			free(list[k]);
		free(list);
	}
	*s = (struct check_spec){ 0 };
}

const struct check_spec *
check_spec_find(const struct check_spec *specs, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(specs[i].name, name) == 0)
			return &specs[i];
	}
	return NULL;
}
