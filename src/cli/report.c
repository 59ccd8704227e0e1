/*
 * report.c: the form of a refusal, and the table that turns an error of a library into one. The
 * table says what an operator can do about each kind of error at 3 a.m.; the text says what it was.
 */
#include "cli/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/wrap.h"

static const struct {
	enum err_code err;
	enum exit_code exit;
	const char *why;
	const char *todo;
} err_table[] = {
	{ ERR_UNREACHABLE, EXIT_UNREACHABLE,
	    "without Consul nothing can be read or changed; agents "
	    "go on serving what they have",
	    "systemctl status consul; the address is consul.address "
	    "or CONSUL_HTTP_ADDR" },
	{ ERR_TIMEOUT, EXIT_UNREACHABLE,
	    "somebody listens there but does not answer; agents go on "
	    "serving what they have",
	    "consul operator raft list-peers; then again" },
	{ ERR_UNAVAILABLE, EXIT_UNREACHABLE,
	    "Consul answers, but has no leader or refuses work; "
	    "agents go on serving what they have",
	    "consul operator raft list-peers; then again" },
	{ ERR_PROTOCOL, EXIT_UNREACHABLE, "what answered there does not speak like Consul",
	    "check consul.address and CONSUL_HTTP_ADDR with: pointsman config check" },
	{ ERR_DENIED, EXIT_REFUSED, "the token, or the rights of the file, do not allow it",
	    "give one that does: consul.token-file, CONSUL_HTTP_TOKEN or CONSUL_HTTP_TOKEN_FILE" },
	{ ERR_CONFLICT, EXIT_REFUSED, "somebody else changed it at the same moment",
	    "look again, then decide: pointsman names" },
	{ ERR_CONFIG, EXIT_USAGE, NULL, "pointsman config check" },
	{ ERR_USAGE, EXIT_USAGE, NULL, "pointsman help" },
	{ ERR_CANCELED, EXIT_STOPPED, NULL, NULL },
	{ ERR_UNKNOWN, EXIT_NEEDS_YOU, "the write may or may not have happened",
	    "look what is there now: pointsman names" },
};

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
	char *text = NULL;

	if (s->len > 0)
		str_addc(s, '\n');
	if (vasprintf(&text, fmt, ap) >= 0)
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
exit_code_of_err(const struct err *e)
{
	for (size_t i = 0; i < sizeof(err_table) / sizeof(err_table[0]); i++) {
		if (err_table[i].err == e->code)
			return err_table[i].exit;
	}
	return EXIT_PROBLEM;
}

enum exit_code
report_err(const struct cli *cli, const struct err *e, const char *what)
{
	struct report r = { STR_INIT, STR_INIT, STR_INIT };

	if (e->code == ERR_CANCELED)
		report_fact(&r, "stopped while %s; nothing was changed", what);
	else
		report_fact(&r, "%s: %s", what, e->text);
	for (size_t i = 0; i < sizeof(err_table) / sizeof(err_table[0]); i++) {
		if (err_table[i].err != e->code)
			continue;
		if (err_table[i].why != NULL)
			report_why(&r, "%s", err_table[i].why);
		if (err_table[i].todo != NULL)
			report_do(&r, "%s", err_table[i].todo);
	}
	return report_send(&r, cli, exit_code_of_err(e));
}
