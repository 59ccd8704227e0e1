/*
 * fuzz_kv_list.c: the list of keys, in pieces of any size. It must be the same list however the bytes arrive,
 * sorted, below its prefix, and what jansson reads of the same text where both can read it.
 */
#include <jansson.h>
#include <string.h>

#include "feed.h"

#define PREFIX "n/"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_list(const struct kv_list *l)
{
	for (size_t i = 0; i < l->count; i++) {
		const struct kv_entry *entry = &l->entries[i];

		must(strncmp(entry->key, PREFIX, strlen(PREFIX)) == 0);
		must(entry->value[entry->value_len] == '\0');
		must(strlen(entry->session) < SIZE_MAX);
		must(strcmp(kv_list_find(l, entry->key)->key, entry->key) == 0);
		must(i == 0 || strcmp(l->entries[i - 1].key, entry->key) <= 0);
	}
}

static void
compare_lists(const struct kv_list *a, const struct kv_list *b)
{
	must(a->count == b->count);
	for (size_t i = 0; i < a->count; i++) {
		const struct kv_entry *x = &a->entries[i], *y = &b->entries[i];

		must(strcmp(x->key, y->key) == 0 && strcmp(x->session, y->session) == 0);
		must(x->value_len == y->value_len);
		must(memcmp(x->value, y->value, x->value_len) == 0);
		must(x->modify_index == y->modify_index && x->create_index == y->create_index);
		must(x->lock_index == y->lock_index && x->flags == y->flags);
		must(x->has_nul_key == y->has_nul_key);
	}
}

/* Both could read it: the same number of rows, and each key is one of ours. */
static void
compare_with_jansson(const struct kv_list *l, const uint8_t *data, size_t size)
{
	json_t *list = json_loadb((const char *)data, size, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);

	if (list != NULL && !json_is_null(list)) {
		must(json_is_array(list) && json_array_size(list) == l->count);
		for (size_t i = 0; i < l->count; i++) {
			const json_t *row = json_array_get(list, i);
			const char *key = json_string_value(json_object_get(row, "Key"));

			must(key != NULL && kv_list_find(l, key) != NULL);
		}
	}
	json_decref(list);
}

static struct consul_reader *
new_reader(void)
{
	return consul_reader_new_keys(PREFIX, false);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kv_answer whole = { 0 }, pieces = { 0 };
	int result;

	if (size < 2)
		return 0;
	result = feed_twice(new_reader, data, size, &whole, &pieces);
	check_list(&whole.list);
	compare_lists(&whole.list, &pieces.list);
	if (result == 0)
		compare_with_jansson(&whole.list, data + 1, size - 1);
	kv_answer_clear(&whole);
	kv_answer_clear(&pieces);
	return 0;
}
