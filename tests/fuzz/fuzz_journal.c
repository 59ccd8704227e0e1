/*
 * fuzz_journal.c: a document under ops/. What is taken is printable, and written again it reads back as
 * the same: byte for byte, because a written number has 15 digits and a read one may have had more.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "model/journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool is_so)
{
	if (!is_so)
		abort();
}

static void
check_printable(const char *text)
{
	for (; *text != '\0'; text++)
		require((unsigned char)*text >= ' ' && *text != 0x7f);
}

static void
check_same(const struct journal *j, const struct str *text)
{
	json_t *object = journal_to_json(j);
	struct str again = STR_INIT;

	json_write(&again, object);
	require(again.len == text->len && memcmp(again.data, text->data, again.len) == 0);
	str_clear(&again);
	json_decref(object);
}

static void
check(const struct journal *j)
{
	json_t *object = journal_to_json(j);
	struct str text = STR_INIT;
	struct journal *again;
	const char *key;
	json_t *value;

	check_printable(j->kind);
	check_printable(j->by);
	check_printable(j->error);
	json_object_foreach (j->facts, key, value) {
		check_printable(key);
		check_printable(journal_fact(j, key));
	}
	for (size_t i = 0; i < j->step_count; i++) {
		check_printable(j->steps[i].name);
		check_printable(j->steps[i].note);
		require(journal_find(j, j->steps[i].name) == &j->steps[i]);
	}
	json_write(&text, object);
	if (text.len <= JOURNAL_MAX) {
		require((again = journal_parse(str_text(&text), text.len, NULL)) != NULL);
		check_same(again, &text);
		journal_free(again);
	}
	str_clear(&text);
	json_decref(object);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct journal *j = journal_parse(data, size, NULL);
	char id[OP_ID_SIZE];

	if (j != NULL) {
		require(op_id_parse(j->id, id) == 0);
		check(j);
	}
	journal_free(j);
	return 0;
}
