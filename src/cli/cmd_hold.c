/*
 * cmd_hold.c: hold and release. A hold freezes what agents serve, everything or one name, while
 * somebody works on Consul or on a server. It is written together with the canary (feature/canary.h),
 * so that no agent can serve a flip that came after the hold.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/ack.h"
#include "cli/ask.h"
#include "cli/bell.h"
#include "cli/cli.h"
#include "cli/client_report.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/view_report.h"

struct holding {
	struct cli *cli;
	struct client client;
	struct view view;
	struct hold_set holds;
	char name[NAME_SIZE]; /* "": everything */
	char *key;
};

/* "maindb" or "everything". */
static const char *
what_of(const struct holding *h)
{
	return h->name[0] != '\0' ? h->name : "everything";
}

/* This very hold, not one that includes it. */
static const struct hold *
current(const struct holding *h)
{
	if (h->name[0] == '\0')
		return h->holds.is_everything ? &h->holds.everything : NULL;
	for (size_t i = 0; i < h->holds.count; i++) {
		if (strcmp(h->holds.names[i].name, h->name) == 0)
			return &h->holds.names[i].hold;
	}
	return NULL;
}

static enum exit_code
load(struct holding *h, int argc, char **argv)
{
	struct err e;
	char *tail;

	if (argc == 1 && name_parse(argv[0], strlen(argv[0]), h->name, &e) != 0)
		return cli_usage_error(h->cli, "the name %s %s", SHOWN(argv[0]), e.text);
	tail = mem_printf("hold%s%s", h->name[0] != '\0' ? "/" : "", h->name);
	h->key = config_key(h->client.config, tail);
	free(tail);
	if (view_load(&h->view, &h->client, &e) != 0)
		return client_report_err(&h->client, h->cli, &e, "reading the names");
	if (view_load_holds(&h->holds, &h->client, &e) != 0)
		return client_report_err(&h->client, h->cli, &e, "reading the holds");
	return EXIT_DONE;
}

/* Writes the key and the canary, and waits until the agents know. */
static enum exit_code
write_and_wait(struct holding *h, const struct kv_op *op, const char *what, const char *undo,
    enum ack_kind kind, json_t **acknowledged)
{
	struct ack ack = {
		.kind = kind,
		.started_us = clock_mono_us(),
		.limit_ms = option_duration_ms(h->cli, "timeout", ACK_LIMIT_MS),
		.changed = what,
		.undo = undo,
	};
	struct write_result w;
	enum exit_code code;

	bell_write(&h->client, &h->view, op, NULL, &w);
	if ((code = client_report_write(&h->client, h->cli, &w, what)) != EXIT_DONE)
		return code;
	ack.generation = w.index;
	if (!h->cli->is_json) {
		out_paragraph(h->cli, 0, what);
		out_line(h->cli, "back again: %s", undo);
	}
	return ack_wait(h->cli, &h->client, &ack, acknowledged);
}

static void
clear(struct holding *h)
{
	free(h->key);
	hold_set_clear(&h->holds);
	view_clear(&h->view);
	client_close(&h->client);
}

static json_t *
hold_to_json(const struct hold *hold)
{
	return json_pack(
	    "{s:s, s:s, s:s}", "reason", hold->reason, "who", hold->who, "since", hold->since);
}

static enum exit_code
report_held_already(const struct holding *h, const struct hold *now)
{
	char *words = hold_words(now);
	struct report r = { STR_INIT, STR_INIT, STR_INIT };

	report_fact(&r, "%s is held already, %s", what_of(h), words);
	report_why(&r, "their reason would be lost, and they may rely on it");
	report_do(&r, "talk to them; it ends with: pointsman release%s%s",
	    h->name[0] != '\0' ? " " : "", h->name);
	free(words);
	return report_send(&r, h->cli, EXIT_REFUSED);
}

static enum exit_code
hold(struct holding *h)
{
	struct hold new = { "", "", "" };
	const char *reason = option_text(h->cli, "reason");
	char *who = ask_who(), *what, *undo;
	struct str text = STR_INIT;
	json_t *acknowledged = NULL;
	enum exit_code code;

	snprintf(new.reason, sizeof(new.reason), "%s", reason);
	snprintf(new.who, sizeof(new.who), "%s", who);
	clock_iso(new.since, clock_wall_s());
	hold_add_text(&text, &new);
	struct kv_op op = {
		.kind = KV_OP_CAS, .key = h->key, .value = text.data, .value_len = text.len
	};
	what = mem_printf("%s is held: agents keep what they serve", what_of(h));
	undo = mem_printf("pointsman release%s%s", h->name[0] != '\0' ? " " : "", h->name);
	code = write_and_wait(h, &op, what, undo, ACK_SEEN, &acknowledged);
	if (acknowledged != NULL)
		out_json(json_pack("{s:s?, s:o, s:o}", "name", h->name[0] != '\0' ? h->name : NULL,
		    "hold", hold_to_json(&new), "acknowledged", acknowledged));
	free(what);
	free(undo);
	free(who);
	str_clear(&text);
	return code;
}

/* What goes into the KV is shown to others: printable and of bounded length. */
static enum exit_code
check_reason(const struct cli *cli)
{
	const char *reason = option_text(cli, "reason");
	struct str s = STR_INIT;
	enum exit_code code = EXIT_DONE;

	if (reason == NULL || reason[0] == '\0')
		return cli_usage_error(cli, "--reason is needed: others will ask why");
	str_add_printable(&s, reason, strlen(reason), HOLD_TEXT_MAX);
	if (strcmp(str_text(&s), reason) != 0)
		code = cli_usage_error(
		    cli, "a reason is one line of at most %d bytes of text", HOLD_TEXT_MAX);
	str_clear(&s);
	return code;
}

static enum exit_code
run_hold(struct cli *cli, int argc, char **argv)
{
	struct holding h = { .cli = cli };
	const struct hold *now;
	enum exit_code code;

	if ((code = check_reason(cli)) != EXIT_DONE)
		return code;
	if ((code = client_open(&h.client, cli)) != EXIT_DONE ||
	    (code = load(&h, argc, argv)) != EXIT_DONE)
		;
	else if (argc == 1 && view_find(&h.view, &h.client, h.name) == NULL)
		code = view_report_unknown_name(&h.view, cli, h.name, EXIT_REFUSED);
	else if ((now = current(&h)) != NULL)
		code = report_held_already(&h, now);
	else
		code = hold(&h);
	clear(&h);
	return code;
}

const struct command cmd_hold = {
	.name = "hold",
	.usage = "[NAME] --reason TEXT [--timeout 10s]",
	.help = "makes agents keep what they serve, all or one name",
	.about = "Until `pointsman release`, agents serve what they serve now, whatever happens to the KV "
		 "or to one name in it. The reason, the time and who you are are shown by status.",
	.options = {
		{ "reason", '\0', OPTION_TEXT, "TEXT", "why, for those who find it held" },
		{ "timeout", '\0', OPTION_DURATION, "TIME", "how long to wait for the agents (10s)" },
	},
	.max_args = 1,
	.words = { WORD_NAME },
	.run = run_hold,
};

/* --- release ------------------------------------------------------------------------------------ */

static enum exit_code
report_not_held(const struct holding *h)
{
	if (h->cli->is_json) {
		out_json(
		    json_pack("{s:s?, s:n}", "name", h->name[0] != '\0' ? h->name : NULL, "hold"));
		return EXIT_DONE;
	}
	out_line(h->cli, "%s is not held: nothing to do", what_of(h));
	if (h->name[0] != '\0' && h->holds.is_everything)
		out_marked(h->cli, MARK_WARNING, "but everything is: pointsman release");
	for (size_t i = 0; h->name[0] == '\0' && i < h->holds.count; i++)
		out_marked(h->cli, MARK_WARNING, "but %s is: pointsman release %s",
		    h->holds.names[i].name, h->holds.names[i].name);
	return EXIT_DONE;
}

static enum exit_code
release(struct holding *h, const struct hold *was)
{
	struct kv_op op = { .kind = KV_OP_DELETE, .key = h->key };
	json_t *acknowledged = NULL, *held = hold_to_json(was);
	char *words = hold_words(was), *what, *undo;
	enum exit_code code;

	what = mem_printf("%s is released; it was held %s", what_of(h), words);
	undo =
	    mem_printf("pointsman hold%s%s --reason TEXT", h->name[0] != '\0' ? " " : "", h->name);
	/* Under a hold of everything the release of one name is seen, and serves nothing new. */
	code = write_and_wait(h, &op, what, undo,
	    h->name[0] != '\0' && h->holds.is_everything ? ACK_SEEN : ACK_SERVED, &acknowledged);
	if (acknowledged != NULL)
		out_json(json_pack("{s:s?, s:O, s:o}", "name", h->name[0] != '\0' ? h->name : NULL,
		    "hold", held, "acknowledged", acknowledged));
	json_decref(held);
	free(words);
	free(what);
	free(undo);
	return code;
}

static enum exit_code
run_release(struct cli *cli, int argc, char **argv)
{
	struct holding h = { .cli = cli };
	const struct hold *now;
	enum exit_code code;

	if ((code = client_open(&h.client, cli)) != EXIT_DONE ||
	    (code = load(&h, argc, argv)) != EXIT_DONE)
		;
	else if ((now = current(&h)) == NULL)
		code = report_not_held(&h);
	else
		code = release(&h, now);
	clear(&h);
	return code;
}

const struct command cmd_release = {
	.name = "release",
	.usage = "[NAME] [--timeout 10s]",
	.help = "ends a hold: agents serve what the KV says",
	.about = "Ends the hold of everything, or of one name, and waits until the agents serve what the "
		 "KV says.",
	.options = {
		{ "timeout", '\0', OPTION_DURATION, "TIME", "how long to wait for the agents (10s)" },
	},
	.max_args = 1,
	.words = { WORD_NAME },
	.run = run_release,
};
