/*
 * kv_conform_sessions.h: the part of test_kv_conformance.c that is about locks and sessions. All
 * are tests whose state is a struct probe.
 */
#ifndef TESTS_UNIT_KV_CONFORM_SESSIONS_H
#define TESTS_UNIT_KV_CONFORM_SESSIONS_H

#include "kv_probe.h"

void conform_locks_and_unlocks(void **state);
void conform_plain_writes_pass_locks(void **state);
void conform_fences_by_session(void **state);
void conform_renews_and_destroys_sessions(void **state);
void conform_destroyed_sessions_free_keys(void **state);
void conform_delays_locks(void **state);

/* Before the first test and after the last; the test in between takes what is left of 20 s. */
void conform_begin_expiry(struct probe *p);
void conform_sessions_expire(void **state);
void conform_end_expiry(void);

#endif
