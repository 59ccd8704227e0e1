/*
 * history_outside.c: which changes of names no operation made.
 *
 * A key's modify_index is the one thing that a write cannot keep to itself, and an operation knows the
 * one that its flip got: by the fact "flip-index", or because its journal was written in the very same
 * transaction (set). A journal that has neither (its tool died before it could note it, or it was turning
 * back) is believed for all that happened between its first and its last entry.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "feature/config.h"
#include "feature/pair_role.h"
#include "io/kv.h"
#include "model/name.h"
#include "operate/client.h"
#include "operate/fleet.h"
#include "operate/history_impl.h"
#include "operate/view.h"

#define FLIP_FACT "flip-index"
#define FLIP_STEP "flip"
#define SEEN_MAX 64 /* changes of one agent that are looked at; it publishes eight */

static uint64_t
flip_index(const struct journal *j)
{
	uint64_t index = 0;

	str_parse_u64(journal_fact(j, FLIP_FACT), &index);
	return index;
}

static bool
is_plain(const struct history_entry *entry)
{
	return entry->journal->pair[0] == '\0';
}

/* One that may have written that name: not a rehearsal, nor one that never came to its flip. */
static bool
is_of(const struct history_entry *entry, const char *name)
{
	const struct journal_step *flip;

	if (entry->journal == NULL || entry->result == OP_OUTSIDE ||
	    strcmp(entry->journal->name, name) != 0)
		return false;
	flip = journal_find(entry->journal, FLIP_STEP);
	return is_plain(entry) || (flip != NULL && flip->state != STEP_WAITING);
}

static bool
made_by(const struct history_entry *entry, uint64_t index)
{
	uint64_t flip = flip_index(entry->journal);

	if (flip == index || (is_plain(entry) && entry->modify_index == index))
		return true;
	return !is_plain(entry) && (flip == 0 || entry->journal->is_back) &&
	       entry->create_index < index && index <= entry->modify_index;
}

/* The flip itself where it is known: what comes behind it is somebody else's. */
static uint64_t
last_index_of(const struct history_entry *entry)
{
	uint64_t flip = flip_index(entry->journal);

	return flip != 0 && !entry->journal->is_back ? flip : entry->modify_index;
}

static bool
is_made_by_any(const struct history *h, const char *name, uint64_t index)
{
	for (size_t i = 0; i < h->count; i++) {
		if (is_of(&h->entries[i], name) && made_by(&h->entries[i], index))
			return true;
	}
	return false;
}

/* Of a deletion only the index of the list is known, which may be later. */
static bool
is_deletion_made_by_any(const struct history *h, const char *name, uint64_t index)
{
	const struct history_entry *last = NULL;

	for (size_t i = 0; i < h->count; i++) {
		const struct history_entry *entry = &h->entries[i];

		if (is_of(entry, name) && entry->modify_index <= index &&
		    (last == NULL || entry->modify_index > last->modify_index))
			last = entry;
	}
	return last != NULL && last->journal->to[0] == '\0';
}

static bool
is_listed(const struct history *h, const char *name, uint64_t index)
{
	for (size_t i = 0; i < h->count; i++) {
		const struct history_entry *entry = &h->entries[i];

		if (entry->result == OP_OUTSIDE && entry->modify_index == index &&
		    strcmp(entry->journal->name, name) == 0)
			return true;
	}
	return false;
}

static void
add(struct history *h, const struct config *c, const char *name, const char *from, const char *to,
    uint64_t index, int64_t wall_s)
{
	struct history_entry *entry = history_add(h);
	struct journal *j = entry->journal = journal_new();
	const struct config_pair *pair = pair_find_led(c, name);

	entry->id = mem_strdup("");
	entry->result = OP_OUTSIDE;
	entry->is_time_known = wall_s > 0;
	entry->create_index = entry->modify_index = index;
	journal_set(&j->kind, "edit");
	journal_set(&j->name, name);
	journal_set(&j->from, from);
	journal_set(&j->to, to);
	j->at_wall_ms = wall_s * 1000;
	if (pair != NULL)
		journal_set(&j->pair, pair->name);
}

/* --- what agents saw ---------------------------------------------------------------------------------- */

static void
add_change(struct history *h, const struct config *c, const json_t *change)
{
	const char *said = json_get_string(change, "name", "");
	const char *to = json_get_string(change, "new", "");
	int64_t index = json_get_int(change, "index", 0), wall_s = 0;
	char name[NAME_SIZE];

	if (name_parse(said, strlen(said), name, NULL) != 0 || index <= 0 ||
	    clock_iso_parse(json_get_string(change, "at", ""), &wall_s) != 0)
		return;
	if ((uint64_t)index < h->horizon || is_listed(h, name, (uint64_t)index) ||
	    is_made_by_any(h, name, (uint64_t)index) ||
	    (to[0] == '\0' && is_deletion_made_by_any(h, name, (uint64_t)index)))
		return;
	add(h, c, name, json_get_string(change, "old", ""), to, (uint64_t)index, wall_s);
}

void
history_add_seen(struct history *h, const struct config *c, const struct fleet *f)
{
	for (size_t i = 0; i < f->count; i++) {
		const json_t *list = json_object_get(f->agents[i].record, "changes");
		size_t count = json_array_size(list);

		for (size_t k = count > SEEN_MAX ? count - SEEN_MAX : 0; k < count; k++)
			add_change(h, c, json_array_get(list, k));
	}
}

/* --- what only the keys say --------------------------------------------------------------------------- */

void
history_add_unseen(struct history *h, const struct client *client, const struct kv_list *names)
{
	const struct config *c = client->config;
	size_t known = h->count;

	for (size_t i = 0; i < names->count; i++) {
		const struct kv_entry *kv = &names->entries[i];
		uint64_t last = 0;
		char name[NAME_SIZE], *value;
		bool is_moved = false;

		if (!view_name_of(client, kv, name) || kv->modify_index < h->horizon ||
		    is_made_by_any(h, name, kv->modify_index) ||
		    is_listed(h, name, kv->modify_index))
			continue;
		for (size_t k = 0; k < known; k++) {
			if (!is_of(&h->entries[k], name))
				continue;
			is_moved = true;
			if (last_index_of(&h->entries[k]) > last)
				last = last_index_of(&h->entries[k]);
		}
		/* That a name was made once is no edit. */
		if (is_moved
			? kv->modify_index <= last
			: pair_find_led(c, name) == NULL || kv->create_index == kv->modify_index)
			continue;
		value = mem_strndup(kv->value, kv->value_len);
		add(h, c, name, "?", value, kv->modify_index, 0);
		free(value);
	}
}
