/*
 * escape.c: one table row an escape: its name and its function. Runs of harmless bytes are copied in
 * one go; only what has to be changed is looked at one by one.
 *
 * Rejected for the shell: leaving harmless values without quotes, as shlex.quote does. A template that
 * wrote its own quotes around them would then work until the day of the first hostile value.
 */
#include "model/escape.h"

#include <string.h>

#include "base/mem.h"

static void
add_none(struct str *out, const char *text, size_t len)
{
	str_add(out, text, len);
}

static const char *const html_entities[256] = {
	['&'] = "&amp;",
	['<'] = "&lt;",
	['>'] = "&gt;",
	['"'] = "&quot;",
	['\''] = "&#39;",
};

static void
add_html(struct str *out, const char *text, size_t len)
{
	size_t done = 0;

	for (size_t i = 0; i < len; i++) {
		const char *entity = html_entities[(unsigned char)text[i]];

		if (entity == NULL)
			continue;
		str_add(out, text + done, i - done);
		str_adds(out, entity);
		done = i + 1;
	}
	str_add(out, text + done, len - done);
}

/* The escapes that RFC 8259, section 7, has a letter for; other control characters are \u00XX. */
static const char *const json_letters[256] = {
	['"'] = "\\\"",
	['\\'] = "\\\\",
	['\b'] = "\\b",
	['\f'] = "\\f",
	['\n'] = "\\n",
	['\r'] = "\\r",
	['\t'] = "\\t",
};

/* Length of the UTF-8 sequence that text begins with; 0: none. */
static size_t
sequence_length(const char *text, size_t len)
{
	for (size_t n = 1; n <= 4 && n <= len; n++) {
		if (str_is_utf8(text, n))
			return n;
	}
	return 0;
}

static void
add_json(struct str *out, const char *text, size_t len)
{
	size_t done = 0, i = 0;

	while (i < len) {
		unsigned char c = (unsigned char)text[i];
		size_t n = sequence_length(text + i, len - i);

		if (n > 0 && c >= 0x20 && json_letters[c] == NULL) {
			i += n;
			continue;
		}
		str_add(out, text + done, i - done);
		if (n == 0)
			str_adds(out, "\xef\xbf\xbd");
		else if (json_letters[c] != NULL)
			str_adds(out, json_letters[c]);
		else
			str_addf(out, "\\u%04x", c);
		done = ++i;
	}
	str_add(out, text + done, len - done);
}

static void
add_shell(struct str *out, const char *text, size_t len)
{
	size_t done = 0;

	str_addc(out, '\'');
	for (size_t i = 0; i < len; i++) {
		if (text[i] != '\'' && text[i] != '\0')
			continue;
		str_add(out, text + done, i - done);
		if (text[i] == '\'')
			str_adds(out, "'\\''");
		done = i + 1;
	}
	str_add(out, text + done, len - done);
	str_addc(out, '\'');
}

static const struct {
	const char *name;
	void (*add)(struct str *out, const char *text, size_t len);
} escapes[] = {
	[ESCAPE_NONE] = { "none", add_none },
	[ESCAPE_HTML] = { "html", add_html },
	[ESCAPE_JSON] = { "json", add_json },
	[ESCAPE_SHELL] = { "shell", add_shell },
};

const char *
escape_name(enum escape e)
{
	return escapes[e].name;
}

int
escape_parse(const char *text, enum escape *out)
{
	for (size_t i = 0; i < MEM_COUNT(escapes); i++) {
		if (strcmp(text, escapes[i].name) == 0) {
			*out = (enum escape)i;
			return 0;
		}
	}
	return -1;
}

void
escape_add(struct str *out, enum escape e, const char *text, size_t len)
{
	escapes[e].add(out, text, len);
}
