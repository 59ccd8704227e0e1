/*
 * check_explain.c: the agent of this host remembers most (feature/check_history.h), if it is a vantage;
 * else the KV has what each vantage said last. The bound comes from the configuration, so that "why is
 * this not failing yet" has an answer.
 */
#include "cli/check_explain.h"

#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "cli/check_rows.h"
#include "cli/cli.h"
#include "cli/client_report.h"
#include "operate/health_view.h"
#include "cli/local.h"
#include "cli/output.h"
#include "cli/report.h"
#include "feature/check_report.h"

#define FAILURES_SHOWN 5

/* --- where it comes from --------------------------------------------------------------------------- */

static json_t *
from_agent(struct client *client, const char *name)
{
	json_t *rows = local_fetch(client, "/v1/checks", NULL), *found = NULL;
	const json_t *row;
	size_t i;

	json_array_foreach (rows, i, row) {
		if (strcmp(json_get_string(row, "name", ""), name) == 0)
			found = json_incref((json_t *)row);
	}
	json_decref(rows);
	return found;
}

static json_t *
from_kv(struct client *client, const char *name, const struct check_spec *s, struct err *e)
{
	struct health_board *board = health_view_load(client, e);
	json_t *row = NULL;

	if (board == NULL)
		return NULL;
	if (s != NULL || health_board_opinion(board, name, 0) != NULL)
		row = check_report(board, name, s, NULL, NULL);
	else
		err_set(e, ERR_NOT_FOUND, "no vantage tells of a check %s", name);
	health_board_free(board);
	return row;
}

/* --- text ------------------------------------------------------------------------------------------ */

static void
print_head(const struct cli *cli, const json_t *row, const struct check_spec *s)
{
	struct str bound = STR_INIT;

	out_line(cli, "%s  %s  %s", SHOWN(json_get_string(row, "name", "?")),
	    SHOWN(json_get_string(row, "type", "-")),
	    SHOWN(json_get_string(row, "address", json_get_string(row, "target", ""))));
	if (s == NULL)
		return;
	check_timing_words(&bound, &s->timing);
	out_line(cli, "  %s", str_text(&bound));
	str_clear(&bound);
}

static void
print_verdict(const struct cli *cli, const json_t *row)
{
	const json_t *mute = json_object_get(row, "muted");
	char age[32];

	if (json_get_string(row, "state", NULL) == NULL)
		out_marked(cli, MARK_WARNING, "nobody can tell its state: %s looks at it",
		    SHOWN(json_get_string(row, "verdict", "no vantage")));
	else
		out_marked(cli, check_row_mark(row), "%s for %s, says %s: %s",
		    json_get_string(row, "state", "?"), check_row_age(age, sizeof(age), row),
		    SHOWN(json_get_string(row, "verdict", "nobody")),
		    SHOWN_LONG(json_get_string(row, "output", "-")));
	if (json_get_bool(row, "flapping", false))
		out_marked(cli, MARK_WARNING, "flapping: its results change all the time");
	if (json_is_object(mute))
		out_marked(cli, MARK_WARNING, "muted until %s by %s: %s",
		    SHOWN(json_get_string(mute, "until", "?")),
		    SHOWN(json_get_string(mute, "who", "?")),
		    SHOWN(json_get_string(mute, "why", "?")));
}

static void
print_failures(const struct cli *cli, const json_t *failures)
{
	const json_t *f;
	size_t i;

	json_array_foreach (failures, i, f) {
		if (i == FAILURES_SHOWN)
			break;
		out_line(cli, "  bad %s  %s after %.1f ms%s: %s",
		    SHOWN(json_get_string(f, "at", "?")), SHOWN(json_get_string(f, "class", "?")),
		    json_number_value(json_object_get(f, "took_ms")),
		    json_get_bool(f, "alone", false) ? ", no other target with it" : "",
		    SHOWN_LONG(json_get_string(f, "output", "")));
	}
}

/* What only a vantage has: how the last minute went. */
static void
print_memory(const struct cli *cli, const json_t *row)
{
	const json_t *streak = json_object_get(row, "streak");
	const json_t *p99 = json_object_get(row, "p99_ms");

	if (!json_is_object(streak)) {
		out_line(cli, "  the agent of this host is no vantage for it: no history here");
		return;
	}
	out_line(cli, "  last 60 s, newest right  %s", SHOWN(json_get_string(row, "strip", "")));
	out_line(cli, "                           . ok  w warning  ! bad  - not believed");
	out_line(cli,
	    "  in a row %" PRId64 " bad (failing from %" PRId64 "), %" PRId64
	    " good (passing from %" PRId64 ")",
	    json_get_int(streak, "bad", 0), json_get_int(streak, "failures", 0),
	    json_get_int(streak, "good", 0), json_get_int(streak, "successes", 0));
	if (json_is_number(p99))
		out_line(cli, "  took %.1f ms, p99 of 10 min %.1f ms",
		    json_number_value(json_object_get(row, "took_ms")), json_number_value(p99));
	print_failures(cli, json_object_get(row, "failures"));
}

static void
print_vantages(const struct cli *cli, const json_t *vantages)
{
	struct table *t = table_new(cli);
	const json_t *v;
	char age[32];
	size_t i;

	table_column(t, "VANTAGE", COLUMN_LONG);
	table_column(t, "SIGHT", COLUMN_TEXT);
	table_column(t, "STATE", COLUMN_TEXT);
	table_column(t, "CLASS", COLUMN_LONG);
	table_column(t, "FOR", COLUMN_NUMBER);
	json_array_foreach (vantages, i, v) {
		table_row(t, check_row_mark(v));
		table_cell(t, "%s", SHOWN(json_get_string(v, "vantage", "?")));
		table_cell(t, "%s",
		    json_get_bool(v, "live", false) ? json_get_string(v, "sight", "?")
						    : "not alive");
		table_cell(t, "%s", json_get_string(v, "state", "?"));
		table_cell(t, "%s", json_get_string(v, "class", "?"));
		table_cell(t, "%s", check_row_age(age, sizeof(age), v));
	}
	table_print(t);
}

enum exit_code
check_explain(
    const struct cli *cli, struct client *client, const char *name, const struct check_spec *s)
{
	json_t *row = from_agent(client, name);
	enum exit_code code;
	struct err e;

	if (row == NULL && (row = from_kv(client, name, s, &e)) == NULL)
		return client_report_err(client, cli, &e, "reading the checks");
	code = check_row_is_failing(row) ? EXIT_PROBLEM : EXIT_DONE;
	if (cli->is_json) {
		out_json(row);
		return code;
	}
	print_head(cli, row, s);
	print_verdict(cli, row);
	print_memory(cli, row);
	print_vantages(cli, json_object_get(row, "vantages"));
	json_decref(row);
	return code;
}
