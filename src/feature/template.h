/*
 * template.h: a template file with its partials, ready to be rendered. {{>head}} is head.mustache
 * in the directory of the template that was loaded; no partial comes from anywhere else.
 */
#ifndef FEATURE_TEMPLATE_H
#define FEATURE_TEMPLATE_H

#include "base/err.h"
#include "base/str.h"
#include "model/datum.h"
#include "model/escape.h"

struct template;

enum template_mode {
	TEMPLATE_STRICT, /* outputs: an unknown variable or partial is an error */
	TEMPLATE_SPEC,   /* `pointsman render`: both are nothing, as the Mustache spec has it */
};

/*
 * path as file_join(template_dir, name) gives it. All problems are told with file and line; a file
 * that is not there or not readable is ERR_NOT_FOUND or ERR_DENIED, a bad template ERR_CONFIG.
 */
struct template *template_load(
    const char *path, enum escape escape, enum template_mode mode, struct err *e);
void template_free(struct template *t);

/* Appends to out; on failure out is as it was. */
int template_render(
    const struct template *t, const struct datum *root, struct str *out, struct err *e);

/*
 * Whether every name in the template is one that map_datum.h knows, in every section, also those
 * that today's names would not enter: for `pointsman config check` and the start of the agent.
 */
int template_check(const struct template *t, struct err *e);

#endif
