/*
 * fuzz_catalog.c: the list of nodes, in pieces of any size: the same list however the bytes arrive.
 */
#include <string.h>

#include "feed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
compare_nodes(const struct kv_nodes *a, const struct kv_nodes *b)
{
	must(a->count == b->count);
	for (size_t i = 0; i < a->count; i++) {
		const struct kv_node *x = &a->nodes[i], *y = &b->nodes[i];

		must(strcmp(x->node, y->node) == 0 && strcmp(x->address, y->address) == 0);
		must(x->meta_count == y->meta_count);
		for (size_t k = 0; k < x->meta_count; k++) {
			must(strcmp(x->meta[k].key, y->meta[k].key) == 0);
			must(strcmp(x->meta[k].value, y->meta[k].value) == 0);
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kv_answer whole = { 0 }, pieces = { 0 };

	if (size < 2)
		return 0;
	feed_twice(consul_reader_new_nodes, data, size, &whole, &pieces);
	compare_nodes(&whole.nodes, &pieces.nodes);
	kv_answer_clear(&whole);
	kv_answer_clear(&pieces);
	return 0;
}
