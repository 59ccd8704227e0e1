/*
 * conf.h: configuration files in libconfuse's syntax, read by libconfuse into a tree in which every
 * piece knows its line. What the keys mean is the caller's affair.
 *
 *   # comment   // comment   (C comments, too)
 *   block "title" { key = value  list = { "a", "b" }  list += "c" }
 *   include("other.conf")        relative to the file that says so; outside of blocks
 *
 * Values are text: what 0644 means is up to the caller. Of a list without members nothing is told.
 */
#ifndef BASE_CONF_H
#define BASE_CONF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/str.h"

#define CONF_FILE_MAX (256u << 10) /* bytes of a file: some three thousand blocks */
#define CONF_FILES_MAX 64          /* with what is included, all together */
#define CONF_INCLUDE_DEPTH_MAX 8

struct conf_where {
	const char *file; /* NULL: the text says it */
	unsigned line;    /* 0: the file as a whole */
};

struct conf_entry {
	struct conf_entry *next, *first; /* its brother; of a block, its first child */
	struct conf_where where;
	const char *key;
	const char *title;   /* of a block; NULL: it has none */
	const char **values; /* of anything but a block; NULL-terminated */
	size_t count;
	bool is_block;
	bool is_nested; /* a block in a block; it is told as a brother of the outer one */
	bool is_cut;    /* a slip of syntax ended the reading in this block: it may lack anything */
};

struct conf {
	struct arena arena;
	struct conf_entry *first; /* in the order of the text, included files behind */
};

/* A block that the caller knows. libconfuse wants to be told; others are read as well. */
struct conf_block {
	const char *name;
	bool has_title;
	const char *const *keys; /* NULL-terminated */
};

/*
 * Reads path and what it includes; blocks ends with a NULL name. Every problem of form is appended
 * to problems as a line. A slip of syntax ends the reading of its file, but what stands before it
 * is in the tree. 0, or -1 when there was a problem; c is to be cleared in either case.
 */
int conf_read(
    struct conf *c, const char *path, const struct conf_block *blocks, struct str *problems);
void conf_clear(struct conf *c);

/* A line of problems: "FILE:LINE: " and the rest, made printable. */
void conf_problem(struct str *problems, const struct conf_where *where, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
