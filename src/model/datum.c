/*
 * datum.c: members are looked up by walking their table: it has at most seven rows, and most differ in
 * their length or their first letter already.
 */
#include "model/datum.h"

#include <string.h>

void
datum_member(const struct datum *object, const char *key, size_t len, struct datum *out)
{
	const struct datum_member *m = object->class->members;

	out->kind = DATUM_MISSING;
	if (m == NULL) {
		object->class->member(object, key, len, out);
		return;
	}
	for (; m->name != NULL; m++) {
		if (m->len == len && m->name[0] == key[0] && memcmp(m->name, key, len) == 0) {
			m->get(object, out);
			return;
		}
	}
}

const char *
datum_key(const struct datum *object, size_t i)
{
	if (object->class->members != NULL)
		return object->class->members[i].name;
	return object->class->key(object, i);
}

void
datum_item(const struct datum *list, size_t i, struct datum *out)
{
	out->kind = DATUM_MISSING;
	list->class->item(list, i, out);
}

void
datum_set_text(struct datum *out, const char *text)
{
	*out = (struct datum){ .kind = DATUM_NULL };
	if (text != NULL) {
		out->kind = DATUM_TEXT;
		out->text = text;
		out->len = strlen(text);
	}
}

void
datum_set_bool(struct datum *out, bool value)
{
	*out = (struct datum){ .kind = value ? DATUM_TRUE : DATUM_FALSE };
}
