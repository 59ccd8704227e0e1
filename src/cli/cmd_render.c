/*
 * cmd_render.c: render. For whoever writes a template: it asks nobody and reads no configuration.
 *
 * Without --strict it renders as the Mustache specification has it, where a name that is not in the
 * data is nothing; an agent's outputs are always strict.
 */
#include <stdio.h>

#include "base/file.h"
#include "base/json.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/report.h"
#include "feature/template.h"
#include "model/json_datum.h"
#include "model/mustache.h"

/* The data of ten thousand names have 4 MB. */
#define DATA_MAX MUSTACHE_OUTPUT_MAX

static enum exit_code
refuse(const struct cli *cli, const struct err *e, const char *why, const char *todo)
{
	struct report r = { STR_INIT, STR_INIT, STR_INIT };

	report_fact(&r, "%s", e->text);
	report_why(&r, "%s", why);
	report_do(&r, "%s", todo);
	return report_send(&r, cli, EXIT_USAGE);
}

static json_t *
load_data(const char *path, struct err *e)
{
	struct str text = STR_INIT;
	json_t *data = NULL;

	if (file_read(path, DATA_MAX, &text, e) == 0)
		data = json_parse(str_text(&text), text.len, path, e);
	str_clear(&text);
	return data;
}

static int
render(const char *path, enum escape escape, enum template_mode mode, const json_t *data,
    struct str *out, struct err *e)
{
	struct template *t = template_load(path, escape, mode, e);
	struct datum root = json_datum(data);
	int rc = -1;

	if (t != NULL)
		rc = template_render(t, &root, out, e);
	template_free(t);
	return rc;
}

/* Bytes that are no text can be rendered, but not be in a JSON document: those are shown. */
static json_t *
text_to_json(const struct str *text)
{
	json_t *j = json_stringn(str_text(text), text->len);

	return j != NULL ? j : json_printable(str_text(text), text->len);
}

static void
print(const struct cli *cli, enum escape escape, const struct str *text)
{
	if (cli->is_json)
		out_json(json_pack(
		    "{s:s, s:o}", "escape", escape_name(escape), "text", text_to_json(text)));
	else
		fwrite(str_text(text), 1, text->len, stdout);
}

static enum exit_code
run_render(struct cli *cli, int argc, char **argv)
{
	const char *template_path = option_text(cli, "template");
	const char *data_path = option_text(cli, "data");
	const char *escape_text = option_text(cli, "escape");
	bool is_strict = option_is_set(cli, "strict");
	enum escape escape = ESCAPE_NONE;
	enum exit_code code = EXIT_DONE;
	struct str text = STR_INIT;
	json_t *data;
	struct err e;

	(void)argc;
	(void)argv;
	if (template_path == NULL || data_path == NULL)
		return cli_usage_error(cli, "both --template FILE and --data FILE are needed");
	if (escape_text != NULL && escape_parse(escape_text, &escape) == -1)
		return cli_usage_error(
		    cli, "--escape is none, html, json or shell, not %s", SHOWN(escape_text));
	if ((data = load_data(data_path, &e)) == NULL)
		return refuse(cli, &e, "the data are one JSON document in a file",
		    "man 7 pointsman-template shows what an agent's data look like");
	if (render(template_path, escape, is_strict ? TEMPLATE_STRICT : TEMPLATE_SPEC, data, &text,
		&e) == 0)
		print(cli, escape, &text);
	else
		code = refuse(cli, &e, "nothing was rendered",
		    "man 7 pointsman-template has the language and its limits");
	json_decref(data);
	str_clear(&text);
	return code;
}

const struct command cmd_render = {
	.name = "render",
	.usage = "--template FILE --data FILE [--escape none|html|json|shell] [--strict]",
	.help = "renders a template with data from a JSON file",
	.about = "Prints what the Mustache template FILE makes of the JSON document in the other FILE. "
		 "Partials lie beside the template. A name that is not in the data is nothing, as "
		 "the Mustache specification has it; with --strict it is an error, as it always is "
		 "for an output of an agent. The language and the data of an agent are described in "
		 "pointsman-template(7).",
	.options = {
	    { "template", '\0', OPTION_TEXT, "FILE", "the template" },
	    { "data", '\0', OPTION_TEXT, "FILE", "the data, as JSON" },
	    { "escape", '\0', OPTION_TEXT, "HOW", "none, html, json or shell (none)" },
	    { "strict", '\0', OPTION_FLAG, NULL, "an unknown name or partial is an error" },
	},
	.run = run_render,
};
