/*
 * client.c: opens what every command needs. A write is not believed but read back: of 2,479 writes
 * that Consul answered with an error 46 had been committed (facts/consul.md), and a person who is told
 * "failed" would do the wrong thing next.
 */
#include "cli/client.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/interrupt.h"
#include "cli/report.h"
#include "io/loop.h"

#define READ_BACK_PAUSE_MS 500 /* between looks: an election takes some seconds */

enum exit_code
client_load_config(const struct cli *cli, struct config **out)
{
	struct report r = { STR_INIT, STR_INIT, STR_INIT };
	struct str problems = STR_INIT;
	struct err e;
	const char *line;

	if ((*out = config_load(cli->config_path, &problems, &e)) != NULL) {
		str_clear(&problems);
		return EXIT_DONE;
	}
	report_fact(&r, "the configuration is wrong: %s", e.text);
	for (line = str_text(&problems); *line != '\0';) {
		size_t len = strcspn(line, "\n");

		report_why(&r, "%.*s", (int)len, line);
		line += len + (line[len] == '\n');
	}
	str_clear(&problems);
	report_do(&r, "mend the file, then: pointsman config check");
	return report_send(&r, cli, EXIT_USAGE);
}

/* With a configuration: everything else. */
static int
connect_kv(struct client *client, struct err *e)
{
	struct kv_config kv;

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

enum exit_code
client_open(struct client *client, const struct cli *cli)
{
	enum exit_code code;
	struct err e;

	memset(client, 0, sizeof(*client));
	if ((code = client_load_config(cli, &client->config)) != EXIT_DONE)
		return code;
	return connect_kv(client, &e) == 0 ? EXIT_DONE
					   : client_report_err(client, cli, &e, "opening the KV");
}

int
client_open_quietly(struct client *client, const struct cli *cli)
{
	struct str problems = STR_INIT;

	memset(client, 0, sizeof(*client));
	client->config = config_load(cli->config_path, &problems, NULL);
	str_clear(&problems);
	return client->config != NULL ? connect_kv(client, NULL) : -1;
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

enum exit_code
client_report_write(const struct client *client, const struct cli *cli,
    const struct write_result *w, const char *what)
{
	struct report r = { STR_INIT, STR_INIT, STR_INIT };

	switch (w->state) {
	case WRITE_DONE:
		return EXIT_DONE;
	case WRITE_CONFLICT:
		report_fact(&r, "%s: not written, somebody else changed it at this moment", what);
		report_why(&r, "two people may be at work on the same thing");
		report_do(&r, "look what is there now, then again: pointsman names");
		return report_send(&r, cli, EXIT_REFUSED);
	case WRITE_NOT_DONE:
		if (w->err.code != ERR_UNKNOWN)
			return client_report_err(client, cli, &w->err, what);
		report_fact(&r, "%s: not committed: %s", what, w->err.text);
		report_why(&r, "it was read back from the leader, and everything is as it was");
		report_do(&r, "the same command again");
		return report_send(&r, cli, EXIT_UNREACHABLE);
	case WRITE_UNKNOWN:
	default:
		report_fact(
		    &r, "%s: it is not known whether this was written: %s", what, w->err.text);
		report_why(&r, "Consul took the write and never answered, nor can it be read now");
		report_do(&r, "as soon as it answers, look before you repeat it: pointsman names");
		return report_send(&r, cli, EXIT_NEEDS_YOU);
	}
}
