/* conf_text.h: a configuration file's bytes, made ready for libconfuse. For conf.c. */
#ifndef BASE_CONF_TEXT_H
#define BASE_CONF_TEXT_H

#include "base/conf.h"

/*
 * Turns comments into blanks, in place; lines stay lines. -1: a problem was told: a byte that no
 * line may have, a string or a comment without an end.
 */
int conf_text_prepare(char *text, size_t len, const char *file, struct str *problems);

#endif
