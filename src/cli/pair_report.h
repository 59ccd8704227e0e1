/* pair_report.h: a pair that is on the command line. */
#ifndef CLI_PAIR_REPORT_H
#define CLI_PAIR_REPORT_H

#include "cli/exit_code.h"
#include "feature/config.h"

struct cli;
struct client;

/* NULL: there is none of that name, reported as a usage error with what is most like it. */
const struct config_pair *pair_report_find(
    const struct cli *cli, const struct config *c, const char *name);

/*
 * Before a plain flip of a name: EXIT_REFUSED while an operation of a pair of that name is at work. Else
 * EXIT_DONE; where a pair has that name it is told that its servers stay as they are.
 */
enum exit_code pair_report_flip(struct client *client, const struct cli *cli, const char *name);

#endif
