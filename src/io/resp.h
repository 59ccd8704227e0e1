/*
 * resp.h: replies of Redis (RESP 2), read as they come in, within limits.
 */
#ifndef IO_RESP_H
#define IO_RESP_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct resp_reader;

enum resp_type { RESP_STATUS, RESP_ERROR, RESP_INTEGER, RESP_STRING, RESP_NIL, RESP_ARRAY };

struct resp_value {
	enum resp_type type;
	int64_t integer;
	const char
	    *text; /* of a status, an error, a string; NUL-terminated, may hold NULs; else "" */
	size_t len;
	const struct resp_value *items; /* of an array */
	size_t count;
};

#define RESP_DEPTH_MAX 8      /* COMMAND of Redis 7 has as many, and hiredis 0.14 can no more */
#define RESP_VALUES_MAX 65536 /* in one reply */
#define RESP_LINE_MAX 16384   /* of a status, an error, a number */

/* max_bytes: the largest reply that is taken. */
struct resp_reader *resp_reader_new(size_t max_bytes);
void resp_reader_free(struct resp_reader *r); /* NULL is allowed */

void resp_reader_feed(struct resp_reader *r, const char *data, size_t len);
/*
 * 1: *out is the next reply, valid until the next call; 0: it is not complete; -1: ERR_PROTOCOL or
 * ERR_LIMIT, and the reader is of no use any more.
 */
int resp_reader_next(struct resp_reader *r, const struct resp_value **out, struct err *e);

/* Adds a command; argv is NULL-terminated. */
void resp_add_command(struct str *s, const char *const *argv);

/* In a flat list of names and values: the value as text, NULL when it is not there. */
const char *resp_field(const struct resp_value *list, const char *name);

#endif
