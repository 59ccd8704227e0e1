/*
 * hold.h: the keys <root>hold and <root>hold/<name>, by which a person tells the agents to keep
 * what they serve. Any such key is a hold, whatever its value: somebody in a hurry may have typed
 * `consul kv put pointsman/hold maintenance`, and a hold that is not honoured is worse than one
 * without a name under it.
 */
#ifndef FEATURE_HOLD_H
#define FEATURE_HOLD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "io/kv.h"

#define HOLD_TEXT_MAX 255 /* bytes of a reason; of a longer one the rest is not shown */
#define HOLD_TEXT_SIZE (4 * HOLD_TEXT_MAX + 4) /* each may become \xNN; "..." and the NUL */

/* All three are printable, and shortened; "" where the value does not say. */
struct hold {
	char reason[HOLD_TEXT_SIZE];
	char who[HOLD_TEXT_SIZE];
	char since[HOLD_TEXT_SIZE];
};

/* Ours is a JSON object; of anything else the whole value is the reason. */
void hold_parse(const struct kv_entry *entry, struct hold *out);
/* Appends the value to be written. */
void hold_add_text(struct str *out, const struct hold *h);
/* For a person: "since 2026-11-21T22:37:04Z by ola (uid 1004): restore". malloc'ed. */
char *hold_words(const struct hold *h);

/* --- all holds --------------------------------------------------------------------------------- */

struct held_name {
	char *name; /* as name_parse() writes it */
	struct hold hold;
};

struct hold_set {
	bool is_everything; /* <root>hold: no name moves */
	struct hold everything;
	struct held_name *names; /* sorted by name */
	size_t count;
};

/* From a list of the prefix key ("pointsman/hold"); keys that only begin like it are passed over. */
void hold_set_load(struct hold_set *out, const struct kv_list *list, const char *key);
/* What holds this name, everything or by itself; NULL: nothing. */
const struct hold *hold_set_find(const struct hold_set *s, const char *name);
void hold_set_clear(struct hold_set *s);

#endif
