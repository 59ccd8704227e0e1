/* datum.c: the two values that every data source has to give. */
#include "model/datum.h"

#include <string.h>

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
