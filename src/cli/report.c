/*
 * report.c: the form of a refusal. Its lines are gathered before they are sent, because with -o json
 * they are one object.
 */
#include "cli/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/wrap.h"

const char *
shown(char out[SHOWN_SIZE], const char *text)
{
	return str_printable(out, SHOWN_SIZE, text, strlen(text));
}

const char *
shown_long(char out[SHOWN_LONG_SIZE], const char *text)
{
	struct str s = STR_INIT;

	str_add_printable(&s, text, strlen(text), SHOWN_LONG_MAX);
	snprintf(out, SHOWN_LONG_SIZE, "%s", str_text(&s));
	str_clear(&s);
	return out;
}

void
add_shown_line(struct str *out, const char *text, size_t len)
{
	const char *tab;

	while ((tab = memchr(text, '\t', len)) != NULL) {
		size_t n = (size_t)(tab - text);

		str_add_printable(out, text, n, n);
		str_adds(out, "  ");
		text += n + 1;
		len -= n + 1;
	}
	str_add_printable(out, text, len, len);
}

static void add_line(struct str *s, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

static void
add_line(struct str *s, const char *fmt, va_list ap)
{
	char *text = mem_vprintf(fmt, ap);

	if (s->len > 0)
		str_addc(s, '\n');
	str_adds(s, text);
	free(text);
}

#define REPORT_FUNCTION(function, member) \
	void function(struct report *r, const char *fmt, ...) \
	{ \
		va_list ap; \
\
		va_start(ap, fmt); \
		add_line(&r->member, fmt, ap); \
		va_end(ap); \
	}

REPORT_FUNCTION(report_fact, fact)
REPORT_FUNCTION(report_why, why)
REPORT_FUNCTION(report_do, todo)

/* Each line of text under its label, wrapped behind it. */
static void
add_lines(struct str *out, int width, const char *label, const struct str *text)
{
	const char *line = str_text(text);

	while (*line != '\0') {
		size_t len = strcspn(line, "\n");
		struct str one = STR_INIT;

		str_add(&one, line, len);
		wrap_add(out, width, label, "       ", str_text(&one));
		str_clear(&one);
		line += len + (line[len] == '\n');
	}
}

static void
send_json(const struct report *r, enum exit_code code)
{
	json_t *error = json_pack("{s:i, s:s}", "exit", (int)code, "code", exit_code_name(code));

	json_object_set_new(error, "fact", json_printable(str_text(&r->fact), r->fact.len));
	json_object_set_new(error, "why", out_lines_to_json(str_text(&r->why)));
	json_object_set_new(error, "do", out_lines_to_json(str_text(&r->todo)));
	out_json(json_pack("{s:o}", "error", error));
}

enum exit_code
report_send(struct report *r, const struct cli *cli, enum exit_code code)
{
	struct str text = STR_INIT;

	if (cli->is_json) {
		send_json(r, code);
	} else {
		wrap_add(&text, cli->width, "pointsman: ", "  ", str_text(&r->fact));
		add_lines(&text, cli->width, "  why  ", &r->why);
		add_lines(&text, cli->width, "  do   ", &r->todo);
		fflush(stdout);
		fputs(str_text(&text), stderr);
	}
	str_clear(&text);
	str_clear(&r->fact);
	str_clear(&r->why);
	str_clear(&r->todo);
	return code;
}

enum exit_code
report_err(const struct cli *cli, const struct err *e, const char *what)
{
	struct report r = { STR_INIT, STR_INIT, STR_INIT };

	report_fact(&r, "%s: %s", what, e->text);
	return report_send(&r, cli, EXIT_PROBLEM);
}
