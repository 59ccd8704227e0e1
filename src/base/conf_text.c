/*
 * conf_text.c: what a configuration file goes through before libconfuse reads it. libconfuse 3.3
 * counts a line with a comment two or three times, so that every line number behind it is wrong,
 * and takes a comment in a list for an error; without comments both are right. On the way it is
 * noticed where something begins that has no end: of a string libconfuse would name the last line of
 * the file, and of a block it would say nothing, so that half a file would do.
 *
 * Where a comment may begin is decided as in libconfuse's lexer: not in quotes, not in ${...}, and
 * of // and the C form not within a bare word, for http://127.0.0.1:8500 is one.
 */
#include "base/conf_text.h"

#include <string.h>

#define BRACES_MAX 16 /* whose lines are remembered; nobody means more */

struct scan {
	char *at, *end;
	struct conf_where where;
	struct str *problems;
	unsigned brace_lines[BRACES_MAX];
	size_t depth; /* of open braces */
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

/* What begins at from has no end: nothing from there on is to be read. */
static int
cut(struct scan *s, char *from, const struct conf_where *where, const char *what)
{
	conf_problem(s->problems, where, "the %s that begins here has no end", what);
	for (; from < s->end; from++) {
		if (*from != '\n')
			*from = ' ';
	}
	return -1;
}

/* Up to and with stop. A comment of one line may end with the file. */
static int
blank_comment(struct scan *s, const char *stop)
{
	const struct conf_where start = s->where;
	char *from = s->at;

	while (s->at < s->end && !looking_at(s, stop)) {
		if (*s->at != '\n')
			*s->at = ' ';
		step(s);
	}
	if (stop[0] == '\n')
		return 0;
	if (s->at == s->end)
		return cut(s, from, &start, "comment");
	for (size_t i = 0; i < strlen(stop); i++)
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
	char *from = s->at;

	for (step(s); s->at < s->end && *s->at != quote;) {
		if (quote == '"' && skip_environment(s))
			continue;
		if (*s->at == '\\' && s->at + 1 < s->end)
			step(s);
		step(s);
	}
	if (s->at == s->end)
		return cut(s, from, &start, "string");
	step(s);
	return 0;
}

static void
count_brace(struct scan *s)
{
	if (*s->at == '{') {
		if (s->depth < BRACES_MAX)
			s->brace_lines[s->depth] = s->where.line;
		s->depth++;
	} else if (*s->at == '}' && s->depth > 0) {
		s->depth--;
	}
}

static int
skip_token(struct scan *s)
{
	static const char not_bare[] = " \t\r\n#\"'={}()+,*";

	if (*s->at == '#' || looking_at(s, "//"))
		return blank_comment(s, "\n");
	if (looking_at(s, "/*"))
		return blank_comment(s, "*/");
	if (*s->at == '"' || *s->at == '\'')
		return skip_quoted(s);
	if (skip_environment(s))
		return 0;
	count_brace(s);
	if (strchr(not_bare, *s->at) != NULL) {
		step(s);
		return 0;
	}
	while (s->at < s->end && strchr(not_bare, *s->at) == NULL)
		step(s);
	return 0;
}

static enum conf_text
blank_comments(struct scan *s)
{
	struct conf_where where = s->where;

	while (s->at < s->end) {
		if (skip_token(s) != 0)
			return CONF_TEXT_CUT;
	}
	if (s->depth == 0)
		return CONF_TEXT_GOOD;
	where.line = s->brace_lines[s->depth <= BRACES_MAX ? s->depth - 1 : BRACES_MAX - 1];
	cut(s, s->end, &where, "block or list");
	return CONF_TEXT_CUT;
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

enum conf_text
conf_text_prepare(char *text, size_t len, const char *file, struct str *problems)
{
	struct scan s = {
		.at = text, .end = text + len, .where = { file, 1 }, .problems = problems
	};

	return check_bytes(&s) == 0 ? blank_comments(&s) : CONF_TEXT_BAD;
}
