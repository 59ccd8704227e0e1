/* wrap.c: greedy line breaking. Words are not hyphenated: most are keys, commands and addresses. */
#include "cli/wrap.h"

#include <string.h>

/* Characters of UTF-8: every byte that does not continue one. */
static int
columns(const char *text, size_t len)
{
	int n = 0;

	for (size_t i = 0; i < len; i++)
		n += ((unsigned char)text[i] & 0xc0) != 0x80;
	return n;
}

void
wrap_add(struct str *out, int width, const char *first, const char *rest, const char *text)
{
	int used = columns(first, strlen(first));
	bool is_begun = false;

	str_adds(out, first);
	for (;;) {
		size_t blanks = strspn(text, " "), len;

		if (text[blanks] == '\n') {
			str_addc(out, '\n');
			str_adds(out, rest);
			used = columns(rest, strlen(rest));
			is_begun = false;
			text += blanks + 1;
			continue;
		}
		if (text[blanks] == '\0')
			break;
		len = strcspn(text + blanks, " \n");
		if (!is_begun)
			blanks = 0, text += strspn(text, " ");
		else if (used + (int)blanks + columns(text + blanks, len) > width) {
			str_addc(out, '\n');
			str_adds(out, rest);
			used = columns(rest, strlen(rest));
			text += blanks;
			blanks = 0;
		}
		str_add(out, text, blanks + len);
		used += (int)blanks + columns(text + blanks, len);
		is_begun = true;
		text += blanks + len;
	}
	str_addc(out, '\n');
}
