/*
 * escape.h: how {{x}} makes a foreign value harmless in the language of the file that is rendered.
 * Each escape is sound in ONE place of that language, and only there:
 *
 *   none   nowhere: the value as it is. Names, nodes and addresses are validated; meta is not.
 *   html   in text and in an attribute's quotes: & < > " and ' become entities.
 *   json   inside of a string, between the quotes that the template writes. What is not UTF-8
 *          becomes U+FFFD, so that the document is always valid.
 *   shell  where a word may begin: the value becomes one word in single quotes of its own, always,
 * and the empty value ''. No form is safe both bare and inside of the template's own quotes (a
 *          quote must close those, and must not open any outside of them), so the template writes
 *          NAME={{x}} and never NAME="{{x}}"; because even a harmless value gets its quotes, the
 *          mistake shows at the first look. NUL bytes, which no word can hold, are dropped.
 */
#ifndef MODEL_ESCAPE_H
#define MODEL_ESCAPE_H

#include <stddef.h>

#include "base/str.h"

enum escape { ESCAPE_NONE, ESCAPE_HTML, ESCAPE_JSON, ESCAPE_SHELL };

const char *escape_name(enum escape e);
int escape_parse(const char *text, enum escape *out);
void escape_add(struct str *out, enum escape e, const char *text, size_t len);

#endif
