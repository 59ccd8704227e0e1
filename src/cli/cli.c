/*
 * cli.c: the command line. getopt_long(3) does the reading, with its tables made from the command's
 * own, so that options may stand anywhere and -o json means the same everywhere.
 */
#include "cli/cli.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/report.h"

#define WIDTH_MIN 40 /* narrower, every line is a heap of words */

/* What getopt_long() answers for the command's option i: above every character. */
#define VALUE_FIRST 256

static const struct option global_options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
};
#define GLOBAL_COUNT MEM_COUNT(global_options)
/* ':' first: a missing argument is told from an unknown option, and getopt prints nothing. */
#define GLOBAL_LETTERS ":c:ho:V"

void
cli_init(struct cli *cli)
{
	const char *term = getenv("TERM"), *no_colour = getenv("NO_COLOR");
	struct winsize size;

	memset(cli, 0, sizeof(*cli));
	cli->started_us = clock_mono_us();
	cli->width = CLI_WIDTH_MAX;
	cli->is_asking = isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
	if (!isatty(STDOUT_FILENO))
		return;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= WIDTH_MIN &&
	    size.ws_col < CLI_WIDTH_MAX)
		cli->width = size.ws_col;
	cli->is_terminal = term != NULL && term[0] != '\0' && strcmp(term, "dumb") != 0;
	/* no-color.org: present and not empty. */
	cli->has_colour = cli->is_terminal && (no_colour == NULL || no_colour[0] == '\0');
}

/* --- usage errors --------------------------------------------------------------------------- */

enum exit_code
cli_usage_error(const struct cli *cli, const char *fmt, ...)
{
	struct report r = { STR_INIT, STR_INIT, STR_INIT };
	const struct command *c = cli->command;
	char *fact;
	va_list ap;

	va_start(ap, fmt);
	fact = mem_vprintf(fmt, ap);
	va_end(ap);
	if (c == NULL) {
		report_fact(&r, "%s", fact);
		report_do(&r, "usage: pointsman [-c FILE] [-o json] COMMAND ...");
		report_do(&r, "pointsman help    lists the commands");
	} else {
		report_fact(&r, "%s: %s", c->name, fact);
		report_do(&r, "usage: pointsman %s%s%s", c->name, c->usage[0] != '\0' ? " " : "",
		    c->usage);
	}
	free(fact);
	return report_send(&r, cli, EXIT_USAGE);
}

/* The word that getopt_long() stumbled over. */
static enum exit_code
bad_option(const struct cli *cli, int answer, char **argv)
{
	char letter[2] = { (char)optopt, '\0' };
	/* A letter in a bunch ("-wx") has no word of its own: optopt names it. */
	const char *word = optopt > 0 && optopt < VALUE_FIRST ? letter : argv[optind - 1];

	if (answer == ':')
		return cli_usage_error(cli, "option %s needs an argument", SHOWN(argv[optind - 1]));
	if (optopt >= VALUE_FIRST)
		return cli_usage_error(cli, "option %s takes no argument", SHOWN(word));
	return cli_usage_error(
	    cli, "there is no option %s%s", word == letter ? "-" : "", SHOWN(word));
}

/* --- options ------------------------------------------------------------------------------------- */

static size_t
option_count(const struct command *c)
{
	size_t n = 0;

	while (n < COMMAND_OPTIONS_MAX && c->options[n].name != NULL)
		n++;
	return n;
}

/* What the options of every command mean; -1 when it is another's. */
static int
take_global(struct cli *cli, int answer, enum exit_code *out)
{
	*out = EXIT_DONE;
	switch (answer) {
	case 'c':
		cli->config_path = optarg;
		return 0;
	case 'h':
		cli->is_help = true;
		return 0;
	case 'V':
		cli->is_version = true;
		return 0;
	case 'o':
		if (strcmp(optarg, "json") == 0 || strcmp(optarg, "text") == 0)
			cli->is_json = strcmp(optarg, "json") == 0;
		else
			*out = cli_usage_error(cli, "-o %s: it is json or text", SHOWN(optarg));
		return 0;
	default:
		return -1;
	}
}

static enum exit_code
take_own(struct cli *cli, int answer)
{
	const struct command *c = cli->command;
	const struct option_spec *o;
	int64_t ms;
	size_t i = 0;

	while (
	    answer < VALUE_FIRST ? c->options[i].letter != answer : (int)i != answer - VALUE_FIRST)
		i++;
	o = &c->options[i];
	if (o->kind == OPTION_DURATION && str_parse_duration(optarg, &ms) != 0)
		return cli_usage_error(
		    cli, "--%s %s: it is a duration like 250ms, 10s or 2m", o->name, SHOWN(optarg));
	if (o->kind == OPTION_LIST && cli->given[i] != NULL)
		return cli_usage_error(cli, "--%s is given twice; all in one: %s,%s", o->name,
		    SHOWN(cli->given[i]), SHOWN(optarg));
	cli->given[i] = o->kind == OPTION_FLAG ? "" : optarg;
	return EXIT_DONE;
}

/* getopt_long()'s tables: the global options, and those of the command if it is known. */
static void
make_tables(const struct command *c, struct option longs[], char *letters, size_t size)
{
	size_t n = GLOBAL_COUNT, count = c != NULL ? option_count(c) : 0;

	memcpy(longs, global_options, sizeof(global_options));
	snprintf(letters, size, "%s%s", c == NULL ? "+" : "", GLOBAL_LETTERS);
	for (size_t i = 0; i < count; i++) {
		const struct option_spec *o = &c->options[i];
		bool is_flag = o->kind == OPTION_FLAG;
		size_t used = strlen(letters);

		longs[n++] = (struct option){ o->name, is_flag ? no_argument : required_argument,
			NULL, VALUE_FIRST + (int)i };
		if (o->letter != '\0')
			snprintf(
			    letters + used, size - used, "%c%s", o->letter, is_flag ? "" : ":");
	}
	longs[n] = (struct option){ NULL, 0, NULL, 0 };
}

static enum exit_code
read_options(struct cli *cli, int argc, char **argv)
{
	struct option longs[GLOBAL_COUNT + COMMAND_OPTIONS_MAX + 1];
	char letters[sizeof(GLOBAL_LETTERS) + 1 + 2 * COMMAND_OPTIONS_MAX];
	enum exit_code code = EXIT_DONE;
	int answer;

	make_tables(cli->command, longs, letters, sizeof(letters));
	optind = 0; /* start over: getopt(3) */
	optopt = 0;
	while (
	    code == EXIT_DONE && (answer = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		if (answer == '?' || answer == ':')
			return bad_option(cli, answer, argv);
		if (take_global(cli, answer, &code) != 0)
			code = take_own(cli, answer);
	}
	return code;
}

enum exit_code
cli_unknown_command(const struct cli *cli, const char *word, const char *near)
{
	if (near == NULL)
		return cli_usage_error(cli, "there is no command %s", SHOWN(word));
	return cli_usage_error(cli, "there is no command %s; did you mean %s?", SHOWN(word), near);
}

enum exit_code
cli_parse(struct cli *cli, int argc, char **argv, int *out_argc, char ***out_argv)
{
	const char *near;
	enum exit_code code;
	int words;

	if ((code = read_options(cli, argc, argv)) != EXIT_DONE)
		return code;
	argc -= optind;
	argv += optind;
	*out_argc = 0;
	*out_argv = argv;
	if (argc == 0)
		return cli->is_help || cli->is_version
			   ? EXIT_DONE
			   : cli_usage_error(cli, "no command was given");
	cli->command = command_find(argc, argv, &words, &near);
	if (cli->command == NULL)
		return cli_unknown_command(cli, argv[0], near);
	argc -= words - 1;
	argv += words - 1;
	if ((code = read_options(cli, argc, argv)) != EXIT_DONE)
		return code;
	argc -= optind;
	argv += optind;
	*out_argc = argc;
	*out_argv = argv;
	if (cli->is_help || cli->is_version)
		return EXIT_DONE;
	if (argc < cli->command->min_args)
		return cli_usage_error(cli, "too few arguments");
	if (cli->command->max_args >= 0 && argc > cli->command->max_args)
		return cli_usage_error(cli, "%s is too much", SHOWN(argv[cli->command->max_args]));
	return EXIT_DONE;
}

/* --- what was given ---------------------------------------------------------------------------- */

/* A name that is not in the table is a slip of ours, found by the first run. */
static const char *
given(const struct cli *cli, const char *name)
{
	for (size_t i = 0; i < option_count(cli->command); i++) {
		if (strcmp(cli->command->options[i].name, name) == 0)
			return cli->given[i];
	}
	fprintf(stderr, "pointsman: %s has no option --%s\n", cli->command->name, name);
	abort();
}

bool
option_is_set(const struct cli *cli, const char *name)
{
	return given(cli, name) != NULL;
}

const char *
option_text(const struct cli *cli, const char *name)
{
	return given(cli, name);
}

int64_t
option_duration_ms(const struct cli *cli, const char *name, int64_t fallback_ms)
{
	const char *text = given(cli, name);
	int64_t ms = fallback_ms;

	if (text != NULL)
		str_parse_duration(text, &ms);
	return ms;
}
