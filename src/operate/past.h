/*
 * past.h: what operations there were: the journals under ops/. Each call reads them once, and consistently.
 */
#ifndef OPERATE_PAST_H
#define OPERATE_PAST_H

#include <stddef.h>

#include "base/err.h"
#include "model/journal.h"

struct client;

/* Those of one pair, newest first; what cannot be read is left out. Starts all zero. */
struct past {
	struct journal **journals;
	size_t count;
};

/* 0, or -1: the KV. */
int past_load(struct past *p, struct client *client, const char *pair, struct err *e);
void past_clear(struct past *p);

/* What came after j (journal_see_later()): 0, or -1: the KV. */
int past_find_later(
    struct client *client, const struct journal *j, struct journal_later *out, struct err *e);

/*
 * Deletes journals that are old (model/journal_keep.h), as many as a transaction takes. It may fail unseen: the
 * next one who has done something tries again.
 */
void past_tidy(struct client *client);

#endif
