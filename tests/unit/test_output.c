/*
 * test_output.c: feature/output.c with real files, a real template, real validators and commands. The
 * resolver is played by the test (--wrap=prover_start): it decides when a file is proven. Timers run
 * at once where the test says so, and the disk fails where it says so.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "feature/config.h"
#include "feature/output.h"
#include "feature/output_impl.h"
#include "feature/prove.h"
#include "io_test.h"
#include "maps.h"

#define AMPLE_MS 20000
#define NODES "db1=10.0.0.1 db2=10.0.0.2"
#define FIVE " a=db1 b=db1 c=db1 d=db1"

static struct fake {
	prove_fn *proven;
	void *arg;
	unsigned proofs;
	char fqdn[64]; /* of the last question beside the generation; "" for none */
	bool is_stage_failing, is_directory_unsynced, is_fast;
	bool was_told_before_proof, was_told_before_sync;
} fake;

/* SIGUSR1 is blocked: it waits where the reader of the file would get it. */
static bool
was_told(void)
{
	sigset_t waiting;

	assert_int_equal(sigpending(&waiting), 0);
	return sigismember(&waiting, SIGUSR1);
}

struct prover *__wrap_prover_start(struct loop *l, const struct proof *p, prove_fn *fn, void *arg);
void __wrap_prover_cancel(struct prover *p);
int __real_file_stage(struct file_stage *s, const char *path, const void *data, size_t len,
    mode_t mode, struct err *e);
int __wrap_file_stage(struct file_stage *s, const char *path, const void *data, size_t len,
    mode_t mode, struct err *e);
int __real_file_sync_dir(const char *path, struct err *e);
int __wrap_file_sync_dir(const char *path, struct err *e);
void __real_loop_timer_set(struct loop_timer *t, int64_t delay_ms);
void __wrap_loop_timer_set(struct loop_timer *t, int64_t delay_ms);

struct prover *
__wrap_prover_start(struct loop *l, const struct proof *p, prove_fn *fn, void *arg)
{
	(void)l;
	fake.proven = fn;
	fake.arg = arg;
	fake.proofs++;
	fake.was_told_before_proof = was_told();
	snprintf(fake.fqdn, sizeof(fake.fqdn), "%s", p->fqdn != NULL ? p->fqdn : "");
	return (struct prover *)&fake;
}

void
__wrap_prover_cancel(struct prover *p)
{
	if (p != NULL)
		fake.proven = NULL;
}

int
__wrap_file_stage(struct file_stage *s, const char *path, const void *data, size_t len, mode_t mode,
    struct err *e)
{
	if (fake.is_stage_failing)
		return err_set(e, ERR_IO, "%s: No space left on device", path);
	return __real_file_stage(s, path, data, len, mode, e);
}

int
__wrap_file_sync_dir(const char *path, struct err *e)
{
	fake.was_told_before_sync = was_told();
	if (fake.is_directory_unsynced)
		return err_set(e, ERR_IO, "fsync: Input/output error");
	return __real_file_sync_dir(path, e);
}

void
__wrap_loop_timer_set(struct loop_timer *t, int64_t delay_ms)
{
	__real_loop_timer_set(t, fake.is_fast && delay_ms > 1 ? 1 : delay_ms);
}

struct fixture {
	char dir[64], path[80], state_dir[80];
	struct loop *loop;
	struct config_output config;
	struct output *output;
	struct name_map *map, *written;
	unsigned landed;
	bool is_held;
};

static void
changed(struct output *o, void *arg)
{
	(void)o;
	(void)arg;
}

static void
written(struct output *o, void *arg)
{
	struct fixture *f = arg;

	f->written = output_map(o);
}

static void
landed(struct output *o, void *arg)
{
	struct fixture *f = arg;

	(void)o;
	f->landed++;
}

static void
start(struct fixture *f, struct name_map *known)
{
	const struct output_env env = { f->loop, "web-1", "", f->dir, f->state_dir, changed,
		written, landed, f };
	struct err e;

	f->output = output_new(&f->config, &env, &e);
	assert_non_null(f->output);
	output_start(f->output, known);
}

/* Another life of the daemon. */
static void
restart(struct fixture *f, struct name_map *known)
{
	output_free(f->output);
	start(f, known);
}

static void
turn(struct fixture *f)
{
	for (int i = 0; i < 8; i++)
		loop_turn(f->loop, 2);
}

static void
offer(struct fixture *f)
{
	const struct output_offer o = {
		.map = f->map, .seen_us = clock_mono_us(), .accepted = "", .is_held = f->is_held
	};

	output_offer(f->output, &o);
	turn(f);
}

static void
flip(struct fixture *f, const char *names)
{
	f->map = maps_next(f->map, NODES, names);
	offer(f);
}

static void
proven(struct fixture *f)
{
	const struct err none = { 0 };

	assert_non_null(fake.proven);
	fake.proven(&none, fake.arg);
	turn(f);
}

static const char *
state(const struct fixture *f)
{
	struct output_report r;

	output_report(f->output, &r);
	return output_state_name(r.state);
}

static const char *
content(const struct fixture *f)
{
	static char text[4096];
	struct str s = STR_INIT;

	if (file_read(f->path, sizeof(text) - 1, &s, NULL) != 0)
		return "(none)";
	snprintf(text, sizeof(text), "%s", str_text(&s));
	str_clear(&s);
	return text;
}

static void
write_by_hand(const struct fixture *f, const char *text)
{
	FILE *file = fopen(f->path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

/* Turns until the state is as wanted; real children and inotify take a moment. */
static bool
comes_to(struct fixture *f, const char *wanted)
{
	int64_t end = clock_mono_ms() + AMPLE_MS;

	while (strcmp(state(f), wanted) != 0 && clock_mono_ms() < end)
		loop_turn(f->loop, 10);
	return strcmp(state(f), wanted) == 0;
}

/* Children take as long as the machine wants. */
static void
wait_proofs(struct fixture *f, unsigned wanted)
{
	int64_t end = clock_mono_ms() + AMPLE_MS;

	while (fake.proofs < wanted && clock_mono_ms() < end)
		loop_turn(f->loop, 10);
	assert_int_equal(fake.proofs, wanted);
}

static int
setup(void **test)
{
	static struct fixture f;
	char path[128];
	FILE *template;

	memset(&f, 0, sizeof(f));
	fake = (struct fake){ 0 };
	strcpy(f.dir, "/tmp/pointsman-output.XXXXXX");
	assert_non_null(mkdtemp(f.dir));
	snprintf(f.path, sizeof(f.path), "%s/hosts", f.dir);
	snprintf(f.state_dir, sizeof(f.state_dir), "%s/state", f.dir);
	assert_int_equal(mkdir(f.state_dir, 0700), 0);
	snprintf(path, sizeof(path), "%s/t.mustache", f.dir);
	template = fopen(path, "w");
	assert_non_null(template);
	fputs("{{#names}}{{name}}={{address}} {{/names}}", template);
	fclose(template);
	f.config = (struct config_output){ .name = (char *)"hosts",
		.template = (char *)"t.mustache",
		.path = f.path,
		.mode = 0644,
		.settle_min_ms = 0,
		.settle_max_ms = 0,
		.max_removal = 0.2,
		.backups = 3,
		.limit_ms = 5000,
		.prove = (char *)"127.0.0.1:53" };
	f.loop = loop_new();
	start(&f, NULL);
	*test = &f;
	return 0;
}

static int
teardown(void **test)
{
	struct fixture *f = *test;
	char command[128];

	output_free(f->output);
	name_map_unref(f->map);
	loop_turn(f->loop, 0);
	loop_free(f->loop);
	snprintf(command, sizeof(command), "rm -rf %s", f->dir);
	return system(command);
}

/* The first map, served. */
static void
begin(struct fixture *f)
{
	flip(f, "x=db1" FIVE);
	proven(f);
	assert_string_equal(state(f), "served");
}

static void
test_served_only_when_proven(void **test)
{
	struct fixture *f = *test;

	flip(f, "x=db1");
	assert_string_equal(content(f), "x=10.0.0.1 ");
	assert_string_equal(state(f), "written");
	assert_int_equal(f->landed, 0);
	proven(f);
	assert_string_equal(state(f), "served");
	assert_int_equal(f->landed, 1);
}

/* The map of the file as soon as it is there; not that of a repair, which may be older than another's. */
static void
test_tells_what_is_written(void **test)
{
	struct fixture *f = *test;

	fake.is_fast = true;
	flip(f, "x=db1" FIVE);
	assert_ptr_equal(f->written, f->map);
	assert_ptr_equal(output_common_map(&f->output, 1), f->map);
	fake.is_stage_failing = true;
	flip(f, "x=db2" FIVE);
	assert_ptr_not_equal(f->written, f->map);
	assert_null(output_common_map(&f->output, 1));
	fake.is_stage_failing = false;
	turn(f);
	assert_ptr_equal(f->written, f->map);
	f->map = maps_next(f->map, NODES, "x=db2" FIVE);
	offer(f);
	assert_ptr_equal(f->written, f->map);
	assert_ptr_equal(output_common_map(&f->output, 1), f->map);

	proven(f);
	f->written = NULL;
	write_by_hand(f, "nonsense");
	assert_true(comes_to(f, "written"));
	assert_non_null(strstr(content(f), "x=10.0.0.2"));
	assert_null(f->written);
}

/* Every half a minute it is asked whether the file is still served: that is no flip. */
static void
test_landed_once_for_each_flip(void **test)
{
	struct fixture *f = *test;

	fake.is_fast = true;
	begin(f);
	assert_int_equal(fake.proofs, 2);
	proven(f);
	proven(f);
	assert_int_equal(f->landed, 1);
}

/* The proof of the file in place says nothing about the newer map that cannot be written. */
static void
test_failed_stays_failed_and_is_retried(void **test)
{
	struct fixture *f = *test;

	fake.is_fast = true;
	begin(f);
	fake.is_stage_failing = true;
	flip(f, "x=db2" FIVE);
	assert_string_equal(state(f), "failed");
	proven(f);
	assert_string_equal(state(f), "failed");
	fake.is_stage_failing = false;
	turn(f);
	assert_non_null(strstr(content(f), "x=10.0.0.2"));
	proven(f);
	assert_string_equal(state(f), "served");
}

/* A file whose reader was not told yet is told although the next one cannot be written. */
static void
test_debt_is_paid_while_writing_fails(void **test)
{
	struct fixture *f = *test;
	const struct err old = { ERR_CONFLICT, "it answers the one before" };
	char command[128];
	char *argv[] = { (char *)"sh", (char *)"-c", command, NULL };
	int64_t end;

	f->config.command = argv;
	snprintf(command, sizeof(command), "test -e %s/ready", f->dir);
	flip(f, "x=db1" FIVE);
	end = clock_mono_ms() + AMPLE_MS;
	while (f->output->notify != NULL && clock_mono_ms() < end)
		loop_turn(f->loop, 10);
	assert_null(f->output->notify);
	assert_int_equal(fake.proofs, 0); /* the command failed */
	fake.is_stage_failing = true;
	flip(f, "x=db2" FIVE);
	assert_string_equal(state(f), "failed");
	snprintf(command, sizeof(command), "touch %s/ready", f->dir);
	assert_int_equal(system(command), 0);
	snprintf(command, sizeof(command), "test -e %s/ready", f->dir);
	wait_proofs(f, 1);
	fake.proven(&old, fake.arg);
	assert_string_equal(state(f), "failed");
}

static void
test_edit_is_put_back_under_a_hold(void **test)
{
	struct fixture *f = *test;

	fake.is_fast = true;
	begin(f);
	f->is_held = true;
	flip(f, "x=db2" FIVE);
	assert_string_equal(state(f), "held");
	write_by_hand(f, "nonsense");
	turn(f);
	assert_non_null(strstr(content(f), "x=10.0.0.1"));
	assert_string_equal(state(f), "held");
	proven(f);
	assert_string_equal(state(f), "held");
	f->is_held = false;
	offer(f);
	assert_non_null(strstr(content(f), "x=10.0.0.2"));
}

/* The disk is full while the file has to be put back: seen, tried again, and then held as before. */
static void
test_failed_repair_under_a_hold(void **test)
{
	struct fixture *f = *test;

	fake.is_fast = true;
	begin(f);
	f->is_held = true;
	flip(f, "x=db2" FIVE);
	fake.is_stage_failing = true;
	unlink(f->path);
	turn(f);
	assert_string_equal(state(f), "failed");
	fake.is_stage_failing = false;
	turn(f);
	assert_non_null(strstr(content(f), "x=10.0.0.1"));
	assert_string_equal(state(f), "held");
}

static void
test_failed_repair_under_the_guard(void **test)
{
	struct fixture *f = *test;

	fake.is_fast = true;
	begin(f);
	flip(f, "x=db2");
	assert_string_equal(state(f), "guarded");
	fake.is_stage_failing = true;
	unlink(f->path);
	turn(f);
	assert_string_equal(state(f), "failed");
	fake.is_stage_failing = false;
	turn(f);
	assert_non_null(strstr(content(f), "a=10.0.0.1"));
	assert_string_equal(state(f), "guarded");
	assert_non_null(output_guarded_map(f->output));
}

/* The resolver is away for long: not one backup more than is asked for. */
static void
test_backups_do_not_wait_for_a_proof(void **test)
{
	struct fixture *f = *test;
	int before;

	for (int i = 0; i < 6; i++) {
		flip(f, i % 2 == 0 ? "x=db1" FIVE : "x=db2" FIVE);
		usleep(2000); /* their names are milliseconds */
	}
	before = io_test_count_entries(f->dir);
	for (int i = 0; i < 4; i++) {
		flip(f, i % 2 == 0 ? "x=db1" FIVE : "x=db2" FIVE);
		usleep(2000);
	}
	assert_int_equal(io_test_count_entries(f->dir), before);
}

/* An output that a reload added finds no file of its own: nobody deleted it. */
static void
test_new_output_is_no_drift(void **test)
{
	struct fixture *f = *test;
	struct output_report r;

	f->map = maps_next(NULL, NODES, "x=db1");
	restart(f, f->map);
	assert_string_equal(content(f), "x=10.0.0.1 ");
	output_report(f->output, &r);
	assert_int_equal(r.drift_wall_s, 0);
	assert_int_equal(r.results[OUTPUT_RESULT_REPAIRED], 0);
}

/* Killed after the flip and before the state was saved: the older names never replace the newer. */
static void
test_older_state_does_not_repair(void **test)
{
	struct fixture *f = *test;
	struct name_map *old;

	begin(f);
	old = name_map_ref(f->map);
	flip(f, "x=db2" FIVE);
	proven(f);
	restart(f, old);
	write_by_hand(f, "nonsense");
	turn(f);
	assert_string_equal(content(f), "nonsense");
	assert_string_equal(state(f), "failed");
	offer(f);
	assert_non_null(strstr(content(f), "x=10.0.0.2"));
	name_map_unref(old);
}

/* A cold start without Consul: what is in the file is what is served. */
static void
test_restart_without_a_proof(void **test)
{
	struct fixture *f = *test;
	struct output_report r;

	f->config.prove = NULL;
	flip(f, "x=db1");
	restart(f, f->map);
	output_report(f->output, &r);
	assert_int_equal(r.served, f->map->generation);
	assert_string_equal(state(f), "written");
	assert_int_equal(f->landed, 1);
}

static void
test_identical_file_is_not_written_again(void **test)
{
	struct fixture *f = *test;
	struct stat before, after;

	begin(f);
	assert_int_equal(stat(f->path, &before), 0);
	restart(f, f->map);
	proven(f);
	assert_string_equal(state(f), "served");
	offer(f);
	assert_int_equal(stat(f->path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
}

/* The rename was done: a file that readers already see is not taken back. */
static void
test_unsynced_directory_is_no_failure(void **test)
{
	struct fixture *f = *test;

	begin(f);
	fake.is_directory_unsynced = true;
	flip(f, "x=db2" FIVE);
	turn(f);
	assert_non_null(strstr(content(f), "x=10.0.0.2"));
	assert_string_equal(state(f), "written");
}

/* The reader does not wait for the disk, and is not asked before it was told. */
static void
test_told_then_asked_and_synced(void **test)
{
	static const struct timespec at_once = { 0, 0 };
	struct fixture *f = *test;
	char pidfile[80];
	FILE *file;
	sigset_t set;

	if (io_test_is_valgrind()) {
		print_message(
		    "the order of signal, proof and fsync: NOT RUN: valgrind has no pidfds\n");
		skip();
	}
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	assert_int_equal(sigprocmask(SIG_BLOCK, &set, NULL), 0);
	snprintf(pidfile, sizeof(pidfile), "%s/test_output.pid", f->dir);
	file = fopen(pidfile, "w");
	assert_non_null(file);
	fprintf(file, "%d\n", (int)getpid());
	fclose(file);
	f->config.signal = SIGUSR1;
	f->config.pidfile = pidfile;
	flip(f, "x=db1" FIVE);
	assert_true(fake.was_told_before_proof);
	assert_true(fake.was_told_before_sync);
	assert_string_equal(state(f), "written");
	proven(f);
	assert_string_equal(state(f), "served");
	assert_int_equal(sigtimedwait(&set, NULL, &at_once), SIGUSR1);
	assert_int_equal(sigprocmask(SIG_UNBLOCK, &set, NULL), 0);
}

/* Whatever became of the record: the file stays right, and the next record is a whole one. */
static void
test_damaged_record(void **test)
{
	static const char noise[2000] = { '{', '"', 1, 2, 3 };
	static const size_t lengths[] = { 0, 100, 511, 512, 513, sizeof(noise) };
	struct fixture *f = *test;
	char path[128];
	struct stat st;

	begin(f);
	snprintf(path, sizeof(path), "%s/output-hosts", f->state_dir);
	for (size_t i = 0; i < MEM_COUNT(lengths); i++) {
		FILE *file = fopen(path, "w");

		assert_non_null(file);
		assert_int_equal(fwrite(noise, 1, lengths[i], file), lengths[i]);
		fclose(file);
		restart(f, f->map);
		assert_string_equal(state(f), "written");
		proven(f);
		assert_non_null(strstr(content(f), "x=10.0.0.1"));
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_size, 512);
		restart(f, f->map);
		assert_int_equal(f->output->totals.results[OUTPUT_RESULT_WRITTEN], 0);
		assert_string_equal(state(f), "written");
		proven(f);
	}
}

/* The command is slow; a newer map comes meanwhile. Each file gets a command of its own. */
static void
test_command_then_proof(void **test)
{
	struct fixture *f = *test;
	char command[320], go[80];
	char *argv[] = { (char *)"sh", (char *)"-c", command, NULL };

	snprintf(go, sizeof(go), "%s/go", f->dir);
	snprintf(command, sizeof(command),
	    "cat %s >> %s/seen; while ! test -e %s; do sleep 0.01; done", f->path, f->dir, go);
	f->config.command = argv;
	flip(f, "x=db1");
	assert_int_equal(fake.proofs, 0);
	flip(f, "x=db2");
	assert_string_equal(content(f), "x=10.0.0.1 ");
	fclose(fopen(go, "w"));
	wait_proofs(f, 2);
	proven(f);
	assert_string_equal(state(f), "served");
	snprintf(f->path, sizeof(f->path), "%s/seen", f->dir);
	assert_string_equal(content(f), "x=10.0.0.1 x=10.0.0.2 ");
}

/* A node has another address: the generation is the same, so the name itself is asked for. */
static void
test_readdressed_is_asked_for_by_name(void **test)
{
	struct fixture *f = *test;
	char *argv[] = { (char *)"true", NULL };

	f->config.command = argv;
	flip(f, "x=db1 y=db2");
	wait_proofs(f, 1);
	proven(f);
	f->map = maps_next(f->map, "db1=10.0.0.1 db2=10.0.0.9", "x=db1 y=db2");
	f->map->generation--;
	offer(f);
	wait_proofs(f, 2);
	assert_string_equal(fake.fqdn, "y");
}

static void
test_validator_refuses(void **test)
{
	struct fixture *f = *test;
	char *argv[] = { (char *)"grep", (char *)"-q", (char *)"0.2", (char *)"%f", NULL };

	f->config.validate = argv;
	flip(f, "x=db1");
	assert_true(comes_to(f, "failed"));
	assert_string_equal(content(f), "(none)");
	flip(f, "x=db2");
	assert_true(comes_to(f, "written"));
	assert_string_equal(content(f), "x=10.0.0.2 ");
}

/* Freed at every stage: nothing is called afterwards, no child and no temporary file stays. */
static void
test_free_while_a_child_runs(void **test)
{
	struct fixture *f = *test;
	char *argv[] = { (char *)"sleep", (char *)"10", NULL };
	int before = io_test_count_entries(f->dir);

	f->config.validate = argv;
	flip(f, "x=db1");
	assert_int_equal(io_test_count_children(), 1);
	restart(f, NULL);
	assert_true(io_test_wait_children(f->loop, 0, AMPLE_MS));
	assert_int_equal(io_test_count_entries(f->dir), before);
}

/* The directory goes away and comes back. */
static void
test_directory_comes_back(void **test)
{
	struct fixture *f = *test;
	char dir[80], away[80];

	snprintf(dir, sizeof(dir), "%s/etc", f->dir);
	snprintf(away, sizeof(away), "%s/away", f->dir);
	assert_int_equal(mkdir(dir, 0755), 0);
	snprintf(f->path, sizeof(f->path), "%s/etc/hosts", f->dir);
	restart(f, NULL);
	begin(f);
	assert_int_equal(rename(dir, away), 0);
	assert_true(comes_to(f, "failed"));
	assert_int_equal(mkdir(dir, 0755), 0);
	assert_true(comes_to(f, "written"));
	assert_non_null(strstr(content(f), "x=10.0.0.1"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_served_only_when_proven, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tells_what_is_written, setup, teardown),
		cmocka_unit_test_setup_teardown(test_landed_once_for_each_flip, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_failed_stays_failed_and_is_retried, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_debt_is_paid_while_writing_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_edit_is_put_back_under_a_hold, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failed_repair_under_a_hold, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_failed_repair_under_the_guard, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_backups_do_not_wait_for_a_proof, setup, teardown),
		cmocka_unit_test_setup_teardown(test_new_output_is_no_drift, setup, teardown),
		cmocka_unit_test_setup_teardown(test_older_state_does_not_repair, setup, teardown),
		cmocka_unit_test_setup_teardown(test_restart_without_a_proof, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_identical_file_is_not_written_again, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_unsynced_directory_is_no_failure, setup, teardown),
		cmocka_unit_test_setup_teardown(test_told_then_asked_and_synced, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged_record, setup, teardown),
		cmocka_unit_test_setup_teardown(test_command_then_proof, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_readdressed_is_asked_for_by_name, setup, teardown),
		cmocka_unit_test_setup_teardown(test_validator_refuses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_free_while_a_child_runs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_directory_comes_back, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
