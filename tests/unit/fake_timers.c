/*
 * fake_timers.c: a list of the timers that are set. Two that are due at the same time run in the order in
 * which they were set.
 */
#include "fake_timers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "io/loop.h"

#define BEGIN_US 1000000000 /* not 0, which means "never" to many */
#define TURNS 4

struct loop_timer {
	loop_fn *fn;
	void *arg;
	int64_t due_us;
	struct loop_timer *next; /* while it is set */
	bool is_set;
};

static struct loop_timer *first; /* the next to run */
static int64_t now_us;
static int count_made;

struct loop_timer *__wrap_loop_timer_new(struct loop *l, loop_fn *fn, void *arg);
void __wrap_loop_timer_free(struct loop_timer *t);
void __wrap_loop_timer_set(struct loop_timer *t, int64_t delay_ms);
void __wrap_loop_timer_stop(struct loop_timer *t);
int __wrap_loop_timer_is_set(const struct loop_timer *t);

struct loop_timer *
__wrap_loop_timer_new(struct loop *l, loop_fn *fn, void *arg)
{
	struct loop_timer *t = mem_alloc(sizeof(*t));

	(void)l;
	t->fn = fn;
	t->arg = arg;
	count_made++;
	return t;
}

void
__wrap_loop_timer_stop(struct loop_timer *t)
{
	struct loop_timer **at = &first;

	if (!t->is_set)
		return;
	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	t->is_set = false;
}

void
__wrap_loop_timer_free(struct loop_timer *t)
{
	if (t == NULL)
		return;
	__wrap_loop_timer_stop(t);
	count_made--;
	free(t);
}

void
__wrap_loop_timer_set(struct loop_timer *t, int64_t delay_ms)
{
	struct loop_timer **at = &first;

	assert_true(delay_ms >= 0);
	__wrap_loop_timer_stop(t);
	t->due_us = now_us + delay_ms * 1000;
	while (*at != NULL && (*at)->due_us <= t->due_us)
		at = &(*at)->next;
	t->next = *at;
	*at = t;
	t->is_set = true;
}

int
__wrap_loop_timer_is_set(const struct loop_timer *t)
{
	return t->is_set;
}

static void
set_clock(int64_t us)
{
	now_us = us;
	clock_fake_set(us);
}

void
fake_timers_begin(void)
{
	assert_int_equal(count_made, 0);
	set_clock(BEGIN_US);
}

void
fake_timers_end(void)
{
	assert_int_equal(count_made, 0);
	clock_fake_set(-1);
}

void
fake_timers_jump(int64_t ms)
{
	set_clock(now_us + ms * 1000);
}

/* What is deferred, and what files and sockets of our own have for us: some of it leads to more. */
static void
turn(struct loop *l)
{
	for (int i = 0; i < TURNS; i++)
		loop_turn(l, 0);
}

/* The next one, if it is due by then; false: there is none, and the clock stands there. */
static bool
step(struct loop *l, int64_t end_us)
{
	struct loop_timer *t = first;

	if (t == NULL || t->due_us > end_us) {
		if (now_us < end_us)
			set_clock(end_us);
		return false;
	}
	if (t->due_us > now_us)
		set_clock(t->due_us);
	__wrap_loop_timer_stop(t);
	t->fn(t->arg);
	turn(l);
	return true;
}

void
fake_timers_run(struct loop *l, int64_t ms)
{
	int64_t end_us = now_us + ms * 1000;

	turn(l);
	while (step(l, end_us))
		continue;
}

bool
fake_timers_wait(struct loop *l, const int *count, int want, int64_t limit_ms)
{
	int64_t end_us = now_us + limit_ms * 1000;

	turn(l);
	while (*count < want && step(l, end_us))
		continue;
	return *count >= want;
}
