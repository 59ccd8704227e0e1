/*
 * test_name_map_random.c: the promises, held against thousands of random histories: Consul shows a
 * part of the nodes, people write nonsense, holds come and go. What must be true of each step is
 * worked out here from the raw keys alone, in the simplest way there is.
 *
 * The generator is seeded with a constant: a failure names the history and the step, and happens
 * again.
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
#include "model/name_map.h"

#define HISTORIES 400
#define STEPS 12
#define NAMES_MAX 12
#define NODES_MAX 6

#define BYTES(text) (text), sizeof(text) - 1

static uint64_t seed;

/* xorshift64*: Marsaglia, 2003. */
static unsigned
below(unsigned n)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (unsigned)((seed * 2685821657736338717u) >> 33) % n;
}

/* What Consul says at one step. */
struct scene {
	struct raw_name names[NAMES_MAX];
	size_t name_count;
	struct raw_node nodes[NODES_MAX];
	size_t node_count;
	unsigned held; /* bit i: name i of the alphabet */
};

static const char *const name_alphabet[] = { "alpha", "beta", "gamma", "delta", "Alpha", "BETA" };
static const char *const node_alphabet[] = { "db1", "db2", "db3", "db4" };
static const char *const address_alphabet[] = { "10.0.0.1", "10.0.0.2", "2001:db8::1", "10.0.0.",
	"10.0.0.1\n10.6.6.6 evil", "" };
static const struct {
	const char *text;
	size_t len;
} value_alphabet[] = {
	{ BYTES("db1") },
	{ BYTES("db2") },
	{ BYTES("db3,db1") },
	{ BYTES("DB4") },
	{ BYTES("10.1.1.1") },
	{ BYTES("db9") },
	{ BYTES("") },
	{ BYTES("db1\n") },
	{ BYTES("$(reboot)") },
	{ BYTES("db1\0") },
};

static void
make_scene(struct scene *s)
{
	memset(s, 0, sizeof(*s));
	for (size_t i = 0; i < MEM_COUNT(name_alphabet); i++) {
		unsigned v = below(MEM_COUNT(value_alphabet));

		if (below(4) == 0)
			continue;
		s->names[s->name_count++] = (struct raw_name){ name_alphabet[i],
			strlen(name_alphabet[i]), value_alphabet[v].text, value_alphabet[v].len };
	}
	for (size_t i = 0; i < MEM_COUNT(node_alphabet); i++) {
		if (below(3) == 0)
			continue;
		s->nodes[s->node_count++] = (struct raw_node){ .node = node_alphabet[i],
			.address = address_alphabet[below(MEM_COUNT(address_alphabet))],
			.is_override = below(5) == 0 };
	}
	s->held = below(3) == 0 ? below(16) : 0;
}

static bool
is_held(const char *name, void *arg)
{
	const struct scene *s = arg;

	for (unsigned i = 0; i < 4; i++) {
		if (strcmp(name, name_alphabet[i]) == 0)
			return (s->held >> i & 1) != 0;
	}
	return false;
}

static bool
has_key(const struct scene *s, const char *name)
{
	for (size_t i = 0; i < s->name_count; i++) {
		if (strcasecmp(s->names[i].key, name) == 0)
			return true;
	}
	return false;
}

static struct name_map *
build(struct scene *s, const struct name_map *before)
{
	struct name_map_input in = { .raw = s->names,
		.count = s->name_count,
		.before = before,
		.domain = "service.consul",
		.held = is_held,
		.arg = s };
	struct name_map *m;

	in.nodes = node_table_build(s->nodes, s->node_count, before);
	m = name_map_build(&in);
	node_table_unref(in.nodes);
	return m;
}

/* --- what must be true --------------------------------------------------------------------------- */

/* Sorted, and nothing in it that could hurt a file. */
static void
check_form(const struct name_map *m)
{
	for (size_t i = 0; i < m->count; i++) {
		const struct name *n = &m->names[i];
		struct value v;

		if (i > 0)
			assert_true(strcmp(m->names[i - 1].name, n->name) < 0);
		assert_ptr_equal(name_map_find(m, n->name), n);
		assert_int_equal(value_parse(n->value, strlen(n->value), &v, NULL), 0);
		assert_int_equal(v.count, n->count);
		for (size_t k = 0; k < n->count; k++) {
			const struct name_address *a = &n->addresses[k];
			char text[ADDRESS_SIZE];
			bool is_ipv6;

			assert_string_equal(v.items[k].text, a->node);
			assert_int_equal(
			    address_parse(a->address, strlen(a->address), text, &is_ipv6, NULL), 0);
			assert_string_equal(text, a->address);
			assert_int_equal(is_ipv6, a->is_ipv6);
			if (a->node_at != NODE_NONE)
				assert_string_equal(m->nodes->nodes[a->node_at].node, a->node);
		}
		value_clear(&v);
	}
}

/* A name that was there is there, unless its key is gone and nobody holds it. */
static void
check_nothing_vanished(
    const struct scene *s, const struct name_map *before, const struct name_map *m)
{
	for (size_t i = 0; i < before->count; i++) {
		const char *name = before->names[i].name;
		bool stays = has_key(s, name) || is_held(name, (void *)(uintptr_t)s);

		assert_int_equal(name_map_find(m, name) != NULL, stays);
	}
}

static bool
has_same_addresses(const struct name *a, const struct name *b)
{
	for (size_t i = 0; i < a->count; i++) {
		if (strcmp(a->addresses[i].address, b->addresses[i].address) != 0)
			return false;
	}
	return a->count == b->count;
}

/* A value is one that somebody wrote for this name now, or the one from before. */
static void
check_values(const struct scene *s, const struct name_map *before, const struct name_map *m)
{
	for (size_t i = 0; i < m->count; i++) {
		const struct name *n = &m->names[i];
		const struct name *old = before != NULL ? name_map_find(before, n->name) : NULL;
		bool is_written = false;

		for (size_t k = 0; k < s->name_count; k++)
			is_written =
			    is_written || (strcasecmp(s->names[k].key, n->name) == 0 &&
					      strcasecmp(s->names[k].value, n->value) == 0);
		assert_true(is_written || (old != NULL && strcmp(old->value, n->value) == 0));
		if (n->is_held && old != NULL) {
			assert_string_equal(n->value, old->value);
			assert_true(has_same_addresses(n, old));
		}
	}
}

/* Whoever is not held has the address of the table, and that is what Consul says, or what it said. */
static void
check_addresses(const struct scene *s, const struct name_map *before, const struct name_map *m)
{
	for (size_t i = 0; i < m->count; i++) {
		const struct name *n = &m->names[i];

		for (size_t k = 0; k < n->count && !n->is_held; k++) {
			const struct name_address *a = &n->addresses[k];

			if (a->node_at != NODE_NONE)
				assert_string_equal(
				    a->address, m->nodes->nodes[a->node_at].address);
		}
	}
	for (size_t i = 0; i < m->nodes->count; i++) {
		const struct node *node = &m->nodes->nodes[i];
		const struct node *old =
		    before != NULL ? node_table_find(before->nodes, node->node) : NULL;
		bool is_said = false;

		for (size_t k = 0; k < s->node_count; k++)
			is_said = is_said || (strcmp(s->nodes[k].node, node->node) == 0 &&
						 strcmp(s->nodes[k].address, node->address) == 0);
		assert_int_equal(node->is_last_known, !is_said);
		if (!is_said)
			assert_string_equal(old->address, node->address);
	}
}

/* Each rejected key is one that exists, and kept says what the map has. */
static void
check_rejected(const struct scene *s, const struct name_map *m)
{
	for (size_t i = 0; i < m->rejected_count; i++) {
		const struct rejected *r = &m->rejected[i];
		char low[NAME_SIZE];
		const struct name *n;

		assert_true(has_key(s, r->name));
		assert_int_equal(name_parse(r->name, strlen(r->name), low, NULL), 0);
		n = name_map_find(m, low);
		assert_int_equal(n != NULL, r->kept != NULL);
		if (n != NULL)
			assert_string_equal(n->value, r->kept);
	}
}

/* In the order of keys or the other way round: the same map. */
static void
check_order_does_not_matter(struct scene *s, const struct name_map *before, struct name_map *m)
{
	struct scene turned = *s;
	struct name_map *again;

	for (size_t i = 0; i < s->name_count; i++)
		turned.names[i] = s->names[s->name_count - 1 - i];
	for (size_t i = 0; i < s->node_count; i++)
		turned.nodes[i] = s->nodes[s->node_count - 1 - i];
	again = build(&turned, before);
	assert_string_equal(name_map_digest(again), name_map_digest(m));
	name_map_unref(again);
}

/* Asked the same again, nothing changes; and written to disk it is the same. */
static void
check_rest(struct scene *s, struct name_map *m)
{
	struct name_map *again = build(s, m), *back;
	struct name_change *changes = NULL;
	struct str text = STR_INIT;
	json_t *j;
	struct err e = { 0 };

	assert_int_equal(name_map_diff(m, again, &changes), 0);
	free(changes);
	name_map_unref(again);
	name_map_add_json(&text, m);
	j = json_parse(str_text(&text), text.len, "state", &e);
	back = name_map_from_json(j, &e);
	if (back == NULL)
		fail_msg("%s: %s", e.text, str_text(&text));
	assert_string_equal(name_map_digest(back), name_map_digest(m));
	assert_int_equal(back->rejected_count, m->rejected_count);
	name_map_unref(back);
	json_decref(j);
	str_clear(&text);
}

static void
the_promises_hold_in_every_history(void **state)
{
	size_t kept = 0, last_known = 0, held = 0;

	(void)state;
	for (uint64_t h = 1; h <= HISTORIES; h++) {
		struct name_map *before = NULL;

		seed = h * 0x9e3779b97f4a7c15u;
		for (int step = 0; step < STEPS; step++) {
			struct scene s;
			struct name_map *m;

			make_scene(&s);
			m = build(&s, before);
			check_form(m);
			if (before != NULL)
				check_nothing_vanished(&s, before, m);
			check_values(&s, before, m);
			check_addresses(&s, before, m);
			check_rejected(&s, m);
			check_order_does_not_matter(&s, before, m);
			check_rest(&s, m);
			for (size_t i = 0; i < m->rejected_count; i++)
				kept += m->rejected[i].kept != NULL;
			for (size_t i = 0; i < m->count; i++) {
				held += m->names[i].is_held;
				last_known += m->names[i].addresses[0].is_last_known;
			}
			name_map_unref(before);
			before = m;
		}
		name_map_unref(before);
	}
	/* The histories did go where the promises are put to the test. */
	assert_true(kept > 1000 && last_known > 1000 && held > 1000);
}

/* A million hostile keys are counted, not kept. */
static void
rejected_keys_are_limited(void **state)
{
	enum { COUNT = 4500 };
	struct raw_name *raw = mem_array(COUNT, sizeof(raw[0]));
	struct node_table *nodes = node_table_build(NULL, 0, NULL);
	struct name_map_input in = { .raw = raw, .count = COUNT, .nodes = nodes };
	struct name_map *m;

	(void)state;
	for (size_t i = 0; i < COUNT; i++)
		raw[i] = (struct raw_name){ BYTES("a b"), BYTES("c d") };
	m = name_map_build(&in);
	assert_int_equal(m->count, 0);
	assert_int_equal(m->rejected_count, REJECTED_MAX);
	assert_int_equal(m->rejected_total, COUNT);
	name_map_unref(m);
	node_table_unref(nodes);
	free(raw);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_promises_hold_in_every_history),
		cmocka_unit_test(rejected_keys_are_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
