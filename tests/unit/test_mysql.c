/*
 * test_mysql.c: io/mysql against a real MariaDB, and against peers that are none, that freeze, that close
 * and that send too much. Every limit is held, and the loop turns all the while.
 */
#include "io_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "base/str.h"
#include "io/endpoint.h"
#include "io/mysql.h"
#include "mariadb_server.h"

#define AMPLE_MS 20000
#define LIMIT_MS 500 /* where it is waited for in vain */
/* Of a deadline on a busy machine, still less than a limit; valgrind is another matter. */
#define LATE_MS (io_test_is_valgrind() ? 10000 : 400)

static struct mariadb_server *server;

/* What came, and how long the loop stood still meanwhile. */
struct seen {
	int done;
	struct mysql_answer answer; /* its rows are taken */
	int64_t longest_turn_ms;
};

static void
take(struct mysql_answer *a, void *arg)
{
	struct seen *seen = arg;

	rows_clear(&seen->answer.rows);
	seen->answer = *a;
	a->rows = (struct rows){ 0 };
	seen->done++;
}

/* Later than any limit explains, or the loop stood still meanwhile: then it is tried again. */
static bool
is_late(const struct seen *seen)
{
	return seen->answer.took_us / 1000 >= LIMIT_MS + LATE_MS ||
	       seen->longest_turn_ms >= LATE_MS;
}

static void
wait_done(struct loop *l, struct seen *seen, int want)
{
	int64_t end = clock_mono_ms() + AMPLE_MS, before = clock_mono_ms(), now;

	seen->longest_turn_ms = 0;
	while (seen->done < want) {
		loop_turn(l, 10);
		now = clock_mono_ms();
		if (now - before > seen->longest_turn_ms)
			seen->longest_turn_ms = now - before;
		before = now;
		assert_true(now < end);
	}
}

static struct endpoint
at_port(int port)
{
	struct endpoint out;
	char text[ENDPOINT_TEXT_SIZE];

	snprintf(text, sizeof(text), "127.0.0.1:%d", port);
	assert_int_equal(endpoint_parse(text, -1, &out), 0);
	return out;
}

static const struct mysql_account watch = { .user = "watch", .password = "secret" };

static void
connect_to(struct loop *l, struct mysql_link *m, int port, const struct mysql_account *account,
    int64_t limit_ms, struct seen *seen)
{
	struct endpoint where = at_port(port);
	int before = seen->done;

	mysql_link_connect(m, &where, account, limit_ms, take, seen);
	assert_int_equal(seen->done, before);
	wait_done(l, seen, before + 1);
}

static void
ask(struct loop *l, struct mysql_link *m, const char *sql, int64_t limit_ms, struct seen *seen)
{
	int before = seen->done;

	mysql_link_query(m, sql, limit_ms, take, seen);
	assert_int_equal(seen->done, before);
	wait_done(l, seen, before + 1);
}

struct fixture {
	struct loop *l;
	struct mysql_link *m;
	struct seen seen;
	int fds;
};

static int
set_up(void **state)
{
	struct fixture *f = mem_alloc(sizeof(*f));

	f->l = loop_new();
	f->m = mysql_link_new(f->l);
	f->fds = io_test_count_fds();
	*state = f;
	return 0;
}

/* Nothing stays open, whatever happened. */
static int
tear_down(void **state)
{
	struct fixture *f = *state;

	mysql_link_free(f->m);
	loop_turn(f->l, 0);
	assert_int_equal(io_test_count_fds(), f->fds);
	loop_free(f->l);
	rows_clear(&f->seen.answer.rows);
	free(f);
	return 0;
}

static void
open_link(struct fixture *f)
{
	connect_to(f->l, f->m, mariadb_server_port(server), &watch, AMPLE_MS, &f->seen);
	if (f->seen.answer.err.code != ERR_NONE)
		fail_msg("%s", f->seen.answer.err.text);
	assert_true(mysql_link_is_open(f->m));
}

static void
test_rows(void **state)
{
	struct fixture *f = *state;
	struct rows *rows = &f->seen.answer.rows;

	open_link(f);
	assert_true(mysql_link_is_mariadb(f->m));
	assert_non_null(strstr(mysql_link_version(f->m), "MariaDB"));
	assert_true(mysql_link_id(f->m) > 0);
	ask(f->l, f->m,
	    "SELECT 1 AS a, NULL AS b, 'x' AS c UNION ALL SELECT 2, '2.5', '' UNION ALL SELECT "
	    "3,3,3",
	    AMPLE_MS, &f->seen);
	assert_int_equal(f->seen.answer.err.code, ERR_NONE);
	assert_int_equal(rows->row_count, 3);
	assert_int_equal(rows->column_count, 3);
	assert_int_equal(rows_u64(rows, 1, "A", 9), 2);
	assert_null(rows_text(rows, 0, "b"));
	assert_true(rows_double(rows, 1, "b", 0) == 2.5);
	assert_string_equal(rows_text(rows, 1, "c"), "");
	assert_null(rows_text(rows, 3, "a"));
	assert_null(rows_text(rows, 0, "d"));
	ask(f->l, f->m, "SELECT 1 FROM DUAL WHERE 0", AMPLE_MS, &f->seen);
	assert_int_equal(f->seen.answer.err.code, ERR_NONE);
	assert_int_equal(rows->row_count, 0);
	assert_int_equal(rows->column_count, 1);
	ask(f->l, f->m, "SET SESSION wait_timeout = 100", AMPLE_MS, &f->seen);
	assert_int_equal(f->seen.answer.err.code, ERR_NONE);
	assert_int_equal(rows->column_count, 0);
}

static void
test_errors_of_the_server(void **state)
{
	struct fixture *f = *state;

	open_link(f);
	ask(f->l, f->m, "SELECT * FROM mysql.user", AMPLE_MS, &f->seen);
	assert_int_equal(f->seen.answer.err.code, ERR_DENIED);
	assert_int_equal(f->seen.answer.number, 1142);
	assert_string_equal(f->seen.answer.sqlstate, "42000");
	assert_true(mysql_link_is_open(f->m));
	ask(f->l, f->m, "SELECT '\033[31m", AMPLE_MS, &f->seen);
	assert_int_equal(f->seen.answer.number, 1064);
	assert_null(strchr(f->seen.answer.err.text, '\033'));
	ask(f->l, f->m, "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE mysql.x", AMPLE_MS,
	    &f->seen);
	assert_int_not_equal(f->seen.answer.err.code, ERR_NONE);
}

static void
test_limit_of_a_query(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i == 0 || (is_late(&f->seen) && i < IO_TEST_TRIES); i++) {
		open_link(f);
		ask(f->l, f->m, "SELECT SLEEP(10)", LIMIT_MS, &f->seen);
		assert_int_equal(f->seen.answer.err.code, ERR_TIMEOUT);
		assert_true(f->seen.answer.took_us / 1000 >= LIMIT_MS - 5);
		assert_false(mysql_link_is_open(f->m));
	}
	assert_false(is_late(&f->seen));
	ask(f->l, f->m, "SELECT 1", AMPLE_MS, &f->seen);
	assert_int_equal(f->seen.answer.err.code, ERR_UNREACHABLE);
	open_link(f);
}

static void
test_too_much(void **state)
{
	struct fixture *f = *state;

	open_link(f);
	ask(f->l, f->m,
	    "SELECT 1 FROM information_schema.COLLATIONS a, information_schema.COLLATIONS b",
	    AMPLE_MS, &f->seen);
	assert_int_equal(f->seen.answer.err.code, ERR_LIMIT);
	assert_int_equal(f->seen.answer.rows.row_count, 0);
	open_link(f);
	ask(f->l, f->m, "SELECT REPEAT('x', 8000000)", AMPLE_MS, &f->seen);
	/* The library stops in the midst of a packet that is too large, and calls it a lost connection. */
	assert_in_set(f->seen.answer.number, ((const unsigned long[]){ 2013, 2020 }), 2);
	assert_false(mysql_link_is_open(f->m));
	open_link(f);
	ask(f->l, f->m, "SELECT REPEAT('x', 1000000) FROM information_schema.COLLATIONS", AMPLE_MS,
	    &f->seen);
	assert_int_equal(f->seen.answer.err.code, ERR_LIMIT);
}

static void
test_wrong_accounts(void **state)
{
	struct fixture *f = *state;
	static const struct mysql_account accounts[] = {
		{ .user = "watch", .password = "wrong" },
		{ .user = "watch" },
		{ .user = "nobody", .password = "secret" },
		{ .user = "watch", .password = "secret", .database = "mysql" },
	};

	for (size_t i = 0; i < MEM_COUNT(accounts); i++) {
		connect_to(
		    f->l, f->m, mariadb_server_port(server), &accounts[i], AMPLE_MS, &f->seen);
		assert_int_equal(f->seen.answer.err.code, ERR_DENIED);
		assert_true(f->seen.answer.is_connect);
		assert_null(strstr(f->seen.answer.err.text, "secret"));
		assert_false(mysql_link_is_open(f->m));
	}
}

static void
test_tls_refused(void **state)
{
	struct fixture *f = *state;
	struct mysql_account account = watch;

	account.is_tls = true;
	connect_to(f->l, f->m, mariadb_server_port(server), &account, AMPLE_MS, &f->seen);
	assert_int_equal(f->seen.answer.number, 2026);
	assert_int_equal(f->seen.answer.err.code, ERR_DENIED);
}

static void
test_nobody_listens(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i == 0 || (is_late(&f->seen) && i < IO_TEST_TRIES); i++) {
		connect_to(f->l, f->m, 1, &watch, AMPLE_MS, &f->seen);
		assert_int_equal(f->seen.answer.err.code, ERR_UNREACHABLE);
		assert_int_equal(f->seen.answer.system_errno, ECONNREFUSED);
	}
	assert_false(is_late(&f->seen));
}

static void
test_frozen(void **state)
{
	struct fixture *f = *state;

	open_link(f);
	kill(mariadb_server_pid(server), SIGSTOP);
	assert_int_equal(
	    waitpid(mariadb_server_pid(server), NULL, WUNTRACED), mariadb_server_pid(server));
	ask(f->l, f->m, "SELECT 1", LIMIT_MS, &f->seen);
	assert_int_equal(f->seen.answer.err.code, ERR_TIMEOUT);
	for (int i = 0; i == 0 || (is_late(&f->seen) && i < IO_TEST_TRIES); i++) {
		connect_to(f->l, f->m, mariadb_server_port(server), &watch, LIMIT_MS, &f->seen);
		assert_int_equal(f->seen.answer.err.code, ERR_TIMEOUT);
		assert_true(f->seen.answer.took_us / 1000 >= LIMIT_MS - 5);
	}
	kill(mariadb_server_pid(server), SIGCONT);
	assert_false(is_late(&f->seen));
	open_link(f);
}

static void
test_session_killed(void **state)
{
	struct fixture *f = *state;
	char *sql;

	open_link(f);
	sql = mem_printf("KILL %llu", (unsigned long long)mysql_link_id(f->m));
	mariadb_server_run(server, sql);
	free(sql);
	ask(f->l, f->m, "SELECT 1", AMPLE_MS, &f->seen);
	assert_int_equal(f->seen.answer.err.code, ERR_UNREACHABLE);
	assert_in_set(f->seen.answer.number, ((const unsigned long[]){ 2006, 2013, 2055 }), 3);
	assert_false(mysql_link_is_open(f->m));
}

/* --- peers of our own ----------------------------------------------------------------------------- */

/* The greeting of a MariaDB that knows TLS (capability 0x800 in 0xffff), up to the end of its data. */
#define GREETING \
	"\x5a\0\0\0\x0a" \
	"5.5.5-10.11.19-MariaDB\0" \
	"\x07\0\0\0" \
	"abcdefgh\0" \
	"\xff\xff\x2d\x02\0\xff\xc1\x15" \
	"\0\0\0\0\0\0\x07\0\0\0" \
	"abcdefghijkl\0" \
	"mysql_native_password\0"

static const struct peer {
	const char *says;
	size_t len;
	bool closes, is_tls;
	enum err_code code;
	const char *text;
} peers[] = {
	{ "SSH-2.0-OpenSSH_9.2p1\r\n", 23, false, false, ERR_PROTOCOL,
	    "says \"SSH-2.0-OpenSSH_9.2p1\"" },
	{ "220 mail ESMTP\r\n", 16, true, false, ERR_PROTOCOL, "220 mail" },
	{ "\033]0;x\a\n", 8, false, false, ERR_PROTOCOL, "something else" },
	{ "", 0, true, false, ERR_UNREACHABLE, "(2013)" },
	{ "", 0, false, false, ERR_TIMEOUT, "no greeting" },
	{ "\xff\xff\xff\0\x0a", 5, false, false, ERR_PROTOCOL, "something else" },
	{ "\x10\0\0", 3, false, false, ERR_TIMEOUT, "no answer" },
	{ "\x20\0\0\0\x0a"
	  "5.5\0",
	    9, true, false, ERR_UNREACHABLE, "(2013)" },
	{ "\x05\0\0\0\x0a"
	  "xxxx",
	    9, false, false, ERR_DENIED, "mysql_old_password" },
	{ "\x05\0\0\0\xff"
	  "\x10\x04xx",
	    9, false, false, ERR_UNAVAILABLE, "(1040)" },
	/* The library would say that the server cannot be reached. */
	{ "\x05\0\0\0\xff"
	  "\x10\x04xx",
	    9, false, true, ERR_UNAVAILABLE, ": xx (1040)" },
	{ GREETING, sizeof(GREETING) - 1, false, false, ERR_TIMEOUT, "no answer" },
	/* Frozen between its greeting and its certificate: where the library would block. */
	{ GREETING, sizeof(GREETING) - 1, false, true, ERR_TIMEOUT, "no answer" },
};

static int
listen_somewhere(int *port)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&in, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	assert_int_equal(listen(fd, 4), 0);
	*port = ntohs(in.sin_port);
	return fd;
}

static void
meet(struct fixture *f, const struct peer *peer)
{
	struct mysql_account account = watch;
	struct endpoint where;
	int port, fd = listen_somewhere(&port), client;

	where = at_port(port);
	account.is_tls = peer->is_tls;
	f->seen.done = 0;
	mysql_link_connect(f->m, &where, &account, peer->code == ERR_TIMEOUT ? LIMIT_MS : AMPLE_MS,
	    take, &f->seen);
	client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	assert_true(client >= 0);
	assert_int_equal(write(client, peer->says, peer->len), peer->len);
	if (peer->closes)
		close(client);
	wait_done(f->l, &f->seen, 1);
	if (!peer->closes)
		close(client);
	close(fd);
}

static void
test_strange_peers(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < MEM_COUNT(peers); i++) {
		const struct mysql_answer *a = &f->seen.answer;
		int tries = 0;

		do
			meet(f, &peers[i]);
		while (is_late(&f->seen) && ++tries < IO_TEST_TRIES);
		if (a->err.code != peers[i].code ||
		    (peers[i].text != NULL && strstr(a->err.text, peers[i].text) == NULL))
			fail_msg("peer %zu: %s: %s", i, err_code_name(a->err.code), a->err.text);
		assert_true(a->is_connect);
		assert_false(is_late(&f->seen));
	}
}

static void
test_black_hole(void **state)
{
	struct fixture *f = *state;
	int port, fd = listen_somewhere(&port), fill[16];

	/* A queue that is full drops what knocks: nothing comes back. */
	listen(fd, 0);
	for (size_t i = 0; i < MEM_COUNT(fill); i++) {
		struct endpoint where = at_port(port);

		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)!connect(fill[i], (struct sockaddr *)&where.address, where.len);
	}
	for (int i = 0; i == 0 || (is_late(&f->seen) && i < IO_TEST_TRIES); i++) {
		connect_to(f->l, f->m, port, &watch, LIMIT_MS, &f->seen);
		assert_int_equal(f->seen.answer.err.code, ERR_TIMEOUT);
		assert_true(f->seen.answer.took_us / 1000 >= LIMIT_MS - 5);
	}
	assert_false(is_late(&f->seen));
	for (size_t i = 0; i < MEM_COUNT(fill); i++)
		close(fill[i]);
	close(fd);
}

static void
test_cancel(void **state)
{
	struct fixture *f = *state;
	struct endpoint where = at_port(mariadb_server_port(server));

	mysql_link_connect(f->m, &where, &watch, AMPLE_MS, take, &f->seen);
	mysql_link_cancel(f->m);
	open_link(f);
	mysql_link_query(f->m, "SELECT SLEEP(5)", 10000, take, &f->seen);
	io_test_idle(f->l, 20);
	mysql_link_cancel(f->m);
	assert_false(mysql_link_is_open(f->m));
	io_test_idle(f->l, 50);
	assert_int_equal(f->seen.done, 1);
	open_link(f);
	mysql_link_query(f->m, "SELECT 1", AMPLE_MS, take, &f->seen);
	mysql_link_close(f->m);
	io_test_idle(f->l, 50);
	assert_int_equal(f->seen.done, 2);
}

static void
free_at_once(struct mysql_answer *a, void *arg)
{
	struct fixture *f = arg;

	assert_int_equal(a->err.code, ERR_NONE);
	mysql_link_free(f->m);
	f->m = NULL;
	f->seen.done++;
}

static void
test_free_in_done(void **state)
{
	struct fixture *f = *state;
	struct endpoint where = at_port(mariadb_server_port(server));

	mysql_link_connect(f->m, &where, &watch, AMPLE_MS, free_at_once, f);
	wait_done(f->l, &f->seen, 1);
}

/* How often the server says that a client went without a word, while we come and go. */
static int
aborted(struct fixture *f)
{
	mariadb_server_run(server, "FLUSH STATUS");
	open_link(f);
	mysql_link_close(f->m);
	io_test_idle(f->l, 100);
	open_link(f);
	ask(f->l, f->m, "SHOW GLOBAL STATUS LIKE 'Aborted_clients'", AMPLE_MS, &f->seen);
	return atoi(rows_text(&f->seen.answer.rows, 0, "Value"));
}

/* Of those that were cancelled in the midst of a SLEEP the server learns late: perhaps just then. */
static void
test_goodbye(void **state)
{
	struct fixture *f = *state;
	int tries = 0;

	while (aborted(f) > 0)
		assert_in_range(++tries, 1, IO_TEST_TRIES);
}

static int
start_server(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	server = mariadb_server_start(1, NULL);
	return 0;
}

static int
stop_server(void **state)
{
	(void)state;
	mariadb_server_stop(server);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_rows),
		TEST(test_errors_of_the_server),
		TEST(test_limit_of_a_query),
		TEST(test_too_much),
		TEST(test_wrong_accounts),
		TEST(test_tls_refused),
		TEST(test_nobody_listens),
		TEST(test_frozen),
		TEST(test_session_killed),
		TEST(test_strange_peers),
		TEST(test_black_hole),
		TEST(test_cancel),
		TEST(test_free_in_done),
		TEST(test_goodbye),
	};

	return cmocka_run_group_tests_name("mysql", tests, start_server, stop_server);
}
