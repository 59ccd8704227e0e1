/* cmd_help.c: help and version: the tables of command.h, printed. */
#include <stdio.h>

#include "base/json.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/wrap.h"
#include "config.h"

#define HELP_COLUMN 20 /* where the explanations begin */

/* "  --expect OLD         change it only if it is OLD now" */
static void
print_entry(const struct cli *cli, const char *what, const char *help)
{
	struct str first = STR_INIT, out = STR_INIT;
	char blanks[HELP_COLUMN + 1];

	snprintf(blanks, sizeof(blanks), "%*s", HELP_COLUMN, "");
	str_addf(&first, "  %-*s", HELP_COLUMN - 2, what);
	if (first.len > HELP_COLUMN) /* too long: the explanation begins on the next line */
		str_addf(&first, "\n%s", blanks);
	wrap_add(&out, cli->width, str_text(&first), blanks, help);
	fputs(str_text(&out), stdout);
	str_clear(&first);
	str_clear(&out);
}

static void
print_option(const struct cli *cli, const struct option_spec *o)
{
	struct str what = STR_INIT;

	if (o->letter != '\0')
		str_addf(&what, "-%c, ", o->letter);
	str_addf(&what, "--%s", o->name);
	if (o->argument != NULL)
		str_addf(&what, " %s", o->argument);
	print_entry(cli, str_text(&what), o->help);
	str_clear(&what);
}

void
help_print_command(const struct cli *cli, const struct command *c)
{
	struct str out = STR_INIT;

	str_addf(&out, "pointsman %s%s%s", c->name, c->usage[0] != '\0' ? " " : "", c->usage);
	out_paragraph(cli, 0, str_text(&out));
	str_clear(&out);
	out_blank();
	out_paragraph(cli, 0, c->about);
	if (c->options[0].name != NULL)
		out_blank();
	for (size_t i = 0; i < COMMAND_OPTIONS_MAX && c->options[i].name != NULL; i++)
		print_option(cli, &c->options[i]);
}

static json_t *
command_to_json(const struct command *c)
{
	json_t *options = json_array();

	for (size_t i = 0; i < COMMAND_OPTIONS_MAX && c->options[i].name != NULL; i++)
		json_array_append_new(
		    options, json_pack("{s:s, s:s?, s:s}", "name", c->options[i].name, "argument",
				 c->options[i].argument, "help", c->options[i].help));
	return json_pack("{s:s, s:s, s:s, s:o}", "name", c->name, "usage", c->usage, "help",
	    c->help, "options", options);
}

void
help_print_all(const struct cli *cli)
{
	struct str line = STR_INIT;

	out_line(cli, "pointsman [-c FILE] [-o json] COMMAND ...");
	out_blank();
	for (size_t i = 0; i < command_count(); i++) {
		print_entry(cli, command_at(i)->name, command_at(i)->help);
	}
	out_blank();
	print_entry(
	    cli, "-c, --config FILE", "the configuration (" PM_SYSCONF_DIR "/pointsman.conf)");
	print_entry(cli, "-o json", "print JSON");
	print_entry(cli, "-h, --help", "explain the command");
	out_blank();
	out_line(cli, "Exit codes:");
	for (int i = 0; i < EXIT_CODE_COUNT; i++) {
		str_reset(&line);
		str_addf(&line, "%d", i);
		print_entry(cli, str_text(&line), exit_code_meaning((enum exit_code)i));
	}
	str_clear(&line);
}

static enum exit_code
run_help(struct cli *cli, int argc, char **argv)
{
	const struct command *c;
	const char *near;
	int words;

	if (argc == 0 && cli->is_json) {
		json_t *all = json_array();

		for (size_t i = 0; i < command_count(); i++)
			json_array_append_new(all, command_to_json(command_at(i)));
		out_json(all);
		return EXIT_DONE;
	}
	if (argc == 0) {
		help_print_all(cli);
		return EXIT_DONE;
	}
	if ((c = command_find(argc, argv, &words, &near)) == NULL)
		return cli_unknown_command(cli, argv[0], near);
	if (cli->is_json)
		out_json(command_to_json(c));
	else
		help_print_command(cli, c);
	return EXIT_DONE;
}

const struct command cmd_help = {
	.name = "help",
	.usage = "[COMMAND]",
	.help = "lists the commands, or explains one",
	.about = "Without a COMMAND it lists all of them. The manual is pointsman(1).",
	.max_args = 2,
	.words = { WORD_COMMAND },
	.run = run_help,
};

void
version_print(const struct cli *cli)
{
	if (cli->is_json)
		out_json(json_pack("{s:s}", "version", PACKAGE_VERSION));
	else
		out_line(cli, "pointsman %s", PACKAGE_VERSION);
}

static enum exit_code
run_version(struct cli *cli, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	version_print(cli);
	return EXIT_DONE;
}

const struct command cmd_version = {
	.name = "version",
	.usage = "",
	.help = "prints the version",
	.about = "Prints the version of this program.",
	.run = run_version,
};
