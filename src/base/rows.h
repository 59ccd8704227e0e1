/*
 * rows.h: the answer of a database: rows of text under named columns. Cells are C strings; what stands
 * behind a NUL byte in one is lost.
 */
#ifndef BASE_ROWS_H
#define BASE_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

/* Starts all zero. */
struct rows {
	struct arena arena;
	const char **names;
	size_t column_count;
	const char **cells; /* row after row; NULL is the database's NULL */
	size_t row_count;
	size_t room;  /* for so many rows */
	size_t bytes; /* in all cells */
};

void rows_clear(struct rows *r);
/* Once, before the first row. */
void rows_set_columns(struct rows *r, const char *const *names, size_t count);
/* cells[i] of lengths[i] bytes, or NULL; as many as there are columns. */
void rows_add(struct rows *r, const char *const *cells, const unsigned long *lengths);

/* NULL: no such row or column, or a NULL. Names are the same in either case. */
const char *rows_text(const struct rows *r, size_t row, const char *column);
const char *rows_at(const struct rows *r, size_t row, size_t column);
bool rows_has_column(const struct rows *r, const char *column);
/* The same as a number; fallback where there is none. */
uint64_t rows_u64(const struct rows *r, size_t row, const char *column, uint64_t fallback);
double rows_double(const struct rows *r, size_t row, const char *column, double fallback);

#endif
