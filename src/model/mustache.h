/*
 * mustache.h: the Mustache template language, the whole official spec without its optional modules:
 * interpolation with {{x}}, {{{x}}} and {{&x}}, sections, inverted sections, partials, set delimiters,
 * comments, dotted names, standalone tags, partial indentation. Pure: partials come through a callback.
 *
 * The data is read through a small interface, so that ten thousand names are rendered where they lie
 * instead of being copied into a JSON tree first (facts/consul.md has what that would cost).
 */
#ifndef MODEL_MUSTACHE_H
#define MODEL_MUSTACHE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

#define MUSTACHE_SOURCE_MAX (1u << 20)	/* bytes of one template or partial */
#define MUSTACHE_DEPTH_MAX 64		/* nested sections and partials: a partial may include itself */
#define MUSTACHE_OUTPUT_MAX (64u << 20) /* bytes of one rendered file */

enum escape { ESCAPE_NONE, ESCAPE_HTML, ESCAPE_JSON, ESCAPE_SHELL };

const char *escape_name(enum escape e);
int escape_parse(const char *text, enum escape *out);
/* shell: safe inside single quotes and bare; json: the inside of a string; html: as the spec's tests. */
void escape_add(struct str *out, enum escape e, const char *text, size_t len);

/* --- data --------------------------------------------------------------------------------------- */

enum datum_kind { DATUM_MISSING, DATUM_FALSE, DATUM_TRUE, DATUM_TEXT, DATUM_LIST, DATUM_OBJECT };

/* A value in place: who keeps it, where it is. Small, copied freely. */
struct datum {
	enum datum_kind kind;
	const struct datum_class *class; /* for LIST and OBJECT */
	const void *ptr;
	size_t index;			 /* for the class's own use */
	const char *text;		 /* for TEXT; lives as long as the data, or is scratch (below) */
	size_t len;			 /* of a TEXT in bytes, of a LIST in items */
	char scratch[24];		 /* a TEXT made on the fly (a number) may live here: text == NULL */
};

struct datum_class {
	/* member of an OBJECT; DATUM_MISSING when there is none of that name */
	void (*member)(const struct datum *object, const char *key, struct datum *out);
	/* item i < len of a LIST */
	void (*item)(const struct datum *list, size_t i, struct datum *out);
};

/* --- templates ------------------------------------------------------------------------------------ */

struct mustache;

/* The source of a partial by name, malloc'ed; NULL: there is none (the spec renders it as nothing). */
typedef char *mustache_partial_fn(const char *name, size_t *len, void *arg);

/*
 * Parses source (name is for messages: "hosts.mustache:12: section names is never closed"). Partials
 * are fetched and parsed at once. NULL and ERR_CONFIG on a bad template.
 */
struct mustache *mustache_new(const char *source, size_t len, const char *name,
    mustache_partial_fn *partial, void *arg, struct err *e);
void mustache_free(struct mustache *m);

/*
 * Appends to out. is_strict: a variable that is not in the data is ERR_CONFIG with file and line
 * instead of the spec's empty string.
 */
int mustache_render(const struct mustache *m, const struct datum *root, enum escape escape,
    bool is_strict, struct str *out, struct err *e);

#endif
