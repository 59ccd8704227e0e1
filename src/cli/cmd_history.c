/*
 * cmd_history.c: history: what was done to the names and by whom, newest first; history OP: one operation
 * as it went, step by step; history --output: the generations of an output of this host.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/client_report.h"
#include "cli/commands.h"
#include "cli/op_text.h"
#include "cli/op_word.h"
#include "cli/output.h"
#include "cli/output_history.h"
#include "cli/report.h"
#include "operate/history.h"

/* --- one line an operation ---------------------------------------------------------------------------- */

/* "2026-11-21 03:12"; the seconds are in `history OP`. */
static void
add_when(struct str *out, const struct history_entry *entry)
{
	char iso[CLOCK_ISO_SIZE];

	if (entry->journal == NULL || !entry->is_time_known) {
		str_adds(out, "-");
		return;
	}
	clock_iso(iso, entry->journal->at_wall_ms / 1000);
	str_addf(out, "%.10s %.5s", iso, iso + 11);
}

/* "ola (uid 1004)" is ola. */
static void
add_who(struct str *out, const char *by)
{
	const char *end = strstr(by, " (");

	if (by[0] == '\0')
		str_adds(out, "-");
	else
		str_add(out, by, end != NULL ? (size_t)(end - by) : strlen(by));
}

/* How far it came: the number of the last step that was not left alone. */
static size_t
last_step(const struct journal *j)
{
	size_t last = 0;

	for (size_t i = 0; i < j->step_count; i++) {
		if (j->steps[i].state != STEP_WAITING)
			last = i + 1;
	}
	return last;
}

static void
add_result(struct str *out, const struct history_entry *entry)
{
	size_t at;

	if (entry->journal == NULL) {
		str_adds(out, "unreadable");
		return;
	}
	str_adds(out, op_result_name(entry->result));
	/* Where an interrupted one is, `history OP` says: there is no room. */
	if (entry->result != OP_DONE && entry->result != OP_INTERRUPTED &&
	    (at = last_step(entry->journal)) > 0)
		str_addf(out, " @%zu", at);
}

static enum mark
mark_of(const struct history_entry *entry)
{
	if (entry->journal == NULL)
		return MARK_WARNING;
	if (history_is_halfway(entry))
		return entry->later.is_done ? MARK_NONE : MARK_CRITICAL;
	return entry->result == OP_OUTSIDE ? MARK_WARNING : MARK_NONE;
}

enum { CELL_ID, CELL_WHEN, CELL_WHO, CELL_WHAT, CELL_REFUSED, CELL_RESULT, CELLS };

static const struct {
	const char *title;
	int most; /* columns; 0: as it is */
} cells[CELLS] = {
	[CELL_ID] = { "OP", 12 },
	[CELL_WHEN] = { "WHEN (UTC)", 0 },
	[CELL_WHO] = { "WHO", 10 },
	[CELL_WHAT] = { "WHAT", 0 },
	[CELL_REFUSED] = { "REFUSED", 0 },
	[CELL_RESULT] = { "RESULT", 0 },
};

#define WHAT_MIN 12

struct row {
	struct str cells[CELLS];
};

static void
make_row(struct row *row, const struct history_entry *entry)
{
	const struct journal *j = entry->journal;
	char refused[OP_MS_SIZE];

	op_text_cut(
	    &row->cells[CELL_ID], entry->id[0] != '\0' ? entry->id : "-", cells[CELL_ID].most);
	add_when(&row->cells[CELL_WHEN], entry);
	add_who(&row->cells[CELL_WHO], j != NULL ? j->by : "");
	if (j != NULL)
		op_text_add_what(&row->cells[CELL_WHAT], j);
	else
		str_adds(&row->cells[CELL_WHAT], entry->why);
	str_adds(&row->cells[CELL_REFUSED], op_text_ms(refused, j != NULL ? j->refused_ms : NAN));
	add_result(&row->cells[CELL_RESULT], entry);
}

/* What is left of the width for WHAT: in a pipe, too, where nothing else would cut it. */
static int
room_for_what(const struct cli *cli, const struct row *rows, size_t count)
{
	int room = cli->width - 2 - 2 * (CELLS - 1);

	for (int c = 0; c < CELLS; c++) {
		int most = (int)strlen(cells[c].title);

		for (size_t i = 0; i < count; i++) {
			int len = op_text_columns(str_text(&rows[i].cells[c]));

			if (cells[c].most > 0 && len > cells[c].most)
				len = cells[c].most;
			most = len > most ? len : most;
		}
		room -= c != CELL_WHAT ? most : 0;
	}
	return room > WHAT_MIN ? room : WHAT_MIN;
}

static void
print_rows(const struct cli *cli, const struct history *h)
{
	struct row *rows = mem_array(h->count, sizeof(*rows));
	struct table *t = table_new(cli);
	struct str shown = STR_INIT;
	int what;

	for (size_t i = 0; i < h->count; i++)
		make_row(&rows[i], &h->entries[i]);
	what = room_for_what(cli, rows, h->count);
	for (int c = 0; c < CELLS; c++)
		table_column(t, cells[c].title, COLUMN_TEXT);
	for (size_t i = 0; i < h->count; i++) {
		table_row(t, mark_of(&h->entries[i]));
		for (int c = 0; c < CELLS; c++) {
			int most = c == CELL_WHAT ? what : cells[c].most;

			str_reset(&shown);
			op_text_cut(
			    &shown, str_text(&rows[i].cells[c]), most > 0 ? most : cli->width);
			table_cell(t, "%s", str_text(&shown));
			str_clear(&rows[i].cells[c]);
		}
	}
	table_print(t);
	str_clear(&shown);
	free(rows);
}

/* What waits for somebody: the commands for it. */
static void
print_next(const struct cli *cli, const struct history_entry *entry)
{
	char *ways[OP_WAYS_MAX];
	size_t count;

	if (!history_is_waiting(entry))
		return;
	out_marked(cli, MARK_CRITICAL, "%s %s", entry->journal->id, history_how_stopped(entry));
	count = op_text_ways(entry->journal, ways);
	for (size_t i = 0; i < count; i++) {
		out_line(cli, "    %s", ways[i]);
		free(ways[i]);
	}
}

static void
print_all(const struct cli *cli, const struct history *h)
{
	print_rows(cli, h);
	if (h->count == 0)
		out_line(cli, "No operation was ever recorded here, and no edit was seen.");
	if (h->journals > HISTORY_SHOWN)
		out_line(cli, "The newest %d of %zu. Any other: pointsman history OP",
		    HISTORY_SHOWN, h->journals);
	for (size_t i = 0; i < h->count; i++)
		print_next(cli, &h->entries[i]);
}

static enum exit_code
show_all(const struct cli *cli, struct client *client)
{
	struct history h = { .entries = NULL };
	json_t *list;
	struct err e;

	if (history_load(&h, client, &e) != 0)
		return client_report_err(client, cli, &e, "reading the history");
	if (cli->is_json) {
		list = json_array();
		for (size_t i = 0; i < h.count; i++)
			json_array_append_new(list, history_entry_to_json(&h.entries[i]));
		out_json(list);
	} else {
		print_all(cli, &h);
	}
	history_clear(&h);
	return EXIT_DONE;
}

/* --- one operation -------------------------------------------------------------------------------------- */

static enum exit_code
report_unreadable(const struct cli *cli, const struct history_entry *entry)
{
	struct report r = { STR_INIT, STR_INIT, STR_INIT };

	report_fact(&r, "operation %s cannot be read: %s", entry->id, entry->why);
	report_why(&r, "it was not written by this pointsman, or somebody edited it");
	report_do(&r, "look at it: consul kv get …/ops/%s", entry->id);
	return report_send(&r, cli, EXIT_PROBLEM);
}

static void
print_one(const struct cli *cli, const struct history_entry *entry)
{
	const struct op_story story = {
		.journal = entry->journal,
		.result = entry->result,
		.error = entry->result == OP_INTERRUPTED
			     ? "whoever ran it is gone: nobody holds its lock any more"
			     : "",
		.later = &entry->later,
		.expected_ms = NAN,
		.is_record = true,
	};
	struct str out = STR_INIT;

	op_text_add_story(&out, cli, &story);
	out_text(str_text(&out));
	str_clear(&out);
}

static enum exit_code
show_one(const struct cli *cli, struct client *client, const char *text)
{
	struct history_entry entry = { .id = NULL };
	enum exit_code code;
	char id[OP_ID_SIZE];
	struct err e;

	if ((code = op_word_read(cli, text, id)) != EXIT_DONE)
		return code;
	if (history_load_one(&entry, client, id, &e) != 0)
		code = e.code == ERR_NOT_FOUND
			   ? op_word_report(cli, e.text)
			   : client_report_err(client, cli, &e, "reading the operation");
	else if (entry.journal == NULL)
		code = report_unreadable(cli, &entry);
	else if (cli->is_json)
		out_json(history_entry_to_json(&entry));
	else
		print_one(cli, &entry);
	history_entry_clear(&entry);
	return code;
}

/* --- the command ---------------------------------------------------------------------------------------- */

static enum exit_code
run_history(struct cli *cli, int argc, char **argv)
{
	struct client client;
	enum exit_code code;

	if (option_is_set(cli, "output"))
		return output_history_show(cli, argc > 0 ? argv[0] : NULL);
	if ((code = client_open(&client, cli)) == EXIT_DONE)
		code = argc > 0 ? show_one(cli, &client, argv[0]) : show_all(cli, &client);
	client_close(&client);
	return code;
}

const struct command cmd_history = {
	.name = "history",
	.usage = "[OP] | --output [NAME]",
	.help = "what was done to the names, by whom, and how it went",
	.about = "Lists operations, flips by set and unset, and changes that somebody made without "
		 "pointsman, newest first. With OP: that operation step by step. With --output: the "
		 "generations of an output kept on this host, and how many lines came and went with each.",
	.options = {
		{ "output", '\0', OPTION_FLAG, NULL, "of the outputs of this host" },
	},
	.max_args = 1,
	.words = { WORD_OUTPUT },
	.run = run_history,
};
