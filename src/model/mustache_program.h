/*
 * mustache_program.h: a parsed template, private to the files mustache_*.c: one flat array of
 * instructions for the template and for each of its partials.
 */
#ifndef MODEL_MUSTACHE_PROGRAM_H
#define MODEL_MUSTACHE_PROGRAM_H

#include <stdint.h>

#include "base/arena.h"
#include "model/mustache.h"

enum mustache_code {
	MUSTACHE_TEXT,
	MUSTACHE_VALUE, /* {{x}} */
	MUSTACHE_RAW,   /* {{{x}}}, {{&x}} */
	MUSTACHE_SECTION,
	MUSTACHE_INVERTED,
	MUSTACHE_END,
	MUSTACHE_PARTIAL,
};

enum mustache_path_kind {
	MUSTACHE_PATH_KEYS,  /* a.b.c */
	MUSTACHE_PATH_SELF,  /* . */
	MUSTACHE_PATH_FIRST, /* -first */
	MUSTACHE_PATH_LAST,  /* -last */
};

struct mustache_key {
	const char *text;
	size_t len;
};

struct mustache_path {
	enum mustache_path_kind kind;
	uint32_t count;
	const struct mustache_key *keys;
};

struct mustache_op {
	enum mustache_code code;
	uint32_t line;
	uint32_t end; /* SECTION, INVERTED: its END */
	/* The first on a line of the source that is not all a standalone tag: an indentation goes here. */
	bool is_line_start;
	const char *text; /* TEXT: its bytes; PARTIAL: its indentation, NULL: not alone on its line;
	                     tags with a path: that in full */
	size_t len;
	union {
		struct mustache_path path;
		struct mustache_program *partial;
	};
};

struct mustache_program {
	const char *name;  /* of the partial; NULL: the template itself */
	const char *label; /* what messages call it */
	const char *source;
	size_t source_len;
	struct mustache_op *ops;
	uint32_t count, cap;
	struct mustache_program *next; /* in the order in which they were first named */
};

struct mustache {
	struct arena arena;                /* all that the programs point to, but for their ops */
	struct mustache_program *programs; /* the first is the template */
	size_t source_bytes, partial_count;
};

#endif
