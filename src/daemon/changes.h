/*
 * changes.h: the last changes of names that this agent saw, for its record in the KV: `pointsman history`
 * finds among them what somebody changed without pointsman.
 */
#ifndef DAEMON_CHANGES_H
#define DAEMON_CHANGES_H

#include <jansson.h>
#include <stddef.h>

#include "model/name_map.h"

struct changes;
struct store;

#define CHANGES_MAX 8 /* kept, the newest: the record is written after every flip */

struct changes *changes_new(void);
void changes_free(struct changes *c); /* NULL is allowed */

/* Values that changed, as name_map_diff() found them; map is the one after. Moved addresses are none. */
void changes_note(struct changes *c, const struct store *s, const struct name_map *map,
    const struct name_change *list, size_t count);

/* [ { "name", "old", "new", "index", "at" } ], oldest first; a new reference. */
json_t *changes_to_json(const struct changes *c);

#endif
