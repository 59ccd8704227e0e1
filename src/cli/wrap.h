/* wrap.h: text broken into lines at blanks. Pure. */
#ifndef CLI_WRAP_H
#define CLI_WRAP_H

#include "base/str.h"

/*
 * Appends text as lines of at most width columns, each ended by a newline: the first begins with
 * first, the others with rest. A word that is longer than a line stays whole. A newline in text
 * begins a new line. Columns are counted as characters (UTF-8), not bytes.
 */
void wrap_add(struct str *out, int width, const char *first, const char *rest, const char *text);

#endif
