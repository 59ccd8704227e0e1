/*
 * canary.c: a small JSON value. The bell has to change the key's bytes each time it rings, because
 * Consul does not bump the index of a write that changes nothing (facts/consul.md), so touched has
 * milliseconds and two rings within one still differ. A counter was rejected: a person who reads
 * the KV in Consul's UI gets more from a time.
 */
#include "feature/canary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"

_Static_assert(CANARY_ACCEPTED_SIZE == FILE_DIGEST_SIZE, "an accepted map is named by its digest");

static bool
is_hex(const char *text, size_t len)
{
	return strspn(text, "0123456789abcdef") >= len;
}

static bool
is_uuid(const char *text)
{
	static const size_t groups[] = { 8, 4, 4, 4, 12 }; /* RFC 4122, section 3 */

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		if (i > 0 && *text++ != '-')
			return false;
		if (!is_hex(text, groups[i]))
			return false;
		text += groups[i];
	}
	return *text == '\0';
}

static bool
is_digest(const char *text)
{
	static const char algorithm[] = "sha256:";
	size_t skip = sizeof(algorithm) - 1;

	return strlen(text) == FILE_DIGEST_SIZE - 1 && strncmp(text, algorithm, skip) == 0 &&
	       is_hex(text + skip, FILE_DIGEST_SIZE - 1 - skip);
}

/* Whether text is what format_touched() writes: it is compared and shown, never computed with. */
static bool
is_touched(const char *text)
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ";

	if (strlen(text) != sizeof(form) - 1)
		return false;
	for (size_t i = 0; form[i] != '\0'; i++) {
		if (form[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
			return false;
	}
	return true;
}

static void
format_touched(char out[CANARY_TOUCHED_SIZE], int64_t wall_ms)
{
	char seconds[CLOCK_ISO_SIZE];

	clock_iso(seconds, wall_ms / 1000);
	seconds[strcspn(seconds, "Z")] = '\0';
	snprintf(out, CANARY_TOUCHED_SIZE, "%.19s.%03dZ", seconds, (int)(wall_ms % 1000));
}

int
canary_parse(const struct kv_entry *entry, struct canary *out, struct err *e)
{
	struct canary c = { "", "", "" };
	const char *cluster, *touched, *accepted;
	json_t *doc;

	if ((doc = json_parse(entry->value, entry->value_len, "the canary", e)) == NULL)
		return -1;
	cluster = json_get_string(doc, "cluster", "");
	touched = json_get_string(doc, "touched", "");
	accepted = json_get_string(doc, "accepted", "");
	if (!is_uuid(cluster)) {
		json_decref(doc);
		return err_set(e, ERR_PROTOCOL, "the canary has no valid cluster id");
	}
	memcpy(c.cluster, cluster, sizeof(c.cluster));
	if (is_touched(touched))
		snprintf(c.touched, sizeof(c.touched), "%s", touched);
	if (is_digest(accepted))
		memcpy(c.accepted, accepted, sizeof(c.accepted));
	*out = c;
	json_decref(doc);
	return 0;
}

void
canary_new(struct canary *out, int64_t wall_ms)
{
	unsigned char b[16];

	/* 16 bytes never fail or come short once the kernel's pool is up; getrandom(2). */
	if (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b))
		abort();
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40); /* version 4, variant 1: RFC 4122, 4.4 */
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	memset(out, 0, sizeof(*out));
	snprintf(out->cluster, sizeof(out->cluster),
	    "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
	    b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
	    b[15]);
	format_touched(out->touched, wall_ms);
}

void
canary_touch(struct canary *c, int64_t wall_ms)
{
	char touched[CANARY_TOUCHED_SIZE];

	/* Another operator's clock may be ahead of ours: what matters is that the bytes differ. */
	do
		format_touched(touched, wall_ms++);
	while (strcmp(touched, c->touched) == 0);
	memcpy(c->touched, touched, sizeof(c->touched));
}

void
canary_add_text(struct str *out, const struct canary *c)
{
	json_t *doc = json_pack("{s:s, s:s}", "cluster", c->cluster, "touched", c->touched);

	if (c->accepted[0] != '\0')
		json_object_set_new(doc, "accepted", json_string(c->accepted));
	json_write(out, doc);
	json_decref(doc);
}
