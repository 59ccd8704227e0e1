/*
 * json_rows.c: yajl's events turned into rows. Ten thousand keys take 4 ms here; a tree of jansson
 * takes 24 ms and 10 MB (and 2 MB for a thousand nodes). So the two lists that grow with the fleet,
 * keys and nodes, are read here, and everything else by base/json.h.
 *
 *              null ────────────────────────┐
 *   START ──[──> ARRAY ──]──────────────────┴──> DONE
 *                 { │ ^ }  (on_row)
 *                   v │
 *                  ROW ──{, [ of a field we do not keep──> SKIP ──last }, ]──> ROW
 *                   └──{ of a map field──> MAP ──}──> ROW
 *
 * The document is hostile until its last byte: callers use nothing of it before json_rows_end() agrees.
 *
 * A list is read again after every flip, and all of it but a row is what it was. Who knows what a row will
 * look like may say so (json_rows_expect), and a row with those bytes is not parsed:
 *
 *   START ──[──> PARSE ──} that ends a row──> SEPARATOR ──anything but a comma──> REST
 *                 ^                            ^     │,
 *                 └──a byte differs── COMPARE ─┘ <───┘
 *                                         the whole row
 *
 * yajl gets the first row, the rows that were not expected, each with the comma before it, and what follows
 * the last row. That is JSON exactly when the document is: behind a row the parser is always in the same
 * state, and a comma and a row take it from there to there.
 */
#include "io/json_rows.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#include "base/mem.h"
#include "base/str.h"

#define SKIP_DEPTH_MAX 16 /* Consul's rows nest three deep */
#define NO_FIELD SIZE_MAX
#define MISSES_MAX 32 /* rows in a row that were not as expected: none will be */

enum state { STATE_START, STATE_ARRAY, STATE_ROW, STATE_MAP, STATE_SKIP, STATE_DONE };
enum step { STEP_START, STEP_COMPARE, STEP_SEPARATOR, STEP_PARSE, STEP_REST };

struct json_rows {
	const struct json_rows_spec *spec;
	void *arg;
	yajl_handle yajl;
	enum state state;
	int skip_depth;
	size_t field; /* of the value that comes next */
	/* Rows have their fields in the same order: the next one is looked for behind the last. */
	size_t next_field;
	size_t name_lens[JSON_ROWS_FIELDS_MAX];
	uint32_t seen;   /* a bit for each field of this row */
	struct str key;  /* of the map's member that comes next */
	uint64_t offset; /* of the piece that yajl is given */
	struct err err;

	uint64_t arrived; /* bytes of the document so far */
	enum step step;
	const char *expected; /* STEP_COMPARE: the row, NULL before it was asked for */
	size_t expected_len;
	size_t same;      /* bytes of it that have come */
	bool is_row_over; /* the one that is parsed; then its '}' was the last byte */
	int misses;
};

/* For yajl 0 means stop. */
static int
stop(struct json_rows *r, const char *why)
{
	err_set(&r->err, ERR_PROTOCOL, "%s %s", r->spec->what, why);
	return 0;
}

static int
value(struct json_rows *r, struct json_rows_value *v)
{
	switch (r->state) {
	case STATE_START:
		if (v->kind != JSON_ROWS_NULL)
			return stop(r, "is not an array");
		r->state = STATE_DONE;
		return 1;
	case STATE_ROW:
		if (r->field == NO_FIELD)
			return 1;
		/* A map may be missing (null), but is nothing else than a map. */
		if (r->spec->fields[r->field].is_map)
			return v->kind == JSON_ROWS_NULL ? 1 : stop(r, "has another format");
		break;
	case STATE_MAP:
		v->key = str_text(&r->key);
		v->key_len = r->key.len;
		break;
	case STATE_SKIP:
		return 1;
	case STATE_ARRAY:
	case STATE_DONE:
		return stop(r, "is not an array of objects");
	}
	return r->spec->on_value(r->arg, r->field, v, &r->err) == 0;
}

static int
on_null(void *arg)
{
	return value(arg, &(struct json_rows_value){ .kind = JSON_ROWS_NULL });
}

static int
on_boolean(void *arg, int is_true)
{
	(void)is_true;
	return value(arg, &(struct json_rows_value){ .kind = JSON_ROWS_OTHER });
}

static int
on_number(void *arg, const char *text, size_t len)
{
	struct json_rows_value v = { .kind = JSON_ROWS_NUMBER };

	for (size_t i = 0; i < len; i++) {
		unsigned digit = (unsigned)((unsigned char)text[i] - '0');

		if (digit > 9 || v.number > (UINT64_MAX - digit) / 10) {
			v = (struct json_rows_value){ .kind = JSON_ROWS_OTHER };
			break;
		}
		v.number = v.number * 10 + digit;
	}
	return value(arg, &v);
}

static int
on_string(void *arg, const unsigned char *text, size_t len)
{
	return value(arg, &(struct json_rows_value){
			      .kind = JSON_ROWS_STRING, .text = (const char *)text, .len = len });
}

static int
open_composite(struct json_rows *r, bool is_object)
{
	switch (r->state) {
	case STATE_START:
		if (is_object)
			return stop(r, "is not an array");
		r->state = STATE_ARRAY;
		return 1;
	case STATE_ARRAY:
		if (!is_object)
			return stop(r, "is not an array of objects");
		r->state = STATE_ROW;
		r->seen = 0;
		return 1;
	case STATE_ROW:
		if (r->field != NO_FIELD) {
			if (!is_object || !r->spec->fields[r->field].is_map)
				return stop(r, "has another format");
			r->state = STATE_MAP;
			return 1;
		}
		r->state = STATE_SKIP;
		r->skip_depth = 1;
		return 1;
	case STATE_SKIP:
		return ++r->skip_depth <= SKIP_DEPTH_MAX ? 1 : stop(r, "nests too deep");
	case STATE_MAP:
	case STATE_DONE:
		break;
	}
	return stop(r, "has another format");
}

static int
end_row(struct json_rows *r)
{
	for (size_t i = 0; i < r->spec->field_count; i++) {
		if (r->spec->fields[i].is_required && (r->seen & UINT32_C(1) << i) == 0)
			return stop(r, "lacks a field in a row");
	}
	r->state = STATE_ARRAY;
	r->is_row_over = true;
	return r->spec->on_row(r->arg, &r->err) == 0;
}

static int
close_composite(struct json_rows *r)
{
	switch (r->state) {
	case STATE_ARRAY:
		r->state = STATE_DONE;
		return 1;
	case STATE_ROW:
		return end_row(r);
	case STATE_MAP:
		r->state = STATE_ROW;
		return 1;
	case STATE_SKIP:
		if (--r->skip_depth == 0)
			r->state = STATE_ROW;
		return 1;
	case STATE_START:
	case STATE_DONE:
		break;
	}
	return stop(r, "has another format"); /* not reached: yajl matches the brackets */
}

static int
on_open_object(void *arg)
{
	return open_composite(arg, true);
}

static int
on_open_array(void *arg)
{
	return open_composite(arg, false);
}

static int
on_close(void *arg)
{
	return close_composite(arg);
}

static int
on_key(void *arg, const unsigned char *key, size_t len)
{
	struct json_rows *r = arg;

	if (r->state == STATE_MAP) {
		str_reset(&r->key);
		str_add(&r->key, key, len);
		return 1;
	}
	if (r->state != STATE_ROW)
		return 1;
	r->field = NO_FIELD;
	for (size_t tries = 0; tries < r->spec->field_count; tries++) {
		size_t i = r->next_field;

		r->next_field = i + 1 < r->spec->field_count ? i + 1 : 0;
		if (r->name_lens[i] != len || memcmp(r->spec->fields[i].name, key, len) != 0)
			continue;
		if ((r->seen & UINT32_C(1) << i) != 0)
			return stop(r, "names a field twice in a row");
		r->seen |= UINT32_C(1) << i;
		r->field = i;
		break;
	}
	return 1;
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_boolean,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_open_object,
	.yajl_map_key = on_key,
	.yajl_end_map = on_close,
	.yajl_start_array = on_open_array,
	.yajl_end_array = on_close,
};

struct json_rows *
json_rows_new(const struct json_rows_spec *spec, void *arg)
{
	struct json_rows *r = mem_alloc(sizeof(*r));

	r->spec = spec;
	r->arg = arg;
	r->step = STEP_REST;
	for (size_t i = 0; i < spec->field_count; i++)
		r->name_lens[i] = strlen(spec->fields[i].name);
	if ((r->yajl = yajl_alloc(&callbacks, NULL, r)) == NULL)
		abort(); /* out of memory */
	return r;
}

void
json_rows_free(struct json_rows *r)
{
	if (r == NULL)
		return;
	yajl_free(r->yajl);
	str_clear(&r->key);
	free(r);
}

/* yajl's words for what is wrong with the JSON; they repeat nothing of it. */
static int
fail(struct json_rows *r, yajl_status status, struct err *e)
{
	unsigned char *text;

	if (status == yajl_status_client_canceled) {
		if (e != NULL)
			*e = r->err;
		return -1;
	}
	text = yajl_get_error(r->yajl, 0, NULL, 0);
	err_set(e, ERR_PROTOCOL, "%s is not JSON after %" PRIu64 " bytes: %.*s", r->spec->what,
	    r->offset + yajl_get_bytes_consumed(r->yajl), (int)strcspn((char *)text, "\n"),
	    (char *)text);
	yajl_free_error(r->yajl, text);
	return -1;
}

/* The piece begins at that place of the document. */
static int
parse(struct json_rows *r, const char *piece, size_t len, uint64_t offset, struct err *e)
{
	yajl_status status;

	r->offset = offset;
	status = yajl_parse(r->yajl, (const unsigned char *)piece, len);
	return status == yajl_status_ok ? 0 : fail(r, status, e);
}

/* The row is another one after all: what was held back of it is parsed, and then the rest of it. */
static int
parse_after_all(struct json_rows *r, struct err *e)
{
	r->step = STEP_PARSE;
	r->is_row_over = false;
	r->misses++;
	if (parse(r, ",", 1, r->arrived - r->same - 1, e) == -1)
		return -1;
	return r->same > 0 ? parse(r, r->expected, r->same, r->arrived - r->same, e) : 0;
}

/* Both read some of the n bytes at data: *used of them, which may be none when the step changes. */
static int
compare_row(struct json_rows *r, const char *data, size_t n, size_t *used, struct err *e)
{
	size_t more;

	if (r->expected == NULL)
		r->expected = r->spec->expect(r->arg, &r->expected_len);
	if (r->expected == NULL)
		return parse_after_all(r, e);
	more = r->expected_len - r->same < n ? r->expected_len - r->same : n;
	if (memcmp(r->expected + r->same, data, more) != 0)
		return parse_after_all(r, e);
	r->same += more;
	*used = more;
	if (r->same < r->expected_len)
		return 0;
	r->step = STEP_SEPARATOR;
	r->misses = 0;
	return r->spec->on_expected(r->arg, e);
}

static int
parse_row(struct json_rows *r, const char *data, size_t n, size_t *used, struct err *e)
{
	const char *brace = memchr(data, '}', n);

	*used = brace != NULL ? (size_t)(brace - data) + 1 : n;
	if (parse(r, data, *used, r->arrived, e) == -1)
		return -1;
	if (r->is_row_over)
		r->step = r->misses < MISSES_MAX ? STEP_SEPARATOR : STEP_REST;
	return 0;
}

static int
take_step(struct json_rows *r, const char *data, size_t n, size_t *used, struct err *e)
{
	switch (r->step) {
	case STEP_START:
		r->step = data[0] == '[' ? STEP_PARSE : STEP_REST;
		return 0;
	case STEP_SEPARATOR:
		r->step = data[0] == ',' ? STEP_COMPARE : STEP_REST;
		*used = data[0] == ',';
		r->expected = NULL;
		r->same = 0;
		return 0;
	case STEP_COMPARE:
		return compare_row(r, data, n, used, e);
	case STEP_PARSE:
		return parse_row(r, data, n, used, e);
	case STEP_REST:
		break;
	}
	*used = n;
	return parse(r, data, n, r->arrived, e);
}

void
json_rows_expect(struct json_rows *r)
{
	r->step = STEP_START;
}

int
json_rows_feed(struct json_rows *r, const char *data, size_t len, struct err *e)
{
	while (len > 0) {
		size_t used = 0;

		if (take_step(r, data, len, &used, e) == -1)
			return -1;
		data += used;
		len -= used;
		r->arrived += used;
	}
	return 0;
}

int
json_rows_end(struct json_rows *r, struct err *e)
{
	yajl_status status;

	r->offset = r->arrived;
	status = yajl_complete_parse(r->yajl);
	return status == yajl_status_ok ? 0 : fail(r, status, e);
}
