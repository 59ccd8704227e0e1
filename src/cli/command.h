/*
 * command.h: what a command is, and how it reads its command line. Each cmd_*.c defines the commands
 * of one family as constants; command.c has the table of all. Help, usage errors, completion and the
 * tests of the manual are made from these constants, so that a command is described in one place.
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/exit_code.h"

struct cli;

enum option_kind {
	OPTION_FLAG,
	OPTION_TEXT,
	OPTION_LIST,     /* "web-12,web-13", once */
	OPTION_DURATION, /* "10s" */
};

struct option_spec {
	const char *name; /* "expect" */
	char letter;      /* 'w', or '\0' */
	enum option_kind kind;
	const char *argument; /* "OLD" in the usage; NULL for a flag */
	const char *help;
};

/* What an argument stands for, so that the shell can complete it. */
enum word_kind {
	WORD_NONE,
	WORD_NAME,
	WORD_NODE,
	WORD_COMMAND,
	WORD_DIGEST,
	WORD_OUTPUT,
	WORD_CHECK,
	WORD_PAIR
};

#define COMMAND_OPTIONS_MAX 12
#define COMMAND_WORDS_MAX 2

/* argv: the arguments behind the options, argc of them, within min_args and max_args. */
typedef enum exit_code command_fn(struct cli *cli, int argc, char **argv);

struct command {
	const char *name;  /* one word, or two: "config check" */
	const char *usage; /* what follows: "NAME NODE [--expect OLD]" */
	const char *help;  /* one line without a full stop */
	const char *about; /* a paragraph for `help COMMAND`, wrapped when printed */
	struct option_spec options[COMMAND_OPTIONS_MAX]; /* up to the first without a name */
	int min_args, max_args;
	enum word_kind words[COMMAND_WORDS_MAX];
	command_fn *run;
};

/* --- the table ----------------------------------------------------------------------------------- */

size_t command_count(void);
const struct command *command_at(size_t i);
/*
 * The command that argv begins with; *words says how many of them are its name. NULL: none, and near
 * is then the most similar name (or NULL).
 */
const struct command *command_find(int argc, char **argv, int *words, const char **near);

/* --- what was given on the command line ------------------------------------------------------- */

/*
 * The name must be in the running command's table. A text is NULL when the option was not given;
 * a duration is fallback_ms then.
 */
bool option_is_set(const struct cli *cli, const char *name);
const char *option_text(const struct cli *cli, const char *name);
int64_t option_duration_ms(const struct cli *cli, const char *name, int64_t fallback_ms);

#endif
