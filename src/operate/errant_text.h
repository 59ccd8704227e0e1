/*
 * errant_text.h: for operate/errant.c: a binary log as text, by the tool that its server came with.
 */
#ifndef OPERATE_ERRANT_TEXT_H
#define OPERATE_ERRANT_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "model/gtid.h"

struct loop;

/*
 * Prints the binary log into text, a path of a file that is there and empty. 0, or -1 with e: no tool,
 * or it failed; text may then hold anything. ERR_CANCELED: is_canceled said so.
 */
int errant_text_print(struct loop *l, enum gtid_dialect dialect, const char *file, const char *text,
    int64_t limit_ms, bool (*is_canceled)(void *arg), void *arg, struct err *e);

/* What a person types to read it: "mariadb-binlog -v"; for messages. */
const char *errant_text_tool(enum gtid_dialect dialect);

#endif
