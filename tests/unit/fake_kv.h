/*
 * fake_kv.h: a store whose answers the test writes, to misbehave in ways that no real one can be made
 * to on time. It only reads; tests of writing use a real store.
 */
#ifndef TESTS_UNIT_FAKE_KV_H
#define TESTS_UNIT_FAKE_KV_H

#include "io/kv.h"

struct fake_read {
	struct kv_call *call; /* NULL: no read is under way */
	struct kv_read read;
};

struct kv *fake_kv_new(struct loop *l);
/* The read under way that waits (blocking), or that does not. */
struct fake_read *fake_kv_blocking(struct kv *kv);
struct fake_read *fake_kv_plain(struct kv *kv);
/* Answers it from the loop: index and "key=value" words separated by blanks; NULL: an error. */
void fake_kv_answer(struct fake_read *r, uint64_t index, const char *pairs);

#endif
