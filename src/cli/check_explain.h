/* check_explain.h: check NAME --explain: what a vantage remembers of a check, and what all say. */
#ifndef CLI_CHECK_EXPLAIN_H
#define CLI_CHECK_EXPLAIN_H

#include "cli/exit_code.h"

struct check_spec;
struct cli;
struct client;

/* s NULL: it is in no configuration here, only vantages tell of it. */
enum exit_code check_explain(
    const struct cli *cli, struct client *client, const char *name, const struct check_spec *s);

#endif
