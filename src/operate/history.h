/*
 * history.h: what was done to the names: the journals under ops/, and what was done without pointsman.
 *
 * Of the latter two things tell: agents that run checks publish the changes that they saw (with values and
 * time), and the index of a name's key that no operation has made. The second is all there is where no such
 * agent runs, and knows neither when it was nor what was before.
 */
#ifndef OPERATE_HISTORY_H
#define OPERATE_HISTORY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/journal.h"

struct client;

#define HISTORY_SHOWN 200 /* entries of a list, the newest; and those that wait for somebody */

struct history_entry {
	char *id;                /* printable; "" of what was done outside */
	struct journal *journal; /* NULL: what stands there cannot be read */
	char *why;               /* then: why not */
	enum op_result result;   /* of now: also OP_INTERRUPTED, OP_OUTSIDE */
	/* Of one that stopped halfway: what came after it. */
	struct journal_later later;
	bool is_time_known;
	uint64_t create_index,
	    modify_index; /* of its key; of what was done outside: of the name's */
};

/* Newest first. Starts all zero. */
struct history {
	struct history_entry *entries;
	size_t count;
	size_t journals;  /* that there are, also those that are not shown */
	uint64_t horizon; /* what was before this index may have been made by one that is deleted */
};

int history_load(struct history *h, struct client *client, struct err *e);
/* Of the same only what runs now, and what stopped halfway and waits for somebody. */
int history_load_open(struct history *h, struct client *client, struct err *e);
void history_clear(struct history *h);

/* One journal: 0; -1: ERR_NOT_FOUND, or the KV. out starts all zero; history_entry_clear() it. */
int history_load_one(
    struct history_entry *out, struct client *client, const char *id, struct err *e);
void history_entry_clear(struct history_entry *entry);

/* It failed or was interrupted, and is neither done nor undone. */
bool history_is_halfway(const struct history_entry *entry);
/* And nothing that came after it has settled it, or has to be ended first. */
bool history_is_waiting(const struct history_entry *entry);
/* Of such a one: "failed halfway", "was interrupted". */
const char *history_how_stopped(const struct history_entry *entry);

/* As in design, section 7; a new reference. */
json_t *history_entry_to_json(const struct history_entry *entry);

#endif
