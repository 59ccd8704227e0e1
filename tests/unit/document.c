/* document.c: walks template data, object by object. */
#include "document.h"

#include <string.h>

static json_t *
from_text(const struct datum *d)
{
	struct str made = STR_INIT;
	json_t *j;

	if (d->text != NULL)
		return json_stringn(d->text, d->len);
	d->class->text(d, &made);
	j = json_stringn(str_text(&made), made.len);
	str_clear(&made);
	return j;
}

static json_t *
from_list(const struct datum *d)
{
	json_t *j = json_array();
	struct datum item;

	for (size_t i = 0; i < d->len; i++) {
		datum_item(d, i, &item);
		json_array_append_new(j, document_of(&item));
	}
	return j;
}

static json_t *
from_object(const struct datum *d)
{
	json_t *j = json_object();
	struct datum member;
	const char *key;

	for (size_t i = 0; (key = datum_key(d, i)) != NULL; i++) {
		datum_member(d, key, strlen(key), &member);
		json_object_set_new(j, key, document_of(&member));
	}
	return j;
}

json_t *
document_of(const struct datum *d)
{
	switch (d->kind) {
	case DATUM_TRUE:
	case DATUM_FALSE:
		return json_boolean(d->kind == DATUM_TRUE);
	case DATUM_TEXT:
		return from_text(d);
	case DATUM_LIST:
		return from_list(d);
	case DATUM_OBJECT:
		return from_object(d);
	case DATUM_MISSING:
	case DATUM_NULL:
		break;
	}
	return json_null();
}
