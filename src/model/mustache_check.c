/*
 * mustache_check.c: the same walk as that of mustache_render.c, without output and without asking
 * whether a section's value is true: every way through the template is gone once.
 *
 * Rendering a rich sample instead was rejected: no sample makes both {{#x}} and {{^x}} true.
 */
#include "model/mustache.h"

#include <inttypes.h>

#include "model/mustache_context.h"
#include "model/mustache_program.h"

/* The partials that we are in: one that includes itself is not entered again. */
struct chain {
	const struct mustache_program *program;
	const struct chain *outer;
};

struct check {
	struct mustache_context context;
	size_t steps;
	size_t nesting;
};

static int walk(
    struct check *c, const struct chain *chain, uint32_t from, uint32_t to, struct err *e);

static int
check_value(const struct check *c, const struct mustache_program *p, const struct mustache_op *op,
    struct err *e)
{
	struct datum d;

	if (!mustache_context_find(&c->context, &op->path, &d))
		return mustache_context_unknown(&c->context, p, op, e);
	if (d.kind == DATUM_LIST || d.kind == DATUM_OBJECT)
		return mustache_context_no_value(p, op, &d, e);
	return 0;
}

static int
walk_section(
    struct check *c, const struct chain *chain, const struct mustache_op *op, struct err *e)
{
	const struct mustache_program *p = chain->program;
	uint32_t from = (uint32_t)(op - p->ops) + 1;
	struct datum d, item;
	int rc;

	if (!mustache_context_find(&c->context, &op->path, &d))
		return mustache_context_unknown(&c->context, p, op, e);
	if (op->code == MUSTACHE_INVERTED)
		return walk(c, chain, from, op->end, e);
	if (d.kind == DATUM_LIST && d.len == 0)
		return 0;
	if (d.kind == DATUM_LIST) {
		datum_item(&d, 0, &item);
		mustache_context_push(&c->context, &item, 0, d.len);
	} else {
		mustache_context_push(&c->context, &d, 0, 0);
	}
	rc = walk(c, chain, from, op->end, e);
	mustache_context_pop(&c->context);
	return rc;
}

static int
walk_partial(
    struct check *c, const struct chain *chain, const struct mustache_op *op, struct err *e)
{
	struct chain inner = { op->partial, chain };

	for (const struct chain *i = chain; i != NULL; i = i->outer) {
		if (i->program == op->partial)
			return 0;
	}
	return walk(c, &inner, 0, op->partial->count, e);
}

static int
enter(struct check *c, const struct chain *chain, const struct mustache_op *op, struct err *e)
{
	int rc;

	if (c->nesting == MUSTACHE_DEPTH_MAX)
		return err_set(e, ERR_LIMIT,
		    "%s:%" PRIu32 ": more than %d sections and partials in each other",
		    chain->program->label, op->line, MUSTACHE_DEPTH_MAX);
	c->nesting++;
	rc = op->code == MUSTACHE_PARTIAL ? walk_partial(c, chain, op, e)
					  : walk_section(c, chain, op, e);
	c->nesting--;
	return rc;
}

static int
step(struct check *c, const struct chain *chain, const struct mustache_op *op, struct err *e)
{
	if (++c->steps > MUSTACHE_STEPS_MAX)
		return err_set(e, ERR_LIMIT, "%s:%" PRIu32 ": more than %u steps",
		    chain->program->label, op->line, MUSTACHE_STEPS_MAX);
	switch (op->code) {
	case MUSTACHE_VALUE:
	case MUSTACHE_RAW:
		return check_value(c, chain->program, op, e);
	case MUSTACHE_SECTION:
	case MUSTACHE_INVERTED:
	case MUSTACHE_PARTIAL:
		return enter(c, chain, op, e);
	case MUSTACHE_TEXT:
	case MUSTACHE_END:
		break;
	}
	return 0;
}

static int
walk(struct check *c, const struct chain *chain, uint32_t from, uint32_t to, struct err *e)
{
	const struct mustache_op *ops = chain->program->ops;

	for (uint32_t i = from; i < to; i++) {
		if (step(c, chain, &ops[i], e) == -1)
			return -1;
		if (ops[i].code == MUSTACHE_SECTION || ops[i].code == MUSTACHE_INVERTED)
			i = ops[i].end;
	}
	return 0;
}

int
mustache_check(const struct mustache *m, const struct datum *sample, struct err *e)
{
	struct check c = { .steps = 0 };
	struct chain chain = { m->programs, NULL };

	mustache_context_push(&c.context, sample, 0, 0);
	return walk(&c, &chain, 0, m->programs->count, e);
}
