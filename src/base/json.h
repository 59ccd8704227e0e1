/*
 * json.h: small helpers over jansson for reading foreign documents and writing our own.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/*
 * Strict UTF-8 JSON of at most 64 levels, of any type (consul watch says null), no member twice;
 * NULL and ERR_PROTOCOL with line and column. what names the document in the message.
 */
json_t *json_parse(const char *text, size_t len, const char *what, struct err *e);

/* Object members with a default for missing or of another type. */
const char *json_get_string(const json_t *object, const char *key, const char *fallback);
int64_t json_get_int(const json_t *object, const char *key, int64_t fallback);
bool json_get_bool(const json_t *object, const char *key, bool fallback);

/* A JSON string of foreign bytes, as str_add_printable() shows them: what is not UTF-8 and what is
 * a control character becomes \xNN text. Never NULL. */
json_t *json_printable(const void *data, size_t len);

/* What is not known is null: json_printable() of a text or NULL, the time of a Unix clock in seconds
 * ("2026-11-23T04:00:00Z") or 0, a number or NAN (JSON has no infinity either). */
json_t *json_text(const char *text);
json_t *json_time(int64_t wall_s);
json_t *json_number(double value);

/* A quoted JSON string; text is UTF-8. For documents of many rows, where a tree is too slow. */
void json_write_string(struct str *out, const char *text, size_t len);
/* Compact; members stand in the order they were set. */
void json_write(struct str *out, const json_t *value);
/*
 * Indented by two, with a final newline: for people and -o json. All ASCII, because it is looked at on
 * terminals, some of which obey U+009B.
 */
void json_write_pretty(struct str *out, const json_t *value);

#endif
