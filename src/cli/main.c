/*
 * main.c: pointsman, the operator's command. One run is one command, in plain top-to-bottom code with
 * a deadline on every wait; nothing of it stays behind.
 */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "operate/interrupt.h"

/* A full disk behind `pointsman … > file` is a failure; a reader that went away is not news. */
static enum exit_code
finish(enum exit_code code)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	if (errno != EPIPE)
		fprintf(stderr, "pointsman: cannot write the output: %s\n", strerror(errno));
	return code == EXIT_DONE ? EXIT_PROBLEM : code;
}

int
main(int argc, char **argv)
{
	struct cli cli;
	enum exit_code code;
	int rest_argc;
	char **rest;

	setlocale(LC_CTYPE, ""); /* for libsmartcols: how wide a character is */
	interrupt_catch();
	cli_init(&cli);
	code = cli_parse(&cli, argc, argv, &rest_argc, &rest);
	if (code != EXIT_DONE)
		;
	else if (cli.is_version)
		version_print(&cli);
	else if (cli.is_help && cli.command != NULL)
		help_print_command(&cli, cli.command);
	else if (cli.is_help)
		help_print_all(&cli);
	else
		code = cli.command->run(&cli, rest_argc, rest);
	code = finish(code);
	return (int)code;
}
