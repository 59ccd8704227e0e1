/*
 * fuzz_kvfile.c: what may lie in the two files of a file store. The first byte chooses: the main
 * file that a person has edited, or the index, which then has to bear every operation and come
 * back from its own text unchanged.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/kvfile_format.h"
#include "io/kvfile_state.h"

#define NOW_MS 1000000
#define SESSION "01234567-89ab-4def-8123-456789abcdef"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Sorted, no key twice, nothing missing. */
static void
check_list(const struct kv_list *l)
{
	for (size_t i = 0; i < l->count; i++) {
		const struct kv_entry *entry = &l->entries[i];

		if (entry->key == NULL || entry->value == NULL || entry->session == NULL ||
		    entry->value[entry->value_len] != '\0')
			abort();
		if (i > 0 && strcmp(entry[-1].key, entry->key) >= 0)
			abort();
	}
}

static void
check_error(const struct err *e)
{
	if (e->code != ERR_PROTOCOL || memchr(e->text, '\0', sizeof(e->text)) == NULL)
		abort();
}

/* As text and back it is the same text. */
static void
check_round(const struct kvfile_head *head, const struct kvfile_state *s)
{
	struct str first = STR_INIT, second = STR_INIT;
	struct kvfile_head head_again = { .digest = "" };
	struct kvfile_state again = { 0 };
	struct err e;

	kvfile_format_index(&first, head, s);
	if (kvfile_parse_index(first.data, first.len, &head_again, &again, &e) != 0)
		abort();
	kvfile_format_index(&second, &head_again, &again);
	if (first.len != second.len || memcmp(first.data, second.data, first.len) != 0)
		abort();
	kvfile_state_clear(&again);
	str_clear(&first);
	str_clear(&second);
}

static void
fuzz_main(const char *text, size_t size)
{
	struct kvfile_state s = { 0 };
	struct kv_list list = { 0 }, again = { 0 };
	struct str out = STR_INIT;
	struct err e;

	if (kvfile_parse_main(text, size, &list, &e) != 0) {
		check_error(&e);
		if (strstr(e.text, "line ") == NULL)
			abort();
		return;
	}
	check_list(&list);
	kvfile_state_absorb(&s, &list);
	check_list(&s.list);
	if (s.list.count != list.count)
		abort();
	kvfile_format_main(&out, &s);
	if (kvfile_parse_main(out.data, out.len, &again, &e) != 0 || again.count != list.count)
		abort();
	kv_list_clear(&list);
	kv_list_clear(&again);
	kvfile_state_clear(&s);
	str_clear(&out);
}

/* Every operation on a key of the input and on one that is new. */
static void
run_operations(struct kvfile_state *s, const char *key)
{
	const struct kv_session_spec spec = {
		.name = "\xff\n", .ttl_ms = 10000, .lock_delay_ms = 1
	};

	kvfile_state_create_session(s, SESSION, &spec, NOW_MS);
	for (int kind = KV_OP_SET; kind <= KV_OP_UNLOCK; kind++) {
		struct kv_op op = { .kind = (enum kv_op_kind)kind,
			.key = key,
			.value = "v",
			.value_len = 1,
			.index = s->index,
			.session = SESSION };
		struct kv_answer a = { 0 };

		kvfile_state_apply(s, &op, NOW_MS, NULL);
		op.key = "new";
		kvfile_state_apply(s, &op, NOW_MS, NULL);
		kvfile_state_answer(s, "", true, NOW_MS, &a);
		if (a.index == 0 || a.list.count > s->list.count)
			abort();
		kv_list_clear(&a.list);
		check_list(&s->list);
	}
}

static void
fuzz_index(const char *text, size_t size)
{
	struct kvfile_head head = { .digest = "" };
	struct kvfile_state s = { 0 };
	struct err e;
	char *key;

	if (kvfile_parse_index(text, size, &head, &s, &e) != 0) {
		check_error(&e);
		kvfile_state_clear(&s);
		return;
	}
	check_list(&s.list);
	check_round(&head, &s);
	key = mem_strdup(s.list.count > 0 ? s.list.entries[s.list.count / 2].key : "key");
	kvfile_state_expire(&s, NOW_MS);
	run_operations(&s, key);
	check_round(&head, &s);
	kvfile_state_expire(&s, INT64_MAX / 2);
	if (s.session_count != 0)
		abort();
	kvfile_state_clear(&s);
	free(key);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] == 'm')
		fuzz_main((const char *)data + 1, size - 1);
	else
		fuzz_index((const char *)data + 1, size - 1);
	return 0;
}
