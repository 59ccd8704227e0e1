/* sorted.h: places in an array of structures that is sorted by a string in each of them, by strcmp. */
#ifndef BASE_SORTED_H
#define BASE_SORTED_H

#include <stddef.h>

/*
 * The first place whose string is not before key: there it is, or would be; count when all are before it.
 * size: of a structure; offset: of the (const) char * in it.
 */
size_t sorted_place(const void *array, size_t count, size_t size, size_t offset, const char *key);

#endif
