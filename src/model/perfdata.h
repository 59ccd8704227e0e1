/*
 * perfdata.h: what a Nagios plugin prints, "TEXT | 'label'=value[unit];[warn];[crit];[min];[max] …",
 * to a result and back. Pure.
 */
#ifndef MODEL_PERFDATA_H
#define MODEL_PERFDATA_H

#include <stddef.h>

#include "base/str.h"
#include "model/check.h"

/*
 * Takes any bytes. Sets text to that of the first line, printable, and appends the numbers of every
 * line; long output is skipped. What is no number, or "U" for not known, is left out; a unit stays as
 * it is ("ms", "KB"); a threshold that is no range is none. The class stays.
 */
void perfdata_read(const char *output, size_t len, struct check_result *r);

/* Appends one line without its end: "maindb/db3 OK: text | 'lag'=0.2s;10;60". */
void perfdata_write(const struct check_result *r, const char *name, struct str *out);

#endif
