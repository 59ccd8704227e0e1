/*
 * test_check_redis.c: the check redis on real servers in every state that it has a word for, with real
 * Sentinels, and on peers that are no Redis.
 */
#include "check_probe.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "../fake/fake_peer.h"
#include "base/mem.h"
#include "base/str.h"
#include "certificates.h"
#include "model/server_view.h"
#include "redis_server.h"

/* Where it is waited for in vain; the connection has to be there before. */
#define LIMIT_MS (io_test_is_valgrind() ? 2000 : 600)
#define PASSWORD "s3cret-of-the-test"
#define ACL \
	"user default off\nuser pointsman on >" PASSWORD " +ping +role +info +select\n" \
	"user half on >" PASSWORD " +ping"

static struct redis_server *master, *replica;

struct fixture {
	struct loop *loop;
	int fds;
};

static struct check_spec plain = { .type = (char *)"redis" };

static int
setup(void **state)
{
	struct fixture *f = mem_alloc(sizeof(*f));

	f->loop = loop_new();
	f->fds = io_test_count_fds();
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	io_test_idle(f->loop, 5);
	assert_int_equal(f->fds, io_test_count_fds());
	loop_free(f->loop);
	free(f);
	return 0;
}

static struct redis_server *
start_replica_of(const struct redis_server *of, const char *more)
{
	char *config =
	    mem_printf("save \"\"\nreplicaof 127.0.0.1 %d\n%s", redis_server_port(of), more);
	struct redis_server *s = redis_server_start(config);

	free(config);
	return s;
}

static int
start_servers(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	master = redis_server_start("save \"\"\nrepl-diskless-sync-delay 0");
	replica = start_replica_of(master, "");
	redis_server_wait(replica, "INFO replication", "master_link_status:up");
	return 0;
}

static int
stop_servers(void **state)
{
	(void)state;
	redis_server_stop(master);
	redis_server_stop(replica);
	return 0;
}

/* One run within ample time; the text has to hold the words. */
static void
expect(struct fixture *f, const struct check_spec *spec, const struct redis_server *s,
    enum check_role role, enum check_class class, const char *words)
{
	struct check_result r =
	    probe_once(f->loop, spec, redis_server_port(s), role, PROBE_AMPLE_MS);

	assert_found(&r, class, words);
	check_result_clear(&r);
}

static void
test_roles(void **state)
{
	struct fixture *f = *state;

	expect(f, &plain, master, CHECK_ROLE_ANY, CHECK_OK, "master");
	expect(f, &plain, master, CHECK_ROLE_ACTIVE, CHECK_OK, "1 replica");
	expect(f, &plain, master, CHECK_ROLE_STANDBY, CHECK_ROLE, "is a master");
	expect(f, &plain, replica, CHECK_ROLE_ANY, CHECK_OK, "linked");
	expect(f, &plain, replica, CHECK_ROLE_STANDBY, CHECK_OK, "linked");
	expect(f, &plain, replica, CHECK_ROLE_ACTIVE, CHECK_ROLE, "must be a master");
}

static void
test_view_and_numbers(void **state)
{
	struct fixture *f = *state;
	struct check_result r =
	    probe_once(f->loop, &plain, redis_server_port(replica), CHECK_ROLE_ANY, PROBE_AMPLE_MS);

	assert_non_null(r.view);
	assert_int_equal(SERVER_REDIS, r.view->kind);
	assert_false(r.view->is_writable);
	assert_int_equal(1, r.view->source_count);
	assert_int_equal(redis_server_port(master), r.view->sources[0].source_port);
	assert_true(r.view->sources[0].is_io_running);
	assert_string_equal("", r.view->sentinel);
	assert_true(probe_number(&r, "time") > 0);
	assert_true(probe_number(&r, "sessions") >= 1);
	check_result_clear(&r);
}

/* The same connection serves run after run; when the target moves, another one. */
static void
test_connection_is_kept(void **state)
{
	struct fixture *f = *state;
	void *probe = check_type_redis.open(f->loop, &plain);
	struct probe_got got = { 0 };
	int port = redis_server_port(master);

	for (int i = 0; i < 5; i++)
		probe_again(
		    f->loop, &check_type_redis, probe, port, CHECK_ROLE_ANY, PROBE_AMPLE_MS, &got);
	assert_int_equal(f->fds + 1, io_test_count_fds());
	assert_found(&got.result, CHECK_OK, "master");
	probe_again(f->loop, &check_type_redis, probe, redis_server_port(replica), CHECK_ROLE_ANY,
	    PROBE_AMPLE_MS, &got);
	assert_found(&got.result, CHECK_OK, "replica of");
	check_result_clear(&got.result);
	check_type_redis.close(probe);
}

static void
test_stopped_killed_closed(void **state)
{
	struct fixture *f = *state;
	struct redis_server *s = redis_server_start("save \"\"");
	void *probe = check_type_redis.open(f->loop, &plain);
	struct probe_got got = { 0 };
	int port = redis_server_port(s);

	probe_again(f->loop, &check_type_redis, probe, port, CHECK_ROLE_ANY, PROBE_AMPLE_MS, &got);
	assert_found(&got.result, CHECK_OK, "master");
	kill(redis_server_pid(s), SIGSTOP);
	for (int i = 0; i < 2; i++) { /* over the old connection, and over a new one */
		probe_again(
		    f->loop, &check_type_redis, probe, port, CHECK_ROLE_ANY, LIMIT_MS, &got);
		assert_found(&got.result, CHECK_TIMEOUT, "no answer within");
		assert_null(got.result.view);
	}
	kill(redis_server_pid(s), SIGCONT);
	probe_again(f->loop, &check_type_redis, probe, port, CHECK_ROLE_ANY, PROBE_AMPLE_MS, &got);
	assert_found(&got.result, CHECK_OK, "master");
	redis_server_stop(s);
	probe_again(f->loop, &check_type_redis, probe, port, CHECK_ROLE_ANY, PROBE_AMPLE_MS, &got);
	if (got.result.class == CHECK_RESET) /* the kernel was slower than we */
		probe_again(
		    f->loop, &check_type_redis, probe, port, CHECK_ROLE_ANY, PROBE_AMPLE_MS, &got);
	assert_found(&got.result, CHECK_REFUSED, "Connection refused");
	check_result_clear(&got.result);
	check_type_redis.close(probe);
}

static void
test_link_down(void **state)
{
	struct fixture *f = *state;
	struct redis_server *m = redis_server_start("save \"\"\nrepl-diskless-sync-delay 0"),
			    *r = start_replica_of(m, "replica-serve-stale-data no");

	redis_server_wait(r, "INFO replication", "master_link_status:up");
	expect(f, &plain, r, CHECK_ROLE_STANDBY, CHECK_OK, "linked");
	redis_server_stop(m);
	redis_server_wait(r, "INFO replication", "master_link_status:down");
	/* PING says MASTERDOWN, INFO says since when. */
	expect(f, &plain, r, CHECK_ROLE_STANDBY, CHECK_REPLICATION, "has been down for");
	expect(f, &plain, r, CHECK_ROLE_ANY, CHECK_REPLICATION, "(connect");
	redis_server_stop(r);
}

static void
test_refuses_writes(void **state)
{
	struct fixture *f = *state;
	struct redis_server *s = redis_server_start("save \"\"\nmin-replicas-to-write 1");

	expect(f, &plain, s, CHECK_ROLE_ACTIVE, CHECK_REPLICATION, "min-replicas-to-write");
	redis_server_ask(s, "CONFIG SET min-replicas-to-write 0");
	expect(f, &plain, s, CHECK_ROLE_ACTIVE, CHECK_OK, "master, no replica");
	redis_server_ask(s, "CONFIG SET maxmemory 1mb");
	redis_server_ask(s, "CONFIG SET maxmemory 1");
	expect(f, &plain, s, CHECK_ROLE_ACTIVE, CHECK_VALUE, "maxmemory");
	redis_server_ask(s, "CONFIG SET maxmemory 0");
	{
		char *path = mem_printf("%s/dump.rdb", redis_server_dir(s));

		/* rename(2) over a directory fails, also for root: as a full disk would. */
		assert_int_equal(0, mkdir(path, 0755));
		redis_server_ask(s, "BGSAVE");
		redis_server_wait(s, "INFO persistence", "rdb_last_bgsave_status:err");
		free(path);
	}
	expect(f, &plain, s, CHECK_ROLE_ACTIVE, CHECK_DISK_FULL, "background save failed");
	redis_server_stop(s);
}

static void
test_loading(void **state)
{
	struct fixture *f = *state;
	struct redis_server *s = redis_server_start("save \"\"\nenable-debug-command yes");
	char *config, *from, *command;
	struct redis_server *loading;

	redis_server_ask(s, "DEBUG POPULATE 10000");
	redis_server_ask(s, "SAVE");
	from = mem_printf("%s/dump.rdb", redis_server_dir(s));
	/* 10,000 keys at 1 ms each; it looks at its sockets in between. */
	config = mem_printf(
	    "save \"\"\nkey-load-delay 1000\nloading-process-events-interval-bytes 1024\n"
	    "rdbchecksum no\ndir %s",
	    redis_server_dir(s));
	command = mem_printf("test -s %s", from);
	assert_int_equal(0, system(command));
	loading = redis_server_start(config);
	expect(f, &plain, loading, CHECK_ROLE_ACTIVE, CHECK_READ_ONLY, "loads its data");
	expect(f, &plain, loading, CHECK_ROLE_STANDBY, CHECK_REPLICATION, "loads its data");
	redis_server_stop(loading);
	redis_server_stop(s);
	free(from);
	free(config);
	free(command);
}

/* An option file that only its owner may read. */
static char *
write_credentials(const struct redis_server *s, const char *user, const char *password)
{
	char *path = mem_printf("%s/%s.cnf", redis_server_dir(s), user);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(0, fchmod(fd, 0600));
	dprintf(fd, "[pointsman]\nuser = %s\npassword = %s\n", user, password);
	close(fd);
	return path;
}

static void
test_accounts(void **state)
{
	struct fixture *f = *state;
	struct redis_server *s = redis_server_start("save \"\"\n" ACL);
	static const struct {
		const char *user, *password;
		enum check_class class;
		const char *words;
	} rows[] = {
		{ "pointsman", PASSWORD, CHECK_OK, "master" },
		{ "pointsman", "wrong-one", CHECK_AUTH, "WRONGPASS" },
		{ "nobody", PASSWORD, CHECK_AUTH, "WRONGPASS" },
		{ "half", PASSWORD, CHECK_AUTH, "NOPERM" },
	};

	expect(f, &plain, s, CHECK_ROLE_ANY, CHECK_AUTH, "NOAUTH");
	for (size_t i = 0; i < MEM_COUNT(rows); i++) {
		char *path = write_credentials(s, rows[i].user, rows[i].password);
		struct check_spec spec = { .type = (char *)"redis",
			.credentials = path,
			.database = (char *)(i == 0 ? "0" : NULL) };
		struct check_result r = probe_once(
		    f->loop, &spec, redis_server_port(s), CHECK_ROLE_ANY, PROBE_AMPLE_MS);

		assert_found(&r, rows[i].class, rows[i].words);
		assert_null(strstr(r.text, rows[i].password));
		check_result_clear(&r);
		assert_int_equal(0, chmod(path, 0644)); /* everybody may read it now */
		expect(f, &spec, s, CHECK_ROLE_ANY, CHECK_UNKNOWN, ".cnf");
		free(path);
	}
	redis_server_stop(s);
}

/* TLS by the check's own key, by the option file, and refused. */
static void
test_tls(void **state)
{
	struct fixture *f = *state;
	char *dir = certificates_make(), *ca = mem_printf("%s/ca.pem", dir),
	     *other = mem_printf("%s/other.pem", dir), *path,
	     *config = mem_printf("port 0\ntls-port @PORT@\nsave \"\"\ntls-auth-clients no\n"
				  "tls-cert-file %s/cert.pem\ntls-key-file %s/key.pem\n"
				  "tls-ca-cert-file %s/ca.pem",
		 dir, dir, dir);
	struct redis_server *s = redis_server_start(config);
	struct check_spec spec = { .type = (char *)"redis",
		.target = (char *)"cache.test:1",
		.is_tls = true,
		.ca_file = ca };
	FILE *file;

	expect(f, &spec, s, CHECK_ROLE_ANY, CHECK_OK, "master");
	spec.ca_file = other;
	expect(f, &spec, s, CHECK_ROLE_ANY, CHECK_TLS, "certificate");
	spec.ca_file = ca;
	spec.host = (char *)"db.test";
	expect(f, &spec, s, CHECK_ROLE_ANY, CHECK_TLS, "hostname mismatch");
	/* In the clear Redis waits for the end of a line: as a server that hangs. */
	{
		struct check_result r =
		    probe_once(f->loop, &spec, redis_server_port(master), CHECK_ROLE_ANY, LIMIT_MS);

		assert_found(&r, CHECK_TIMEOUT, "no TLS handshake within");
	}

	/* The file names an authority: that verifies the name as well, unless it says not to. */
	path = mem_printf("%s/tls.cnf", dir);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_int_equal(0, fchmod(fileno(file), 0600));
	fprintf(file, "[pointsman]\nssl-ca = %s\n", ca);
	fflush(file);
	spec.is_tls = false;
	spec.ca_file = NULL;
	spec.credentials = path;
	expect(f, &spec, s, CHECK_ROLE_ANY, CHECK_TLS, "hostname mismatch");
	fprintf(file, "ssl-verify-server-cert = off\n");
	fclose(file);
	expect(f, &spec, s, CHECK_ROLE_ANY, CHECK_OK, "master");
	redis_server_stop(s);
	certificates_remove(dir);
	free(ca);
	free(other);
	free(path);
	free(config);
}

/* A password that changes takes effect with the next connection, without a reload. */
static void
test_password_changes(void **state)
{
	struct fixture *f = *state;
	struct redis_server *s = redis_server_start("save \"\"\nrequirepass " PASSWORD);
	char *path = write_credentials(s, "default", "wrong-one");
	struct check_spec spec = { .type = (char *)"redis", .credentials = path };
	void *probe = check_type_redis.open(f->loop, &spec);
	struct probe_got got = { 0 };

	probe_again(f->loop, &check_type_redis, probe, redis_server_port(s), CHECK_ROLE_ANY,
	    PROBE_AMPLE_MS, &got);
	assert_found(&got.result, CHECK_AUTH, "WRONGPASS");
	free(write_credentials(s, "default", PASSWORD)); /* the same file */
	probe_again(f->loop, &check_type_redis, probe, redis_server_port(s), CHECK_ROLE_ANY,
	    PROBE_AMPLE_MS, &got);
	assert_found(&got.result, CHECK_OK, "master");
	check_result_clear(&got.result);
	check_type_redis.close(probe);
	redis_server_stop(s);
	free(path);
}

static void
test_too_many(void **state)
{
	struct fixture *f = *state;
	struct redis_server *s = redis_server_start("save \"\"\nmaxclients 1");
	void *holder = check_type_redis.open(f->loop, &plain);
	struct probe_got got = { 0 };

	do { /* the knock of its start may not have ended yet */
		probe_again(f->loop, &check_type_redis, holder, redis_server_port(s),
		    CHECK_ROLE_ANY, PROBE_AMPLE_MS, &got);
	} while (got.result.class == CHECK_TOO_MANY);
	assert_found(&got.result, CHECK_OK, "master");
	for (int i = 0; i < 20; i++)
		expect(f, &plain, s, CHECK_ROLE_ANY, CHECK_TOO_MANY, "max number of clients");
	check_result_clear(&got.result);
	check_type_redis.close(holder);
	redis_server_stop(s);
}

static void
test_peers_that_are_none(void **state)
{
	struct fixture *f = *state;
	static const struct {
		struct fake_script script;
		enum check_class class;
		const char *words;
	} rows[] = {
		{ { .greeting = "SSH-2.0-OpenSSH_9.2p1\r\n" }, CHECK_PROTOCOL, "SSH-2.0" },
		{ { .answer = "HTTP/1.1 400 Bad Request\r\n\r\n" }, CHECK_PROTOCOL, "HTTP/1.1" },
		{ { 0 }, CHECK_TIMEOUT, "no answer within" },
		{ { .answer =
			  "+PONG\r\n*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n$4000\r\nredis_version:7" },
		    CHECK_TIMEOUT, "no answer within" },
		{ { .answer = "+PONG\r\n*0\r\n$5\r\nhello\r\n" }, CHECK_PROTOCOL, "which Redis" },
		{ { .answer = "+PONG\r\n:1\r\n:1\r\n" }, CHECK_PROTOCOL, "which Redis" },
		{ { .answer = "aaaaaaaaaaaaaaaa", .fill = 3000000 }, CHECK_PROTOCOL, "aaaa" },
		{ { .answer = "$900000000\r\n" }, CHECK_PROTOCOL, "larger" },
		{ { .is_closing = true }, CHECK_RESET, "closed" },
		{ { .is_reset = true }, CHECK_RESET, "reset" },
		{ { .greeting = "-DENIED Redis is running in protected mode\r\n",
		      .is_closing = true },
		    CHECK_AUTH, "protected mode" },
	};

	for (size_t i = 0; i < MEM_COUNT(rows); i++) {
		struct fake_peer *p = fake_peer_new(f->loop, &rows[i].script);
		struct check_result r = probe_once(f->loop, &plain, fake_peer_port(p),
		    CHECK_ROLE_ANY, rows[i].class == CHECK_TIMEOUT ? LIMIT_MS : PROBE_AMPLE_MS);

		if (r.class != rows[i].class || strcasestr(r.text, rows[i].words) == NULL)
			fail_msg("row %zu: %s: %s", i, check_class_name(r.class), r.text);
		check_result_clear(&r);
		fake_peer_free(p);
	}
}

/* What the Sentinels say of the target, as the view has it. */
static void
sentinel_says(struct fixture *f, const struct check_spec *spec, int port, char out[256])
{
	struct check_result r = probe_once(f->loop, spec, port, CHECK_ROLE_ANY, PROBE_AMPLE_MS);

	assert_found(&r, CHECK_OK, "");
	assert_non_null(r.view);
	snprintf(out, 256, "%s", r.view->sentinel);
	check_result_clear(&r);
}

static void
test_sentinels(void **state)
{
	struct fixture *f = *state;
	struct redis_server *m = redis_server_start("save \"\""), *s[2];
	char *config = mem_printf("sentinel monitor cache 127.0.0.1 %d 2\n"
				  "sentinel down-after-milliseconds cache 2000",
	    redis_server_port(m));
	char *addresses[3] = { NULL }, text[256], want[256];
	struct check_spec spec = {
		.type = (char *)"redis", .sentinels = addresses, .sentinel_master = (char *)"cache"
	};

	for (int i = 0; i < 2; i++) {
		s[i] = redis_server_start_sentinel(config);
		addresses[i] = mem_printf("127.0.0.1:%d", redis_server_port(s[i]));
	}
	snprintf(want, sizeof(want),
	    "2 of 2 sentinels: the master is 127.0.0.1:%d (this one), quorum 2, down say 0",
	    redis_server_port(m));
	sentinel_says(f, &spec, redis_server_port(m), text);
	assert_string_equal(want, text);
	/* Looked at from another server of the same name. */
	sentinel_says(f, &spec, redis_server_port(master), text);
	assert_null(strstr(text, "this one"));

	kill(redis_server_pid(m), SIGSTOP);
	redis_server_wait(s[0], "SENTINEL MASTER cache", "s_down");
	redis_server_wait(s[1], "SENTINEL MASTER cache", "s_down");
	sentinel_says(f, &spec, redis_server_port(master), text);
	assert_non_null(strstr(text, "down say 2"));
	kill(redis_server_pid(m), SIGCONT);

	spec.sentinel_master = (char *)"unknown";
	sentinel_says(f, &spec, redis_server_port(m), text);
	assert_non_null(strstr(text, "none of 2 sentinels says anything: ERR No such master"));
	spec.sentinel_master = (char *)"cache";
	redis_server_stop(s[0]);
	sentinel_says(f, &spec, redis_server_port(m), text);
	assert_int_equal(0, strncmp(text, "1 of 2 sentinels", 16));
	/* One that hangs costs half of the limit, not the result: enough for that of a busy machine. */
	kill(redis_server_pid(s[1]), SIGSTOP);
	{
		struct check_result r =
		    probe_once(f->loop, &spec, redis_server_port(m), CHECK_ROLE_ANY, 4000);

		assert_found(&r, CHECK_OK, "master");
		assert_non_null(strstr(r.view->sentinel, "none of 2"));
		check_result_clear(&r);
	}
	redis_server_stop(s[1]);
	redis_server_stop(m);
	free(config);
	free(addresses[0]);
	free(addresses[1]);
}

static void
test_closed_while_running(void **state)
{
	struct fixture *f = *state;
	char *sentinel = mem_printf("127.0.0.1:%d", redis_server_port(master));
	char *addresses[] = { sentinel, (char *)"no address", NULL };
	struct check_spec spec = { .type = (char *)"redis", .sentinels = addresses };
	const struct endpoint to = probe_endpoint(redis_server_port(master));
	const struct check_run run = { .endpoint = &to, .limit_ms = PROBE_AMPLE_MS };
	struct probe_got got = { 0 };

	for (int turns = 0; turns < 6; turns++) {
		void *probe = check_type_redis.open(f->loop, &spec);

		check_type_redis.start(probe, &run, probe_done, &got);
		for (int t = 0; t < turns && got.done == 0; t++)
			loop_turn(f->loop, 1);
		check_type_redis.close(probe);
		check_result_clear(&got.result);
		got.done = 0;
		io_test_idle(f->loop, 10);
		assert_int_equal(0, got.done);
	}
	check_type_redis.close(NULL);
	free(sentinel);
}

static void
test_specs(void **state)
{
	struct check_spec spec = { .type = (char *)"redis", .database = (char *)"game" };
	struct err e;

	(void)state;
	assert_int_equal(-1, check_type_redis.validate(&spec, &e));
	spec.database = (char *)"3";
	assert_int_equal(0, check_type_redis.validate(&spec, &e));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_roles, setup, teardown),
		cmocka_unit_test_setup_teardown(test_view_and_numbers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_connection_is_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stopped_killed_closed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_link_down, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refuses_writes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_loading, setup, teardown),
		cmocka_unit_test_setup_teardown(test_accounts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tls, setup, teardown),
		cmocka_unit_test_setup_teardown(test_password_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_peers_that_are_none, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sentinels, setup, teardown),
		cmocka_unit_test_setup_teardown(test_closed_while_running, setup, teardown),
		cmocka_unit_test(test_specs),
	};

	return cmocka_run_group_tests(tests, start_servers, stop_servers);
}
