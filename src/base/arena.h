/*
 * arena.h: many small pieces of memory that live and die together. Pieces are cut from large
 * blocks: ten thousand names cost a dozen calls of malloc instead of thirty thousand.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

/* Starts all zero. */
struct arena {
	struct arena_block *blocks; /* the newest first */
	char *next;                 /* the free part of the newest block */
	size_t left;
};

void arena_reserve(struct arena *a, size_t size);              /* room for so much in one block */
void *arena_alloc(struct arena *a, size_t size);               /* zeroed, aligned for any object */
void *arena_array(struct arena *a, size_t count, size_t size); /* the same; aborts on overflow */
char *arena_strndup(struct arena *a, const char *s, size_t len);
char *arena_strdup(struct arena *a, const char *s);
void arena_clear(struct arena *a); /* frees everything; a is all zero again */

#endif
