/*
 * maps.h: maps from a line of text, for tests: nodes "db3=10.0.4.13 db4=10.0.4.14", names
 * "maindb=db3 chat=db3,db4". What needs other bytes fills struct raw_name by hand.
 */
#ifndef TESTS_MAPS_H
#define TESTS_MAPS_H

#include "model/name_map.h"

/* Appended to the nodes and names of the text. */
struct maps_extra {
	const struct raw_name *names;
	size_t name_count;
	const struct raw_node *nodes;
	size_t node_count;
};

/* nodes: NULL: those of before. names: ".pointsman=" is the canary. before may be NULL. */
struct name_map *maps_build(const char *nodes, const char *names, const struct name_map *before);
struct name_map *maps_build_with(const char *nodes, const char *names,
    const struct name_map *before, const struct maps_extra *extra,
    bool (*held)(const char *, void *), void *arg);
/* The same, and unrefs before. */
struct name_map *maps_next(struct name_map *before, const char *nodes, const char *names);

/* "maindb=db3@10.0.4.13 chat=db3,db4@10.0.4.13,10.0.4.14!"; '!' behind an address: last known; '#'
 * behind a name: held. In a static buffer. */
const char *maps_text(const struct name_map *m);

/* "shop=db33 kept db3: there is no node …" a line each. In a static buffer. */
const char *maps_rejected(const struct name_map *m);

#endif
