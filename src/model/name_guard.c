/*
 * name_guard.c: the last question before a map is written: would a person have meant this? Consul
 * answers 200 with short or empty lists while its servers restart, and with a part of the list when
 * a token lost a right (facts/consul.md), and people delete prefixes. Each rule names what it saw, so
 * that whoever is called at night can tell an accident from their own work.
 *
 * The rules look at what is served and what would be, never at how it came about: that is the
 * watch's affair, and it may be wrong.
 *
 * Values are not counted. That names move to other nodes is what the KV is for; a person wrote each.
 */
#include "model/name_map.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define NODES_MOVED_SHARE 0.3 /* design, section 5 */
#define NODES_MOVED_COUNT 2   /* the same: so many may always move */
#define EXAMPLES_MAX 3        /* in a message; the rest is in the difference */

struct examples {
	struct str text;
	size_t count;
};

static void
add_example(struct examples *x, const char *name)
{
	if (x->count++ < EXAMPLES_MAX)
		str_addf(&x->text, "%s%.40s", x->count > 1 ? ", " : "", name);
	else if (x->count == EXAMPLES_MAX + 1)
		str_adds(&x->text, " …");
}

static double
percent(size_t part, size_t whole)
{
	return 100.0 * (double)part / (double)whole;
}

static int
check_removal(
    double max_removal, const struct name_map *before, const struct name_map *after, struct err *e)
{
	struct examples lost = { STR_INIT, 0 };
	struct name_change *changes;
	size_t n = name_map_diff(before, after, &changes);
	int rc = 0;

	for (size_t i = 0; i < n; i++) {
		if (changes[i].kind == NAME_REMOVED)
			add_example(&lost, changes[i].before->name);
	}
	if (lost.count > 1 && (double)lost.count > max_removal * (double)before->count)
		rc = err_set(e, ERR_DENIED,
		    "%zu of %zu names would be gone (%.0f %%, at most %.0f %%): %s", lost.count,
		    before->count, percent(lost.count, before->count), 100 * max_removal,
		    str_text(&lost.text));
	str_clear(&lost.text);
	free(changes);
	return rc;
}

/* Of each node of the table, whether a name that follows its nodes has it. */
static bool *
used_nodes(const struct name_map *m)
{
	bool *is_used = mem_array(m->nodes->count, sizeof(*is_used));

	for (const struct name *n = m->names; n < m->names + m->count; n++) {
		for (size_t i = 0; i < n->count && !n->is_held; i++) {
			if (n->addresses[i].node_at != NODE_NONE)
				is_used[n->addresses[i].node_at] = true;
		}
	}
	return is_used;
}

static int
check_addresses(const struct name_map *before, const struct name_map *after, struct err *e)
{
	const struct node_table *a = before->nodes, *b = after->nodes;
	struct examples moved = { STR_INIT, 0 };
	bool *in_a, *in_b;
	size_t shared = 0, i = 0, k = 0;
	int rc = 0;

	if (a == b)
		return 0;
	in_a = used_nodes(before);
	in_b = used_nodes(after);
	while (i < a->count && k < b->count) {
		int order = strcmp(a->nodes[i].node, b->nodes[k].node);

		if (order == 0 && in_a[i] && in_b[k]) {
			shared++;
			if (strcmp(a->nodes[i].address, b->nodes[k].address) != 0)
				add_example(&moved, a->nodes[i].node);
		}
		i += order <= 0;
		k += order >= 0;
	}
	if (moved.count > NODES_MOVED_COUNT &&
	    (double)moved.count > NODES_MOVED_SHARE * (double)shared)
		rc = err_set(e, ERR_DENIED,
		    "%zu of %zu nodes would have another address at once (%.0f %%, at most %.0f "
		    "%%): %s",
		    moved.count, shared, percent(moved.count, shared), 100 * NODES_MOVED_SHARE,
		    str_text(&moved.text));
	str_clear(&moved.text);
	free(in_a);
	free(in_b);
	return rc;
}

int
guard_check(const struct guard_limits *limits, const struct name_map *before,
    const struct name_map *after, bool was_canary_seen, struct err *e)
{
	if (was_canary_seen && !after->has_canary)
		return err_set(e, ERR_DENIED,
		    "the key %s is not in the list, so the list was cut short, filtered or wiped",
		    CANARY_NAME);
	if (after->count == 0 && before != NULL && before->count > 0)
		return err_set(
		    e, ERR_DENIED, "the list has no names, and %zu are served", before->count);
	/* With a canary an empty list is a KV that was just begun; without one it may be anything. */
	if (after->count == 0 && !after->has_canary)
		return err_set(
		    e, ERR_DENIED, "the list has neither names nor the key %s", CANARY_NAME);
	if (before == NULL)
		return 0;
	if (check_removal(limits->max_removal, before, after, e) != 0)
		return -1;
	return check_addresses(before, after, e);
}
