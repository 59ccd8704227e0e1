/*
 * test_hook_runner.c: feature/hook_runner.c with real programs that append what they are given to a
 * file, and fail while another file is there. Long timers are cut short (--wrap) and remembered.
 */
#include "base/file.h"
#include "base/mem.h"
#include "feature/config.h"
#include "feature/hook_runner.h"
#include "io_test.h"

#define AMPLE_MS 20000

static int64_t longest_ms;

void __real_loop_timer_set(struct loop_timer *t, int64_t delay_ms);
void __wrap_loop_timer_set(struct loop_timer *t, int64_t delay_ms);

/* The hook's own limit is 5 s: it is no pause. */
void
__wrap_loop_timer_set(struct loop_timer *t, int64_t delay_ms)
{
	assert_true(delay_ms >= 0);
	if (delay_ms != 5000 && delay_ms > longest_ms)
		longest_ms = delay_ms;
	__real_loop_timer_set(t, delay_ms > 1 && delay_ms != 5000 ? 1 : delay_ms);
}

struct fixture {
	char dir[64], seen[80], broken[80], script[512];
	char *on[3], *argv[4];
	struct config_hook hook;
	struct config config;
	struct loop *loop;
	struct hook_runner *runner;
};

static int
setup(void **state)
{
	static struct fixture f;

	memset(&f, 0, sizeof(f));
	longest_ms = 0;
	strcpy(f.dir, "/tmp/pointsman-hook.XXXXXX");
	assert_non_null(mkdtemp(f.dir));
	snprintf(f.seen, sizeof(f.seen), "%s/seen", f.dir);
	snprintf(f.broken, sizeof(f.broken), "%s/broken", f.dir);
	snprintf(f.script, sizeof(f.script),
	    "mkdir %s/lock || echo twice >> %s; { printf '%%s ' $CONSUL_INDEX; cat; } >> %s; "
	    "rmdir %s/lock; ! test -e %s",
	    f.dir, f.seen, f.seen, f.dir, f.broken);
	f.on[0] = (char *)"change";
	f.on[1] = (char *)"problem";
	f.argv[0] = (char *)"sh";
	f.argv[1] = (char *)"-c";
	f.argv[2] = f.script;
	f.hook = (struct config_hook){
		.name = (char *)"chat", .on = f.on, .command = f.argv, .limit_ms = 5000
	};
	f.config.hooks = &f.hook;
	f.config.hook_count = 1;
	f.loop = loop_new();
	f.config.agent.state_dir = f.dir;
	f.runner = hook_runner_new(f.loop, &f.config, NULL);
	hook_runner_set_served(f.runner, true);
	*state = &f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	char command[96];

	hook_runner_free(f->runner);
	loop_turn(f->loop, 0);
	loop_free(f->loop);
	assert_int_equal(io_test_count_children(), 0);
	snprintf(command, sizeof(command), "rm -rf %s", f->dir);
	return system(command);
}

static void
break_hook(const struct fixture *f)
{
	fclose(fopen(f->broken, "w"));
}

static void
fire(struct fixture *f, uint64_t generation)
{
	hook_runner_fire(f->runner, HOOK_CHANGE, generation,
	    json_pack("{s:[{s:I}]}", "changes", "name", (json_int_t)generation));
}

static char *
seen(const struct fixture *f)
{
	static char text[1 << 20];
	struct str s = STR_INIT;

	text[0] = '\0';
	if (file_read(f->seen, sizeof(text) - 1, &s, NULL) == 0)
		snprintf(text, sizeof(text), "%s", str_text(&s));
	str_clear(&s);
	return text;
}

static size_t
runs(const struct fixture *f)
{
	size_t lines = 0;

	for (const char *p = seen(f); (p = strchr(p, '\n')) != NULL; p++)
		lines++;
	return lines;
}

static bool
runs_come_to(struct fixture *f, size_t wanted)
{
	int64_t end = clock_mono_ms() + AMPLE_MS;

	while (runs(f) < wanted && clock_mono_ms() < end)
		loop_turn(f->loop, 5);
	if (!io_test_wait_children(f->loop, 0, AMPLE_MS))
		return false;
	io_test_idle(f->loop, 30); /* whatever comes too often */
	return runs(f) == wanted;
}

static void
test_document_and_index(void **state)
{
	struct fixture *f = *state;

	fire(f, 7);
	assert_true(runs_come_to(f, 1));
	assert_memory_equal(seen(f), "7 {", 3);
	assert_non_null(strstr(seen(f), "\"event\":\"change\""));
}

/* What comes while it runs is one more run, with all changes, and never beside the first. */
static void
test_events_meanwhile_are_merged(void **state)
{
	struct fixture *f = *state;

	fire(f, 1);
	loop_turn(f->loop, 0);
	loop_turn(f->loop, 0);
	fire(f, 2);
	fire(f, 3);
	assert_true(runs_come_to(f, 2));
	assert_non_null(strstr(seen(f), "[{\"name\":2},{\"name\":3}]"));
	assert_null(strstr(seen(f), "twice"));
}

static void
test_failing_is_tried_six_times(void **state)
{
	struct fixture *f = *state;
	const char *why;

	break_hook(f);
	fire(f, 1);
	assert_true(runs_come_to(f, 6));
	assert_string_equal(hook_runner_failed(f->runner, 0, &why), "chat");
	unlink(f->broken);
	fire(f, 2);
	assert_true(runs_come_to(f, 7));
	assert_null(hook_runner_failed(f->runner, 0, &why));
}

/* Events that never end, to a hook that always fails: no longer pause, and the last one gets its tries. */
static void
test_failing_for_ever_under_events(void **state)
{
	struct fixture *f = *state;
	int64_t end;

	break_hook(f);
	for (uint64_t i = 1; i <= 70; i++) {
		size_t before = runs(f);

		fire(f, i);
		for (int k = 0; k < 400 && runs(f) == before; k++)
			loop_turn(f->loop, 5);
		fire(f, 100 + i); /* while it runs */
	}
	io_test_idle(f->loop, 300);
	assert_true(longest_ms <= 80000);
	unlink(f->broken);
	fire(f, 999);
	end = clock_mono_ms() + AMPLE_MS;
	while (strstr(seen(f), "999 {") == NULL && clock_mono_ms() < end)
		loop_turn(f->loop, 5);
	assert_non_null(strstr(seen(f), "999 {"));
	assert_null(strstr(seen(f), "twice"));
}

/* A change that is in the files is told when it is served; a problem at once. */
static void
test_changes_wait_until_they_are_served(void **state)
{
	struct fixture *f = *state;

	hook_runner_set_served(f->runner, false);
	fire(f, 1);
	fire(f, 2);
	hook_runner_fire(f->runner, HOOK_PROBLEM, 2, json_pack("{s:[]}", "problems"));
	assert_true(runs_come_to(f, 1));
	assert_non_null(strstr(seen(f), "\"event\":\"problem\""));
	hook_runner_set_served(f->runner, true);
	assert_true(runs_come_to(f, 2));
	assert_non_null(strstr(seen(f), "[{\"name\":1},{\"name\":2}]"));
}

/* The runner ends, and another one of the same state directory begins. */
static void
restart(struct fixture *f)
{
	if (hook_runner_is_dirty(f->runner))
		assert_int_equal(hook_runner_save(f->runner, NULL), 0);
	hook_runner_free(f->runner);
	loop_turn(f->loop, 0);
	f->runner = hook_runner_new(f->loop, &f->config, NULL);
	hook_runner_set_served(f->runner, true);
}

static void
test_what_runs_and_waits_outlives_a_restart(void **state)
{
	struct fixture *f = *state;

	f->argv[2] = (char *)"sleep 60";
	fire(f, 1);
	loop_turn(f->loop, 0);
	loop_turn(f->loop, 0);
	assert_int_equal(io_test_count_children(), 1);
	fire(f, 2);
	hook_runner_fire(f->runner, HOOK_PROBLEM, 2, json_pack("{s:[]}", "problems"));
	f->argv[2] = f->script;
	restart(f);
	assert_true(runs_come_to(f, 2));
	assert_memory_equal(seen(f), "2 {", 3);
	assert_non_null(strstr(seen(f), "[{\"name\":1},{\"name\":2}]"));
	assert_non_null(strstr(seen(f), "\"event\":\"problem\""));
	restart(f); /* told is told */
	assert_true(runs_come_to(f, 2));
	assert_false(hook_runner_is_dirty(f->runner));
}

/* What was kept for a hook that is gone, or is not to be told of this any more, is dropped. */
static void
test_kept_for_nobody(void **state)
{
	struct fixture *f = *state;

	hook_runner_set_served(f->runner, false);
	fire(f, 1);
	f->on[0] = f->on[1];
	f->on[1] = NULL;
	restart(f);
	assert_true(runs_come_to(f, 0));
	f->on[0] = (char *)"change";
	restart(f);
	assert_true(runs_come_to(f, 0));
}

static void
test_kept_file_is_damaged(void **state)
{
	static const char *const texts[] = { "[{", "7", "{}", "[7,null,{\"hook\":7}]",
		"[{\"hook\":\"chat\",\"document\":[]}]",
		"[{\"hook\":\"chat\",\"document\":{\"event\":\"nonsense\"}}]" };
	struct fixture *f = *state;
	char path[96];
	struct err e;

	snprintf(path, sizeof(path), "%s/hooks.json", f->dir);
	for (size_t i = 0; i < MEM_COUNT(texts); i++) {
		hook_runner_free(f->runner);
		assert_int_equal(file_replace(path, texts[i], strlen(texts[i]), 0600, NULL), 0);
		f->runner = hook_runner_new(f->loop, &f->config, &e);
		assert_int_equal(e.code, i == 0 ? ERR_PROTOCOL : ERR_NONE);
		hook_runner_set_served(f->runner, true);
		assert_true(runs_come_to(f, 0));
		assert_int_equal(hook_runner_save(f->runner, NULL), 0);
		assert_int_equal(access(path, F_OK), -1);
	}
	fire(f, 1);
	assert_true(runs_come_to(f, 1));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_document_and_index, setup, teardown),
		cmocka_unit_test_setup_teardown(test_events_meanwhile_are_merged, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failing_is_tried_six_times, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_failing_for_ever_under_events, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_changes_wait_until_they_are_served, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_what_runs_and_waits_outlives_a_restart, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kept_for_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kept_file_is_damaged, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
