/*
 * check_sentinel.h: what the Sentinels say of a master, beside what we see ourselves.
 */
#ifndef FEATURE_CHECK_SENTINEL_H
#define FEATURE_CHECK_SENTINEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/endpoint.h"

struct loop;
struct sentinels;

typedef void sentinels_done_fn(void *arg);

/* addresses: "host:port", NULL-terminated; both outlive it. Their connections are kept. */
struct sentinels *sentinels_new(
    struct loop *l, const char *const *addresses, const char *master_name);
void sentinels_free(struct sentinels *s); /* NULL is allowed; done is not called */

/*
 * Asks all of them; done comes once, from the loop, when the last has answered or limit_ms passed.
 * false: there is nobody to ask, and done will not come.
 */
bool sentinels_ask(struct sentinels *s, int64_t limit_ms, sentinels_done_fn *done, void *arg);

/* What they said last, in one printable line; seen: the server that the check is about. */
void sentinels_text(const struct sentinels *s, const struct endpoint *seen, char *out, size_t size);

#endif
