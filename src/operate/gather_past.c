/* gather_past.c: what operations of the pair there were: one that has not ended, and the last drill. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "feature/config.h"
#include "model/journal.h"
#include "operate/client.h"
#include "operate/gather_impl.h"

#define JOURNALS_MAX 200 /* looked at, from the newest */

static bool
is_locked(struct client *client, const char *pair)
{
	char *tail = mem_printf("locks/%s", pair), *key = config_key(client->config, tail);
	struct kv_list list = { 0 };
	bool is_held = kv_wait_get(&client->wait, key, &list, NULL, NULL) == 0 && list.count > 0 &&
		       list.entries[0].session[0] != '\0';

	kv_list_clear(&list);
	free(key);
	free(tail);
	return is_held;
}

/* One that only rehearsed has left nothing: it is in the way as long as somebody is at it. */
static bool
is_in_the_way(const struct gather *g, const struct journal *j)
{
	if (j->result != OP_RUNNING && j->result != OP_FAILED)
		return false;
	return strcmp(j->kind, "rehearse") != 0 || is_locked(g->client, j->pair);
}

static void
add(const struct gather *g, struct preflight_facts *f, const struct journal *j)
{
	bool is_drill = strcmp(j->kind, "rehearse") == 0 || strcmp(j->kind, "failover") == 0;

	if (f->unfinished[0] == '\0' && is_in_the_way(g, j))
		snprintf(f->unfinished, sizeof(f->unfinished), "%s", j->id);
	if (f->rehearsed_ago_s < 0 && is_drill && j->result == OP_DONE)
		f->rehearsed_ago_s = clock_wall_s() - j->at_wall_ms / 1000;
}

int
gather_past(const struct gather *g, struct preflight_facts *f, struct err *e)
{
	char *prefix = config_key(g->client->config, "ops/");
	struct kv_list list = { 0 };
	int rc = kv_wait_list(&g->client->wait, prefix, &list, NULL, e);
	bool has_ended = false;

	f->rehearsed_ago_s = -1;
	for (size_t n = 0; rc == 0 && n < JOURNALS_MAX && n < list.count; n++) {
		const struct kv_entry *entry = &list.entries[list.count - 1 - n];
		struct journal *j = journal_parse(entry->value, entry->value_len, NULL);

		if (j != NULL && strcmp(j->pair, f->pair) == 0) {
			/* What came after it and went well has settled it. */
			if (!has_ended || j->result == OP_DONE)
				add(g, f, j);
			has_ended =
			    has_ended || (j->result == OP_DONE && strcmp(j->kind, "rehearse") != 0);
		}
		journal_free(j);
	}
	if (f->unfinished[0] != '\0')
		f->is_unfinished_held = is_locked(g->client, f->pair);
	kv_list_clear(&list);
	free(prefix);
	return rc == 0 || e->code != ERR_CANCELED ? 0 : -1;
}
