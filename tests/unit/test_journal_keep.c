/* test_journal_keep.c: what may be deleted of the journals, and above all what may not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/journal_keep.h"

#define ROOM 2400

struct pile {
	struct journal *journals[ROOM]; /* newest first */
	bool is_old[ROOM];
	size_t count;
};

static void
add(struct pile *p, const char *kind, const char *pair, const char *name, enum op_result result)
{
	struct journal *j = journal_new();

	journal_set(&j->kind, kind);
	journal_set(&j->pair, pair);
	journal_set(&j->name, name);
	j->result = result;
	p->journals[p->count++] = j;
}

static size_t
choose(struct pile *p)
{
	size_t old = 0;

	journal_choose_old(p->journals, p->count, p->is_old);
	for (size_t i = 0; i < p->count; i++)
		old += p->is_old[i];
	return old;
}

static struct pile *
new_pile(void)
{
	return mem_array(1, sizeof(struct pile));
}

static void
free_pile(struct pile *p)
{
	for (size_t i = 0; i < p->count; i++)
		journal_free(p->journals[i]);
	free(p);
}

static void
of_each_pair_the_newest_rehearsals_stay(void **state)
{
	struct pile *p = new_pile();

	(void)state;
	for (size_t i = 0; i < KEEP_REHEARSALS; i++) {
		add(p, "rehearse", "maindb", "maindb", OP_DONE);
		add(p, "rehearse", "sessions", "sessions", OP_UNDONE);
		add(p, "failover", "maindb", "maindb", OP_DONE);
	}
	assert_int_equal(choose(p), 0);
	add(p, "rehearse", "maindb", "maindb", OP_DONE);
	add(p, "rehearse", "sessions", "sessions", OP_RUNNING); /* its host was rebooted */
	add(p, "rehearse", "events", "events", OP_DONE);
	assert_int_equal(choose(p), 2);
	assert_true(p->is_old[p->count - 3] && p->is_old[p->count - 2]);
	free_pile(p);
}

static void
what_is_halfway_stays_and_so_does_what_cannot_be_read(void **state)
{
	struct pile *p = new_pile();
	size_t last;

	(void)state;
	for (size_t i = 0; i < KEEP_OPERATIONS; i++)
		add(p, i % 2 == 0 ? "failover" : "rejoin", "maindb", "maindb",
		    i % 3 == 0 ? OP_UNDONE : OP_DONE);
	add(p, "failover", "maindb", "maindb", OP_RUNNING);
	add(p, "emergency", "maindb", "maindb", OP_FAILED);
	p->journals[p->count++] = NULL;
	assert_int_equal(choose(p), 0);
	last = p->count;
	add(p, "failover", "maindb", "maindb", OP_DONE);
	add(p, "failover", "sessions", "sessions", OP_DONE);
	assert_int_equal(choose(p), 1);
	assert_true(p->is_old[last]);
	free_pile(p);
}

/* A name's last flip says that nobody edited it, however many others were set since. */
static void
the_last_flip_of_each_name_stays(void **state)
{
	struct pile *p = new_pile();
	size_t first;

	(void)state;
	for (size_t i = 0; i <= KEEP_SETS; i++)
		add(p, "set", "", "busy", OP_DONE);
	assert_int_equal(choose(p), 0);
	first = p->count;
	add(p, "set", "", "quiet", OP_DONE);
	add(p, "set", "", "quiet", OP_DONE);
	add(p, "set", "", "busy", OP_DONE);
	assert_int_equal(choose(p), 2);
	assert_false(p->is_old[first]);
	assert_true(p->is_old[first + 1] && p->is_old[first + 2]);
	free_pile(p);
}

static void
of_none_nothing_is_old(void **state)
{
	(void)state;
	journal_choose_old(NULL, 0, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_each_pair_the_newest_rehearsals_stay),
		cmocka_unit_test(what_is_halfway_stays_and_so_does_what_cannot_be_read),
		cmocka_unit_test(the_last_flip_of_each_name_stays),
		cmocka_unit_test(of_none_nothing_is_old),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
