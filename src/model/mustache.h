/*
 * mustache.h: the Mustache template language, the whole official spec without its optional modules:
 * interpolation with {{x}}, {{{x}}} and {{&x}}, sections, inverted sections, partials, set
 * delimiters, comments, dotted names, standalone tags, partial indentation. Pure: partials come
 * through a callback, data through datum.h.
 *
 * One extension, jmustache's: inside of a section over a list, {{#-first}} and {{#-last}} are true
 * at its first and last item (commas between the items, and the like).
 *
 * What is missing, null, false, an empty list or an empty text is false; all else, also 0, is true.
 */
#ifndef MODEL_MUSTACHE_H
#define MODEL_MUSTACHE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "model/datum.h"
#include "model/escape.h"

#define MUSTACHE_SOURCE_MAX (1u << 20) /* bytes of one template or partial */
#define MUSTACHE_PARTIALS_MAX 256      /* different partials of a template */
#define MUSTACHE_DEPTH_MAX 64 /* nested sections and partials: a partial may include itself */
#define MUSTACHE_STEPS_MAX (16u << 20)  /* tags and texts of one render: a fraction of a second */
#define MUSTACHE_OUTPUT_MAX (64u << 20) /* bytes of one rendered file */

struct mustache;

/* A partial's text and what messages call it ("/etc/pointsman/head.mustache"); both malloc'ed. */
struct mustache_source {
	char *text; /* NULL: there is no such partial; the spec renders it as nothing */
	size_t len;
	char *label;
};

/* 0 and out filled, or -1: then the template cannot be parsed either. Asked once for each name. */
typedef int mustache_partial_fn(
    const char *name, struct mustache_source *out, void *arg, struct err *e);

/*
 * Parses source and, at once, its partials (partial may be NULL: there are none). Nothing of source
 * is kept. ERR_CONFIG on a bad template: "hosts.mustache:12: section names is never closed".
 */
struct mustache *mustache_new(const char *source, size_t len, const char *label,
    mustache_partial_fn *partial, void *arg, struct err *e);
void mustache_free(struct mustache *m);

/*
 * Appends to out; on failure out is as it was. is_strict: a name that is not in the data, or a list
 * or object where a value belongs, is ERR_CONFIG with file, line and the names that are there,
 * instead of the spec's empty string. ERR_LIMIT when one of the limits above is reached.
 */
int mustache_render(const struct mustache *m, const struct datum *root, enum escape escape,
    bool is_strict, struct str *out, struct err *e);

/*
 * Looks up every tag of the template, strictly, as against sample, and enters every section whether
 * its value is true or not: so a misspelt name is found also where today's data would not lead.
 * Lists of the sample need one item; the section of an empty one is not entered.
 */
int mustache_check(const struct mustache *m, const struct datum *sample, struct err *e);

#endif
