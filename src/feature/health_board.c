/*
 * health_board.c: a sorted array, merged with every answer. Only what changed is decoded: an answer has
 * thousands of documents and one that is new.
 */
#include "feature/health_board.h"

#include <stdio.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/sorted.h"

#define MISSES 2
/* Opinions on one check that are weighed: more vantages than anybody has. */
#define OPINIONS_MAX 64

struct health_board {
	char *prefix;
	size_t prefix_len;
	struct health_entry *entries;
	size_t count;
};

static void
decode(struct health_entry *e, const struct kv_entry *kv)
{
	int failed = -1;

	e->is_live = kv->session[0] != '\0';
	e->modify_index = kv->modify_index;
	snprintf(e->session, sizeof(e->session), "%s", kv->session);
	switch (e->key.kind) {
	case HEALTH_OPINION:
		failed = health_read_opinion(kv->value, kv->value_len, &e->opinion, NULL);
		break;
	case HEALTH_VANTAGE:
		failed = health_read_vantage(kv->value, kv->value_len, &e->vantage, NULL);
		break;
	case HEALTH_MUTE:
		failed = health_read_mute(kv->value, kv->value_len, &e->mute, NULL);
		break;
	}
	e->is_valid = failed == 0;
}

/* The next entry of the list that is ours, from *at on; NULL: no more. */
static const struct kv_entry *
next_of_list(
    const struct health_board *b, const struct kv_list *list, size_t *at, struct health_key *key)
{
	for (; *at < list->count; ++*at) {
		const struct kv_entry *kv = &list->entries[*at];

		if (strncmp(kv->key, b->prefix, b->prefix_len) != 0 || kv_entry_has_nul(kv))
			continue;
		/* Two keys that look the same: the first one counts. */
		if (*at > 0 && strcmp(kv->key, list->entries[*at - 1].key) == 0)
			continue;
		if (health_key_parse(kv->key + b->prefix_len, key) == 0)
			return kv;
	}
	return NULL;
}

static bool
is_same(const struct health_entry *e, const struct kv_entry *kv)
{
	return e->modify_index == kv->modify_index && strcmp(e->session, kv->session) == 0;
}

size_t
health_board_feed(
    struct health_board *b, const struct kv_list *list, bool is_counted, bool *is_news)
{
	struct health_entry *now = mem_array(b->count + list->count + 1, sizeof(*now));
	size_t n = 0, i = 0, at = 0, kept_back = 0;
	struct health_key key;
	const struct kv_entry *kv = next_of_list(b, list, &at, &key);

	*is_news = false;
	while (i < b->count || kv != NULL) {
		struct health_entry *old = i < b->count ? &b->entries[i] : NULL;
		int order = old == NULL  ? 1
			    : kv == NULL ? -1
					 : strcmp(old->text_key, kv->key + b->prefix_len);

		if (order < 0) {
			old->misses += is_counted;
			i++;
			if (old->misses < MISSES) {
				now[n++] = *old;
				kept_back++;
			} else {
				free(old->text_key);
				*is_news = true;
			}
			continue;
		}
		if (order == 0) {
			now[n] = *old;
			i++;
		} else {
			now[n].text_key = mem_strdup(kv->key + b->prefix_len);
			now[n].key = key;
		}
		if (order != 0 || !is_same(&now[n], kv)) {
			decode(&now[n], kv);
			*is_news = true;
		}
		now[n++].misses = 0;
		at++;
		kv = n < HEALTH_BOARD_MAX ? next_of_list(b, list, &at, &key) : NULL;
	}
	free(b->entries);
	b->entries = mem_grow(now, n + 1, sizeof(*now));
	b->count = n;
	return kept_back;
}

struct health_board *
health_board_new(const char *prefix)
{
	struct health_board *b = mem_alloc(sizeof(*b));

	b->prefix = mem_strdup(prefix);
	b->prefix_len = strlen(prefix);
	return b;
}

void
health_board_free(struct health_board *b)
{
	if (b == NULL)
		return;
	for (size_t i = 0; i < b->count; i++)
		free(b->entries[i].text_key);
	free(b->entries);
	free(b->prefix);
	free(b);
}

size_t
health_board_count(const struct health_board *b)
{
	return b->count;
}

const struct health_entry *
health_board_at(const struct health_board *b, size_t i)
{
	return &b->entries[i];
}

/* Where key is, or would be. */
static size_t
place_of(const struct health_board *b, const char *key)
{
	return sorted_place(b->entries, b->count, sizeof(*b->entries),
	    offsetof(struct health_entry, text_key), key);
}

const struct health_entry *
health_board_find(const struct health_board *b, const char *key)
{
	size_t at = place_of(b, key);

	if (at == b->count || strcmp(b->entries[at].text_key, key) != 0)
		return NULL;
	return &b->entries[at];
}

/* "maindb/" is also before the keys of the checks "maindb/db3" and "maindb/db4". */
const struct health_entry *
health_board_opinion(const struct health_board *b, const char *check, size_t i)
{
	char from[CHECK_NAME_MAX + 1];
	size_t len = (size_t)snprintf(from, sizeof(from), "%s/", check);

	for (size_t at = place_of(b, from); at < b->count; at++) {
		const struct health_entry *e = &b->entries[at];

		if (strncmp(e->text_key, from, len) != 0)
			return NULL;
		if (e->is_valid && e->key.kind == HEALTH_OPINION &&
		    strcmp(e->key.check, check) == 0 && i-- == 0)
			return e;
	}
	return NULL;
}

const struct health_mute *
health_board_mute(const struct health_board *b, const char *check, int64_t now_wall_s)
{
	char key[CHECK_NAME_MAX + 16];
	const struct health_entry *e;

	snprintf(key, sizeof(key), ".mutes/%s", check);
	e = health_board_find(b, key);
	return e != NULL && e->is_valid && e->mute.until_wall_s > now_wall_s ? &e->mute : NULL;
}

const struct health_mute *
health_board_mute_of(
    const struct health_board *b, const char *check, const char *pair, int64_t now_wall_s)
{
	const struct health_mute *m = health_board_mute(b, check, now_wall_s);

	return m == NULL && pair != NULL ? health_board_mute(b, pair, now_wall_s) : m;
}

enum vantage_sight
health_board_sight(const struct health_board *b, const char *vantage)
{
	char key[NAME_SIZE + 16];
	const struct health_entry *e;

	snprintf(key, sizeof(key), ".vantages/%s", vantage);
	e = health_board_find(b, key);
	return e != NULL && e->is_valid ? e->vantage.sight : VANTAGE_SIGHTED;
}

void
health_board_verdict(const struct health_board *b, const char *check, const char *node,
    const struct opinion *own, struct verdict *out)
{
	struct opinion all[OPINIONS_MAX];
	const struct health_entry *e;
	size_t n = 0;

	if (own != NULL)
		all[n++] = *own;
	for (size_t i = 0; n < OPINIONS_MAX; i++) {
		if ((e = health_board_opinion(b, check, i)) == NULL)
			break;
		if (node != NULL && strcmp(e->key.vantage, node) == 0)
			continue;
		all[n++] = (struct opinion){ .vantage = e->key.vantage,
			.is_live = e->is_live,
			.sight = health_board_sight(b, e->key.vantage),
			.state = e->opinion.state,
			.level = e->opinion.level,
			.class = e->opinion.class,
			.since_ms = e->opinion.since_wall_s * 1000 };
	}
	verdict_of(all, n, out);
}
