/*
 * test_map_datum.c: the template data of a map, as a document and as templates see it; and the address
 * that proves a generation.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "feature/map_datum.h"
#include "model/mustache.h"
#include "document.h"
#include "maps.h"

#define WHEN 1795300624 /* 2026-11-21T22:37:04Z */

/* --- the proof ------------------------------------------------------------------------------------ */

static void
a_generation_is_an_address(void **state)
{
	static const struct {
		uint64_t generation;
		const char *address;
	} cases[] = {
		{ 8813, "fd70:6d::226d" }, /* the design's own example */
		{ 0, "fd70:6d::" },
		{ 0x10000, "fd70:6d::1:0" },
		{ UINT64_C(0x123456789abcdef0), "fd70:6d::1234:5678:9abc:def0" },
		{ UINT64_MAX, "fd70:6d::ffff:ffff:ffff:ffff" },
	};
	char out[ADDRESS_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(proof_address(cases[i].generation, out), cases[i].address);
}

/* --- the document ----------------------------------------------------------------------------------- */

static void
assert_document(const struct map_view *v, const char *expected)
{
	struct str got = STR_INIT, wanted = STR_INIT;
	struct datum root = map_view_datum(v);
	json_t *j = document_of(&root), *want;
	struct err e;

	if ((want = json_parse(expected, strlen(expected), "expected", &e)) == NULL)
		fail_msg("%s", e.text);
	json_write_pretty(&got, j);
	json_write_pretty(&wanted, want); /* also the order of the members is promised */
	assert_string_equal(str_text(&got), str_text(&wanted));
	str_clear(&got);
	str_clear(&wanted);
	json_decref(want);
	json_decref(j);
}

static void
the_document_is_that_of_the_design(void **state)
{
	static const char *const meta[] = { "role", "main \"db\"", "rack", "", NULL };
	const struct raw_node noted = { .node = "db3", .address = "10.0.4.13", .meta = meta };
	const struct maps_extra extra = { .nodes = &noted, .node_count = 1 };
	struct name_map *m = maps_build_with("db4=fd00::14 idle=10.0.4.99",
	    "maindb=db3,db4 chat=db3 ext=192.0.2.7", NULL, &extra, NULL, NULL);
	struct map_view v;

	(void)state;
	m->generation = 8813;
	map_view_init(&v, m, "web-03", "service.consul", WHEN);
	assert_document(&v,
	    "{\"generation\":\"8813\",\"node\":\"web-03\",\"domain\":\"service.consul\","
	    "\"rendered_at\":\"2026-11-21T22:37:04Z\",\"proof\":\"fd70:6d::226d\",\"names\":["
	    "{\"name\":\"chat\",\"fqdn\":\"chat.service.consul\",\"node\":\"db3\","
	    "\"address\":\"10.0.4.13\",\"env\":\"CHAT\",\"addresses\":[{\"address\":\"10.0.4.13\","
	    "\"node\":\"db3\",\"ipv6\":false,\"last_known\":false}]},"
	    "{\"name\":\"ext\",\"fqdn\":\"ext.service.consul\",\"node\":\"192.0.2.7\","
	    "\"address\":\"192.0.2.7\",\"env\":\"EXT\",\"addresses\":[{\"address\":\"192.0.2.7\","
	    "\"node\":\"192.0.2.7\",\"ipv6\":false,\"last_known\":false}]},"
	    "{\"name\":\"maindb\",\"fqdn\":\"maindb.service.consul\",\"node\":\"db3\","
	    "\"address\":\"10.0.4.13\",\"env\":\"MAINDB\",\"addresses\":[{\"address\":\"10.0.4."
	    "13\","
	    "\"node\":\"db3\",\"ipv6\":false,\"last_known\":false},{\"address\":\"fd00::14\","
	    "\"node\":\"db4\",\"ipv6\":true,\"last_known\":false}]}],\"nodes\":["
	    "{\"node\":\"db3\",\"address\":\"10.0.4.13\",\"ipv6\":false,\"last_known\":false,"
	    "\"names\":[\"chat\",\"maindb\"],\"meta\":{\"role\":\"main "
	    "\\\"db\\\"\",\"rack\":\"\"}},"
	    "{\"node\":\"db4\",\"address\":\"fd00::14\",\"ipv6\":true,\"last_known\":false,"
	    "\"names\":[\"maindb\"],\"meta\":{}},"
	    "{\"node\":\"idle\",\"address\":\"10.0.4.99\",\"ipv6\":false,\"last_known\":false,"
	    "\"names\":[],\"meta\":{}}]}");
	map_view_clear(&v);
	name_map_unref(m);
}

static void
an_empty_map_is_a_document_too(void **state)
{
	struct name_map *m = maps_build("", "", NULL);
	struct map_view v;

	(void)state;
	map_view_init(&v, m, "web-03", NULL, 0);
	assert_document(&v, "{\"generation\":\"1\",\"node\":\"web-03\",\"domain\":null,"
			    "\"rendered_at\":\"1970-01-01T00:00:00Z\",\"proof\":\"fd70:6d::1\","
			    "\"names\":[],\"nodes\":[]}");
	map_view_clear(&v);
	name_map_unref(m);
}

/* --- as templates see it ------------------------------------------------------------------------------ */

static void
assert_rendering(struct name_map *m, const char *domain, const char *source, const char *expected)
{
	struct err e = { .code = ERR_NONE };
	struct mustache *t = mustache_new(source, strlen(source), "t", NULL, NULL, &e);
	struct str out = STR_INIT;
	struct datum root;
	struct map_view v;

	map_view_init(&v, m, "web-03", domain, WHEN);
	root = map_view_datum(&v);
	assert_non_null(t);
	if (mustache_render(t, &root, ESCAPE_NONE, true, &out, &e) == -1)
		fail_msg("%s", e.text);
	assert_string_equal(str_text(&out), expected);
	str_clear(&out);
	map_view_clear(&v);
	mustache_free(t);
	name_map_unref(m);
}

static void
a_name_without_a_domain_is_its_own_fqdn(void **state)
{
	(void)state;
	assert_rendering(
	    maps_build("n=10.0.0.1", "a=n", NULL), "", "{{#names}}{{fqdn}}{{/names}}", "a");
	assert_rendering(
	    maps_build("n=10.0.0.1", "a=n", NULL), NULL, "{{#names}}{{fqdn}}{{/names}}", "a");
}

static void
what_is_last_known_says_so(void **state)
{
	struct name_map *m = maps_build("db3=10.0.4.13 db4=10.0.4.14", "a=db3 b=db4", NULL);

	(void)state;
	assert_rendering(maps_next(m, "db4=10.0.4.14", "a=db3 b=db4"), NULL,
	    "{{#names}}{{#addresses}}{{name}}{{#last_known}}!{{/last_known}} "
	    "{{/addresses}}{{/names}}"
	    "{{#nodes}}{{node}}{{#last_known}}!{{/last_known}} {{/nodes}}",
	    "a! b db3! db4 ");
}

static void
meta_may_be_asked_for_what_it_has_not(void **state)
{
	static const char *const meta[] = { "role", "db", "ro", "x", NULL };
	const struct raw_node noted = { .node = "a", .address = "10.0.0.1", .meta = meta };
	const struct maps_extra extra = { .nodes = &noted, .node_count = 1 };

	(void)state;
	assert_rendering(maps_build_with("b=10.0.0.2", "n=a", NULL, &extra, NULL, NULL), NULL,
	    "{{#nodes}}{{node}}={{meta.role}}[{{#meta}}{{ro}}{{rol}}{{^role}}none{{/role}}{{/"
	    "meta}}]"
	    "{{#meta.role}}+{{/meta.role}}{{^meta.role}}-{{/meta.role}} {{/nodes}}",
	    "a=db[x]+ b=[none]- ");
}

/* In a section over meta, names of the outside stay within reach. */
static void
meta_hides_nothing_that_it_has_not(void **state)
{
	(void)state;
	assert_rendering(maps_build("b=10.0.0.2", "n=b", NULL), NULL,
	    "{{#nodes}}{{#meta}}{{node}} {{address}} {{generation}}{{/meta}}{{/nodes}}",
	    "b 10.0.0.2 1");
}

static void
a_variable_stands_for_one_name(void **state)
{
	(void)state;
	assert_rendering(maps_build("n=10.0.0.1",
			     "shard-017=n db.eu=n 4x=n db-1=n db_1=n db.1=n db-2=n _5=n 5=n", NULL),
	    NULL, "{{#names}}{{name}}={{env}}{{^env}}none{{/env}} {{/names}}",
	    "4x=_4X 5=none _5=none db-1=none db-2=DB_2 db.1=none db.eu=DB_EU db_1=none "
	    "shard-017=SHARD_017 ");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_generation_is_an_address),
		cmocka_unit_test(the_document_is_that_of_the_design),
		cmocka_unit_test(an_empty_map_is_a_document_too),
		cmocka_unit_test(a_name_without_a_domain_is_its_own_fqdn),
		cmocka_unit_test(what_is_last_known_says_so),
		cmocka_unit_test(meta_may_be_asked_for_what_it_has_not),
		cmocka_unit_test(meta_hides_nothing_that_it_has_not),
		cmocka_unit_test(a_variable_stands_for_one_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
