/*
 * client_report.h: the KV opened for a command, and what goes wrong with it told to the operator.
 */
#ifndef CLI_CLIENT_REPORT_H
#define CLI_CLIENT_REPORT_H

#include "base/err.h"
#include "cli/exit_code.h"
#include "operate/client.h"

struct cli;
struct config;

/* The configuration alone; all its problems are reported. */
enum exit_code client_load_config(const struct cli *cli, struct config **out);

/* Connects to nothing yet. Not EXIT_DONE: reported; client_close() it anyway. */
enum exit_code client_open(struct client *client, const struct cli *cli);
/* The same without a word to the operator: 0 or -1. */
int client_open_quietly(struct client *client, const struct cli *cli);

/*
 * An error of the KV on its way to the operator: what was being tried ("reading the names"), the
 * error, why it matters and what to do about this kind of error, which comes from a table.
 */
enum exit_code client_report_err(
    const struct client *client, const struct cli *cli, const struct err *e, const char *what);

/* What to do about such an error, for those who tell it in words of their own; NULL: nothing. */
const char *client_advise(const struct client *client, const struct err *e);

/* Reports every state but WRITE_DONE; what is "maindb = db4". */
enum exit_code client_report_write(const struct client *client, const struct cli *cli,
    const struct write_result *w, const char *what);

#endif
