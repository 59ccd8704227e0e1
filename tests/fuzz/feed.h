/*
 * feed.h: how both list fuzzers feed a reader. The first byte of the input is the size of the pieces, the rest
 * is what Consul is said to have sent.
 */
#ifndef TESTS_FUZZ_FEED_H
#define TESTS_FUZZ_FEED_H

#include <stdint.h>
#include <stdlib.h>

#include "io/consul_reader.h"
#include "io/kv_impl.h"

/* Stops the fuzzer: a promise was broken. */
#define must(condition) \
	do { \
		if (!(condition)) \
			abort(); \
	} while (0)

static inline int
feed_pieces(
    struct consul_reader *r, const uint8_t *data, size_t size, size_t piece, struct kv_answer *a)
{
	struct err e = { 0 };
	int result = 0;

	for (size_t at = 0; at < size && result == 0; at += piece)
		result = consul_reader_feed(
		    r, (const char *)data + at, size - at < piece ? size - at : piece, &e);
	if (result == 0)
		result = consul_reader_end(r, a, &e);
	must((result == 0) == (e.code == ERR_NONE));
	consul_reader_free(r);
	return result;
}

/*
 * The input at once and in pieces, to two readers of the same make: both succeed or both fail, and
 * what failed is empty.
 */
static inline int
feed_twice(struct consul_reader *(*make)(void), const uint8_t *data, size_t size,
    struct kv_answer *whole, struct kv_answer *pieces)
{
	size_t piece = (size_t)data[0] % 64 + 1;
	int result = feed_pieces(make(), data + 1, size - 1, size, whole);

	must(result == feed_pieces(make(), data + 1, size - 1, piece, pieces));
	must(result == 0 || (whole->list.count == 0 && pieces->list.count == 0));
	must(result == 0 || (whole->nodes.count == 0 && pieces->nodes.count == 0));
	return result;
}

#endif
