/* history.c: reads the journals, and whether those that say "running" still have somebody at work. */
#include "operate/history.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "feature/config.h"
#include "io/kv.h"
#include "model/journal_keep.h"
#include "operate/client.h"
#include "operate/fleet.h"
#include "operate/history_impl.h"
#include "operate/op_impl.h"
#include "operate/past.h"

#define LOCK_PREFIX "locks/"

struct history_entry *
history_add(struct history *h)
{
	struct history_entry *entry;

	h->entries = mem_grow(h->entries, h->count + 1, sizeof(*h->entries));
	entry = &h->entries[h->count++];
	*entry = (struct history_entry){ .id = NULL };
	return entry;
}

void
history_entry_clear(struct history_entry *entry)
{
	free(entry->id);
	free(entry->why);
	journal_free(entry->journal);
	memset(entry, 0, sizeof(*entry));
}

void
history_clear(struct history *h)
{
	for (size_t i = 0; i < h->count; i++)
		history_entry_clear(&h->entries[i]);
	free(h->entries);
	memset(h, 0, sizeof(*h));
}

/* --- one journal ------------------------------------------------------------------------------------ */

static void
refuse(struct history_entry *entry, const char *why)
{
	journal_free(entry->journal);
	entry->journal = NULL;
	entry->why = mem_strdup(why);
}

static void
read_entry(struct history_entry *entry, const struct kv_entry *kv, size_t prefix_len)
{
	const char *tail = kv->key + prefix_len;
	char id[OP_ID_SIZE], shown[4 * STR_SHOW_MAX + 4];
	struct err e = { .code = ERR_NONE };

	entry->id = mem_strdup(str_printable(shown, sizeof(shown), tail, strlen(tail)));
	entry->create_index = kv->create_index;
	entry->modify_index = kv->modify_index;
	if ((entry->journal = journal_parse(kv->value, kv->value_len, &e)) == NULL) {
		refuse(entry, e.text);
		return;
	}
	/* Whoever copied it there did not do it. */
	if (kv->has_nul_key || op_id_parse(tail, id) != 0 || strcmp(id, entry->journal->id) != 0) {
		refuse(entry, "it says that it is another one");
		return;
	}
	entry->result = entry->journal->result;
	entry->is_time_known = true;
}

static void
judge_running(struct history_entry *entry, const struct kv_list *locks, const char *prefix)
{
	const struct journal *j = entry->journal;
	const struct kv_entry *lock;
	char *key;

	if (j == NULL || entry->result != OP_RUNNING)
		return;
	key = mem_printf("%s%s", prefix, j->pair);
	lock = kv_list_find(locks, key);
	if (lock == NULL || lock->session[0] == '\0' || strcmp(lock->session, j->session) != 0)
		entry->result = OP_INTERRUPTED;
	free(key);
}

/* After the journals: what has ended meanwhile gave its lock back after it wrote so. */
static int
judge_all(struct history_entry *entries, size_t count, struct client *client, struct err *e)
{
	char *prefix = config_key(client->config, LOCK_PREFIX);
	struct kv_list locks = { 0 };
	int rc = kv_wait_list(&client->wait, prefix, &locks, NULL, e);

	for (size_t i = 0; rc == 0 && i < count; i++)
		judge_running(&entries[i], &locks, prefix);
	kv_list_clear(&locks);
	free(prefix);
	return rc;
}

bool
history_is_halfway(const struct history_entry *entry)
{
	return entry->journal != NULL &&
	       (entry->result == OP_FAILED || entry->result == OP_INTERRUPTED);
}

bool
history_is_waiting(const struct history_entry *entry)
{
	return history_is_halfway(entry) && entry->later.id[0] == '\0';
}

const char *
history_how_stopped(const struct history_entry *entry)
{
	return entry->result == OP_FAILED ? "failed halfway" : "was interrupted";
}

/*
 * A journal that says "running" may have been ended, lock and all, between both reads: then it is read
 * once more.
 */
static int
load_entry(struct history_entry *out, struct client *client, const char *id, struct err *e)
{
	char *prefix = config_key(client->config, OP_KEY_PREFIX), *key;
	struct kv_list list = { 0 };
	int rc = -1;

	key = mem_printf("%s%s", prefix, id);
	for (int i = 0; i < 2; i++) {
		history_entry_clear(out);
		kv_list_clear(&list);
		if ((rc = kv_wait_get(&client->wait, key, &list, NULL, e)) != 0)
			break;
		if (list.count == 0) {
			rc = err_set(e, ERR_NOT_FOUND, "there is no operation %s", id);
			break;
		}
		read_entry(out, &list.entries[0], strlen(prefix));
		if ((rc = judge_all(out, 1, client, e)) != 0 || out->result != OP_INTERRUPTED)
			break;
	}
	kv_list_clear(&list);
	free(key);
	free(prefix);
	return rc;
}

int
history_load_one(struct history_entry *out, struct client *client, const char *id, struct err *e)
{
	if (load_entry(out, client, id, e) != 0)
		return -1;
	if (!history_is_halfway(out))
		return 0;
	return past_find_later(client, out->journal, &out->later, e);
}

/* --- all of them ------------------------------------------------------------------------------------ */

static int
load_journals(struct history *h, struct client *client, struct err *e)
{
	char *prefix = config_key(client->config, OP_KEY_PREFIX);
	struct kv_list list = { 0 };
	size_t sets = 0;
	int rc = kv_wait_list(&client->wait, prefix, &list, NULL, e);

	h->journals = list.count;
	/* Ids sort by time. */
	for (size_t i = list.count; rc == 0 && i > 0; i--) {
		struct history_entry *entry = history_add(h);

		read_entry(entry, &list.entries[i - 1], strlen(prefix));
		if (entry->journal != NULL && entry->journal->pair[0] == '\0' &&
		    ++sets == KEEP_SETS)
			h->horizon = entry->create_index;
	}
	kv_list_clear(&list);
	free(prefix);
	return rc;
}

static int
read_ended(struct history *h, struct client *client, struct err *e)
{
	for (size_t i = 0; i < h->count; i++) {
		struct history_entry now = { .id = NULL };
		int rc;

		if (h->entries[i].result != OP_INTERRUPTED)
			continue;
		rc = load_entry(&now, client, h->entries[i].id, e);
		/* An old rehearsal, and somebody has tidied up meanwhile: as it was. */
		if (rc != 0) {
			history_entry_clear(&now);
			if (e->code != ERR_NOT_FOUND)
				return -1;
			continue;
		}
		history_entry_clear(&h->entries[i]);
		h->entries[i] = now;
	}
	return 0;
}

/* All that are newer are there. */
static void
find_later(const struct history *h, struct history_entry *entry)
{
	for (size_t i = 0; history_is_halfway(entry) && i < h->count; i++) {
		if (h->entries[i].journal != NULL)
			journal_see_later(&entry->later, entry->journal, h->entries[i].journal);
	}
}

static int
load_outside(struct history *h, struct client *client, struct err *e)
{
	struct kv_list names = { 0 };
	struct fleet fleet = { 0 };
	int rc = -1;

	if (fleet_load(&fleet, client, e) == 0 &&
	    kv_wait_list(&client->wait, client->config->consul.names, &names, NULL, e) == 0) {
		history_add_seen(h, client->config, &fleet);
		history_add_unseen(h, client, &names);
		rc = 0;
	}
	fleet_clear(&fleet);
	kv_list_clear(&names);
	return rc;
}

/*
 * Where an entry belongs: its time; where that is not known, behind the newest journal that is older than
 * its key's index. Times of the wall clock and indexes are not comparable otherwise.
 */
static int64_t
place_of(const struct history *h, const struct history_entry *entry)
{
	int64_t newest = 0;

	if (entry->is_time_known)
		return entry->journal->at_wall_ms;
	for (size_t i = 0; i < h->count; i++) {
		const struct history_entry *other = &h->entries[i];

		if (other->is_time_known && other->result != OP_OUTSIDE &&
		    other->create_index < entry->create_index &&
		    other->journal->at_wall_ms > newest)
			newest = other->journal->at_wall_ms;
	}
	return newest;
}

/* A stable one: what cannot be read stays behind the one that it followed. */
static void
sort(struct history *h)
{
	int64_t *places = mem_array(h->count, sizeof(*places));

	for (size_t i = 0; i < h->count; i++)
		places[i] = h->entries[i].journal != NULL ? place_of(h, &h->entries[i])
			    : i > 0                       ? places[i - 1]
							  : INT64_MAX;
	for (size_t i = 1; i < h->count; i++) {
		struct history_entry moved = h->entries[i];
		int64_t place = places[i];
		size_t to = i;

		/* What was done outside with no time goes before the journal that it came after. */
		for (;
		     to > 0 && (places[to - 1] < place ||
				   (places[to - 1] == place && !moved.is_time_known &&
				       moved.journal != NULL && h->entries[to - 1].is_time_known));
		     to--) {
			h->entries[to] = h->entries[to - 1];
			places[to] = places[to - 1];
		}
		h->entries[to] = moved;
		places[to] = place;
	}
	free(places);
}

/* The first so many, and of the others those that are wanted. */
static void
keep(struct history *h, size_t first, bool (*is_wanted)(const struct history_entry *entry))
{
	size_t count = 0;

	for (size_t i = 0; i < h->count; i++) {
		struct history_entry *entry = &h->entries[i];

		if (i < first || is_wanted(entry))
			h->entries[count++] = *entry;
		else
			history_entry_clear(entry);
	}
	h->count = count;
}

/* All journals, and what came of them. */
static int
load_all(struct history *h, struct client *client, struct err *e)
{
	memset(h, 0, sizeof(*h));
	if (load_journals(h, client, e) != 0 || judge_all(h->entries, h->count, client, e) != 0 ||
	    read_ended(h, client, e) != 0) {
		history_clear(h);
		return -1;
	}
	for (size_t i = 0; i < h->count; i++)
		find_later(h, &h->entries[i]);
	return 0;
}

/* A rehearsal has moved nothing: it waits for nobody. */
static bool
is_open(const struct history_entry *entry)
{
	if (entry->journal == NULL || strcmp(entry->journal->kind, "rehearse") == 0)
		return false;
	return entry->result == OP_RUNNING || history_is_waiting(entry);
}

int
history_load_open(struct history *h, struct client *client, struct err *e)
{
	if (load_all(h, client, e) != 0)
		return -1;
	keep(h, 0, is_open);
	return 0;
}

int
history_load(struct history *h, struct client *client, struct err *e)
{
	if (load_all(h, client, e) != 0)
		return -1;
	if (load_outside(h, client, e) != 0) {
		history_clear(h);
		return -1;
	}
	sort(h);
	keep(h, HISTORY_SHOWN, history_is_waiting);
	return 0;
}

/* --- JSON ------------------------------------------------------------------------------------------- */

json_t *
history_entry_to_json(const struct history_entry *entry)
{
	json_t *object;

	if (entry->journal == NULL)
		return json_pack("{s:o, s:n, s:n, s:n, s:n, s:n, s:n, s:s, s:n, s:[], s:o}", "id",
		    json_text(entry->id), "kind", "pair", "from", "to", "by", "at", "result",
		    "unreadable", "refused_ms", "steps", "error", json_text(entry->why));
	object = journal_to_json(entry->journal);
	json_object_set_new(object, "result", json_string(op_result_name(entry->result)));
	if (entry->later.id[0] != '\0')
		json_object_set_new(object, entry->later.is_done ? "overtaken_by" : "waits_for",
		    json_string(entry->later.id));
	if (entry->result != OP_OUTSIDE)
		return object;
	json_object_set_new(object, "id", json_null());
	json_object_set_new(object, "by", json_null());
	json_object_set_new(object, "index", json_integer((json_int_t)entry->modify_index));
	if (entry->is_time_known)
		return object;
	json_object_set_new(object, "at", json_null());
	json_object_set_new(object, "at_ms", json_null());
	json_object_set_new(object, "from", json_null());
	return object;
}
