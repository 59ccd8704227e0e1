/*
 * fuzz_perfdata.c: any output of a plugin: printable, bounded, and the same numbers once more when it
 * is written as a line and read again.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/perfdata.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(int holds)
{
	if (!holds)
		abort();
}

static void
must_be_printable(const char *text)
{
	must(str_is_utf8(text, strlen(text)));
	for (; *text != '\0'; text++)
		must((unsigned char)*text >= 0x20 && *text != 0x7f);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct check_result first = { 0 }, again = { 0 };
	struct str line = STR_INIT;

	perfdata_read((const char *)data, size, &first);
	must_be_printable(first.text);
	perfdata_write(&first, "x", &line);
	must_be_printable(str_text(&line));
	perfdata_read(line.data, line.len, &again);
	must(first.number_count == again.number_count);
	for (size_t i = 0; i < first.number_count; i++) {
		const struct check_number *a = &first.numbers[i], *b = &again.numbers[i];

		must_be_printable(a->label);
		must(strcmp(a->label, b->label) == 0 && strcmp(a->unit, b->unit) == 0);
		must(fabs(a->value - b->value) <= fabs(a->value) * 1e-14);
		must(strcmp(a->warning.text, b->warning.text) == 0);
		must(strcmp(a->critical.text, b->critical.text) == 0);
	}
	str_clear(&line);
	return 0;
}
