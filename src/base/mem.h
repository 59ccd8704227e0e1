/*
 * mem.h: memory that is there, or the program is not. Out of memory aborts with one line on
 * standard error (style: bad input never does; every size that comes from outside has its maximum
 * checked before it gets here).
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdarg.h>
#include <stddef.h>

void *mem_alloc(size_t size);               /* zeroed */
void *mem_array(size_t count, size_t size); /* zeroed; aborts on overflow */
/* realloc of count * size; the new part is not zeroed */
void *mem_grow(void *p, size_t count, size_t size);
char *mem_strdup(const char *s);
char *mem_strndup(const char *s, size_t n);
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
char *mem_vprintf(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));

#define MEM_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
