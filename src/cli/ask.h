/* ask.h: a person confirms by typing a word; a script by an option. */
#ifndef CLI_ASK_H
#define CLI_ASK_H

#include "cli/exit_code.h"

struct cli;

/*
 * EXIT_DONE: go on. With --yes nobody is asked; without a terminal and without --yes it is refused;
 * another word than the one asked for, end of file and Ctrl-C are EXIT_STOPPED. All of them reported.
 */
enum exit_code ask_to_type(struct cli *cli, const char *word, const char *what_for);

/* "ola (uid 1004)": the person behind sudo, for what is recorded. malloc'ed. */
char *ask_who(void);

#endif
