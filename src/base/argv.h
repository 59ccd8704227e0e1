/*
 * argv.h: the arguments of a program, in which marks like {node} stand for what is only known later. A
 * value is put into an argument, never into a command line: it stays one argument, whatever is in it.
 */
#ifndef BASE_ARGV_H
#define BASE_ARGV_H

#include <stddef.h>

struct argv_mark {
	const char *mark; /* "{node}" */
	const char *value;
};

/*
 * A copy of argv (NULL-terminated) with the values where the marks are; other text stays, also what
 * looks like a mark. What was put in is not looked at again. NULL gives NULL.
 */
char **argv_fill(char *const *argv, const struct argv_mark *marks, size_t count);
void argv_free(char **argv); /* NULL is allowed */

#endif
