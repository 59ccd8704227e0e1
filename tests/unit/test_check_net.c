/*
 * test_check_net.c: the checks tcp and http, on peers that do what they are told, and with TLS on
 * openssl's s_server.
 */
#include "feature/check_net.h"

#include "check_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "../fake/fake_peer.h"
#include "base/mem.h"
#include "certificates.h"
#include "redis_server.h"
#include "server_child.h"

/* Where it is waited for in vain; the connection has to be there before, under valgrind, too. */
#define LIMIT_MS 1000

struct fixture {
	struct loop *loop;
	int fds;
};

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

/* One run on a peer with that script. */
static struct check_result
on_peer(struct fixture *f, const struct check_spec *spec, const struct fake_script *script,
    int64_t limit_ms)
{
	struct fake_peer *p = fake_peer_new(f->loop, script);
	struct check_result r =
	    probe_once(f->loop, spec, fake_peer_port(p), CHECK_ROLE_ANY, limit_ms);

	fake_peer_free(p);
	return r;
}

static void
test_faults(void **state)
{
	(void)state;
	assert_int_equal(FAULT_REFUSED, fault_of_errno(ECONNREFUSED));
	assert_int_equal(FAULT_RESET, fault_of_errno(EPIPE));
	assert_int_equal(FAULT_UNREACHABLE, fault_of_errno(EHOSTUNREACH));
	assert_int_equal(FAULT_UNREACHABLE, fault_of_errno(ENETUNREACH));
	assert_int_equal(FAULT_TIMEOUT, fault_of_errno(ETIMEDOUT));
	assert_int_equal(FAULT_LOCAL, fault_of_errno(EMFILE));
}

static void
test_tcp(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *expect;
		struct fake_script script;
		enum check_class class;
		const char *text;
		int64_t limit_ms; /* short where more is waited for */
	} rows[] = {
		{ NULL, { .greeting = "220 hello\r\n" }, CHECK_OK, "accepts", PROBE_AMPLE_MS },
		{ NULL, { 0 }, CHECK_OK, "accepts",
		    PROBE_AMPLE_MS }, /* never answers: that is all one sees */
		{ "220 ", { .greeting = "220 hello\r\n" }, CHECK_OK, "says \"220 \"",
		    PROBE_AMPLE_MS },
		{ "hello", { .greeting = "220 hello\r\n", .is_drip = true }, CHECK_OK, "says",
		    PROBE_AMPLE_MS },
		{ "220 ", { .greeting = "554 no\r\n" }, CHECK_VALUE, "\"554 no", LIMIT_MS },
		{ "220 ", { .greeting = "554 \x1b[0m\r\n", .is_closing = true }, CHECK_VALUE,
		    "554 \\x1b[0m", PROBE_AMPLE_MS },
		{ "220 ", { .greeting = "aaaaaaaa", .fill = 100000 }, CHECK_VALUE, "aaaa",
		    PROBE_AMPLE_MS },
		{ "220 ", { 0 }, CHECK_TIMEOUT, "no answer within", LIMIT_MS },
	};

	for (size_t i = 0; i < MEM_COUNT(rows); i++) {
		struct check_spec spec = { .type = (char *)"tcp",
			.expect = (char *)rows[i].expect };
		struct check_result r = on_peer(f, &spec, &rows[i].script, rows[i].limit_ms);

		assert_found(&r, rows[i].class, rows[i].text);
		assert_true(probe_number(&r, "time") >= 0);
	}
}

static void
test_tcp_nobody(void **state)
{
	struct fixture *f = *state;
	struct check_spec spec = { .type = (char *)"tcp" };
	struct check_result r =
	    probe_once(f->loop, &spec, server_child_port(), CHECK_ROLE_ANY, PROBE_AMPLE_MS);

	assert_found(&r, CHECK_REFUSED, "Connection refused");
}

static void
test_time_has_ranges(void **state)
{
	struct fixture *f = *state;
	struct check_spec spec = { .type = (char *)"tcp" };
	static const struct fake_script script = { 0 };
	struct check_result r;
	struct err e;

	assert_int_equal(0, range_parse("@0:10", &spec.warning, &e));
	r = on_peer(f, &spec, &script, PROBE_AMPLE_MS);
	assert_found(&r, CHECK_WARNING, "range @0:10): accepts");
	assert_int_equal(0, range_parse("@0:10", &spec.critical, &e));
	r = on_peer(f, &spec, &script, PROBE_AMPLE_MS);
	assert_found(&r, CHECK_VALUE, "range @0:10): accepts");
	assert_int_equal(0, range_parse("10", &spec.warning, &e));
	assert_int_equal(0, range_parse("10", &spec.critical, &e));
	r = on_peer(f, &spec, &script, PROBE_AMPLE_MS);
	assert_found(&r, CHECK_OK, "accepts");
}

static void
test_http(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *expect, *answer;
		enum check_class class;
		const char *text;
	} rows[] = {
		{ NULL, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", CHECK_OK,
		    "answers 200, 5 bytes" },
		{ NULL, "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", CHECK_OK,
		    "answers 302" },
		{ "ell", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", CHECK_OK, "200" },
		{ "bye", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", CHECK_VALUE,
		    "200 without \"bye\"" },
		{ "bye", "HTTP/1.1 204 No Content\r\n\r\n", CHECK_VALUE, "204 without" },
		{ NULL, "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", CHECK_VALUE,
		    "answers 503" },
		{ NULL, "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", CHECK_VALUE,
		    "answers 404" },
		{ NULL, "SSH-2.0-OpenSSH_9.2p1\r\n", CHECK_PROTOCOL, "" },
		{ NULL, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", CHECK_TIMEOUT,
		    "no answer within" },
	};

	for (size_t i = 0; i < MEM_COUNT(rows); i++) {
		struct check_spec spec = { .type = (char *)"http",
			.target = (char *)"web.test",
			.expect = (char *)rows[i].expect };
		const struct fake_script script = { .answer = rows[i].answer };
		struct check_result r = on_peer(
		    f, &spec, &script, rows[i].class == CHECK_TIMEOUT ? LIMIT_MS : PROBE_AMPLE_MS);

		assert_found(&r, rows[i].class, rows[i].text);
	}
}

static void
test_http_faults(void **state)
{
	struct fixture *f = *state;
	struct check_spec spec = { .type = (char *)"http", .target = (char *)"web.test" };
	static const struct fake_script closing = { .is_closing = true },
					resetting = { .is_reset = true },
					large = { .answer = "HTTP/1.1 200 OK\r\n\r\naaaaaaaa",
						.fill = 2000000,
						.is_closing = true };
	struct check_result r = on_peer(f, &spec, &closing, PROBE_AMPLE_MS);

	assert_found(&r, CHECK_RESET, "closed");
	r = on_peer(f, &spec, &resetting, PROBE_AMPLE_MS);
	assert_found(&r, CHECK_RESET, "");
	r = on_peer(f, &spec, &large, PROBE_AMPLE_MS);
	assert_found(&r, CHECK_PROTOCOL, "larger than");
	r = probe_once(f->loop, &spec, server_child_port(), CHECK_ROLE_ANY, PROBE_AMPLE_MS);
	assert_found(&r, CHECK_REFUSED, "Connection refused");
}

/* The address is the target's, the Host header and the path are the spec's. */
static void
test_http_asks_for(void **state)
{
	struct fixture *f = *state;
	static const struct fake_script script = {
		.answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	};
	static const struct {
		const char *target, *host, *path, *heard;
	} rows[] = {
		{ "web", NULL, NULL, "GET / HTTP/1.1\r\nHost: web:" },
		{ "web:81", "shop.test", "/health?deep=1",
		    "GET /health?deep=1 HTTP/1.1\r\nHost: shop.test:" },
		{ "[::1]:81", NULL, NULL, "GET / HTTP/1.1\r\nHost: [::1]:" },
	};

	for (size_t i = 0; i < MEM_COUNT(rows); i++) {
		struct check_spec spec = { .type = (char *)"http",
			.target = (char *)rows[i].target,
			.host = (char *)rows[i].host,
			.path = (char *)rows[i].path };
		struct fake_peer *p = fake_peer_new(f->loop, &script);
		struct check_result r =
		    probe_once(f->loop, &spec, fake_peer_port(p), CHECK_ROLE_ANY, PROBE_AMPLE_MS);

		assert_found(&r, CHECK_OK, "answers 200");
		if (strncmp(fake_peer_heard(p), rows[i].heard, strlen(rows[i].heard)) != 0)
			fail_msg("%s", fake_peer_heard(p));
		fake_peer_free(p);
	}
}

static void
test_closed_while_running(void **state)
{
	struct fixture *f = *state;
	static const char *const names[] = { "tcp", "http" };
	static const struct fake_script silent = { 0 };

	for (size_t i = 0; i < MEM_COUNT(names); i++) {
		struct check_spec spec = {
			.type = (char *)names[i], .target = (char *)"x", .expect = (char *)"y"
		};
		const struct check_type *type = check_type_find(names[i]);
		struct fake_peer *p = fake_peer_new(f->loop, &silent);
		const struct endpoint to = probe_endpoint(fake_peer_port(p));
		const struct check_run run = { .endpoint = &to, .limit_ms = 50 };
		struct probe_got got = { 0 };

		for (int turns = 0; turns < 4; turns++) {
			void *probe = type->open(f->loop, &spec);

			type->start(probe, &run, probe_done, &got);
			for (int t = 0; t < turns; t++)
				loop_turn(f->loop, 5);
			type->close(probe);
			io_test_idle(f->loop, 60);
		}
		assert_int_equal(0, got.done);
		type->close(NULL);
		fake_peer_free(p);
	}
}

static pid_t
start_tls_server(const char *dir, int port)
{
	char accept[16];
	pid_t pid;
	int fd;

	snprintf(accept, sizeof(accept), "%d", port);
	if ((pid = fork()) == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fd = open("/dev/null", O_RDWR);
		dup2(fd, 0);
		dup2(fd, 1);
		dup2(fd, 2);
		unsetenv("LD_PRELOAD");
		if (chdir(dir) == 0)
			execlp("openssl", "openssl", "s_server", "-accept", accept, "-cert",
			    "cert.pem", "-key", "key.pem", "-www", (char *)NULL);
		_exit(127);
	}
	return pid;
}

static void
test_tls(void **state)
{
	struct fixture *f = *state;
	static const char *const names[] = { "tcp", "http" };
	static const struct fake_script plain = { .answer = "HTTP/1.1 400 No\r\n\r\n" };
	char *dir = certificates_make(), *ca = mem_printf("%s/ca.pem", dir),
	     *other = mem_printf("%s/other.pem", dir);
	int port = server_child_port();
	pid_t pid = start_tls_server(dir, port);
	struct check_spec spec = { .type = (char *)"tcp", .target = (char *)"x" };
	struct check_result r;

	do { /* until it listens */
		assert_false(server_child_ended(pid));
		r = probe_once(f->loop, &spec, port, CHECK_ROLE_ANY, PROBE_AMPLE_MS);
	} while (r.class == CHECK_REFUSED);
	spec.is_tls = true;
	for (size_t i = 0; i < MEM_COUNT(names); i++) {
		spec.type = (char *)names[i];
		spec.ca_file = ca;
		spec.host = (char *)"cache.test";
		r = probe_once(f->loop, &spec, port, CHECK_ROLE_ANY, PROBE_AMPLE_MS);
		assert_found(&r, CHECK_OK, i == 0 ? "with TLS" : "answers 200");
		spec.host = (char *)"127.0.0.1";
		r = probe_once(f->loop, &spec, port, CHECK_ROLE_ANY, PROBE_AMPLE_MS);
		assert_found(&r, CHECK_OK, "");
		spec.host = (char *)"db.test";
		r = probe_once(f->loop, &spec, port, CHECK_ROLE_ANY, PROBE_AMPLE_MS);
		assert_found(&r, CHECK_TLS, "");
		spec.host = (char *)"cache.test";
		spec.ca_file = other;
		r = probe_once(f->loop, &spec, port, CHECK_ROLE_ANY, PROBE_AMPLE_MS);
		assert_found(&r, CHECK_TLS, "certificate");
		/*
		 * The system's authorities do not know it either. There are so many that a busy machine
		 * may not have read them all by the limit of a connection, under valgrind.
		 */
		spec.ca_file = NULL;
		for (int tries = 0;
		     tries == 0 || (r.class == CHECK_TIMEOUT && tries < IO_TEST_TRIES); tries++)
			r = probe_once(f->loop, &spec, port, CHECK_ROLE_ANY, PROBE_AMPLE_MS);
		assert_found(&r, CHECK_TLS, "certificate");
		spec.ca_file = (char *)"/nonexistent.pem";
		r = probe_once(f->loop, &spec, port, CHECK_ROLE_ANY, PROBE_AMPLE_MS);
		assert_found(&r, CHECK_UNKNOWN, "/nonexistent.pem");
		spec.ca_file = ca;
		r = on_peer(f, &spec, &plain, PROBE_AMPLE_MS); /* no TLS there */
		assert_found(&r, CHECK_TLS, "");
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	certificates_remove(dir);
	free(ca);
	free(other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_faults),
		cmocka_unit_test_setup_teardown(test_tcp, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tcp_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(test_time_has_ranges, setup, teardown),
		cmocka_unit_test_setup_teardown(test_http, setup, teardown),
		cmocka_unit_test_setup_teardown(test_http_faults, setup, teardown),
		cmocka_unit_test_setup_teardown(test_http_asks_for, setup, teardown),
		cmocka_unit_test_setup_teardown(test_closed_while_running, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tls, setup, teardown),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
