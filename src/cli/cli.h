/* cli.h: one run of pointsman: what the command line said and where the output goes. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>

#include "cli/command.h"

#define CLI_WIDTH_MAX 80 /* screens.md: nothing wider, so that it can be pasted and read anywhere */

struct cli {
	const struct command *command; /* NULL until it is known */
	const char *config_path;       /* -c; NULL: the default */
	bool is_json;                  /* -o json */
	bool is_terminal;              /* standard output is a terminal that can move its cursor */
	bool is_asking; /* somebody can type an answer: standard input is a terminal */
	bool has_colour;
	bool is_help, is_version; /* --help, --version */
	int width;                /* columns, at most CLI_WIDTH_MAX */
	/* Parallel to command->options: the argument; "" for a flag; NULL: not given. */
	const char *given[COMMAND_OPTIONS_MAX];
	int64_t started_us; /* monotonic */
};

/* Looks at the terminal and the environment (NO_COLOR, TERM). */
void cli_init(struct cli *cli);

/*
 * Reads the whole command line: options may stand anywhere behind the command. Returns EXIT_DONE with
 * the arguments, or what has been reported.
 */
enum exit_code cli_parse(struct cli *cli, int argc, char **argv, int *out_argc, char ***out_argv);

/* A usage error: the fact and the usage line of the command, if one is known yet. */
enum exit_code cli_usage_error(const struct cli *cli, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* near as command_find() left it. */
enum exit_code cli_unknown_command(const struct cli *cli, const char *word, const char *near);

#endif
