/*
 * test_kvfile.c: what only a file store has: a file that people edit, a lock that may be stuck,
 * times that must mean the same to several processes and after a reboot. What it has in common
 * with Consul is tested by test_kv_conformance.c, what a crash leaves by test_kvfile_crash.c.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "io/loop.h"
#include "kv_probe.h"

static char dir[] = "/tmp/pointsman-kvfile.XXXXXX";
static char path[64], index_path[72], lock_path[72], address[72];
static struct loop *loop;
static struct probe probe;

static int
setup(void **state)
{
	memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/kv.json", dir);
	snprintf(index_path, sizeof(index_path), "%s.index", path);
	snprintf(lock_path, sizeof(lock_path), "%s.lock", path);
	snprintf(address, sizeof(address), "file:%s", path);
	loop = loop_new();
	probe_open(&probe, loop, address);
	*state = &probe;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	clock_fake_set(-1);
	probe_close(&probe);
	loop_free(loop);
	unlink(path);
	unlink(index_path);
	unlink(lock_path);
	return rmdir(dir); /* nothing else is left */
}

/* In place, as many editors do. */
static void
edit(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static char *
text_of(const char *name)
{
	struct str text = STR_INIT;

	PROBE_OK(file_read(name, 1 << 20, &text, &probe_err));
	return str_take(&text);
}

static void
expect_text(const char *name, const char *expected)
{
	char *text = text_of(name);

	assert_string_equal(text, expected);
	free(text);
}

static void
expect_error(int rc, const struct err *e, enum err_code code, const char *part)
{
	assert_int_equal(rc, -1);
	if (e->code != code || strstr(e->text, part) == NULL)
		fail_msg(
		    "%s error, and '%s' does not say '%s'", err_code_name(e->code), e->text, part);
}

static void
starts_from_an_export(void **state)
{
	struct probe *p = *state;
	struct probe_seen a;

	/* "ZGIz" is db3, "ZGI0" is db4; the order and the flags are as a person may leave them. */
	edit(path, "[{\"key\":\"names/b\",\"value\":\"ZGI0\"},"
		   "{\"key\":\"names/a\",\"flags\":42,\"value\":\"ZGIz\"}]");
	assert_string_equal(probe_keys(p, "names/"), "a b");
	a = probe_get(p, "names/a");
	assert_string_equal(a.value, "db3");
	assert_true(a.modify_index > 0);
	assert_int_equal(a.modify_index, a.create_index);
	assert_int_equal(probe_get(p, "names/b").modify_index, a.modify_index);
	probe_put(p, "names/b", "db5");
	expect_text(path, "[\n\t{\n\t\t\"key\": \"names/a\",\n\t\t\"flags\": 42,\n\t\t\"value\": "
			  "\"ZGIz\"\n\t},\n\t{\n\t\t\"key\": \"names/b\",\n\t\t\"flags\": 0,\n\t\t"
			  "\"value\": \"ZGI1\"\n\t}\n]\n");
	probe_delete(p, "names/a");
	probe_delete(p, "names/b");
	expect_text(path, "[]\n");
}

static void
notices_edits(void **state)
{
	static const char edited[] = "[\n  {\"key\": \"a\", \"value\": \"MQ==\"},\n"
				     "  {\"key\": \"b\", \"value\": \"Mg==\"}\n]\n";
	struct probe *p = *state;
	struct probe_seen a;
	struct probe_watch watch;
	uint64_t index;

	probe_put(p, "a", "1");
	probe_put(p, "b", "1");
	probe_put(p, "c", "1");
	a = probe_get(p, "a");
	index = probe_index(p, "");
	probe_watch(p, &watch, "", index, PROBE_LIMIT_MS);
	probe_idle(p, 50);
	edit(path, edited); /* b is changed, c is gone */
	probe_expect_woken(p, &watch, index, 2);
	assert_string_equal(probe_keys(p, ""), "a b");
	assert_string_equal(probe_get(p, "b").value, "2");
	assert_int_equal(probe_get(p, "b").modify_index, watch.index);
	assert_int_equal(probe_get(p, "a").modify_index, a.modify_index);
	expect_text(path, edited); /* the file stays as the person wrote it, until the next write */

	/* The same content in another form is no change. */
	index = probe_index(p, "");
	edit(path, "[{\"value\":\"MQ==\",\"key\":\"a\"},{\"key\":\"b\",\"value\":\"Mg==\"}]");
	assert_int_equal(probe_index(p, ""), index);
	assert_int_equal(probe_get(p, "b").modify_index, probe_get(p, "b").index);
	/* The old content again is a change, although it was there before. */
	edit(path, "[{\"key\":\"a\",\"value\":\"MQ==\"},{\"key\":\"b\",\"value\":\"MQ==\"},"
		   "{\"key\":\"c\",\"value\":\"MQ==\"}]");
	assert_string_equal(probe_get(p, "b").value, "1");
	assert_true(probe_get(p, "b").modify_index > index);
	assert_true(probe_get(p, "c").create_index > index);
}

/* An earlier file put back: not taken for one that is still to be replaced. */
static void
notices_restored_files(void **state)
{
	struct probe *p = *state;
	char *saved, *copy = mem_printf("%s/copy", dir);
	uint64_t index;

	probe_put(p, "a", "1");
	saved = text_of(path);
	probe_put(p, "a", "2");
	index = probe_index(p, "a");
	edit(copy, saved);
	assert_int_equal(rename(copy, path), 0);
	assert_string_equal(probe_get(p, "a").value, "1");
	assert_true(probe_index(p, "a") > index);
	free(saved);
	free(copy);
}

static void
edits_keep_locks(void **state)
{
	struct probe *p = *state;
	char session[KV_SESSION_SIZE];

	probe_session(p, 0, false, session);
	assert_int_equal(probe_lock(p, "a", "1", session), 1);
	assert_int_equal(probe_lock(p, "b", "1", session), 1);
	edit(path, "[{\"key\":\"a\",\"value\":\"MQ==\"},{\"key\":\"b\",\"value\":\"Mg==\"}]");
	assert_string_equal(probe_get(p, "a").session, session);
	assert_int_equal(probe_get(p, "a").lock_index, 1);
	/* As after a plain write. */
	assert_string_equal(probe_get(p, "b").session, session);
	assert_int_equal(probe_get(p, "b").lock_index, 0);
}

static void
refuses_broken_edits(void **state)
{
	static const struct {
		const char *text, *where;
	} broken[] = {
		{ "", "line 1, column 0: " },
		{ "[\n\t{\n\t\t\"key\": \"a\"\n", "line 4, column 0: " },
		{ "[\n{\"key\":\"a\",\"value\":\"MQ==\"}\n{\"key\":\"b\",\"value\":\"\"}]",
		    "line 3, column 1: " },
		{ "{}", "line 1, column 1: " },
		{ "[\n  {\"key\":\"a\",\"value\":\"MQ==\"},\n   7\n]", "line 3, column 4: " },
		{ "[{\"key\":\"a\",\"value\":\"MQ=\"}]", "line 1, column 2: " },
		{ "[{\"key\":\"[,\\\"\",\"value\":\"MQ==\"},{\"key\":\"b\"}]", "column 32: " },
		{ "[{\"key\":\"\",\"value\":\"\"}]", "has no key" },
		{ "[{\"key\":\"a\",\"value\":\"\",\"flags\":-1}]", "flags" },
		{ "[{\"key\":\"a\",\"value\":\"\",\"Flags\":1}]", "a member" },
		{ "[{\"key\":\"b\",\"value\":\"\"},{\"key\":\"a\",\"value\":\"\"},\n"
		  "{\"key\":\"b\",\"value\":\"\"}]",
		    "line 2, column 1: the entry has a key that is already there" },
		{ "[{\"key\":\"\xff\",\"value\":\"\"}]", "line 1, column " },
		{ "[{\"key\":\"a\\u0000b\",\"value\":\"\"}]", "line 1, column " },
	};
	struct probe *p = *state;

	probe_put(p, "a", "1");
	probe_put(p, "a", "2");
	for (size_t i = 0; i < MEM_COUNT(broken); i++) {
		char *index = text_of(index_path);
		struct err e = { 0 };
		struct kv_list list;

		edit(path, broken[i].text);
		expect_error(kv_wait_list(&p->w, "", &list, NULL, &e), &e, ERR_PROTOCOL, path);
		expect_error(-1, &e, ERR_PROTOCOL, broken[i].where);
		expect_error(kv_wait_put(&p->w, "c", "", 0, &e), &e, ERR_PROTOCOL, broken[i].where);
		/* Nothing was overwritten, nothing was forgotten. */
		expect_text(path, broken[i].text);
		expect_text(index_path, index);
		free(index);
	}
	edit(path, "[{\"key\":\"a\",\"value\":\"Mg==\"}]");
	assert_string_equal(probe_get(p, "a").value, "2");
}

/* An editor empties the file and then writes it: who waits does not see that. */
static void
forgives_half_written_edits(void **state)
{
	struct probe *p = *state;
	struct probe_watch watch;

	probe_put(p, "a", "1");
	probe_watch(p, &watch, "", probe_index(p, ""), PROBE_LIMIT_MS);
	probe_idle(p, 50);
	edit(path, "");
	probe_idle(p, 50);
	edit(path, "[{\"key\":\"a\",");
	probe_idle(p, 50);
	edit(path, "[{\"key\":\"a\",\"value\":\"Mg==\"}]");
	probe_expect_woken(p, &watch, 1, 1);
	/* One that stays broken is told. */
	probe_watch(p, &watch, "", watch.index, PROBE_LIMIT_MS);
	probe_idle(p, 50);
	edit(path, "[{\"key\":\"a\",");
	assert_true(probe_is_answered(p, &watch, PROBE_WAKE_MS));
	expect_error(-1, &watch.err, ERR_PROTOCOL, "kv.json: ");
	edit(path, "[]");
	assert_string_equal(probe_keys(p, ""), "");
}

static void
misses_the_file(void **state)
{
	struct probe *p = *state;
	char *away = mem_printf("%s/away", dir);
	struct err e = { 0 };
	struct kv_list list;
	struct probe_watch watch;

	probe_put(p, "a", "1");
	probe_put(p, "b", "1");
	probe_watch(p, &watch, "", probe_index(p, ""), 600);
	probe_idle(p, 50);
	assert_int_equal(rename(path, away), 0);
	expect_error(kv_wait_list(&p->w, "", &list, NULL, &e), &e, ERR_NOT_FOUND, path);
	expect_error(kv_wait_put(&p->w, "c", "", 0, &e), &e, ERR_NOT_FOUND, path);
	assert_int_equal(rename(away, path), 0);
	/* It was away for a moment only: nobody who waits was told. */
	assert_true(probe_is_answered(p, &watch, PROBE_WAKE_MS));
	assert_int_equal(watch.err.code, ERR_NONE);
	assert_int_equal(watch.count, 2);
	/* Both gone is a new store. */
	unlink(path);
	unlink(index_path);
	assert_string_equal(probe_keys(p, ""), "");
	probe_put(p, "a", "1");
	assert_string_equal(probe_keys(p, ""), "a");
	free(away);
}

static void
refuses_a_broken_index(void **state)
{
	static const char *const broken[] = { "[", "[]", "{}", "[{\"format\":2}]", "x",
		"[{\"format\":1,\"index\":3},{\"key\":\"a\"},{\"key\":\"a\"}]",
		"[{\"format\":1},{\"key\":\"a\",\"value\":\"x\"}]",
		"[{\"format\":1},{\"key\":\"a\\u0000\"}]" };
	struct probe *p = *state;

	probe_put(p, "a", "1");
	for (size_t i = 0; i < MEM_COUNT(broken); i++) {
		struct err e = { 0 };
		struct kv_list list;

		edit(index_path, broken[i]);
		expect_error(
		    kv_wait_list(&p->w, "", &list, NULL, &e), &e, ERR_PROTOCOL, index_path);
		expect_error(kv_wait_put(&p->w, "a", "2", 1, &e), &e, ERR_PROTOCOL, "remove");
		expect_text(index_path, broken[i]);
	}
	unlink(index_path);
	assert_string_equal(probe_get(p, "a").value, "1");
}

/* Holds the lock until its standard input ends. */
static pid_t
hold_lock(int *release)
{
	int held[2], end[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe(held), 0);
	assert_int_equal(pipe(end), 0);
	if ((pid = fork()) == 0) {
		int fd = open(lock_path, O_RDONLY | O_CREAT | O_CLOEXEC, 0400);

		close(end[1]);
		if (fd < 0 || flock(fd, LOCK_EX) != 0 || write(held[1], "x", 1) != 1)
			_exit(1);
		_exit(read(end[0], &c, 1) == 0 ? 0 : 1);
	}
	assert_int_equal(read(held[0], &c, 1), 1);
	close(held[0]);
	close(held[1]);
	close(end[0]);
	*release = end[1];
	return pid;
}

static void
waits_for_the_lock(void **state)
{
	struct probe *p = *state;
	struct probe_watch put = { 0 };
	int release, status;
	pid_t pid;

	probe_put(p, "a", "1");
	pid = hold_lock(&release);
	kv_put(p->kv, "a", "2", 1, probe_answered, &put);
	probe_idle(p, 150);
	assert_int_equal(put.answers, 0);
	assert_string_equal(probe_get(p, "a").value, "1"); /* readers need no lock */
	close(release);
	assert_true(probe_is_answered(p, &put, PROBE_WAKE_MS));
	assert_int_equal(put.err.code, ERR_NONE);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_string_equal(probe_get(p, "a").value, "2");
}

static void
gives_up_on_a_stuck_lock(void **state)
{
	struct probe *p = *state;
	struct probe_watch put = { 0 };
	int release;
	pid_t pid;

	probe_put(p, "a", "1");
	pid = hold_lock(&release);
	kv_put(p->kv, "a", "2", 1, probe_answered, &put);
	probe_idle(p, 50);
	assert_int_equal(put.answers, 0);
	clock_fake_set(clock_mono_us() + 5100000);
	loop_turn(loop, 100);
	assert_int_equal(put.answers, 1);
	expect_error(-1, &put.err, ERR_TIMEOUT, lock_path);
	close(release);
	waitpid(pid, NULL, 0);
	assert_string_equal(probe_get(p, "a").value, "1");
}

/* Somebody tidies up while we hold or wait: the next writer locks the file that is there. */
static void
survives_a_removed_lock(void **state)
{
	struct probe *p = *state;

	probe_put(p, "a", "1");
	unlink(lock_path);
	probe_put(p, "a", "2");
	assert_string_equal(probe_get(p, "a").value, "2");
	assert_int_equal(access(lock_path, F_OK), 0);
}

static void
keeps_modes(void **state)
{
	struct probe *p = *state;
	struct stat st;
	mode_t mask = umask(0);

	probe_put(p, "a", "1");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(stat(lock_path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0400);
	assert_int_equal(chmod(path, 0660), 0);
	probe_put(p, "a", "2");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(stat(index_path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	umask(mask);
}

static void
ends_sessions_in_time(void **state)
{
	const int64_t began_us = INT64_C(5000000000);
	struct probe *p = *state;
	char session[KV_SESSION_SIZE], *text;
	struct err e = { 0 };
	uint64_t index;

	clock_fake_set(began_us);
	probe_session(p, 3000, false, session);
	assert_int_equal(probe_lock(p, "a", "1", session), 1);
	clock_fake_set(began_us + 9999000);
	assert_string_equal(probe_get(p, "a").session, session);
	PROBE_OK(kv_wait_session_renew(&p->w, session, &probe_err));
	clock_fake_set(began_us + 19998000);
	assert_string_equal(probe_get(p, "a").session, session);
	index = probe_index(p, "a");
	clock_fake_set(began_us + 19999000);
	/* Nobody was there when it expired: whoever reads finds it done, with a new index. */
	assert_string_equal(probe_get(p, "a").session, "");
	assert_true(probe_index(p, "a") > index);
	expect_error(kv_wait_session_renew(&p->w, session, &e), &e, ERR_NOT_FOUND, "is gone");
	probe_session(p, 0, false, session);
	/* The delay runs from the expiry. */
	clock_fake_set(began_us + 22998000);
	assert_int_equal(probe_lock(p, "a", "2", session), 0);
	text = text_of(index_path);
	assert_non_null(strstr(text, "\"delayed\""));
	free(text);
	clock_fake_set(began_us + 22999000);
	assert_int_equal(probe_lock(p, "a", "2", session), 1);
	text = text_of(index_path);
	assert_null(strstr(text, "\"delayed\""));
	free(text);
}

/* After a reboot the clock starts anew: a session of before must not live for years. */
static void
ends_sessions_at_reboot(void **state)
{
	struct probe *p = *state;
	char session[KV_SESSION_SIZE], *text, *boot;

	probe_session(p, 60000, false, session);
	assert_int_equal(probe_lock(p, "b", "1", session), 1);
	PROBE_OK(kv_wait_session_destroy(&p->w, session, &probe_err));
	probe_session(p, 60000, false, session);
	assert_int_equal(probe_lock(p, "b", "1", session), 0);
	assert_int_equal(probe_lock(p, "a", "1", session), 1);
	assert_string_equal(probe_get(p, "a").session, session);
	text = text_of(index_path);
	boot = strstr(text, "\"boot\":\"");
	assert_non_null(boot);
	boot[8] = boot[8] == '0' ? '1' : '0';
	edit(index_path, text);
	free(text);
	assert_string_equal(probe_get(p, "a").session, "");
	assert_string_equal(probe_get(p, "a").value, "1");
	probe_session(p, 0, false, session);
	assert_int_equal(probe_lock(p, "a", "2", session), 1);
	assert_int_equal(probe_lock(p, "b", "2", session), 1); /* delays are over as well */
}

/* A reader who may not write sees that a session has ended, although nobody wrote it down. */
static void
run_as_mere_reader(const char *session)
{
	struct loop *l = loop_new();
	struct probe p = { 0 };
	struct err e = { 0 };
	struct probe_seen seen;

	if (setgid(65534) != 0 || setuid(65534) != 0)
		_exit(2);
	probe_open(&p, l, address);
	seen = probe_get(&p, "a");
	if (strcmp(seen.session, session) != 0)
		_exit(3);
	clock_fake_set(clock_mono_us() + 11000000);
	if (strcmp(probe_get(&p, "a").session, "") != 0 ||
	    probe_get(&p, "a").modify_index != seen.modify_index ||
	    strcmp(probe_keys(&p, ""), "a") != 0)
		_exit(4);
	if (kv_wait_put(&p.w, "a", "2", 1, &e) != -1 || e.code != ERR_DENIED ||
	    strstr(e.text, lock_path) == NULL)
		_exit(5);
	probe_close(&p);
	loop_free(l);
	_exit(0);
}

static void
serves_mere_readers(void **state)
{
	struct probe *p = *state;
	char session[KV_SESSION_SIZE], deletes[KV_SESSION_SIZE];
	int status;
	pid_t pid;

	if (geteuid() != 0) {
		print_message("serves_mere_readers: NOT RUN: only root can become another user\n");
		skip();
	}
	assert_int_equal(chmod(dir, 0755), 0);
	probe_session(p, 0, false, session);
	probe_session(p, 0, true, deletes);
	assert_int_equal(probe_lock(p, "a", "1", session), 1);
	assert_int_equal(probe_lock(p, "b", "1", deletes), 1);
	if ((pid = fork()) == 0)
		run_as_mere_reader(session);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static size_t
count_tombstones(void)
{
	char *text = text_of(index_path);
	size_t count = 0;

	for (const char *at = text; (at = strstr(at, "\"deleted\"")) != NULL; at++)
		count++;
	free(text);
	return count;
}

/* The oldest tombstones are forgotten; no list's index goes down by that. */
static void
forgets_tombstones(void **state)
{
	struct probe *p = *state;
	uint64_t first, stays, index;
	char key[32];

	/* A key that comes and goes has one. */
	for (int i = 0; i < 3; i++) {
		probe_put(p, "first/a", "1");
		assert_int_equal(count_tombstones(), 0);
		probe_delete(p, "first/a");
		assert_int_equal(count_tombstones(), 1);
	}
	first = probe_index(p, "first/");
	probe_put(p, "stays/a", "1");
	probe_put(p, "stays/b", "1");
	probe_delete(p, "stays/b");
	stays = probe_index(p, "stays/");
	for (int i = 0; i < 10; i++) {
		struct kv_op ops[KV_TXN_MAX];
		char keys[KV_TXN_MAX][32];

		for (int k = 0; k < KV_TXN_MAX; k++) {
			snprintf(keys[k], sizeof(keys[k]), "many/%d/%d", i, k);
			ops[k] = (struct kv_op){ .kind = KV_OP_SET, .key = keys[k] };
		}
		assert_int_equal(probe_apply(p, ops, KV_TXN_MAX), 1);
		for (int k = 0; k < KV_TXN_MAX; k++)
			ops[k].kind = KV_OP_DELETE;
		assert_int_equal(probe_apply(p, ops, KV_TXN_MAX), 1);
		snprintf(key, sizeof(key), "many/%d/", i);
		index = probe_index(p, key);
		assert_true(index > first);
		assert_true(probe_index(p, "first/") >= first);
		assert_true(probe_index(p, "stays/") >= stays);
		assert_true(probe_index(p, "stays/") < index);
	}
	/* Now it has the index that was forgotten last; what has nothing left has the store's. */
	assert_true(probe_index(p, "stays/") > stays);
	assert_int_equal(probe_index(p, "first/"), probe_index(p, ""));
	assert_in_range(count_tombstones(), 1, 512 + KV_TXN_MAX + 1);
}

static void
refuses_bad_addresses(void **state)
{
	static const char *const bad[] = { "file:", "file:kv.json", "file:/tmp/", "file://" };
	struct kv_config config = { .address = "file:/nonexistent/kv.json" };
	const struct kv_read r = { .index = 1, .wait_ms = 1000 };
	struct probe_watch watch = { 0 };
	struct err e = { 0 };
	struct kv_waiter w = { .loop = loop, .limit_ms = 1000 };

	(void)state;
	w.kv = kv_new(loop, &config, &e);
	assert_non_null(w.kv);
	expect_error(kv_wait_put(&w, "a", "", 0, &e), &e, ERR_NOT_FOUND, "/nonexistent/kv.json");
	kv_list(w.kv, "", &r, probe_answered, &watch);
	assert_true(probe_is_answered(&probe, &watch, PROBE_WAKE_MS));
	expect_error(-1, &watch.err, ERR_NOT_FOUND, "/nonexistent");
	kv_free(w.kv);
	for (size_t i = 0; i < MEM_COUNT(bad); i++) {
		config.address = bad[i];
		assert_null(kv_new(loop, &config, &e));
		expect_error(-1, &e, ERR_CONFIG, bad[i]);
	}
}

static void
refuses_keys_that_are_no_text(void **state)
{
	struct probe *p = *state;
	struct err e = { 0 };

	expect_error(kv_wait_put(&p->w, "a\xff", "1", 1, &e), &e, ERR_USAGE, "a\\xff is not UTF-8");
	assert_false(probe_get(p, "a\xff").exists);
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(starts_from_an_export),
		TEST(notices_edits),
		TEST(notices_restored_files),
		TEST(edits_keep_locks),
		TEST(refuses_broken_edits),
		TEST(forgives_half_written_edits),
		TEST(misses_the_file),
		TEST(refuses_a_broken_index),
		TEST(waits_for_the_lock),
		TEST(gives_up_on_a_stuck_lock),
		TEST(survives_a_removed_lock),
		TEST(keeps_modes),
		TEST(ends_sessions_in_time),
		TEST(ends_sessions_at_reboot),
		TEST(serves_mere_readers),
		TEST(forgets_tombstones),
		TEST(refuses_bad_addresses),
		TEST(refuses_keys_that_are_no_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
