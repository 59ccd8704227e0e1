/*
 * fuzz_gtid.c: two sets of GTIDs, a line each, in the dialect of the first byte. What is taken away from
 * itself is nothing, a difference shares nothing with what was taken away, and MySQL's form reads back.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/gtid.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool is_so)
{
	if (!is_so)
		abort();
}

static void
check(enum gtid_dialect dialect, const struct gtid_set *a, const struct gtid_set *b)
{
	struct gtid_set rest, again = { NULL, 0 };
	struct str text = STR_INIT;

	require(gtid_contains(a, a) && gtid_contains(b, b));
	gtid_subtract(a, b, &rest);
	require(gtid_contains(a, &rest));
	require((rest.count == 0) == gtid_contains(b, a));
	if (gtid_count(a) != UINT64_MAX)
		require(gtid_count(&rest) <= gtid_count(a));
	gtid_subtract(&rest, b, &again);
	require(gtid_count(&again) == gtid_count(&rest));
	gtid_clear(&again);
	gtid_clear(&rest);
	gtid_format(dialect, a, &text);
	require(gtid_parse(dialect, str_text(&text), &again, NULL) == 0);
	require(gtid_contains(a, &again) && gtid_contains(&again, a));
	gtid_clear(&again);
	str_clear(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gtid_set a = { NULL, 0 }, b = { NULL, 0 };
	enum gtid_dialect dialect;
	char *text, *second;

	if (size == 0)
		return 0;
	dialect = data[0] & 1 ? GTID_MYSQL : GTID_MARIADB;
	text = mem_strndup((const char *)data + 1, size - 1);
	if ((second = strchr(text, ';')) != NULL) {
		*second++ = '\0';
		if (gtid_parse(dialect, text, &a, NULL) == 0 &&
		    gtid_parse(dialect, second, &b, NULL) == 0)
			check(dialect, &a, &b);
		gtid_behind(dialect, text, second);
	}
	gtid_clear(&a);
	gtid_clear(&b);
	free(text);
	return 0;
}
