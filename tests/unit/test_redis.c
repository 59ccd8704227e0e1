/*
 * test_redis.c: the Redis client on a real redis-server, and on peers that are none.
 */
#include "io/redis.h"

#include "io_test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "base/str.h"
#include "../fake/fake_peer.h"
#include "certificates.h"
#include "redis_server.h"
#include "server_child.h"

#define AMPLE_MS 20000
/* Where it is waited for in vain; the connection has to be there before. */
#define LIMIT_MS (io_test_is_valgrind() ? 2000 : 600)
#define LATE_MS (io_test_is_valgrind() ? 2000 : 200)
#define PASSWORD "s3cret-of-the-test"

static struct redis_server *server;

struct fixture {
	struct loop *loop;
	struct redis *redis;
	int fds;
};

struct got {
	int done;
	struct err err;
	enum fault fault;
	bool is_sent;
	enum resp_type type;
	int64_t integer;
	size_t count, len;
	char text[200];
	struct redis *to_free;  /* by done */
	struct redis *to_start; /* once more by done */
};

static void
redis_done(const struct redis_reply *reply, void *arg)
{
	static const char *const ping[] = { "PING", NULL };
	struct got *g = arg;

	g->done++;
	g->err = reply->err;
	g->fault = reply->fault;
	g->is_sent = reply->is_sent;
	if (g->to_free != NULL)
		redis_free(g->to_free);
	g->to_free = NULL;
	if (g->to_start != NULL)
		redis_start(g->to_start, ping, LIMIT_MS, redis_done, g);
	g->to_start = NULL;
	assert_true((reply->value == NULL) == (reply->err.code != ERR_NONE));
	assert_true((reply->fault == FAULT_NONE) == (reply->err.code == ERR_NONE));
	if (reply->value == NULL)
		return;
	g->type = reply->value->type;
	g->integer = reply->value->integer;
	g->count = reply->value->count;
	g->len = reply->value->len;
	snprintf(g->text, sizeof(g->text), "%s", reply->value->text);
}

static void
endpoint_of(int port, struct endpoint *out)
{
	char text[32];

	snprintf(text, sizeof(text), "127.0.0.1:%d", port);
	assert_int_equal(0, endpoint_parse(text, -1, out));
}

static void
open_with(struct fixture *f, int port, struct redis_config config)
{
	redis_free(f->redis);
	endpoint_of(port, &config.endpoint);
	f->redis = redis_new(f->loop, &config);
}

static void
open_plain(struct fixture *f, int port)
{
	open_with(f, port, (struct redis_config){ 0 });
}

static int
setup(void **state)
{
	struct fixture *f = mem_alloc(sizeof(*f));

	f->loop = loop_new();
	f->fds = io_test_count_fds();
	open_plain(f, redis_server_port(server));
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	redis_free(f->redis);
	io_test_idle(f->loop, 5);
	assert_int_equal(f->fds, io_test_count_fds());
	loop_free(f->loop);
	free(f);
	return 0;
}

static struct got
ask_within(struct fixture *f, int64_t limit_ms, const char *const *argv)
{
	struct got g = { 0 };

	redis_start(f->redis, argv, limit_ms, redis_done, &g);
	assert_int_equal(0, g.done); /* never inside _start() */
	assert_true(io_test_wait(f->loop, &g.done, 1, AMPLE_MS));
	assert_int_equal(1, g.done);
	return g;
}

#define ask(f, ...) ask_within((f), AMPLE_MS, (const char *const[]){ __VA_ARGS__, NULL })
#define ask_shortly(f, ...) ask_within((f), LIMIT_MS, (const char *const[]){ __VA_ARGS__, NULL })

static void
test_values(void **state)
{
	struct fixture *f = *state;
	struct got g = ask(f, "PING");

	assert_string_equal("", g.err.text);
	assert_int_equal(RESP_STATUS, g.type);
	assert_string_equal("PONG", g.text);
	assert_int_equal(RESP_STRING, ask(f, "ECHO", "a\r\nb").type);
	assert_string_equal("a\r\nb", ask(f, "ECHO", "a\r\nb").text);
	assert_int_equal(RESP_NIL, ask(f, "GET", "nothing").type);
	assert_int_equal(3, ask(f, "RPUSH", "list", "a", "", "c").integer);
	g = ask(f, "LRANGE", "list", "0", "-1");
	assert_int_equal(RESP_ARRAY, g.type);
	assert_int_equal(3, g.count);
	assert_int_equal(0, ask(f, "LRANGE", "none", "0", "-1").count);
	assert_int_equal(-7, ask(f, "DECRBY", "n", "7").integer);
	g = ask(f, "NO-SUCH-COMMAND");
	assert_int_equal(RESP_ERROR, g.type);
	assert_int_equal(0, strncmp(g.text, "ERR unknown command", 19));
	/* Deeper than anything else that a server has to say. */
	assert_int_equal(RESP_ARRAY, ask(f, "COMMAND").type);
	assert_true(redis_is_open(f->redis));
}

static void
test_one_connection(void **state)
{
	struct fixture *f = *state;
	struct got g[50] = { 0 };
	static const char *const incr[] = { "INCR", "pipelined", NULL };

	for (size_t i = 0; i < MEM_COUNT(g); i++)
		redis_start(f->redis, incr, AMPLE_MS, redis_done, &g[i]);
	for (size_t i = 0; i < MEM_COUNT(g); i++) {
		assert_true(io_test_wait(f->loop, &g[i].done, 1, AMPLE_MS));
		assert_int_equal(i + 1, g[i].integer); /* in order */
	}
	assert_int_equal(f->fds + 1, io_test_count_fds());
}

static void
test_large(void **state)
{
	struct fixture *f = *state;
	struct got g;

	g = ask(f, "SETRANGE", "big", "1000000", "x");
	assert_int_equal(1000001, g.integer);
	assert_int_equal(1000001, ask(f, "GET", "big").len);
	ask(f, "SETRANGE", "big", "1100000", "x");
	g = ask(f, "GET", "big");
	assert_int_equal(ERR_LIMIT, g.err.code);
	assert_int_equal(FAULT_PROTOCOL, g.fault);
	assert_string_equal("PONG", ask(f, "PING").text); /* over a new connection */
}

static void
test_cancel_and_free(void **state)
{
	struct fixture *f = *state;
	struct got a = { 0 }, b = { 0 };
	static const char *const ping[] = { "PING", NULL };
	struct redis_call *c;

	/* Before it is sent, and after. */
	redis_cancel(redis_start(f->redis, ping, AMPLE_MS, redis_done, &a));
	redis_start(f->redis, ping, AMPLE_MS, redis_done, &b);
	assert_true(io_test_wait(f->loop, &b.done, 1, AMPLE_MS));
	c = redis_start(f->redis, ping, AMPLE_MS, redis_done, &a);
	redis_start(f->redis, ping, AMPLE_MS, redis_done, &b);
	redis_cancel(c);
	assert_true(io_test_wait(f->loop, &b.done, 2, AMPLE_MS));
	assert_int_equal(0, a.done);
	redis_cancel(NULL);

	/* Freed by its own completion, with others waiting. */
	b.to_free = f->redis;
	redis_start(f->redis, ping, AMPLE_MS, redis_done, &b);
	redis_start(f->redis, ping, AMPLE_MS, redis_done, &a);
	f->redis = NULL;
	assert_true(io_test_wait(f->loop, &b.done, 3, AMPLE_MS));
	io_test_idle(f->loop, 20);
	assert_int_equal(0, a.done);
	assert_string_equal("PONG", b.text);
}

static void
test_hangs(void **state)
{
	struct fixture *f = *state;
	struct got g = { .to_start = f->redis };
	static const char *const ping[] = { "PING", NULL };
	int64_t from, took_ms = INT64_MAX;

	ask(f, "PING");
	kill(redis_server_pid(server), SIGSTOP);
	for (int i = 0; i < IO_TEST_TRIES && took_ms >= 2 * LIMIT_MS + LATE_MS; i++) {
		/* After the first a new connection: the kernel accepts for it. */
		from = clock_mono_ms();
		for (int k = 0; k < 2; k++) {
			g = ask_shortly(f, "PING");
			assert_int_equal(FAULT_TIMEOUT, g.fault);
			assert_int_equal(ERR_TIMEOUT, g.err.code);
			assert_non_null(strstr(g.err.text, "no answer within"));
			assert_true(g.is_sent);
		}
		took_ms = clock_mono_ms() - from;
	}
	assert_true(took_ms < 2 * LIMIT_MS + LATE_MS);
	/* One that the failure itself starts belongs to the next connection: it does not fail with it. */
	g = (struct got){ .to_start = f->redis };
	redis_start(f->redis, ping, LIMIT_MS, redis_done, &g);
	assert_true(io_test_wait(f->loop, &g.done, 1, AMPLE_MS));
	assert_int_equal(FAULT_TIMEOUT, g.fault);
	kill(redis_server_pid(server), SIGCONT);
	assert_true(io_test_wait(f->loop, &g.done, 2, AMPLE_MS));
	assert_string_equal("PONG", g.text);
	assert_string_equal("PONG", ask(f, "PING").text);
}

static void
test_closed_port(void **state)
{
	struct fixture *f = *state;
	struct got g;

	open_plain(f, server_child_port());
	for (int i = 0; i < 3; i++) {
		g = ask(f, "PING");
		assert_int_equal(FAULT_REFUSED, g.fault);
		assert_int_equal(ERR_UNREACHABLE, g.err.code);
		assert_non_null(strstr(g.err.text, "Connection refused"));
		assert_false(g.is_sent);
	}
}

static void
test_killed(void **state)
{
	struct fixture *f = *state;
	struct redis_server *s = redis_server_start(NULL);
	struct got g = { 0 };
	static const char *const wait[] = { "DEBUG", "SLEEP", "5", NULL };

	open_plain(f, redis_server_port(s));
	assert_string_equal("PONG", ask(f, "PING").text);
	redis_start(f->redis, wait, AMPLE_MS, redis_done, &g);
	io_test_idle(f->loop, 50);
	redis_server_stop(s);
	assert_true(io_test_wait(f->loop, &g.done, 1, AMPLE_MS));
	/* Debian's Redis refuses DEBUG: then the kill is found by the next command. */
	if (g.err.code == ERR_NONE)
		g = ask(f, "PING");
	assert_true(g.fault == FAULT_RESET || g.fault == FAULT_REFUSED);
	assert_int_equal(FAULT_REFUSED, ask(f, "PING").fault);
	assert_false(redis_is_open(f->redis));
}

struct heard {
	int opened, ended;
	enum fault fault;
	char text[64];
};

static void
heard_opened(void *arg)
{
	((struct heard *)arg)->opened++;
}

static void
heard_arrived(const char *data, size_t len, void *arg)
{
	strncat(((struct heard *)arg)->text, data, len);
}

static void
heard_ended(enum fault fault, const struct err *e, void *arg)
{
	struct heard *h = arg;

	assert_int_equal(fault_code(fault), e->code);
	h->fault = fault;
	h->ended++;
}

/* Our write fails, for the peer is gone; what it said before is heard all the same. */
static void
test_last_words(void **state)
{
	struct fixture *f = *state;
	static const struct stream_events events = { heard_opened, heard_arrived, heard_ended };
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), peer;
	struct heard heard = { 0 };
	struct endpoint to;
	struct stream *s;

	assert_int_equal(0, bind(listener, (struct sockaddr *)&in, len));
	assert_int_equal(0, listen(listener, 1));
	assert_int_equal(0, getsockname(listener, (struct sockaddr *)&in, &len));
	endpoint_of(ntohs(in.sin_port), &to);
	s = stream_open(f->loop, &to, NULL, &events, &heard);
	assert_true(io_test_wait(f->loop, &heard.opened, 1, AMPLE_MS));
	peer = accept(listener, NULL, NULL);
	assert_int_equal(6, write(peer, "enough", 6));
	assert_int_equal(0, setsockopt(peer, SOL_SOCKET, SO_LINGER, &now, sizeof(now)));
	close(peer);
	stream_write(s, "PING", 4);
	assert_true(io_test_wait(f->loop, &heard.ended, 1, AMPLE_MS));
	assert_string_equal("enough", heard.text);
	assert_int_equal(FAULT_RESET, heard.fault);
	stream_close(s);
	close(listener);
}

/* A connection that was closed while nobody waited is opened again without a word. */
static void
test_closed_while_idle(void **state)
{
	struct fixture *f = *state;

	ask(f, "PING");
	redis_server_ask(server, "CLIENT KILL TYPE normal SKIPME yes");
	io_test_idle(f->loop, 50);
	assert_false(redis_is_open(f->redis));
	assert_string_equal("PONG", ask(f, "PING").text);
}

static void
test_password(void **state)
{
	struct fixture *f = *state;
	struct redis_server *s =
	    redis_server_start("requirepass " PASSWORD "\nuser check on >" PASSWORD " +ping");
	int port = redis_server_port(s);
	struct got g;

	open_plain(f, port);
	g = ask(f, "PING");
	assert_int_equal(RESP_ERROR, g.type);
	assert_int_equal(0, strncmp(g.text, "NOAUTH", 6));

	open_with(f, port, (struct redis_config){ .password = PASSWORD, .database = "3" });
	assert_string_equal("PONG", ask(f, "PING").text);
	assert_string_equal("OK", ask(f, "SET", "a", "b").text);

	open_with(f, port, (struct redis_config){ .user = "check", .password = PASSWORD });
	assert_string_equal("PONG", ask(f, "PING").text);
	assert_int_equal(0, strncmp(ask(f, "GET", "a").text, "NOPERM", 6));

	/* Refused again and again, each time told to whoever waits. */
	open_with(f, port, (struct redis_config){ .user = "check", .password = "wrong" });
	for (int i = 0; i < 3; i++) {
		g = ask(f, "PING");
		assert_int_equal(RESP_ERROR, g.type);
		assert_int_equal(0, strncmp(g.text, "WRONGPASS", 9));
		assert_false(redis_is_open(f->redis));
	}
	redis_server_stop(s);
}

static void
test_too_many(void **state)
{
	struct fixture *f = *state;
	struct redis_server *s = redis_server_start("maxclients 1");
	struct redis *holder;
	struct got g = { 0 };
	static const char *const ping[] = { "PING", NULL };

	/* The knock of its start may not have ended yet. */
	do {
		open_plain(f, redis_server_port(s));
		g = ask(f, "PING");
	} while (g.err.code != ERR_NONE || g.type == RESP_ERROR);
	holder = f->redis;
	f->redis = NULL;
	for (int i = 0; i < 20; i++) {
		open_plain(f, redis_server_port(s));
		g = ask(f, "PING");
		assert_string_equal("", g.err.text);
		assert_int_equal(RESP_ERROR, g.type);
		assert_string_equal("ERR max number of clients reached", g.text);
	}
	g.done = 0;
	redis_start(holder, ping, AMPLE_MS, redis_done, &g);
	assert_true(io_test_wait(f->loop, &g.done, 1, AMPLE_MS));
	assert_string_equal("PONG", g.text);
	redis_free(holder);
	redis_server_stop(s);
}

static void
test_peers_that_are_none(void **state)
{
	struct fixture *f = *state;
	static const struct {
		struct fake_script script;
		enum fault fault;
		const char *text;
	} rows[] = {
		{ { .greeting = "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n" }, FAULT_PROTOCOL, "SSH-2.0" },
		{ { .answer = "HTTP/1.1 400 Bad Request\r\n\r\n", .is_closing = true },
		    FAULT_PROTOCOL, "HTTP/1.1 400" },
		{ { .answer = "\x1b[31m\x07\r\n" }, FAULT_PROTOCOL, "\\x1b[31m" },
		{ { .answer = "+PONG" }, FAULT_TIMEOUT, "no answer" },
		{ { .answer = "$5\r\nab" }, FAULT_TIMEOUT, "no answer" },
		{ { .answer = "$5\r\nab", .is_closing = true }, FAULT_RESET, "closed" },
		{ { .is_closing = true }, FAULT_RESET, "closed" },
		{ { .is_reset = true }, FAULT_RESET, "reset" },
		{ { .answer = "$1000000000000\r\n" }, FAULT_PROTOCOL, "larger" },
		{ { .answer = "$-2\r\n" }, FAULT_PROTOCOL, "does not talk" },
		{ { .answer = "$3\r\nabcd\r\n" }, FAULT_PROTOCOL, "does not talk" },
		{ { .answer = ":12x\r\n" }, FAULT_PROTOCOL, "does not talk" },
		{ { .answer = ":\r\n" }, FAULT_PROTOCOL, "does not talk" },
		{ { .answer = ":1\n" }, FAULT_PROTOCOL, "does not talk" },
		{ { .answer = "*2147483647\r\n" }, FAULT_PROTOCOL, "too many" },
		{ { .answer = "*1\r\n", .fill = 100 }, FAULT_PROTOCOL, "too many" },
		{ { .answer = "*60000\r\n", .fill = 100 }, FAULT_PROTOCOL, "too many" },
		{ { .answer = "+aaaaaaaaaaaaaaaa", .fill = 40000 }, FAULT_PROTOCOL, "talk" },
		{ { .answer = "*60000\r\n$40\r\n0123456789012345678901234567890123456789\r\n"
			      "$40\r\n0123456789012345678901234567890123456789\r\n" },
		    FAULT_TIMEOUT, "no answer" },
		{ { .greeting = "*60000\r\n",
		      .answer = "$20\r\n01234567890123456789\r\n",
		      .fill = 1500000 },
		    FAULT_PROTOCOL, "larger" },
		{ { .greeting = "+a\r\n+b\r\n", .answer = NULL }, FAULT_NONE, NULL },
	};

	for (size_t i = 0; i < MEM_COUNT(rows); i++) {
		struct fake_peer *p = fake_peer_new(f->loop, &rows[i].script);
		struct got g;

		open_plain(f, fake_peer_port(p));
		g = rows[i].fault == FAULT_TIMEOUT ? ask_shortly(f, "PING") : ask(f, "PING");
		if (rows[i].fault != g.fault ||
		    (rows[i].text != NULL && strcasestr(g.err.text, rows[i].text) == NULL))
			fail_msg("row %zu: fault %d, %s", i, (int)g.fault, g.err.text);
		redis_free(f->redis);
		f->redis = NULL;
		fake_peer_free(p);
		io_test_idle(f->loop, 5);
	}
}

static void
test_a_byte_at_a_time(void **state)
{
	struct fixture *f = *state;
	static const struct fake_script script = {
		.answer = "*3\r\n$2\r\nab\r\n*2\r\n:-1\r\n$-1\r\n-ERR x\r\n", .is_drip = true
	};
	struct fake_peer *p = fake_peer_new(f->loop, &script);
	struct got g;

	open_plain(f, fake_peer_port(p));
	g = ask(f, "ANYTHING");
	assert_string_equal("", g.err.text);
	assert_int_equal(RESP_ARRAY, g.type);
	assert_int_equal(3, g.count);
	assert_string_equal("*1\r\n$8\r\nANYTHING\r\n", fake_peer_heard(p));
	redis_free(f->redis);
	f->redis = NULL;
	fake_peer_free(p);
}

static void
test_tls(void **state)
{
	struct fixture *f = *state;
	char *dir = certificates_make(), *ca, *other, *cert, *key, *config;
	struct stream_tls tls = { 0 };
	struct redis_server *s;
	struct got g;

	ca = mem_printf("%s/ca.pem", dir);
	other = mem_printf("%s/other.pem", dir);
	cert = mem_printf("%s/cert.pem", dir);
	key = mem_printf("%s/key.pem", dir);
	config = mem_printf("port 0\ntls-port @PORT@\ntls-cert-file %s\ntls-key-file %s\n"
			    "tls-ca-cert-file %s\ntls-auth-clients yes",
	    cert, key, ca);
	s = redis_server_start(config);
#define open_tls() open_with(f, redis_server_port(s), (struct redis_config){ .tls = &tls })

	/* Right in every respect. */
	tls = (struct stream_tls){ ca, cert, key, "cache.test", true, true };
	open_tls();
	assert_string_equal("PONG", ask(f, "PING").text);
	tls.name = "127.0.0.1";
	open_tls();
	assert_string_equal("PONG", ask(f, "PING").text);

	/* Another name; then without asking for it. */
	tls.name = "db.test";
	open_tls();
	g = ask(f, "PING");
	assert_int_equal(FAULT_TLS, g.fault);
	assert_non_null(strstr(g.err.text, "hostname mismatch"));
	tls.is_name_verified = false;
	open_tls();
	assert_string_equal("PONG", ask(f, "PING").text);

	/* Another authority; then none at all. */
	tls.ca_file = other;
	open_tls();
	g = ask(f, "PING");
	assert_int_equal(FAULT_TLS, g.fault);
	assert_non_null(strstr(g.err.text, "certificate"));
	tls.is_verified = false;
	open_tls();
	assert_string_equal("PONG", ask(f, "PING").text);

	/* The server wants to know us. */
	tls.cert_file = tls.key_file = NULL;
	open_tls();
	g = ask(f, "PING");
	assert_true(g.fault == FAULT_TLS || g.fault == FAULT_RESET);

	/* Files of ours. */
	tls = (struct stream_tls){ "/nonexistent", NULL, NULL, NULL, true, false };
	open_tls();
	g = ask(f, "PING");
	assert_int_equal(FAULT_LOCAL, g.fault);
	assert_non_null(strstr(g.err.text, "/nonexistent"));
	tls = (struct stream_tls){ NULL, cert, other, NULL, false, false };
	open_tls();
	g = ask(f, "PING");
	assert_int_equal(FAULT_LOCAL, g.fault);

	/* In the clear to a port with TLS, and the other way round. */
	open_plain(f, redis_server_port(s));
	g = ask_shortly(f, "PING");
	assert_int_not_equal(FAULT_NONE, g.fault);
	tls = (struct stream_tls){ 0 };
	open_with(f, redis_server_port(server), (struct redis_config){ .tls = &tls });
	g = ask_shortly(f, "PING");
	assert_true(g.fault == FAULT_TLS || g.fault == FAULT_TIMEOUT);
	redis_server_stop(s);
	free(ca);
	free(other);
	free(cert);
	free(key);
	free(config);
	certificates_remove(dir);
}

static int
start_server(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	server = redis_server_start(NULL);
	return 0;
}

static int
stop_server(void **state)
{
	(void)state;
	redis_server_stop(server);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_values, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_connection, setup, teardown),
		cmocka_unit_test_setup_teardown(test_large, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancel_and_free, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hangs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_closed_port, setup, teardown),
		cmocka_unit_test_setup_teardown(test_killed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_closed_while_idle, setup, teardown),
		cmocka_unit_test_setup_teardown(test_last_words, setup, teardown),
		cmocka_unit_test_setup_teardown(test_password, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_peers_that_are_none, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_byte_at_a_time, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tls, setup, teardown),
	};

	return cmocka_run_group_tests(tests, start_server, stop_server);
}
