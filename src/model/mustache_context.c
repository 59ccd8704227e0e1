/*
 * mustache_context.c: a name's first part is looked for from the innermost value outwards, and the
 * first that has it decides: the parts behind it are looked up in that value alone (spec, "Dotted
 * Names - Context Precedence").
 */
#include "model/mustache_context.h"

#include <inttypes.h>
#include <string.h>

void
mustache_context_push(struct mustache_context *c, const struct datum *d, size_t at, size_t count)
{
	c->frames[c->depth++] = (struct mustache_frame){ *d, at, count };
}

void
mustache_context_pop(struct mustache_context *c)
{
	c->depth--;
}

/* The innermost list item that we are inside of, or NULL. */
static const struct mustache_frame *
find_item(const struct mustache_context *c)
{
	for (size_t i = c->depth; i-- > 0;) {
		if (c->frames[i].count > 0)
			return &c->frames[i];
	}
	return NULL;
}

static bool
find_place(const struct mustache_context *c, enum mustache_path_kind kind, struct datum *out)
{
	const struct mustache_frame *item;

	if (kind == MUSTACHE_PATH_SELF) {
		*out = c->frames[c->depth - 1].datum;
		return true;
	}
	if ((item = find_item(c)) == NULL)
		return false;
	datum_set_bool(out, item->at == (kind == MUSTACHE_PATH_FIRST ? 0 : item->count - 1));
	return true;
}

/* The first part of the path, from the inside out; *is_open becomes true if an open object lacks it. */
static bool
find_first(const struct mustache_context *c, const struct mustache_key *key, struct datum *out,
    bool *is_open)
{
	for (size_t i = c->depth; i-- > 0;) {
		const struct datum *d = &c->frames[i].datum;

		if (d->kind != DATUM_OBJECT)
			continue;
		datum_member(d, key->text, key->len, out);
		if (out->kind != DATUM_MISSING)
			return true;
		*is_open |= d->class->is_open;
	}
	return false;
}

/* The parts behind the first, from out inwards; *object is what lacks one of them, if anything does. */
static bool
find_rest(const struct mustache_path *path, struct datum *out, struct datum *object)
{
	for (uint32_t i = 1; i < path->count; i++) {
		bool is_open = false;

		*object = *out;
		*out = (struct datum){ .kind = DATUM_MISSING };
		if (object->kind == DATUM_OBJECT) {
			datum_member(object, path->keys[i].text, path->keys[i].len, out);
			is_open = object->class->is_open;
		}
		if (out->kind == DATUM_MISSING && is_open)
			out->kind = DATUM_NULL;
		if (out->kind == DATUM_MISSING)
			return false;
	}
	return true;
}

bool
mustache_context_find(
    const struct mustache_context *c, const struct mustache_path *path, struct datum *out)
{
	struct datum object;
	bool is_open = false;

	*out = (struct datum){ .kind = DATUM_MISSING };
	if (path->kind != MUSTACHE_PATH_KEYS)
		return find_place(c, path->kind, out);
	if (!find_first(c, &path->keys[0], out, &is_open)) {
		out->kind = is_open ? DATUM_NULL : DATUM_MISSING;
		return is_open;
	}
	return path->count == 1 || find_rest(path, out, &object);
}

/* Whether the message has the key already: an inner object's name hides the outer one's. */
static bool
is_listed(const struct str *s, const char *key)
{
	const char *hit = str_text(s);
	size_t len = strlen(key);

	while ((hit = strstr(hit, key)) != NULL) {
		bool begins = hit == s->data || hit[-1] == ' ';

		if (begins && (hit[len] == ',' || hit[len] == '\0'))
			return true;
		hit += 1;
	}
	return false;
}

static void
add_keys(struct str *s, const struct datum *object)
{
	const char *key;

	if (object->kind != DATUM_OBJECT)
		return;
	for (size_t i = 0; s->len < ERR_TEXT_MAX; i++) {
		if ((key = datum_key(object, i)) == NULL)
			return;
		if (key[0] == '\0' || is_listed(s, key))
			continue;
		str_adds(s, s->len > 0 ? ", " : "");
		str_add_printable(s, key, strlen(key), STR_SHOW_MAX);
	}
}

int
mustache_context_unknown(const struct mustache_context *c, const struct mustache_program *p,
    const struct mustache_op *op, struct err *e)
{
	struct datum found = { .kind = DATUM_MISSING }, object;
	struct str keys = STR_INIT;
	char shown[STR_SHOW_MAX * 4 + 4];
	bool is_open = false;

	if (op->path.kind == MUSTACHE_PATH_KEYS &&
	    find_first(c, &op->path.keys[0], &found, &is_open)) {
		find_rest(&op->path, &found, &object);
		add_keys(&keys, &object);
	} else {
		for (size_t i = c->depth; i-- > 0;)
			add_keys(&keys, &c->frames[i].datum);
	}
	err_set(e, ERR_CONFIG, "%s:%" PRIu32 ": {{%s}} is not in the data; known here: %s",
	    p->label, op->line, str_printable(shown, sizeof(shown), op->text, op->len),
	    keys.len > 0 ? str_text(&keys) : "nothing");
	str_clear(&keys);
	return -1;
}

int
mustache_context_no_value(const struct mustache_program *p, const struct mustache_op *op,
    const struct datum *d, struct err *e)
{
	char shown[STR_SHOW_MAX * 4 + 4];

	str_printable(shown, sizeof(shown), op->text, op->len);
	return err_set(e, ERR_CONFIG,
	    "%s:%" PRIu32 ": {{%s}} is %s and no value; {{#%s}} goes into it", p->label, op->line,
	    shown, d->kind == DATUM_LIST ? "a list" : "an object", shown);
}
