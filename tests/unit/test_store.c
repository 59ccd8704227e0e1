/*
 * test_store.c: feature/store.c: nothing vanishes before two consistent answers say so, the hold is
 * read before the answer that rang for it, and a restart remembers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "feature/config.h"
#include "feature/store.h"
#include "io/kv_impl.h"

#define CANARY "pointsman/names/.pointsman={}"

struct fixture {
	char dir[64];
	struct config config;
	struct store *store;
};

/* "key=value" words as an answer, all written at index. */
static struct kv_answer
answer(uint64_t index, const char *pairs)
{
	struct kv_answer a = { .index = index };
	char *words = mem_strdup(pairs), *rest = words, *word;

	while ((word = strsep(&rest, " ")) != NULL) {
		char *value = strchr(word, '=');
		struct kv_entry *e;

		if (value == NULL)
			continue;
		*value++ = '\0';
		e = kv_list_push(&a.list);
		e->key = arena_strdup(&a.list.arena, word);
		e->value = arena_strdup(&a.list.arena, value);
		e->value_len = strlen(value);
		e->modify_index = 1;
	}
	kv_list_sort(&a.list);
	free(words);
	return a;
}

static size_t
feed(struct fixture *f, uint64_t index, const char *pairs, bool is_consistent)
{
	struct kv_answer a = answer(index, pairs);
	bool is_news;
	size_t kept_back = store_feed_keys(f->store, 0, &a, is_consistent, &is_news);

	kv_answer_clear(&a);
	return kept_back;
}

static void
feed_hold(struct fixture *f, const char *pairs)
{
	struct kv_answer a = answer(1, pairs);

	store_ask_hold(f->store);
	store_feed_hold(f->store, &a);
	kv_answer_clear(&a);
}

/* The catalog: node n has the address 10.0.0.n, for the digits given. */
static void
feed_nodes(struct fixture *f, const char *digits)
{
	struct kv_answer a = { 0 };
	bool is_news;

	for (; *digits != '\0'; digits++) {
		struct kv_node *n = kv_nodes_push(&a.nodes);
		char node[8], address[16];

		snprintf(node, sizeof(node), "db%c", *digits);
		snprintf(address, sizeof(address), "10.0.0.%c", *digits);
		n->node = arena_strdup(&a.nodes.arena, node);
		n->address = arena_strdup(&a.nodes.arena, address);
	}
	store_feed_nodes(f->store, &a, &is_news);
	kv_answer_clear(&a);
}

static const char *
address_of(struct fixture *f, const char *name)
{
	const struct name_map *m = store_map(f->store);
	const struct name *n = m != NULL ? name_map_find(m, name) : NULL;

	return n != NULL ? n->addresses[0].address : "none";
}

static int
setup(void **state)
{
	static struct fixture f;

	memset(&f, 0, sizeof(f));
	strcpy(f.dir, "/tmp/pointsman-store.XXXXXX");
	assert_non_null(mkdtemp(f.dir));
	f.config.agent.state_dir = f.dir;
	f.config.agent.domain = (char *)"service.consul";
	f.config.consul.root = (char *)"pointsman/";
	f.config.consul.names = (char *)"pointsman/names/";
	f.store = store_new(&f.config, NULL);
	*state = &f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	char *command = mem_printf("rm -rf %s", f->dir);
	int status = system(command);

	store_free(f->store);
	free(command);
	return status;
}

static void
begin(struct fixture *f)
{
	feed(f, 10, CANARY " pointsman/names/a=db1 pointsman/names/b=db2", true);
	feed_nodes(f, "12");
	feed_hold(f, "");
	store_set_base(f->store, store_map(f->store));
	store_set_good(f->store, store_map(f->store));
}

static void
test_one_prefix_covers_names_and_nodes(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(store_prefix(f->store, 0), "pointsman/n");
	assert_null(store_prefix(f->store, 1));
	store_free(f->store);
	f->config.consul.names = (char *)"services/";
	f->store = store_new(&f->config, NULL);
	assert_string_equal(store_prefix(f->store, 0), "services/");
	assert_string_equal(store_prefix(f->store, 1), "pointsman/nodes/");
}

static void
test_nothing_before_all_is_read(void **state)
{
	struct fixture *f = *state;

	feed(f, 10, CANARY " pointsman/names/a=db1", true);
	feed_nodes(f, "1");
	assert_false(store_is_ready(f->store));
	assert_null(store_map(f->store));
	feed_hold(f, "");
	assert_true(store_is_ready(f->store));
	assert_string_equal(address_of(f, "a"), "10.0.0.1");
}

static void
test_missing_key_stays(void **state)
{
	struct fixture *f = *state;

	begin(f);
	/* blocking answers never count, however many */
	for (uint64_t i = 11; i < 20; i++)
		assert_int_equal(feed(f, i, CANARY " pointsman/names/a=db1", false), 1);
	assert_string_equal(address_of(f, "b"), "10.0.0.2");
	/* one consistent answer is not enough */
	assert_int_equal(feed(f, 20, CANARY " pointsman/names/a=db1", true), 1);
	assert_string_equal(address_of(f, "b"), "10.0.0.2");
	assert_int_equal(feed(f, 20, CANARY " pointsman/names/a=db1", true), 0);
	assert_string_equal(address_of(f, "b"), "none");
}

static void
test_key_that_returns_counts_anew(void **state)
{
	struct fixture *f = *state;

	begin(f);
	feed(f, 20, CANARY " pointsman/names/a=db1", true);
	feed(f, 21, CANARY " pointsman/names/a=db1 pointsman/names/b=db1", true);
	assert_string_equal(address_of(f, "b"), "10.0.0.1");
	assert_int_equal(feed(f, 22, CANARY " pointsman/names/a=db1", true), 1);
	assert_string_equal(address_of(f, "b"), "10.0.0.1");
}

static void
test_change_goes_through_beside_a_removal(void **state)
{
	struct fixture *f = *state;

	begin(f);
	assert_int_equal(feed(f, 11, CANARY " pointsman/names/a=db2", false), 1);
	assert_string_equal(address_of(f, "a"), "10.0.0.2");
	assert_string_equal(address_of(f, "b"), "10.0.0.2");
}

static void
test_empty_answer_takes_nothing(void **state)
{
	struct fixture *f = *state;

	begin(f);
	assert_int_equal(feed(f, 11, "", false), 3);
	assert_string_equal(address_of(f, "a"), "10.0.0.1");
	assert_true(store_map(f->store)->has_canary);
	feed(f, 11, "", true);
	feed(f, 11, "", true);
	assert_false(store_map(f->store)->has_canary);
	assert_true(store_was_canary_seen(f->store));
}

static void
test_node_that_left_keeps_its_address(void **state)
{
	struct fixture *f = *state;

	begin(f);
	feed_nodes(f, "");
	assert_string_equal(address_of(f, "a"), "10.0.0.1");
	assert_true(name_map_find(store_map(f->store), "a")->addresses[0].is_last_known);
	feed_nodes(f, "12");
	assert_false(name_map_find(store_map(f->store), "a")->addresses[0].is_last_known);
}

/* One output serves the flip already, another has not taken it: the first must not lose it. */
static void
test_what_is_in_one_file_is_known(void **state)
{
	struct fixture *f = *state;
	const struct name_map *good;

	begin(f);
	good = store_good_map(f->store);
	feed_nodes(f, "123");
	feed(f, 11, CANARY " pointsman/names/a=db3 pointsman/names/b=db2", true);
	store_set_base(f->store, store_map(f->store));
	feed_nodes(f, "12");
	assert_string_equal(address_of(f, "a"), "10.0.0.3");
	assert_ptr_equal(store_good_map(f->store), good);
}

static void
test_override_wins(void **state)
{
	struct fixture *f = *state;

	begin(f);
	feed(f, 11,
	    CANARY " pointsman/names/a=db1 pointsman/names/b=db2 pointsman/nodes/db1=10.9.9.9",
	    false);
	assert_string_equal(address_of(f, "a"), "10.9.9.9");
}

/* "10.9.9.9", a NUL, and more: an address that hides something is none. */
static void
test_hidden_bytes_are_no_address(void **state)
{
	struct fixture *f = *state;
	struct kv_answer a;
	bool is_news;

	begin(f);
	a = answer(
	    11, CANARY " pointsman/names/a=db1 pointsman/names/b=db2 pointsman/nodes/db1=10.9.9.9");
	a.list.entries[3].value = "10.9.9.9\0junk";
	a.list.entries[3].value_len = 13;
	store_feed_keys(f->store, 0, &a, false, &is_news);
	assert_string_equal(address_of(f, "a"), "10.0.0.1");
	assert_int_equal(store_map(f->store)->nodes->rejected_count, 1);
}

/* The canary is the bell: no map is built on an answer that rings before the hold was read. */
static void
test_canary_asks_for_the_hold(void **state)
{
	struct fixture *f = *state;
	struct kv_answer a;
	bool is_news;

	begin(f);
	assert_false(store_wants_hold(f->store));
	a = answer(11, CANARY " pointsman/names/a=db2 pointsman/names/b=db2");
	a.list.entries[0].modify_index = 11;
	assert_string_equal(a.list.entries[0].key, "pointsman/names/.pointsman");
	store_feed_keys(f->store, 0, &a, false, &is_news);
	assert_true(store_wants_hold(f->store));
	feed_hold(f, "pointsman/hold/a={}");
	assert_false(store_wants_hold(f->store));
	assert_string_equal(address_of(f, "a"), "10.0.0.1");
	assert_false(store_holds(f->store)->is_everything);
	feed_hold(f, "");
	assert_string_equal(address_of(f, "a"), "10.0.0.2");
}

static void
test_restart_remembers(void **state)
{
	struct fixture *f = *state;

	begin(f);
	assert_true(store_is_dirty(f->store));
	assert_int_equal(store_save(f->store, NULL), 0);
	store_free(f->store);
	f->store = store_new(&f->config, NULL);
	assert_string_equal(address_of(f, "b"), "10.0.0.2");
	assert_true(store_was_canary_seen(f->store));
	/* the first answer after the start is short: it takes nothing, either */
	assert_int_equal(feed(f, 3, CANARY " pointsman/names/a=db1", true), 1);
	feed_nodes(f, "12");
	feed_hold(f, "");
	assert_string_equal(address_of(f, "b"), "10.0.0.2");
}

/* The state knows names, not how their keys are written: a flip after a start must not wait for that. */
static void
test_restart_recognises_another_spelling(void **state)
{
	static const char listed[] = CANARY " pointsman/names/B=db2 pointsman/names/a=db1";
	struct fixture *f = *state;

	feed(f, 10, listed, true);
	feed_nodes(f, "12");
	feed_hold(f, "");
	store_set_good(f->store, store_map(f->store));
	assert_int_equal(store_save(f->store, NULL), 0);
	store_free(f->store);
	f->store = store_new(&f->config, NULL);
	assert_int_equal(feed(f, 11, listed, true), 0);
	feed_nodes(f, "12");
	feed_hold(f, "");
	assert_int_equal(
	    feed(f, 12, CANARY " pointsman/names/B=db1 pointsman/names/a=db1", false), 0);
	assert_string_equal(address_of(f, "b"), "10.0.0.1");
}

/* "b" is gone and "B" says something else: until that is confirmed, b stays what it was. */
static void
test_restart_takes_no_other_key_for_a_spelling(void **state)
{
	static const char listed[] = CANARY " pointsman/names/B=db1 pointsman/names/a=db1";
	struct fixture *f = *state;

	begin(f);
	assert_int_equal(store_save(f->store, NULL), 0);
	store_free(f->store);
	f->store = store_new(&f->config, NULL);
	assert_int_equal(feed(f, 11, listed, true), 1);
	feed_nodes(f, "12");
	feed_hold(f, "");
	assert_string_equal(address_of(f, "b"), "10.0.0.2");
	assert_int_equal(feed(f, 11, listed, true), 0);
	assert_string_equal(address_of(f, "b"), "10.0.0.1");
}

static void
test_broken_state_gives_the_copy_before(void **state)
{
	struct fixture *f = *state;
	char *path = mem_printf("%s/state.json", f->dir);
	struct err e;
	FILE *file;

	begin(f);
	store_save(f->store, NULL);
	feed(f, 11, CANARY " pointsman/names/a=db2 pointsman/names/b=db2", false);
	store_set_good(f->store, store_map(f->store));
	store_save(f->store, NULL);
	file = fopen(path, "w");
	fputs("{ \"canary_seen\": true, \"map\": [", file);
	fclose(file);
	free(path);
	store_free(f->store);
	f->store = store_new(&f->config, &e);
	assert_int_not_equal(e.code, ERR_NONE);
	assert_non_null(strstr(e.text, "state.json"));
	assert_string_equal(address_of(f, "a"), "10.0.0.1");
}

static void
test_same_answer_is_no_news(void **state)
{
	struct fixture *f = *state;
	struct kv_answer a;
	bool is_news;

	begin(f);
	a = answer(99, CANARY " pointsman/names/a=db1 pointsman/names/b=db2");
	store_feed_keys(f->store, 0, &a, false, &is_news);
	assert_false(is_news);
	assert_int_equal(store_map(f->store)->generation, 10);
}

/* The bell rings while hold is being read: that answer may be from before the hold. */
static void
test_bell_during_a_read_of_hold(void **state)
{
	struct fixture *f = *state;
	struct kv_answer names = answer(2, CANARY " pointsman/names/a=db1"), hold = answer(2, "");
	bool is_news;

	begin(f);
	store_ask_hold(f->store);
	for (size_t i = 0; i < names.list.count; i++)
		names.list.entries[i].modify_index = 2;
	store_feed_keys(f->store, 0, &names, false, &is_news);
	store_feed_hold(f->store, &hold);
	assert_true(store_wants_hold(f->store));
	feed_hold(f, "pointsman/hold=x");
	assert_false(store_wants_hold(f->store));
	kv_answer_clear(&names);
	kv_answer_clear(&hold);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_bell_during_a_read_of_hold, setup, teardown),
		TEST(test_one_prefix_covers_names_and_nodes),
		TEST(test_nothing_before_all_is_read),
		TEST(test_missing_key_stays),
		TEST(test_key_that_returns_counts_anew),
		TEST(test_change_goes_through_beside_a_removal),
		TEST(test_empty_answer_takes_nothing),
		TEST(test_node_that_left_keeps_its_address),
		TEST(test_what_is_in_one_file_is_known),
		TEST(test_override_wins),
		TEST(test_hidden_bytes_are_no_address),
		TEST(test_canary_asks_for_the_hold),
		TEST(test_restart_remembers),
		TEST(test_restart_recognises_another_spelling),
		TEST(test_restart_takes_no_other_key_for_a_spelling),
		TEST(test_broken_state_gives_the_copy_before),
		TEST(test_same_answer_is_no_news),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
