/* past.c: the journals there are. Ids sort by time, and so do their keys: the newest are the last. */
#include "operate/past.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "feature/config.h"
#include "io/kv_wait.h"
#include "model/journal_keep.h"
#include "operate/client.h"
#include "operate/op_impl.h"

#define TIDY_LIMIT_MS 2000 /* whoever waits for the prompt has seen that it is done */

static int
load(struct client *client, struct kv_list *out, struct err *e)
{
	char *prefix = config_key(client->config, OP_KEY_PREFIX);
	int rc = kv_wait_list(&client->wait, prefix, out, NULL, e);

	free(prefix);
	return rc;
}

static struct journal *
parse(const struct kv_entry *entry)
{
	return journal_parse(entry->value, entry->value_len, NULL);
}

int
past_load(struct past *p, struct client *client, const char *pair, struct err *e)
{
	struct kv_list list = { 0 };
	int rc = load(client, &list, e);

	memset(p, 0, sizeof(*p));
	p->journals = mem_array(list.count, sizeof(*p->journals));
	for (size_t n = list.count; rc == 0 && n-- > 0;) {
		struct journal *j = parse(&list.entries[n]);

		if (j != NULL && strcmp(j->pair, pair) == 0)
			p->journals[p->count++] = j;
		else
			journal_free(j);
	}
	kv_list_clear(&list);
	return rc;
}

void
past_clear(struct past *p)
{
	for (size_t i = 0; i < p->count; i++)
		journal_free(p->journals[i]);
	free(p->journals);
	memset(p, 0, sizeof(*p));
}

int
past_find_later(
    struct client *client, const struct journal *j, struct journal_later *out, struct err *e)
{
	struct past p;
	int rc = past_load(&p, client, j->pair, e);

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < p.count; i++)
		journal_see_later(out, j, p.journals[i]);
	past_clear(&p);
	return rc;
}

/* --- tidying ---------------------------------------------------------------------------------------- */

static void
delete_old(struct client *client, const struct kv_list *list, const bool *is_old)
{
	struct kv_op ops[KV_TXN_MAX];
	size_t count = 0;

	for (size_t n = 0; n < list->count && count < KV_TXN_MAX; n++) {
		const struct kv_entry *entry = &list->entries[list->count - 1 - n];

		if (is_old[n])
			ops[count++] = (struct kv_op){ .kind = KV_OP_DELETE_CAS,
				.key = entry->key,
				.index = entry->modify_index };
	}
	if (count > 0)
		kv_wait_txn(&client->wait, ops, count, NULL);
}

void
past_tidy(struct client *client)
{
	int64_t limit_ms = client->wait.limit_ms;
	struct kv_list list = { 0 };
	struct journal **journals;
	bool *is_old;

	client->wait.limit_ms = limit_ms < TIDY_LIMIT_MS ? limit_ms : TIDY_LIMIT_MS;
	if (load(client, &list, NULL) != 0)
		list.count = 0;
	journals = mem_array(list.count, sizeof(struct journal *));
	is_old = mem_array(list.count, sizeof(bool));
	for (size_t n = 0; n < list.count; n++)
		journals[n] = parse(&list.entries[list.count - 1 - n]);
	journal_choose_old(journals, list.count, is_old);
	delete_old(client, &list, is_old);
	for (size_t n = 0; n < list.count; n++)
		journal_free(journals[n]);
	free(journals);
	free(is_old);
	kv_list_clear(&list);
	client->wait.limit_ms = limit_ms;
}
