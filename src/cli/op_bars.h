/* op_bars.h: the steps of an operation as bars: when each began, how long it took, what was seen. */
#ifndef CLI_OP_BARS_H
#define CLI_OP_BARS_H

#include "base/str.h"
#include "model/journal.h"

struct cli;

/*
 * A line for each step that is not waiting, as wide as the terminal; a longer note goes below. result: of the
 * operation, as whoever shows it knows it: what failed in one that is done is a warning.
 */
void op_bars_add(
    struct str *out, const struct cli *cli, const struct journal *j, enum op_result result);

#endif
