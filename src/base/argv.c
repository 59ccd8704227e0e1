/*
 * argv.c: one pass over each argument. Replacing mark after mark would put one value into another that
 * happens to look like a mark.
 */
#include "base/argv.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

static char *
fill_argument(const char *text, const struct argv_mark *marks, size_t count)
{
	struct str out = STR_INIT;

	while (*text != '\0') {
		size_t i = 0;

		while (i < count && strncmp(text, marks[i].mark, strlen(marks[i].mark)) != 0)
			i++;
		if (i == count)
			str_addc(&out, *text++);
		else {
			str_adds(&out, marks[i].value);
			text += strlen(marks[i].mark);
		}
	}
	return str_take(&out);
}

char **
argv_fill(char *const *argv, const struct argv_mark *marks, size_t count)
{
	size_t n = 0;
	char **out;

	if (argv == NULL)
		return NULL;
	while (argv[n] != NULL)
		n++;
	out = mem_array(n + 1, sizeof(*out));
	for (size_t i = 0; i < n; i++)
		out[i] = fill_argument(argv[i], marks, count);
	return out;
}

void
argv_free(char **argv)
{
	for (char **arg = argv; arg != NULL && *arg != NULL; arg++)
		free(*arg);
	free(argv);
}
