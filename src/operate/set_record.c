/*
 * set_record.c: the journal of a flip is whole when it is begun, so it is written once. Its key must be
 * new: it is a check-and-set, and where two people flip in the same millisecond the second takes the next id.
 */
#include "operate/set_record.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "feature/config.h"
#include "operate/client.h"
#include "operate/op_impl.h"

#define IDS_MAX 8 /* tried; more people than that do not flip in one millisecond */
#define HOST_MAX 256

static char *
document_of(const struct set_record *r, const char *id, int64_t wall_ms)
{
	struct journal *j = journal_new();
	struct str out = STR_INIT;
	char host[HOST_MAX] = "";
	json_t *document;

	gethostname(host, sizeof(host) - 1);
	memcpy(j->id, id, OP_ID_SIZE);
	journal_set(&j->kind, "set");
	journal_set(&j->name, r->name);
	journal_set(&j->from, r->from);
	journal_set(&j->to, r->to);
	journal_set(&j->by, r->by);
	journal_set(&j->host, host);
	j->pid = getpid();
	j->at_wall_ms = wall_ms;
	j->result = OP_DONE;
	document = journal_to_json(j);
	json_write(&out, document);
	json_decref(document);
	journal_free(j);
	return str_take(&out);
}

static bool
is_taken(struct client *client, const char *key)
{
	struct kv_list list = { 0 };
	bool is_there = kv_wait_get(&client->wait, key, &list, NULL, NULL) == 0 && list.count > 0;

	kv_list_clear(&list);
	return is_there;
}

void
set_record_write(struct client *client, const struct kv_op *flip, const struct set_record *r,
    struct write_result *out)
{
	int64_t wall_ms = clock_wall_ms();

	for (int i = 0; i < IDS_MAX; i++) {
		char id[OP_ID_SIZE],
		    *tail = mem_printf(OP_KEY_PREFIX "%s", op_id_make(id, wall_ms + i));
		char *key = config_key(client->config, tail), *text = document_of(r, id, wall_ms);
		/* The flip last: it is the one that is read back. */
		const struct kv_op ops[] = {
			{ .kind = KV_OP_CAS, .key = key, .value = text, .value_len = strlen(text) },
			*flip
		};
		bool is_again;

		client_write(client, ops, MEM_COUNT(ops), out);
		is_again = out->state == WRITE_CONFLICT && is_taken(client, key);
		free(tail);
		free(key);
		free(text);
		if (!is_again)
			return;
	}
}
