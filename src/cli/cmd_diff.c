/*
 * cmd_diff.c: two questions with one answer in the form of diff(1): what the KV wants against what the
 * agent of this host serves, and one kept generation of an output against another.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/backups.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/line_diff.h"
#include "cli/local.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/client_report.h"
#include "operate/view.h"

/* One side: what it is called, and its text. */
struct side {
	char *label;
	struct str text;
};

struct lines_out {
	json_t *list; /* NULL: printed */
};

static void
show_line(char sign, const char *text, size_t len, void *arg)
{
	struct lines_out *out = arg;
	struct str line = STR_INIT;

	str_addc(&line, sign);
	add_shown_line(&line, text, len);
	if (out->list != NULL)
		json_array_append_new(out->list, json_string(str_text(&line)));
	str_addc(&line, '\n');
	if (out->list == NULL)
		out_text(str_text(&line));
	str_clear(&line);
}

/* 0 when they are the same, 1 when not: as diff(1), and as the exit codes have it. */
static enum exit_code
show(const struct cli *cli, const struct side *a, const struct side *b)
{
	struct lines_out out = { .list = cli->is_json ? json_array() : NULL };
	bool is_same = a->text.len == b->text.len &&
		       memcmp(str_text(&a->text), str_text(&b->text), a->text.len) == 0;

	if (!is_same && !cli->is_json) {
		out_line(cli, "--- %s", a->label);
		out_line(cli, "+++ %s", b->label);
	}
	line_diff(
	    str_text(&a->text), a->text.len, str_text(&b->text), b->text.len, show_line, &out);
	if (cli->is_json)
		out_json(json_pack("{s:s, s:s, s:b, s:o}", "from", a->label, "to", b->label, "same",
		    is_same, "lines", out.list));
	else if (is_same)
		out_line(cli, "%s and %s are the same", a->label, b->label);
	return is_same ? EXIT_DONE : EXIT_PROBLEM;
}

static void
clear_side(struct side *s)
{
	free(s->label);
	str_clear(&s->text);
}

/* --- the KV against what is served ----------------------------------------------------------------- */

static void
add_wanted(struct str *out, const struct name_map *map)
{
	for (size_t i = 0; i < map->count; i++) {
		const struct name *name = &map->names[i];

		for (uint32_t k = 0; k < name->count; k++)
			str_addf(out, "%s  %s\n", name->addresses[k].address, name->name);
	}
}

/* From /v1/names: a list of names with their addresses, in the order of their names. */
static void
add_served(struct str *out, const json_t *names)
{
	const json_t *name, *address;
	size_t i, k;

	json_array_foreach (names, i, name) {
		const char *text = json_get_string(name, "name", "");

		json_array_foreach (json_object_get(name, "addresses"), k, address)
			str_addf(out, "%s  %s\n", SHOWN(json_get_string(address, "address", "")),
			    SHOWN(text));
	}
}

static enum exit_code
report_no_agent(const struct cli *cli, const struct err *e)
{
	struct report r = { STR_INIT, STR_INIT, STR_INIT };

	report_fact(&r, "the agent of this host does not answer: %s", e->text);
	report_why(&r, "only it knows what is served here");
	report_do(&r, "systemctl status pointsmand; its address is agent.http");
	return report_send(&r, cli, EXIT_UNREACHABLE);
}

static enum exit_code
diff_served(const struct cli *cli, struct client *client)
{
	struct side served = { NULL, STR_INIT }, wanted = { NULL, STR_INIT };
	struct view v = { 0 };
	json_t *names = NULL, *status = NULL;
	enum exit_code code;
	struct err e;

	if (view_load(&v, client, &e) != 0) {
		code = client_report_err(client, cli, &e, "reading the names");
		goto out;
	}
	if ((names = local_fetch(client, "/v1/names", &e)) == NULL ||
	    (status = local_fetch(client, "/v1/status", &e)) == NULL) {
		code = report_no_agent(cli, &e);
		goto out;
	}
	served.label = mem_printf("served %" PRId64, json_get_int(status, "generation", 0));
	wanted.label = mem_printf("wanted %" PRIu64, v.index);
	add_served(&served.text, names);
	add_wanted(&wanted.text, v.map);
	code = show(cli, &served, &wanted);
out:
	json_decref(names);
	json_decref(status);
	view_clear(&v);
	clear_side(&served);
	clear_side(&wanted);
	return code;
}

/* --- generation against generation -------------------------------------------------------------------- */

static const struct config_output *
find_output(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->output_count; i++) {
		if (name == NULL || strcmp(c->outputs[i].name, name) == 0)
			return &c->outputs[i];
	}
	return NULL;
}

/* text is a generation; NULL: the output as it is now. */
static enum exit_code
load_side(const struct cli *cli, struct side *side, const struct config_output *o,
    const struct backups *b, const char *text)
{
	struct report r = { STR_INIT, STR_INIT, STR_INIT };
	const struct backup *backup = NULL;
	uint64_t generation;
	struct err e;

	if (text != NULL) {
		if (str_parse_u64(text, &generation) != 0)
			return cli_usage_error(cli, "%s is no generation", SHOWN(text));
		if ((backup = backups_find(b, generation)) == NULL) {
			report_fact(&r, "generation %" PRIu64 " of output %s is not kept here",
			    generation, SHOWN(o->name));
			report_why(
			    &r, "the last %" PRIu64 " are (backups of the output)", o->backups);
			report_do(&r, "pointsman history --output %s", SHOWN(o->name));
			return report_send(&r, cli, EXIT_REFUSED);
		}
		side->label = mem_printf("%s %" PRIu64, SHOWN(o->name), generation);
	} else {
		side->label = mem_printf("%s now", SHOWN(o->name));
	}
	if (file_read(backup != NULL ? backup->path : o->path, BACKUP_SIZE_MAX, &side->text, &e) !=
	    0)
		return report_err(cli, &e, "reading the output");
	return EXIT_DONE;
}

static enum exit_code
diff_generations(const struct cli *cli, const struct config *c, int argc, char **argv)
{
	const struct config_output *o = find_output(c, option_text(cli, "output"));
	struct side from = { NULL, STR_INIT }, to = { NULL, STR_INIT };
	struct backups b;
	enum exit_code code;
	struct err e;

	if (o == NULL)
		return cli_usage_error(cli, "there is no such output");
	if (backups_load(&b, o->path, &e) != 0)
		return report_err(cli, &e, "reading the backups");
	if ((code = load_side(cli, &from, o, &b, argv[0])) == EXIT_DONE &&
	    (code = load_side(cli, &to, o, &b, argc == 2 ? argv[1] : NULL)) == EXIT_DONE)
		code = show(cli, &from, &to);
	clear_side(&from);
	clear_side(&to);
	backups_clear(&b);
	return code;
}

static enum exit_code
run_diff(struct cli *cli, int argc, char **argv)
{
	struct client client;
	enum exit_code code;

	if ((code = client_open(&client, cli)) == EXIT_DONE)
		code = argc > 0 ? diff_generations(cli, client.config, argc, argv)
				: diff_served(cli, &client);
	client_close(&client);
	return code;
}

const struct command cmd_diff = {
	.name = "diff",
	.usage = "[FROM [TO]] [--output NAME]",
	.help = "what is served here against the KV, or generations",
	.about = "Without arguments: the lines by which the agent of this host differs from the KV. With "
		 "FROM, a generation that history --output lists: how the output differed then from "
		 "TO, or from now. Exit code 0 when they are the same, 1 when not.",
	.options = {
		{ "output", '\0', OPTION_TEXT, "NAME", "which output (the first of the configuration)" },
	},
	.max_args = 2,
	.run = run_diff,
};
