/* pair_report.h: a pair that is on the command line. */
#ifndef CLI_PAIR_REPORT_H
#define CLI_PAIR_REPORT_H

#include "feature/config.h"

struct cli;

/* NULL: there is none of that name, reported as a usage error with what is most like it. */
const struct config_pair *pair_report_find(
    const struct cli *cli, const struct config *c, const char *name);

#endif
