/* server_line.h: what a check saw of a database server, in one line for people. */
#ifndef CLI_SERVER_LINE_H
#define CLI_SERVER_LINE_H

#include "base/str.h"
#include "model/server_view.h"

/* "writable  214 sessions  longest write 0.2s  replicates from db4:3306, 0.0s behind" */
void server_line_add(struct str *out, const struct server_view *v);

#endif
