/*
 * rows.c: cells in an arena, the table of them in one growing array. Columns are looked for by name from
 * the front: an answer has some sixty of them at most and is read once.
 */
#include "base/rows.h"

#include <stdlib.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"

void
rows_clear(struct rows *r)
{
	arena_clear(&r->arena);
	free(r->cells);
	*r = (struct rows){ 0 };
}

void
rows_set_columns(struct rows *r, const char *const *names, size_t count)
{
	r->names = arena_array(&r->arena, count, sizeof(*r->names));
	r->column_count = count;
	for (size_t i = 0; i < count; i++)
		r->names[i] = arena_strdup(&r->arena, names[i]);
}

void
rows_add(struct rows *r, const char *const *cells, const unsigned long *lengths)
{
	const char **row;

	if (r->row_count == r->room) {
		r->room = r->room == 0 ? 4 : r->room * 2;
		r->cells = mem_grow(r->cells, r->room * r->column_count, sizeof(*r->cells));
	}
	row = r->cells + r->row_count++ * r->column_count;
	for (size_t i = 0; i < r->column_count; i++) {
		row[i] = cells[i] != NULL ? arena_strndup(&r->arena, cells[i], lengths[i]) : NULL;
		r->bytes += cells[i] != NULL ? lengths[i] : 0;
	}
}

/* SIZE_MAX: there is none. */
static size_t
find_column(const struct rows *r, const char *column)
{
	for (size_t i = 0; i < r->column_count; i++) {
		if (strcasecmp(r->names[i], column) == 0)
			return i;
	}
	return SIZE_MAX;
}

const char *
rows_at(const struct rows *r, size_t row, size_t column)
{
	if (row >= r->row_count || column >= r->column_count)
		return NULL;
	return r->cells[row * r->column_count + column];
}

const char *
rows_text(const struct rows *r, size_t row, const char *column)
{
	return rows_at(r, row, find_column(r, column));
}

bool
rows_has_column(const struct rows *r, const char *column)
{
	return find_column(r, column) != SIZE_MAX;
}

uint64_t
rows_u64(const struct rows *r, size_t row, const char *column, uint64_t fallback)
{
	const char *text = rows_text(r, row, column);
	uint64_t value;

	return text != NULL && str_parse_u64(text, &value) == 0 ? value : fallback;
}

double
rows_double(const struct rows *r, size_t row, const char *column, double fallback)
{
	const char *text = rows_text(r, row, column);
	char *end;
	double value;

	if (text == NULL)
		return fallback;
	value = strtod(text, &end);
	return end != text && *end == '\0' ? value : fallback;
}
