/*
 * hold.c: reads and writes holds. Nothing here can fail: a value that is not ours is shown as the
 * reason. A hold on a key that is no name ("hold/a b") holds nothing and is passed over; the CLI
 * never writes one.
 */
#include "feature/hold.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "model/name.h"

static void
copy_printable(char out[HOLD_TEXT_SIZE], const char *text, size_t len)
{
	struct str s = STR_INIT;

	str_add_printable(&s, text, len, HOLD_TEXT_MAX);
	snprintf(out, HOLD_TEXT_SIZE, "%s", str_text(&s));
	str_clear(&s);
}

static void
copy_member(char out[HOLD_TEXT_SIZE], const json_t *doc, const char *key)
{
	const char *text = json_get_string(doc, key, "");

	copy_printable(out, text, strlen(text));
}

void
hold_parse(const struct kv_entry *entry, struct hold *out)
{
	json_t *doc = json_parse(entry->value, entry->value_len, "hold", NULL);

	memset(out, 0, sizeof(*out));
	if (json_is_object(doc)) {
		copy_member(out->reason, doc, "reason");
		copy_member(out->who, doc, "who");
		copy_member(out->since, doc, "since");
	} else {
		copy_printable(out->reason, entry->value, entry->value_len);
	}
	json_decref(doc);
}

void
hold_add_text(struct str *out, const struct hold *h)
{
	json_t *doc =
	    json_pack("{s:s, s:s, s:s}", "reason", h->reason, "who", h->who, "since", h->since);

	json_write(out, doc);
	json_decref(doc);
}

char *
hold_words(const struct hold *h)
{
	return mem_printf("since %s by %s: %s", h->since[0] != '\0' ? h->since : "an unknown time",
	    h->who[0] != '\0' ? h->who : "somebody",
	    h->reason[0] != '\0' ? h->reason : "no reason given");
}

static int
compare_held(const void *a, const void *b)
{
	const struct held_name *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static void
add_name(struct hold_set *s, const struct kv_entry *entry, const char *tail)
{
	char name[NAME_SIZE];
	struct held_name *h;

	if (entry->has_nul_key || name_parse(tail, strlen(tail), name, NULL) != 0)
		return;
	s->names = mem_grow(s->names, s->count + 1, sizeof(*s->names));
	h = &s->names[s->count++];
	h->name = mem_strdup(name);
	hold_parse(entry, &h->hold);
}

void
hold_set_load(struct hold_set *out, const struct kv_list *list, const char *key)
{
	size_t len = strlen(key);

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < list->count; i++) {
		const struct kv_entry *entry = &list->entries[i];

		if (strncmp(entry->key, key, len) != 0)
			continue;
		if (entry->key[len] == '\0' && !entry->has_nul_key) {
			out->is_everything = true;
			hold_parse(entry, &out->everything);
		} else if (entry->key[len] == '/') {
			add_name(out, entry, entry->key + len + 1);
		}
	}
	/* Lower-casing may have changed the order of the keys. */
	if (out->count > 1)
		qsort(out->names, out->count, sizeof(*out->names), compare_held);
}

const struct hold *
hold_set_find(const struct hold_set *s, const char *name)
{
	struct held_name wanted = { .name = (char *)(uintptr_t)name };
	const struct held_name *found;

	if (s->is_everything)
		return &s->everything;
	if (s->count == 0)
		return NULL;
	found = bsearch(&wanted, s->names, s->count, sizeof(*s->names), compare_held);
	return found != NULL ? &found->hold : NULL;
}

void
hold_set_clear(struct hold_set *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->names[i].name);
	free(s->names);
	memset(s, 0, sizeof(*s));
}
