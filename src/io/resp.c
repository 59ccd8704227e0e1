/*
 * resp.c: five kinds of values, each begun by a line:
 *
 *   +status   -error   :number   $length, then so many bytes   *count, then so many values
 *
 * An item is taken once it is there as a whole and is copied into the arena of its reply; arrays that
 * are not full yet stand on a stack. So a reply that comes byte by byte is not parsed again and again,
 * and nothing is allocated that a few bytes only announced: an array costs what RESP_VALUES_MAX allows.
 *
 * Rejected: hiredis. Debian 12 has 0.14, whose reader believes "*100000000" and allocates it, and whose
 * asynchronous API has neither TLS nor limits of time; the reader's interface for values of one's own
 * changed with 1.0.
 */
#include "io/resp.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"

#define NUMBER_SIZE 24 /* "-9223372036854775808" */
#define SHOW_MAX 40

/* An array that waits for more values. */
struct frame {
	struct resp_value *array, *items;
	size_t filled;
};

struct resp_reader {
	struct str in;
	size_t pos;   /* in in: what comes before was taken */
	size_t taken; /* bytes of the reply under way that are no longer in in */
	size_t max_bytes;
	struct arena arena;
	struct resp_value root;
	struct frame stack[RESP_DEPTH_MAX];
	size_t depth, values;
	bool is_begun;
};

struct resp_reader *
resp_reader_new(size_t max_bytes)
{
	struct resp_reader *r = mem_alloc(sizeof(*r));

	r->max_bytes = max_bytes;
	return r;
}

void
resp_reader_free(struct resp_reader *r)
{
	if (r == NULL)
		return;
	str_clear(&r->in);
	arena_clear(&r->arena);
	free(r);
}

void
resp_reader_feed(struct resp_reader *r, const char *data, size_t len)
{
	if (r->pos > 0) {
		memmove(r->in.data, r->in.data + r->pos, r->in.len - r->pos);
		r->in.len -= r->pos;
		r->pos = 0;
	}
	str_add(&r->in, data, len);
}

static int
too_large(const struct resp_reader *r, struct err *e)
{
	return err_set(e, ERR_LIMIT, "the reply is larger than %zu bytes", r->max_bytes);
}

static int
not_redis(const struct resp_reader *r, struct err *e)
{
	const char *from = r->in.data + r->pos;
	size_t len = r->in.len - r->pos;
	struct str shown = STR_INIT;

	str_add_printable(&shown, from, len, SHOW_MAX);
	err_set(e, ERR_PROTOCOL, "it does not talk as Redis does: \"%s\"", str_text(&shown));
	str_clear(&shown);
	return -1;
}

/* 0, or -1: the bytes are no number. */
static int
parse_number(const char *text, size_t len, int64_t *out)
{
	char digits[NUMBER_SIZE];
	bool is_negative = len > 0 && text[0] == '-';
	uint64_t number;

	if (len >= sizeof(digits))
		return -1;
	memcpy(digits, text, len);
	digits[len] = '\0';
	if (strlen(digits) != len || str_parse_u64(digits + is_negative, &number) != 0 ||
	    number > INT64_MAX)
		return -1;
	*out = is_negative ? -(int64_t)number : (int64_t)number;
	return 0;
}

static void
take_text(struct resp_reader *r, struct resp_value *v, const char *text, size_t len)
{
	v->text = arena_strndup(&r->arena, text, len);
	v->len = len;
}

/* The bytes of a string, behind its line. 1, 0 or -1 as resp_reader_next(). */
static int
read_string(struct resp_reader *r, struct resp_value *v, size_t line_end, struct err *e)
{
	size_t left = r->in.len - line_end;

	if (v->integer == -1) {
		v->type = RESP_NIL;
		v->integer = 0;
		r->pos = line_end;
		return 1;
	}
	if (v->integer < 0)
		return not_redis(r, e);
	if ((uint64_t)v->integer > r->max_bytes)
		return too_large(r, e);
	v->len = (size_t)v->integer;
	v->integer = 0;
	if (left < v->len + 2)
		return 0;
	if (memcmp(r->in.data + line_end + v->len, "\r\n", 2) != 0)
		return not_redis(r, e);
	take_text(r, v, r->in.data + line_end, v->len);
	r->pos = line_end + v->len + 2;
	return 1;
}

static int
read_array(struct resp_reader *r, struct resp_value *v, size_t line_end, struct err *e)
{
	if (v->integer < -1)
		return not_redis(r, e);
	r->pos = line_end;
	if (v->integer == -1)
		v->type = RESP_NIL;
	else if ((uint64_t)v->integer > RESP_VALUES_MAX - r->values || r->depth == RESP_DEPTH_MAX)
		return err_set(e, ERR_LIMIT, "the reply has too many values or levels");
	else
		v->count = (size_t)v->integer;
	v->integer = 0;
	if (v->count > 0) {
		struct frame *f = &r->stack[r->depth++];

		r->values += v->count;
		f->array = v;
		f->items = arena_array(&r->arena, v->count, sizeof(*f->items));
		f->filled = 0;
		v->items = f->items;
	}
	return 1;
}

/* One item at pos into v. 1, 0 or -1 as resp_reader_next(). */
static int
read_item(struct resp_reader *r, struct resp_value *v, struct err *e)
{
	static const char kinds[] = "+-:$*";
	static const enum resp_type types[] = { RESP_STATUS, RESP_ERROR, RESP_INTEGER, RESP_STRING,
		RESP_ARRAY };
	const char *line = r->in.data + r->pos, *kind, *end;
	size_t left = r->in.len - r->pos, len, line_end;

	if (left == 0)
		return 0;
	if (line[0] == '\0' || (kind = strchr(kinds, line[0])) == NULL)
		return not_redis(r, e);
	if ((end = memchr(line, '\n', left < RESP_LINE_MAX ? left : RESP_LINE_MAX)) == NULL)
		return left < RESP_LINE_MAX ? 0 : not_redis(r, e);
	if (end[-1] != '\r')
		return not_redis(r, e);
	len = (size_t)(end - line) - 2; /* without the kind and the \r */
	line_end = r->pos + (size_t)(end - line) + 1;
	*v = (struct resp_value){ .type = types[kind - kinds], .text = "" };
	if (v->type == RESP_STATUS || v->type == RESP_ERROR) {
		take_text(r, v, line + 1, len);
		r->pos = line_end;
		return 1;
	}
	if (parse_number(line + 1, len, &v->integer) != 0)
		return not_redis(r, e);
	if (v->type == RESP_STRING)
		return read_string(r, v, line_end, e);
	if (v->type == RESP_ARRAY)
		return read_array(r, v, line_end, e);
	r->pos = line_end;
	return 1;
}

/* Closes the arrays that the last item has filled; true: the reply is complete. */
static bool
close_full(struct resp_reader *r)
{
	while (r->depth > 0) {
		struct frame *f = &r->stack[r->depth - 1];

		if (f->filled < f->array->count)
			return false;
		r->depth--;
	}
	return true;
}

int
resp_reader_next(struct resp_reader *r, const struct resp_value **out, struct err *e)
{
	if (!r->is_begun) {
		arena_clear(&r->arena);
		r->depth = r->values = r->taken = 0;
		r->is_begun = true;
	}
	for (;;) {
		struct frame *f = r->depth > 0 ? &r->stack[r->depth - 1] : NULL;
		size_t from = r->pos;
		int result = read_item(r, f != NULL ? &f->items[f->filled] : &r->root, e);

		r->taken += r->pos - from;
		if (result >= 0 && r->taken + (result == 0 ? r->in.len - r->pos : 0) > r->max_bytes)
			return too_large(r, e);
		if (result != 1)
			return result;
		/* An array that was begun stands above f now; it counts in f all the same. */
		if (f != NULL)
			f->filled++;
		if (close_full(r))
			break;
	}
	r->is_begun = false;
	*out = &r->root;
	return 1;
}

void
resp_add_command(struct str *s, const char *const *argv)
{
	size_t count = 0;

	while (argv[count] != NULL)
		count++;
	str_addf(s, "*%zu\r\n", count);
	for (; *argv != NULL; argv++)
		str_addf(s, "$%zu\r\n%s\r\n", strlen(*argv), *argv);
}

const char *
resp_field(const struct resp_value *list, const char *name)
{
	for (size_t i = 0; i + 1 < list->count; i += 2) {
		if (strcmp(list->items[i].text, name) == 0)
			return list->items[i + 1].text;
	}
	return NULL;
}
