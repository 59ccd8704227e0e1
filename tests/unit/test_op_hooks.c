/*
 * test_op_hooks.c: operate/op_hooks.c and op_command.c with real programs: small shell scripts that
 * write into a directory of their own what they were given.
 */
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "feature/config.h"
#include "io_test.h"
#include "operate/op_command.h"
#include "operate/op_hooks.h"
#include "scratch.h"

#define LIMIT_MS 20000

struct fixture {
	char dir[64];
	struct loop *loop;
	struct config config;
	struct config_pair pair;
	struct config_hook hooks[3];
	char *scripts[8];
	size_t script_count;
	char *argvs[8][6];
};

static int
setup(void **state)
{
	static struct fixture f;

	memset(&f, 0, sizeof(f));
	strcpy(f.dir, "/tmp/pointsman-op.XXXXXX");
	assert_non_null(mkdtemp(f.dir));
	assert_int_equal(setenv("HERE", f.dir, 1), 0);
	f.loop = loop_new();
	f.pair = (struct config_pair){ .name = (char *)"maindb", .hook_limit_ms = LIMIT_MS };
	f.config.hooks = f.hooks;
	*state = &f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	loop_turn(f->loop, 0);
	/* A supervisor that was told to end is an orphan until it has: under valgrind that takes a while. */
	io_test_wait_children(f->loop, 0, LIMIT_MS);
	loop_free(f->loop);
	assert_int_equal(io_test_count_children(), 0);
	for (size_t i = 0; i < f->script_count; i++)
		free(f->scripts[i]);
	return scratch_remove(f->dir);
}

/* argv of a shell that runs script, with one more argument. */
static char **
shell(struct fixture *f, const char *script, const char *argument)
{
	char **argv = f->argvs[f->script_count];

	f->scripts[f->script_count] = mem_printf("cd \"$HERE\"; %s", script);
	argv[0] = (char *)"sh";
	argv[1] = (char *)"-c";
	argv[2] = f->scripts[f->script_count++];
	argv[3] = (char *)"hook";
	argv[4] = (char *)argument;
	return argv;
}

static void
add_hook(struct fixture *f, const char *name, char **on, const char *script)
{
	f->hooks[f->config.hook_count++] = (struct config_hook){ .name = (char *)name,
		.on = on,
		.command = shell(f, script, "x"),
		.limit_ms = LIMIT_MS };
}

static char *on_begin[] = { (char *)"change", (char *)"op-begin", NULL };
static char *on_end[] = { (char *)"op-done", (char *)"op-failed", NULL };
static char *on_change[] = { (char *)"change", NULL };

/* What stands in a file of the directory; "" when it is not there. */
static const char *
text_of(const struct fixture *f, const char *name)
{
	static char text[65536];
	char *path = file_join(f->dir, name);
	struct str s = STR_INIT;

	text[0] = '\0';
	if (file_read(path, sizeof(text) - 1, &s, NULL) == 0)
		snprintf(text, sizeof(text), "%s", str_text(&s));
	str_clear(&s);
	free(path);
	return text;
}

static int
run(struct fixture *f, enum op_hook_event event, struct err *e)
{
	err_clear(e);
	return op_hooks_run(f->loop, &f->config, &f->pair, event, 8813, NULL, e);
}

/* Zombies do not run: who adopts an orphan may reap it when he likes. */
static bool
is_running(pid_t pid)
{
	char path[32], state = 'Z';
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if ((file = fopen(path, "r")) == NULL)
		return false;
	if (fscanf(file, "%*d %*s %c", &state) != 1)
		state = 'Z'; /* gone between the two */
	fclose(file);
	return state != 'Z';
}

/* Whether the process whose number stands in that file runs; it is given a moment to end. */
static bool
lives(const struct fixture *f, const char *name)
{
	pid_t pid = (pid_t)atoi(text_of(f, name));

	assert_true(pid > 1);
	for (int i = 0; i < 100 && is_running(pid); i++)
		usleep(10000);
	return is_running(pid);
}

/* --- hooks --------------------------------------------------------------------------------------- */

static void
nobody_to_tell_is_fine(void **state)
{
	struct fixture *f = *state;
	struct err e;

	add_hook(f, "other", on_change, "touch told");
	for (int i = OP_HOOK_BEGIN; i <= OP_HOOK_FAILED; i++) {
		enum op_hook_event event = (enum op_hook_event)i;

		assert_false(op_hooks_any(&f->config, &f->pair, event));
		assert_false(op_hooks_any(&f->config, NULL, event));
		assert_int_equal(run(f, event, &e), 0);
	}
	assert_int_equal(scratch_count(f->dir), 0);
	f->pair.post_hook = shell(f, "", "x");
	assert_false(op_hooks_any(&f->config, &f->pair, OP_HOOK_BEGIN));
	assert_true(op_hooks_any(&f->config, &f->pair, OP_HOOK_DONE));
	assert_false(op_hooks_any(&f->config, NULL, OP_HOOK_DONE));
	add_hook(f, "begin", on_begin, "");
	assert_true(op_hooks_any(&f->config, NULL, OP_HOOK_BEGIN));
	assert_false(op_hooks_any(&f->config, NULL, OP_HOOK_FAILED));
}

/* The pair's own first, and never two at once: the first is the slowest. */
static void
they_run_one_after_the_other(void **state)
{
	struct fixture *f = *state;
	struct err e;

	f->pair.pre_hook = shell(f, "echo own begins >>seen; sleep 0.1; echo own ends >>seen", "x");
	f->pair.post_hook = shell(f, "echo post >>seen", "x");
	f->pair.failed_hook = shell(f, "echo failed >>seen", "x");
	add_hook(f, "one", on_begin, "echo one >>seen");
	add_hook(f, "end", on_end, "echo end >>seen");
	add_hook(f, "two", on_begin, "echo two >>seen");
	assert_int_equal(run(f, OP_HOOK_BEGIN, &e), 0);
	assert_string_equal(text_of(f, "seen"), "own begins\nown ends\none\ntwo\n");
	assert_int_equal(run(f, OP_HOOK_FAILED, &e), 0);
	assert_int_equal(run(f, OP_HOOK_DONE, &e), 0);
	assert_string_equal(
	    text_of(f, "seen"), "own begins\nown ends\none\ntwo\nfailed\nend\npost\nend\n");
	assert_int_equal(op_hooks_run(f->loop, &f->config, NULL, OP_HOOK_BEGIN, 1, NULL, &e), 0);
	assert_non_null(strstr(text_of(f, "seen"), "post\nend\none\ntwo\n"));
}

static void
they_are_given_the_document(void **state)
{
	struct fixture *f = *state;
	json_t *document = json_pack("{s:s, s:s}", "id", "01HZX3M9QK", "pair", "maindb"), *told;
	const char *text;
	struct err e;

	f->pair.failed_hook = shell(f, "cat >own; printf %s \"$CONSUL_INDEX\" >index", "x");
	add_hook(f, "end", on_end, "cat >global");
	assert_int_equal(
	    op_hooks_run(f->loop, &f->config, &f->pair, OP_HOOK_FAILED, 8813, document, &e), 0);
	assert_string_equal(text_of(f, "index"), "8813");
	text = text_of(f, "own");
	told = json_parse(text, strlen(text), "stdin", &e);
	assert_string_equal(json_get_string(told, "event", ""), "op-failed");
	assert_int_equal(json_get_int(told, "generation", 0), 8813);
	assert_string_equal(json_get_string(told, "id", ""), "01HZX3M9QK");
	assert_string_equal(json_get_string(told, "pair", ""), "maindb");
	json_decref(told);
	assert_string_equal(text_of(f, "global"), "{\"id\":\"01HZX3M9QK\",\"pair\":\"maindb\","
						  "\"event\":\"op-failed\",\"generation\":8813}\n");
	/* Ours is as it was. */
	assert_int_equal(json_object_size(document), 2);
	json_decref(document);
}

/* A document that fills more than a pipe, to a hook that reads none of it. */
static void
nobody_has_to_read_it(void **state)
{
	struct fixture *f = *state;
	char *long_text = mem_array(200001, 1);
	json_t *document;
	struct err e;

	memset(long_text, 'x', 200000);
	document = json_pack("{s:s}", "text", long_text);
	f->pair.pre_hook = shell(f, "exit 0", "x");
	assert_int_equal(
	    op_hooks_run(f->loop, &f->config, &f->pair, OP_HOOK_BEGIN, 1, document, &e), 0);
	f->pair.pre_hook = shell(f, "wc -c >size", "x");
	assert_int_equal(
	    op_hooks_run(f->loop, &f->config, &f->pair, OP_HOOK_BEGIN, 1, document, &e), 0);
	assert_true(atoi(text_of(f, "size")) > 200000);
	json_decref(document);
	free(long_text);
}

static void
no_token_and_no_shell(void **state)
{
	struct fixture *f = *state;
	struct err e;

	setenv("CONSUL_HTTP_TOKEN", "secret-of-ours", 1);
	f->pair.pre_hook = shell(f, "env >env; printf '%s' \"$1\" >argument", "$(id); `id` {node}");
	assert_int_equal(run(f, OP_HOOK_BEGIN, &e), 0);
	unsetenv("CONSUL_HTTP_TOKEN");
	assert_non_null(strstr(text_of(f, "env"), "CONSUL_INDEX=8813\n"));
	assert_null(strstr(text_of(f, "env"), "CONSUL_HTTP_TOKEN"));
	assert_null(strstr(text_of(f, "env"), "secret-of-ours"));
	assert_string_equal(text_of(f, "argument"), "$(id); `id` {node}");
}

/* What is not begun is told to nobody else. */
static void
the_first_failure_ends_a_beginning(void **state)
{
	struct fixture *f = *state;
	struct err e;

	f->pair.pre_hook = shell(f, "echo; echo 'not today'; echo more; exit 3", "x");
	add_hook(f, "one", on_begin, "echo one >>seen");
	assert_int_equal(run(f, OP_HOOK_BEGIN, &e), -1);
	assert_string_equal(e.text, "pre-hook of the pair maindb: ended with status 3: not today");
	assert_int_equal(e.code, ERR_UNAVAILABLE);
	f->pair.pre_hook = NULL;
	add_hook(f, "two", on_begin, "printf 'no \\033[1m' >&2; exit 1");
	add_hook(f, "three", on_begin, "echo three >>seen");
	assert_int_equal(run(f, OP_HOOK_BEGIN, &e), -1);
	assert_string_equal(e.text, "hook two: ended with status 1: no \\x1b[1m");
	assert_string_equal(text_of(f, "seen"), "one\n");
}

static void
an_end_is_told_to_all(void **state)
{
	struct fixture *f = *state;
	struct err e;

	f->pair.post_hook = shell(f, "echo own >>seen", "x");
	add_hook(f, "one", on_end, "echo one >>seen; kill -9 $$");
	add_hook(f, "two", on_end, "echo two >>seen; exit 2");
	add_hook(f, "three", on_end, "echo three >>seen");
	assert_int_equal(run(f, OP_HOOK_DONE, &e), -1);
	assert_string_equal(e.text, "hook one: was ended by signal 9, Killed");
	assert_string_equal(text_of(f, "seen"), "own\none\ntwo\nthree\n");
	assert_int_equal(run(f, OP_HOOK_DONE, NULL), -1);
}

static void
one_that_cannot_be_run_has_failed(void **state)
{
	struct fixture *f = *state;
	char *argv[] = { (char *)"/nonexistent/hook", NULL };
	struct err e;

	/* It turns the vfork of posix_spawn into a fork: an error of execve is lost on the way back. */
	if (io_test_is_valgrind())
		skip();
	f->pair.pre_hook = argv;
	assert_int_equal(run(f, OP_HOOK_BEGIN, &e), -1);
	assert_string_equal(e.text, "pre-hook of the pair maindb: cannot run /nonexistent/hook: No "
				    "such file or directory");
}

static void
tick(void *arg)
{
	(*(int *)arg)++;
}

/* A shell that ignores TERM, and its child: both are gone. What else the loop has to do goes on. */
static void
one_that_hangs_is_killed(void **state)
{
	struct fixture *f = *state;
	int ticks = 0;
	struct loop_timer *t = loop_timer_new(f->loop, tick, &ticks);
	struct err e;
	int64_t began;

	f->pair.hook_limit_ms = 300;
	f->pair.post_hook = shell(f,
	    "trap '' TERM; echo waiting; echo $$ >shell; sleep 600 & echo $! >child; wait; wait",
	    "x");
	add_hook(f, "next", on_end, "echo next >seen");
	loop_timer_set(t, 50);
	began = clock_mono_ms();
	assert_int_equal(run(f, OP_HOOK_DONE, &e), -1);
	assert_true(clock_mono_ms() - began < LIMIT_MS / 2);
	assert_string_equal(e.text,
	    "post-hook of the pair maindb: sh: did not end within 0.30s and "
	    "was killed: waiting");
	assert_int_equal(e.code, ERR_TIMEOUT);
	assert_false(lives(f, "shell"));
	assert_false(lives(f, "child"));
	assert_string_equal(text_of(f, "seen"), "next\n");
	assert_int_equal(ticks, 1);
	loop_timer_free(t);
}

/* --- commands ------------------------------------------------------------------------------------ */

static void
a_command_is_told_the_server(void **state)
{
	struct fixture *f = *state;
	char **argv = shell(f, "printf '%s' \"$1\" >argument; echo; echo it runs; exit 3",
	    "{node}={address};{port}");
	struct str end = STR_INIT;
	struct exec_result r;
	struct err e;

	assert_int_equal(
	    op_command_run(f->loop, argv, "db3", "fd00::3", LIMIT_MS, NULL, NULL, &r, &e), 0);
	assert_string_equal(text_of(f, "argument"), "db3=fd00::3;{port}");
	assert_int_equal(r.exit_status, 3);
	op_program_add_end(&end, &r);
	assert_string_equal(str_text(&end), "ended with status 3: it runs");
	str_clear(&end);
}

static void
a_command_is_not_run_for_an_address_nobody_knows(void **state)
{
	struct fixture *f = *state;
	char **argv = shell(f, "touch ran", "{address}"), **plain = shell(f, "touch ran", "{node}");
	static const char *const unknown[] = { NULL, "" };
	struct exec_result r;
	struct err e;

	for (size_t i = 0; i < MEM_COUNT(unknown); i++) {
		assert_int_equal(
		    op_command_run(f->loop, argv, "db3", unknown[i], LIMIT_MS, NULL, NULL, &r, &e),
		    -1);
		assert_string_equal(e.text, "it was not run: nobody knows the address of db3");
		assert_int_equal(r.exit_status, -1);
		assert_int_equal(scratch_count(f->dir), 0);
	}
	assert_int_equal(
	    op_command_run(f->loop, plain, "db3", NULL, LIMIT_MS, NULL, NULL, &r, &e), 0);
	assert_int_equal(scratch_count(f->dir), 1);
}

static void
a_command_has_a_limit(void **state)
{
	struct fixture *f = *state;
	char **argv = shell(f, "echo $$ >shell; exec sleep 600", "x");
	struct exec_result r;
	struct err e;

	assert_int_equal(op_command_run(f->loop, argv, "db3", "", 200, NULL, NULL, &r, &e), -1);
	assert_int_equal(e.code, ERR_TIMEOUT);
	assert_string_equal(e.text, "sh: did not end within 0.20s and was killed");
	assert_false(lives(f, "shell"));
}

/* Once the program has begun to work. */
static bool
has_begun(void *arg)
{
	const struct fixture *f = arg;

	return strchr(text_of(f, "shell"), '\n') != NULL;
}

static void
a_command_can_be_stopped(void **state)
{
	struct fixture *f = *state;
	char **argv = shell(f, "trap '' TERM INT; echo $$ >shell; sleep 600", "x");
	struct exec_result r;
	struct err e;

	assert_int_equal(
	    op_command_run(f->loop, argv, "db3", "", LIMIT_MS, has_begun, f, &r, &e), -1);
	assert_int_equal(e.code, ERR_CANCELED);
	assert_string_equal(e.text, "it was stopped by the operator and killed");
	assert_false(lives(f, "shell"));
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FIXTURE(nobody_to_tell_is_fine),
		WITH_FIXTURE(they_run_one_after_the_other),
		WITH_FIXTURE(they_are_given_the_document),
		WITH_FIXTURE(nobody_has_to_read_it),
		WITH_FIXTURE(no_token_and_no_shell),
		WITH_FIXTURE(the_first_failure_ends_a_beginning),
		WITH_FIXTURE(an_end_is_told_to_all),
		WITH_FIXTURE(one_that_cannot_be_run_has_failed),
		WITH_FIXTURE(one_that_hangs_is_killed),
		WITH_FIXTURE(a_command_is_told_the_server),
		WITH_FIXTURE(a_command_is_not_run_for_an_address_nobody_knows),
		WITH_FIXTURE(a_command_has_a_limit),
		WITH_FIXTURE(a_command_can_be_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
