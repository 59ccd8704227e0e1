/*
 * kvfile_state.c: the rules. They are those of Consul's own state store, held to it by
 * tests/unit/test_kv_conformance.c; what is not obvious:
 *
 * - A write of the same value, flags, holder and lock index changes nothing: no new index. A plain
 *   write resets the lock index and keeps the holder.
 * - A deletion leaves a tombstone, so that the index of a list rises although its last entry is
 *   gone. A delete-tree leaves one for its prefix. A key that comes back needs none any more.
 * - A list with neither entries nor tombstones, and a key that is not there, have the store's
 *   index.
 * - The end of a session (expired or destroyed, not the release of a lock) releases or deletes its
 *   keys and keeps others from locking them for its lock delay.
 *
 * Consul forgets tombstones by age, and the index of a list then goes down. Here the newest index
 * that was forgotten becomes the floor of all lists: every watcher wakes once, and none goes back.
 *
 * Entries are a sorted array: at the size of a machine's store, moving its tail costs less than
 * what a tree would cost to load and to write down.
 */
#include "io/kvfile_state.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "io/kv_impl.h"

/* Enough for a day of deletions by hand; each is a line of the file that every write writes. */
#define TOMBSTONES_MAX 512

void
kvfile_state_clear(struct kvfile_state *s)
{
	kv_list_clear(&s->list);
	free(s->tombstones.rows);
	free(s->delays.rows);
	free(s->sessions);
	*s = (struct kvfile_state){ 0 };
}

static bool
has_prefix(const char *key, const char *prefix)
{
	return strncmp(key, prefix, strlen(prefix)) == 0;
}

/* The index for a change that is being made: the same for all changes of this state. */
static uint64_t
change(struct kvfile_state *s)
{
	if (!s->is_changed)
		s->index++;
	s->is_changed = true;
	s->is_dirty = true;
	return s->index;
}

void
kvfile_marks_add(struct kvfile_marks *m, const char *key, uint64_t at)
{
	if (m->count == m->room) {
		m->room = m->room > 0 ? m->room * 2 : 8;
		m->rows = mem_grow(m->rows, m->room, sizeof(*m->rows));
	}
	m->rows[m->count++] = (struct kvfile_mark){ .key = key, .at = at };
}

static struct kvfile_mark *
marks_find(const struct kvfile_marks *m, const char *key)
{
	for (size_t i = 0; i < m->count; i++) {
		if (strcmp(m->rows[i].key, key) == 0)
			return &m->rows[i];
	}
	return NULL;
}

static void
marks_remove(struct kvfile_marks *m, const char *key)
{
	struct kvfile_mark *row = marks_find(m, key);

	if (row != NULL)
		*row = m->rows[--m->count];
}

static void
marks_set(struct kvfile_state *s, struct kvfile_marks *m, const char *key, uint64_t at)
{
	marks_remove(m, key);
	kvfile_marks_add(m, arena_strdup(&s->list.arena, key), at);
}

/* Drops the marks at or below at. */
static void
marks_drop(struct kvfile_marks *m, uint64_t at)
{
	size_t kept = 0;

	for (size_t i = 0; i < m->count; i++) {
		if (m->rows[i].at > at)
			m->rows[kept++] = m->rows[i];
	}
	m->count = kept;
}

static struct kv_entry *
find(const struct kvfile_state *s, const char *key)
{
	size_t i = kv_list_place(&s->list, key);

	if (i == s->list.count || strcmp(s->list.entries[i].key, key) != 0)
		return NULL;
	return &s->list.entries[i];
}

static struct kv_entry *
entry_insert(struct kvfile_state *s, const char *key)
{
	size_t i = kv_list_place(&s->list, key);
	struct kv_entry blank = *kv_list_push(&s->list), *entry = &s->list.entries[i];

	memmove(entry + 1, entry, (s->list.count - 1 - i) * sizeof(*entry));
	*entry = blank;
	entry->key = arena_strdup(&s->list.arena, key);
	entry->create_index = s->index;
	marks_remove(&s->tombstones, key);
	return entry;
}

/* Without a tombstone: the caller leaves one, for the key or for all of a tree. */
static void
entry_remove(struct kvfile_state *s, struct kv_entry *entry)
{
	const struct kv_entry *end = s->list.entries + s->list.count;

	change(s);
	memmove(entry, entry + 1, (size_t)(end - entry - 1) * sizeof(*entry));
	s->list.count--;
}

static void
entry_delete(struct kvfile_state *s, struct kv_entry *entry)
{
	const char *key = entry->key;

	entry_remove(s, entry);
	/* There is no older tombstone: it went when the key came. */
	kvfile_marks_add(&s->tombstones, key, s->index);
}

/* All fields that a write decides. */
struct content {
	const void *value;
	size_t len;
	uint64_t flags, lock_index;
	const char *session;
};

static void
entry_write(struct kvfile_state *s, const char *key, const struct content *c)
{
	struct kv_entry *entry = find(s, key);

	if (entry != NULL && entry->flags == c->flags && entry->lock_index == c->lock_index &&
	    strcmp(entry->session, c->session) == 0 && entry->value_len == c->len &&
	    (c->len == 0 || memcmp(entry->value, c->value, c->len) == 0))
		return;
	change(s);
	if (entry == NULL)
		entry = entry_insert(s, key);
	entry->value = c->len > 0 ? arena_strndup(&s->list.arena, c->value, c->len) : "";
	entry->value_len = c->len;
	entry->flags = c->flags;
	entry->lock_index = c->lock_index;
	if (strcmp(entry->session, c->session) != 0)
		entry->session = arena_strdup(&s->list.arena, c->session);
	entry->modify_index = s->index;
}

/*
 * The operations. entry is the key's, or NULL. -1: the operation lost, and why says it.
 */
struct apply {
	struct kvfile_state *s;
	const struct kv_op *op;
	struct kv_entry *entry;
	int64_t now_ms;
};

static int
lost(const struct apply *a, struct err *why, const char *text)
{
	char shown[STR_SHOW_MAX * 4 + 4];

	return err_set(why, ERR_CONFLICT, "key %s %s",
	    str_printable(shown, sizeof(shown), a->op->key, strlen(a->op->key)), text);
}

static int
apply_set(const struct apply *a, struct err *why)
{
	const struct content c = {
		.value = a->op->value,
		.len = a->op->value_len,
		.session = a->entry != NULL ? a->entry->session : "",
	};

	(void)why;
	entry_write(a->s, a->op->key, &c);
	return 0;
}

static int
apply_cas(const struct apply *a, struct err *why)
{
	if (a->op->index == 0 && a->entry != NULL)
		return lost(a, why, "exists already");
	if (a->op->index != 0 && a->entry == NULL)
		return lost(a, why, "does not exist");
	if (a->op->index != 0 && a->entry->modify_index != a->op->index)
		return lost(a, why, "was changed meanwhile");
	return apply_set(a, why);
}

static int
apply_delete(const struct apply *a, struct err *why)
{
	(void)why;
	if (a->entry != NULL)
		entry_delete(a->s, a->entry);
	return 0;
}

static int
apply_delete_cas(const struct apply *a, struct err *why)
{
	if (a->entry != NULL && a->entry->modify_index != a->op->index)
		return lost(a, why, "was changed meanwhile");
	return apply_delete(a, why);
}

static int
apply_delete_tree(const struct apply *a, struct err *why)
{
	struct kvfile_state *s = a->s;
	size_t i = kv_list_place(&s->list, a->op->key);
	bool is_deleted = false;

	(void)why;
	while (i < s->list.count && has_prefix(s->list.entries[i].key, a->op->key)) {
		entry_remove(s, &s->list.entries[i]);
		is_deleted = true;
	}
	if (is_deleted)
		marks_set(s, &s->tombstones, a->op->key, s->index);
	return 0;
}

static int
apply_check_session(const struct apply *a, struct err *why)
{
	if (a->entry == NULL)
		return lost(a, why, "does not exist");
	if (strcmp(a->entry->session, a->op->session) != 0)
		return lost(a, why, "is not locked by this session");
	return 0;
}

static int
apply_check_index(const struct apply *a, struct err *why)
{
	if (a->entry == NULL)
		return lost(a, why, "does not exist");
	if (a->entry->modify_index != a->op->index)
		return lost(a, why, "was changed meanwhile");
	return 0;
}

static int
apply_lock(const struct apply *a, struct err *why)
{
	const struct kvfile_mark *delay = marks_find(&a->s->delays, a->op->key);
	struct content c = {
		.value = a->op->value,
		.len = a->op->value_len,
		.session = a->op->session,
		.lock_index = a->entry != NULL ? a->entry->lock_index : 0,
	};

	if (!kvfile_state_has_session(a->s, a->op->session))
		return lost(a, why, "cannot be locked: there is no such session");
	if (delay != NULL && delay->at > (uint64_t)a->now_ms)
		return lost(a, why, "cannot be locked yet: its last holder's lock delay runs");
	if (a->entry == NULL || strcmp(a->entry->session, a->op->session) != 0) {
		if (a->entry != NULL && a->entry->session[0] != '\0')
			return lost(a, why, "is locked by another session");
		c.lock_index++;
	}
	entry_write(a->s, a->op->key, &c);
	return 0;
}

static int
apply_unlock(const struct apply *a, struct err *why)
{
	struct content c = { .value = a->op->value, .len = a->op->value_len, .session = "" };

	if (a->entry == NULL || strcmp(a->entry->session, a->op->session) != 0)
		return lost(a, why, "is not locked by this session");
	c.lock_index = a->entry->lock_index;
	entry_write(a->s, a->op->key, &c);
	return 0;
}

static int (*const operations[])(const struct apply *a, struct err *why) = {
	[KV_OP_SET] = apply_set,
	[KV_OP_CAS] = apply_cas,
	[KV_OP_DELETE] = apply_delete,
	[KV_OP_DELETE_CAS] = apply_delete_cas,
	[KV_OP_DELETE_TREE] = apply_delete_tree,
	[KV_OP_CHECK_SESSION] = apply_check_session,
	[KV_OP_CHECK_INDEX] = apply_check_index,
	[KV_OP_LOCK] = apply_lock,
	[KV_OP_UNLOCK] = apply_unlock,
};

int
kvfile_state_apply(struct kvfile_state *s, const struct kv_op *op, int64_t now_ms, struct err *why)
{
	const struct apply a = { .s = s, .op = op, .entry = find(s, op->key), .now_ms = now_ms };

	return operations[op->kind](&a, why);
}

void
kvfile_state_absorb(struct kvfile_state *s, const struct kv_list *edited)
{
	for (size_t i = s->list.count; i-- > 0;) {
		if (kv_list_find(edited, s->list.entries[i].key) == NULL)
			entry_delete(s, &s->list.entries[i]);
	}
	for (size_t i = 0; i < edited->count; i++) {
		const struct kv_entry *new = &edited->entries[i], *old = find(s, new->key);
		struct content c = {
			.value = new->value,
			.len = new->value_len,
			.flags = new->flags,
			.session = old != NULL ? old->session : "",
		};

		/* Only an entry that was edited is written, and then loses its lock index. */
		if (old != NULL && old->flags == c.flags && old->value_len == c.len &&
		    memcmp(old->value, c.value, c.len) == 0)
			c.lock_index = old->lock_index;
		entry_write(s, new->key, &c);
	}
	/* The file already says so: what is not saved yet is only the index. */
	s->is_changed = false;
	s->is_dirty = true;
}

static struct kvfile_session *
session_find(const struct kvfile_state *s, const char *id)
{
	for (size_t i = 0; i < s->session_count; i++) {
		if (strcmp(s->sessions[i].id, id) == 0)
			return &s->sessions[i];
	}
	return NULL;
}

bool
kvfile_state_has_session(const struct kvfile_state *s, const char *id)
{
	return session_find(s, id) != NULL;
}

void
kvfile_state_add_session(struct kvfile_state *s, const struct kvfile_session *session)
{
	if (s->session_count == s->session_room) {
		s->session_room = s->session_room > 0 ? s->session_room * 2 : 8;
		s->sessions = mem_grow(s->sessions, s->session_room, sizeof(*s->sessions));
	}
	s->sessions[s->session_count++] = *session;
}

void
kvfile_state_create_session(
    struct kvfile_state *s, const char *id, const struct kv_session_spec *spec, int64_t now_ms)
{
	const char *name = spec->name != NULL ? spec->name : "";
	char shown[STR_SHOW_MAX * 4 + 4];
	struct kvfile_session session = {
		.name = arena_strdup(
		    &s->list.arena, str_printable(shown, sizeof(shown), name, strlen(name))),
		.ttl_ms = spec->ttl_ms,
		.lock_delay_ms = spec->lock_delay_ms,
		.expires_ms = now_ms + spec->ttl_ms,
		.deletes_keys = spec->deletes_keys,
	};

	memcpy(session.id, id, sizeof(session.id));
	kvfile_state_add_session(s, &session);
	s->is_dirty = true;
}

int
kvfile_state_renew_session(struct kvfile_state *s, const char *id, int64_t now_ms)
{
	struct kvfile_session *session = session_find(s, id);

	if (session == NULL)
		return -1;
	session->expires_ms = now_ms + session->ttl_ms;
	s->is_dirty = true;
	return 0;
}

/* The session ended at that time: its keys are free, or gone. */
static void
session_end(struct kvfile_state *s, struct kvfile_session *session, int64_t at_ms)
{
	uint64_t delayed_until = (uint64_t)(at_ms + session->lock_delay_ms);

	for (size_t i = s->list.count; i-- > 0;) {
		struct kv_entry *entry = &s->list.entries[i];

		if (strcmp(entry->session, session->id) != 0)
			continue;
		if (session->lock_delay_ms > 0)
			marks_set(s, &s->delays, entry->key, delayed_until);
		if (session->deletes_keys) {
			entry_delete(s, entry);
			continue;
		}
		entry->session = "";
		entry->modify_index = change(s);
	}
	*session = s->sessions[--s->session_count];
	s->is_dirty = true;
}

void
kvfile_state_destroy_session(struct kvfile_state *s, const char *id, int64_t now_ms)
{
	struct kvfile_session *session = session_find(s, id);

	if (session != NULL)
		session_end(s, session, now_ms);
}

static int
compare_marks(const void *a, const void *b)
{
	const struct kvfile_mark *x = a, *y = b;

	return (x->at > y->at) - (x->at < y->at);
}

void
kvfile_state_expire(struct kvfile_state *s, int64_t now_ms)
{
	struct kvfile_marks *t = &s->tombstones;

	for (size_t i = s->session_count; i-- > 0;) {
		if (s->sessions[i].expires_ms <= now_ms)
			session_end(s, &s->sessions[i], s->sessions[i].expires_ms);
	}
	marks_drop(&s->delays, (uint64_t)now_ms);
	if (t->count <= TOMBSTONES_MAX)
		return;
	qsort(t->rows, t->count, sizeof(*t->rows), compare_marks);
	s->floor = t->rows[t->count - TOMBSTONES_MAX / 2].at;
	marks_drop(t, s->floor);
	s->is_dirty = true;
}

int64_t
kvfile_state_next_expiry(const struct kvfile_state *s)
{
	int64_t next = INT64_MAX;

	for (size_t i = 0; i < s->session_count; i++) {
		if (s->sessions[i].expires_ms < next)
			next = s->sessions[i].expires_ms;
	}
	return next;
}

static void
answer_add(
    const struct kvfile_state *s, const struct kv_entry *entry, int64_t now_ms, struct kv_answer *a)
{
	const struct kvfile_session *session = session_find(s, entry->session);
	bool is_held = session != NULL && session->expires_ms > now_ms;
	struct arena *arena = &a->list.arena;
	struct kv_entry *copy;

	/* Its end is not written down yet, perhaps because we may not: it is over all the same. */
	if (session != NULL && !is_held && session->deletes_keys)
		return;
	copy = kv_list_push(&a->list);
	*copy = *entry;
	copy->key = arena_strdup(arena, entry->key);
	copy->value = arena_strndup(arena, entry->value, entry->value_len);
	copy->session = is_held ? arena_strdup(arena, entry->session) : "";
}

void
kvfile_state_answer(const struct kvfile_state *s, const char *key, bool is_prefix, int64_t now_ms,
    struct kv_answer *a)
{
	uint64_t index = 0;

	for (size_t i = kv_list_place(&s->list, key); i < s->list.count; i++) {
		const struct kv_entry *entry = &s->list.entries[i];

		if (is_prefix ? !has_prefix(entry->key, key) : strcmp(entry->key, key) != 0)
			break;
		answer_add(s, entry, now_ms, a);
		if (entry->modify_index > index)
			index = entry->modify_index;
	}
	for (size_t i = 0; is_prefix && i < s->tombstones.count; i++) {
		const struct kvfile_mark *t = &s->tombstones.rows[i];

		if (has_prefix(t->key, key) && t->at > index)
			index = t->at;
	}
	if (is_prefix && index > 0 && index < s->floor)
		index = s->floor;
	if (index == 0 || (is_prefix && key[0] == '\0'))
		index = s->index;
	a->index = index > 0 ? index : 1; /* never 0: that would mean "has none" */
}
