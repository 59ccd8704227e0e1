/*
 * cmd_checks.c: all checks and what the vantages say of them together, the worst first. It comes from
 * the KV; where that is gone, from the agent of this host, if it is a vantage.
 */
#include "base/json.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/client_report.h"
#include "cli/commands.h"
#include "cli/check_rows.h"
#include "operate/health_view.h"
#include "cli/local.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/trouble.h"
#include "feature/check_report.h"

struct checks {
	struct cli *cli;
	struct client client;
	json_t *rows;
	const char *source; /* NULL: the KV */
};

static void
add_row(struct table *t, const json_t *row)
{
	char age[32];

	table_row(t, check_row_mark(row));
	table_cell(t, "%s", SHOWN(json_get_string(row, "name", "?")));
	table_cell(t, "%s", SHOWN(json_get_string(row, "type", "-")));
	table_cell(t, "%s", json_get_string(row, "state", "unseen"));
	table_cell(t, "%s", json_get_string(row, "class", "-"));
	table_cell(t, "%s", check_row_age(age, sizeof(age), row));
	table_cell(t, "%s%s", check_row_is_muted(row) ? "muted, " : "",
	    SHOWN(json_get_string(row, "verdict", "-")));
}

static void
print_text(const struct checks *c)
{
	static const enum mark order[] = { MARK_CRITICAL, MARK_WARNING, MARK_OK };
	struct table *t = table_new(c->cli);
	struct troubles troubles = { 0 };
	const json_t *row;
	size_t i;

	if (c->source != NULL)
		out_marked(c->cli, MARK_WARNING, "%s", c->source);
	table_column(t, "CHECK", COLUMN_LONG);
	table_column(t, "TYPE", COLUMN_TEXT);
	table_column(t, "STATE", COLUMN_TEXT);
	table_column(t, "CLASS", COLUMN_LONG);
	table_column(t, "FOR", COLUMN_NUMBER);
	table_column(t, "SAID BY", COLUMN_LONG);
	for (size_t k = 0; k < MEM_COUNT(order); k++) {
		json_array_foreach (c->rows, i, row) {
			if (check_row_mark(row) == order[k])
				add_row(t, row);
		}
	}
	table_print(t);
	check_rows_add_troubles(&troubles, c->rows);
	if (troubles.count > 0)
		out_blank();
	trouble_print(c->cli, &troubles);
	trouble_clear(&troubles);
	if (json_array_size(c->rows) == 0)
		out_line(
		    c->cli, "There are no checks: man pointsman.conf, \"check\" and \"pair\".");
}

/* --- the command ----------------------------------------------------------------------------------- */

/* From the KV, else from the agent of this host. */
static int
load(struct checks *c, struct err *e)
{
	const struct config *config = c->client.config;
	struct health_board *board = health_view_load(&c->client, e);

	if (board != NULL) {
		c->rows = check_report_all(board, config->checks, config->check_count);
		health_board_free(board);
		return 0;
	}
	if (e->code == ERR_CANCELED ||
	    (c->rows = local_fetch(&c->client, "/v1/checks", NULL)) == NULL)
		return -1;
	c->source = "the KV cannot be read: this is what the agent of this host sees";
	return 0;
}

static enum exit_code
run_checks(struct cli *cli, int argc, char **argv)
{
	struct checks c = { .cli = cli };
	enum exit_code code;
	struct err e;

	(void)argc;
	(void)argv;
	if ((code = client_open(&c.client, cli)) != EXIT_DONE)
		goto out;
	if (load(&c, &e) != 0) {
		code = client_report_err(&c.client, cli, &e, "reading the checks");
		goto out;
	}
	code = check_rows_are_well(c.rows) ? EXIT_DONE : EXIT_PROBLEM;
	if (cli->is_json)
		out_json(json_incref(c.rows));
	else
		print_text(&c);
out:
	json_decref(c.rows);
	client_close(&c.client);
	return code;
}

const struct command cmd_checks = {
	.name = "checks",
	.usage = "",
	.help = "lists the checks and what the vantages say of them",
	.about =
	    "One line a check, the worst first: its state by the majority of the vantages that are "
	    "alive and trust their eyes, the class of what they found, since when. The exit code "
	    "is 1 when a check is failing that is not muted.",
	.run = run_checks,
};
