/*
 * output.c: standard output. Everything is printed through stdio and flushed once at the end of
 * main(), where a failed write (a full disk, a closed pipe) becomes an exit code.
 *
 * Tables are libsmartcols'. In a pipe they keep their columns (people pipe into less and grep; for
 * programs there is -o json), but nothing is shortened and no colour is used.
 */
#include "cli/output.h"

#include <libsmartcols.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/wrap.h"

/* ECMA-48 SGR: bold red, bold yellow. */
static const struct {
	const char *text;
	const char *colour;
	const char *column_colour; /* as libsmartcols names it */
} marks[] = {
	[MARK_NONE] = { " ", NULL, NULL },
	[MARK_OK] = { " ", NULL, NULL },
	[MARK_WARNING] = { "!", "\033[1;33m", "yellow" },
	[MARK_CRITICAL] = { "x", "\033[1;31m", "red" },
};

const char *
mark_text(enum mark m)
{
	return marks[m].text;
}

static void add_line(struct str *out, const struct cli *cli, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));

static void
add_line(struct str *out, const struct cli *cli, const char *fmt, va_list ap)
{
	char *line = mem_vprintf(fmt, ap), indent[CLI_WIDTH_MAX];
	size_t blanks = strspn(line, " ");

	snprintf(indent, sizeof(indent), "%*s", (int)blanks + 2, "");
	wrap_add(out, cli->width, indent + 2, indent, line + blanks);
	free(line);
}

void
out_add_line(struct str *out, const struct cli *cli, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_line(out, cli, fmt, ap);
	va_end(ap);
}

void
out_line(const struct cli *cli, const char *fmt, ...)
{
	struct str out = STR_INIT;
	va_list ap;

	va_start(ap, fmt);
	add_line(&out, cli, fmt, ap);
	va_end(ap);
	fputs(str_text(&out), stdout);
	str_clear(&out);
}

void
out_blank(void)
{
	putchar('\n');
}

void
out_text(const char *text)
{
	fputs(text, stdout);
}

void
out_add_mark(struct str *out, const struct cli *cli, enum mark m)
{
	if (cli->has_colour && marks[m].colour != NULL)
		str_addf(out, "%s%s\033[0m ", marks[m].colour, marks[m].text);
	else
		str_addf(out, "%s ", marks[m].text);
}

void
out_marked(const struct cli *cli, enum mark m, const char *fmt, ...)
{
	struct str out = STR_INIT, text = STR_INIT;
	char *line;
	va_list ap;

	va_start(ap, fmt);
	line = mem_vprintf(fmt, ap);
	va_end(ap);
	wrap_add(&text, cli->width, "  ", "  ", line);
	out_add_mark(&out, cli, m);
	str_adds(&out, text.data + 2);
	fputs(str_text(&out), stdout);
	free(line);
	str_clear(&out);
	str_clear(&text);
}

void
out_paragraph(const struct cli *cli, int indent, const char *text)
{
	struct str out = STR_INIT;
	char blanks[CLI_WIDTH_MAX];

	snprintf(blanks, sizeof(blanks), "%*s", indent, "");
	wrap_add(&out, cli->width, blanks, blanks, text);
	fputs(str_text(&out), stdout);
	str_clear(&out);
}

void
out_json(json_t *document)
{
	struct str out = STR_INIT;

	json_write_pretty(&out, document);
	fwrite(str_text(&out), 1, out.len, stdout);
	str_clear(&out);
	json_decref(document);
}

json_t *
out_lines_to_json(const char *text)
{
	json_t *list = json_array();

	while (*text != '\0') {
		size_t len = strcspn(text, "\n");

		json_array_append_new(list, json_printable(text, len));
		text += len + (text[len] == '\n');
	}
	return list;
}

void
out_clear_screen(const struct cli *cli)
{
	if (cli->is_terminal)
		fputs("\033[H\033[J", stdout); /* ECMA-48: home, erase below */
}

void
progress_draw(const struct cli *cli, const char *fmt, ...)
{
	char line[CLI_WIDTH_MAX + 1];
	va_list ap;

	if (!cli->is_terminal || cli->is_json)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	/* The last column stays free: some terminals wrap when it is written. */
	printf("\r%.*s\033[K", cli->width - 1, line);
	fflush(stdout);
}

void
progress_clear(const struct cli *cli)
{
	if (!cli->is_terminal || cli->is_json)
		return;
	printf("\r\033[K");
	fflush(stdout);
}

/* --- tables ---------------------------------------------------------------------------------------- */

struct table {
	const struct cli *cli;
	struct libscols_table *scols;
	struct libscols_line *line;
	enum mark mark; /* of the row */
	size_t next;    /* cell of the row */
};

struct table *
table_new(const struct cli *cli)
{
	struct table *t = mem_alloc(sizeof(*t));

	t->cli = cli;
	t->scols = scols_new_table();
	if (t->scols == NULL)
		abort();
	scols_table_set_column_separator(t->scols, "  ");
	/* What comes here is printable already; \xNN is not to be encoded once more. */
	scols_table_enable_noencoding(t->scols, 1);
	scols_table_enable_colors(t->scols, cli->has_colour);
	scols_table_set_termforce(
	    t->scols, cli->is_terminal ? SCOLS_TERMFORCE_ALWAYS : SCOLS_TERMFORCE_NEVER);
	if (cli->is_terminal)
		scols_table_set_termwidth(t->scols, (size_t)cli->width);
	return t;
}

void
table_column(struct table *t, const char *title, enum column_kind kind)
{
	static const int flags[] = {
		[COLUMN_TEXT] = 0,
		[COLUMN_NUMBER] = SCOLS_FL_RIGHT,
		[COLUMN_LONG] = SCOLS_FL_TRUNC,
	};
	/* The mark stands before the first cell, as before any other line. */
	bool is_first = scols_table_get_ncols(t->scols) == 0;
	char *whole = mem_printf("%s%s", is_first ? "  " : "", title);

	scols_table_new_column(t->scols, whole, 0, flags[kind]);
	free(whole);
}

void
table_row(struct table *t, enum mark m)
{
	t->line = scols_table_new_line(t->scols, NULL);
	if (t->line == NULL)
		abort();
	t->mark = m;
	t->next = 0;
}

void
table_cell(struct table *t, const char *fmt, ...)
{
	char *text, *whole;
	va_list ap;

	va_start(ap, fmt);
	text = mem_vprintf(fmt, ap);
	va_end(ap);
	whole = t->next > 0 ? mem_strdup(text) : mem_printf("%s %s", marks[t->mark].text, text);
	free(text);
	if (t->next == 0 && marks[t->mark].column_colour != NULL)
		scols_cell_set_color(scols_line_get_cell(t->line, 0), marks[t->mark].column_colour);
	scols_line_refer_data(t->line, t->next++, whole); /* the line frees it */
}

void
table_free(struct table *t)
{
	scols_unref_table(t->scols);
	free(t);
}

void
table_print(struct table *t)
{
	if (scols_table_get_nlines(t->scols) > 0) {
		scols_table_set_stream(t->scols, stdout);
		scols_print_table(t->scols);
	}
	table_free(t);
}
