/*
 * datum.h: how a template reads its data: where they lie, through a few functions, so that ten
 * thousand names are rendered without being copied into a tree first (jansson needs 23 to 29 ms to
 * build one of that size, more than the whole flip may take).
 */
#ifndef MODEL_DATUM_H
#define MODEL_DATUM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

enum datum_kind {
	DATUM_MISSING, /* there is no such member */
	DATUM_NULL,    /* there is, and it is empty */
	DATUM_FALSE,
	DATUM_TRUE,
	DATUM_TEXT,
	DATUM_LIST,
	DATUM_OBJECT,
};

/* A value in place: who keeps it, and where it is. Valid as long as the data; copied freely. */
struct datum {
	enum datum_kind kind;
	const struct datum_class *class; /* of an OBJECT, a LIST, and a TEXT without text */
	const void *ptr;                 /* ptr and index are the class's own */
	size_t index;
	const char *text; /* TEXT: its bytes, or NULL: class->text() makes them */
	size_t len;       /* TEXT: of text, in bytes; LIST: its items */
};

/* A member of an object whose shape is fixed. get fills out, which arrives as DATUM_MISSING. */
struct datum_member {
	const char *name;
	size_t len;
	void (*get)(const struct datum *object, struct datum *out);
};

#define DATUM_MEMBER(name, get) \
	{ \
		name, sizeof(name) - 1, get \
	}

/* What one kind of object, list or text can do; what belongs to the others stays NULL. */
struct datum_class {
	/* OBJECT: its members, ended by a row of zeros; or NULL, and these two functions: */
	const struct datum_member *members;
	/* the member of that name; out arrives as DATUM_MISSING and may be left so */
	void (*member)(const struct datum *object, const char *key, size_t len, struct datum *out);
	/* the name of member i, NULL behind the last one */
	const char *(*key)(const struct datum *object, size_t i);
	/* OBJECT: any key may be asked for (a node's meta); one that is not there is null */
	bool is_open;
	/* LIST: item i < len; out arrives as DATUM_MISSING */
	void (*item)(const struct datum *list, size_t i, struct datum *out);
	/* TEXT that is made when it is needed (a number, a joined name): appends it */
	void (*text)(const struct datum *text, struct str *out);
};

/* A member of an OBJECT, DATUM_MISSING when it has none of that name; and its member names in order. */
void datum_member(const struct datum *object, const char *key, size_t len, struct datum *out);
const char *datum_key(const struct datum *object, size_t i);
/* Item i < len of a LIST. */
void datum_item(const struct datum *list, size_t i, struct datum *out);

/* For those who write classes. A text that lies somewhere as a string; NULL gives DATUM_NULL. */
void datum_set_text(struct datum *out, const char *text);
void datum_set_bool(struct datum *out, bool value);

#endif
