/*
 * command.c: the table of all commands, in the order that help prints: first what an operator looks
 * at, then what changes something, then what concerns this host. As in tmux's cmd.c, each command is
 * defined where it is implemented; a new one needs a line here and one below.
 */
#include "cli/command.h"

#include <string.h>

#include "cli/commands.h"
#include "cli/near.h"

static const struct command *const table[] = {
	&cmd_status,
	&cmd_names,
	&cmd_nodes,
	&cmd_agents,
	&cmd_checks,
	&cmd_check,
	&cmd_pairs,
	&cmd_doctor,
	&cmd_drift,
	&cmd_diff,
	&cmd_history,
	&cmd_failover,
	&cmd_rejoin,
	&cmd_resume,
	&cmd_rollback,
	&cmd_approve,
	&cmd_set,
	&cmd_unset,
	&cmd_hold,
	&cmd_release,
	&cmd_accept,
	&cmd_propose,
	&cmd_mute,
	&cmd_unmute,
	&cmd_init,
	&cmd_render,
	&cmd_watch_hook,
	&cmd_config_check,
	&cmd_help,
	&cmd_version,
	&cmd_completion,
};

size_t
command_count(void)
{
	return sizeof(table) / sizeof(table[0]);
}

const struct command *
command_at(size_t i)
{
	return table[i];
}

/* How many words of argv are the command's name; 0: it is another command. */
static int
words_matched(const struct command *c, int argc, char **argv)
{
	const char *blank = strchr(c->name, ' ');
	size_t len;

	if (blank == NULL)
		return strcmp(argv[0], c->name) == 0;
	len = (size_t)(blank - c->name);
	if (argc < 2 || strncmp(argv[0], c->name, len) != 0 || argv[0][len] != '\0' ||
	    strcmp(argv[1], blank + 1) != 0)
		return 0;
	return 2;
}

const struct command *
command_find(int argc, char **argv, int *words, const char **near)
{
	struct near n;

	near_init(&n, argv[0]);
	for (size_t i = 0; i < command_count(); i++) {
		if ((*words = words_matched(table[i], argc, argv)) > 0)
			return table[i];
		/* "config" alone is near "config check". */
		if (strncmp(table[i]->name, argv[0], strlen(argv[0])) == 0 && n.distance > 0) {
			n.best = table[i]->name;
			n.distance = 0;
		}
		near_offer(&n, table[i]->name);
	}
	*near = n.best;
	return NULL;
}
