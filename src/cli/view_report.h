/* view_report.h: what is refused by a look at the names, told to the operator. */
#ifndef CLI_VIEW_REPORT_H
#define CLI_VIEW_REPORT_H

#include "cli/exit_code.h"
#include "operate/view.h"

struct cli;
struct client;

/*
 * Refuses what a hold forbids: EXIT_REFUSED with who holds it, since when and why, or EXIT_DONE when
 * all of the names are free, and the whole (count may be 0). Reads the holds, once.
 */
enum exit_code view_refuse_held(
    struct client *client, const struct cli *cli, const char *const *names, size_t count);

/* Says that there is no such name, and which is most like it; returns code. */
enum exit_code view_report_unknown_name(
    const struct view *v, const struct cli *cli, const char *name, enum exit_code code);

#endif
