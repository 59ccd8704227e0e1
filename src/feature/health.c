/*
 * health.c: the documents, both ways. Reading is strict: a member that is missing, of another type or
 * not one of our words makes the whole document worthless, because half an opinion is worse than none.
 * What is text comes out printable and cut.
 */
#include "feature/health.h"

#include <jansson.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"

#define VANTAGES ".vantages/"
#define MUTES ".mutes/"

/* --- keys ------------------------------------------------------------------------------------------- */

static bool
is_word(const char *text, size_t len)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_.";

	return len > 0 && text[0] != '.' && strspn(text, allowed) >= len;
}

bool
health_is_check_name(const char *name)
{
	const char *slash = strchr(name, '/');

	if (strlen(name) >= CHECK_NAME_MAX)
		return false;
	if (slash == NULL)
		return is_word(name, strlen(name));
	return is_word(name, (size_t)(slash - name)) && is_word(slash + 1, strlen(slash + 1));
}

static int
parse_vantage(const char *text, struct health_key *k)
{
	char node[NAME_SIZE];

	if (node_parse(text, strlen(text), node, NULL) != 0 || strcmp(node, text) != 0)
		return -1;
	strcpy(k->vantage, node);
	return 0;
}

static int
parse_check(const char *text, size_t len, struct health_key *k)
{
	if (len >= sizeof(k->check))
		return -1;
	memcpy(k->check, text, len);
	k->check[len] = '\0';
	return health_is_check_name(k->check) ? 0 : -1;
}

int
health_key_parse(const char *key, struct health_key *out)
{
	struct health_key k = { 0 };
	const char *slash = strrchr(key, '/');
	int failed;

	if (strncmp(key, VANTAGES, strlen(VANTAGES)) == 0) {
		k.kind = HEALTH_VANTAGE;
		failed = parse_vantage(key + strlen(VANTAGES), &k);
	} else if (strncmp(key, MUTES, strlen(MUTES)) == 0) {
		k.kind = HEALTH_MUTE;
		key += strlen(MUTES);
		failed = parse_check(key, strlen(key), &k);
	} else {
		k.kind = HEALTH_OPINION;
		failed = slash == NULL || parse_check(key, (size_t)(slash - key), &k) != 0 ||
			 parse_vantage(slash + 1, &k) != 0;
	}
	if (failed)
		return -1;
	*out = k;
	return 0;
}

/* --- writing ---------------------------------------------------------------------------------------- */

static void
write_and_free(struct str *out, json_t *j)
{
	json_write(out, j);
	json_decref(j);
}

json_t *
health_numbers(const struct check_number *numbers, size_t count)
{
	json_t *object = json_object();

	for (size_t i = 0; i < count; i++)
		json_object_set_new(object, numbers[i].label, json_number(numbers[i].value));
	return object;
}

void
health_add_opinion(struct str *out, const struct health_opinion *o,
    const struct check_number *numbers, size_t count)
{
	write_and_free(out,
	    json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:b}", "state",
		check_state_name(o->state), "level", check_level_name(o->level), "class",
		check_class_name(o->class), "since", json_time(o->since_wall_s), "output",
		json_text(o->output), "type", json_text(o->type), "target", json_text(o->target),
		"numbers", health_numbers(numbers, count), "flapping", o->is_flapping));
}

void
health_add_vantage(struct str *out, const struct health_vantage *v)
{
	write_and_free(
	    out, json_pack("{s:s, s:o, s:o, s:i, s:I}", "sight", vantage_sight_name(v->sight),
		     "since", json_time(v->since_wall_s), "why", json_text(v->why), "score",
		     v->score, "checks", (json_int_t)v->checks));
}

void
health_add_mute(struct str *out, const struct health_mute *m)
{
	write_and_free(out,
	    json_pack("{s:o, s:o, s:o, s:o}", "until", json_time(m->until_wall_s), "since",
		json_time(m->since_wall_s), "who", json_text(m->who), "why", json_text(m->why)));
}

/* --- reading ---------------------------------------------------------------------------------------- */

/* What is being read; the first member that is wrong is the one that is named. */
struct reader {
	json_t *object;
	struct err *e;
	bool is_bad;
};

static void
refuse(struct reader *r, const char *key)
{
	if (!r->is_bad)
		err_set(r->e, ERR_PROTOCOL, "%s is missing, or is none", key);
	r->is_bad = true;
}

static int
reader_open(struct reader *r, const void *text, size_t len, struct err *e)
{
	*r = (struct reader){ .e = e };
	if (len > HEALTH_DOCUMENT_MAX)
		return err_set(e, ERR_LIMIT, "a document of %zu bytes", len);
	if ((r->object = json_parse(text, len, "the document", e)) == NULL)
		return -1;
	if (json_is_object(r->object))
		return 0;
	json_decref(r->object);
	return err_set(e, ERR_PROTOCOL, "no JSON object");
}

static const char *
read_string(struct reader *r, const char *key)
{
	const char *text = json_get_string(r->object, key, NULL);

	if (text == NULL)
		refuse(r, key);
	return text != NULL ? text : "";
}

static void
read_text(struct reader *r, const char *key, char *out, size_t size)
{
	const char *text = read_string(r, key);

	str_copy_printable(out, size, text);
}

static int64_t
read_time(struct reader *r, const char *key)
{
	int64_t s = 0;

	if (clock_iso_parse(read_string(r, key), &s) != 0)
		refuse(r, key);
	return s;
}

static int64_t
read_int(struct reader *r, const char *key, int64_t max)
{
	int64_t n = json_get_int(r->object, key, -1);

	if (n >= 0 && n <= max)
		return n;
	refuse(r, key);
	return 0;
}

static enum check_level
read_level(struct reader *r, const char *key)
{
	const char *text = read_string(r, key);

	for (int l = LEVEL_OK; l <= LEVEL_UNKNOWN; l++) {
		if (strcmp(text, check_level_name((enum check_level)l)) == 0)
			return (enum check_level)l;
	}
	refuse(r, key);
	return LEVEL_UNKNOWN;
}

static int
reader_close(struct reader *r)
{
	json_decref(r->object);
	return r->is_bad ? -1 : 0;
}

int
health_read_opinion(const void *text, size_t len, struct health_opinion *out, struct err *e)
{
	struct health_opinion o = { 0 };
	struct reader r;

	if (reader_open(&r, text, len, e) != 0)
		return -1;
	if (check_state_parse(read_string(&r, "state"), &o.state) != 0)
		refuse(&r, "state");
	if (check_class_parse(read_string(&r, "class"), &o.class) != 0)
		refuse(&r, "class");
	o.level = read_level(&r, "level");
	o.since_wall_s = read_time(&r, "since");
	o.is_flapping = json_get_bool(r.object, "flapping", false);
	read_text(&r, "output", o.output, sizeof(o.output));
	read_text(&r, "type", o.type, sizeof(o.type));
	read_text(&r, "target", o.target, sizeof(o.target));
	if (reader_close(&r) != 0)
		return -1;
	*out = o;
	return 0;
}

int
health_read_vantage(const void *text, size_t len, struct health_vantage *out, struct err *e)
{
	struct health_vantage v = { 0 };
	struct reader r;

	if (reader_open(&r, text, len, e) != 0)
		return -1;
	if (vantage_sight_parse(read_string(&r, "sight"), &v.sight) != 0)
		refuse(&r, "sight");
	v.since_wall_s = read_time(&r, "since");
	v.score = (int)read_int(&r, "score", 1000);
	v.checks = (size_t)read_int(&r, "checks", 1000000);
	read_text(&r, "why", v.why, sizeof(v.why));
	if (reader_close(&r) != 0)
		return -1;
	*out = v;
	return 0;
}

int
health_read_mute(const void *text, size_t len, struct health_mute *out, struct err *e)
{
	struct health_mute m = { 0 };
	struct reader r;

	if (reader_open(&r, text, len, e) != 0)
		return -1;
	m.until_wall_s = read_time(&r, "until");
	m.since_wall_s = read_time(&r, "since");
	read_text(&r, "who", m.who, sizeof(m.who));
	read_text(&r, "why", m.why, sizeof(m.why));
	if (reader_close(&r) != 0)
		return -1;
	*out = m;
	return 0;
}
