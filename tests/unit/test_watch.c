/*
 * test_watch.c: feature/watch.c against a store that lies. Timers are cut short (--wrap): the test
 * sees what was asked for and does not wait for it. The clock is the test's own, and stands still.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "fake_kv.h"
#include "feature/watch.h"
#include "io/loop.h"

#define SILENCE_MS 60000

static int64_t longest_timer_ms, last_timer_ms, now_ms;

int64_t __wrap_clock_mono_ms(void);

int64_t
__wrap_clock_mono_ms(void)
{
	return now_ms;
}

void __real_loop_timer_set(struct loop_timer *t, int64_t delay_ms);
void __wrap_loop_timer_set(struct loop_timer *t, int64_t delay_ms);

void
__wrap_loop_timer_set(struct loop_timer *t, int64_t delay_ms)
{
	last_timer_ms = delay_ms;
	if (delay_ms > longest_timer_ms)
		longest_timer_ms = delay_ms;
	__real_loop_timer_set(t, 0);
}

/* What the reader was given, and what it says. */
struct fixture {
	struct loop *loop;
	struct kv *kv;
	struct watch *watch;
	unsigned fed, counted, failures;
	size_t count;     /* entries in the last answer */
	size_t kept_back; /* what feed says next */
	bool is_news;
};

static size_t
feed(struct kv_answer *a, bool is_counted, bool *is_news, void *arg)
{
	struct fixture *f = arg;

	f->fed++;
	f->counted += is_counted;
	f->count = a->list.count;
	*is_news = f->is_news;
	return f->kept_back;
}

static void
contact(const struct err *e, void *arg)
{
	struct fixture *f = arg;

	f->failures += e->code != ERR_NONE;
}

static void
turn(struct fixture *f)
{
	for (int i = 0; i < 3; i++)
		loop_turn(f->loop, 0);
}

static int
setup(void **state)
{
	static struct fixture f;
	const struct watch_reader reader = { feed, contact, &f };

	f = (struct fixture){ .is_news = true };
	longest_timer_ms = last_timer_ms = 0;
	now_ms = 1000;
	f.loop = loop_new();
	f.kv = fake_kv_new(f.loop);
	f.watch = watch_new(f.loop, f.kv, "p/", SILENCE_MS, &reader);
	watch_start(f.watch);
	*state = &f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	watch_free(f->watch);
	kv_free(f->kv);
	loop_free(f->loop);
	return 0;
}

/* The first answer: index 10, one key. */
static void
begin(struct fixture *f)
{
	fake_kv_answer(fake_kv_plain(f->kv), 10, "p/a=1");
	turn(f);
}

static void
test_first_read_is_consistent(void **state)
{
	struct fixture *f = *state;

	assert_null(fake_kv_blocking(f->kv)->call);
	assert_true(fake_kv_plain(f->kv)->read.is_consistent);
	begin(f);
	assert_int_equal(f->counted, 1);
	assert_int_equal(watch_state(f->watch), WATCH_FOLLOWING);
	assert_int_equal(fake_kv_blocking(f->kv)->read.index, 10);
	assert_int_equal(fake_kv_blocking(f->kv)->read.wait_ms, SILENCE_MS);
}

static void
test_forward_is_used_at_once(void **state)
{
	struct fixture *f = *state;

	begin(f);
	fake_kv_answer(fake_kv_blocking(f->kv), 11, "p/a=2");
	assert_int_equal(f->fed, 2);
	assert_int_equal(f->counted, 1);
	/* and followed at once, without a pause */
	assert_non_null(fake_kv_blocking(f->kv)->call);
	assert_int_equal(fake_kv_blocking(f->kv)->read.index, 11);
}

/* A restarted server: 200, an empty list, an index far below ours. */
static void
test_backwards_is_not_used(void **state)
{
	struct fixture *f = *state;

	begin(f);
	fake_kv_answer(fake_kv_blocking(f->kv), 3, "");
	turn(f);
	assert_int_equal(f->fed, 1);
	assert_non_null(fake_kv_plain(f->kv)->call);
	assert_true(fake_kv_plain(f->kv)->read.is_consistent);
}

static void
test_missing_index_is_not_used(void **state)
{
	struct fixture *f = *state;

	begin(f);
	fake_kv_answer(fake_kv_blocking(f->kv), 0, "");
	turn(f);
	assert_int_equal(f->fed, 1);
	assert_non_null(fake_kv_plain(f->kv)->call);
}

static void
test_after_error_comes_consistent(void **state)
{
	struct fixture *f = *state;

	begin(f);
	fake_kv_answer(fake_kv_blocking(f->kv), 0, NULL);
	assert_int_equal(watch_state(f->watch), WATCH_BACKOFF);
	assert_int_equal(f->failures, 1);
	turn(f);
	assert_int_equal(watch_state(f->watch), WATCH_READING);
	assert_true(fake_kv_plain(f->kv)->read.is_consistent);
	/* an index below the old one is fine now: the store says so with a quorum */
	fake_kv_answer(fake_kv_plain(f->kv), 4, "p/a=1");
	turn(f);
	assert_int_equal(f->fed, 2);
	assert_int_equal(fake_kv_blocking(f->kv)->read.index, 4);
}

static void
test_backoff_grows_and_ends(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 20; i++) {
		fake_kv_answer(fake_kv_plain(f->kv), 0, NULL);
		turn(f);
	}
	assert_in_range(last_timer_ms, 3000, 6500);
	begin(f);
	fake_kv_answer(fake_kv_blocking(f->kv), 0, NULL);
	assert_in_range(last_timer_ms, 100, 300);
}

/* The wait ended without news: somebody else may have become the leader meanwhile. */
static void
test_silence_ends_in_a_consistent_read(void **state)
{
	struct fixture *f = *state;

	begin(f);
	now_ms += SILENCE_MS;
	fake_kv_answer(fake_kv_blocking(f->kv), 10, "p/a=1");
	assert_int_equal(watch_state(f->watch), WATCH_READING);
	assert_true(fake_kv_plain(f->kv)->read.is_consistent);
}

/* The same at once, and again and again: an index from before a restore, or 1. */
static void
test_an_index_that_does_not_move_is_paced(void **state)
{
	struct fixture *f = *state;

	begin(f);
	f->is_news = false;
	for (int i = 0; i < 20; i++) {
		fake_kv_answer(fake_kv_blocking(f->kv), 10, "p/a=1");
		assert_int_equal(watch_state(f->watch), WATCH_BACKOFF);
		turn(f);
		assert_int_equal(watch_state(f->watch), WATCH_READING);
		fake_kv_answer(fake_kv_plain(f->kv), 10, "p/a=1");
	}
	assert_int_equal(longest_timer_ms, 1000);
}

/* Removals are asked for again, beside the blocking read, until none is kept back. */
static void
test_removal_is_confirmed(void **state)
{
	struct fixture *f = *state;

	begin(f);
	f->kept_back = 1;
	fake_kv_answer(fake_kv_blocking(f->kv), 11, "");
	turn(f);
	assert_non_null(fake_kv_plain(f->kv)->call);
	assert_true(fake_kv_plain(f->kv)->read.is_consistent);
	assert_non_null(fake_kv_blocking(f->kv)->call);
	longest_timer_ms = 0;
	now_ms += WATCH_CONFIRM_MS;
	fake_kv_answer(fake_kv_plain(f->kv), 11, "");
	assert_int_equal(longest_timer_ms, WATCH_CONFIRM_MS);
	turn(f);
	f->kept_back = 0;
	now_ms += WATCH_CONFIRM_MS;
	fake_kv_answer(fake_kv_plain(f->kv), 11, "");
	turn(f);
	assert_null(fake_kv_plain(f->kv)->call);
	assert_int_equal(f->counted, 3);
}

/* An error, a reread, a bell: reads that follow each other closely are one when it comes to count. */
static void
test_answers_of_one_moment_count_once(void **state)
{
	struct fixture *f = *state;

	begin(f);
	f->kept_back = 1;
	for (int i = 0; i < 5; i++) {
		now_ms += WATCH_CONFIRM_MS / 5 - 1;
		watch_reread(f->watch);
		fake_kv_answer(fake_kv_plain(f->kv), 11, "");
		turn(f);
	}
	assert_int_equal(f->fed, 6);
	assert_int_equal(f->counted, 1);
}

/* A flip comes while a removal waits for its confirmation: it does not wait with it. */
static void
test_flip_during_confirmation(void **state)
{
	struct fixture *f = *state;

	begin(f);
	f->kept_back = 1;
	fake_kv_answer(fake_kv_blocking(f->kv), 11, "");
	turn(f);
	fake_kv_answer(fake_kv_blocking(f->kv), 12, "p/b=1");
	assert_int_equal(f->fed, 3);
	/* the confirmation that was asked before it and answers older data is dropped */
	fake_kv_answer(fake_kv_plain(f->kv), 11, "");
	assert_int_equal(f->fed, 3);
}

/* An empty prefix wakes at every write of the cluster: the pauses grow, up to a second. */
static void
test_spurious_wakes_are_paced(void **state)
{
	struct fixture *f = *state;

	begin(f);
	f->is_news = false;
	for (uint64_t i = 11; i < 31; i++) {
		fake_kv_answer(fake_kv_blocking(f->kv), i, "p/a=1");
		assert_int_equal(watch_state(f->watch), WATCH_PAUSED);
		turn(f);
	}
	assert_int_equal(last_timer_ms, 1000);
	f->is_news = true;
	fake_kv_answer(fake_kv_blocking(f->kv), 31, "p/a=2");
	assert_int_equal(watch_state(f->watch), WATCH_FOLLOWING);
}

static void
test_answer_without_index_is_asked_again(void **state)
{
	struct fixture *f = *state;

	fake_kv_answer(fake_kv_plain(f->kv), 0, "p/a=1");
	assert_int_equal(f->fed, 1);
	assert_in_range(last_timer_ms, 500, 2000);
	turn(f);
	assert_non_null(fake_kv_plain(f->kv)->call);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_first_read_is_consistent),
		TEST(test_forward_is_used_at_once),
		TEST(test_backwards_is_not_used),
		TEST(test_missing_index_is_not_used),
		TEST(test_after_error_comes_consistent),
		TEST(test_backoff_grows_and_ends),
		TEST(test_silence_ends_in_a_consistent_read),
		TEST(test_an_index_that_does_not_move_is_paced),
		TEST(test_removal_is_confirmed),
		TEST(test_answers_of_one_moment_count_once),
		TEST(test_flip_during_confirmation),
		TEST(test_spurious_wakes_are_paced),
		TEST(test_answer_without_index_is_asked_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
