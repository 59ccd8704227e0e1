/*
 * fuzz_kv_list.c: the list of keys, in pieces of any size. It must be the same list however the bytes arrive,
 * sorted, below its prefix, and what jansson reads of the same text where both can read it. What stands
 * before a byte 1 is the list before, which may be remembered and must make no difference.
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

static int
feed_recalling(
    struct kv_list *last, const uint8_t *data, size_t size, size_t piece, struct kv_answer *a)
{
	struct consul_reader *r = new_reader();

	consul_reader_recall(r, last);
	return feed_pieces(r, data, size, piece, a);
}

/* The list after before, twice: the second time it is its own list before. */
static void
compare_recalled(const struct kv_list *plain, int result, const uint8_t *before, size_t before_size,
    const uint8_t *list, size_t size, size_t piece)
{
	struct kv_list last = { 0 };
	struct kv_answer a = { 0 };

	feed_recalling(&last, before, before_size, piece, &a);
	for (int i = 0; i < 2; i++) {
		kv_answer_clear(&a);
		must(feed_recalling(&last, list, size, piece, &a) == result);
		compare_lists(&a.list, plain);
	}
	kv_list_clear(&last);
	check_list(&a.list);
	kv_answer_clear(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kv_answer whole = { 0 }, pieces = { 0 };
	const uint8_t *list = data + 1, *mark;
	size_t before_size;
	int result;

	if (size < 2)
		return 0;
	mark = memchr(list, 1, size - 1);
	before_size = mark != NULL ? (size_t)(mark - list) : size - 1;
	result = feed_twice(new_reader, data, before_size + 1, &whole, &pieces);
	check_list(&whole.list);
	compare_lists(&whole.list, &pieces.list);
	if (result == 0)
		compare_with_jansson(&whole.list, list, before_size);
	if (mark != NULL) {
		size_t size_after = size - 2 - before_size, piece = data[0] % 64u + 1;

		kv_answer_clear(&whole);
		result = feed_pieces(new_reader(), mark + 1, size_after, size_after + 1, &whole);
		compare_recalled(
		    &whole.list, result, list, before_size, mark + 1, size_after, piece);
	} else {
		compare_recalled(&whole.list, result, list, before_size, list, before_size, 16);
	}
	kv_answer_clear(&whole);
	kv_answer_clear(&pieces);
	return 0;
}
