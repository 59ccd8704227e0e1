/* json_datum.c: jansson's trees as template data. */
#include "model/json_datum.h"

static const struct datum_class json_class;

static void
json_member(const struct datum *object, const char *key, size_t len, struct datum *out)
{
	const json_t *member = json_object_get(object->ptr, key);

	(void)len;
	if (member != NULL)
		*out = json_datum(member);
}

static const char *
json_key(const struct datum *object, size_t i)
{
	/* jansson's iterators want to be able to change what they walk; we only read */
	json_t *j = (json_t *)(uintptr_t)object->ptr;
	void *at = json_object_iter(j);

	while (at != NULL && i-- > 0)
		at = json_object_iter_next(j, at);
	return at != NULL ? json_object_iter_key(at) : NULL;
}

static void
json_item(const struct datum *list, size_t i, struct datum *out)
{
	*out = json_datum(json_array_get(list->ptr, i));
}

/* The shortest of the precisions between a double's safe digits and those that any double needs. */
static void
json_number(const struct datum *number, struct str *out)
{
	const json_t *j = number->ptr;
	char text[64];
	size_t len = 0;

	for (size_t digits = 15; digits <= 17; digits++) {
		json_t *again;
		bool is_same;

		len = json_dumpb(
		    j, text, sizeof(text), JSON_ENCODE_ANY | JSON_REAL_PRECISION(digits));
		again = json_loadb(text, len, JSON_DECODE_ANY, NULL);
		is_same = json_equal(j, again);
		json_decref(again);
		if (is_same)
			break;
	}
	str_add(out, text, len);
}

static const struct datum_class json_class = {
	.member = json_member,
	.key = json_key,
	.item = json_item,
	.text = json_number,
};

struct datum
json_datum(const json_t *j)
{
	struct datum d = { .kind = DATUM_NULL, .class = &json_class, .ptr = j };

	switch (json_typeof(j)) {
	case JSON_OBJECT:
		d.kind = DATUM_OBJECT;
		break;
	case JSON_ARRAY:
		d.kind = DATUM_LIST;
		d.len = json_array_size(j);
		break;
	case JSON_STRING:
		d.kind = DATUM_TEXT;
		d.text = json_string_value(j);
		d.len = json_string_length(j);
		break;
	case JSON_INTEGER:
	case JSON_REAL:
		d.kind = DATUM_TEXT;
		break;
	case JSON_TRUE:
		d.kind = DATUM_TRUE;
		break;
	case JSON_FALSE:
		d.kind = DATUM_FALSE;
		break;
	case JSON_NULL:
		break;
	}
	return d;
}
