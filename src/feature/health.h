/*
 * health.h: what vantages say to each other in the KV, as documents. Any person can write there, so
 * whatever is read is believed only as far as it is well-formed, and is printable afterwards.
 *
 *   <root>health/<check>/<vantage>     the opinion of one vantage on one check
 *   <root>health/.vantages/<vantage>   how far it trusts its own eyes
 *   <root>health/.mutes/<check>        whom nobody is to be woken for, until when
 */
#ifndef FEATURE_HEALTH_H
#define FEATURE_HEALTH_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "model/check.h"
#include "model/name.h"
#include "model/vantage.h"

#define HEALTH_PREFIX "health/"
#define HEALTH_TEXT_SIZE 512
#define HEALTH_DOCUMENT_MAX 8192 /* bytes; a longer one is none of ours */

enum health_kind { HEALTH_OPINION, HEALTH_VANTAGE, HEALTH_MUTE };

/* What a key below the prefix is about. */
struct health_key {
	enum health_kind kind;
	char check[CHECK_NAME_MAX]; /* of an opinion, of a mute */
	char vantage[NAME_SIZE];    /* of an opinion, of a vantage */
};

/* key: behind <root>health/. 0, or -1: not one of ours. */
int health_key_parse(const char *key, struct health_key *out);

/* The name of a check: labels of letters, digits, '-', '_' and '.', and at most one '/'. */
bool health_is_check_name(const char *name);

struct health_opinion {
	enum check_state state;
	enum check_level level;
	enum check_class class;
	int64_t since_wall_s;
	bool is_flapping;
	char output[HEALTH_TEXT_SIZE];
	char type[16], target[NAME_SIZE + 8];
};

struct health_vantage {
	enum vantage_sight sight;
	int64_t since_wall_s;
	int score;
	size_t checks;
	char why[HEALTH_TEXT_SIZE];
};

struct health_mute {
	int64_t since_wall_s, until_wall_s;
	char who[HEALTH_TEXT_SIZE], why[HEALTH_TEXT_SIZE];
};

/* { label: value }, as documents and -o json have them; a new reference. */
json_t *health_numbers(const struct check_number *numbers, size_t count);

/* Append the document. numbers are written, never read back. */
void health_add_opinion(struct str *out, const struct health_opinion *o,
    const struct check_number *numbers, size_t count);
void health_add_vantage(struct str *out, const struct health_vantage *v);
void health_add_mute(struct str *out, const struct health_mute *m);

/* 0, or -1 with e and out untouched. */
int health_read_opinion(const void *text, size_t len, struct health_opinion *out, struct err *e);
int health_read_vantage(const void *text, size_t len, struct health_vantage *out, struct err *e);
int health_read_mute(const void *text, size_t len, struct health_mute *out, struct err *e);

#endif
