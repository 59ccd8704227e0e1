/*
 * cmd_completion.c: what may come next on a command line, for the shells. The scripts in
 * contrib/completion/ only ask this command, so that they know every command and option of the
 * program that is installed, and the names and nodes that are in the KV now.
 *
 * A shell that hangs on TAB is worse than one that knows no names: the KV has COMPLETION_LIMIT_MS, and
 * every error is silence.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/client_report.h"
#include "cli/commands.h"
#include "operate/fleet.h"
#include "cli/output.h"
#include "cli/report.h"
#include "operate/view.h"

#define COMPLETION_LIMIT_MS 1000

static void
offer_line(const char *word, size_t len)
{
	char *line = mem_printf("%.*s\n", (int)len, word);

	out_text(line);
	free(line);
}

static void
offer(const char *word, const char *begun)
{
	if (strncmp(word, begun, strlen(begun)) == 0)
		offer_line(word, strlen(word));
}

/* Every first word once, or the second words of the two-word commands. */
static void
offer_commands(const char *first, const char *begun)
{
	for (size_t i = 0; i < command_count(); i++) {
		const char *name = command_at(i)->name;
		size_t len = strcspn(name, " ");

		if (first == NULL && strncmp(name, begun, strlen(begun)) == 0)
			offer_line(name, len);
		else if (first != NULL && name[len] == ' ' && strlen(first) == len &&
			 strncmp(first, name, len) == 0)
			offer(name + len + 1, begun);
	}
}

static void
offer_options(const struct command *c, const char *begun)
{
	char option[64];

	for (size_t i = 0; i < COMMAND_OPTIONS_MAX && c->options[i].name != NULL; i++) {
		snprintf(option, sizeof(option), "--%s", c->options[i].name);
		offer(option, begun);
	}
	offer("--help", begun);
}

/* --- what is in the KV ----------------------------------------------------------------------------- */

static void
offer_from_view(struct client *client, enum word_kind kind, const char *begun)
{
	struct view v = { 0 };

	if (view_load(&v, client, NULL) == 0) {
		for (size_t i = 0; kind == WORD_NAME && i < v.map->count; i++)
			offer(v.map->names[i].name, begun);
		for (size_t i = 0; kind == WORD_NODE && i < v.map->nodes->count; i++)
			offer(v.map->nodes->nodes[i].node, begun);
	}
	view_clear(&v);
}

static void
offer_digests(struct client *client, const char *begun)
{
	struct fleet f = { 0 };

	if (fleet_load(&f, client, NULL) == 0) {
		for (size_t i = 0; i < f.count; i++) {
			if (f.agents[i].guarded_digest[0] != '\0')
				offer(f.agents[i].guarded_digest, begun);
		}
	}
	fleet_clear(&f);
}

static void
offer_outputs(const struct client *client, const char *begun)
{
	for (size_t i = 0; i < client->config->output_count; i++)
		offer(SHOWN(client->config->outputs[i].name), begun);
}

static void
offer_checks(const struct client *client, const char *begun)
{
	for (size_t i = 0; i < client->config->check_count; i++)
		offer(client->config->checks[i].name, begun);
}

static void
offer_pairs(const struct client *client, const char *begun)
{
	for (size_t i = 0; i < client->config->pair_count; i++)
		offer(SHOWN(client->config->pairs[i].name), begun);
}

static void
offer_words(const struct cli *cli, enum word_kind kind, const char *begun)
{
	struct client client;

	if (kind == WORD_COMMAND)
		offer_commands(NULL, begun);
	if (kind == WORD_NONE || kind == WORD_COMMAND)
		return;
	if (client_open_quietly(&client, cli) == 0) {
		client.wait.limit_ms = COMPLETION_LIMIT_MS;
		if (kind == WORD_OUTPUT)
			offer_outputs(&client, begun);
		else if (kind == WORD_CHECK)
			offer_checks(&client, begun);
		else if (kind == WORD_PAIR)
			offer_pairs(&client, begun);
		else if (kind == WORD_DIGEST)
			offer_digests(&client, begun);
		else
			offer_from_view(&client, kind, begun);
	}
	client_close(&client);
}

/* --- the command ----------------------------------------------------------------------------------- */

/* Which argument of the command the last word is: options, and what they take, do not count. */
static size_t
place_of_last(const struct command *c, int argc, char **argv)
{
	size_t place = 0;

	for (int i = 0; i < argc - 1; i++) {
		bool takes_next = false;

		if (argv[i][0] != '-') {
			place++;
			continue;
		}
		for (size_t k = 0; k < COMMAND_OPTIONS_MAX && c->options[k].name != NULL; k++)
			takes_next |=
			    c->options[k].kind != OPTION_FLAG &&
			    strcmp(argv[i] + strspn(argv[i], "-"), c->options[k].name) == 0;
		i += takes_next;
	}
	return place;
}

/* Options before the command: how many words they are. The configuration is taken to heart. */
static int
skip_global(struct cli *cli, int argc, char **argv)
{
	int n = 0;

	while (n < argc - 1 && argv[n][0] == '-') {
		bool is_config = strcmp(argv[n], "-c") == 0 || strcmp(argv[n], "--config") == 0;

		if (is_config)
			cli->config_path = argv[n + 1];
		n += is_config || strcmp(argv[n], "-o") == 0 ? 2 : 1;
	}
	return n;
}

static enum exit_code
run_completion(struct cli *cli, int argc, char **argv)
{
	const char *begun = argc > 0 ? argv[argc - 1] : "";
	int words = skip_global(cli, argc, argv);
	const struct command *c;
	const char *near;
	size_t place;

	argc -= words;
	argv += words;
	if (argc <= 0)
		return EXIT_DONE; /* the argument of a global option */
	if (argc == 1) {
		offer_commands(NULL, begun);
		return EXIT_DONE;
	}
	c = command_find(argc - 1, argv, &words, &near);
	if (c == NULL) {
		if (argc == 2)
			offer_commands(argv[0], begun);
		return EXIT_DONE;
	}
	if (begun[0] == '-') {
		offer_options(c, begun);
		return EXIT_DONE;
	}
	place = place_of_last(c, argc - words, argv + words);
	if (place < COMMAND_WORDS_MAX)
		offer_words(cli, c->words[place], begun);
	return EXIT_DONE;
}

const struct command cmd_completion = {
	.name = "completion",
	.usage = "-- WORD ...",
	.help = "prints what may come next, for the shells' completion",
	.about =
	    "WORD ... is the command line so far, the last word being the one begun (maybe empty). "
	    "Prints one candidate a line: commands, options, and the names, nodes, checks, pairs "
	    "and "
	    "outputs that there are now.",
	.max_args = -1,
	.run = run_completion,
};
