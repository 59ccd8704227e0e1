/*
 * test_kvfile_crash.c: a file store whose writers are killed, fail or compete. What holds: a
 * transaction is there whole or not at all, an acknowledged write is there, no update is lost, no
 * index goes down, and the next writer needs no repair.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "inject.h"
#include "io/loop.h"
#include "kv_probe.h"
#include "scratch.h"

#define WRITERS 4
#define INCREMENTS 25

static char dir[] = "/tmp/pointsman-kvcrash.XXXXXX";
static char path[64], address[72];

static int
setup(void **state)
{
	(void)state;
	memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/kv.json", dir);
	snprintf(address, sizeof(address), "file:%s", path);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	inject_off();
	return scratch_remove(dir);
}

struct opened {
	struct loop *loop;
	struct probe probe;
};

static struct probe *
open_probe(struct opened *o)
{
	o->loop = loop_new();
	probe_open(&o->probe, o->loop, address);
	return &o->probe;
}

static void
close_probe(struct opened *o)
{
	probe_close(&o->probe);
	loop_free(o->loop);
}

/* A child that does not outlive us. */
static pid_t
start_child(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

/*
 * The transaction that is broken off: it touches values, a lock and a deletion, so that a half of
 * it would show. old and new are what probe_keys() says before and after.
 */
#define OLD_KEYS "delete lock value"
#define NEW_KEYS "lock new value"

static char session[KV_SESSION_SIZE];

static void
make_old(struct probe *p)
{
	const struct kv_op ops[] = {
		{ .kind = KV_OP_SET, .key = "value", .value = "old", .value_len = 3 },
		{ .kind = KV_OP_SET, .key = "delete", .value = "x", .value_len = 1 },
		{ .kind = KV_OP_SET, .key = "lock", .value = "free", .value_len = 4 },
		{ .kind = KV_OP_DELETE, .key = "new" },
	};
	struct probe_seen lock = probe_get(p, "lock");

	if (lock.session[0] != '\0')
		assert_int_equal(probe_apply_one(p, KV_OP_UNLOCK, "lock", "x", 0, lock.session), 1);
	assert_int_equal(probe_apply(p, ops, MEM_COUNT(ops)), 1);
}

static int
make_new(struct probe *p, struct err *e)
{
	const struct kv_op ops[] = {
		{ .kind = KV_OP_SET, .key = "value", .value = "new", .value_len = 3 },
		{ .kind = KV_OP_DELETE, .key = "delete" },
		{ .kind = KV_OP_LOCK, .key = "lock", .session = session },
		{ .kind = KV_OP_CAS, .key = "new", .value = "x", .value_len = 1 },
	};

	return kv_wait_txn(&p->w, ops, MEM_COUNT(ops), e);
}

/* 0: it is the old state, 1: the new one; anything else fails the test. */
static int
judge(struct probe *p)
{
	bool is_new = strcmp(probe_keys(p, ""), NEW_KEYS) == 0;
	struct probe_seen lock = probe_get(p, "lock");

	assert_string_equal(probe_keys(p, ""), is_new ? NEW_KEYS : OLD_KEYS);
	assert_string_equal(probe_get(p, "value").value, is_new ? "new" : "old");
	assert_string_equal(lock.value, is_new ? "" : "free");
	assert_string_equal(lock.session, is_new ? session : "");
	return is_new;
}

static int
count_calls(struct probe *p)
{
	int calls;

	make_old(p);
	inject_kill(0);
	assert_int_equal(make_new(p, NULL), 1);
	calls = inject_calls();
	inject_off();
	assert_int_equal(judge(p), 1);
	return calls;
}

static void
run_killed(int nth)
{
	struct opened o;
	struct probe *p = open_probe(&o);

	inject_kill(nth);
	make_new(p, NULL);
}

static void
survives_a_kill_at_every_call(void **state)
{
	struct opened o;
	struct probe *p = open_probe(&o);
	int calls, found[2] = { 0 };
	uint64_t index;

	(void)state;
	probe_session(p, 0, false, session);
	calls = count_calls(p);
	assert_in_range(calls, 20, 60);
	for (int n = 1; n <= calls; n++) {
		struct opened after;
		int is_new;

		make_old(p);
		PROBE_OK(kv_wait_session_renew(&p->w, session, &probe_err));
		index = probe_index(p, "");
		scratch_run_killed(run_killed, n);
		open_probe(&after);
		is_new = judge(&after.probe);
		found[is_new]++;
		assert_true(is_new ? probe_index(&after.probe, "") > index
				   : probe_index(&after.probe, "") == index);
		/* The next write brings everything in order, and removes what was left lying. */
		probe_put(&after.probe, "value", is_new ? "new" : "old");
		probe_put(&after.probe, "after", "x");
		probe_delete(&after.probe, "after");
		assert_int_equal(judge(&after.probe), is_new);
		assert_int_equal(scratch_count(dir), 3);
		close_probe(&after);
	}
	print_message("[          ] killed at each of %d calls: old state %d times, new %d\n",
	    calls, found[0], found[1]);
	assert_true(found[0] > 10 && found[1] > 5);
	close_probe(&o);
}

/* A main file that nobody brings up is brought up by those who wait. */
static void
brings_the_main_file_up(void **state)
{
	struct opened o;
	struct probe *p = open_probe(&o);
	struct probe_watch watch;
	struct str text = STR_INIT;
	int calls, renames = 0;

	(void)state;
	probe_session(p, 0, false, session);
	calls = count_calls(p);
	make_old(p);
	/* The last rename is that of the main file; kill just before it. */
	for (int n = calls; n > 0 && renames == 0; n--) {
		scratch_run(run_killed, n);
		str_reset(&text);
		PROBE_OK(file_read(path, 1 << 20, &text, &probe_err));
		renames = judge(p) == 1 && strstr(str_text(&text), "\"delete\"") != NULL;
		if (renames == 0)
			make_old(p);
	}
	assert_int_equal(renames, 1);
	probe_watch(p, &watch, "", probe_index(p, ""), 3000);
	assert_true(probe_is_answered(p, &watch, 4000));
	assert_int_equal(watch.err.code, ERR_NONE);
	assert_int_equal(watch.count, 3);
	str_reset(&text);
	PROBE_OK(file_read(path, 1 << 20, &text, &probe_err));
	assert_null(strstr(str_text(&text), "\"delete\""));
	str_clear(&text);
	close_probe(&o);
}

static void
survives_every_failure(void **state)
{
	static const int errors[] = { ENOSPC, EIO };
	struct opened o;
	struct probe *p = open_probe(&o);
	int calls, failed[2] = { 0 };

	(void)state;
	probe_session(p, 0, false, session);
	calls = count_calls(p);
	for (int n = 1; n <= 2 * calls; n++) {
		struct err e = { 0 };
		uint64_t index;
		int rc, is_new;

		make_old(p);
		PROBE_OK(kv_wait_session_renew(&p->w, session, &probe_err));
		index = probe_index(p, "");
		inject_fail((n + 1) / 2, errors[n % 2]);
		rc = make_new(p, &e);
		inject_off();
		is_new = judge(p);
		assert_true(probe_index(p, "") >= index);
		if (rc == 1) {
			assert_int_equal(is_new, 1);
			continue;
		}
		/* An error is said, and says the file; what it says of the outcome is true. */
		assert_int_equal(rc, -1);
		assert_non_null(strstr(e.text, dir));
		assert_int_equal(is_new, e.code == ERR_UNKNOWN);
		failed[is_new]++;
		probe_put(p, "value", is_new ? "new" : "old");
		assert_int_equal(scratch_count(dir), 3);
	}
	print_message(
	    "[          ] each of %d calls failed: %d errors before the commit, %d after\n", calls,
	    failed[0], failed[1]);
	assert_true(failed[0] > 20 && failed[1] > 4);
	close_probe(&o);
}

static void
fill_the_disk(int n)
{
	static char large[100000];
	char *junk = mem_printf("%s/junk", dir);
	struct opened o;
	struct probe *p;
	struct err e = { 0 };
	int fd;

	(void)n;
	p = open_probe(&o);
	probe_put(p, "a", "old");
	memset(large, 'x', sizeof(large));
	if (kv_wait_put(&p->w, "a", large, sizeof(large), &e) != -1 || e.code != ERR_IO ||
	    strstr(e.text, "No space left") == NULL || strstr(e.text, path) == NULL)
		_exit(3);
	fd = open(junk, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	while (write(fd, large, 4096) == 4096)
		;
	close(fd);
	for (int i = 0; i < 3; i++) {
		if (kv_wait_put(&p->w, "a", "new", 3, &e) != -1 || e.code != ERR_IO ||
		    strcmp(probe_get(p, "a").value, "old") != 0)
			_exit(4);
	}
	unlink(junk);
	free(junk);
	probe_put(p, "a", "new");
	if (strcmp(probe_get(p, "a").value, "new") != 0 || scratch_count(dir) != 3)
		_exit(5);
	close_probe(&o);
}

static void
survives_a_full_disk(void **state)
{
	(void)state;
	scratch_run_on_small_disk(dir, "256k", fill_the_disk);
}

static void
edit_by_hand(void)
{
	static const char text[] = "[{\"key\":\"by-hand\",\"value\":\"\"}]";

	assert_int_equal(file_replace(path, text, sizeof(text) - 1, 0644, &probe_err), 0);
}

/* A person saves the file while we write: neither of the two is lost. */
static void
spares_an_edit_in_between(void **state)
{
	struct opened o;
	struct probe *p = open_probe(&o);

	(void)state;
	probe_put(p, "a", "1");
	inject_before("fsync", 1, edit_by_hand); /* before the commit: our write comes after it */
	probe_put(p, "b", "1");
	inject_off();
	assert_string_equal(probe_keys(p, ""), "b by-hand");
	probe_put(p, "a", "1");
	inject_before("fsync", 3, edit_by_hand); /* after the commit: it replaces what we wrote */
	probe_put(p, "b", "2");
	inject_off();
	assert_string_equal(probe_keys(p, ""), "by-hand");
	close_probe(&o);
}

static int second_lock = -1;

static void
replace_the_lock(void)
{
	char *name = mem_printf("%s.lock", path);

	unlink(name);
	second_lock = open(name, O_RDONLY | O_CREAT | O_CLOEXEC, 0400);
	assert_int_equal(flock(second_lock, LOCK_EX), 0);
	free(name);
}

/* Between our open and our flock the lock file is removed, and another process makes a new one. */
static void
locks_the_file_that_is_there(void **state)
{
	struct opened o;
	struct probe *p = open_probe(&o);
	struct probe_watch put = { 0 };

	(void)state;
	probe_put(p, "a", "1");
	inject_before("flock", 1, replace_the_lock);
	kv_put(p->kv, "a", "2", 1, probe_answered, &put);
	probe_idle(p, 100);
	inject_off();
	assert_true(second_lock >= 0);
	assert_int_equal(put.answers, 0);
	assert_string_equal(probe_get(p, "a").value, "1");
	close(second_lock);
	assert_true(probe_is_answered(p, &put, PROBE_WAKE_MS));
	assert_string_equal(probe_get(p, "a").value, "2");
	close_probe(&o);
}

/* A counter that only check-and-set protects. */
static void
increment(struct probe *p, const char *key)
{
	for (;;) {
		struct probe_seen seen = probe_get(p, key);
		char value[32];

		snprintf(value, sizeof(value), "%d", atoi(seen.value) + 1);
		if (probe_apply_one(p, KV_OP_CAS, key, value, seen.modify_index, NULL) == 1)
			return;
	}
}

/* Follows the store while others write to it: its index only rises, and wakes us each time. */
struct follower {
	struct probe *probe;
	uint64_t index;
	int answers, errors;
};

static void
followed(struct kv_answer *a, void *arg)
{
	struct follower *f = arg;
	const struct kv_read r = { .index = a->index, .wait_ms = 60000 };

	f->answers++;
	f->errors += a->err.code != ERR_NONE || a->index < f->index;
	f->index = a->index;
	kv_list(f->probe->other, "", &r, followed, f);
}

static void
loses_no_update(void **state)
{
	struct opened o;
	struct probe *p = open_probe(&o);
	struct follower follower = { .probe = p };
	const struct kv_read now = { 0 };
	int64_t began_ms = clock_mono_ms();
	int left = WRITERS, status;
	pid_t pids[WRITERS];

	(void)state;
	probe_put(p, "counter", "0");
	for (int i = 0; i < WRITERS; i++) {
		if ((pids[i] = start_child()) == 0) {
			struct opened own;

			open_probe(&own);
			for (int k = 0; k < INCREMENTS; k++)
				increment(&own.probe, "counter");
			_exit(0);
		}
	}
	kv_list(p->other, "", &now, followed, &follower);
	while (left > 0) {
		loop_turn(o.loop, 20);
		if (waitpid(-1, &status, WNOHANG) > 0) {
			assert_int_equal(status, 0);
			left--;
		}
	}
	assert_int_equal(atoi(probe_get(p, "counter").value), WRITERS * INCREMENTS);
	probe_idle(p, 100);
	print_message(
	    "[          ] %d processes, %d increments in %.1f s; a watcher woke %d times\n",
	    WRITERS, WRITERS * INCREMENTS, (double)(clock_mono_ms() - began_ms) / 1000,
	    follower.answers);
	assert_int_equal(follower.errors, 0);
	assert_int_equal(follower.index, probe_index(p, ""));
	assert_true(follower.answers > WRITERS);
	close_probe(&o);
}

static pid_t
start_writer(int i, volatile int *acknowledged)
{
	pid_t pid = start_child();
	struct opened own;
	char key[16], value[16];

	if (pid != 0)
		return pid;
	open_probe(&own);
	snprintf(key, sizeof(key), "writer/%d", i);
	for (;;) {
		snprintf(value, sizeof(value), "%d", acknowledged[i] + 1);
		probe_put(&own.probe, key, value);
		acknowledged[i]++;
	}
}

/* Writers die at any moment: what was acknowledged is there, and at most one more. */
static void
keeps_what_was_acknowledged(void **state)
{
	volatile int *acknowledged =
	    mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct opened o;
	struct probe *p = open_probe(&o);
	struct follower follower = { .probe = p };
	const struct kv_read now = { 0 };
	pid_t pids[WRITERS];
	int total = 0;

	(void)state;
	assert_true(acknowledged != MAP_FAILED);
	probe_put(p, "writer/none", "0");
	kv_list(p->other, "", &now, followed, &follower);
	for (int i = 0; i < WRITERS; i++)
		pids[i] = start_writer(i, acknowledged);
	for (int round = 0; round < 40; round++) {
		int i = round % WRITERS, value;
		char key[16];

		probe_idle(p, 15 + round * 7 % 31);
		kill(pids[i], SIGKILL);
		assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
		snprintf(key, sizeof(key), "writer/%d", i);
		value = atoi(probe_get(p, key).value);
		assert_in_range(value, acknowledged[i], acknowledged[i] + 1);
		acknowledged[i] = value;
		pids[i] = start_writer(i, acknowledged);
	}
	for (int i = 0; i < WRITERS; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
		total += acknowledged[i];
	}
	print_message("[          ] 40 kills among %d acknowledged writes\n", total);
	assert_true(total > 40);
	probe_put(p, "writer/none", "1");
	probe_idle(p, 100);
	assert_int_equal(follower.errors, 0);
	assert_int_equal(follower.index, probe_index(p, ""));
	munmap((void *)acknowledged, 4096);
	close_probe(&o);
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(survives_a_kill_at_every_call),
		TEST(brings_the_main_file_up),
		TEST(survives_every_failure),
		TEST(survives_a_full_disk),
		TEST(spares_an_edit_in_between),
		TEST(locks_the_file_that_is_there),
		TEST(loses_no_update),
		TEST(keeps_what_was_acknowledged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
