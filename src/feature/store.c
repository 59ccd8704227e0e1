/*
 * store.c: the keys as Consul last listed them, plus those that are missing but not yet given up.
 *
 * An answer is compared with the one before by walking both in the order of their keys: no hashing,
 * no copies, a fraction of a millisecond at 10,000 names. The absent ones live in a small array of
 * their own, which is empty in every normal hour.
 *
 * Rejected: believing a removal that a blocking read shows. It was never seen wrong in the
 * measurements (facts/consul.md), but "never seen" is no promise, and an unset can wait four seconds.
 */
#include "feature/store.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "feature/config.h"
#include "feature/hold.h"
#include "feature/output.h"
#include "feature/raw_map.h"
#include "feature/store_disk.h"

struct absent {
	struct kv_entry entry; /* owns key and value */
	unsigned misses;
};

/* One watched prefix. */
struct feed {
	char *prefix;
	struct kv_list list;
	struct absent *absent; /* sorted by key, none of them in list */
	size_t absent_count;
	uint64_t index;
	bool was_fed;
};

struct store {
	char *path, *names, *nodes, *hold_key, *domain;
	struct feed feeds[STORE_FEEDS];
	struct kv_nodes catalog;
	struct kv_list hold; /* as listed, to see a change */
	struct hold_set holds;
	bool was_catalog_fed, was_hold_fed;

	struct canary canary;
	/* modify_index of the canary: now, when hold was asked for, when hold was read */
	uint64_t canary_index, asked_canary_index, hold_canary_index;
	bool was_canary_seen;

	struct name_map *map, *base, *good;
	bool is_map_stale, is_dirty;
};

static char *
common_prefix(const char *a, const char *b)
{
	size_t n = 0;

	while (a[n] != '\0' && a[n] == b[n])
		n++;
	return mem_strndup(a, n);
}

/*
 * names/ and nodes/ below one root share "<root>n": one blocking read instead of two. Elsewhere
 * ("services/") the names have a read of their own.
 */
static void
choose_prefixes(struct store *s, const char *root)
{
	size_t root_len = strlen(root);
	char *common = common_prefix(s->names, s->nodes);

	if (strlen(common) > root_len) {
		s->feeds[0].prefix = common;
		return;
	}
	free(common);
	s->feeds[0].prefix = mem_strdup(s->names);
	s->feeds[1].prefix = mem_strdup(s->nodes);
}

/* The names on disk are what an earlier answer listed: they go only after two reads without them. */
static void
expect_good_names(struct store *s)
{
	struct feed *f = &s->feeds[0];

	if (s->good == NULL)
		return;
	f->absent = mem_array(s->good->count, sizeof(*f->absent));
	for (size_t i = 0; i < s->good->count; i++) {
		const struct name *n = &s->good->names[i];
		struct absent *a = &f->absent[f->absent_count++];

		a->entry.key = mem_printf("%s%s", s->names, n->name);
		a->entry.value = mem_strdup(n->value);
		a->entry.value_len = strlen(n->value);
	}
}

struct store *
store_new(const struct config *c, struct err *e)
{
	struct store *s = mem_alloc(sizeof(*s));

	err_clear(e);
	s->path = store_disk_path(c->agent.state_dir);
	s->names = mem_strdup(c->consul.names);
	s->nodes = config_key(c, "nodes/");
	s->hold_key = config_key(c, "hold");
	s->domain = mem_strdup(c->agent.domain);
	choose_prefixes(s, c->consul.root);
	s->good = store_disk_load(s->path, &s->was_canary_seen, e);
	expect_good_names(s);
	if (s->good != NULL) {
		s->base = name_map_ref(s->good);
		s->map = name_map_ref(s->good);
	}
	return s;
}

static void
absent_clear(struct absent *a)
{
	free((char *)a->entry.key);
	free((char *)a->entry.value);
}

void
store_free(struct store *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < STORE_FEEDS; i++) {
		struct feed *f = &s->feeds[i];

		for (size_t k = 0; k < f->absent_count; k++)
			absent_clear(&f->absent[k]);
		free(f->absent);
		free(f->prefix);
		kv_list_clear(&f->list);
	}
	kv_nodes_clear(&s->catalog);
	kv_list_clear(&s->hold);
	name_map_unref(s->map);
	name_map_unref(s->base);
	name_map_unref(s->good);
	hold_set_clear(&s->holds);
	free(s->path);
	free(s->names);
	free(s->nodes);
	free(s->hold_key);
	free(s->domain);
	free(s);
}

const char *
store_prefix(const struct store *s, size_t feed)
{
	return s->feeds[feed].prefix;
}

/* --- an answer over the one before -------------------------------------------------------------- */

static bool
is_same_entry(const struct kv_entry *a, const struct kv_entry *b)
{
	return a->modify_index == b->modify_index && a->value_len == b->value_len &&
	       memcmp(a->value, b->value, a->value_len) == 0;
}

/* Keeps an entry that the new answer does not have, or gives it up. */
static bool
keep_absent(struct absent **kept, size_t *count, const struct kv_entry *entry, unsigned misses)
{
	struct absent *a;

	if (misses >= STORE_MISSES)
		return false;
	*kept = mem_grow(*kept, *count + 1, sizeof(**kept));
	a = &(*kept)[(*count)++];
	*a = (struct absent){ .entry = *entry, .misses = misses };
	a->entry.session = ""; /* that of entry belongs to its list */
	a->entry.key = mem_strdup(entry->key);
	a->entry.value = mem_alloc(entry->value_len + 1);
	memcpy((char *)a->entry.value, entry->value, entry->value_len);
	return true;
}

/* A walk over the list and the absent ones of a feed together, in the order of their keys. */
struct walk {
	const struct feed *feed;
	size_t i, k;
	const struct kv_entry *entry; /* NULL at the end */
	const struct absent *absent;  /* the same, when it is an absent one */
};

static void
walk_next(struct walk *w)
{
	const struct feed *f = w->feed;
	const struct kv_entry *listed = w->i < f->list.count ? &f->list.entries[w->i] : NULL;
	const struct absent *absent = w->k < f->absent_count ? &f->absent[w->k] : NULL;

	w->absent = NULL;
	if (absent != NULL && (listed == NULL || strcmp(absent->entry.key, listed->key) < 0)) {
		w->entry = &absent->entry;
		w->absent = absent;
		w->k++;
	} else {
		w->entry = listed;
		w->i += listed != NULL;
	}
}

static struct walk
walk_start(const struct feed *f)
{
	struct walk w = { .feed = f };

	walk_next(&w);
	return w;
}

struct merge {
	struct absent *kept;
	size_t kept_count;
	bool is_news;
};

static struct merge
merge(const struct feed *f, const struct kv_list *answer, bool is_consistent)
{
	struct merge m = { .is_news = !f->was_fed };
	struct walk old = walk_start(f);
	size_t i = 0;

	while (old.entry != NULL || i < answer->count) {
		const struct kv_entry *new = i < answer->count ? &answer->entries[i] : NULL;
		int order = old.entry == NULL ? 1
			    : new == NULL     ? -1
					      : strcmp(old.entry->key, new->key);

		if (order < 0) {
			unsigned misses = old.absent != NULL ? old.absent->misses : 0;

			if (!keep_absent(&m.kept, &m.kept_count, old.entry, misses + is_consistent))
				m.is_news = true;
		} else if (order > 0) {
			m.is_news = true;
		} else if (!is_same_entry(old.entry, new)) {
			m.is_news = true;
		}
		if (order <= 0)
			walk_next(&old);
		if (order >= 0)
			i++;
	}
	return m;
}

static int
compare_absent(const void *a, const void *b)
{
	const struct absent *x = a, *y = b;

	return strcmp(x->entry.key, y->entry.key);
}

/* The entry is a name that is not written in lower case: the key that it would have else. */
static char *
lower_key(const struct store *s, const struct kv_entry *e)
{
	size_t prefix_len = strlen(s->names);
	const char *tail;
	char low[NAME_SIZE];

	if (strncmp(e->key, s->names, prefix_len) != 0 || e->has_nul_key)
		return NULL;
	tail = e->key + prefix_len;
	if (name_parse(tail, strlen(tail), low, NULL) != 0 || strcmp(low, tail) == 0)
		return NULL;
	return mem_printf("%s%s", s->names, low);
}

/*
 * The state on disk has names and not the keys they were read from: at start "maindb" is missed
 * where "MainDB" is listed. With the value of before that is the same key, and its next flip needs no
 * confirmation. With another value it might be a second key beside one that is missing.
 */
static void
recognise_spellings(const struct store *s, struct merge *m, const struct kv_list *list)
{
	size_t count = 0;

	for (size_t i = 0; i < list->count && m->kept_count > 0; i++) {
		const struct kv_entry *e = &list->entries[i];
		struct absent wanted = { .entry.key = lower_key(s, e) }, *found;

		if (wanted.entry.key == NULL)
			continue;
		found = bsearch(&wanted, m->kept, m->kept_count, sizeof(wanted), compare_absent);
		if (found != NULL && found->entry.value_len == e->value_len &&
		    memcmp(found->entry.value, e->value, e->value_len) == 0)
			found->misses = STORE_MISSES;
		free((char *)wanted.entry.key);
	}
	for (size_t i = 0; i < m->kept_count; i++) {
		if (m->kept[i].misses < STORE_MISSES)
			m->kept[count++] = m->kept[i];
		else
			absent_clear(&m->kept[i]);
	}
	m->kept_count = count;
}

static void
look_for_canary(struct store *s)
{
	char *key = mem_printf("%s%s", s->names, CANARY_NAME);
	const struct kv_entry *found = kv_list_find(&s->feeds[0].list, key);
	struct canary now = { 0 };

	free(key);
	if (found == NULL)
		return; /* absent for now, or never there: what we knew of it stays */
	s->canary_index = found->modify_index;
	s->was_canary_seen = true;
	/* A canary that somebody scribbled on is still a canary; it only accepts nothing. */
	if (canary_parse(found, &now, NULL) == 0)
		s->canary = now;
	else
		s->canary.accepted[0] = '\0';
}

size_t
store_feed_keys(
    struct store *s, size_t feed, struct kv_answer *a, bool is_consistent, bool *is_news)
{
	struct feed *f = &s->feeds[feed];
	struct merge m = merge(f, &a->list, is_consistent);

	if (feed == 0 && !f->was_fed)
		recognise_spellings(s, &m, &a->list);
	for (size_t i = 0; i < f->absent_count; i++)
		absent_clear(&f->absent[i]);
	free(f->absent);
	f->absent = m.kept;
	f->absent_count = m.kept_count;
	kv_list_clear(&f->list);
	f->list = a->list;
	a->list = (struct kv_list){ 0 };
	f->was_fed = true;
	if (m.is_news) {
		f->index = a->index;
		s->is_map_stale = true;
		if (feed == 0)
			look_for_canary(s);
	}
	*is_news = m.is_news;
	return m.kept_count;
}

/* --- nodes and holds ---------------------------------------------------------------------------- */

static bool
is_same_node(const struct kv_node *a, const struct kv_node *b)
{
	if (strcmp(a->node, b->node) != 0 || strcmp(a->address, b->address) != 0 ||
	    a->meta_count != b->meta_count)
		return false;
	for (size_t i = 0; i < a->meta_count; i++) {
		if (strcmp(a->meta[i].key, b->meta[i].key) != 0 ||
		    strcmp(a->meta[i].value, b->meta[i].value) != 0)
			return false;
	}
	return true;
}

void
store_feed_nodes(struct store *s, struct kv_answer *a, bool *is_news)
{
	*is_news = !s->was_catalog_fed || s->catalog.count != a->nodes.count;
	for (size_t i = 0; !*is_news && i < a->nodes.count; i++)
		*is_news = !is_same_node(&s->catalog.nodes[i], &a->nodes.nodes[i]);
	kv_nodes_clear(&s->catalog);
	s->catalog = a->nodes;
	a->nodes = (struct kv_nodes){ 0 };
	s->was_catalog_fed = true;
	if (*is_news)
		s->is_map_stale = true;
}

void
store_nodes_failed(struct store *s)
{
	/* With no node known at all every name would be unknown: better to wait for the catalog. */
	if (s->map != NULL && s->map->nodes->count > 0)
		s->was_catalog_fed = true;
}

void
store_ask_hold(struct store *s)
{
	s->asked_canary_index = s->canary_index;
}

bool
store_feed_hold(struct store *s, struct kv_answer *a)
{
	bool is_changed = !s->was_hold_fed || s->hold.count != a->list.count;

	for (size_t i = 0; !is_changed && i < a->list.count; i++)
		is_changed = strcmp(s->hold.entries[i].key, a->list.entries[i].key) != 0 ||
			     !is_same_entry(&s->hold.entries[i], &a->list.entries[i]);
	kv_list_clear(&s->hold);
	s->hold = a->list;
	a->list = (struct kv_list){ 0 };
	s->was_hold_fed = true;
	s->hold_canary_index = s->asked_canary_index;
	if (is_changed) {
		hold_set_clear(&s->holds);
		hold_set_load(&s->holds, &s->hold, s->hold_key);
		s->is_map_stale = true;
	}
	return is_changed;
}

bool
store_wants_hold(const struct store *s)
{
	return !s->was_hold_fed || s->hold_canary_index != s->canary_index;
}

bool
store_is_ready(const struct store *s)
{
	return s->feeds[0].was_fed && (s->feeds[1].prefix == NULL || s->feeds[1].was_fed) &&
	       s->was_catalog_fed && s->was_hold_fed;
}

const struct hold_set *
store_holds(const struct store *s)
{
	return &s->holds;
}

bool
store_was_canary_seen(const struct store *s)
{
	return s->was_canary_seen;
}

uint64_t
store_name_index(const struct store *s, const char *name)
{
	char *key = mem_printf("%s%s", s->names, name);
	const struct kv_entry *found = kv_list_find(&s->feeds[0].list, key);

	free(key);
	return found != NULL ? found->modify_index : 0;
}

size_t
store_kept_back(const struct store *s)
{
	return s->feeds[0].absent_count + s->feeds[1].absent_count;
}

/* --- the map ------------------------------------------------------------------------------------- */

static bool
is_name_held(const char *name, void *arg)
{
	const struct store *s = arg;

	return s->holds.count > 0 && hold_set_find(&s->holds, name) != NULL;
}

static struct name_map *
build_map(struct store *s)
{
	const struct feed *names = &s->feeds[0];
	size_t names_room = names->list.count + names->absent_count;
	struct name_map_input in = { .generation = names->index,
		.before = s->base,
		.domain = s->domain,
		.held = is_name_held,
		.arg = s };
	struct raw_map raw;
	struct name_map *m;

	raw_map_init(&raw, s->names, names_room, s->nodes,
	    names_room + s->feeds[1].list.count + s->feeds[1].absent_count, &s->catalog);
	for (struct walk w = walk_start(names); w.entry != NULL; walk_next(&w))
		raw_map_add_name(&raw, w.entry);
	for (size_t f = 0; f < STORE_FEEDS; f++) {
		for (struct walk w = walk_start(&s->feeds[f]); w.entry != NULL; walk_next(&w))
			raw_map_add_node(&raw, w.entry);
	}
	in.raw = raw.names;
	in.count = raw.name_count;
	in.nodes = node_table_build(raw.nodes, raw.node_count, s->base);
	m = name_map_build(&in);
	node_table_unref(in.nodes);
	raw_map_clear(&raw);
	return m;
}

struct name_map *
store_map(struct store *s)
{
	struct name_map *m;

	if (s->is_map_stale && store_is_ready(s)) {
		m = build_map(s);
		name_map_unref(s->map);
		s->map = m;
		s->is_map_stale = false;
	}
	return s->map;
}

void
store_make_offer(struct store *s, int64_t seen_us, struct output_offer *out)
{
	*out = (struct output_offer){
		.map = store_map(s),
		.seen_us = seen_us,
		.was_canary_seen = s->was_canary_seen,
		.accepted = s->canary.accepted,
		.is_held = s->holds.is_everything,
	};
}

void
store_set_base(struct store *s, struct name_map *m)
{
	name_map_ref(m);
	name_map_unref(s->base);
	s->base = m;
}

const struct name_map *
store_good_map(const struct store *s)
{
	return s->good;
}

void
store_set_good(struct store *s, struct name_map *m)
{
	if (s->good == m)
		return;
	name_map_unref(s->good);
	s->good = name_map_ref(m);
	s->is_dirty = true;
}

bool
store_is_dirty(const struct store *s)
{
	return s->is_dirty;
}

int
store_save(struct store *s, struct err *e)
{
	if (store_disk_save(s->path, s->good, s->was_canary_seen, e) != 0)
		return -1;
	s->is_dirty = false;
	return 0;
}
