/*
 * test_name_map.c: the first promise: a name never vanishes and never lies. Each test is one thing
 * that people, Consul or the network did to somebody.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "maps.h"

#define BYTES(text) (text), sizeof(text) - 1
#define NODES "db3=10.0.4.13 db4=10.0.4.14 db10=10.0.4.20"

static void
expect(struct name_map *m, const char *text, const char *rejected)
{
	assert_string_equal(maps_text(m), text);
	assert_string_equal(maps_rejected(m), rejected);
	name_map_unref(m);
}

/* --- values -------------------------------------------------------------------------------------- */

static void
names_have_the_addresses_of_their_nodes(void **state)
{
	(void)state;
	expect(maps_build(NODES, "chat=db4,db3 maindb=db3 web=10.0.9.1 v6=2001:DB8::1", NULL),
	    "chat=db4,db3@10.0.4.14,10.0.4.13 maindb=db3@10.0.4.13 "
	    "v6=2001:db8::1@2001:db8::1 web=10.0.9.1@10.0.9.1",
	    "");
}

static void
a_flip_moves_one_name(void **state)
{
	struct name_map *m = maps_build(NODES, "chat=db3 maindb=db3", NULL);

	(void)state;
	expect(maps_next(m, NULL, "chat=db3 maindb=db4"), "chat=db3@10.0.4.13 maindb=db4@10.0.4.14",
	    "");
}

static void
an_unknown_node_leaves_the_name_where_it_was(void **state)
{
	struct name_map *m = maps_build(NODES, "chat=db3 maindb=db3", NULL);

	(void)state;
	expect(maps_next(m, NULL, "chat=db33 maindb=db3,db44 new=db55"),
	    "chat=db3@10.0.4.13 maindb=db3@10.0.4.13",
	    "chat=db33 kept db3: there is no node db33, in the catalog or below nodes/\n"
	    "maindb=db3,db44 kept db3: there is no node db44, in the catalog or below nodes/\n"
	    "new=db55 kept nothing: there is no node db55, in the catalog or below nodes/\n");
}

static void
hostile_values_leave_the_name_where_it_was(void **state)
{
	static const struct {
		const char *value;
		size_t len;
	} values[] = {
		{ BYTES("") },
		{ BYTES("\n") },
		{ BYTES("db4\n") },
		{ BYTES("db4\n10.6.6.6\tevil") },
		{ BYTES("db4\0") },
		{ BYTES("../../etc/passwd") },
		{ BYTES("$(reboot)") },
		{ BYTES("\xc3\x28\xff") },
		{ BYTES("db4;db3") },
	};

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(values); i++) {
		struct raw_name bad[] = {
			{ BYTES("maindb"), values[i].value, values[i].len },
			{ BYTES("new"), values[i].value, values[i].len },
		};
		struct maps_extra extra = { bad, 2, NULL, 0 };
		struct name_map *before = maps_build(NODES, "chat=db3 maindb=db3", NULL);
		struct name_map *m = maps_build_with(NULL, "chat=db4", before, &extra, NULL, NULL);

		assert_string_equal(maps_text(m), "chat=db4@10.0.4.14 maindb=db3@10.0.4.13");
		assert_int_equal(m->rejected_count, 2);
		assert_string_equal(m->rejected[0].name, "maindb");
		assert_string_equal(m->rejected[0].kept, "db3");
		assert_null(m->rejected[1].kept);
		for (const char *p = m->rejected[0].value; *p != '\0'; p++)
			assert_true(*p >= 0x20 && *p < 0x7f);
		name_map_unref(m);
		name_map_unref(before);
	}
}

static void
half_a_megabyte_of_noise_is_one_rejected_value(void **state)
{
	size_t len = 512 * 1024;
	char *noise = mem_alloc(len);
	struct raw_name bad = { BYTES("maindb"), noise, len };
	struct maps_extra extra = { &bad, 1, NULL, 0 };
	struct name_map *before = maps_build(NODES, "maindb=db3", NULL), *m;

	(void)state;
	memset(noise, 0xa5, len);
	m = maps_build_with(NULL, "", before, &extra, NULL, NULL);
	assert_string_equal(maps_text(m), "maindb=db3@10.0.4.13");
	assert_true(strlen(m->rejected[0].value) < 512);
	assert_string_equal(m->rejected[0].why, "the value is 524288 bytes long, more than 4096");
	name_map_unref(m);
	name_map_unref(before);
	free(noise);
}

static void
a_good_value_after_bad_ones_counts(void **state)
{
	struct name_map *m = maps_build(NODES, "maindb=db3", NULL);

	(void)state;
	m = maps_next(m, NULL, "maindb=nowhere");
	m = maps_next(m, NULL, "maindb=nowhere,either");
	expect(maps_next(m, NULL, "maindb=DB4"), "maindb=db4@10.0.4.14", "");
}

static void
a_deleted_key_is_a_deleted_name(void **state)
{
	struct name_map *m = maps_build(NODES, "chat=db3 maindb=db3 zoo=db4", NULL);

	(void)state;
	m = maps_next(m, NULL, "maindb=db3");
	expect(maps_next(m, NULL, ""), "", "");
}

/* --- keys ---------------------------------------------------------------------------------------- */

static void
hostile_keys_are_rejected_by_themselves(void **state)
{
	char long_name[300];
	struct raw_name keys[] = {
		{ BYTES("../../etc/passwd"), BYTES("db3") },
		{ BYTES("main\0db"), BYTES("db3") },
		{ BYTES("main\ndb"), BYTES("db3") },
		{ BYTES("eu/maindb"), BYTES("db3") },
		{ BYTES("\xff\xfe"), BYTES("db3") },
		{ long_name, sizeof(long_name), BYTES("db3") },
		{ BYTES(""), BYTES("db3") },
		{ BYTES("x.pointsman.internal"), BYTES("db3") },
		{ BYTES("maindb.service.consul"), BYTES("db4") },
		{ BYTES(".hidden"), BYTES("db3") },
	};
	struct maps_extra extra = { keys, MEM_COUNT(keys), NULL, 0 };
	struct name_map *m;

	(void)state;
	memset(long_name, 'a', sizeof(long_name));
	m = maps_build_with(NODES, "maindb=db3", NULL, &extra, NULL, NULL);
	assert_string_equal(maps_text(m), "maindb=db3@10.0.4.13");
	assert_int_equal(m->rejected_count, MEM_COUNT(keys));
	for (size_t i = 0; i < m->rejected_count; i++) {
		assert_null(m->rejected[i].kept);
		for (const char *p = m->rejected[i].name; *p != '\0'; p++)
			assert_true(*p >= 0x20 && *p < 0x7f);
	}
	assert_string_equal(m->rejected[1].name, "main\\x00db");
	assert_string_equal(m->rejected[1].why,
	    "the name has the byte \\x00; allowed are letters, digits, '-', '_' and '.'");
	assert_string_equal(m->rejected[9].name, "maindb.service.consul");
	assert_string_equal(m->rejected[9].why,
	    "the name ends in service.consul, which is put behind every name by itself");
	name_map_unref(m);
}

/* Its full name would be longer than a name may be: dnsmasq would only log that. */
static void
names_leave_room_for_the_domain(void **state)
{
	char name[253], label[] = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefg.";
	struct raw_name raw[] = { { name, 238, BYTES("db3") }, { name, 239, BYTES("db3") } };
	struct maps_extra extra = { raw, 2, NULL, 0 };
	struct name_map *m;

	(void)state;
	for (size_t i = 0; i < sizeof(name); i++)
		name[i] = label[i % (sizeof(label) - 1)];
	m = maps_build_with(NODES, "", NULL, &extra, NULL, NULL);
	assert_int_equal(m->count, 1);
	assert_int_equal(strlen(m->names[0].name), 253 - strlen(".service.consul"));
	assert_string_equal(
	    m->rejected[0].why, "the name with .service.consul behind it is longer than 253 bytes");
	name_map_unref(m);
}

static void
folders_are_no_names_and_the_canary_is_none(void **state)
{
	struct raw_name keys[] = { { BYTES(""), BYTES("") }, { BYTES("eu/"), BYTES("") } };
	struct maps_extra extra = { keys, 2, NULL, 0 };
	struct name_map *m = maps_build_with(NODES, "maindb=db3", NULL, &extra, NULL, NULL);

	(void)state;
	assert_false(m->has_canary);
	expect(m, "maindb=db3@10.0.4.13", "");
	m = maps_build(NODES, ".pointsman={} maindb=db3", NULL);
	assert_true(m->has_canary);
	expect(m, "maindb=db3@10.0.4.13", "");
	m = maps_build(NODES, ".pointsman= maindb=db3", NULL);
	assert_true(m->has_canary);
	expect(m, "maindb=db3@10.0.4.13", "");
	m = maps_build(NODES, ".pointsman2= .POINTSMAN= maindb=db3", NULL);
	assert_false(m->has_canary);
	assert_int_equal(m->rejected_count, 2);
	name_map_unref(m);
}

static void
of_two_cases_the_lower_one_counts(void **state)
{
	struct name_map *m = maps_build(NODES, "MAINDB=db10 MainDB=db4 maindb=db3", NULL);

	(void)state;
	expect(m, "maindb=db3@10.0.4.13",
	    "MAINDB=db10 kept db3: the same name as maindb, which is a key as well\n"
	    "MainDB=db4 kept db3: the same name as maindb, which is a key as well\n");
}

/* A bad value in the one that counts is no reason to believe another. */
static void
of_two_cases_the_lower_one_counts_even_when_bad(void **state)
{
	struct name_map *m = maps_build(NODES, "maindb=db3", NULL);

	(void)state;
	m = maps_next(m, NULL, "MainDB=db4 maindb=db33");
	expect(m, "maindb=db3@10.0.4.13",
	    "maindb=db33 kept db3: there is no node db33, in the catalog or below nodes/\n"
	    "MainDB=db4 kept db3: the same name as maindb, which is a key as well\n");
}

static void
of_two_upper_cases_what_was_stays_or_the_first_counts(void **state)
{
	struct name_map *m = maps_build(NODES, "maindb=db3", NULL);

	(void)state;
	m = maps_next(m, NULL, "MAINDB=db10 MainDB=db4");
	expect(m, "maindb=db3@10.0.4.13",
	    "MAINDB=db10 kept db3: the same name as MainDB, which is a key as well\n"
	    "MainDB=db4 kept db3: the same name as MAINDB, which is a key as well\n");
	expect(maps_build(NODES, "MAINDB=db10 MainDB=db4", NULL), "maindb=db10@10.0.4.20",
	    "MainDB=db4 kept db10: the same name as MAINDB, which is a key as well\n");
}

/* "Zeta" stands before "alpha" in byte order, and behind it in lower case. */
static void
lower_casing_does_not_unsort(void **state)
{
	struct name_map *m = maps_build(NODES, "Beta=db3 Zeta=db4 alpha=db3 gamma=db3", NULL);

	(void)state;
	m = maps_next(m, NULL, "Zeta=db3 alpha=db3 Beta=db3 gamma=db4");
	assert_non_null(name_map_find(m, "zeta"));
	assert_null(name_map_find(m, "Zeta"));
	assert_null(name_map_find(m, "zet"));
	expect(
	    m, "alpha=db3@10.0.4.13 beta=db3@10.0.4.13 gamma=db4@10.0.4.14 zeta=db3@10.0.4.13", "");
}

/* --- nodes --------------------------------------------------------------------------------------- */

static void
a_node_that_leaves_keeps_its_last_address(void **state)
{
	struct name_map *m = maps_build(NODES, "chat=db4,db3 maindb=db3", NULL);

	(void)state;
	m = maps_next(m, "db4=10.0.4.14", "chat=db4,db3 maindb=db3");
	assert_string_equal(
	    maps_text(m), "chat=db4,db3@10.0.4.14,10.0.4.13! maindb=db3@10.0.4.13!");
	/* It still can be named, and nobody needs db10. */
	assert_non_null(node_table_find(m->nodes, "db3"));
	assert_null(node_table_find(m->nodes, "db10"));
	m = maps_next(m, "", "chat=db3 maindb=db3");
	assert_string_equal(maps_text(m), "chat=db3@10.0.4.13! maindb=db3@10.0.4.13!");
	m = maps_next(m, "db3=10.0.4.99", "chat=db3 maindb=db3");
	expect(m, "chat=db3@10.0.4.99 maindb=db3@10.0.4.99", "");
}

static void
a_catalog_that_shows_nothing_changes_nothing(void **state)
{
	struct name_map *m = maps_build(NODES, "chat=db4 maindb=db3", NULL);

	(void)state;
	m = maps_next(m, "", "chat=db4 maindb=db3");
	m = maps_next(m, "", "chat=db4 maindb=db3");
	m = maps_next(m, NODES, "chat=db4 maindb=db3");
	expect(m, "chat=db4@10.0.4.14 maindb=db3@10.0.4.13", "");
}

/* Names count, neither their addresses nor their nodes. */
static void
names_on_a_last_known_address_are_counted(void **state)
{
	struct name_map *m = maps_build(NODES, "a=db3 b=db3 both=db3,db4 c=db4 d=10.0.0.1", NULL);

	(void)state;
	assert_int_equal(name_map_count_last_known(m), 0);
	m = maps_next(m, "db4=10.0.4.14", "a=db3 b=db3 both=db3,db4 c=db4 d=10.0.0.1");
	assert_int_equal(name_map_count_last_known(m), 3);
	assert_true(name_is_last_known(name_map_find(m, "both")));
	assert_false(name_is_last_known(name_map_find(m, "d")));
	name_map_unref(m);
}

static void
a_node_with_a_bad_address_keeps_its_last_one(void **state)
{
	struct raw_node bad[] = {
		{ "db3", "10.0.4.13\n10.6.6.6 evil", NULL, false, false },
		{ "../../etc", "10.0.4.1", NULL, false, false },
		{ "db\n3", "10.0.4.1", NULL, false, false },
		{ "db4", "10.0.4.77", NULL, false, true },
		{ "db11", "db11.example", NULL, false, false },
	};
	struct maps_extra extra = { NULL, 0, bad, MEM_COUNT(bad) };
	struct name_map *before = maps_build(NODES, "chat=db4 maindb=db3", NULL), *m;

	(void)state;
	m = maps_build_with("db10=10.0.4.20", "chat=db4 maindb=db3", before, &extra, NULL, NULL);
	assert_string_equal(maps_text(m), "chat=db4@10.0.4.14! maindb=db3@10.0.4.13!");
	assert_true(node_table_find(m->nodes, "db3")->is_last_known);
	assert_true(node_table_find(m->nodes, "db4")->is_last_known);
	assert_int_equal(m->nodes->rejected_count, 5);
	assert_string_equal(m->nodes->rejected[0].node, "../../etc");
	assert_string_equal(
	    m->nodes->rejected[0].why, "the node in the catalog has an empty label");
	assert_string_equal(m->nodes->rejected[1].node, "db\\x0a3");
	assert_string_equal(
	    m->nodes->rejected[2].why, "the node in the catalog has the byte \\x00");
	assert_string_equal(m->nodes->rejected[3].node, "db11");
	assert_string_equal(m->nodes->rejected[3].why,
	    "the address in the catalog, db11.example, is not an IP address");
	assert_string_equal(m->nodes->rejected[4].node, "db3");
	assert_string_equal(m->nodes->rejected[4].why,
	    "the address in the catalog, 10.0.4.13\\x0a10.6.6.6 evil, is not an IP address");
	name_map_unref(m);
	name_map_unref(before);
}

static void
an_override_wins_only_with_a_valid_address(void **state)
{
	struct raw_node over[] = {
		{ "db3", "192.0.2.3", NULL, true, false },
		{ "db4", "192.0.2.", NULL, true, false },
		{ "db5", "192.0.2.5", NULL, true, false },
		{ "", "", NULL, true, false },
		{ "folder/", "", NULL, true, false },
	};
	struct maps_extra extra = { NULL, 0, over, MEM_COUNT(over) };
	struct name_map *m = maps_build_with(NODES, "a=db3 b=db4 c=db5", NULL, &extra, NULL, NULL);

	(void)state;
	assert_string_equal(maps_text(m), "a=db3@192.0.2.3 b=db4@10.0.4.14 c=db5@192.0.2.5");
	assert_int_equal(m->nodes->rejected_count, 1);
	assert_string_equal(
	    m->nodes->rejected[0].why, "the address below nodes/, 192.0.2., is not an IP address");
	name_map_unref(m);
}

static void
nodes_that_differ_in_case_are_one(void **state)
{
	struct raw_node twice[] = {
		{ "DB3", "192.0.2.1", NULL, false, false },
		{ "Db3", "192.0.2.2", NULL, false, false },
		{ "DB5", "192.0.2.5", NULL, false, false },
		{ "Db5", "192.0.2.6", NULL, false, false },
	};
	struct maps_extra extra = { NULL, 0, twice, 4 };
	struct name_map *m = maps_build_with(NODES, "a=dB3 b=db5", NULL, &extra, NULL, NULL);

	(void)state;
	assert_string_equal(maps_text(m), "a=db3@10.0.4.13 b=db5@192.0.2.5");
	assert_int_equal(m->nodes->rejected_count, 3);
	assert_int_equal(m->nodes->count, 4);
	name_map_unref(m);
}

static void
meta_is_printable_and_survives_an_override_and_a_departure(void **state)
{
	static const char *const meta[] = { "dc", "eu\n1", NULL };
	struct raw_node nodes[] = {
		{ "db3", "10.0.4.13", meta, false, false },
		{ "db3", "192.0.2.3", NULL, true, false },
	};
	struct maps_extra extra = { NULL, 0, nodes, 2 };
	struct name_map *m = maps_build_with("", "a=db3", NULL, &extra, NULL, NULL);

	(void)state;
	m = maps_next(m, "", "a=db3");
	assert_string_equal(maps_text(m), "a=db3@192.0.2.3!");
	assert_string_equal(m->nodes->nodes[0].meta[0], "dc");
	assert_string_equal(m->nodes->nodes[0].meta[1], "eu\\x0a1");
	assert_null(m->nodes->nodes[0].meta[2]);
	m = maps_next(m, "db4=10.0.4.14", "a=db4");
	assert_non_null(node_table_find(m->nodes, "db4"));
	assert_null(node_table_find(m->nodes, "db4")->meta[0]);
	name_map_unref(m);
}

/* Its value is bad, but the machine of its good value has moved: the name follows. */
static void
a_kept_name_follows_its_node(void **state)
{
	struct name_map *m = maps_build(NODES, "maindb=db3", NULL);

	(void)state;
	m = maps_next(m, "db3=10.0.4.99", "maindb=db33");
	assert_string_equal(maps_text(m), "maindb=db3@10.0.4.99");
	m = maps_next(m, "", "maindb=db33");
	expect(m, "maindb=db3@10.0.4.99!",
	    "maindb=db33 kept db3: there is no node db33, in the catalog or below nodes/\n");
}

/* A table that does not know what was: the map itself still does. */
static void
a_name_outlives_a_table_without_its_node(void **state)
{
	struct name_map *before = maps_build(NODES, "chat=db3,10.1.1.1 maindb=db4", NULL), *m;
	const struct raw_name raw[] = {
		{ BYTES("chat"), BYTES("db3,10.1.1.1") },
		{ BYTES("maindb"), BYTES("nowhere") },
	};
	struct name_map_input in = { .raw = raw, .count = 2, .before = before };

	(void)state;
	in.nodes = node_table_build(NULL, 0, NULL);
	m = name_map_build(&in);
	node_table_unref(in.nodes);
	name_map_unref(before);
	assert_string_equal(
	    maps_text(m), "chat=db3,10.1.1.1@10.0.4.13!,10.1.1.1 maindb=db4@10.0.4.14!");
	/* And when the node is back, the name has its address of then. */
	expect(maps_next(m, "db3=10.0.4.99", "chat=db3,10.1.1.1 maindb=db4"),
	    "chat=db3,10.1.1.1@10.0.4.99,10.1.1.1 maindb=db4@10.0.4.14!", "");
}

/* --- holds --------------------------------------------------------------------------------------- */

static bool
is_maindb(const char *name, void *arg)
{
	(void)arg;
	return strcmp(name, "maindb") == 0;
}

static void
a_held_name_stays_as_it_is(void **state)
{
	struct name_map *m = maps_build(NODES, "chat=db3 maindb=db3", NULL), *held;

	(void)state;
	held = maps_build_with(
	    "db3=10.0.4.99 db4=10.0.4.14", "chat=db3 maindb=db4", m, NULL, is_maindb, NULL);
	assert_string_equal(maps_text(held), "chat=db3@10.0.4.99 maindb#=db3@10.0.4.13");
	name_map_unref(m);
	m = held;
	held = maps_build_with("db4=10.0.4.14", "chat=db4", m, NULL, is_maindb, NULL);
	assert_string_equal(maps_text(held), "chat=db4@10.0.4.14 maindb#=db3@10.0.4.13");
	name_map_unref(m);
	/* Released: the key is gone, and so is the name. */
	expect(maps_next(held, NULL, "chat=db4"), "chat=db4@10.0.4.14", "");
}

static void
a_released_name_follows_its_key(void **state)
{
	struct name_map *m = maps_build(NODES, "maindb=db3", NULL), *held;

	(void)state;
	held = maps_build_with("db3=10.0.4.99", "maindb=db3", m, NULL, is_maindb, NULL);
	assert_string_equal(maps_text(held), "maindb#=db3@10.0.4.13");
	name_map_unref(m);
	expect(maps_next(held, NULL, "maindb=db3"), "maindb=db3@10.0.4.99", "");
}

static void
a_new_name_is_taken_although_it_is_held(void **state)
{
	(void)state;
	expect(maps_build_with(NODES, "maindb=db3", NULL, NULL, is_maindb, NULL),
	    "maindb#=db3@10.0.4.13", "");
}

/* --- the digest ---------------------------------------------------------------------------------- */

static void
the_digest_is_over_names_values_and_addresses(void **state)
{
	struct name_map *a = maps_build(NODES, "chat=db3,db4 maindb=db3", NULL);
	struct name_map *b = maps_build(NODES, "x=nowhere MAINDB=db3 chat=db3,db4", a);
	struct name_map *c = maps_build("db3=10.0.4.99", "chat=db3,db4 maindb=db3", a);
	struct name_map *d = maps_build(NODES, "chat=db3 maindb=db3", NULL);

	(void)state;
	/* printf 'chat\tdb3,db4\t10.0.4.13,10.0.4.14\nmaindb\tdb3\t10.0.4.13\n' | sha256sum */
	assert_string_equal(name_map_digest(a),
	    "sha256:"
	    "30bd4aab0e94b2ef23423da32375e688021927dbcae2c75703e51f25ed0ad530");
	assert_string_equal(name_map_digest(a), name_map_digest(b));
	assert_string_not_equal(name_map_digest(a), name_map_digest(c));
	assert_string_not_equal(name_map_digest(a), name_map_digest(d));
	name_map_unref(a);
	name_map_unref(b);
	name_map_unref(c);
	name_map_unref(d);
}

/* --- what changed -------------------------------------------------------------------------------- */

static void
the_difference_is_sorted_and_complete(void **state)
{
	struct name_map *a = maps_build(NODES, "a=db3 b=db3 c=db3 d=db4 e=db10", NULL);
	struct name_map *b =
	    maps_build("db3=10.0.4.13 db4=10.0.4.99", "b=db3 c=db4 d=db4 e=db10 f=db3", a);
	struct name_change *changes;
	size_t n = name_map_diff(a, b, &changes);
	static const struct {
		enum name_change_kind kind;
		const char *name;
	} want[] = {
		{ NAME_REMOVED, "a" },
		{ NAME_MOVED, "c" },
		{ NAME_READDRESSED, "d" },
		{ NAME_ADDED, "f" },
	};

	(void)state;
	assert_int_equal(n, 4);
	for (size_t i = 0; i < n; i++) {
		const struct name *any =
		    changes[i].after != NULL ? changes[i].after : changes[i].before;

		assert_int_equal(changes[i].kind, want[i].kind);
		assert_string_equal(any->name, want[i].name);
		assert_int_equal(changes[i].before == NULL, want[i].kind == NAME_ADDED);
		assert_int_equal(changes[i].after == NULL, want[i].kind == NAME_REMOVED);
		assert_non_null(name_change_kind_name(changes[i].kind));
	}
	free(changes);
	assert_int_equal(name_map_diff(b, b, &changes), 0);
	free(changes);
	assert_int_equal(name_map_diff(NULL, a, &changes), 5);
	assert_int_equal(changes[4].kind, NAME_ADDED);
	free(changes);
	name_map_unref(a);
	name_map_unref(b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_have_the_addresses_of_their_nodes),
		cmocka_unit_test(a_flip_moves_one_name),
		cmocka_unit_test(an_unknown_node_leaves_the_name_where_it_was),
		cmocka_unit_test(hostile_values_leave_the_name_where_it_was),
		cmocka_unit_test(half_a_megabyte_of_noise_is_one_rejected_value),
		cmocka_unit_test(a_good_value_after_bad_ones_counts),
		cmocka_unit_test(a_deleted_key_is_a_deleted_name),
		cmocka_unit_test(hostile_keys_are_rejected_by_themselves),
		cmocka_unit_test(names_leave_room_for_the_domain),
		cmocka_unit_test(folders_are_no_names_and_the_canary_is_none),
		cmocka_unit_test(of_two_cases_the_lower_one_counts),
		cmocka_unit_test(of_two_cases_the_lower_one_counts_even_when_bad),
		cmocka_unit_test(of_two_upper_cases_what_was_stays_or_the_first_counts),
		cmocka_unit_test(lower_casing_does_not_unsort),
		cmocka_unit_test(a_node_that_leaves_keeps_its_last_address),
		cmocka_unit_test(a_catalog_that_shows_nothing_changes_nothing),
		cmocka_unit_test(names_on_a_last_known_address_are_counted),
		cmocka_unit_test(a_node_with_a_bad_address_keeps_its_last_one),
		cmocka_unit_test(an_override_wins_only_with_a_valid_address),
		cmocka_unit_test(nodes_that_differ_in_case_are_one),
		cmocka_unit_test(meta_is_printable_and_survives_an_override_and_a_departure),
		cmocka_unit_test(a_kept_name_follows_its_node),
		cmocka_unit_test(a_name_outlives_a_table_without_its_node),
		cmocka_unit_test(a_held_name_stays_as_it_is),
		cmocka_unit_test(a_released_name_follows_its_key),
		cmocka_unit_test(a_new_name_is_taken_although_it_is_held),
		cmocka_unit_test(the_digest_is_over_names_values_and_addresses),
		cmocka_unit_test(the_difference_is_sorted_and_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
