/*
 * plan_id.c: eight digits of a SHA-256 and four of the time in Crockford's base 32, which has no letters
 * to mistake when it is read aloud. The time wraps after twelve days; an id is good for two minutes.
 */
#include "model/plan_id.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"

#define DIGEST_DIGITS 8
#define TIME_DIGITS 4
#define TIME_WRAP (1 << (5 * TIME_DIGITS))

static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";

static void
add_time(char out[TIME_DIGITS + 1], int64_t wall_s)
{
	int64_t left = wall_s % TIME_WRAP;

	for (int i = TIME_DIGITS - 1; i >= 0; i--, left /= 32)
		out[i] = digits[left % 32];
	out[TIME_DIGITS] = '\0';
}

char *
plan_id_make(char out[PLAN_ID_SIZE], const char *made_of, int64_t wall_s)
{
	char time[TIME_DIGITS + 1], digest[FILE_DIGEST_SIZE];
	char *text;

	add_time(time, wall_s);
	/* With the time, so that an id cannot be made young. */
	text = mem_printf("%s\n%s", time, made_of);
	file_digest(digest, text, strlen(text));
	free(text);
	snprintf(out, PLAN_ID_SIZE, "%.*s-%s", DIGEST_DIGITS, digest + strlen("sha256:"), time);
	return out;
}

/* -1: that is no such id. */
static int64_t
time_of(const char *id)
{
	int64_t time = 0;

	if (strlen(id) != DIGEST_DIGITS + 1 + TIME_DIGITS || id[DIGEST_DIGITS] != '-')
		return -1;
	for (const char *p = id + DIGEST_DIGITS + 1; *p != '\0'; p++) {
		const char *digit = strchr(digits, *p);

		if (digit == NULL)
			return -1;
		time = time * 32 + (digit - digits);
	}
	return time;
}

enum plan_id_fit
plan_id_check(const char *id, const char *made_of, int64_t wall_s, int64_t *age_s)
{
	int64_t time = time_of(id);
	char again[PLAN_ID_SIZE];

	if (time < 0)
		return PLAN_NONE;
	*age_s = (wall_s % TIME_WRAP - time + TIME_WRAP) % TIME_WRAP;
	plan_id_make(again, made_of, wall_s - *age_s);
	/* A clock that was set back a little makes it from the future. */
	if (*age_s > PLAN_VALID_S && TIME_WRAP - *age_s > PLAN_VALID_S)
		return PLAN_OLD;
	return strcmp(id, again) == 0 ? PLAN_FITS : PLAN_CHANGED;
}
