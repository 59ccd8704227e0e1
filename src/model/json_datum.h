/*
 * json_datum.h: a JSON tree as template data. Numbers are written as JSON writes them, the shortest
 * way that gives the same number back: 85, 1.21.
 */
#ifndef MODEL_JSON_DATUM_H
#define MODEL_JSON_DATUM_H

#include <jansson.h>

#include "model/datum.h"

/* Borrows j: it has to stay as long as the datum is used. */
struct datum json_datum(const json_t *j);

#endif
