/*
 * output.h: what a command prints on standard output: text of at most 80 columns with marks for what
 * is wrong, tables, JSON. No colour unless it is a terminal that has some and NO_COLOR is not set.
 */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct cli;

enum mark { MARK_NONE, MARK_OK, MARK_WARNING, MARK_CRITICAL };

/* "x", "!" or " ": the first column of a line. */
const char *mark_text(enum mark m);

/*
 * A line; what does not fit goes on in the next, two columns further to the right than it began. Not
 * for foreign text: see shown() in report.h.
 */
void out_line(const struct cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same into a text, for what is printed later. */
void out_add_line(struct str *out, const struct cli *cli, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void out_blank(void);
/* As it is, however long. */
void out_text(const char *text);
/* As out_line with a coloured mark and a blank before it, wrapped with the rest indented. */
void out_marked(const struct cli *cli, enum mark m, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The coloured mark and its blank alone, into a text. */
void out_add_mark(struct str *out, const struct cli *cli, enum mark m);
/* A paragraph wrapped to the width, every line indented so many columns. */
void out_paragraph(const struct cli *cli, int indent, const char *text);

/* Prints, and releases the document. */
void out_json(json_t *document);
/* The lines of a text as a list of strings; a new reference. */
json_t *out_lines_to_json(const char *text);

/* On a terminal: an empty screen, for what is drawn again and again. */
void out_clear_screen(const struct cli *cli);

/* --- progress -------------------------------------------------------------------------------------- */

/* One line that is drawn again and again on a terminal; nothing anywhere else. */
void progress_draw(const struct cli *cli, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void progress_clear(const struct cli *cli);

/* --- tables ---------------------------------------------------------------------------------------- */

struct table;

enum column_kind {
	COLUMN_TEXT,
	COLUMN_NUMBER, /* to the right */
	COLUMN_LONG,   /* gives way when the terminal is narrow: shortened at its end */
};

struct table *table_new(const struct cli *cli);
void table_column(struct table *t, const char *title, enum column_kind kind);
void table_row(struct table *t, enum mark m);
/* The next cell of the row. */
void table_cell(struct table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Prints and frees; an empty table prints nothing. */
void table_print(struct table *t);
void table_free(struct table *t); /* without printing */

#endif
