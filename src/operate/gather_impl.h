/* gather_impl.h: for the gather_*.c: each kind of pair. f->servers have their nodes. */
#ifndef OPERATE_GATHER_IMPL_H
#define OPERATE_GATHER_IMPL_H

#include "operate/gather.h"

/* The check that the pair has of this server. */
const struct check_spec *gather_find_spec(
    const struct config *c, const struct config_pair *pair, const char *node);
/* "10.0.4.13:3306" into the server's two. */
struct endpoint;
void gather_place(struct preflight_server *s, const struct endpoint *at);

/* 0, or -1 when it was interrupted. */
int gather_sql(
    struct gather *g, const struct config_pair *pair, struct preflight_facts *f, struct err *e);
int gather_checked(
    struct gather *g, const struct config_pair *pair, struct preflight_facts *f, struct err *e);

/* Operations of the pair. */
int gather_past(const struct gather *g, struct preflight_facts *f, struct err *e);

#endif
