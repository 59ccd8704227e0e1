/*
 * mustache_render.c: runs the instructions of mustache_parse.c against the data.
 *
 * A section is a range of instructions, run once for each item; a partial is the range of another
 * program. Both recurse in C, at most MUSTACHE_DEPTH_MAX deep. Nothing is allocated but the output, and
 * one buffer for values that are made on the fly and then escaped.
 *
 * Work is counted: sixty partials that each include the next one twice are small and take for ever, and
 * the daemon has only one thread.
 */
#include "model/mustache.h"

#include <inttypes.h>
#include <string.h>

#include "model/mustache_context.h"
#include "model/mustache_program.h"

struct render {
	struct mustache_context context;
	enum escape escape;
	bool is_strict;
	struct str *out;
	size_t start; /* of what is ours in out */
	size_t steps;
	size_t nesting;
	struct str indent;  /* of the partials that we are in, one behind the other … */
	size_t indent_from; /* … of which those before this place end at an inline partial */
	struct str scratch;
};

static int run(
    struct render *r, const struct mustache_program *p, uint32_t from, uint32_t to, struct err *e);

static int
fail_limit(const struct mustache_program *p, const struct mustache_op *op, const char *what,
    size_t limit, struct err *e)
{
	return err_set(
	    e, ERR_LIMIT, "%s:%" PRIu32 ": more than %zu %s", p->label, op->line, limit, what);
}

static bool
is_too_long(const struct render *r)
{
	return r->out->len - r->start > MUSTACHE_OUTPUT_MAX;
}

static void
add_indent(struct render *r)
{
	if (r->indent.len > r->indent_from)
		str_add(r->out, r->indent.data + r->indent_from, r->indent.len - r->indent_from);
}

/* Adds text of the template; each of its lines but the first gets the indentation here. */
static void
add_text(struct render *r, const char *text, size_t len)
{
	const char *end = text + len, *newline;

	while (r->indent.len > r->indent_from && text < end && !is_too_long(r)) {
		newline = memchr(text, '\n', (size_t)(end - text));
		if (newline == NULL || newline + 1 == end)
			break;
		str_add(r->out, text, (size_t)(newline + 1 - text));
		add_indent(r);
		text = newline + 1;
	}
	str_add(r->out, text, (size_t)(end - text));
}

/* --- values ------------------------------------------------------------------------------------ */

/* The bytes of a value that is neither list nor object; null is an empty one. */
static void
add_value(struct render *r, enum escape escape, const struct datum *d)
{
	switch (d->kind) {
	case DATUM_TEXT:
		if (d->text != NULL) {
			escape_add(r->out, escape, d->text, d->len);
		} else if (escape == ESCAPE_NONE) {
			d->class->text(d, r->out);
		} else {
			str_reset(&r->scratch);
			d->class->text(d, &r->scratch);
			escape_add(r->out, escape, str_text(&r->scratch), r->scratch.len);
		}
		return;
	case DATUM_TRUE:
		escape_add(r->out, escape, "true", 4);
		return;
	case DATUM_FALSE:
		escape_add(r->out, escape, "false", 5);
		return;
	default:
		escape_add(r->out, escape, "", 0);
	}
}

/* The datum of a tag. Without is_strict, what is not in the data is DATUM_MISSING and no failure. */
static int
find(const struct render *r, const struct mustache_program *p, const struct mustache_op *op,
    struct datum *out, struct err *e)
{
	bool is_known = mustache_context_find(&r->context, &op->path, out);

	if (!is_known && r->is_strict)
		return mustache_context_unknown(&r->context, p, op, e);
	return 0;
}

static int
find_value(const struct render *r, const struct mustache_program *p, const struct mustache_op *op,
    struct datum *out, struct err *e)
{
	if (find(r, p, op, out, e) == -1)
		return -1;
	if (r->is_strict && (out->kind == DATUM_LIST || out->kind == DATUM_OBJECT))
		return mustache_context_no_value(p, op, out, e);
	return 0;
}

static bool
is_true(struct render *r, const struct datum *d)
{
	switch (d->kind) {
	case DATUM_TRUE:
	case DATUM_OBJECT:
		return true;
	case DATUM_LIST:
		return d->len > 0;
	case DATUM_TEXT:
		if (d->text != NULL)
			return d->len > 0;
		str_reset(&r->scratch);
		d->class->text(d, &r->scratch);
		return r->scratch.len > 0;
	default:
		return false;
	}
}

/* --- sections and partials ----------------------------------------------------------------------- */

/* The inside of the section that begins at op, in the context of d. */
static int
run_inside(struct render *r, const struct mustache_program *p, const struct mustache_op *op,
    const struct datum *d, size_t at, size_t count, struct err *e)
{
	uint32_t from = (uint32_t)(op - p->ops) + 1;
	int rc;

	mustache_context_push(&r->context, d, at, count);
	rc = run(r, p, from, op->end + 1, e);
	mustache_context_pop(&r->context);
	return rc;
}

static int
run_list(struct render *r, const struct mustache_program *p, const struct mustache_op *op,
    const struct datum *list, struct err *e)
{
	for (size_t i = 0; i < list->len; i++) {
		struct datum item;

		datum_item(list, i, &item);
		if (run_inside(r, p, op, &item, i, list->len, e) == -1)
			return -1;
	}
	return 0;
}

static int
run_section(
    struct render *r, const struct mustache_program *p, const struct mustache_op *op, struct err *e)
{
	struct datum d;

	if (find(r, p, op, &d, e) == -1)
		return -1;
	if (is_true(r, &d) == (op->code == MUSTACHE_INVERTED))
		return 0;
	if (op->code == MUSTACHE_INVERTED)
		return run(r, p, (uint32_t)(op - p->ops) + 1, op->end + 1, e);
	if (d.kind == DATUM_LIST)
		return run_list(r, p, op, &d, e);
	return run_inside(r, p, op, &d, 0, 0, e);
}

static int
run_partial(struct render *r, const struct mustache_op *op, struct err *e)
{
	size_t len = r->indent.len, from = r->indent_from;
	int rc;

	if (op->text == NULL)
		r->indent_from = len;
	else
		str_add(&r->indent, op->text, op->len);
	rc = run(r, op->partial, 0, op->partial->count, e);
	r->indent.len = len;
	r->indent_from = from;
	return rc;
}

static int
enter(
    struct render *r, const struct mustache_program *p, const struct mustache_op *op, struct err *e)
{
	int rc;

	if (r->nesting == MUSTACHE_DEPTH_MAX)
		return fail_limit(
		    p, op, "sections and partials in each other", MUSTACHE_DEPTH_MAX, e);
	r->nesting++;
	rc = op->code == MUSTACHE_PARTIAL ? run_partial(r, op, e) : run_section(r, p, op, e);
	r->nesting--;
	return rc;
}

static int
step(
    struct render *r, const struct mustache_program *p, const struct mustache_op *op, struct err *e)
{
	struct datum d;

	if (op->is_line_start)
		add_indent(r);
	switch (op->code) {
	case MUSTACHE_TEXT:
		add_text(r, op->text, op->len);
		break;
	case MUSTACHE_VALUE:
	case MUSTACHE_RAW:
		if (find_value(r, p, op, &d, e) == -1)
			return -1;
		add_value(r, op->code == MUSTACHE_RAW ? ESCAPE_NONE : r->escape, &d);
		break;
	case MUSTACHE_SECTION:
	case MUSTACHE_INVERTED:
	case MUSTACHE_PARTIAL:
		return enter(r, p, op, e);
	case MUSTACHE_END:
		break;
	}
	return 0;
}

static int
run(struct render *r, const struct mustache_program *p, uint32_t from, uint32_t to, struct err *e)
{
	const struct mustache_op *op;

	for (uint32_t i = from; i < to; i++) {
		op = &p->ops[i];
		if (++r->steps > MUSTACHE_STEPS_MAX)
			return fail_limit(p, op, "steps", MUSTACHE_STEPS_MAX, e);
		if (step(r, p, op, e) == -1)
			return -1;
		if (is_too_long(r))
			return fail_limit(p, op, "bytes of output", MUSTACHE_OUTPUT_MAX, e);
		if (op->code == MUSTACHE_SECTION || op->code == MUSTACHE_INVERTED)
			i = op->end;
	}
	return 0;
}

int
mustache_render(const struct mustache *m, const struct datum *root, enum escape escape,
    bool is_strict, struct str *out, struct err *e)
{
	struct render r = {
		.escape = escape, .is_strict = is_strict, .out = out, .start = out->len
	};
	int rc;

	mustache_context_push(&r.context, root, 0, 0);
	rc = run(&r, m->programs, 0, m->programs->count, e);
	if (rc == -1 && out->len > r.start) {
		out->len = r.start;
		out->data[r.start] = '\0';
	}
	str_clear(&r.indent);
	str_clear(&r.scratch);
	return rc;
}
