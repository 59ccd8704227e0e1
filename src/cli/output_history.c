/*
 * output_history.c: what an output on this host was, from the backups beside it. It needs neither Consul
 * nor the agent.
 */
#include "cli/output_history.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/backups.h"
#include "cli/cli.h"
#include "cli/line_diff.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/client_report.h"
#include "feature/record.h"
#include "model/proof.h"

struct change {
	size_t added, removed;
	struct str first; /* the first line that came, or else that went */
};

/* A comment and the proof change with every generation: they tell nothing. */
static bool
is_noise(const char *text, size_t len)
{
	return len == 0 || text[0] == '#' ||
	       memmem(text, len, PROOF_NAME, strlen(PROOF_NAME)) != NULL;
}

static void
count_line(char sign, const char *text, size_t len, void *arg)
{
	struct change *c = arg;

	if (is_noise(text, len))
		return;
	if (c->added + c->removed == 0 || (sign == '+' && c->added == 0)) {
		str_reset(&c->first);
		str_addc(&c->first, sign);
		add_shown_line(&c->first, text, len < STR_SHOW_MAX ? len : STR_SHOW_MAX);
	}
	if (sign == '+')
		c->added++;
	else
		c->removed++;
}

/* What changed from one file to another; a file that cannot be read counts as empty. */
static void
compare_files(struct change *c, const char *from, const char *to)
{
	struct str a = STR_INIT, b = STR_INIT;

	if (from != NULL)
		file_read(from, BACKUP_SIZE_MAX, &a, NULL);
	file_read(to, BACKUP_SIZE_MAX, &b, NULL);
	line_diff(str_text(&a), a.len, str_text(&b), b.len, count_line, c);
	str_clear(&a);
	str_clear(&b);
}

/* One line of the history: newest first, so "from" is the next below. */
struct row {
	const char *output;
	const char *path;
	const char *from; /* NULL: the oldest that is kept */
	uint64_t generation;
	int64_t written_s;
};

static json_t *
row_to_json(const struct row *row, const struct change *c, const char *when)
{
	return json_pack("{s:o, s:o, s:s, s:I, s:I, s:I, s:s}", "output", json_text(row->output),
	    "path", json_text(row->path), "written", when, "generation",
	    (json_int_t)row->generation, "added", (json_int_t)c->added, "removed",
	    (json_int_t)c->removed, "first", str_text(&c->first));
}

static void
show_row(struct table *t, json_t *list, const struct row *row)
{
	struct change c = { .first = STR_INIT };
	char when[CLOCK_ISO_SIZE];

	clock_iso(when, row->written_s);
	if (row->from != NULL)
		compare_files(&c, row->from, row->path);
	if (list != NULL) {
		json_array_append_new(list, row_to_json(row, &c, when));
	} else {
		table_row(t, MARK_NONE);
		table_cell(t, "%s", SHOWN(row->output));
		table_cell(t, "%s", when);
		table_cell(t, "%" PRIu64, row->generation);
		if (row->from != NULL)
			table_cell(t, "+%zu -%zu", c.added, c.removed);
		else
			table_cell(t, "%s", "");
		table_cell(t, "%s", str_text(&c.first));
	}
	str_clear(&c.first);
}

/* The output as it is now; without a file there is nothing to show. */
static void
show_now(struct table *t, json_t *list, const struct config *config, const struct config_output *o,
    const char *from)
{
	char *path = record_path(config->agent.state_dir, o->name);
	struct record record;
	struct row row = { .output = o->name, .path = o->path, .from = from };
	struct stat st;

	record_load(path, &record, NULL);
	free(path);
	if (stat(o->path, &st) != 0)
		return;
	row.generation = record.generation;
	row.written_s = (int64_t)st.st_mtime;
	show_row(t, list, &row);
}

static enum exit_code
show_output(const struct cli *cli, struct table *t, json_t *list, const struct config *config,
    const struct config_output *o)
{
	struct backups b;
	struct err e;

	if (backups_load(&b, o->path, &e) != 0)
		return report_err(cli, &e, "reading the backups");
	show_now(t, list, config, o, b.count > 0 ? b.list[b.count - 1].path : NULL);
	for (size_t i = b.count; i > 0; i--) {
		const struct backup *one = &b.list[i - 1];
		struct row row = { o->name, one->path, i > 1 ? b.list[i - 2].path : NULL,
			one->generation, one->written_s };

		show_row(t, list, &row);
	}
	backups_clear(&b);
	return EXIT_DONE;
}

static enum exit_code
show_all(const struct cli *cli, const struct config *c, const char *wanted)
{
	struct report r = { STR_INIT, STR_INIT, STR_INIT };
	struct table *t = table_new(cli);
	json_t *list = cli->is_json ? json_array() : NULL;
	enum exit_code code = EXIT_DONE;
	size_t found = 0;

	table_column(t, "OUTPUT", COLUMN_LONG);
	table_column(t, "WRITTEN", COLUMN_TEXT);
	table_column(t, "GENERATION", COLUMN_NUMBER);
	table_column(t, "LINES", COLUMN_TEXT);
	table_column(t, "FIRST CHANGE", COLUMN_LONG);
	for (size_t i = 0; i < c->output_count && code == EXIT_DONE; i++) {
		if (wanted != NULL && strcmp(wanted, c->outputs[i].name) != 0)
			continue;
		code = show_output(cli, t, list, c, &c->outputs[i]);
		found++;
	}
	if (code != EXIT_DONE) {
		json_decref(list);
		table_free(t);
		return code;
	}
	table_print(t);
	if (list != NULL)
		out_json(list);
	if (wanted == NULL || found > 0)
		return EXIT_DONE;
	report_fact(&r, "there is no output %s", SHOWN(wanted));
	report_do(&r, "pointsman config check    lists them");
	return report_send(&r, cli, EXIT_USAGE);
}

enum exit_code
output_history_show(const struct cli *cli, const char *wanted)
{
	struct config *c;
	enum exit_code code;

	if ((code = client_load_config(cli, &c)) == EXIT_DONE)
		code = show_all(cli, c, wanted);
	config_free(c);
	return code;
}
