/*
 * conf_text.c: what a configuration file goes through before libconfuse reads it. libconfuse 3.3
 * counts a line with a comment two or three times, so that every line number behind it is wrong,
 * and takes a comment in a list for an error; without comments both are right. On the way it is
 * noticed where a string begins that has no end: libconfuse would name the last line of the file.
 *
 * Where a comment may begin is decided as in libconfuse's lexer: not in quotes, not in ${...}, and
 * of // and the C form not within a bare word, for http://127.0.0.1:8500 is one.
 */
#include "base/conf_text.h"

#include <string.h>

struct scan {
	char *at, *end;
	struct conf_where where;
	struct str *problems;
};

static bool
looking_at(const struct scan *s, const char *text)
{
	size_t len = strlen(text);

	return (size_t)(s->end - s->at) >= len && memcmp(s->at, text, len) == 0;
}

static void
step(struct scan *s)
{
	s->where.line += *s->at++ == '\n';
}

/* Up to and with stop. -1: it does not come. */
static int
blank_until(struct scan *s, const char *stop)
{
	const struct conf_where start = s->where;

	while (s->at < s->end && !looking_at(s, stop)) {
		if (*s->at != '\n')
			*s->at = ' ';
		step(s);
	}
	if (s->at == s->end && stop[0] != '\n') {
		conf_problem(s->problems, &start, "the comment that begins here has no end");
		return -1;
	}
	for (size_t i = 0; stop[0] != '\n' && i < strlen(stop); i++)
		*s->at++ = ' ';
	return 0;
}

/* ${...} may hold anything but its end. */
static bool
skip_environment(struct scan *s)
{
	const char *close;

	if (!looking_at(s, "${"))
		return false;
	if ((close = memchr(s->at, '}', (size_t)(s->end - s->at))) == NULL)
		return false;
	while (s->at <= close)
		step(s);
	return true;
}

static int
skip_quoted(struct scan *s)
{
	const struct conf_where start = s->where;
	const char quote = *s->at;

	for (step(s); s->at < s->end && *s->at != quote;) {
		if (quote == '"' && skip_environment(s))
			continue;
		if (*s->at == '\\' && s->at + 1 < s->end)
			step(s);
		step(s);
	}
	if (s->at == s->end) {
		conf_problem(s->problems, &start, "the string that begins here has no end");
		return -1;
	}
	step(s);
	return 0;
}

static int
blank_comments(struct scan *s)
{
	static const char not_bare[] = " \t\r\n#\"'={}()+,*";

	while (s->at < s->end) {
		if (*s->at == '#' || looking_at(s, "//")) {
			blank_until(s, "\n");
		} else if (looking_at(s, "/*")) {
			if (blank_until(s, "*/") != 0)
				return -1;
		} else if (*s->at == '"' || *s->at == '\'') {
			if (skip_quoted(s) != 0)
				return -1;
		} else if (!skip_environment(s)) {
			do
				step(s);
			while (s->at < s->end && strchr(not_bare, s->at[-1]) == NULL &&
			       strchr(not_bare, *s->at) == NULL);
		}
	}
	return 0;
}

/* NUL would end the text for libconfuse, and what is not UTF-8 can be shown to nobody. */
static int
check_bytes(const struct scan *s)
{
	struct conf_where where = s->where;
	const char *end;

	for (const char *line = s->at; line < s->end; line = end + 1, where.line++) {
		if ((end = memchr(line, '\n', (size_t)(s->end - line))) == NULL)
			end = s->end;
		if (memchr(line, '\0', (size_t)(end - line)) == NULL &&
		    str_is_utf8(line, (size_t)(end - line)))
			continue;
		conf_problem(s->problems, &where, "this line is not text in UTF-8");
		return -1;
	}
	return 0;
}

int
conf_text_prepare(char *text, size_t len, const char *file, struct str *problems)
{
	struct scan s = { text, text + len, { file, 1 }, problems };

	return check_bytes(&s) == 0 ? blank_comments(&s) : -1;
}
