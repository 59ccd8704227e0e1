/* conf_text.h: a configuration file's bytes, made ready for libconfuse. For conf.c. */
#ifndef BASE_CONF_TEXT_H
#define BASE_CONF_TEXT_H

#include "base/conf.h"

enum conf_text {
	CONF_TEXT_GOOD,
	CONF_TEXT_CUT, /* something has no end, and all behind its beginning is blank now */
	CONF_TEXT_BAD, /* there is a byte that no line may have; not for libconfuse */
};

/*
 * Turns comments into blanks, in place; lines stay lines. Unless all is good, a problem was told:
 * a bad byte, or a string, a comment or a brace without an end.
 */
enum conf_text conf_text_prepare(char *text, size_t len, const char *file, struct str *problems);

#endif
