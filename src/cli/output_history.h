/* output_history.h: the generations of an output of this host. */
#ifndef CLI_OUTPUT_HISTORY_H
#define CLI_OUTPUT_HISTORY_H

#include "cli/exit_code.h"

struct cli;

/* NULL: of all outputs. */
enum exit_code output_history_show(const struct cli *cli, const char *wanted);

#endif
