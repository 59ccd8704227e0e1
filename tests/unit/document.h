/*
 * document.h: template data as a JSON document: all that a template can reach, found as a template's
 * messages find it.
 */
#ifndef TESTS_DOCUMENT_H
#define TESTS_DOCUMENT_H

#include <jansson.h>

#include "model/datum.h"

/* Every TEXT is a string. */
json_t *document_of(const struct datum *d);

#endif
