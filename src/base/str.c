/*
 * str.c: the growing buffer, text made safe for a person's eyes, base64, and the units of our
 * configuration. Capacity doubles, so that a file of a megabyte costs some twenty reallocations.
 */
#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void
str_clear(struct str *s)
{
	free(s->data);
	*s = (struct str)STR_INIT;
}

void
str_reset(struct str *s)
{
	s->len = 0;
	if (s->data != NULL)
		s->data[0] = '\0';
}

void
str_reserve(struct str *s, size_t extra)
{
	size_t need = s->len + extra + 1;

	if (need <= s->cap)
		return;
	s->cap = s->cap * 2 > need ? s->cap * 2 : need;
	s->data = mem_grow(s->data, s->cap, 1);
	s->data[s->len] = '\0';
}

char *
str_take(struct str *s)
{
	char *data;

	str_reserve(s, 0);
	data = s->data;
	*s = (struct str)STR_INIT;
	return data;
}

const char *
str_text(const struct str *s)
{
	return s->data != NULL ? s->data : "";
}

void
str_add(struct str *s, const void *data, size_t len)
{
	str_reserve(s, len);
	if (len > 0)
		memcpy(s->data + s->len, data, len);
	s->len += len;
	s->data[s->len] = '\0';
}

void
str_adds(struct str *s, const char *text)
{
	str_add(s, text, strlen(text));
}

void
str_addc(struct str *s, char c)
{
	str_add(s, &c, 1);
}

void
str_addf(struct str *s, const char *fmt, ...)
{
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n > 0) {
		str_reserve(s, (size_t)n);
		vsnprintf(s->data + s->len, (size_t)n + 1, fmt, again);
		s->len += (size_t)n;
	}
	va_end(again);
}

/* Length of the well-formed UTF-8 sequence at p, 0 when there is none (Unicode 15, table 3-7). */
static size_t
utf8_length(const unsigned char *p, size_t len)
{
	size_t n;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		n = 2;
	else if ((p[0] & 0xf0) == 0xe0)
		n = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		n = 4;
	else
		return 0;
	if (len < n)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

bool
str_is_utf8(const void *data, size_t len)
{
	const unsigned char *p = data;

	while (len > 0) {
		size_t n = utf8_length(p, len);

		if (n == 0)
			return false;
		p += n;
		len -= n;
	}
	return true;
}

/* Well-formed, and still not for a person's eyes: controls, and what hides or reorders text. */
static const struct {
	uint32_t first, last;
} harmful[] = {
	{ 0x0000, 0x001f }, { 0x007f, 0x009f }, { 0x00ad, 0x00ad }, /* soft hyphen */
	{ 0x061c, 0x061c },                                         /* Arabic letter mark */
	{ 0x200b, 0x200f },   /* zero width, direction marks */
	{ 0x2028, 0x202e },   /* line and paragraph separators, embeddings, overrides */
	{ 0x2060, 0x206f },   /* invisible operators, isolates */
	{ 0xfeff, 0xfeff },   /* byte order mark */
	{ 0xfff9, 0xfffb },   /* interlinear annotations */
	{ 0xe0000, 0xe0fff }, /* tags */
};

/* p holds one well-formed sequence of n bytes. */
static bool
is_harmless(const unsigned char *p, size_t n)
{
	static const unsigned char lead_bits[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	uint32_t code = p[0] & lead_bits[n];

	for (size_t i = 1; i < n; i++)
		code = code << 6 | (p[i] & 0x3f);
	for (size_t i = 0; i < MEM_COUNT(harmful); i++) {
		if (code >= harmful[i].first && code <= harmful[i].last)
			return false;
	}
	return true;
}

void
str_add_printable(struct str *s, const void *data, size_t len, size_t max)
{
	const unsigned char *p = data;
	size_t left = len < max ? len : max;

	while (left > 0) {
		size_t n = utf8_length(p, left);

		if (n > 0 && is_harmless(p, n)) {
			str_add(s, p, n);
		} else {
			n = n > 0 ? n : 1;
			for (size_t i = 0; i < n; i++)
				str_addf(s, "\\x%02x", p[i]);
		}
		p += n;
		left -= n;
	}
	if (len > max)
		str_adds(s, "...");
}

char *
str_printable(char *out, size_t size, const void *data, size_t len)
{
	struct str s = STR_INIT;

	str_add_printable(&s, data, len, STR_SHOW_MAX);
	snprintf(out, size, "%s", str_text(&s));
	str_clear(&s);
	return out;
}

void
str_copy_printable(char *out, size_t size, const char *text)
{
	struct str s = STR_INIT;
	size_t len;

	str_add_printable(&s, text, strlen(text), size);
	len = s.len < size ? s.len : size - 1;
	while (len < s.len && len > 0 && ((unsigned char)s.data[len] & 0xc0) == 0x80)
		len--;
	memcpy(out, str_text(&s), len);
	out[len] = '\0';
	str_clear(&s);
}

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void
str_add_base64(struct str *s, const void *data, size_t len)
{
	const unsigned char *p = data;

	str_reserve(s, (len + 2) / 3 * 4);
	for (size_t i = 0; i < len; i += 3) {
		size_t have = len - i < 3 ? len - i : 3;
		uint32_t v = (uint32_t)p[i] << 16;

		if (have > 1)
			v |= (uint32_t)p[i + 1] << 8;
		if (have > 2)
			v |= p[i + 2];
		str_addc(s, base64_digits[v >> 18]);
		str_addc(s, base64_digits[v >> 12 & 63]);
		str_addc(s, have > 1 ? base64_digits[v >> 6 & 63] : '=');
		str_addc(s, have > 2 ? base64_digits[v & 63] : '=');
	}
}

/*
 * What a digit of base64 is worth, and one more: 0 is no digit. A table, because the value of each of
 * ten thousand names is decoded at every flip.
 */
/* clang-format off */
static const unsigned char base64_values[256] = {
	['A'] = 1, ['B'] = 2, ['C'] = 3, ['D'] = 4, ['E'] = 5, ['F'] = 6, ['G'] = 7, ['H'] = 8,
	['I'] = 9, ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15,
	['P'] = 16, ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22,
	['W'] = 23, ['X'] = 24, ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29,
	['d'] = 30, ['e'] = 31, ['f'] = 32, ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36,
	['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40, ['o'] = 41, ['p'] = 42, ['q'] = 43,
	['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48, ['w'] = 49, ['x'] = 50,
	['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56, ['4'] = 57,
	['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64,
};
/* clang-format on */

int
str_add_base64_decoded(struct str *s, const char *text, size_t len)
{
	size_t start = s->len, pad = 0;

	if (len % 4 != 0)
		return -1;
	while (pad < 2 && pad < len && text[len - 1 - pad] == '=')
		pad++;
	str_reserve(s, len / 4 * 3);
	for (size_t i = 0; i < len; i += 4) {
		uint32_t v = 0;
		size_t take = i + 4 == len ? 3 - pad : 3;

		for (size_t k = 0; k < 4; k++) {
			int d = k > take ? 0 : base64_values[(unsigned char)text[i + k]] - 1;

			if (d < 0) {
				s->len = start;
				s->data[start] = '\0';
				return -1;
			}
			v = v << 6 | (uint32_t)d;
		}
		for (size_t k = 0; k < take; k++)
			s->data[s->len++] = (char)(v >> (16 - 8 * k) & 0xff);
	}
	if (s->data != NULL)
		s->data[s->len] = '\0';
	return 0;
}

int
str_parse_u64(const char *text, uint64_t *out)
{
	char *end;
	uintmax_t v;

	if (!isdigit((unsigned char)text[0]))
		return -1;
	errno = 0;
	v = strtoumax(text, &end, 10);
	if (errno != 0 || *end != '\0' || v > UINT64_MAX)
		return -1;
	*out = v;
	return 0;
}

/*
 * A plain decimal number ("1", "0.5") at the start of text; returns what follows it, NULL when
 * there is none. Not strtod(3): that takes hexadecimal, exponents and the locale's decimal comma.
 */
static const char *
parse_decimal(const char *text, double *out)
{
	double v = 0, unit = 1;

	if (!isdigit((unsigned char)*text))
		return NULL;
	for (; isdigit((unsigned char)*text); text++)
		v = v * 10 + (*text - '0');
	if (*text == '.') {
		if (!isdigit((unsigned char)*++text))
			return NULL;
		for (; isdigit((unsigned char)*text); text++)
			v += (*text - '0') * (unit /= 10);
	}
	*out = v;
	return text;
}

int
str_parse_duration(const char *text, int64_t *out_ms)
{
	static const struct {
		const char *unit;
		double ms;
	} units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60e3 }, { "h", 3600e3 },
		{ "d", 86400e3 } };
	const double max_ms = 366 * 86400e3; /* a year: more is a slip of the pen */
	const char *unit;
	double v;

	if ((unit = parse_decimal(text, &v)) == NULL)
		return -1;
	if (*unit == '\0' && v == 0) {
		*out_ms = 0;
		return 0;
	}
	for (size_t i = 0; i < MEM_COUNT(units); i++) {
		if (strcmp(unit, units[i].unit) != 0)
			continue;
		if (v * units[i].ms > max_ms)
			return -1;
		*out_ms = (int64_t)(v * units[i].ms + 0.5);
		return 0;
	}
	return -1;
}

int
str_parse_share(const char *text, double *out)
{
	const char *end;
	double v;

	if ((end = parse_decimal(text, &v)) == NULL)
		return -1;
	if (strcmp(end, "%") == 0)
		v /= 100;
	else if (*end != '\0')
		return -1;
	if (v > 1)
		return -1;
	*out = v;
	return 0;
}

char *
str_duration(char *out, size_t size, int64_t ms)
{
	int64_t s = ms / 1000;

	if (ms < 100)
		snprintf(out, size, "%" PRId64 "ms", ms);
	else if (ms < 10000 && ms % 1000 != 0)
		snprintf(out, size, "%" PRId64 ".%02" PRId64 "s", s, ms % 1000 / 10);
	else if (s < 60)
		snprintf(out, size, "%" PRId64 "s", s);
	else if (s < 3600)
		snprintf(out, size, "%" PRId64 "m%02" PRId64 "s", s / 60, s % 60);
	else if (s < 2 * 86400)
		snprintf(out, size, "%" PRId64 "h%02" PRId64 "m", s / 3600, s / 60 % 60);
	else
		snprintf(out, size, "%" PRId64 "d", s / 86400);
	return out;
}
