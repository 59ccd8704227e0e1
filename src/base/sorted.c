/* sorted.c: a binary search for the lower bound; bsearch() does not say where something would be. */
#include "base/sorted.h"

#include <string.h>

size_t
sorted_place(const void *array, size_t count, size_t size, size_t offset, const char *key)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const char *at;

		memcpy(&at, (const char *)array + middle * size + offset, sizeof(at));
		if (strcmp(at, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}
