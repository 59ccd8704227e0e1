/*
 * test_checker.c: feature/checker*.c with a type of check whose results the test decides. The clock is the
 * test's own (fake_timers.h); it can be made to jump, as if the process had been stopped.
 */
#include "feature/checker.h"
#include "fake_timers.h"
#include "io_test.h"

#include "base/mem.h"
#include "model/server_view.h"

#define TARGETS 400

static struct {
	enum check_class class;
	bool hangs; /* until cancelled */
	bool has_view;
} world[TARGETS];
static int opened, closed, begun, in_flight, most_in_flight;

const struct check_type *__wrap_check_type_find(const char *name);

/* --- the type --------------------------------------------------------------------------------------- */

struct probe {
	struct loop *loop;
	const struct check_spec *spec;
	struct loop_timer *timer;
	check_done_fn *done;
	void *arg;
	bool is_running;
};

static size_t
number_of(const struct check_spec *s)
{
	return (size_t)atoi(s->name + 1);
}

static void
answer(void *arg)
{
	struct probe *p = arg;
	size_t n = number_of(p->spec);
	struct check_result r = { 0 };

	p->is_running = false;
	in_flight--;
	check_result_set(&r, world[n].class, "%s", check_class_text(world[n].class));
	check_result_number(&r, "connect", 0.001, "s", NULL, NULL);
	r.took_us = 1000;
	if (world[n].has_view) {
		r.view = server_view_new(SERVER_MARIADB);
		r.view->is_writable = true;
	}
	p->done(&r, p->arg);
	check_result_clear(&r);
}

static void *
fake_open(struct loop *l, const struct check_spec *s)
{
	struct probe *p = mem_alloc(sizeof(*p));

	opened++;
	p->loop = l;
	p->spec = s;
	p->timer = loop_timer_new(l, answer, p);
	return p;
}

static void
fake_start(void *probe, const struct check_run *run, check_done_fn *done, void *arg)
{
	struct probe *p = probe;

	(void)run;
	assert_false(p->is_running);
	p->is_running = true;
	p->done = done;
	p->arg = arg;
	begun++;
	if (++in_flight > most_in_flight)
		most_in_flight = in_flight;
	if (!world[number_of(p->spec)].hangs)
		loop_timer_set(p->timer, 1);
}

static void
fake_close(void *probe)
{
	struct probe *p = probe;

	closed++;
	in_flight -= p->is_running;
	loop_timer_free(p->timer);
	loop_defer_free(p->loop, p);
}

const struct check_type *
__wrap_check_type_find(const char *name)
{
	static const struct check_type socket = { .name = "socket",
		.has_target = true,
		.port = 1,
		.open = fake_open,
		.start = fake_start,
		.close = fake_close };
	static const struct check_type program = { .name = "program",
		.is_program = true,
		.open = fake_open,
		.start = fake_start,
		.close = fake_close };

	return strcmp(name, "program") == 0 ? &program : &socket;
}

/* --- the fixture ------------------------------------------------------------------------------------ */

static const struct debounce_config quick = { .interval_ms = 40,
	.fast_ms = 10,
	.timeout_ms = 20,
	.failures = 3,
	.successes = 2,
	.window_ms = 60,
	.success_window_ms = 60 };

struct fixture {
	struct loop *loop;
	struct checker *checker;
	struct check_spec specs[TARGETS];
	size_t count;
	enum check_role role;
	int failed, passed, news, sights;
};

static const struct name_map *
no_map(void *arg)
{
	(void)arg;
	return NULL;
}

static enum check_role
role_of(const struct check *k, void *arg)
{
	struct fixture *f = arg;

	(void)k;
	return f->role;
}

static bool
is_silent(void *arg)
{
	(void)arg;
	return false;
}

static void
ran(const struct check *k, enum debounce_event event, bool is_changed, void *arg)
{
	struct fixture *f = arg;

	(void)k;
	f->failed += event == DEBOUNCE_FAILED;
	f->passed += event == DEBOUNCE_PASSED;
	f->news += is_changed;
}

static void
sighted(enum vantage_sight before, void *arg)
{
	struct fixture *f = arg;

	f->sights += before != checker_vantage(f->checker)->sight;
}

/* Checks c0, c1 … on addresses of their own. */
static void
add_specs(struct fixture *f, size_t count, const char *type)
{
	for (size_t i = 0; i < count; i++) {
		size_t n = f->count++;

		f->specs[n] = (struct check_spec){
			.name = mem_printf("c%zu", n), .type = mem_strdup(type), .timing = quick
		};
		if (strcmp(type, "socket") == 0)
			f->specs[n].target = mem_printf("127.1.%zu.%zu", n / 200, n % 200 + 1);
	}
}

static void
load(struct fixture *f)
{
	const struct checker_env env = { no_map, role_of, is_silent, is_silent, ran, sighted, f };

	checker_load(f->checker, &env, f->specs, f->count);
}

static int
setup(void **state)
{
	struct fixture *f = mem_alloc(sizeof(*f));

	memset(world, 0, sizeof(world));
	opened = closed = begun = in_flight = most_in_flight = 0;
	fake_timers_begin();
	f->loop = loop_new();
	f->checker = checker_new(f->loop);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	checker_free(f->checker);
	loop_free(f->loop);
	fake_timers_end();
	assert_int_equal(opened, closed);
	assert_int_equal(in_flight, 0);
	for (size_t i = 0; i < f->count; i++)
		check_spec_clear(&f->specs[i]);
	free(f);
	return 0;
}

static enum check_state
state_of(const struct fixture *f, const char *name)
{
	return checker_find(f->checker, name)->debounce.state;
}

/* --- tests ------------------------------------------------------------------------------------------ */

static void
test_fails_and_passes(void **state)
{
	struct fixture *f = *state;
	const struct check *k;

	add_specs(f, 8, "socket");
	load(f);
	fake_timers_run(f->loop, 100);
	assert_true(begun >= 8);
	assert_int_equal(f->news, 8); /* each is known now */
	world[3].class = CHECK_REFUSED;
	assert_true(fake_timers_wait(f->loop, &f->failed, 1, 2000));
	k = checker_find(f->checker, "c3");
	assert_int_equal(k->debounce.state, STATE_FAILING);
	assert_int_equal(k->class, CHECK_REFUSED);
	assert_string_equal(k->text, check_class_text(CHECK_REFUSED));
	assert_true(k->history.failure_count >= 3);
	assert_true(k->history.failures[0].is_alone);
	assert_int_equal(checker_vantage(f->checker)->sight, VANTAGE_SIGHTED);
	world[3].class = CHECK_OK;
	assert_true(fake_timers_wait(f->loop, &f->passed, 1, 2000));
	assert_int_equal(k->class, CHECK_OK);
	assert_int_equal(k->number_count, 1);
	assert_int_equal(f->failed, 1);
}

/* One bad run, and good ones again: nobody is told of a failure. */
static void
test_a_blip_is_no_failure(void **state)
{
	struct fixture *f = *state;

	add_specs(f, 4, "socket");
	load(f);
	fake_timers_run(f->loop, 60);
	world[1].class = CHECK_TIMEOUT;
	for (int i = 0; i < 200 && state_of(f, "c1") != STATE_SUSPECT; i++)
		fake_timers_run(f->loop, 5);
	assert_int_equal(state_of(f, "c1"), STATE_SUSPECT);
	world[1].class = CHECK_OK;
	fake_timers_run(f->loop, 150);
	assert_int_equal(state_of(f, "c1"), STATE_PASSING);
	assert_int_equal(f->failed, 0);
}

/* Hanging checks fill their lane and no other; the rest waits its turn. */
static void
test_lanes(void **state)
{
	struct fixture *f = *state;

	add_specs(f, 300, "socket");
	add_specs(f, 20, "program");
	for (size_t i = 0; i < 300; i++)
		world[i].hangs = true;
	load(f);
	fake_timers_run(f->loop, 120);
	assert_in_range(checker_running(f->checker), 256, 256 + 8);
	assert_in_range(checker_queued(f->checker), 44, 44 + 20);
	for (size_t i = 300; i < 320; i++)
		assert_true(checker_find(f->checker, f->specs[i].name)->is_known);
	for (size_t i = 300; i < 320; i++)
		world[i].hangs = true;
	fake_timers_run(f->loop, 120);
	assert_int_equal(checker_running(f->checker), 256 + 8);
}

static void
test_first_runs_are_spread(void **state)
{
	struct fixture *f = *state;

	add_specs(f, 200, "socket");
	for (size_t i = 0; i < 200; i++)
		f->specs[i].timing.interval_ms = 1000;
	load(f);
	fake_timers_run(f->loop, 250);
	assert_in_range(begun, 40, 60);
	assert_true(most_in_flight < 20);
}

/* A check of every hour is known soon after the start, and nevertheless they do not come in a flock. */
static void
test_first_runs_come_soon(void **state)
{
	struct fixture *f = *state;

	add_specs(f, 200, "socket");
	for (size_t i = 0; i < 200; i++)
		f->specs[i].timing.interval_ms = 3600 * 1000;
	load(f);
	fake_timers_run(f->loop, 900);
	assert_in_range(begun, 90, 110);
	fake_timers_run(f->loop, 900);
	for (size_t i = 0; i < 200; i++)
		assert_true(checker_find(f->checker, f->specs[i].name)->is_known);
	for (int quarter = 0; quarter < 8; quarter++) {
		begun = 0;
		fake_timers_run(f->loop, 900 * 1000);
		assert_in_range(begun, 40, 60);
	}
	assert_true(most_in_flight < 20);
}

static void
test_reload_keeps_what_did_not_change(void **state)
{
	struct fixture *f = *state;
	const struct check *kept;

	add_specs(f, 4, "socket");
	world[0].class = CHECK_REFUSED;
	load(f);
	assert_true(fake_timers_wait(f->loop, &f->failed, 1, 2000));
	kept = checker_find(f->checker, "c0");
	world[1].hangs = true;
	fake_timers_run(f->loop, 60);
	f->specs[1].port = 7;            /* changed, with a run under way */
	f->specs[2].timing.failures = 2; /* changed */
	check_spec_clear(&f->specs[3]);  /* gone */
	f->count = 3;
	load(f);
	assert_int_equal(opened, 6);
	assert_int_equal(closed, 3);
	assert_ptr_equal(checker_find(f->checker, "c0"), kept);
	assert_int_equal(kept->debounce.state, STATE_FAILING);
	assert_null(checker_find(f->checker, "c3"));
	assert_false(checker_find(f->checker, "c2")->is_known);
	assert_int_equal(checker_count(f->checker), 3);
	fake_timers_run(f->loop, 60);
	assert_true(checker_find(f->checker, "c2")->is_known);
}

/* What was looked for as an active says nothing about a standby. */
static void
test_a_flip_in_the_middle_of_a_run(void **state)
{
	struct fixture *f = *state;
	uint64_t runs;

	add_specs(f, 1, "socket");
	f->role = CHECK_ROLE_ACTIVE;
	world[0].class = CHECK_READ_ONLY;
	load(f);
	fake_timers_run(f->loop, 20);
	for (int i = 0; i < 50; i++) {
		runs = checker_find(f->checker, "c0")->history.run_count;
		while (in_flight == 0)
			fake_timers_run(f->loop, 1);
		f->role = f->role == CHECK_ROLE_ACTIVE ? CHECK_ROLE_STANDBY : CHECK_ROLE_ACTIVE;
		while (checker_find(f->checker, "c0")->history.run_count == runs)
			fake_timers_run(f->loop, 1);
	}
	assert_int_equal(f->failed, 0);
	assert_true(fake_timers_wait(f->loop, &f->failed, 1, 2000));
}

/* Four of ten machines at once: it is us. Nothing fails, and it is said once. */
static void
test_blind(void **state)
{
	struct fixture *f = *state;

	add_specs(f, 10, "socket");
	for (size_t i = 0; i < 10; i++)
		f->specs[i].timing.window_ms = 1000;
	load(f);
	fake_timers_run(f->loop, 100);
	for (size_t i = 0; i < 4; i++)
		world[i].class = CHECK_TIMEOUT;
	assert_true(fake_timers_wait(f->loop, &f->sights, 1, 2000));
	assert_int_equal(checker_vantage(f->checker)->sight, VANTAGE_BLIND);
	fake_timers_run(f->loop, 1500);
	assert_int_equal(f->failed, 0);
	assert_int_equal(f->sights, 1);
	for (size_t i = 0; i < 10; i++)
		assert_int_equal(checker_at(f->checker, i)->debounce.state, STATE_PASSING);
	for (size_t i = 0; i < 4; i++)
		world[i].class = CHECK_OK;
	assert_true(fake_timers_wait(f->loop, &f->sights, 2, 30000));
	assert_int_equal(checker_vantage(f->checker)->sight, VANTAGE_SIGHTED);
}

/* Who says of itself that it is ill was seen and heard: it may be many at once, behind a master that died. */
static void
test_bad_news_is_no_blindness(void **state)
{
	struct fixture *f = *state;

	add_specs(f, 10, "socket");
	for (size_t i = 0; i < 10; i++)
		f->specs[i].timing.window_ms = 1000;
	load(f);
	fake_timers_run(f->loop, 100);
	for (size_t i = 0; i < 6; i++)
		world[i].class = CHECK_REPLICATION;
	assert_true(fake_timers_wait(f->loop, &f->failed, 6, 5000));
	assert_int_equal(f->sights, 0);
}

/* Stopped for three seconds: what comes in afterwards is not believed. */
static void
test_a_gap_of_the_loop(void **state)
{
	struct fixture *f = *state;

	add_specs(f, 4, "socket");
	load(f);
	fake_timers_run(f->loop, 100);
	world[2].class = CHECK_TIMEOUT;
	fake_timers_jump(3000);
	fake_timers_run(f->loop, 500);
	assert_int_equal(checker_vantage(f->checker)->sight, VANTAGE_HELD);
	assert_int_equal(state_of(f, "c2"), STATE_PASSING);
	assert_int_equal(f->failed, 0);
	assert_int_equal(f->sights, 1);
}

static void
test_the_last_view_stays(void **state)
{
	struct fixture *f = *state;
	const struct check *k;

	add_specs(f, 1, "socket");
	world[0].has_view = true;
	load(f);
	fake_timers_run(f->loop, 200);
	k = checker_find(f->checker, "c0");
	assert_true(k->is_view_fresh);
	world[0].has_view = false;
	fake_timers_run(f->loop, 100);
	assert_false(k->is_view_fresh);
	assert_non_null(k->view);
	assert_true(k->view->seen_ms > 0);
}

/* A target that is none ends inside its beginning: no recursion however many there are. */
static void
test_bad_targets(void **state)
{
	struct fixture *f = *state;

	add_specs(f, 350, "socket");
	for (size_t i = 0; i < 350; i++) {
		free(f->specs[i].target);
		f->specs[i].target = mem_strdup("what is this");
	}
	load(f);
	fake_timers_run(f->loop, 100);
	assert_int_equal(begun, 0);
	assert_int_equal(checker_find(f->checker, "c7")->class, CHECK_RESOLVE);
}

static void
test_history(void **state)
{
	static struct check_history h;
	struct check_mark m = { .took_us = 1000 };
	struct str strip = STR_INIT;

	(void)state;
	assert_int_equal(check_history_quantile_us(&h, 0, 0.99), -1);
	for (int i = 0; i < 300; i++) {
		m.began_ms = i * 1000;
		m.took_us = (uint32_t)(1000 + i);
		m.class = i == 299 ? CHECK_TIMEOUT : i == 298 ? CHECK_AUTH : CHECK_OK;
		m.is_dropped = i == 297;
		check_history_add(&h, &m);
	}
	check_history_strip(&h, 299000, &strip);
	assert_int_equal(strip.len, 61);
	assert_string_equal(str_text(&strip) + 57, ".-w!");
	str_clear(&strip);
	/* 128 are remembered: 1172 to 1299 */
	assert_int_equal(check_history_quantile_us(&h, 299000, 1.0), 1299);
	assert_int_equal(check_history_quantile_us(&h, 299000, 0.0), 1172);
	check_history_clear(&h);
}

static void
test_lateness(void **state)
{
	static struct lateness l;
	const double shares[] = { 0, 0.5, 1 };
	int64_t us[3];

	(void)state;
	lateness_quantiles(&l, shares, 3, us);
	assert_int_equal(us[2], 0);
	for (int i = 0; i <= 100; i++)
		lateness_add(&l, i * 10 - 5);
	lateness_quantiles(&l, shares, 3, us);
	assert_int_equal(us[0], 0);
	assert_int_equal(us[1], 495);
	assert_int_equal(us[2], 995);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_fails_and_passes),
		TEST(test_a_blip_is_no_failure),
		TEST(test_lanes),
		TEST(test_first_runs_are_spread),
		TEST(test_first_runs_come_soon),
		TEST(test_reload_keeps_what_did_not_change),
		TEST(test_a_flip_in_the_middle_of_a_run),
		TEST(test_blind),
		TEST(test_bad_news_is_no_blindness),
		TEST(test_a_gap_of_the_loop),
		TEST(test_the_last_view_stays),
		TEST(test_bad_targets),
		cmocka_unit_test(test_history),
		cmocka_unit_test(test_lateness),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
