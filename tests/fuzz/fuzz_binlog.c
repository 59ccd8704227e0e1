/*
 * fuzz_binlog.c: a binary log from a server that has just crashed. What is told of it is printable, and
 * what is counted is there.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "model/binlog.h"
#include "model/errant_list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool is_so)
{
	if (!is_so)
		abort();
}

static void
check(const struct errant_list *l, size_t size)
{
	uint64_t rows = 0;

	require(l->count <= l->total && l->open == NULL);
	for (size_t i = 0; i < l->count; i++) {
		const struct errant_item *item = &l->items[i];
		char shown[ERRANT_WHAT_SIZE];

		str_copy_printable(shown, sizeof(shown), item->what);
		require(item->what[0] != '\0' && strcmp(shown, item->what) == 0);
		require(item->bytes <= size);
		rows += item->rows;
	}
	if (l->count == l->total)
		require(rows == l->rows);
	require(gtid_count(&l->gtids) <= l->total);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct binlog_reader reader = { false };
	struct errant_list list = { .items = NULL };
	struct binlog_event event;
	size_t at = BINLOG_MAGIC_SIZE, len;

	while (at < size && size - at >= BINLOG_HEADER_SIZE) {
		/* A copy of its own: what is read behind its end is found out. */
		uint8_t *bytes;
		int rc;

		if ((len = binlog_event_size(data + at)) == 0 || len > size - at)
			break;
		bytes = malloc(len);
		require(bytes != NULL);
		memcpy(bytes, data + at, len);
		rc = binlog_read(&reader, bytes, len, &event, NULL);
		if (rc == 0)
			rc = errant_list_feed(&list, &event, NULL);
		free(bytes);
		if (rc != 0)
			break;
		at += len;
	}
	errant_list_end(&list);
	check(&list, size);
	errant_list_clear(&list);
	return 0;
}
