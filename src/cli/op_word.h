/* op_word.h: an operation that is on the command line, by its id. */
#ifndef CLI_OP_WORD_H
#define CLI_OP_WORD_H

#include "cli/exit_code.h"
#include "model/journal.h"

struct cli;

/* EXIT_DONE, and id is how it is written; else no id at all, reported as a usage error. */
enum exit_code op_word_read(const struct cli *cli, const char *text, char id[OP_ID_SIZE]);

/* There is none of that id, or it cannot be worked with: why, as a usage error. */
enum exit_code op_word_report(const struct cli *cli, const char *why);

#endif
