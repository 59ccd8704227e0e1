/*
 * json_rows.h: reads a JSON array of flat objects while its bytes arrive, and keeps only the fields that
 * were asked for. What Consul's lists are.
 */
#ifndef IO_JSON_ROWS_H
#define IO_JSON_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct json_rows;

enum json_rows_kind { JSON_ROWS_NULL, JSON_ROWS_NUMBER, JSON_ROWS_STRING, JSON_ROWS_OTHER };

struct json_rows_value {
	enum json_rows_kind kind;
	const char *key; /* of a map's member; NULL elsewhere */
	size_t key_len;
	const char *text; /* of a string, decoded: may hold NUL bytes, ends without one */
	size_t len;
	uint64_t number; /* whole and not negative; any other number is JSON_ROWS_OTHER */
};

struct json_rows_field {
	const char *name;
	bool is_map;      /* an object: each of its members comes as a value with a key */
	bool is_required; /* a row without it is an error */
};

#define JSON_ROWS_FIELDS_MAX 32

struct json_rows_spec {
	const char *what; /* names the document in errors: "the list of keys" */
	const struct json_rows_field *fields;
	size_t field_count; /* at most JSON_ROWS_FIELDS_MAX */
	/* Both return -1 with e to end it all. The value lives during the call only. */
	int (*on_value)(void *arg, size_t field, const struct json_rows_value *v, struct err *e);
	int (*on_row)(void *arg, struct err *e); /* after the last field of a row */
	/*
	 * For json_rows_expect(), else NULL. What the next row may look like, from '{' to '}': exactly one
	 * row of that text must be what on_expected() stands for. NULL: no idea. The text lives until
	 * the next question.
	 */
	const char *(*expect)(void *arg, size_t *len);
	int (*on_expected)(void *arg, struct err *e);
};

/* spec must outlive the reader. */
struct json_rows *json_rows_new(const struct json_rows_spec *spec, void *arg);
void json_rows_free(struct json_rows *r);

/*
 * Before the first byte: a row (but the first) whose bytes are the expected ones is not parsed, and told
 * by on_expected() instead of on_value() and on_row().
 */
void json_rows_expect(struct json_rows *r);

/*
 * ERR_PROTOCOL for what is not such an array (null is an empty one), names a field twice in a row or
 * nests deeper than anything Consul sends. After an error only json_rows_free() may follow.
 */
int json_rows_feed(struct json_rows *r, const char *data, size_t len, struct err *e);
/* There is no more: fails when something is missing. */
int json_rows_end(struct json_rows *r, struct err *e);

#endif
