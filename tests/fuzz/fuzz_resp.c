/*
 * fuzz_resp.c: what a hostile Redis can send. The first byte is the size of the pieces that it comes in;
 * whatever they are, the same replies come out.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "io/resp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_BYTES 4096

#define must(condition) \
	do { \
		if (!(condition)) \
			abort(); \
	} while (0)

struct sum {
	size_t replies, values, bytes;
	int end;
};

static void
walk(const struct resp_value *v, size_t depth, struct sum *sum)
{
	must(depth <= RESP_DEPTH_MAX);
	must(v->text != NULL && v->text[v->len] == '\0');
	must((v->count == 0) == (v->items == NULL));
	sum->values++;
	sum->bytes += v->len;
	for (size_t i = 0; i < v->count; i++)
		walk(&v->items[i], depth + 1, sum);
}

static struct sum
feed(const char *data, size_t size, size_t piece)
{
	struct resp_reader *r = resp_reader_new(MAX_BYTES);
	const struct resp_value *v;
	struct sum sum = { 0 };
	struct err e = { 0 };

	for (size_t at = 0; at < size && sum.end == 0; at += piece) {
		resp_reader_feed(r, data + at, size - at < piece ? size - at : piece);
		while ((sum.end = resp_reader_next(r, &v, &e)) == 1) {
			walk(v, 0, &sum);
			resp_field(v, "flags");
			sum.replies++;
		}
	}
	must((sum.end == -1) == (e.code != ERR_NONE));
	resp_reader_free(r);
	return sum;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sum one, other;

	if (size < 2 || size > MAX_BYTES)
		return 0;
	one = feed((const char *)data + 1, size - 1, data[0] != 0 ? data[0] : 1);
	other = feed((const char *)data + 1, size - 1, size);
	must(
	    one.replies == other.replies && one.values == other.values && one.bytes == other.bytes);
	return 0;
}
