/*
 * cmd_check.c: check NAME, one look from this host and now. It needs no agent and, where the target is
 * an address, no KV; where the KV is gone the map that the agent of this host last kept will do.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "cli/check_explain.h"
#include "operate/check_here.h"
#include "cli/cli.h"
#include "cli/client_report.h"
#include "cli/commands.h"
#include "cli/near.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/server_line.h"
#include "operate/view.h"
#include "feature/health.h"
#include "feature/store_disk.h"
#include "model/check_spec.h"
#include "model/perfdata.h"
#include "model/target.h"

struct checking {
	struct cli *cli;
	struct client client;
	const struct check_spec *spec;
	struct view view;
	struct name_map *kept; /* the agent's own, when the KV did not answer */
	struct err kv_err;
	struct check_here here;
};

static enum exit_code
report_unknown(const struct checking *c, const char *name)
{
	const struct config *config = c->client.config;
	struct report r = { STR_INIT, STR_INIT, STR_INIT };
	struct near near;

	near_init(&near, name);
	for (size_t i = 0; i < config->check_count; i++)
		near_offer(&near, config->checks[i].name);
	report_fact(&r, "there is no check %s", SHOWN(name));
	report_why(&r, "it is in no check and no pair block of %s",
	    config->path != NULL ? SHOWN(config->path) : "any configuration");
	if (near.best != NULL)
		report_do(&r, "pointsman check %s", near.best);
	report_do(&r, "all that there are: pointsman config check");
	return report_send(&r, c->cli, EXIT_USAGE);
}

static const struct check_spec *
find_spec(const struct checking *c, const char *name)
{
	const struct config *config = c->client.config;

	return check_spec_find(config->checks, config->check_count, name);
}

/* The names, unless the target is an address: then nobody has to be asked. */
static const struct name_map *
load_map(struct checking *c)
{
	struct target t;
	char *path;
	bool ignored;

	if (c->spec->target == NULL ||
	    (c->spec->pair == NULL && target_parse(c->spec->target, &t) == 0 && t.is_address))
		return NULL;
	if (view_load(&c->view, &c->client, &c->kv_err) == 0)
		return c->view.map;
	path = store_disk_path(c->client.config->agent.state_dir);
	c->kept = store_disk_load(path, &ignored, NULL);
	free(path);
	return c->kept;
}

static enum mark mark_of(enum check_class class)
{
	static const enum mark marks[] = {
		[LEVEL_OK] = MARK_OK,
		[LEVEL_WARNING] = MARK_WARNING,
		[LEVEL_CRITICAL] = MARK_CRITICAL,
		[LEVEL_UNKNOWN] = MARK_WARNING,
	};

	return marks[check_class_level(class)];
}

/* --- the text -------------------------------------------------------------------------------------- */

static const char *
role_words(enum check_role role)
{
	static const char *const words[] = {
		[CHECK_ROLE_ANY] = "",
		[CHECK_ROLE_ACTIVE] = "  must be writable",
		[CHECK_ROLE_STANDBY] = "  must be read-only",
	};

	return words[role];
}

/* Short times in milliseconds: nobody reads 7e-05s. */
static void
number_cell(struct table *t, const struct check_number *n)
{
	if (strcmp(n->unit, "s") == 0 && n->value < 1)
		table_cell(t, "%.3gms", n->value * 1000);
	else
		table_cell(t, "%.6g%s", n->value, n->unit);
}

static void
print_numbers(const struct cli *cli, const struct check_result *r)
{
	struct table *t = table_new(cli);

	table_column(t, "NUMBER", COLUMN_LONG);
	table_column(t, "VALUE", COLUMN_NUMBER);
	table_column(t, "WARNING", COLUMN_TEXT);
	table_column(t, "CRITICAL", COLUMN_TEXT);
	for (size_t i = 0; i < r->number_count; i++) {
		const struct check_number *n = &r->numbers[i];

		table_row(t, MARK_NONE);
		table_cell(t, "%s", n->label);
		number_cell(t, n);
		table_cell(t, "%s", n->warning.is_set ? n->warning.text : "-");
		table_cell(t, "%s", n->critical.is_set ? n->critical.text : "-");
	}
	table_print(t);
}

static void
print_text(const struct checking *c)
{
	const struct check_result *r = &c->here.result;
	struct str line = STR_INIT;

	if (c->kv_err.code != ERR_NONE)
		out_marked(c->cli, MARK_WARNING,
		    "%s, so the names are those that the agent of this "
		    "host kept",
		    c->kv_err.text);
	out_line(c->cli, "%s  %s  %s%s", c->spec->name, c->spec->type, c->here.address,
	    role_words(c->here.role));
	out_marked(c->cli, mark_of(r->class), "%s: %s  (%.1f ms)", check_class_name(r->class),
	    r->text, (double)r->took_us / 1000);
	if (r->view != NULL) {
		server_line_add(&line, r->view);
		out_paragraph(c->cli, 2, str_text(&line));
	}
	if (r->number_count > 0)
		print_numbers(c->cli, r);
	str_clear(&line);
}

static void
print_json(const struct checking *c)
{
	const struct check_result *r = &c->here.result;

	out_json(json_pack("{s:s, s:s, s:o, s:o, s:s, s:s, s:o, s:f, s:o}", "name", c->spec->name,
	    "type", c->spec->type, "target", json_text(c->spec->target), "address",
	    json_text(c->here.address[0] != '\0' ? c->here.address : NULL), "class",
	    check_class_name(r->class), "level", check_level_name(check_class_level(r->class)),
	    "output", json_text(r->text), "took_ms", (double)r->took_us / 1000, "numbers",
	    health_numbers(r->numbers, r->number_count)));
}

/* --- as a plugin ----------------------------------------------------------------------------------- */

/* For Nagios and Consul's script checks: one line, and the level is the exit code. */
static enum exit_code
say_as_plugin(const char *name, const struct check_result *r)
{
	struct str line = STR_INIT;

	perfdata_write(r, name, &line);
	str_addc(&line, '\n');
	out_text(str_text(&line));
	str_clear(&line);
	return (enum exit_code)check_class_level(r->class);
}

/* Whatever keeps it from looking is what those programs call unknown. */
static enum exit_code
run_as_plugin(struct checking *c, const char *name)
{
	struct check_result *r = &c->here.result;
	struct err e = { .code = ERR_NONE };

	if (c->client.kv == NULL)
		check_result_set(
		    r, CHECK_UNKNOWN, "the configuration cannot be used: pointsman config check");
	else if ((c->spec = find_spec(c, name)) == NULL)
		check_result_set(r, CHECK_UNKNOWN, "there is no such check in the configuration");
	else if (check_here_run(&c->here, &c->client, c->spec, load_map(c), &e) != 0)
		check_result_set(r, CHECK_UNKNOWN, "%s", e.text);
	return say_as_plugin(name, r);
}

/* --- the command ----------------------------------------------------------------------------------- */

static enum exit_code
look(struct checking *c, const char *name)
{
	struct err e;

	c->spec = find_spec(c, name);
	if (option_is_set(c->cli, "explain"))
		return check_explain(c->cli, &c->client, name, c->spec);
	if (c->spec == NULL)
		return report_unknown(c, name);
	if (check_here_run(&c->here, &c->client, c->spec, load_map(c), &e) != 0)
		return client_report_err(&c->client, c->cli, &e, "checking");
	if (c->cli->is_json)
		print_json(c);
	else
		print_text(c);
	return check_class_level(c->here.result.class) == LEVEL_OK ? EXIT_DONE : EXIT_PROBLEM;
}

static enum exit_code
run_check(struct cli *cli, int argc, char **argv)
{
	struct checking c = { .cli = cli };
	enum exit_code code;

	(void)argc;
	if (option_is_set(cli, "plugin")) {
		client_open_quietly(&c.client, cli);
		code = run_as_plugin(&c, argv[0]);
	} else if ((code = client_open(&c.client, cli)) == EXIT_DONE) {
		code = look(&c, argv[0]);
	}
	check_here_clear(&c.here);
	name_map_unref(c.kept);
	view_clear(&c.view);
	client_close(&c.client);
	return code;
}

const struct command cmd_check = {
	.name = "check",
	.usage = "NAME [--explain | --plugin]",
	.help = "runs a check from this host, now; or explains it",
	.about = "One look by the same code as in the agents, whatever they think. The exit code "
		 "is 0 when all "
		 "is well and 1 when something is wrong.",
	.options = {
		{ "explain", '\0', OPTION_FLAG, NULL, "what vantages remember: history, streaks, bound" },
		{ "plugin", '\0', OPTION_FLAG, NULL, "one line and exit code for Nagios and Consul" },
	},
	.min_args = 1,
	.max_args = 1,
	.words = { WORD_CHECK },
	.run = run_check,
};
