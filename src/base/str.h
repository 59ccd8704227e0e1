/*
 * str.h: a growing byte buffer, and the small parsers that everybody needs.
 *
 * A struct str is embedded and starts as STR_INIT (all zero). data is always NUL-terminated once
 * something was added, but may hold NUL bytes: len counts.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct str {
	char *data;
	size_t len;
	size_t cap;
};

#define STR_INIT \
	{ \
		NULL, 0, 0 \
	}

void str_clear(struct str *s);                 /* frees; s is STR_INIT again */
void str_reset(struct str *s);                 /* empties, keeps the memory */
void str_reserve(struct str *s, size_t extra); /* room for so many more bytes */
char *str_take(struct str *s);                 /* hands over a malloc'ed string, never NULL */
const char *str_text(const struct str *s);     /* "" when nothing was ever added */

void str_add(struct str *s, const void *data, size_t len);
void str_adds(struct str *s, const char *text);
void str_addc(struct str *s, char c);
void str_addf(struct str *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/*
 * Adds foreign bytes so that a terminal, a log or an error text can bear them: printable ASCII and
 * valid UTF-8 stay (but no C0, C1 or DEL), everything else becomes \xNN; after max bytes of input
 * comes "...". Nothing from outside is shown to a person in any other way.
 */
void str_add_printable(struct str *s, const void *data, size_t len, size_t max);
/* The same into a caller's buffer, always NUL-terminated; returns out. */
char *str_printable(char *out, size_t size, const void *data, size_t len);
/*
 * All of a text that fits, without "...". Cut at the end of a character: half of one is no valid UTF-8,
 * and JSON refuses it.
 */
void str_copy_printable(char *out, size_t size, const char *text);
#define STR_SHOW_MAX 80 /* how much of a foreign value a message shows */

/* Whether the bytes are well-formed UTF-8 (no surrogates, no overlong forms). */
bool str_is_utf8(const void *data, size_t len);

/* Standard base64 with padding (RFC 4648), whitespace refused. decode: 0, or -1 when malformed. */
void str_add_base64(struct str *s, const void *data, size_t len);
int str_add_base64_decoded(struct str *s, const char *text, size_t len);

/* Whole-string parsers: 0, or -1 with out untouched. */
int str_parse_u64(const char *text, uint64_t *out); /* decimal */
/* "250ms", "2s", "1.5s", "10m", "1h", "2d" to milliseconds; a bare number is refused but for "0". */
int str_parse_duration(const char *text, int64_t *out_ms);
/* "20%" or "0.2" to a fraction in 0..1. */
int str_parse_share(const char *text, double *out);

/* A duration for a person, at most 8 characters: "3ms", "0.25s", "12s", "4m12s", "6h03m", "41d". */
char *str_duration(char *out, size_t size, int64_t ms);

#endif
