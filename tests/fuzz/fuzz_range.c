/*
 * fuzz_range.c: the thresholds that plugins print and people write. What is taken is a range with a
 * beginning before its end, kept as it was written, and reads the same again; its ends are what
 * range_catches() goes by. What is not taken leaves everything alone and says something printable.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/range.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool is_so)
{
	if (!is_so)
		abort();
}

static bool
is_same(const struct range *a, const struct range *b)
{
	return a->low == b->low && a->high == b->high && a->is_inside == b->is_inside &&
	       a->is_set == b->is_set && strcmp(a->text, b->text) == 0;
}

static void
check_taken(const char *text, const struct range *r)
{
	struct range again = { 0 };

	require(r->is_set && r->low <= r->high && strcmp(r->text, text) == 0);
	require(r->is_inside == (*text == '@'));
	require(range_parse(r->text, &again, NULL) == 0 && is_same(r, &again));
	require(range_catches(r, NAN));
	require(range_catches(r, r->low) == r->is_inside);
	require(range_catches(r, r->high) == r->is_inside);
	if (isfinite(r->high))
		require(range_catches(r, nextafter(r->high, INFINITY)) != r->is_inside);
	if (isfinite(r->low))
		require(range_catches(r, nextafter(r->low, -INFINITY)) != r->is_inside);
}

static void
check_refused(const struct range *r, const struct err *e)
{
	static const struct range untouched = { 0 };

	require(is_same(r, &untouched) && e->code == ERR_CONFIG);
	require(memchr(e->text, '\0', sizeof(e->text)) != NULL && e->text[0] != '\0');
	for (const char *p = e->text; *p != '\0'; p++)
		require((unsigned char)*p >= ' ' && *p != 0x7f);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct range r = { 0 };
	struct err e = { 0 };

	require(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	if (range_parse(text, &r, &e) == 0)
		check_taken(text, &r);
	else
		check_refused(&r, &e);
	free(text);
	return 0;
}
