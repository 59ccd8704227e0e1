/*
 * httpd.c: connections as small state machines on the loop.
 *
 *   accepted ──> IDLE ── first byte ──> READING ── head complete ──> WRITING ──> LINGERING ──> closed
 *                 ^                        ^                           │  the answer is out,
 *                 │ nothing more is there  │ a part is there           │  and was the last
 *                 └────────────────────────┴────────── NEXT <──────────┘
 *                                                         the answer is out
 *
 * Every state has a limit (limits[]); no byte that arrives prolongs it, so that a peer that sends or
 * reads slowly has its connection for a minute and a half at most. A last answer is followed by
 * LINGERING: closing while bytes from the peer lie unread would reset the connection and might take the
 * answer with it. Requests that arrive together are answered one a turn of the loop.
 *
 * libevent's evhttp was rejected. In 2.1 it cannot be told how many connections to have, nor when one
 * ends; each byte starts its timeout again; it reads a body before it asks; it answers 501 where 405 with
 * Allow is due, and its own error pages lack our headers.
 *
 * A page that streams would be a state of its own behind READING, with its own limit.
 */
#include "io/httpd.h"

#include <errno.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "io/httpd_host.h"
#include "io/httpd_request.h"
#include "io/listener.h"
#include "io/loop.h"

#define LINGER_MS 1000       /* a peer that has its answer closes within a round trip */
#define ACCEPT_PAUSE_MS 1000 /* when accept() fails for want of descriptors or memory */
#define ACCEPTS_A_TURN 16

enum conn_state { CONN_IDLE, CONN_READING, CONN_NEXT, CONN_WRITING, CONN_LINGERING };

struct conn {
	struct httpd *httpd;
	int fd;
	enum conn_state state;
	struct event *readable, *writable;
	struct loop_timer *timer;
	struct str in;         /* at most HTTPD_REQUEST_MAX */
	struct str head, body; /* of the answer under way */
	size_t sent;           /* of both */
	bool is_kept;          /* after this answer */
	TAILQ_ENTRY(conn) link;
};

TAILQ_HEAD(conns, conn);

struct httpd {
	struct loop *loop;
	struct listener listener;
	struct event *acceptable;
	struct loop_timer *resume; /* accepting, after a pause */
	struct conns conns;        /* in the order in which they became idle */
	size_t count;
	size_t unsent; /* bytes of all answers under way */
	char **hosts;
	httpd_page_fn *page;
	void *arg;
};

static void conn_close(struct conn *c);
static void conn_serve(struct conn *c);

/* How long each state may last, what comes then, and what the peer may do meanwhile. */
static const struct {
	int64_t ms;
	void (*passed)(struct conn *c);
	bool reads, writes;
} limits[] = {
	[CONN_IDLE] = { HTTPD_IDLE_MS, conn_close, true, false },
	[CONN_READING] = { HTTPD_REQUEST_MS, conn_close, true, false },
	[CONN_NEXT] = { 0, conn_serve, false, false },
	[CONN_WRITING] = { HTTPD_ANSWER_MS, conn_close, false, true },
	[CONN_LINGERING] = { LINGER_MS, conn_close, true, false },
};

static const struct {
	int status;
	const char *reason;
} reasons[] = {
	{ 200, "OK" },
	{ 400, "Bad Request" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 413, "Content Too Large" },
	{ 421, "Misdirected Request" },
	{ 431, "Request Header Fields Too Large" },
	{ 500, "Internal Server Error" },
	{ 503, "Service Unavailable" },
	{ 505, "HTTP Version Not Supported" },
};

/* Nothing of ours is to be cached, framed, guessed at, or run. */
#define COMMON_HEADERS \
	"Cache-Control: no-store\r\n" \
	"Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n" \
	"Cross-Origin-Resource-Policy: same-origin\r\n" \
	"Referrer-Policy: no-referrer\r\n" \
	"X-Content-Type-Options: nosniff\r\n" \
	"X-Frame-Options: DENY\r\n"

static void
conn_set_state(struct conn *c, enum conn_state state)
{
	c->state = state;
	loop_timer_set(c->timer, limits[state].ms);
	loop_want(c->readable, limits[state].reads);
	loop_want(c->writable, limits[state].writes);
}

static void
conn_timer_due(void *arg)
{
	struct conn *c = arg;

	limits[c->state].passed(c);
}

static void
conn_drop_answer(struct conn *c)
{
	c->httpd->unsent -= c->body.len;
	str_clear(&c->head);
	str_clear(&c->body);
	c->sent = 0;
}

static void
conn_close(struct conn *c)
{
	TAILQ_REMOVE(&c->httpd->conns, c, link);
	c->httpd->count--;
	conn_drop_answer(c);
	event_free(c->readable);
	event_free(c->writable);
	loop_timer_free(c->timer);
	close(c->fd);
	str_clear(&c->in);
	free(c);
}

/* The answer is out. */
static void
conn_answered(struct conn *c)
{
	struct httpd *d = c->httpd;

	conn_drop_answer(c);
	if (!c->is_kept) {
		c->in.len = 0;
		shutdown(c->fd, SHUT_WR);
		conn_set_state(c, CONN_LINGERING);
		return;
	}
	TAILQ_REMOVE(&d->conns, c, link);
	TAILQ_INSERT_TAIL(&d->conns, c, link);
	conn_set_state(c, c->in.len > 0 ? CONN_NEXT : CONN_IDLE);
}

static void
conn_write(struct conn *c)
{
	for (;;) {
		size_t in_head = c->sent < c->head.len ? c->sent : c->head.len;
		size_t in_body = c->sent - in_head;
		struct iovec parts[] = {
			{ c->head.data + in_head, c->head.len - in_head },
			{ in_body < c->body.len ? c->body.data + in_body : NULL,
			    c->body.len - in_body },
		};
		struct msghdr message = { .msg_iov = parts, .msg_iovlen = MEM_COUNT(parts) };
		ssize_t n;

		if (c->sent == c->head.len + c->body.len) {
			conn_answered(c);
			return;
		}
		n = sendmsg(c->fd, &message, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			if (errno != EAGAIN)
				conn_close(c);
			return;
		}
		c->sent += (size_t)n;
	}
}

/* RFC 9110, 5.6.7; by hand, because strftime(3) speaks the operator's language. */
static void
add_date(struct str *out)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t now = (time_t)clock_wall_s();
	struct tm tm;

	gmtime_r(&now, &tm);
	str_addf(out, "Date: %.3s, %02d %.3s %d %02d:%02d:%02d GMT\r\n", days + 3 * tm.tm_wday,
	    tm.tm_mday, months + 3 * tm.tm_mon, tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
	    tm.tm_sec);
}

static const char *
reason_of(int status)
{
	for (size_t i = 0; i < MEM_COUNT(reasons); i++) {
		if (reasons[i].status == status)
			return reasons[i].reason;
	}
	return "Unknown";
}

/* A page that only says its status. */
static void
fill_status(struct httpd_page *page, int status)
{
	page->status = status;
	page->content_type = "text/plain; charset=utf-8";
	str_clear(&page->body);
	str_addf(&page->body, "%d %s\n", status, reason_of(status));
}

static void
conn_send(struct conn *c, struct httpd_page *page, bool is_head)
{
	struct httpd *d = c->httpd;

	if (page->body.len > HTTPD_UNSENT_MAX - d->unsent)
		fill_status(page, 503);
	str_addf(&c->head, "HTTP/1.1 %d %s\r\n", page->status, reason_of(page->status));
	add_date(&c->head);
	str_addf(&c->head, "Content-Type: %s\r\nContent-Length: %zu\r\n", page->content_type,
	    page->body.len);
	str_adds(&c->head, COMMON_HEADERS);
	if (page->status == 405)
		str_adds(&c->head, "Allow: GET, HEAD\r\n");
	if (!c->is_kept)
		str_adds(&c->head, "Connection: close\r\n");
	str_adds(&c->head, "\r\n");
	if (is_head)
		str_clear(&page->body);
	c->body = page->body;
	d->unsent += c->body.len;
	conn_set_state(c, CONN_WRITING);
	conn_write(c);
}

static void
conn_answer(struct conn *c, const struct httpd_request *r)
{
	struct httpd *d = c->httpd;
	struct httpd_page page = { 0 };
	bool is_head = r->is_head;
	char *path;

	c->is_kept = r->is_kept;
	if (r->status != 0) {
		fill_status(&page, r->status);
	} else if (r->host.data != NULL &&
		   !httpd_host_is_known(r->host, &d->listener.endpoint, d->hosts)) {
		fill_status(&page, 421);
	} else {
		path = mem_strndup(r->path.data, r->path.len);
		d->page(path, &page, d->arg);
		free(path);
		if (page.status == 0)
			fill_status(&page, 404);
	}
	/* r points into these bytes. */
	c->in.len -= r->len;
	memmove(c->in.data, c->in.data + r->len, c->in.len);
	conn_send(c, &page, is_head);
}

/* Does what the bytes that are there, one at least, ask for. */
static void
conn_serve(struct conn *c)
{
	struct httpd_request r;

	if (httpd_request_parse(c->in.data, c->in.len, &r)) {
		conn_answer(c, &r);
	} else if (c->in.len >= HTTPD_REQUEST_MAX) {
		r = (struct httpd_request){ .status = 431, .len = c->in.len };
		conn_answer(c, &r);
	} else if (c->state != CONN_READING) {
		conn_set_state(c, CONN_READING);
	}
}

static void
conn_read(struct conn *c)
{
	size_t room = HTTPD_REQUEST_MAX - c->in.len;
	ssize_t n;

	str_reserve(&c->in, room);
	n = read(c->fd, c->in.data + c->in.len, room);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		conn_close(c);
	} else if (c->state != CONN_LINGERING) {
		c->in.len += (size_t)n;
		conn_serve(c);
	}
}

static void
conn_ready(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	(void)what;
	if (c->state == CONN_WRITING)
		conn_write(c);
	else
		conn_read(c);
}

static struct event *
new_event(struct httpd *d, int fd, short what, event_callback_fn fn, void *arg)
{
	struct event *event =
	    event_new(loop_base(d->loop), fd, (short)(what | EV_PERSIST), fn, arg);

	if (event == NULL)
		abort(); /* out of memory */
	return event;
}

static void
conn_open(struct httpd *d, int fd)
{
	struct conn *c = mem_alloc(sizeof(*c));

	c->httpd = d;
	c->fd = fd;
	c->readable = new_event(d, fd, EV_READ, conn_ready, c);
	c->writable = new_event(d, fd, EV_WRITE, conn_ready, c);
	c->timer = loop_timer_new(d->loop, conn_timer_due, c);
	TAILQ_INSERT_TAIL(&d->conns, c, link);
	d->count++;
	conn_set_state(c, CONN_IDLE);
}

/* True when there is room for one more connection. */
static bool
make_room(struct httpd *d)
{
	struct conn *c;

	if (d->count < HTTPD_CONNECTIONS_MAX)
		return true;
	TAILQ_FOREACH (c, &d->conns, link) {
		if (c->state == CONN_IDLE) {
			conn_close(c);
			return true;
		}
	}
	return false;
}

static void
refuse(int fd)
{
	static const char answer[] =
	    "HTTP/1.1 503 Service Unavailable\r\n"
	    "Content-Length: 0\r\n" COMMON_HEADERS "Connection: close\r\n\r\n";

	send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}

static void
accept_ready(evutil_socket_t listening, short what, void *arg)
{
	struct httpd *d = arg;

	(void)what;
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		int fd = accept4((int)listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && (errno == ECONNABORTED || errno == EINTR))
			continue;
		if (fd < 0) {
			/* The connection that cannot be accepted stays there and would wake us again. */
			if (errno != EAGAIN) {
				event_del(d->acceptable);
				loop_timer_set(d->resume, ACCEPT_PAUSE_MS);
			}
			return;
		}
		if (make_room(d))
			conn_open(d, fd);
		else
			refuse(fd);
	}
}

static void
resume_due(void *arg)
{
	struct httpd *d = arg;

	event_add(d->acceptable, NULL);
}

static char **
copy_hosts(const char *const *hosts)
{
	size_t count = 0;
	char **copy;

	while (hosts != NULL && hosts[count] != NULL)
		count++;
	copy = mem_array(count + 1, sizeof(*copy));
	for (size_t i = 0; i < count; i++)
		copy[i] = mem_strdup(hosts[i]);
	return copy;
}

struct httpd *
httpd_new(struct loop *l, const char *address, const char *const *hosts, httpd_page_fn *page,
    void *arg, struct err *e)
{
	struct listener listener;
	struct httpd *d;

	if (listener_open(&listener, address, e) != 0)
		return NULL;
	d = mem_alloc(sizeof(*d));
	d->loop = l;
	d->listener = listener;
	d->acceptable = new_event(d, listener.fd, EV_READ, accept_ready, d);
	d->resume = loop_timer_new(l, resume_due, d);
	TAILQ_INIT(&d->conns);
	d->hosts = copy_hosts(hosts);
	d->page = page;
	d->arg = arg;
	event_add(d->acceptable, NULL);
	return d;
}

void
httpd_free(struct httpd *d)
{
	if (d == NULL)
		return;
	while (!TAILQ_EMPTY(&d->conns))
		conn_close(TAILQ_FIRST(&d->conns));
	event_free(d->acceptable);
	loop_timer_free(d->resume);
	listener_close(&d->listener);
	for (char **host = d->hosts; *host != NULL; host++)
		free(*host);
	free(d->hosts);
	free(d);
}

int
httpd_check_address(const char *address, struct err *e)
{
	return listener_check_address(address, e);
}

const char *
httpd_address(const struct httpd *d)
{
	return d->listener.address;
}
