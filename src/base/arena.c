/*
 * arena.c: a bump allocator over a list of blocks. Blocks come zeroed from calloc(3), which gets
 * large ones straight from the kernel, and go back to it whole: an old map leaves no holes behind.
 *
 * Objects and texts share a block: a text is cut from the back, where nothing needs alignment, an
 * object from the front.
 */
#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define BLOCK_SIZE 4096 /* of a block that nobody asked for by size */

struct arena_block {
	struct arena_block *older;
	alignas(max_align_t) char data[];
};

static void
add_block(struct arena *a, size_t size)
{
	struct arena_block *b;

	if (size > SIZE_MAX - sizeof(*b))
		abort();
	b = mem_alloc(sizeof(*b) + size);
	b->older = a->blocks;
	a->blocks = b;
	a->next = b->data;
	a->left = size;
}

void
arena_reserve(struct arena *a, size_t size)
{
	if (a->left < size)
		add_block(a, size);
}

void *
arena_alloc(struct arena *a, size_t size)
{
	size_t pad = -(uintptr_t)a->next % alignof(max_align_t);
	char *p;

	if (size == 0)
		size = 1; /* a pointer that is not NULL, whatever the count */
	if (a->left < pad || a->left - pad < size) {
		add_block(a, size > BLOCK_SIZE ? size : BLOCK_SIZE);
		pad = 0;
	}
	p = a->next + pad;
	a->next = p + size;
	a->left -= pad + size;
	return p;
}

void *
arena_array(struct arena *a, size_t count, size_t size)
{
	if (size > 0 && count > SIZE_MAX / size)
		abort();
	return arena_alloc(a, count * size);
}

char *
arena_strndup(struct arena *a, const char *s, size_t len)
{
	char *p;

	if (a->left <= len)
		add_block(a, len + 1 > BLOCK_SIZE ? len + 1 : BLOCK_SIZE);
	a->left -= len + 1;
	p = a->next + a->left;
	memcpy(p, s, len);
	p[len] = '\0';
	return p;
}

char *
arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}

void
arena_clear(struct arena *a)
{
	struct arena_block *older;

	for (struct arena_block *b = a->blocks; b != NULL; b = older) {
		older = b->older;
		free(b);
	}
	*a = (struct arena){ 0 };
}
