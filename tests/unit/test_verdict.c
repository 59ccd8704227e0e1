/* test_verdict.c: model/verdict.c and model/pair.c: majorities, writers, vetoes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "model/verdict.h"

#define NOW_MS 1000000000LL

static struct opinion
sees(enum check_state s, enum check_class class)
{
	return (struct opinion){ "v", true, VANTAGE_SIGHTED, s, check_class_level(class), class,
		NOW_MS - 20000 };
}

static struct opinion
passes(void)
{
	return sees(STATE_PASSING, CHECK_OK);
}

static struct opinion
fails(void)
{
	return sees(STATE_FAILING, CHECK_TIMEOUT);
}

static struct opinion
blind(struct opinion o)
{
	o.sight = VANTAGE_BLIND;
	return o;
}

static struct opinion
dead(struct opinion o)
{
	o.is_live = false;
	return o;
}

static void
test_two_of_three(void **state)
{
	struct opinion o[] = { fails(), passes(), fails() };
	struct verdict v;

	(void)state;
	o[2].since_ms -= 5000;
	verdict_of(o, 3, &v);
	assert_int_equal(v.state, STATE_FAILING);
	assert_int_equal(v.level, LEVEL_CRITICAL);
	assert_int_equal(v.class, CHECK_TIMEOUT);
	assert_true(v.is_down && v.is_confirmed);
	assert_int_equal(v.since_ms, NOW_MS - 25000);
	assert_string_equal(v.text, "2 of 3 vantages");
}

static void
test_lone_one_is_outvoted(void **state)
{
	struct opinion o[] = { fails(), passes(), passes() };
	struct verdict v;

	(void)state;
	verdict_of(o, 3, &v);
	assert_int_equal(v.state, STATE_PASSING);
	assert_int_equal(v.level, LEVEL_OK);
	assert_false(v.is_down);
	assert_string_equal(v.text, "2 of 3 vantages, but 1 failing");
	/* half is no majority, but no good news either */
	verdict_of(o, 2, &v);
	assert_int_equal(v.state, STATE_SUSPECT);
	assert_false(v.is_down);
}

static void
test_single_is_never_confirmed(void **state)
{
	struct opinion o[] = { fails(), blind(passes()), dead(passes()) };
	struct verdict v;

	(void)state;
	verdict_of(o, 1, &v);
	assert_true(v.is_down);
	assert_false(v.is_confirmed);
	assert_string_equal(v.text, "1 vantage, nobody to confirm");
	verdict_of(o, 3, &v);
	assert_true(v.is_down);
	assert_false(v.is_confirmed);
	assert_string_equal(v.text, "1 vantage, nobody to confirm, 1 of 2 cannot tell");
}

/* The blind and the dead do not count, neither for nor against. */
static void
test_who_counts(void **state)
{
	struct opinion outvoted[] = { blind(fails()), blind(fails()), passes(), passes() };
	struct opinion kept[] = { blind(passes()), dead(passes()), fails(), fails() };
	struct opinion none[] = { blind(fails()), blind(fails()) };
	struct verdict v;

	(void)state;
	verdict_of(outvoted, 4, &v);
	assert_int_equal(v.state, STATE_PASSING);
	verdict_of(kept, 4, &v);
	assert_true(v.is_down && v.is_confirmed);
	assert_string_equal(v.text, "2 of 2 vantages, 1 of 3 cannot tell");
	verdict_of(none, 2, &v);
	assert_int_equal(v.level, LEVEL_UNKNOWN);
	assert_int_equal(v.state, STATE_PASSING);
	assert_string_equal(v.text, "nobody can tell: 2 of 2 vantages blind or held");
	verdict_of(NULL, 0, &v);
	assert_int_equal(v.level, LEVEL_UNKNOWN);
	assert_string_equal(v.text, "no vantage");
}

/*
 * One sees it hang, one is refused, one has a wrong password: failing, and how badly counts by
 * heads.
 */
static void
test_classes_by_heads(void **state)
{
	struct opinion o[] = { fails(), sees(STATE_FAILING, CHECK_REFUSED),
		sees(STATE_FAILING, CHECK_AUTH) };
	struct verdict v;

	(void)state;
	verdict_of(o, 3, &v);
	assert_true(v.is_down);
	assert_int_equal(v.level, LEVEL_CRITICAL);
	assert_true(v.class == CHECK_REFUSED || v.class == CHECK_TIMEOUT);
	o[0] = sees(STATE_FAILING, CHECK_AUTH);
	verdict_of(o, 3, &v);
	assert_int_equal(v.state, STATE_FAILING);
	assert_int_equal(v.level, LEVEL_WARNING);
	assert_int_equal(v.class, CHECK_AUTH);
	assert_false(v.is_down);
	/* it recovers for those who saw it down: that is no reason to move it */
	o[0] = sees(STATE_RECOVERING, CHECK_TIMEOUT);
	verdict_of(o, 3, &v);
	assert_int_equal(v.state, STATE_FAILING);
	assert_false(v.is_down);
	o[1] = sees(STATE_RECOVERING, CHECK_TIMEOUT);
	verdict_of(o, 3, &v);
	assert_int_equal(v.state, STATE_RECOVERING);
}

/* Random juries against counting by hand. */
static void
test_random_juries(void **state)
{
	static const enum check_class classes[] = { CHECK_OK, CHECK_AUTH, CHECK_TIMEOUT,
		CHECK_REFUSED, CHECK_LAG };

	(void)state;
	srand(1);
	for (int round = 0; round < 100000; round++) {
		struct opinion o[7];
		size_t count = (size_t)rand() % 8, seeing = 0, failing = 0, down = 0, bad = 0;
		struct verdict v;

		for (size_t i = 0; i < count; i++) {
			enum check_class c = classes[(size_t)rand() % MEM_COUNT(classes)];

			o[i] = sees((enum check_state)(rand() % 4), c);
			o[i].is_live = rand() % 4 != 0;
			o[i].sight = rand() % 3 != 0 ? VANTAGE_SIGHTED
						     : (enum vantage_sight)(1 + rand() % 2);
			if (!o[i].is_live || o[i].sight != VANTAGE_SIGHTED)
				continue;
			seeing++;
			bad += o[i].state != STATE_PASSING;
			failing += o[i].state == STATE_FAILING || o[i].state == STATE_RECOVERING;
			down += o[i].state == STATE_FAILING && check_class_is_down(c);
		}
		verdict_of(o, count, &v);
		assert_int_equal(v.sighted, seeing);
		assert_int_equal(v.is_down, down * 2 > seeing);
		assert_int_equal(
		    v.state == STATE_FAILING || v.state == STATE_RECOVERING, failing * 2 > seeing);
		if (failing * 2 <= seeing)
			assert_int_equal(v.state == STATE_SUSPECT, bad > 0 && bad * 2 >= seeing);
		assert_true(!v.is_down || v.level == LEVEL_CRITICAL);
		assert_true(!v.is_confirmed || seeing > 1);
		assert_true(strstr(v.text, "vantage") != NULL);
	}
}

/* --- pairs ------------------------------------------------------------------------------------ */

struct duo {
	struct pair_member m[2]; /* db3, active; db4, standby */
	struct server_view view[2];
	struct replication_view source;
	struct pair_state state;
};

static struct verdict
verdict_from(struct opinion o)
{
	struct opinion both[] = { o, o };
	struct verdict v;

	verdict_of(both, 2, &v);
	return v;
}

/* One turn of reads, five seconds after the last; a member that is down does not answer. */
static void
read_both(struct duo *d)
{
	for (size_t i = 0; i < 2; i++) {
		d->view[i].seen_ms += 5000;
		pair_member_saw(
		    &d->m[i], d->m[i].verdict.is_down && !check_class_is_told(d->m[i].verdict.class)
				  ? NULL
				  : &d->view[i]);
	}
}

static enum pair_trouble
judge(struct duo *d)
{
	pair_judge(d->m, 2, NOW_MS, &d->state);
	assert_true((d->state.trouble == PAIR_FINE && d->state.level == LEVEL_OK) ||
		    d->state.text[0] != '\0');
	return d->state.trouble;
}

static void
setup_duo(struct duo *d)
{
	*d = (struct duo){ .m = { { .node = "db3", .is_active = true }, { .node = "db4" } } };
	d->m[0].verdict = d->m[1].verdict = verdict_from(passes());
	d->view[0].is_writable = true;
	d->source = (struct replication_view){ .is_io_running = true, .heartbeat_s = 10 };
	d->view[1].sources = &d->source;
	d->view[1].source_count = 1;
	read_both(d);
	read_both(d);
}

static void
test_fine(void **state)
{
	struct duo d;

	(void)state;
	setup_duo(&d);
	assert_int_equal(judge(&d), PAIR_FINE);
	assert_int_equal(d.state.level, LEVEL_OK);
	assert_false(d.state.is_proposed);
}

/* At once means: at the second read that says so, whatever the verdicts are. */
static void
test_two_writers(void **state)
{
	struct duo d;

	(void)state;
	setup_duo(&d);
	d.view[1].is_writable = true;
	read_both(&d);
	assert_int_equal(judge(&d), PAIR_FINE);
	read_both(&d);
	assert_int_equal(judge(&d), PAIR_TWO_WRITERS);
	assert_int_equal(d.state.level, LEVEL_CRITICAL);
	assert_false(d.state.is_proposed);
	d.view[1].is_writable = false;
	read_both(&d);
	assert_int_equal(judge(&d), PAIR_FINE);
}

static void
test_no_writer(void **state)
{
	struct duo d;

	(void)state;
	setup_duo(&d);
	d.view[0].is_writable = false;
	read_both(&d);
	assert_int_equal(
	    judge(&d), PAIR_FINE); /* a planned failover looks like this for a moment */
	read_both(&d);
	assert_int_equal(judge(&d), PAIR_NO_WRITER);
	assert_int_equal(d.state.level, LEVEL_CRITICAL);
	assert_false(d.state.is_proposed);
	/* it says itself that it takes none: the standby's replication is no objection */
	d.m[0].verdict = verdict_from(sees(STATE_FAILING, CHECK_READ_ONLY));
	assert_int_equal(judge(&d), PAIR_NO_WRITER);
	assert_true(d.state.is_proposed);
	assert_string_equal(d.state.veto, "");
}

static void
test_wrong_writer(void **state)
{
	struct duo d;

	(void)state;
	setup_duo(&d);
	d.view[0].is_writable = false;
	d.view[1].is_writable = true;
	read_both(&d);
	assert_int_equal(judge(&d), PAIR_FINE);
	read_both(&d);
	assert_int_equal(judge(&d), PAIR_WRONG_WRITER);
	assert_non_null(strstr(d.state.text, "db4 is writable"));
	assert_false(d.state.is_proposed);
	/* the KV names neither */
	d.m[0].is_active = false;
	assert_int_equal(judge(&d), PAIR_WRONG_WRITER);
	d.view[1].is_writable = true;
	read_both(&d);
	d.view[1].is_writable = false;
	read_both(&d);
	assert_int_equal(judge(&d), PAIR_UNKNOWN);
}

/* What was right before a flip is wrong after it: it takes two reads of after to say so. */
static void
test_flip(void **state)
{
	struct duo d;

	(void)state;
	setup_duo(&d);
	d.view[0].is_writable = false;
	d.view[1].is_writable = true;
	d.m[0].is_active = false;
	d.m[1].is_active = true;
	assert_int_equal(judge(&d), PAIR_FINE);
	for (int i = 0; i < 3; i++) {
		read_both(&d);
		assert_int_equal(judge(&d), PAIR_FINE);
	}
	/* the value was flipped back by hand, the servers were not */
	d.m[0].is_active = true;
	d.m[1].is_active = false;
	assert_int_equal(judge(&d), PAIR_FINE);
	read_both(&d);
	assert_int_equal(judge(&d), PAIR_FINE);
	read_both(&d);
	assert_int_equal(judge(&d), PAIR_WRONG_WRITER);
}

/* Killed: the standby's thread knows it at once. */
static void
test_active_killed(void **state)
{
	struct duo d;

	(void)state;
	setup_duo(&d);
	d.m[0].verdict = verdict_from(sees(STATE_FAILING, CHECK_REFUSED));
	d.source.is_io_running = false;
	read_both(&d);
	assert_int_equal(judge(&d), PAIR_ACTIVE_DOWN);
	assert_true(d.state.is_proposed);
	assert_string_equal(d.state.text,
	    "db3 refused the connection, since 1970-01-12T13:46:20Z (2 of 2 vantages)");
	/* with nobody to take over there is nothing to propose */
	d.m[1].verdict = verdict_from(fails());
	read_both(&d);
	assert_int_equal(judge(&d), PAIR_ACTIVE_DOWN);
	assert_false(d.state.is_proposed);
}

/* Hanging: the thread thinks that all is well until a heartbeat was due. */
static void
test_active_hangs(void **state)
{
	struct duo d;

	(void)state;
	setup_duo(&d);
	d.source.received = 100;
	read_both(&d);
	d.m[0].verdict = verdict_from(fails());
	for (int silent_s = 0; silent_s < 11; silent_s += 5) {
		assert_int_equal(judge(&d), PAIR_ACTIVE_DOWN);
		assert_false(d.state.is_proposed);
		assert_non_null(strstr(d.state.veto, "db4 receives"));
		read_both(&d);
	}
	assert_int_equal(judge(&d), PAIR_ACTIVE_DOWN);
	assert_true(d.state.is_proposed);
	assert_string_equal(d.state.veto, "");
}

/* We do not see it, the standby does: for as long as that lasts nothing is proposed. */
static void
test_veto(void **state)
{
	struct duo d;

	(void)state;
	setup_duo(&d);
	d.m[0].verdict = verdict_from(fails());
	for (int i = 0; i < 100; i++) {
		d.source.received += 7;
		read_both(&d);
		assert_int_equal(judge(&d), PAIR_ACTIVE_DOWN);
		assert_false(d.state.is_proposed);
	}
	for (int i = 0; i < 3; i++)
		read_both(&d);
	judge(&d);
	assert_true(d.state.is_proposed);
	/* a new binlog file, a position of 4 again: that was received, too */
	d.source.received = 4;
	read_both(&d);
	judge(&d);
	assert_false(d.state.is_proposed);
	/* connecting is not receiving */
	d.source.is_io_connecting = true;
	judge(&d);
	assert_true(d.state.is_proposed);
	d.source.is_io_connecting = false;
	/* an old view is no witness */
	pair_member_saw(&d.m[1], NULL);
	judge(&d);
	assert_true(d.state.is_proposed);
}

/*
 * It replicates from a third server as well, which lives: that proves nothing of the one that is
 * lost.
 */
static void
test_veto_of_many_sources(void **state)
{
	struct replication_view sources[2] = { { .is_io_running = true, .heartbeat_s = 5 },
		{ .is_io_running = true, .heartbeat_s = 10 } };
	struct duo d;

	(void)state;
	setup_duo(&d);
	d.view[1].sources = sources;
	d.view[1].source_count = 2;
	d.m[0].verdict = verdict_from(fails());
	sources[1].received = 1;
	for (int silent_s = 0; silent_s < 11; silent_s += 5) {
		read_both(&d);
		judge(&d);
		assert_false(d.state.is_proposed);
	}
	sources[1].received = 2;
	sources[0].is_io_running = false;
	read_both(&d);
	judge(&d);
	assert_true(d.state.is_proposed);
}

/* No heartbeat known: only what came since it began to fail. */
static void
test_veto_without_heartbeat(void **state)
{
	struct duo d;

	(void)state;
	setup_duo(&d);
	d.source.heartbeat_s = 0;
	d.source.received = 100;
	read_both(&d);
	d.m[0].verdict = verdict_from(fails()); /* for 20 s */
	for (int i = 0; i < 4; i++) {
		judge(&d);
		assert_false(d.state.is_proposed);
		read_both(&d);
	}
	judge(&d);
	assert_true(d.state.is_proposed);
}

/*
 * A full disk is told by the server itself: the replication runs on, and it is proposed all the
 * same.
 */
static void
test_disk_full_is_not_vetoed(void **state)
{
	struct duo d;

	(void)state;
	setup_duo(&d);
	d.m[0].verdict = verdict_from(sees(STATE_FAILING, CHECK_DISK_FULL));
	d.source.received++;
	read_both(&d);
	assert_int_equal(judge(&d), PAIR_ACTIVE_DOWN);
	assert_true(d.state.is_proposed);
}

static void
test_ill_but_not_down(void **state)
{
	struct duo d;

	(void)state;
	setup_duo(&d);
	d.m[1].verdict = verdict_from(sees(STATE_FAILING, CHECK_REPLICATION));
	assert_int_equal(judge(&d), PAIR_STANDBY_ILL);
	assert_int_equal(d.state.level, LEVEL_CRITICAL);
	assert_string_equal(
	    d.state.text, "db4 could not take over: it does not replicate (2 of 2 vantages)");
	setup_duo(&d);
	d.m[0].verdict = verdict_from(sees(STATE_FAILING, CHECK_AUTH));
	pair_member_saw(&d.m[0], NULL);
	assert_int_equal(judge(&d), PAIR_UNKNOWN);
	assert_int_equal(d.state.level, LEVEL_WARNING);
	assert_false(d.state.is_proposed);
	/* nobody can see the active */
	d.m[0].verdict = verdict_from(blind(fails()));
	assert_int_equal(judge(&d), PAIR_UNKNOWN);
	assert_int_equal(d.state.level, LEVEL_UNKNOWN);
}

/* A daemon is "writable" where it runs: exactly one may. */
static void
test_daemons(void **state)
{
	struct duo d;

	(void)state;
	setup_duo(&d);
	d.view[0].kind = d.view[1].kind = SERVER_DAEMON;
	d.view[0].source_count = d.view[1].source_count = 0;
	d.view[1].is_writable = true;
	read_both(&d);
	read_both(&d);
	assert_int_equal(judge(&d), PAIR_TWO_WRITERS);
	assert_non_null(strstr(d.state.text, "both run it"));
	d.view[0].is_writable = d.view[1].is_writable = false;
	d.m[0].verdict = verdict_from(sees(STATE_FAILING, CHECK_STOPPED));
	read_both(&d);
	read_both(&d);
	assert_int_equal(judge(&d), PAIR_NO_WRITER);
	assert_true(d.state.is_proposed);
	assert_string_equal(
	    d.state.text, "it runs nowhere: db3, which the KV names, does not run it");
}

static void
test_nothing_seen_yet(void **state)
{
	struct duo d = { .m = { { .node = "db3", .is_active = true }, { .node = "db4" } } };

	(void)state;
	d.m[0].verdict = d.m[1].verdict = verdict_from(passes());
	assert_int_equal(judge(&d), PAIR_UNKNOWN);
	assert_string_equal(d.state.text, "db3: nothing seen yet");
	pair_judge(NULL, 0, NOW_MS, &d.state);
	assert_int_equal(d.state.trouble, PAIR_UNKNOWN);
	assert_string_equal(pair_trouble_name(PAIR_TWO_WRITERS), "two-writers");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_of_three),
		cmocka_unit_test(test_lone_one_is_outvoted),
		cmocka_unit_test(test_single_is_never_confirmed),
		cmocka_unit_test(test_who_counts),
		cmocka_unit_test(test_classes_by_heads),
		cmocka_unit_test(test_random_juries),
		cmocka_unit_test(test_fine),
		cmocka_unit_test(test_two_writers),
		cmocka_unit_test(test_no_writer),
		cmocka_unit_test(test_wrong_writer),
		cmocka_unit_test(test_flip),
		cmocka_unit_test(test_active_killed),
		cmocka_unit_test(test_active_hangs),
		cmocka_unit_test(test_veto),
		cmocka_unit_test(test_veto_of_many_sources),
		cmocka_unit_test(test_veto_without_heartbeat),
		cmocka_unit_test(test_disk_full_is_not_vetoed),
		cmocka_unit_test(test_ill_but_not_down),
		cmocka_unit_test(test_daemons),
		cmocka_unit_test(test_nothing_seen_yet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
