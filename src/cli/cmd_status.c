/*
 * cmd_status.c: the first thing to type at 3 a.m. What this host serves comes from its agent, over
 * HTTP, so that it can be told with Consul down; what the fleet serves comes from the KV, so that it
 * can be told with the agent down. Whoever does not answer is the first problem on the screen.
 *
 * With -o json it is the agent's own /v1/status, and what is wrong elsewhere among its problems; without an
 * agent the same shape with what the KV knows.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/check_rows.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "operate/fleet.h"
#include "operate/health_view.h"
#include "operate/history.h"
#include "operate/interrupt.h"
#include "cli/local.h"
#include "cli/output.h"
#include "cli/proposals.h"
#include "cli/report.h"
#include "cli/client_report.h"
#include "cli/trouble.h"
#include "operate/view.h"
#include "config.h"
#include "feature/check_report.h"
#include "feature/pair_role.h"

#define REFRESH_MS 1000

struct status {
	struct cli *cli;
	struct client *client;
	json_t *local; /* NULL: the agent did not answer */
	bool has_kv;   /* the rest was read */
	struct view view;
	struct fleet fleet;
	struct hold_set holds;
	json_t *checks;      /* rows of check_report.h */
	struct history open; /* operations that run, or wait for somebody */
	struct troubles troubles;
	struct err local_err, kv_err;
};

/* --- gathering ----------------------------------------------------------------------------------- */

static int
load_checks(struct status *st)
{
	const struct config *c = st->client->config;
	struct health_board *board = health_view_load(st->client, &st->kv_err);

	if (board == NULL)
		return -1;
	st->checks = check_report_all(board, c->checks, c->check_count);
	health_board_free(board);
	return 0;
}

static void
load_kv(struct status *st)
{
	st->has_kv = view_load(&st->view, st->client, &st->kv_err) == 0 &&
		     fleet_load(&st->fleet, st->client, &st->kv_err) == 0 &&
		     view_load_holds(&st->holds, st->client, &st->kv_err) == 0 &&
		     load_checks(st) == 0 &&
		     history_load_open(&st->open, st->client, &st->kv_err) == 0;
}

/* The agent's own problems, which it explains best. Returns its node; NULL: it has none. */
static const char *
judge_local(struct status *st)
{
	const json_t *problems = json_object_get(st->local, "problems");

	trouble_add_reported(&st->troubles, problems);
	return json_array_size(problems) > 0 ? json_get_string(st->local, "node", NULL) : NULL;
}

/* A vantage tells of its checks itself, and knows more. */
static void
judge_checks(struct status *st)
{
	struct err e;

	check_rows_add_troubles(&st->troubles, st->checks);
	if (proposals_add_troubles(&st->troubles, st->client, &e) != 0)
		trouble_add(&st->troubles, MARK_WARNING, "a failover may be proposed", NULL,
		    "the proposals cannot be read: %s", e.text);
}

/* What stopped halfway: a server may be fenced by it, and nobody at work. */
static void
judge_operations(struct status *st)
{
	for (size_t i = 0; i < st->open.count; i++) {
		const struct history_entry *entry = &st->open.entries[i];
		const struct journal *j = entry->journal;
		char *todo;

		if (entry->result == OP_RUNNING)
			continue;
		todo = mem_printf("pointsman history %s", j->id);
		trouble_add(&st->troubles, MARK_CRITICAL,
		    "what it has begun is neither done nor undone", todo, "the %s %s of %s %s",
		    j->kind, j->id, j->pair, history_how_stopped(entry));
		free(todo);
	}
}

static void
judge_kv(struct status *st, const char *explained)
{
	const struct fleet_agent *own =
	    explained != NULL ? fleet_find(&st->fleet, explained) : NULL;

	if (!st->has_kv) {
		trouble_add(&st->troubles, MARK_CRITICAL,
		    "agents go on serving what they have, nothing can be changed",
		    client_advise(st->client, &st->kv_err), "the KV cannot be read: %s",
		    st->kv_err.text);
		return;
	}
	judge_operations(st);
	/* The same words twice would hide what else is wrong. */
	if (st->local == NULL)
		trouble_add_view(&st->troubles, &st->view);
	if (st->local == NULL || !st->client->config->agent.is_vantage)
		judge_checks(st);
	trouble_add_fleet(&st->troubles, &st->fleet, st->view.index, st->holds.is_everything,
	    own != NULL && own->is_alive ? own->node : NULL);
	if (st->fleet.count == 0)
		trouble_add(&st->troubles, MARK_WARNING, "nobody serves names",
		    "systemctl enable --now pointsmand", "no agent was ever started");
}

static void
gather(struct status *st)
{
	const char *explained = NULL;

	st->local = local_fetch(st->client, "/v1/status", &st->local_err);
	load_kv(st);
	if (st->local != NULL)
		explained = judge_local(st);
	else
		trouble_add(&st->troubles, MARK_CRITICAL, "what this host serves is not known",
		    "systemctl status pointsmand", "the agent of this host does not answer: %s",
		    st->local_err.text);
	judge_kv(st, explained);
}

static void
clear(struct status *st)
{
	json_decref(st->local);
	view_clear(&st->view);
	fleet_clear(&st->fleet);
	hold_set_clear(&st->holds);
	json_decref(st->checks);
	history_clear(&st->open);
	trouble_clear(&st->troubles);
}

static enum exit_code
code_of(const struct status *st)
{
	if (st->local == NULL && !st->has_kv)
		return EXIT_UNREACHABLE;
	return trouble_count(&st->troubles) > 0 ? EXIT_PROBLEM : EXIT_DONE;
}

/* --- the head -------------------------------------------------------------------------------------- */

/* "up 41d": since the ISO time that the agent says; nothing when it cannot be read. */
static void
add_uptime(struct str *out, const struct status *st)
{
	char text[32];
	struct tm tm;
	int64_t up_s;

	memset(&tm, 0, sizeof(tm));
	if (strptime(json_get_string(st->local, "since", ""), "%Y-%m-%dT%H:%M:%SZ", &tm) == NULL)
		return;
	up_s = clock_wall_s() - (int64_t)timegm(&tm);
	if (up_s < 60)
		str_addf(out, " up %" PRId64 "s", up_s);
	else
		str_addf(out, " up %s", str_duration(text, sizeof(text), up_s * 1000));
}

static void
add_local(struct str *out, const struct status *st)
{
	const json_t *consul = json_object_get(st->local, "consul");
	char ago[32];

	str_addf(out, "  generation %" PRId64, json_get_int(st->local, "generation", 0));
	if (json_get_bool(consul, "up", false))
		str_addf(out, "  consul %s ago",
		    str_duration(ago, sizeof(ago), json_get_int(consul, "last_contact_ms", 0)));
	else
		str_addf(
		    out, "  consul DOWN since %s", SHOWN(json_get_string(consul, "since", "?")));
	str_addf(out, "  agent %s", SHOWN(json_get_string(st->local, "node", "?")));
	add_uptime(out, st);
}

static void
add_hold(struct str *out, const struct hold *h)
{
	char *words = hold_words(h);

	str_addf(out, "   HOLD %s", words);
	free(words);
}

/* The one that runs, or how many wait. */
static void
add_operation(struct str *out, const struct status *st)
{
	const struct history_entry *entry = st->open.entries;

	if (st->open.count == 0)
		str_adds(out, "   operation: none");
	else if (st->open.count == 1)
		str_addf(out, "   operation: %s of %s%s", entry->journal->kind,
		    entry->journal->pair, entry->result == OP_RUNNING ? "" : ", halfway");
	else
		str_addf(out, "   operations: %zu", st->open.count);
}

static void
print_head(const struct status *st)
{
	struct str line = STR_INIT;

	str_adds(&line, "pointsman");
	if (st->local != NULL)
		add_local(&line, st);
	else if (st->has_kv)
		str_addf(&line, "  generation %" PRIu64 "  agent DOWN", st->view.index);
	else
		str_adds(&line, "  agent DOWN  KV DOWN");
	out_paragraph(st->cli, 0, str_text(&line));
	str_clear(&line);
	if (!st->has_kv)
		return;
	str_addf(&line, "agents %zu/%zu serve %" PRIu64, fleet_serving(&st->fleet, st->view.index),
	    st->fleet.count, st->view.index);
	if (st->holds.is_everything)
		add_hold(&line, &st->holds.everything);
	else if (st->holds.count > 0)
		str_addf(
		    &line, "   hold: %zu name%s", st->holds.count, st->holds.count == 1 ? "" : "s");
	else
		str_adds(&line, "   hold: none");
	add_operation(&line, st);
	out_paragraph(st->cli, 0, str_text(&line));
	str_clear(&line);
}

/* --- the names -------------------------------------------------------------------------------------- */

static bool
is_last_known(const struct status *st, const char *name)
{
	const json_t *list = json_object_get(json_object_get(st->local, "names"), "last_known");
	const json_t *item;
	size_t i;

	json_array_foreach (list, i, item) {
		const char *text = json_string_value(item);

		if (text != NULL && strcmp(text, name) == 0)
			return true;
	}
	return false;
}

/* The worst check of the pair whose name this is; NULL: it is none of a pair. */
static const json_t *
check_of(const struct status *st, const char *name)
{
	const struct config_pair *pair = pair_find_led(st->client->config, name);

	return pair != NULL ? check_rows_worst(st->checks, pair->name) : NULL;
}

static void
check_cell(struct table *t, const json_t *row)
{
	char age[32];

	if (row == NULL)
		table_cell(t, "-");
	else if (check_row_is_failing(row))
		table_cell(t, "%s %s", json_get_string(row, "state", "?"),
		    check_row_age(age, sizeof(age), row));
	else
		table_cell(t, "%s", json_get_string(row, "state", "unseen"));
}

/* Adds the name's row if something is to be seen there, or with --all. */
static bool
add_row(struct table *t, const struct status *st, const struct name *name)
{
	const struct kv_entry *entry = view_find(&st->view, st->client, name->name);
	size_t served = fleet_serving(&st->fleet, entry != NULL ? entry->modify_index : 0);
	const char *note = "";
	const json_t *check = check_of(st, name->name);
	enum mark mark = check != NULL ? check_row_mark(check) : MARK_OK;

	if (served < st->fleet.alive && mark == MARK_OK)
		mark = MARK_WARNING;
	if (hold_set_find(&st->holds, name->name) != NULL)
		note = "held";
	if (is_last_known(st, name->name)) {
		note = "last known";
		if (mark == MARK_OK)
			mark = MARK_WARNING;
	}
	if (mark == MARK_OK && !option_is_set(st->cli, "all"))
		return false;
	table_row(t, mark);
	table_cell(t, "%s", name->name);
	table_cell(t, "%s", name->value);
	table_cell(t, "%s", name->addresses[0].address);
	check_cell(t, check);
	table_cell(t, "%s", note);
	table_cell(t, "%zu/%zu", served, st->fleet.alive);
	return true;
}

static void
print_names(const struct status *st)
{
	const struct name_map *map = st->view.map;
	struct table *t = table_new(st->cli);
	size_t shown_count = 0;

	table_column(t, "NAME", COLUMN_LONG);
	table_column(t, "NODE", COLUMN_LONG);
	table_column(t, "ADDRESS", COLUMN_TEXT);
	table_column(t, "CHECK", COLUMN_TEXT);
	table_column(t, "NOTE", COLUMN_TEXT);
	table_column(t, "SERVED", COLUMN_NUMBER);
	for (size_t i = 0; i < map->count; i++)
		shown_count += add_row(t, st, &map->names[i]);
	table_print(t);
	if (shown_count < map->count || map->count == 0)
		out_line(st->cli, "%s%zu%s name%s, all ok%s", shown_count > 0 ? "  ... " : "",
		    map->count - shown_count, shown_count > 0 ? " more" : "",
		    map->count - shown_count == 1 ? "" : "s", map->count > 0 ? "  (--all)" : "");
	if (map->rejected_total > 0)
		out_line(st->cli, "%zu more with a value that agents refuse", map->rejected_total);
}

static void
print_text(struct status *st)
{
	print_head(st);
	if (st->has_kv) {
		out_blank();
		print_names(st);
	}
	if (st->troubles.count > 0)
		out_blank();
	trouble_print(st->cli, &st->troubles);
}

/* --- JSON --------------------------------------------------------------------------------------- */

static json_t *
names_without_agent(const struct status *st)
{
	const struct name_map *map = st->view.map;
	json_t *rejected = json_array();

	for (size_t i = 0; st->has_kv && i < map->rejected_count; i++)
		json_array_append_new(rejected,
		    json_pack("{s:o, s:o, s:o, s:n}", "name", json_text(map->rejected[i].name),
			"value", json_text(map->rejected[i].value), "why",
			json_text(map->rejected[i].why), "kept"));
	return json_pack("{s:I, s:o, s:[]}", "total", (json_int_t)(st->has_kv ? map->count : 0),
	    "rejected", rejected, "last_known");
}

/* The shape of /v1/status, filled by the KV. */
static json_t *
without_agent(const struct status *st)
{
	json_t *consul = json_pack("{s:b, s:n, s:n, s:o}", "up", st->has_kv, "last_contact_ms",
	    "since", "error", json_text(st->has_kv ? NULL : st->kv_err.text));

	return json_pack("{s:o, s:n, s:n, s:I, s:o, s:[], s:o, s:o}", "node",
	    json_text(st->client->config->agent.node), "version", "generation", "index",
	    (json_int_t)st->view.index, "consul", consul, "outputs", "names",
	    names_without_agent(st), "problems", trouble_to_json(&st->troubles));
}

/* The agent's, and what it cannot know: what is wrong with the others. */
static json_t *
with_the_others(const struct status *st)
{
	json_t *all = json_copy(st->local), *rest = trouble_to_json(&st->troubles);
	json_t *problems = json_copy(json_object_get(st->local, "problems"));

	/* Its own were gathered first. */
	for (size_t i = json_array_size(problems); i < json_array_size(rest); i++)
		json_array_append(problems, json_array_get(rest, i));
	json_object_set_new(all, "problems", problems);
	json_decref(rest);
	return all;
}

/* --- the command ----------------------------------------------------------------------------------- */

static enum exit_code
show(struct cli *cli, struct client *client)
{
	struct status st = { .cli = cli, .client = client };
	enum exit_code code;

	gather(&st);
	code = code_of(&st);
	if (interrupt_is_pending(NULL))
		code = EXIT_STOPPED;
	else if (cli->is_json)
		out_json(st.local != NULL ? with_the_others(&st) : without_agent(&st));
	else
		print_text(&st);
	clear(&st);
	return code;
}

/* A line whenever it changed, for a log: "2026-11-21T22:37:04Z generation 8812 agents 3/3 problems 0" */
static void
log_change(struct cli *cli, struct client *client, struct str *last)
{
	struct status st = { .cli = cli, .client = client };
	struct str line = STR_INIT;
	char now[CLOCK_ISO_SIZE];

	gather(&st);
	str_addf(&line, "generation %" PRIu64 " agents %zu/%zu problems %zu", st.view.index,
	    fleet_serving(&st.fleet, st.view.index), st.fleet.count, trouble_count(&st.troubles));
	if (strcmp(str_text(&line), str_text(last)) != 0 && !interrupt_is_pending(NULL)) {
		out_line(cli, "%s %s", clock_iso(now, clock_wall_s()), str_text(&line));
		fflush(stdout);
	}
	str_clear(last);
	*last = line;
	clear(&st);
}

/* Until Ctrl-C, which is how one leaves it. */
static enum exit_code
watch(struct cli *cli, struct client *client)
{
	struct str last = STR_INIT;

	while (!interrupt_is_pending(NULL) && !ferror(stdout)) {
		if (cli->is_terminal && !cli->is_json) {
			out_clear_screen(cli);
			show(cli, client);
			fflush(stdout);
		} else if (cli->is_json) {
			show(cli, client);
			fflush(stdout);
		} else {
			log_change(cli, client, &last);
		}
		client_sleep(client, REFRESH_MS);
	}
	str_clear(&last);
	return EXIT_DONE;
}

static enum exit_code
run_status(struct cli *cli, int argc, char **argv)
{
	struct client client;
	enum exit_code code;

	(void)argc;
	(void)argv;
	if ((code = client_open(&client, cli)) == EXIT_DONE)
		code = option_is_set(cli, "watch") ? watch(cli, &client) : show(cli, &client);
	client_close(&client);
	return code;
}

const struct command cmd_status = {
	.name = "status",
	.usage = "[-w] [--all]",
	.help = "how things are: this host, the fleet, what is wrong",
	.about = "What this host serves, how many agents serve the newest generation, names that "
		 "something is wrong with, and for each problem what to type. Exit code 0 when all is "
		 "well, 1 when something is wrong, 7 when neither the agent nor Consul answers.",
	.options = {
		{ "watch", 'w', OPTION_FLAG, NULL, "again every second, until Ctrl-C" },
		{ "all", '\0', OPTION_FLAG, NULL, "every name, also those that are well" },
	},
	.run = run_status,
};
