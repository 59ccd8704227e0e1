/*
 * json.c: jansson with the limits and the error texts of the house.
 *
 * jansson accepts nesting of 2,048 levels; the depth is counted before it reads a byte, because a
 * document of 64 levels is a mistake or an attack, and because everything that walks a document
 * later does so recursively. Members that occur twice are an error: two readers of the same text
 * must not see different values.
 */
#include "base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define JSON_DEPTH_MAX 64

/* 15 digits say every number that a person writes as they wrote it (DBL_DIG); jansson's 17 do not.
 */
#define JSON_WRITE_FLAGS (JSON_ENCODE_ANY | JSON_REAL_PRECISION(15))

/* Brackets outside of strings; malformed text is jansson's to complain about. */
static int
check_depth(const char *text, size_t len, const char *what, struct err *e)
{
	size_t line = 1, depth = 0;
	bool is_string = false;

	for (size_t i = 0; i < len; i++) {
		switch (text[i]) {
		case '\n':
			line++;
			break;
		case '\\':
			i += is_string;
			break;
		case '"':
			is_string = !is_string;
			break;
		case '[':
		case '{':
			if (!is_string && ++depth > JSON_DEPTH_MAX)
				return err_set(e, ERR_PROTOCOL,
				    "%s: line %zu: nested deeper than %d levels", what, line,
				    JSON_DEPTH_MAX);
			break;
		case ']':
		case '}':
			depth -= !is_string && depth > 0;
			break;
		default:
			break;
		}
	}
	return 0;
}

json_t *
json_parse(const char *text, size_t len, const char *what, struct err *e)
{
	const size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY;
	char shown[ERR_TEXT_MAX];
	json_error_t error;
	json_t *value;

	if (check_depth(text, len, what, e) != 0)
		return NULL;
	if ((value = json_loadb(text != NULL ? text : "", len, flags, &error)) == NULL)
		err_set(e, ERR_PROTOCOL, "%s: line %d, column %d: %s", what, error.line,
		    error.column,
		    str_printable(shown, sizeof(shown), error.text, strlen(error.text)));
	return value;
}

const char *
json_get_string(const json_t *object, const char *key, const char *fallback)
{
	const json_t *value = json_object_get(object, key);

	return json_is_string(value) ? json_string_value(value) : fallback;
}

int64_t
json_get_int(const json_t *object, const char *key, int64_t fallback)
{
	const json_t *value = json_object_get(object, key);

	return json_is_integer(value) ? json_integer_value(value) : fallback;
}

bool
json_get_bool(const json_t *object, const char *key, bool fallback)
{
	const json_t *value = json_object_get(object, key);

	return json_is_boolean(value) ? json_is_true(value) : fallback;
}

json_t *
json_printable(const void *data, size_t len)
{
	struct str s = STR_INIT;
	json_t *value;

	str_add_printable(&s, data, len, len);
	if ((value = json_stringn(str_text(&s), s.len)) == NULL)
		abort(); /* what was added is UTF-8, so memory is out: mem.h's rule */
	str_clear(&s);
	return value;
}

json_t *
json_text(const char *text)
{
	return text != NULL ? json_printable(text, strlen(text)) : json_null();
}

json_t *
json_time(int64_t wall_s)
{
	char text[CLOCK_ISO_SIZE];

	return wall_s != 0 ? json_string(clock_iso(text, wall_s)) : json_null();
}

json_t *
json_number(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

void
json_write_string(struct str *out, const char *text, size_t len)
{
	str_addc(out, '"');
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < 0x20)
			str_addf(out, "\\u%04x", c);
		else if (c == '"' || c == '\\')
			str_addf(out, "\\%c", c);
		else
			str_addc(out, text[i]);
	}
	str_addc(out, '"');
}

static int
write_bytes(const char *data, size_t len, void *arg)
{
	str_add(arg, data, len);
	return 0;
}

void
json_write(struct str *out, const json_t *value)
{
	if (json_dump_callback(value, write_bytes, out, JSON_WRITE_FLAGS | JSON_COMPACT) != 0)
		abort(); /* fails only for a NULL or a circular value: a mistake of ours */
}

void
json_write_pretty(struct str *out, const json_t *value)
{
	if (json_dump_callback(value, write_bytes, out,
		JSON_WRITE_FLAGS | JSON_INDENT(2) | JSON_ENSURE_ASCII) != 0)
		abort();
	str_addc(out, '\n');
}
