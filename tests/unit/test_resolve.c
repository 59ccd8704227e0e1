/*
 * test_resolve.c: host names found through files of our own and a resolver that answers as it is told.
 */
#include "io/resolve.h"

#include "io_test.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "base/str.h"

#define AMPLE_MS 20000
#define LIMIT_MS (io_test_is_valgrind() ? 2000 : 200) /* where it is waited for in vain */
#define LATE_MS (io_test_is_valgrind() ? 2000 : 100)
#define HEADER_LEN 12

enum reply { REPLY_ADDRESS, REPLY_NOTHING, REPLY_RCODE, REPLY_GARBAGE };

/* What the resolver does with a question for each type. */
struct fixture {
	struct loop *loop;
	struct event *event;
	int fd, queries, fds;
	enum reply a, aaaa;
	int rcode;
	char *dir, *resolv_conf, *hosts;
	struct resolve_files files;
};

struct answer {
	int done;
	struct resolve_result result;
};

static void
resolve_done(const struct resolve_result *r, void *arg)
{
	struct answer *answer = arg;

	answer->done++;
	answer->result = *r;
}

static size_t
build(const struct fixture *f, uint8_t *packet, size_t len, enum reply reply, bool is_aaaa)
{
	static const uint8_t a[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 9, 8, 7 };
	static const uint8_t aaaa[] = { 0xc0, 12, 0, 28, 0, 1, 0, 0, 0, 60, 0, 16, 0xfd, 0x70, 0, 0,
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 };
	const uint8_t *record = is_aaaa ? aaaa : a;
	size_t record_len = is_aaaa ? sizeof(aaaa) : sizeof(a);

	packet[2] = 0x85;
	packet[3] = (uint8_t)(0x80 | (reply == REPLY_RCODE ? f->rcode : 0));
	if (reply == REPLY_GARBAGE)
		return HEADER_LEN + 3; /* the question is cut */
	if (reply != REPLY_ADDRESS)
		return len;
	packet[7] = 1;
	memcpy(packet + len, record, record_len);
	return len + record_len;
}

static void
asked(evutil_socket_t fd, short what, void *arg)
{
	struct fixture *f = arg;
	struct sockaddr_in client;
	socklen_t client_len = sizeof(client);
	uint8_t packet[600];
	ssize_t n = recvfrom((int)fd, packet, 500, 0, (struct sockaddr *)&client, &client_len);
	enum reply reply;
	bool is_aaaa;

	(void)what;
	assert_true(n > HEADER_LEN + 4);
	f->queries++;
	is_aaaa = packet[n - 3] == 28;
	reply = is_aaaa ? f->aaaa : f->a;
	if (reply == REPLY_NOTHING)
		return;
	sendto((int)fd, packet, build(f, packet, (size_t)n, reply, is_aaaa), 0,
	    (struct sockaddr *)&client, client_len);
}

static void
write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static int
setup(void **state)
{
	struct fixture *f = mem_alloc(sizeof(*f));
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);
	char *text;

	f->loop = loop_new();
	f->fds = io_test_count_fds();
	f->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(0, bind(f->fd, (struct sockaddr *)&in, len));
	assert_int_equal(0, getsockname(f->fd, (struct sockaddr *)&in, &len));
	f->event = event_new(loop_base(f->loop), f->fd, EV_READ | EV_PERSIST, asked, f);
	event_add(f->event, NULL);
	f->dir = mem_strdup("/tmp/pm-resolve-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->resolv_conf = mem_printf("%s/resolv.conf", f->dir);
	f->hosts = mem_printf("%s/hosts", f->dir);
	text = mem_printf("nameserver 127.0.0.1:%d\n", ntohs(in.sin_port));
	write_file(f->resolv_conf, text);
	free(text);
	write_file(f->hosts, "127.0.0.1 localhost\n10.1.2.3 from-hosts\nfd70::5 six-only\n");
	f->files = (struct resolve_files){ f->resolv_conf, f->hosts };
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	event_free(f->event);
	close(f->fd);
	io_test_idle(f->loop, 10);
	assert_int_equal(f->fds, io_test_count_fds());
	loop_free(f->loop);
	unlink(f->resolv_conf);
	unlink(f->hosts);
	rmdir(f->dir);
	free(f->resolv_conf);
	free(f->hosts);
	free(f->dir);
	free(f);
	return 0;
}

static struct resolve_result
ask(struct fixture *f, const char *target, int64_t limit_ms)
{
	struct answer answer = { 0 };

	resolve_start(f->loop, target, 3306, limit_ms, &f->files, resolve_done, &answer);
	assert_int_equal(0, answer.done); /* never inside _start() */
	assert_true(io_test_wait(f->loop, &answer.done, 1, AMPLE_MS));
	io_test_idle(f->loop, 10);
	assert_int_equal(1, answer.done);
	return answer.result;
}

/* Who is silent keeps us waiting for the limit, and no longer; a busy machine may now and then. */
static struct resolve_result
ask_the_silent(struct fixture *f, enum err_code want)
{
	struct resolve_result r;
	int tries = 0;

	do
		r = ask(f, "db.test", LIMIT_MS);
	while ((r.took_us >= (LIMIT_MS + LATE_MS) * 1000 || r.err.code != want) &&
	       ++tries < IO_TEST_TRIES);
	assert_true(r.took_us < (LIMIT_MS + LATE_MS) * 1000);
	return r;
}

static void
assert_found(const struct resolve_result *r, const char *want)
{
	char text[ENDPOINT_TEXT_SIZE];

	assert_string_equal("", r->err.text);
	assert_int_equal(ERR_NONE, r->err.code);
	assert_string_equal(want, endpoint_format(text, &r->endpoint));
}

static void
test_without_a_question(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *target, *want;
	} rows[] = {
		{ "10.0.0.1", "10.0.0.1:3306" },
		{ "10.0.0.1:99", "10.0.0.1:99" },
		{ "[fd70::1]:99", "[fd70::1]:99" },
		{ "fd70::1", "[fd70::1]:3306" },
		{ "from-hosts", "10.1.2.3:3306" },
		{ "from-hosts:1", "10.1.2.3:1" },
		{ "six-only:1", "[fd70::5]:1" },
	};

	for (size_t i = 0; i < MEM_COUNT(rows); i++) {
		struct resolve_result r = ask(f, rows[i].target, AMPLE_MS);

		assert_found(&r, rows[i].want);
	}
	assert_int_equal(0, f->queries);
}

static void
test_no_targets(void **state)
{
	struct fixture *f = *state;
	static const char *const rows[] = { "", ":1", "a:", "a:b", "a:0", "a:65536", "[::1",
		"[::1]x", "a:1x", "a: 1" };
	struct answer answer = { 0 };

	for (size_t i = 0; i < MEM_COUNT(rows); i++) {
		struct resolve_result r = ask(f, rows[i], AMPLE_MS);

		assert_int_equal(ERR_USAGE, r.err.code);
	}
	resolve_start(f->loop, "host", -1, AMPLE_MS, &f->files, resolve_done, &answer);
	assert_true(io_test_wait(f->loop, &answer.done, 1, AMPLE_MS));
	assert_int_equal(ERR_USAGE, answer.result.err.code);
	assert_int_equal(0, f->queries);
}

static void
test_answers(void **state)
{
	struct fixture *f = *state;
	static const struct {
		enum reply a, aaaa;
		int rcode;
		enum err_code code;
		const char *want;
	} rows[] = {
		{ REPLY_ADDRESS, REPLY_ADDRESS, 0, ERR_NONE, "127.9.8.7:3306" },
		{ REPLY_ADDRESS, REPLY_RCODE, 3, ERR_NONE, "127.9.8.7:3306" },
		{ REPLY_RCODE, REPLY_ADDRESS, 0, ERR_NONE, "[fd70::1]:3306" },
		{ REPLY_ADDRESS, REPLY_NOTHING, 0, ERR_NONE, "127.9.8.7:3306" },
		{ REPLY_RCODE, REPLY_RCODE, 3, ERR_NOT_FOUND, NULL }, /* NXDOMAIN */
		{ REPLY_RCODE, REPLY_RCODE, 0, ERR_NOT_FOUND, NULL }, /* no record */
		{ REPLY_RCODE, REPLY_RCODE, 2, ERR_NOT_FOUND, NULL }, /* SERVFAIL */
		{ REPLY_RCODE, REPLY_RCODE, 5, ERR_NOT_FOUND, NULL }, /* REFUSED */
		{ REPLY_NOTHING, REPLY_NOTHING, 0, ERR_TIMEOUT, NULL },
	};

	for (size_t i = 0; i < MEM_COUNT(rows); i++) {
		struct resolve_result r;

		f->a = rows[i].a;
		f->aaaa = rows[i].aaaa;
		f->rcode = rows[i].rcode;
		if (rows[i].a == REPLY_NOTHING || rows[i].aaaa == REPLY_NOTHING)
			r = ask_the_silent(f, rows[i].code);
		else
			r = ask(f, "db.test", AMPLE_MS);
		assert_int_equal(rows[i].code, r.err.code);
		if (rows[i].want != NULL)
			assert_found(&r, rows[i].want);
	}
}

static void
test_garbage_is_no_address(void **state)
{
	struct fixture *f = *state;
	struct resolve_result r;

	f->a = f->aaaa = REPLY_GARBAGE;
	r = ask(f, "db.test", LIMIT_MS);
	assert_int_not_equal(ERR_NONE, r.err.code);
}

/* Nobody at the resolver's port: as a silent one. */
static void
test_no_resolver(void **state)
{
	struct fixture *f = *state;
	struct resolve_result r;

	write_file(f->resolv_conf, "nameserver 127.0.0.1:1\n");
	r = ask_the_silent(f, ERR_TIMEOUT);
	assert_int_equal(ERR_TIMEOUT, r.err.code);
}

/* A resolver that was silent is asked again at once by the next question. */
static void
test_silent_then_alive(void **state)
{
	struct fixture *f = *state;
	struct resolve_result r;

	f->a = f->aaaa = REPLY_NOTHING;
	for (int i = 0; i < 5; i++) {
		r = ask(f, "db.test", 30);
		assert_int_equal(ERR_TIMEOUT, r.err.code);
	}
	f->a = f->aaaa = REPLY_ADDRESS;
	r = ask(f, "db.test", AMPLE_MS);
	assert_found(&r, "127.9.8.7:3306");
}

static void
test_cancel(void **state)
{
	struct fixture *f = *state;
	static const char *const targets[] = { "db.test", "from-hosts", "10.0.0.1", "" };
	struct answer answer = { 0 };

	for (int turns = 0; turns < 4; turns++) {
		for (size_t i = 0; i < MEM_COUNT(targets); i++) {
			struct resolve *q = resolve_start(
			    f->loop, targets[i], 1, AMPLE_MS, &f->files, resolve_done, &answer);

			/* With A answered, AAAA is still under way. */
			f->aaaa = REPLY_NOTHING;
			for (int t = 0; t < turns && answer.done == 0; t++)
				loop_turn(f->loop, 0);
			if (answer.done == 0)
				resolve_cancel(q);
			answer.done = 0;
			io_test_idle(f->loop, 5);
			assert_int_equal(0, answer.done);
		}
	}
	resolve_cancel(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_without_a_question, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_targets, setup, teardown),
		cmocka_unit_test_setup_teardown(test_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_garbage_is_no_address, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_resolver, setup, teardown),
		cmocka_unit_test_setup_teardown(test_silent_then_alive, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
