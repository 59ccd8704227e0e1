/*
 * test_httpd.c: raw sockets against the server, all in one loop. Built with limits of its own, see
 * Makefile.am.
 */
#include "io/httpd.h"

#include "io_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "base/mem.h"
#include "io/endpoint.h"

#define AMPLE_MS 20000
#define BIG_LEN (8u << 20) /* more than a socket buffers */

struct fixture {
	struct loop *loop;
	struct httpd *httpd;
	int fds, pages;
	char last_path[128];
	char dir[32], unix_path[64], unix_address[80];
};

/* One end of a connection, and what came on it. */
struct client {
	int fd;
	struct str in;
	bool is_closed, is_reset;
};

static void
give_page(const char *path, struct httpd_page *page, void *arg)
{
	struct fixture *f = arg;

	f->pages++;
	snprintf(f->last_path, sizeof(f->last_path), "%s", path);
	page->content_type = "application/json";
	if (strcmp(path, "/v1/status") == 0) {
		page->status = 200;
		str_adds(&page->body, "{\"ok\":true}\n");
	} else if (strcmp(path, "/big") == 0) {
		page->status = 200;
		str_reserve(&page->body, BIG_LEN);
		memset(page->body.data, 'x', BIG_LEN);
		page->body.len = BIG_LEN;
	} else if (strcmp(path, "/down") == 0) {
		page->status = 503;
		str_adds(&page->body, "{}");
	}
}

static int
setup(void **state)
{
	static const char *const hosts[] = { "web-03", NULL };
	struct fixture *f = mem_alloc(sizeof(*f));
	struct err e = { 0 };

	f->loop = loop_new();
	f->fds = io_test_count_fds();
	strcpy(f->dir, "/tmp/pm-httpd-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->unix_path, sizeof(f->unix_path), "%s/http.sock", f->dir);
	snprintf(f->unix_address, sizeof(f->unix_address), "unix:%s", f->unix_path);
	f->httpd = httpd_new(f->loop, "127.0.0.1:0", hosts, give_page, f, &e);
	assert_non_null(f->httpd);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	httpd_free(f->httpd);
	assert_int_equal(f->fds, io_test_count_fds());
	loop_free(f->loop);
	assert_int_equal(0, rmdir(f->dir)); /* nothing is left in it */
	free(f);
	return 0;
}

static void
client_open(struct fixture *f, struct client *c)
{
	struct endpoint server;

	*c = (struct client){ .fd = -1 };
	assert_int_equal(0, endpoint_parse(httpd_address(f->httpd), -1, &server));
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(0, connect(c->fd, (struct sockaddr *)&server.address, server.len));
	assert_int_equal(0, fcntl(c->fd, F_SETFL, O_NONBLOCK));
}

static void
client_close(struct client *c)
{
	close(c->fd);
	str_clear(&c->in);
}

/* A turn of the loop, then what came. */
static void
client_turn(struct fixture *f, struct client *c, int64_t limit_ms)
{
	char data[65536];
	ssize_t n;

	loop_turn(f->loop, limit_ms);
	while ((n = recv(c->fd, data, sizeof(data), 0)) > 0)
		str_add(&c->in, data, (size_t)n);
	if (n == 0 || (n < 0 && errno != EAGAIN))
		c->is_closed = true;
	if (n < 0 && errno == ECONNRESET)
		c->is_reset = true;
}

static void
client_send(struct fixture *f, struct client *c, const void *data, size_t len)
{
	const char *p = data;
	int64_t end = clock_mono_ms() + AMPLE_MS;

	while (len > 0 && !c->is_closed) {
		ssize_t n = send(c->fd, p, len, MSG_NOSIGNAL);

		assert_true(clock_mono_ms() < end);
		if (n < 0 && errno != EAGAIN)
			c->is_reset = true;
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
		client_turn(f, c, n > 0 ? 0 : 5);
	}
}

static int
count_of(const struct client *c, const char *what)
{
	const char *p = str_text(&c->in);
	int count = 0;

	while ((p = strstr(p, what)) != NULL) {
		p += strlen(what);
		count++;
	}
	return count;
}

/* Until so many answers have come whole; pages of more than one line count by their headers. */
static void
client_wait(struct fixture *f, struct client *c, int answers)
{
	int64_t end = clock_mono_ms() + AMPLE_MS;

	while (count_of(c, "\r\n\r\n") < answers && !c->is_closed && clock_mono_ms() < end)
		client_turn(f, c, 10);
	assert_true(count_of(c, "HTTP/1.1 ") >= answers);
	client_turn(f, c, 1);
}

static void
client_wait_closed(struct fixture *f, struct client *c, int64_t limit_ms)
{
	int64_t end = clock_mono_ms() + limit_ms;

	while (!c->is_closed && clock_mono_ms() < end)
		client_turn(f, c, 10);
	assert_true(c->is_closed);
}

static int
status_of(const struct client *c)
{
	int status = 0;

	sscanf(str_text(&c->in), "HTTP/1.1 %d ", &status);
	return status;
}

/* One request on a connection of its own; the answer's status, 0 when there was none. */
static int
ask_bytes(struct fixture *f, const void *request, size_t len, struct client *c)
{
	client_open(f, c);
	client_send(f, c, request, len);
	client_wait(f, c, 1);
	return status_of(c);
}

static int
ask(struct fixture *f, const char *request)
{
	struct client c;
	int status = ask_bytes(f, request, strlen(request), &c);

	client_close(&c);
	return status;
}

#define GET "GET /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n"

static void
test_get(void **state)
{
	static const char *const headers[] = { "HTTP/1.1 200 OK\r\n",
		"Content-Type: application/json\r\n", "Content-Length: 12\r\n",
		"Cache-Control: no-store\r\n", "X-Content-Type-Options: nosniff\r\n",
		"X-Frame-Options: DENY\r\n",
		"Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n",
		"Referrer-Policy: no-referrer\r\n", "Cross-Origin-Resource-Policy: same-origin\r\n",
		" GMT\r\n" };
	struct fixture *f = *state;
	struct client c;

	assert_int_equal(200, ask_bytes(f, GET, strlen(GET), &c));
	for (size_t i = 0; i < MEM_COUNT(headers); i++)
		assert_int_equal(1, count_of(&c, headers[i]));
	assert_non_null(strstr(c.in.data, "\r\n\r\n{\"ok\":true}\n"));
	assert_int_equal(0, count_of(&c, "Connection: close"));
	client_send(f, &c, GET, strlen(GET)); /* the connection is kept */
	client_wait(f, &c, 2);
	assert_false(c.is_closed);
	assert_int_equal(2, f->pages);
	client_close(&c);
}

static void
test_date_is_right(void **state)
{
	struct fixture *f = *state;
	struct client c;
	struct tm tm = { 0 };
	const char *date;

	ask_bytes(f, GET, strlen(GET), &c);
	date = strstr(c.in.data, "\r\nDate: ");
	assert_non_null(date);
	date = strptime(date, "\r\nDate: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
	assert_non_null(date);
	assert_in_range(clock_wall_s() - timegm(&tm), 0, 5);
	client_close(&c);
}

static void
test_head(void **state)
{
	static const char head[] = "HEAD /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n";
	struct fixture *f = *state;
	struct client c;
	size_t len;

	assert_int_equal(200, ask_bytes(f, head, strlen(head), &c));
	assert_int_equal(1, count_of(&c, "Content-Length: 12\r\n"));
	assert_string_equal("\r\n\r\n", c.in.data + c.in.len - 4);
	len = c.in.len;
	client_send(f, &c, GET, strlen(GET));
	client_wait(f, &c, 2);
	assert_memory_equal("HTTP/1.1 200", c.in.data + len, 12); /* no byte between */
	client_close(&c);
}

static void
test_paths(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(404, ask(f, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"));
	assert_int_equal(404, ask(f, "GET /v1/%73tatus HTTP/1.1\r\nHost: localhost\r\n\r\n"));
	assert_int_equal(503, ask(f, "GET /down HTTP/1.1\r\nHost: localhost\r\n\r\n"));
	assert_int_equal(
	    200, ask(f, "GET /v1/status?wait=1&x HTTP/1.1\r\nHost: localhost\r\n\r\n"));
	assert_string_equal("/v1/status", f->last_path);
	assert_int_equal(
	    200, ask(f, "GET http://LOCALHOST:80/v1/status HTTP/1.1\r\nHost: evil\r\n\r\n"));
	assert_int_equal(
	    421, ask(f, "GET http://evil/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n"));
	assert_int_equal(400, ask(f, "GET http://localhost HTTP/1.1\r\nHost: localhost\r\n\r\n"));
	assert_int_equal(400, ask(f, "GET v1 HTTP/1.1\r\nHost: localhost\r\n\r\n"));
	assert_int_equal(400, ask(f, "GET * HTTP/1.1\r\nHost: localhost\r\n\r\n"));
	assert_int_equal(400, ask(f, "GET /a#b HTTP/1.1\r\nHost: localhost\r\n\r\n"));
	assert_int_equal(400, ask(f, "GET /\xc3\xa4 HTTP/1.1\r\nHost: localhost\r\n\r\n"));
}

static void
test_methods(void **state)
{
	static const char *const methods[] = { "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH",
		"FOO", "get", "GETX", "HEAD2", "G", "!$" };
	struct fixture *f = *state;
	char request[128];
	struct client c;

	for (size_t i = 0; i < MEM_COUNT(methods); i++) {
		snprintf(request, sizeof(request), "%s / HTTP/1.1\r\nHost: localhost\r\n\r\n",
		    methods[i]);
		assert_int_equal(405, ask_bytes(f, request, strlen(request), &c));
		assert_int_equal(1, count_of(&c, "Allow: GET, HEAD\r\n"));
		assert_int_equal(1, count_of(&c, "Connection: close\r\n"));
		client_wait_closed(f, &c, AMPLE_MS);
		client_close(&c);
	}
	assert_int_equal(400, ask(f, "CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n"));
	assert_int_equal(0, f->pages);
}

/* The answer must not be lost in the reset that unread bytes would cause. */
static void
test_large_body_is_refused_readably(void **state)
{
	static const char head[] =
	    "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1048576\r\n\r\n";
	struct fixture *f = *state;
	char *body = mem_alloc(1 << 20);
	struct client c;

	client_open(f, &c);
	assert_int_equal(strlen(head), send(c.fd, head, strlen(head), 0));
	assert_in_range(send(c.fd, body, 1 << 20, 0), HTTPD_REQUEST_MAX * 2, 1 << 20);
	client_wait(f, &c, 1);
	assert_int_equal(405, status_of(&c));
	client_wait_closed(f, &c, AMPLE_MS);
	assert_false(c.is_reset);
	client_close(&c);
	free(body);
}

static void
test_hosts(void **state)
{
	static const struct {
		const char *lines;
		int status;
	} cases[] = {
		{ "Host: localhost", 200 },
		{ "Host: LocalHost:8753", 200 },
		{ "host:localhost", 200 },
		{ "Host: \t 127.0.0.1 \t", 200 },
		{ "Host: 127.0.0.1:1", 200 },
		{ "Host: 127.3.2.1", 200 },
		{ "Host: [::1]", 200 },
		{ "Host: [::1]:8753", 200 },
		{ "Host: web-03", 200 },
		{ "Host: WEB-03:8753", 200 },
		{ "Host: web-04", 421 },
		{ "Host: evil.example", 421 },
		{ "Host: localhost.evil.example", 421 },
		{ "Host: 127.0.0.1.evil.example", 421 },
		{ "Host: 127.0.0.1@evil.example", 421 },
		{ "Host: 10.0.0.1", 421 },
		{ "Host: 128.0.0.1", 421 },
		{ "Host: [::2]", 421 },
		{ "Host: [::1", 421 },
		{ "Host: 2130706433", 421 },
		{ "Host:", 421 },
		{ "Host: :80", 421 },
		{ "Accept: *", 400 },
		{ "Host: localhost\r\nHost: localhost", 400 },
		{ "Host: localhost\r\nhost: evil", 400 },
	};
	struct fixture *f = *state;
	char request[256];

	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		snprintf(request, sizeof(request), "GET /v1/status HTTP/1.1\r\n%s\r\n\r\n",
		    cases[i].lines);
		assert_int_equal(cases[i].status, ask(f, request));
	}
}

static void
test_hosts_of_a_wildcard_address(void **state)
{
	struct fixture *f = *state;
	struct err e = { 0 };

	httpd_free(f->httpd);
	f->httpd = httpd_new(f->loop, "0.0.0.0:0", NULL, give_page, f, &e);
	assert_non_null(f->httpd);
	assert_int_equal(200, ask(f, "GET /v1/status HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n"));
	assert_int_equal(421, ask(f, "GET /v1/status HTTP/1.1\r\nHost: web-03\r\n\r\n"));
	assert_int_equal(421, ask(f, "GET /v1/status HTTP/1.1\r\nHost: [fd00::1]\r\n\r\n"));
}

static void
test_versions(void **state)
{
	struct fixture *f = *state;
	struct client c;
	const char *old = "GET /v1/status HTTP/1.0\r\n\r\n";

	assert_int_equal(200, ask_bytes(f, old, strlen(old), &c));
	assert_int_equal(1, count_of(&c, "Connection: close\r\n"));
	client_wait_closed(f, &c, AMPLE_MS);
	client_close(&c);
	assert_int_equal(421, ask(f, "GET / HTTP/1.0\r\nHost: evil\r\n\r\n"));
	assert_int_equal(200, ask(f, "GET /v1/status HTTP/1.2\r\nHost: localhost\r\n\r\n"));
	assert_int_equal(505, ask(f, "GET / HTTP/2.0\r\nHost: localhost\r\n\r\n"));
	assert_int_equal(400, ask(f, "GET / HTTP/1.10\r\nHost: localhost\r\n\r\n"));
	assert_int_equal(400, ask(f, "GET / http/1.1\r\nHost: localhost\r\n\r\n"));
	assert_int_equal(400, ask(f, "GET /\r\n\r\n"));
	assert_int_equal(200, ask(f, "GET /v1/status HTTP/1.1\nHost: localhost\n\n"));
	assert_int_equal(200, ask(f, "\r\n\r\nGET /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n"));
}

static void
test_malformed_heads(void **state)
{
#define LINE "GET / HTTP/1.1\r\nHost: localhost\r\n"
	static const struct {
		const char *head;
		int status;
	} cases[] = {
		{ " GET / HTTP/1.1\r\n\r\n", 400 },
		{ "GET  / HTTP/1.1\r\n\r\n", 400 },
		{ "GET / HTTP/1.1 \r\n\r\n", 400 },
		{ "GET /\tHTTP/1.1\r\n\r\n", 400 },
		{ "GET\r\n\r\n", 400 },
		{ "x\r\n\r\n", 400 },
		{ "\x16\x03\x01\n\n", 400 },
		{ LINE "no colon\r\n\r\n", 400 },
		{ LINE "Name : x\r\n\r\n", 400 },
		{ LINE ": x\r\n\r\n", 400 },
		{ LINE "A: b\r\n folded\r\n\r\n", 400 },
		{ LINE "A: b\x01\r\n\r\n", 400 },
		{ LINE "A: b\rc\r\n\r\n", 400 },
		{ LINE "A\x7f: b\r\n\r\n", 400 },
		{ LINE "Content-Length: 5\r\n\r\nhello", 413 },
		{ LINE "Content-Length: 0\r\n\r\n", 404 },
		{ LINE "Content-Length: -1\r\n\r\n", 400 },
		{ LINE "Content-Length: 0x0\r\n\r\n", 400 },
		{ LINE "Content-Length:\r\n\r\n", 400 },
		{ LINE "Content-Length: 99999999999999999999999\r\n\r\n", 413 },
		{ LINE "Content-Length: 0\r\nContent-Length: 7\r\n\r\n", 413 },
		{ LINE "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 413 },
	};
	struct fixture *f = *state;
	struct client c;

	for (size_t i = 0; i < MEM_COUNT(cases); i++)
		assert_int_equal(cases[i].status, ask(f, cases[i].head));
	assert_int_equal(400, ask_bytes(f, LINE "A: \0b\r\n\r\n", strlen(LINE) + 9, &c));
	client_close(&c);
	assert_int_equal(400, ask_bytes(f, "GET /\0 HTTP/1.1\r\n\r\n", 19, &c));
	client_close(&c);
	assert_int_equal(1, f->pages); /* only the one with Content-Length: 0 */
}

static void
test_connection_close(void **state)
{
	struct fixture *f = *state;
	const char *request =
	    "GET /v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: foo, Close\r\n\r\n";
	struct client c;

	assert_int_equal(200, ask_bytes(f, request, strlen(request), &c));
	assert_int_equal(1, count_of(&c, "Connection: close\r\n"));
	client_wait_closed(f, &c, AMPLE_MS);
	client_close(&c);
}

/* A head of exactly so many bytes. */
static char *
head_of(size_t len)
{
	static const char start[] = "GET /v1/status HTTP/1.1\r\nHost: localhost\r\nX: ";
	char *head = mem_alloc(len + 1);

	memset(head, 'x', len);
	memcpy(head, start, sizeof(start) - 1);
	memcpy(head + len - 4, "\r\n\r\n", 4);
	return head;
}

static void
test_head_sizes(void **state)
{
	static const struct {
		size_t len;
		int status;
	} cases[] = { { HTTPD_REQUEST_MAX, 200 }, { HTTPD_REQUEST_MAX + 1, 431 },
		{ 1 << 20, 431 } };
	struct fixture *f = *state;
	struct client c;

	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		char *head = head_of(cases[i].len);

		assert_int_equal(cases[i].status, ask_bytes(f, head, cases[i].len, &c));
		client_close(&c);
		memset(head, 'G', cases[i].len); /* never a line */
		if (cases[i].len >= HTTPD_REQUEST_MAX) {
			assert_int_equal(431, ask_bytes(f, head, cases[i].len, &c));
			client_close(&c);
		}
		free(head);
	}
}

/*
 * The limits here are short: a busy machine may keep us waiting for longer, and is then served as any
 * client that is late. Such a try says nothing.
 */
static bool
is_late(int64_t began_ms, int *tries)
{
	return clock_mono_ms() - began_ms >= HTTPD_IDLE_MS && ++*tries < IO_TEST_TRIES;
}

static void
test_byte_by_byte(void **state)
{
	struct fixture *f = *state;
	int64_t began;
	int tries = 0;
	struct client c;

	for (;;) {
		began = clock_mono_ms();
		client_open(f, &c);
		for (size_t i = 0; i < strlen(GET); i++) {
			client_send(f, &c, &GET[i], 1);
			client_turn(f, &c, 1);
		}
		if (!is_late(began, &tries))
			break;
		client_close(&c);
	}
	client_wait(f, &c, 1);
	assert_int_equal(200, status_of(&c));
	client_close(&c);
}

/* Each byte comes in time for an idle limit, but the head does not end. */
static void
test_slowloris(void **state)
{
	struct fixture *f = *state;
	int64_t began = clock_mono_ms();
	struct client c;

	client_open(f, &c);
	client_send(f, &c, "GET / HTTP/1.1\r\n", 16);
	while (!c.is_closed && clock_mono_ms() - began < AMPLE_MS) {
		client_send(f, &c, "X", 1);
		client_turn(f, &c, HTTPD_REQUEST_MS / 10);
	}
	assert_in_range(clock_mono_ms() - began, HTTPD_REQUEST_MS - 1, HTTPD_REQUEST_MS * 5);
	client_close(&c);
}

static void
test_idle_is_closed(void **state)
{
	struct fixture *f = *state;
	int64_t began = clock_mono_ms();
	struct client c;

	client_open(f, &c);
	client_wait_closed(f, &c, AMPLE_MS);
	assert_in_range(clock_mono_ms() - began, HTTPD_IDLE_MS - 1, HTTPD_IDLE_MS * 5);
	client_close(&c);

	assert_int_equal(200, ask_bytes(f, GET, strlen(GET), &c)); /* and between two requests */
	client_wait_closed(f, &c, AMPLE_MS);
	client_close(&c);
}

#define GET_BIG "GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n"

/* Whole, and its connection is good for another; false when it came too slowly to tell. */
static bool
try_big_page(struct fixture *f, struct client *c, int *tries)
{
	int64_t began = clock_mono_ms();

	client_open(f, c);
	client_send(f, c, GET_BIG, strlen(GET_BIG));
	for (int i = 0; i < 10000 && !c->is_closed && c->in.len < BIG_LEN; i++)
		client_turn(f, c, 10);
	client_turn(f, c, 10);
	if (is_late(began, tries))
		return false;
	assert_int_equal(1, count_of(c, "Content-Length: 8388608\r\n"));
	assert_int_equal(
	    BIG_LEN, c->in.len - (size_t)(strstr(c->in.data, "\r\n\r\n") + 4 - c->in.data));
	client_send(f, c, GET, strlen(GET));
	for (int i = 0;
	     i < 1000 && !c->is_closed && strstr(c->in.data + BIG_LEN, "{\"ok\":true}\n") == NULL;
	     i++)
		client_turn(f, c, 10);
	if (is_late(began, tries))
		return false;
	assert_non_null(strstr(c->in.data + BIG_LEN, "{\"ok\":true}\n"));
	return true;
}

static void
test_big_page(void **state)
{
	struct fixture *f = *state;
	struct client c;
	int tries = 0;

	while (!try_big_page(f, &c, &tries))
		client_close(&c);
	client_close(&c);
}

static void
test_reader_that_does_not_read(void **state)
{
	struct fixture *f = *state;
	int fds = io_test_count_fds(), tries = 0;
	int64_t began;
	struct client c;

	for (;;) {
		began = clock_mono_ms();
		client_open(f, &c);
		assert_int_equal(strlen(GET_BIG), send(c.fd, GET_BIG, strlen(GET_BIG), 0));
		io_test_idle(f->loop, HTTPD_ANSWER_MS / 2);
		if (!is_late(began, &tries))
			break;
		client_close(&c);
		io_test_idle(f->loop, HTTPD_ANSWER_MS);
	}
	assert_int_equal(fds + 2, io_test_count_fds());
	io_test_idle(f->loop, HTTPD_ANSWER_MS + 50);
	assert_int_equal(fds + 1, io_test_count_fds());
	client_close(&c);
}

/* Three times 8 MB for readers that do not read are more than is kept. */
static void
test_unsent_bytes_are_limited(void **state)
{
	struct fixture *f = *state;
	struct client c[3];

	for (int i = 0; i < 3; i++) {
		client_open(f, &c[i]);
		assert_int_equal(strlen(GET_BIG), send(c[i].fd, GET_BIG, strlen(GET_BIG), 0));
		io_test_idle(f->loop, 20);
	}
	client_wait(f, &c[2], 1);
	assert_int_equal(503, status_of(&c[2]));
	client_close(&c[0]);
	client_close(&c[2]);
	io_test_idle(f->loop, 20);
	assert_int_equal(200, ask(f, GET_BIG));
	client_close(&c[1]);
}

static void
test_pipelining(void **state)
{
	struct fixture *f = *state;
	struct str all = STR_INIT;
	struct client c;

	for (int i = 0; i < 500; i++)
		str_adds(&all, i % 2 == 0 ? GET : "HEAD /down HTTP/1.1\r\nHost: localhost\r\n\r\n");
	str_adds(&all, "GET /v1/st");
	client_open(f, &c);
	client_send(f, &c, all.data, all.len);
	client_wait(f, &c, 500);
	assert_int_equal(500, f->pages);
	assert_int_equal(250, count_of(&c, "HTTP/1.1 200 OK"));
	assert_int_equal(250, count_of(&c, "HTTP/1.1 503 "));
	assert_string_equal("/down", f->last_path);
	client_send(f, &c, "atus HTTP/1.1\r\nHost: localhost\r\n\r\n", 34);
	client_wait(f, &c, 501);
	assert_int_equal(251, count_of(&c, "HTTP/1.1 200 OK"));
	client_close(&c);
	str_clear(&all);
}

static void
test_half_closed_after_the_request(void **state)
{
	struct fixture *f = *state;
	struct client c;

	client_open(f, &c);
	assert_int_equal(strlen(GET), send(c.fd, GET, strlen(GET), 0));
	shutdown(c.fd, SHUT_WR);
	client_wait(f, &c, 1);
	assert_int_equal(200, status_of(&c));
	client_wait_closed(f, &c, AMPLE_MS);
	client_close(&c);
}

static void
test_reset_by_the_peer(void **state)
{
	const struct linger reset = { .l_onoff = 1 };
	struct fixture *f = *state;
	struct client c;

	for (int i = 0; i < 3; i++) {
		client_open(f, &c);
		if (i > 0)
			assert_int_equal(strlen(GET_BIG), send(c.fd, GET_BIG, strlen(GET_BIG), 0));
		if (i > 1)
			io_test_idle(f->loop, 20);
		setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		client_close(&c);
		io_test_idle(f->loop, 20);
	}
	assert_int_equal(200, ask(f, GET));
}

static void
test_two_hundred_connections(void **state)
{
	struct fixture *f = *state;
	int fds = io_test_count_fds();
	struct client c[200];

	for (int i = 0; i < 200; i++) {
		client_open(f, &c[i]);
		loop_turn(f->loop, 1);
	}
	io_test_idle(f->loop, 20);
	assert_int_equal(fds + 200 + HTTPD_CONNECTIONS_MAX, io_test_count_fds());
	assert_int_equal(200, ask(f, GET)); /* idle ones make place */
	for (int i = 0; i < 200; i++)
		client_close(&c[i]);
	for (int i = 0; i < 1000 && io_test_count_fds() > fds; i++)
		loop_turn(f->loop, 20);
	assert_int_equal(fds, io_test_count_fds());
	assert_int_equal(200, ask(f, GET));
}

static void
test_longest_idle_goes_first(void **state)
{
	struct fixture *f = *state;
	struct client c[HTTPD_CONNECTIONS_MAX + 1];

	for (int i = 0; i < HTTPD_CONNECTIONS_MAX; i++) {
		client_open(f, &c[i]);
		client_turn(f, &c[i], 1);
	}
	client_send(f, &c[0], GET, strlen(GET));
	client_wait(f, &c[0], 1);
	client_open(f, &c[HTTPD_CONNECTIONS_MAX]);
	client_wait_closed(f, &c[1], AMPLE_MS);
	for (int i = 0; i <= HTTPD_CONNECTIONS_MAX; i++) {
		client_turn(f, &c[i], 0);
		assert_int_equal(i == 1, c[i].is_closed);
		client_close(&c[i]);
	}
}

/* None of them is idle: the next is refused, until one has gone. */
static void
test_all_connections_busy(void **state)
{
	struct fixture *f = *state;
	struct client c[HTTPD_CONNECTIONS_MAX];

	for (int i = 0; i < HTTPD_CONNECTIONS_MAX; i++) {
		client_open(f, &c[i]);
		client_send(f, &c[i], "G", 1);
		client_turn(f, &c[i], 1);
	}
	assert_int_equal(503, ask(f, ""));
	client_close(&c[5]);
	assert_int_equal(200, ask(f, GET));
	for (int i = 0; i < HTTPD_CONNECTIONS_MAX; i++) {
		if (i != 5)
			client_close(&c[i]);
	}
}

/* Out of descriptors: no busy loop, and it goes on by itself. */
static void
test_no_descriptors(void **state)
{
	struct fixture *f = *state;
	struct rlimit before, tight;
	struct client c;
	int turns = 0;
	int64_t end;

	if (io_test_is_valgrind())
		skip(); /* it accepts, then closes what is above the limit */
	client_open(f, &c);
	assert_int_equal(strlen(GET), send(c.fd, GET, strlen(GET), 0));
	getrlimit(RLIMIT_NOFILE, &before);
	tight = before;
	tight.rlim_cur = (rlim_t)c.fd;
	setrlimit(RLIMIT_NOFILE, &tight);
	end = clock_mono_ms() + 200;
	while (clock_mono_ms() < end) {
		loop_turn(f->loop, 20);
		turns++;
	}
	setrlimit(RLIMIT_NOFILE, &before);
	assert_in_range(turns, 1, 15);
	assert_int_equal(0, f->pages);
	client_wait(f, &c, 1);
	assert_int_equal(200, status_of(&c));
	client_close(&c);
}

static void
test_all_sockets_close_on_exec(void **state)
{
	struct fixture *f = *state;
	struct client c;

	client_open(f, &c);
	client_send(f, &c, GET, strlen(GET));
	client_wait(f, &c, 1);
	for (int fd = 3; fd < 1024; fd++) {
		struct stat st;

		if (fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode))
			assert_int_equal(FD_CLOEXEC, fcntl(fd, F_GETFD) & FD_CLOEXEC);
	}
	client_close(&c);
}

static void
test_freed_with_connections(void **state)
{
	struct fixture *f = *state;
	struct client c[3];

	for (int i = 0; i < 3; i++)
		client_open(f, &c[i]);
	client_send(f, &c[1], "GET /", 5);
	assert_int_equal(strlen(GET_BIG), send(c[2].fd, GET_BIG, strlen(GET_BIG), 0));
	io_test_idle(f->loop, 20);
	httpd_free(f->httpd);
	f->httpd = NULL;
	io_test_idle(f->loop, 20);
	for (int i = 0; i < 3; i++)
		client_close(&c[i]);
}

static void
test_addresses(void **state)
{
	static const char *const bad[] = { "", "localhost:80", "127.0.0.1", "127.0.0.1:65536",
		"127.0.0.1:x", "[::1]", "::1:80", "unix:", "unix:relative.sock", "/run/x.sock",
		":80" };
	struct fixture *f = *state;
	char path[200] = "unix:/";
	struct err e = { 0 };

	for (size_t i = 0; i < MEM_COUNT(bad); i++) {
		assert_int_equal(-1, httpd_check_address(bad[i], &e));
		assert_int_equal(ERR_USAGE, e.code);
		assert_null(httpd_new(f->loop, bad[i], NULL, give_page, f, &e));
		assert_int_equal(ERR_USAGE, e.code);
	}
	assert_int_equal(0, httpd_check_address("127.0.0.1:8753", &e));
	assert_int_equal(0, httpd_check_address("[::1]:8753", &e));
	assert_int_equal(0, httpd_check_address("unix:/run/pointsman/http.sock", &e));
	memset(path + 6, 'x', 150);
	assert_int_equal(-1, httpd_check_address(path, &e));
	assert_null(httpd_new(f->loop, httpd_address(f->httpd), NULL, give_page, f, &e));
	assert_int_equal(ERR_CONFLICT, e.code);
	assert_null(httpd_new(f->loop, "192.0.2.1:8753", NULL, give_page, f, &e));
	assert_int_equal(ERR_IO, e.code);
	assert_null(httpd_new(f->loop, "unix:/nonexistent/x.sock", NULL, give_page, f, &e));
	assert_int_equal(ERR_NOT_FOUND, e.code);
	httpd_free(NULL);
}

static int
connect_unix(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

static void
test_unix_socket(void **state)
{
	struct fixture *f = *state;
	struct httpd *d, *second;
	struct client c = { 0 };
	struct err e = { 0 };
	struct stat st;

	d = httpd_new(f->loop, f->unix_address, NULL, give_page, f, &e);
	assert_non_null(d);
	assert_string_equal(f->unix_address, httpd_address(d));
	assert_int_equal(0, stat(f->unix_path, &st));
	assert_int_equal(0660, st.st_mode & 07777);
	c.fd = connect_unix(f->unix_path);
	assert_true(c.fd >= 0);
	fcntl(c.fd, F_SETFL, O_NONBLOCK);
	client_send(f, &c, GET, strlen(GET));
	client_wait(f, &c, 1);
	assert_int_equal(200, status_of(&c));
	client_close(&c);

	second = httpd_new(f->loop, f->unix_address, NULL, give_page, f, &e);
	assert_null(second);
	assert_int_equal(ERR_CONFLICT, e.code);
	c.fd = connect_unix(f->unix_path); /* the attempt did no harm */
	assert_true(c.fd >= 0);
	close(c.fd);
	httpd_free(d);
	assert_int_equal(-1, stat(f->unix_path, &st));
}

/* What a killed process leaves. */
static void
leave_stale_socket(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	assert_int_equal(0, bind(fd, (struct sockaddr *)&address, sizeof(address)));
	close(fd);
}

static void
test_stale_unix_socket(void **state)
{
	struct fixture *f = *state;
	struct err e = { 0 };
	struct httpd *d;
	char temp[80];

	leave_stale_socket(f->unix_path);
	snprintf(temp, sizeof(temp), "%s.new", f->unix_path);
	leave_stale_socket(temp);
	d = httpd_new(f->loop, f->unix_address, NULL, give_page, f, &e);
	assert_non_null(d);
	close(connect_unix(f->unix_path));
	httpd_free(d);
}

static void
test_unix_path_is_not_ours(void **state)
{
	struct fixture *f = *state;
	struct err e = { 0 };
	struct httpd *d;
	struct stat st;
	FILE *file;

	/* A file that somebody keeps there stays. */
	file = fopen(f->unix_path, "w");
	fclose(file);
	assert_null(httpd_new(f->loop, f->unix_address, NULL, give_page, f, &e));
	assert_int_equal(ERR_CONFLICT, e.code);
	assert_int_equal(0, unlink(f->unix_path));
	/* And so does the socket of whoever replaced ours. */
	d = httpd_new(f->loop, f->unix_address, NULL, give_page, f, &e);
	assert_non_null(d);
	assert_int_equal(0, unlink(f->unix_path));
	leave_stale_socket(f->unix_path);
	httpd_free(d);
	assert_int_equal(0, stat(f->unix_path, &st));
	assert_int_equal(0, unlink(f->unix_path));
}

static void
test_ipv6(void **state)
{
	struct fixture *f = *state;
	struct err e = { 0 };
	struct httpd *d = httpd_new(f->loop, "[::1]:0", NULL, give_page, f, &e);
	struct endpoint server;
	struct client c = { 0 };

	if (d == NULL) {
		print_error("NOT TESTED: no IPv6 here: %s\n", e.text);
		skip();
	}
	assert_int_equal(0, endpoint_parse(httpd_address(d), -1, &server));
	c.fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(0, connect(c.fd, (struct sockaddr *)&server.address, server.len));
	fcntl(c.fd, F_SETFL, O_NONBLOCK);
	client_send(f, &c, GET, strlen(GET));
	client_wait(f, &c, 1);
	assert_int_equal(200, status_of(&c));
	client_close(&c);
	httpd_free(d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_get, setup, teardown),
		cmocka_unit_test_setup_teardown(test_date_is_right, setup, teardown),
		cmocka_unit_test_setup_teardown(test_head, setup, teardown),
		cmocka_unit_test_setup_teardown(test_paths, setup, teardown),
		cmocka_unit_test_setup_teardown(test_methods, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_large_body_is_refused_readably, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hosts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hosts_of_a_wildcard_address, setup, teardown),
		cmocka_unit_test_setup_teardown(test_versions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_malformed_heads, setup, teardown),
		cmocka_unit_test_setup_teardown(test_connection_close, setup, teardown),
		cmocka_unit_test_setup_teardown(test_head_sizes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_byte_by_byte, setup, teardown),
		cmocka_unit_test_setup_teardown(test_slowloris, setup, teardown),
		cmocka_unit_test_setup_teardown(test_idle_is_closed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_big_page, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reader_that_does_not_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unsent_bytes_are_limited, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pipelining, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_half_closed_after_the_request, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reset_by_the_peer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_two_hundred_connections, setup, teardown),
		cmocka_unit_test_setup_teardown(test_longest_idle_goes_first, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all_connections_busy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_descriptors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all_sockets_close_on_exec, setup, teardown),
		cmocka_unit_test_setup_teardown(test_freed_with_connections, setup, teardown),
		cmocka_unit_test_setup_teardown(test_addresses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unix_socket, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stale_unix_socket, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unix_path_is_not_ours, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ipv6, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
