/*
 * check_target.h: where the target of a check is at this moment: the map of names says it, or the
 * text itself, or a resolver has to be asked.
 */
#ifndef FEATURE_CHECK_TARGET_H
#define FEATURE_CHECK_TARGET_H

#include "base/err.h"
#include "io/endpoint.h"
#include "model/check.h"
#include "model/name_map.h"

struct check_type;

enum check_target_kind {
	CHECK_TARGET_NONE,    /* the check has none */
	CHECK_TARGET_ADDRESS, /* endpoint */
	CHECK_TARGET_HOST,    /* neither a name nor a node: ask io/resolve for text with port */
	CHECK_TARGET_BAD,     /* err */
};

struct check_target {
	enum check_target_kind kind;
	struct endpoint endpoint;
	int port;
	struct err err;
};

/* m NULL: no map is known yet. Of a name with several addresses the first is looked at. */
void check_target_find(struct check_target *out, const struct check_spec *s,
    const struct check_type *t, const struct name_map *m);

/* Whether two endpoints are on one machine: the address without the port. */
int check_target_compare_hosts(const struct endpoint *a, const struct endpoint *b);

#endif
