/* line_diff.h: the lines by which two texts differ. Pure. */
#ifndef CLI_LINE_DIFF_H
#define CLI_LINE_DIFF_H

#include <stddef.h>

/* sign is '-' for a line of a alone, '+' for one of b alone; text has no newline. */
typedef void line_diff_fn(char sign, const char *text, size_t len, void *arg);

/*
 * Calls fn for each line that differs, from the top; where lines were replaced, those of a come
 * first. The smallest such set, unless more than LINE_DIFF_EDITS_MAX lines differ: then everything
 * between the first and the last difference counts as replaced.
 */
#define LINE_DIFF_EDITS_MAX 2000
void line_diff(
    const char *a, size_t a_len, const char *b, size_t b_len, line_diff_fn *fn, void *arg);

#endif
