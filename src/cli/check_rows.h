/*
 * check_rows.h: the rows of feature/check_report.h, whether they come from the KV or from an agent, as
 * an operator is told about them. Their texts are foreign.
 */
#ifndef CLI_CHECK_ROWS_H
#define CLI_CHECK_ROWS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "cli/output.h"

struct debounce_config;
struct str;
struct troubles;

/*
 * "every 5s; failing after 5 bad in 10s, 18s at most", and what is quicker where refused connections are
 * believed sooner: how long a failure can go unnoticed.
 */
void check_timing_words(struct str *out, const struct debounce_config *t);

enum mark check_row_mark(const json_t *row);
bool check_row_is_failing(const json_t *row); /* or recovering */
bool check_row_is_muted(const json_t *row);
/* "6m12s": how long it has been so; returns out, or "-". */
const char *check_row_age(char *out, size_t size, const json_t *row);

/* The row of a pair's checks that is worst off; NULL: there is none. */
const json_t *check_rows_worst(const json_t *rows, const char *pair);

/* No row is failing, but for muted ones. */
bool check_rows_are_well(const json_t *rows);
/* What fails, and what to type; of a muted one only that it is. */
void check_rows_add_troubles(struct troubles *t, const json_t *rows);

#endif
