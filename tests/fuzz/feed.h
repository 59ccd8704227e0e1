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

#endif
