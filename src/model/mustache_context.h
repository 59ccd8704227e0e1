/*
 * mustache_context.h: the values that a template is inside of, innermost last, and the look-up of a
 * name in them. Private to the files mustache_*.c.
 */
#ifndef MODEL_MUSTACHE_CONTEXT_H
#define MODEL_MUSTACHE_CONTEXT_H

#include "model/mustache_program.h"

struct mustache_frame {
	struct datum datum;
	size_t at, count; /* item at of so many; count 0: not an item of a list */
};

struct mustache_context {
	struct mustache_frame frames[MUSTACHE_DEPTH_MAX + 1]; /* the first is the root */
	size_t depth;
};

/* Sections are as deep as their nesting, which whoever walks the template bounds. */
void mustache_context_push(
    struct mustache_context *c, const struct datum *d, size_t at, size_t count);
void mustache_context_pop(struct mustache_context *c);

/*
 * The value of a tag's path. Returns false for a name that nobody knows: out is then DATUM_MISSING. A
 * key that an open object does not have is known, and DATUM_NULL.
 */
bool mustache_context_find(
    const struct mustache_context *c, const struct mustache_path *path, struct datum *out);

/* ERR_CONFIG: "LABEL:LINE: {{adress}} is not in the data; known here: address, node, name, fqdn". */
int mustache_context_unknown(const struct mustache_context *c, const struct mustache_program *p,
    const struct mustache_op *op, struct err *e);
/* The same for a list or an object where a value belongs. */
int mustache_context_no_value(const struct mustache_program *p, const struct mustache_op *op,
    const struct datum *d, struct err *e);

#endif
