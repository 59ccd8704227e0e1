/*
 * test_name_map_json.c: the map on disk: what was written comes back, and of what somebody else
 * wrote nothing comes back that is not a valid map.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"
#include "maps.h"

#define BYTES(text) (text), sizeof(text) - 1

static struct name_map *
read_text(const char *text, struct err *e)
{
	json_t *j = json_parse(text, strlen(text), "state", e);
	struct name_map *m = j != NULL ? name_map_from_json(j, e) : NULL;

	json_decref(j);
	return m;
}

static struct name_map *
write_and_read(const struct name_map *m)
{
	struct str text = STR_INIT;
	struct err e = { 0 };
	struct name_map *back;

	name_map_add_json(&text, m);
	if ((back = read_text(str_text(&text), &e)) == NULL)
		fail_msg("%s\n%s", e.text, str_text(&text));
	str_clear(&text);
	return back;
}

static bool
is_chat(const char *name, void *arg)
{
	(void)arg;
	return strcmp(name, "chat") == 0;
}

static void
a_map_comes_back_as_it_was(void **state)
{
	static const char *const meta[] = { "quote\"d", "back\\slash \xc3\xa9 \n", NULL };
	struct raw_node node = { "db9", "2001:db8::9", meta, false, false };
	struct raw_name bad = { BYTES("odd\n\"key"), BYTES("\xff\"\\") };
	struct maps_extra extra = { &bad, 1, &node, 1 };
	struct name_map *first = maps_build(
	    "db3=10.0.4.13 db4=10.0.4.14 db9=2001:db8::9", "chat=db3 kept=db9 gone=db4", NULL);
	struct name_map *m = maps_build_with("db3=10.0.4.99",
	    ".pointsman={} chat=db4 kept=nowhere gone=db4,db3,10.1.1.1 v6=::1,db9", first, &extra,
	    is_chat, NULL);
	struct name_map *back;
	char text[1024], rejected[1024];

	(void)state;
	snprintf(text, sizeof(text), "%s", maps_text(m));
	assert_string_equal(text,
	    "chat#=db3@10.0.4.13 gone=db4,db3,10.1.1.1@10.0.4.14!,10.0.4.99,10.1.1.1 "
	    "kept=db9@2001:db8::9 v6=::1,db9@::1,2001:db8::9");
	snprintf(rejected, sizeof(rejected), "%s", maps_rejected(m));
	back = write_and_read(m);
	assert_string_equal(maps_text(back), text);
	assert_string_equal(maps_rejected(back), rejected);
	assert_int_equal(back->rejected_total, 2);
	assert_int_equal(back->generation, 2);
	assert_true(back->has_canary);
	assert_string_equal(name_map_digest(back), name_map_digest(m));
	assert_int_equal(back->nodes->count, 3);
	assert_true(node_table_find(back->nodes, "db4")->is_last_known);
	assert_false(node_table_find(back->nodes, "db3")->is_last_known);
	assert_string_equal(node_table_find(back->nodes, "db9")->meta[0], "quote\"d");
	assert_string_equal(
	    node_table_find(back->nodes, "db9")->meta[1], "back\\slash \xc3\xa9 \\x0a");
	name_map_unref(first);
	name_map_unref(m);
	name_map_unref(back);
}

/* Also where its addresses are those of its nodes today. */
static void
a_held_name_comes_back_held(void **state)
{
	struct name_map *first = maps_build("db3=10.0.4.13", "a=db3 chat=db3", NULL), *m, *back;

	(void)state;
	m = maps_build_with(NULL, "a=db3 chat=db3", first, NULL, is_chat, NULL);
	back = write_and_read(m);
	assert_string_equal(maps_text(back), "a=db3@10.0.4.13 chat#=db3@10.0.4.13");
	name_map_unref(first);
	name_map_unref(m);
	name_map_unref(back);
}

/* The next map is built on it as on the one that was written. */
static void
what_comes_back_is_good_to_build_on(void **state)
{
	struct name_map *m = maps_build("db3=10.0.4.13 db4=10.0.4.14", "a=db3 b=db4 c=db3", NULL);
	struct name_map *back;

	(void)state;
	m = maps_next(m, "db4=10.0.4.14", "a=db3 b=db4 c=db3");
	back = write_and_read(m);
	name_map_unref(m);
	back = maps_next(back, "", "a=db3 b=nowhere c=db4");
	assert_string_equal(maps_text(back), "a=db3@10.0.4.13! b=db4@10.0.4.14! c=db4@10.0.4.14!");
	name_map_unref(back);
}

static void
an_empty_map_comes_back(void **state)
{
	struct name_map *m = maps_build("", "", NULL), *back = write_and_read(m);

	(void)state;
	assert_int_equal(back->count, 0);
	assert_string_equal(name_map_digest(back), name_map_digest(m));
	name_map_unref(m);
	name_map_unref(back);
}

/* A fake Consul may say any index: the state must still be readable afterwards. */
static void
a_generation_beyond_all_bounds_can_be_read_back(void **state)
{
	struct name_map *m = maps_build("db3=10.0.4.13", "a=db3", NULL), *back;

	(void)state;
	m->generation = UINT64_MAX;
	back = write_and_read(m);
	assert_int_equal(back->generation, INT64_MAX);
	name_map_unref(m);
	name_map_unref(back);
}

static void
a_spoilt_document_is_refused_with_its_place(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ "null", "not a map of names: nodes, names and generation are needed" },
		{ "[]", "not a map of names: nodes, names and generation are needed" },
		{ "{}", "not a map of names: nodes, names and generation are needed" },
		{ "{\"generation\":-1,\"nodes\":{},\"names\":{}}",
		    "not a map of names: nodes, names and generation are needed" },
		{ "{\"nodes\":[],\"names\":{}}",
		    "not a map of names: nodes, names and generation are needed" },
		{ "{\"nodes\":{\"db3\":7},\"names\":{}}",
		    "nodes: db3: the address in the catalog, , is empty" },
		{ "{\"nodes\":{\"db3\":\"10.0.0.3\\n10.6.6.6 evil\"},\"names\":{}}",
		    "nodes: db3: the address in the catalog, 10.0.0.3\\x0a10.6.6.6 evil, "
		    "is not an IP address" },
		{ "{\"nodes\":{\"d\\nb\":\"10.0.0.3\"},\"names\":{}}",
		    "nodes: d\\x0ab: the node in the catalog has the byte \\x0a; allowed are "
		    "letters, digits, '-', '_' and '.'" },
		{ "{\"nodes\":{\"db3\":\"10.0.0.3\",\"DB3\":\"10.0.0.4\"},\"names\":{}}",
		    "nodes: DB3: the node in the catalog is there twice; the other one counts: "
		    "lower case first, then byte order" },
		{ "{\"nodes\":{},\"names\":{\"a\":\"db3\"}}", "names: a: there is no node db3" },
		{ "{\"nodes\":{},\"names\":{\"a\":7}}", "names: a: the value is missing" },
		{ "{\"nodes\":{},\"names\":{\"A\":\"10.0.0.1\"}}",
		    "names: A: the name is not in lower case" },
		{ "{\"nodes\":{},\"names\":{\"a\\n10.6.6.6\":\"10.0.0.1\"}}",
		    "names: a\\x0a10.6.6.6: the name has the byte \\x0a; allowed are letters, "
		    "digits, '-', '_' and '.'" },
		{ "{\"nodes\":{},\"names\":{\"a\":\"10.0.0.1\\n10.6.6.6 evil\"}}",
		    "names: a: the value has the byte \\x0a; allowed are letters, digits, '-', '_' "
		    "and '.'" },
		{ "{\"nodes\":{},\"names\":{\"a\":{\"value\":\"db3\"}}}",
		    "names: a: as many addresses as parts of the value are needed" },
		{ "{\"nodes\":{},\"names\":{\"a\":{\"value\":\"db3\",\"addresses\":[7]}}}",
		    "names: a: an address is missing" },
		{ "{\"nodes\":{},\"names\":{\"a\":{\"value\":\"db3\",\"addresses\":"
		  "[{\"address\":\"10.0.0.1 x\"}]}}}",
		    "names: a: an address is not an IP address" },
		{ "{\"nodes\":{},\"names\":{\"a\":{\"value\":\"10.0.0.1\",\"addresses\":"
		  "[{\"address\":\"10.0.0.2\"}]}}}",
		    "names: a: 10.0.0.1 has the address 10.0.0.2" },
	};

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		struct err e = { 0 };

		assert_null(read_text(cases[i].text, &e));
		assert_string_equal(e.text, cases[i].why);
		assert_int_equal(e.code, ERR_PROTOCOL);
	}
}

/* Texts for people are made harmless again: somebody may have put an escape sequence into them. */
static void
rejected_texts_are_made_printable_again(void **state)
{
	struct err e = { 0 };
	struct name_map *m = read_text("{\"nodes\":{},\"names\":{},\"rejected\":[7, {}, "
				       "{\"name\":1,\"value\":\"\",\"why\":\"\"},"
				       "{\"name\":\"\\u001b[2J\",\"value\":\"\\u202e\",\"why\":"
				       "\"a\\nb\",\"kept\":\"\\u0007\"}],"
				       "\"rejected_total\":9}",
	    &e);

	(void)state;
	assert_non_null(m);
	assert_int_equal(m->rejected_count, 1);
	assert_int_equal(m->rejected_total, 9);
	assert_string_equal(m->rejected[0].name, "\\x1b[2J");
	assert_string_equal(m->rejected[0].value, "\\xe2\\x80\\xae");
	assert_string_equal(m->rejected[0].why, "a\\x0ab");
	assert_string_equal(m->rejected[0].kept, "\\x07");
	name_map_unref(m);
}

/* Every prefix of a good document, and the document with every byte spoilt in turn. */
static void
no_torn_or_spoilt_file_makes_an_invalid_map(void **state)
{
	struct name_map *m =
	    maps_build("db3=10.0.4.13 db4=10.0.4.14", "a=db3 b=db4,db3 c=::1", NULL);
	struct str text = STR_INIT;
	size_t read = 0;

	(void)state;
	name_map_add_json(&text, m);
	name_map_unref(m);
	for (size_t i = 0; i < text.len; i++) {
		const char good = text.data[i];

		for (size_t k = 0; k < 4; k++) {
			struct err e = { 0 };

			text.data[i] = "\0x\n\""[k];
			if ((m = read_text(text.data, &e)) == NULL)
				continue;
			read++;
			for (size_t n = 0; n < m->count; n++) {
				char name[NAME_SIZE], address[ADDRESS_SIZE];
				bool is_ipv6;
				const char *a = m->names[n].addresses[0].address;

				assert_int_equal(name_parse(m->names[n].name,
						     strlen(m->names[n].name), name, NULL),
				    0);
				assert_int_equal(
				    address_parse(a, strlen(a), address, &is_ipv6, NULL), 0);
				if (n > 0)
					assert_true(
					    strcmp(m->names[n - 1].name, m->names[n].name) < 0);
			}
			name_map_unref(m);
		}
		text.data[i] = good;
	}
	assert_true(read > 0);
	str_clear(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_map_comes_back_as_it_was),
		cmocka_unit_test(a_held_name_comes_back_held),
		cmocka_unit_test(what_comes_back_is_good_to_build_on),
		cmocka_unit_test(an_empty_map_comes_back),
		cmocka_unit_test(a_generation_beyond_all_bounds_can_be_read_back),
		cmocka_unit_test(a_spoilt_document_is_refused_with_its_place),
		cmocka_unit_test(rejected_texts_are_made_printable_again),
		cmocka_unit_test(no_torn_or_spoilt_file_makes_an_invalid_map),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
