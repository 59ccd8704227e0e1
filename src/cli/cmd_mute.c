/*
 * cmd_mute.c: mute and unmute. A muted check goes on, is shown everywhere, and wakes nobody; the time
 * it ends is part of it, so that nobody has to remember to end it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/client_report.h"
#include "cli/commands.h"
#include "operate/health_view.h"
#include "cli/near.h"
#include "cli/output.h"
#include "cli/report.h"
#include "feature/health.h"
#include "feature/pair_role.h"
#include "model/check_spec.h"

#define MUTE_MAX_MS (7LL * 24 * 3600 * 1000) /* longer is not a mute but a check to be removed */

struct muting {
	struct cli *cli;
	struct client client;
	struct health_board *board;
	const struct health_entry *old; /* in the KV, in force or not; NULL: none */
	char *key;
	const char *name;
};

/* A pair's name mutes its checks, its troubles and its proposals. */
static bool
is_in_config(const struct muting *m)
{
	const struct config *c = m->client.config;

	return pair_find(c, m->name) != NULL ||
	       check_spec_find(c->checks, c->check_count, m->name) != NULL;
}

static enum exit_code
report_unknown(const struct muting *m)
{
	const struct config *c = m->client.config;
	struct report r = { STR_INIT, STR_INIT, STR_INIT };
	struct near near;

	near_init(&near, m->name);
	for (size_t i = 0; i < c->check_count; i++)
		near_offer(&near, c->checks[i].name);
	for (size_t i = 0; i < c->pair_count; i++)
		near_offer(&near, c->pairs[i].name);
	for (size_t i = 0; i < health_board_count(m->board); i++)
		near_offer(&near, health_board_at(m->board, i)->key.check);
	report_fact(&r, "there is no check and no pair %s", SHOWN(m->name));
	report_why(&r, "it is not in the configuration of this host, and no vantage tells of it");
	if (near.best != NULL)
		report_do(&r, "did you mean %s?", near.best);
	report_do(&r, "all that there are: pointsman checks");
	return report_send(&r, m->cli, EXIT_REFUSED);
}

/* Reads what is there. */
static enum exit_code
load(struct muting *m)
{
	char *tail = mem_printf(".mutes/%s", m->name);
	struct err e;

	if (!health_is_check_name(m->name)) {
		free(tail);
		return cli_usage_error(m->cli, "%s is not the name of a check", SHOWN(m->name));
	}
	m->key = health_view_mute_key(&m->client, m->name);
	m->board = health_view_load(&m->client, &e);
	if (m->board != NULL)
		m->old = health_board_find(m->board, tail);
	free(tail);
	return m->board != NULL ? EXIT_DONE
				: client_report_err(&m->client, m->cli, &e, "reading the checks");
}

static enum exit_code
send(struct muting *m, const struct kv_op *op, const char *what)
{
	struct write_result w;

	client_write(&m->client, op, 1, &w);
	return client_report_write(&m->client, m->cli, &w, what);
}

static json_t *
mute_to_json(const struct muting *m, const char *until, const char *why)
{
	return json_pack("{s:s, s:s?, s:s?}", "check", m->name, "until", until, "why", why);
}

/* --- mute ------------------------------------------------------------------------------------------ */

static enum exit_code
mute(struct muting *m)
{
	struct health_mute new = { .since_wall_s = clock_wall_s() };
	int64_t for_ms = option_duration_ms(m->cli, "for", 0);
	struct str text = STR_INIT;
	char until[CLOCK_ISO_SIZE], *who, *what;
	enum exit_code code;

	new.until_wall_s = new.since_wall_s + (for_ms + 999) / 1000;
	snprintf(new.why, sizeof(new.why), "%s", option_text(m->cli, "why"));
	who = ask_who();
	snprintf(new.who, sizeof(new.who), "%s", who);
	free(who);
	health_add_mute(&text, &new);
	clock_iso(until, new.until_wall_s);
	what = mem_printf("%s is muted until %s", m->name, until);
	code = send(m,
	    &(struct kv_op){ .kind = KV_OP_CAS,
		.key = m->key,
		.value = text.data,
		.value_len = text.len,
		.index = m->old != NULL ? m->old->modify_index : 0 },
	    what);
	if (code == EXIT_DONE && m->cli->is_json)
		out_json(mute_to_json(m, until, new.why));
	else if (code == EXIT_DONE) {
		out_line(m->cli, "%s: it is still looked at, and wakes nobody", what);
		out_line(m->cli, "back again: pointsman unmute %s", m->name);
	}
	free(what);
	str_clear(&text);
	return code;
}

static enum exit_code
check_options(const struct cli *cli)
{
	const char *why = option_text(cli, "why");
	int64_t for_ms = option_duration_ms(cli, "for", 0);
	struct str s = STR_INIT;
	enum exit_code code = EXIT_DONE;

	if (for_ms < 1000 || for_ms > MUTE_MAX_MS)
		return cli_usage_error(cli, "--for is needed, from 1s to 168h: a mute has an end");
	if (why == NULL || why[0] == '\0')
		return cli_usage_error(cli, "--why is needed: others will ask");
	str_add_printable(&s, why, strlen(why), HEALTH_TEXT_SIZE - 1);
	if (strcmp(str_text(&s), why) != 0)
		code = cli_usage_error(
		    cli, "--why is one line of at most %d bytes of text", HEALTH_TEXT_SIZE - 1);
	str_clear(&s);
	return code;
}

static void
clear(struct muting *m)
{
	free(m->key);
	health_board_free(m->board);
	client_close(&m->client);
}

static enum exit_code
run_mute(struct cli *cli, int argc, char **argv)
{
	struct muting m = { .cli = cli, .name = argv[0] };
	enum exit_code code;

	(void)argc;
	if ((code = check_options(cli)) != EXIT_DONE)
		return code;
	if ((code = client_open(&m.client, cli)) != EXIT_DONE || (code = load(&m)) != EXIT_DONE)
		;
	else if (!is_in_config(&m) && health_board_opinion(m.board, m.name, 0) == NULL)
		code = report_unknown(&m);
	else
		code = mute(&m);
	clear(&m);
	return code;
}

const struct command cmd_mute = {
	.name = "mute",
	.usage = "CHECK --for TIME --why TEXT",
	.help = "keeps a check from waking anybody for a while",
	.about = "The check goes on and is shown as muted, with who, why and until when; no hook runs and "
		 "status does not count it. The name of a pair mutes all that is of it. It ends by itself.",
	.options = {
		{ "for", '\0', OPTION_DURATION, "TIME", "how long, 30m say" },
		{ "why", '\0', OPTION_TEXT, "TEXT", "for those who wonder" },
	},
	.min_args = 1,
	.max_args = 1,
	.words = { WORD_CHECK },
	.run = run_mute,
};

/* --- unmute ---------------------------------------------------------------------------------------- */

static enum exit_code
unmute(struct muting *m)
{
	const struct kv_op op = {
		.kind = KV_OP_DELETE_CAS, .key = m->key, .index = m->old->modify_index
	};
	char *what = mem_printf("%s is muted no more", m->name);
	enum exit_code code = send(m, &op, what);

	if (code == EXIT_DONE && m->cli->is_json)
		out_json(mute_to_json(m, NULL, NULL));
	else if (code == EXIT_DONE)
		out_line(m->cli, "%s", what);
	free(what);
	return code;
}

static enum exit_code
run_unmute(struct cli *cli, int argc, char **argv)
{
	struct muting m = { .cli = cli, .name = argv[0] };
	enum exit_code code;

	(void)argc;
	if ((code = client_open(&m.client, cli)) != EXIT_DONE || (code = load(&m)) != EXIT_DONE)
		;
	else if (m.old != NULL)
		code = unmute(&m);
	else if (cli->is_json)
		out_json(mute_to_json(&m, NULL, NULL));
	else
		out_line(cli, "%s is not muted: nothing to do", m.name);
	clear(&m);
	return code;
}

const struct command cmd_unmute = {
	.name = "unmute",
	.usage = "CHECK",
	.help = "ends a mute before its time",
	.about = "The check wakes people again. A mute also ends by itself.",
	.min_args = 1,
	.max_args = 1,
	.words = { WORD_CHECK },
	.run = run_unmute,
};
