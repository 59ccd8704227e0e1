/*
 * json_rows.c: rows out of a JSON array, read where they lie.
 *
 * The list of names stands between a flip and its file. For ten thousand keys a tree of jansson takes
 * 24 ms and 10 MB, yajl's events take 4.7 ms, more than half of all that we do for a flip, and this
 * takes 2.2 ms. It knows the grammar, whole numbers, and strings of plain ASCII; a string with an
 * escape or with UTF-8, and any other number, is cut out and left to jansson, who knows the rules.
 *
 *   START ──[──> FIRST ──{row}──> NEXT ──,──> ROW ──{row}──> NEXT
 *     └─null─> DONE <──]──┘        └─]─> DONE
 *
 * A row that is cut off by the end of the bytes is kept, and read anew from its start when twice as
 * much is there: a huge one that comes in small pieces is not read a thousand times. Rejected: a
 * scanner that can stop and go on inside a row; it has a state for every place of the grammar.
 *
 * The document is hostile until its last byte: callers use nothing of it before json_rows_end() agrees.
 */
#include "io/json_rows.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

#define DEPTH_MAX 16 /* Consul's rows nest three deep */
#define NO_FIELD SIZE_MAX

enum state { START, FIRST, ROW, NEXT, DONE };

/* CUT: the bytes end before the thing does. WRONG: err is set. */
enum outcome { OK, CUT, WRONG };

struct json_rows {
	const struct json_rows_spec *spec;
	void *arg;
	enum state state;
	/* Rows have their fields in the same order: the next one is looked for behind the last. */
	size_t next_field;
	size_t name_lens[JSON_ROWS_FIELDS_MAX];
	uint32_t seen;      /* a bit for each field of this row */
	struct str rest;    /* begins with what was cut off */
	size_t rest_wanted; /* with less than this it is not worth another attempt */
	uint64_t offset;    /* of the first byte of rest, or of the next chunk */
};

/* A reading of the bytes that are there. */
struct scan {
	struct json_rows *rows;
	const char *start, *at, *end;
	int depth;    /* of what is skipped */
	size_t field; /* whose map it is in */
	struct err *e;
};

/* A string: a piece of the document, or what jansson made of one. */
struct text {
	const char *data;
	size_t len;
	json_t *decoded; /* NULL: a piece of the document */
};

static enum outcome
wrong(struct scan *s, const char *why)
{
	err_set(s->e, ERR_PROTOCOL, "%s %s", s->rows->spec->what, why);
	return WRONG;
}

static enum outcome
not_json(struct scan *s)
{
	err_set(s->e, ERR_PROTOCOL, "%s is not JSON after %" PRIu64 " bytes", s->rows->spec->what,
	    s->rows->offset + (uint64_t)(s->at - s->start));
	return WRONG;
}

static bool
is_blank(char c)
{
	return (unsigned char)c <= ' ' && (c == ' ' || c == '\n' || c == '\t' || c == '\r');
}

/* Skips blanks; whether anything comes then. */
static bool
has_more(struct scan *s)
{
	while (s->at < s->end && is_blank(*s->at))
		s->at++;
	return s->at < s->end;
}

/* Behind the closing quote of the string that begins at p, or NULL: cut off. */
static const char *
string_end(const char *p, const char *end, bool *is_plain)
{
	*is_plain = true;
	for (p++; p < end && *p != '"'; p++) {
		if ((signed char)*p >= ' ' && *p != '\\') /* neither control nor above ASCII */
			continue;
		*is_plain = false;
		if (*p == '\\' && ++p == end)
			break;
	}
	return p < end ? p + 1 : NULL;
}

static json_t *
decode(const char *data, size_t len)
{
	return json_loadb(data, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
}

static enum outcome
read_string(struct scan *s, struct text *out)
{
	bool is_plain;
	const char *end = string_end(s->at, s->end, &is_plain);

	if (end == NULL)
		return CUT;
	*out = (struct text){ .data = s->at + 1, .len = (size_t)(end - s->at) - 2 };
	if (!is_plain) {
		if ((out->decoded = decode(s->at, (size_t)(end - s->at))) == NULL)
			return not_json(s);
		out->data = json_string_value(out->decoded);
		out->len = json_string_length(out->decoded);
	}
	s->at = end;
	return OK;
}

/* Whole and not negative, as JSON writes it, of at most 64 bits. */
static bool
parse_number(const char *p, size_t len, uint64_t *out)
{
	uint64_t n = 0;

	if (len == 0 || (p[0] == '0' && len > 1))
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned digit = (unsigned)((unsigned char)p[i] - '0');

		if (digit > 9 || n > (UINT64_MAX - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	*out = n;
	return true;
}

/* A number or a word. */
static enum outcome
read_word(struct scan *s, struct json_rows_value *v)
{
	const char *p = s->at;
	size_t len;
	json_t *j;

	while (p < s->end && *p != ',' && *p != '}' && *p != ']' && !is_blank(*p))
		p++;
	if (p == s->end)
		return CUT;
	len = (size_t)(p - s->at);
	if (parse_number(s->at, len, &v->number)) {
		v->kind = JSON_ROWS_NUMBER;
	} else if (len == 4 && memcmp(s->at, "null", 4) == 0) {
		v->kind = JSON_ROWS_NULL;
	} else {
		j = json_loadb(s->at, len, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
		if (j == NULL)
			return not_json(s);
		json_decref(j);
		v->kind = JSON_ROWS_OTHER;
	}
	s->at = p;
	return OK;
}

/* Reads what stands between brackets, parted by commas, each with fn; s is at the opening one. */
static enum outcome
read_elements(struct scan *s, char closing, enum outcome (*fn)(struct scan *s))
{
	enum outcome o;

	s->at++;
	if (!has_more(s))
		return CUT;
	if (*s->at == closing) {
		s->at++;
		return OK;
	}
	for (;;) {
		if ((o = fn(s)) != OK)
			return o;
		if (!has_more(s))
			return CUT;
		if (*s->at == closing) {
			s->at++;
			return OK;
		}
		if (*s->at != ',')
			return not_json(s);
		s->at++;
		if (!has_more(s))
			return CUT;
	}
}

/* The name of a member, and up to its value. */
static enum outcome
read_name(struct scan *s, struct text *name)
{
	enum outcome o;

	if (*s->at != '"')
		return not_json(s);
	if ((o = read_string(s, name)) != OK)
		return o;
	if (has_more(s) && *s->at == ':') {
		s->at++;
		if (has_more(s))
			return OK;
	}
	o = s->at == s->end ? CUT : not_json(s);
	json_decref(name->decoded);
	return o;
}

/* A value that is neither object nor array; for a map's member with its key. */
static enum outcome
read_value(struct scan *s, size_t field, const struct text *key)
{
	const struct json_rows_spec *spec = s->rows->spec;
	struct json_rows_value v = { .kind = JSON_ROWS_STRING };
	struct text text = { .decoded = NULL };
	enum outcome o = *s->at == '"' ? read_string(s, &text) : read_word(s, &v);

	if (o != OK)
		return o;
	v.text = text.data;
	v.len = text.len;
	if (key != NULL) {
		v.key = key->data;
		v.key_len = key->len;
	}
	/* A map may be missing (null), but is nothing else than a map. */
	if (key == NULL && spec->fields[field].is_map)
		o = v.kind == JSON_ROWS_NULL ? OK : wrong(s, "has another format");
	else if (spec->on_value(s->rows->arg, field, &v, s->e) != 0)
		o = WRONG;
	json_decref(text.decoded);
	return o;
}

static bool
is_composite(const struct scan *s)
{
	return *s->at == '{' || *s->at == '[';
}

static enum outcome
read_map_member(struct scan *s)
{
	struct text key = { .decoded = NULL };
	enum outcome o = read_name(s, &key);

	if (o != OK)
		return o;
	o = is_composite(s) ? wrong(s, "has another format") : read_value(s, s->field, &key);
	json_decref(key.decoded);
	return o;
}

static enum outcome skip_member(struct scan *s);

static enum outcome
skip_value(struct scan *s)
{
	struct text text = { .decoded = NULL };
	struct json_rows_value v;
	enum outcome o;

	if (is_composite(s)) {
		if (++s->depth > DEPTH_MAX)
			return wrong(s, "nests too deep");
		o = *s->at == '{' ? read_elements(s, '}', skip_member)
				  : read_elements(s, ']', skip_value);
		s->depth--;
		return o;
	}
	o = *s->at == '"' ? read_string(s, &text) : read_word(s, &v);
	json_decref(text.decoded);
	return o;
}

static enum outcome
skip_member(struct scan *s)
{
	struct text name = { .decoded = NULL };
	enum outcome o = read_name(s, &name);

	if (o != OK)
		return o;
	json_decref(name.decoded);
	return skip_value(s);
}

static size_t
find_field(struct json_rows *r, const struct text *name)
{
	for (size_t tries = 0; tries < r->spec->field_count; tries++) {
		size_t i = r->next_field;

		r->next_field = i + 1 < r->spec->field_count ? i + 1 : 0;
		if (r->name_lens[i] == name->len &&
		    memcmp(r->spec->fields[i].name, name->data, name->len) == 0)
			return i;
	}
	return NO_FIELD;
}

static enum outcome
read_member(struct scan *s)
{
	struct json_rows *r = s->rows;
	struct text name = { .decoded = NULL };
	enum outcome o = read_name(s, &name);
	size_t field;

	if (o != OK)
		return o;
	field = find_field(r, &name);
	json_decref(name.decoded);
	if (field == NO_FIELD)
		return skip_value(s);
	if ((r->seen & UINT32_C(1) << field) != 0)
		return wrong(s, "names a field twice in a row");
	r->seen |= UINT32_C(1) << field;
	if (!is_composite(s))
		return read_value(s, field, NULL);
	if (*s->at != '{' || !r->spec->fields[field].is_map)
		return wrong(s, "has another format");
	s->field = field;
	return read_elements(s, '}', read_map_member);
}

static enum outcome
read_row(struct scan *s)
{
	struct json_rows *r = s->rows;
	const char *start = s->at;
	enum outcome o;

	r->seen = 0;
	s->depth = 0;
	r->spec->on_begin(r->arg);
	if ((o = read_elements(s, '}', read_member)) != OK) {
		if (o == CUT)
			s->at = start;
		return o;
	}
	for (size_t i = 0; i < r->spec->field_count; i++) {
		if (r->spec->fields[i].is_required && (r->seen & UINT32_C(1) << i) == 0)
			return wrong(s, "lacks a field in a row");
	}
	return r->spec->on_row(r->arg, s->e) == 0 ? OK : WRONG;
}

/* "[", or null for an empty list. */
static enum outcome
read_start(struct scan *s)
{
	size_t left = (size_t)(s->end - s->at);

	if (*s->at == '[') {
		s->at++;
		s->rows->state = FIRST;
		return OK;
	}
	if (memcmp(s->at, "null", left < 4 ? left : 4) != 0)
		return wrong(s, "is not an array");
	if (left < 4)
		return CUT;
	s->at += 4;
	s->rows->state = DONE;
	return OK;
}

/* Reads as far as things are complete. */
static enum outcome
read_document(struct scan *s)
{
	struct json_rows *r = s->rows;
	enum outcome o = OK;

	while (o == OK && has_more(s)) {
		if (r->state == START) {
			o = read_start(s);
		} else if (*s->at == ']' && (r->state == FIRST || r->state == NEXT)) {
			s->at++;
			r->state = DONE;
		} else if (*s->at == '{' && (r->state == FIRST || r->state == ROW)) {
			if ((o = read_row(s)) == OK)
				r->state = NEXT;
		} else if (*s->at == ',' && r->state == NEXT) {
			s->at++;
			r->state = ROW;
		} else {
			o = r->state == FIRST || r->state == ROW
				? wrong(s, "is not an array of objects")
				: not_json(s);
		}
	}
	return o;
}

struct json_rows *
json_rows_new(const struct json_rows_spec *spec, void *arg)
{
	struct json_rows *r = mem_alloc(sizeof(*r));

	r->spec = spec;
	r->arg = arg;
	for (size_t i = 0; i < spec->field_count; i++)
		r->name_lens[i] = strlen(spec->fields[i].name);
	return r;
}

void
json_rows_free(struct json_rows *r)
{
	if (r == NULL)
		return;
	str_clear(&r->rest);
	free(r);
}

/* Reads these bytes, which may be those of rest; *used says how many are done with. */
static int
read_bytes(struct json_rows *r, const char *data, size_t len, size_t *used, struct err *e)
{
	struct scan s = { .rows = r, .start = data, .at = data, .end = data + len, .e = e };

	if (read_document(&s) == WRONG)
		return -1;
	*used = (size_t)(s.at - data);
	r->offset += *used;
	return 0;
}

int
json_rows_feed(struct json_rows *r, const char *data, size_t len, struct err *e)
{
	size_t used;

	if (r->rest.len == 0) {
		if (read_bytes(r, data, len, &used, e) != 0)
			return -1;
		str_add(&r->rest, data + used, len - used);
	} else {
		str_add(&r->rest, data, len);
		if (r->rest.len < r->rest_wanted)
			return 0;
		if (read_bytes(r, r->rest.data, r->rest.len, &used, e) != 0)
			return -1;
		r->rest.len -= used;
		memmove(r->rest.data, r->rest.data + used, r->rest.len);
	}
	r->rest_wanted = 2 * r->rest.len;
	return 0;
}

int
json_rows_end(struct json_rows *r, struct err *e)
{
	size_t used = 0;

	if (r->rest.len > 0 && read_bytes(r, r->rest.data, r->rest.len, &used, e) != 0)
		return -1;
	if (r->state != DONE || used < r->rest.len)
		return err_set(e, ERR_PROTOCOL, "%s is cut short", r->spec->what);
	return 0;
}
