/*
 * client.c: opens what every command needs of the KV. A write is not believed but read back: of 2,479 writes
 * that Consul answered with an error 46 had been committed (facts/consul.md), and a person who is told
 * "failed" would do the wrong thing next.
 */
#include "operate/client.h"

#include <string.h>

#include "base/clock.h"
#include "io/loop.h"
#include "operate/interrupt.h"

#define READ_BACK_PAUSE_MS 500 /* between looks: an election takes some seconds */

int
client_connect(struct client *client, struct config *config, struct err *e)
{
	struct kv_config kv;

	memset(client, 0, sizeof(*client));
	client->config = config;
	client->loop = loop_new();
	config_kv(client->config, &kv);
	if ((client->kv = kv_new(client->loop, &kv, e)) == NULL)
		return -1;
	client->wait = (struct kv_waiter){
		.loop = client->loop,
		.kv = client->kv,
		.limit_ms = CLIENT_LIMIT_MS,
		.is_canceled = interrupt_is_pending,
	};
	return 0;
}

void
client_close(struct client *client)
{
	kv_free(client->kv);
	if (client->loop != NULL)
		loop_free(client->loop);
	config_free(client->config);
	memset(client, 0, sizeof(*client));
}

static void
sleep_uninterrupted(struct client *client, int64_t ms)
{
	int64_t end_ms = clock_mono_ms() + ms, left_ms;

	while ((left_ms = end_ms - clock_mono_ms()) > 0)
		loop_turn(client->loop, left_ms);
}

int
client_sleep(struct client *client, int64_t ms)
{
	const int64_t slice_ms = 100; /* how long Ctrl-C may go unnoticed */

	for (; ms > 0 && !interrupt_is_pending(NULL); ms -= slice_ms)
		sleep_uninterrupted(client, ms < slice_ms ? ms : slice_ms);
	return interrupt_is_pending(NULL) ? -1 : 0;
}

/* --- writes -------------------------------------------------------------------------------------- */

/* Whether the key is as op would have it: 1 yes, 0 no, -1 it could not be read. */
static int
read_back(struct client *client, const struct kv_op *op, uint64_t *index, struct err *e)
{
	struct kv_list list;
	const struct kv_entry *entry;
	int is_there;

	if (kv_wait_get(&client->wait, op->key, &list, NULL, e) != 0)
		return -1;
	entry = list.count > 0 ? &list.entries[0] : NULL;
	*index = entry != NULL ? entry->modify_index : 0;
	if (op->kind == KV_OP_DELETE_CAS)
		is_there = entry == NULL;
	else
		is_there = entry != NULL && entry->value_len == op->value_len &&
			   memcmp(entry->value, op->value, op->value_len) == 0;
	kv_list_clear(&list);
	return is_there;
}

/*
 * Looks until somebody answers, for as long as one call may take. Ctrl-C does not end it: whoever
 * pressed it during a write wants to know what became of that, and a second one ends the program.
 */
static int
read_back_patiently(struct client *client, const struct kv_op *op, uint64_t *index, struct err *e)
{
	struct kv_waiter saved = client->wait;
	int64_t end_ms = clock_mono_ms() + client->wait.limit_ms;
	int is_there;

	client->wait.is_canceled = NULL;
	while ((is_there = read_back(client, op, index, e)) < 0 && e->code != ERR_DENIED &&
	       clock_mono_ms() < end_ms)
		sleep_uninterrupted(client, READ_BACK_PAUSE_MS);
	client->wait = saved;
	return is_there;
}

void
client_write(struct client *client, const struct kv_op *ops, size_t count, struct write_result *out)
{
	const struct kv_op *last = &ops[count - 1];
	struct err look;
	int applied, is_there;

	memset(out, 0, sizeof(*out));
	applied = kv_wait_txn(&client->wait, ops, count, &out->err);
	if (applied == 0) {
		out->state = WRITE_CONFLICT;
		return;
	}
	if (applied < 0 && out->err.code != ERR_UNKNOWN) {
		out->state = WRITE_NOT_DONE;
		return;
	}
	is_there = read_back_patiently(client, last, &out->index, &look);
	if (applied > 0 || is_there > 0)
		out->state = WRITE_DONE;
	else if (is_there < 0)
		out->state = WRITE_UNKNOWN;
	else
		out->state = out->index == last->index ? WRITE_NOT_DONE : WRITE_CONFLICT;
}
