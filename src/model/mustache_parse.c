/*
 * mustache_parse.c: from a template's text to a flat array of instructions.
 *
 * Everything that depends only on the template is done here, once: names are cut at their dots,
 * sections know where they end, standalone tags have taken their line with them. What stays in the
 * text is copied in whole pieces, over many lines, when it is rendered.
 *
 * Partials are parsed once for each name, and not once for each indentation, as the spec's words
 * ("prepended to each line of the partial before rendering") suggest: a partial that includes itself
 * with an indentation would be parsed without end. So instructions remember whether they begin a line
 * of their source (is_line_start), and the renderer puts the indentation there.
 *
 * Rejected: the optional modules (lambdas, inheritance, dynamic names). No code in templates.
 */
#include "model/mustache.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/mustache_program.h"

#define SHOW_SIZE (STR_SHOW_MAX * 4 + 4) /* a name as str_printable() writes it at worst */

struct parser {
	struct mustache *m;
	struct mustache_program *program;
	mustache_partial_fn *partial;
	void *arg;
	const char *source;
	size_t len;
	size_t at;      /* behind the last tag, or behind its line if it had one for itself */
	size_t line_at; /* line is that of this place */
	uint32_t line;
	const char *open, *close; /* the delimiters: literals, or in the source */
	size_t open_len, close_len;
	uint32_t sections[MUSTACHE_DEPTH_MAX]; /* ops of those that are open */
	size_t depth;
};

struct tag {
	const struct sigil *sigil;
	const char *text; /* what stands in it, trimmed */
	size_t len;
	size_t start, end; /* with its delimiters */
	uint32_t line;
	bool is_line_start;
	const char *indent; /* of a tag that stands alone on its line */
	size_t indent_len;
};

struct sigil {
	char c;
	char before_close; /* what has to stand before the closing delimiter: {{{x}}}, {{=| |=}} */
	bool may_stand_alone;
	enum mustache_code code;
	int (*act)(struct parser *p, const struct tag *tag, struct err *e);
};

static int fail(const struct parser *p, uint32_t line, struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static int
fail(const struct parser *p, uint32_t line, struct err *e, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(e, ERR_CONFIG, "%s:%" PRIu32 ": %s", p->program->label, line, text);
}

static struct mustache_op *
add_op(struct parser *p, enum mustache_code code, uint32_t line)
{
	struct mustache_program *program = p->program;
	struct mustache_op *op;

	if (program->count == program->cap) {
		program->cap = program->cap > 0 ? program->cap * 2 : 16;
		program->ops = mem_grow(program->ops, program->cap, sizeof(*program->ops));
	}
	op = &program->ops[program->count++];
	*op = (struct mustache_op){ .code = code, .line = line };
	return op;
}

static bool
is_line_start(const struct parser *p, size_t at)
{
	return at == 0 || p->source[at - 1] == '\n';
}

/* The line of a place; places are asked for from front to back. */
static uint32_t
line_of(struct parser *p, size_t at)
{
	for (; p->line_at < at; p->line_at++) {
		if (p->source[p->line_at] == '\n')
			p->line++;
	}
	return p->line;
}

/* What stands between the last tag, where we are, and the next one. */
static void
add_text(struct parser *p, uint32_t line, size_t to)
{
	struct mustache_op *op;

	if (p->at == to)
		return;
	op = add_op(p, MUSTACHE_TEXT, line);
	op->text = p->source + p->at;
	op->len = to - p->at;
	op->is_line_start = is_line_start(p, p->at);
}

/* --- names --------------------------------------------------------------------------------------- */

static int
check_name(const struct parser *p, const struct tag *tag, struct err *e)
{
	char shown[SHOW_SIZE];

	if (tag->len == 0)
		return fail(p, tag->line, e, "a tag without a name");
	if (!str_is_utf8(tag->text, tag->len))
		return fail(p, tag->line, e, "a name that is not UTF-8");
	for (size_t i = 0; i < tag->len; i++) {
		if ((unsigned char)tag->text[i] > ' ' && tag->text[i] != 0x7f)
			continue;
		str_printable(shown, sizeof(shown), tag->text, tag->len);
		return fail(p, tag->line, e, "{{%s}}: a name holds no blanks", shown);
	}
	return 0;
}

/* The parts of a.b.c, each as a string of its own. */
static int
split_path(struct parser *p, const struct tag *tag, struct mustache_path *path, struct err *e)
{
	char *copy = arena_strndup(&p->m->arena, tag->text, tag->len), *dot;
	struct mustache_key *keys;
	char shown[SHOW_SIZE];
	uint32_t count = 1;

	for (size_t i = 0; i < tag->len; i++)
		count += copy[i] == '.';
	keys = arena_array(&p->m->arena, count, sizeof(*keys));
	for (uint32_t i = 0; i < count; i++) {
		if ((dot = strchr(copy, '.')) != NULL)
			*dot = '\0';
		keys[i] = (struct mustache_key){ copy, strlen(copy) };
		if (keys[i].len == 0)
			return fail(p, tag->line, e, "{{%s}}: nothing between two dots",
			    str_printable(shown, sizeof(shown), tag->text, tag->len));
		copy += keys[i].len + 1;
	}
	*path = (struct mustache_path){ MUSTACHE_PATH_KEYS, count, keys };
	return 0;
}

static int
parse_path(struct parser *p, const struct tag *tag, struct mustache_path *path, struct err *e)
{
	static const struct {
		const char *name;
		enum mustache_path_kind kind;
	} special[] = {
		{ ".", MUSTACHE_PATH_SELF },
		{ "-first", MUSTACHE_PATH_FIRST },
		{ "-last", MUSTACHE_PATH_LAST },
	};

	if (check_name(p, tag, e) == -1)
		return -1;
	for (size_t i = 0; i < MEM_COUNT(special); i++) {
		if (tag->len == strlen(special[i].name) &&
		    memcmp(tag->text, special[i].name, tag->len) == 0) {
			*path = (struct mustache_path){ .kind = special[i].kind };
			return 0;
		}
	}
	return split_path(p, tag, path, e);
}

/* --- what each tag does --------------------------------------------------------------------------- */

static int
add_path_op(struct parser *p, const struct tag *tag, struct err *e)
{
	struct mustache_path path;
	struct mustache_op *op;

	if (parse_path(p, tag, &path, e) == -1)
		return -1;
	op = add_op(p, tag->sigil->code, tag->line);
	op->is_line_start = tag->is_line_start;
	op->text = arena_strndup(&p->m->arena, tag->text, tag->len);
	op->len = tag->len;
	op->path = path;
	return 0;
}

static int
open_section(struct parser *p, const struct tag *tag, struct err *e)
{
	if (p->depth == MUSTACHE_DEPTH_MAX)
		return fail(
		    p, tag->line, e, "more than %d sections in each other", MUSTACHE_DEPTH_MAX);
	if (add_path_op(p, tag, e) == -1)
		return -1;
	p->sections[p->depth++] = p->program->count - 1;
	return 0;
}

static int
close_section(struct parser *p, const struct tag *tag, struct err *e)
{
	const struct mustache_op *opened;
	char shown[SHOW_SIZE], due[SHOW_SIZE];

	if (check_name(p, tag, e) == -1)
		return -1;
	str_printable(shown, sizeof(shown), tag->text, tag->len);
	if (p->depth == 0)
		return fail(p, tag->line, e, "{{/%s}} closes nothing", shown);
	opened = &p->program->ops[p->sections[--p->depth]];
	if (opened->len != tag->len || memcmp(opened->text, tag->text, tag->len) != 0)
		return fail(p, tag->line, e, "{{/%s}} where {{/%s}} of line %" PRIu32 " is due",
		    shown, str_printable(due, sizeof(due), opened->text, opened->len),
		    opened->line);
	p->program->ops[p->sections[p->depth]].end = p->program->count;
	add_op(p, MUSTACHE_END, tag->line)->is_line_start = tag->is_line_start;
	return 0;
}

/* A comment or new delimiters leave nothing but, where they begin a line, the place of that. */
static void
add_nothing(struct parser *p, const struct tag *tag)
{
	struct mustache_op *op;

	if (!tag->is_line_start)
		return;
	op = add_op(p, MUSTACHE_TEXT, tag->line);
	op->text = "";
	op->is_line_start = true;
}

static int
skip_comment(struct parser *p, const struct tag *tag, struct err *e)
{
	(void)e;
	add_nothing(p, tag);
	return 0;
}

static size_t
word_length(const char *text, const char *end)
{
	const char *c = text;

	while (c < end && !isspace((unsigned char)*c))
		c++;
	return (size_t)(c - text);
}

static int
set_delimiters(struct parser *p, const struct tag *tag, struct err *e)
{
	const char *end = tag->text + tag->len, *second;
	size_t open_len = word_length(tag->text, end), close_len;

	for (second = tag->text + open_len; second < end && isspace((unsigned char)*second);)
		second++;
	close_len = word_length(second, end);
	if (open_len == 0 || close_len == 0 || second + close_len != end ||
	    memchr(tag->text, '=', tag->len) != NULL)
		return fail(p, tag->line, e,
		    "new delimiters are two words without blanks or '=', as in {{=<%% %%>=}}");
	p->open = tag->text;
	p->open_len = open_len;
	p->close = second;
	p->close_len = close_len;
	add_nothing(p, tag);
	return 0;
}

static int
count_source(struct mustache *m, const char *label, size_t len, struct err *e)
{
	m->source_bytes += len;
	if (len <= MUSTACHE_SOURCE_MAX && m->source_bytes <= MUSTACHE_SOURCE_MAX)
		return 0;
	return err_set(e, ERR_LIMIT, "%s: a template and its partials may have %u bytes", label,
	    MUSTACHE_SOURCE_MAX);
}

static struct mustache_program *
add_program(struct mustache *m, const char *name, const char *label)
{
	struct mustache_program **end = &m->programs;

	while (*end != NULL)
		end = &(*end)->next;
	*end = arena_alloc(&m->arena, sizeof(**end));
	(*end)->name = name != NULL ? arena_strdup(&m->arena, name) : NULL;
	(*end)->label = arena_strdup(&m->arena, label);
	return *end;
}

/* Gets the partial of that name, which is parsed later, by mustache_new(). */
static struct mustache_program *
fetch_partial(struct parser *p, const char *name, uint32_t line, struct err *e)
{
	struct mustache_source source = { 0 };
	struct mustache_program *program = NULL;

	if (p->m->partial_count++ == MUSTACHE_PARTIALS_MAX) {
		fail(p, line, e, "more than %d partials", MUSTACHE_PARTIALS_MAX);
		return NULL;
	}
	if (p->partial != NULL && p->partial(name, &source, p->arg, e) == -1) {
		err_wrap(e, "%s:%" PRIu32, p->program->label, line);
		return NULL;
	}
	if (source.text == NULL)
		source.len = 0;
	if (count_source(p->m, p->program->label, source.len, e) == 0) {
		program = add_program(p->m, name, source.label != NULL ? source.label : name);
		program->source =
		    arena_strndup(&p->m->arena, source.text != NULL ? source.text : "", source.len);
		program->source_len = source.len;
	}
	free(source.text);
	free(source.label);
	return program;
}

static int
add_partial(struct parser *p, const struct tag *tag, struct err *e)
{
	struct mustache_program *program = p->m->programs;
	struct mustache_op *op;
	char *name;

	if (check_name(p, tag, e) == -1)
		return -1;
	name = arena_strndup(&p->m->arena, tag->text, tag->len);
	while (program != NULL && (program->name == NULL || strcmp(program->name, name) != 0))
		program = program->next;
	if (program == NULL && (program = fetch_partial(p, name, tag->line, e)) == NULL)
		return -1;
	op = add_op(p, MUSTACHE_PARTIAL, tag->line);
	op->is_line_start = tag->is_line_start;
	op->text = tag->indent;
	op->len = tag->indent_len;
	op->partial = program;
	return 0;
}

/* --- tags ------------------------------------------------------------------------------------------ */

static const struct sigil sigils[] = {
	{ '\0', '\0', false, MUSTACHE_VALUE, add_path_op }, /* first: no sigil */
	{ '{', '}', false, MUSTACHE_RAW, add_path_op },
	{ '&', '\0', false, MUSTACHE_RAW, add_path_op },
	{ '#', '\0', true, MUSTACHE_SECTION, open_section },
	{ '^', '\0', true, MUSTACHE_INVERTED, open_section },
	{ '/', '\0', true, MUSTACHE_END, close_section },
	{ '>', '\0', true, MUSTACHE_PARTIAL, add_partial },
	{ '!', '\0', true, MUSTACHE_TEXT, skip_comment },
	{ '=', '=', true, MUSTACHE_TEXT, set_delimiters },
};

static const struct sigil *
find_sigil(char c)
{
	for (size_t i = 1; i < MEM_COUNT(sigils); i++) {
		if (sigils[i].c == c)
			return &sigils[i];
	}
	return &sigils[0];
}

/* The closing delimiter behind from, with before (unless NUL) in front of it. */
static const char *
find_close(const struct parser *p, size_t from, char before)
{
	const char *begin = p->source + from, *end = p->source + p->len, *hit = begin;

	while ((hit = memmem(hit, (size_t)(end - hit), p->close, p->close_len)) != NULL) {
		if (before == '\0' || (hit > begin && hit[-1] == before))
			return hit;
		hit++;
	}
	return NULL;
}

static int
read_tag(struct parser *p, size_t start, struct tag *tag, struct err *e)
{
	size_t i = start + p->open_len;
	const char *close, *end;

	*tag = (struct tag){ .start = start, .line = line_of(p, start) };
	while (i < p->len && isspace((unsigned char)p->source[i]))
		i++;
	tag->sigil = find_sigil(i < p->len ? p->source[i] : '\0');
	if (tag->sigil->c != '\0')
		i++;
	if ((close = find_close(p, i, tag->sigil->before_close)) == NULL)
		return fail(p, tag->line, e, "a tag that is never closed");
	tag->end = (size_t)(close - p->source) + p->close_len;
	end = close - (tag->sigil->before_close != '\0');
	tag->text = p->source + i;
	while (tag->text < end && isspace((unsigned char)*tag->text))
		tag->text++;
	while (end > tag->text && isspace((unsigned char)end[-1]))
		end--;
	tag->len = (size_t)(end - tag->text);
	return 0;
}

/* Whether the tag has its lines for itself; then *begin and *next are where they begin and end. */
static bool
stands_alone(const struct parser *p, const struct tag *tag, size_t *begin, size_t *next)
{
	size_t from = tag->start, to = tag->end;

	if (!tag->sigil->may_stand_alone)
		return false;
	while (from > p->at && (p->source[from - 1] == ' ' || p->source[from - 1] == '\t'))
		from--;
	while (to < p->len && (p->source[to] == ' ' || p->source[to] == '\t'))
		to++;
	if (to + 1 < p->len && p->source[to] == '\r' && p->source[to + 1] == '\n')
		to++;
	if (!is_line_start(p, from) || (to < p->len && p->source[to] != '\n'))
		return false;
	*begin = from;
	*next = to < p->len ? to + 1 : to;
	return true;
}

static int
parse_tag(struct parser *p, size_t start, struct err *e)
{
	uint32_t text_line = line_of(p, p->at);
	size_t text_end = start, next;
	struct tag tag;

	if (read_tag(p, start, &tag, e) == -1)
		return -1;
	next = tag.end;
	if (stands_alone(p, &tag, &text_end, &next)) {
		tag.indent = p->source + text_end;
		tag.indent_len = start - text_end;
	} else {
		tag.is_line_start = is_line_start(p, start);
	}
	add_text(p, text_line, text_end);
	p->at = next;
	return tag.sigil->act(p, &tag, e);
}

static int
parse_program(struct parser *p, struct mustache_program *program, struct err *e)
{
	const struct mustache_op *opened;
	const char *hit;
	char shown[SHOW_SIZE];

	p->program = program;
	p->source = program->source;
	p->len = program->source_len;
	p->at = p->line_at = p->depth = 0;
	p->line = 1;
	p->open = "{{";
	p->close = "}}";
	p->open_len = p->close_len = 2;
	while ((hit = memmem(p->source + p->at, p->len - p->at, p->open, p->open_len)) != NULL) {
		if (parse_tag(p, (size_t)(hit - p->source), e) == -1)
			return -1;
	}
	add_text(p, line_of(p, p->at), p->len);
	if (p->depth == 0)
		return 0;
	opened = &program->ops[p->sections[p->depth - 1]];
	str_printable(shown, sizeof(shown), opened->text, opened->len);
	return fail(p, opened->line, e, "section %s is never closed", shown);
}

struct mustache *
mustache_new(const char *source, size_t len, const char *label, mustache_partial_fn *partial,
    void *arg, struct err *e)
{
	struct mustache *m = mem_alloc(sizeof(*m));
	struct parser p = { .m = m, .partial = partial, .arg = arg };
	struct mustache_program *main_program;

	if (count_source(m, label, len, e) == -1)
		goto failed;
	main_program = add_program(m, NULL, label);
	main_program->source = arena_strndup(&m->arena, len > 0 ? source : "", len);
	main_program->source_len = len;
	/* the list grows while it is walked: a program adds the partials that it is the first to name */
	for (struct mustache_program *i = m->programs; i != NULL; i = i->next) {
		if (parse_program(&p, i, e) == -1)
			goto failed;
	}
	return m;
failed:
	mustache_free(m);
	return NULL;
}

void
mustache_free(struct mustache *m)
{
	if (m == NULL)
		return;
	for (struct mustache_program *i = m->programs; i != NULL; i = i->next)
		free(i->ops);
	arena_clear(&m->arena);
	free(m);
}
