/* test_arena.c: pieces are zeroed, aligned, apart from each other, and of any size. */
#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"

static void
pieces_are_zeroed_aligned_and_apart(void **state)
{
	struct arena a = { 0 };
	unsigned char *pieces[300];
	char *texts[300];

	(void)state;
	for (size_t i = 0; i < 300; i++) {
		pieces[i] = arena_alloc(&a, i);
		assert_int_equal((uintptr_t)pieces[i] % alignof(max_align_t), 0);
		for (size_t k = 0; k < i; k++)
			assert_int_equal(pieces[i][k], 0);
		memset(pieces[i], (int)(i & 0xff), i);
		texts[i] = arena_strdup(&a, "text");
	}
	for (size_t i = 0; i < 300; i++) {
		for (size_t k = 0; k < i; k++)
			assert_int_equal(pieces[i][k], i & 0xff);
		assert_string_equal(texts[i], "text");
	}
	arena_clear(&a);
	assert_null(a.blocks);
	arena_clear(&a);
}

static void
large_pieces_have_blocks_of_their_own(void **state)
{
	struct arena a = { 0 };
	unsigned char *small, *large;

	(void)state;
	small = arena_alloc(&a, 8);
	large = arena_array(&a, 1000, 1000);
	memset(large, 7, 1000000);
	assert_int_equal(small[0], 0);
	assert_non_null(arena_alloc(&a, 0));
	arena_clear(&a);
}

/* What was reserved is cut from one block: no other is made. */
static void
a_reserve_is_used_up_first(void **state)
{
	struct arena a = { 0 };
	struct arena_block *block;

	(void)state;
	arena_reserve(&a, 100000);
	block = a.blocks;
	for (size_t i = 0; i < 1000; i++)
		arena_alloc(&a, 64);
	for (size_t i = 0; i < 1000; i++)
		arena_strndup(&a, "0123456789and more", 10);
	assert_ptr_equal(a.blocks, block);
	arena_clear(&a);
}

static void
texts_may_hold_any_byte(void **state)
{
	struct arena a = { 0 };
	char *text = arena_strndup(&a, "a\0b", 3);

	(void)state;
	assert_memory_equal(text, "a\0b", 4);
	assert_string_equal(arena_strndup(&a, "", 0), "");
	arena_clear(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_are_zeroed_aligned_and_apart),
		cmocka_unit_test(large_pieces_have_blocks_of_their_own),
		cmocka_unit_test(a_reserve_is_used_up_first),
		cmocka_unit_test(texts_may_hold_any_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
