/*
 * stream.c: a socket, two events, and TLS in between when it is asked for.
 *
 *   connecting ──> [handshake ──>] open ──> over
 *       └──────────────┴─────────────┴──ended or stream_close()──^
 *
 * A peer that refuses us often says why and closes at once (Redis: "max number of clients reached"): our
 * write then fails although its words are there to be read. So a write that fails ends nothing by itself;
 * what has arrived is handed on first.
 *
 * Rejected: libevent's bufferevents. They give EVUTIL_SOCKET_ERROR() after the fact, end at the failed
 * write before the read (see above), and with OpenSSL tell a certificate's reason through a queue that the
 * next connection has emptied.
 */
#include "io/stream.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "io/loop.h"
#include "io/tls.h"

#define READ_SIZE 16384 /* a record of TLS */
#define OUT_SIZE 2048   /* what a check sends fits in */
#define READS_MAX 4     /* in a turn of the loop: others are waiting, too */

enum stream_state { STREAM_CONNECTING, STREAM_HANDSHAKE, STREAM_OPEN, STREAM_OVER };

struct stream {
	struct loop *loop;
	enum stream_state state;
	const struct stream_events *events;
	void *arg;
	int fd;
	struct event *readable, *writable;
	struct loop_timer
	    *timer; /* what went wrong inside stream_open() is told in the next turn */
	struct tls *tls;
	bool is_tls;
	struct str out; /* not yet taken by the peer */
	size_t out_done;
	char peer[ENDPOINT_TEXT_SIZE];
	enum fault fault;
	struct err err;
};

static const char *const wait_texts[] = {
	[STREAM_CONNECTING] = "no connection",
	[STREAM_HANDSHAKE] = "no TLS handshake",
	[STREAM_OPEN] = "no answer",
	[STREAM_OVER] = "no connection",
};

const char *
stream_wait_text(const struct stream *s)
{
	return wait_texts[s->state];
}

/* From here on no event comes. */
static void
release(struct stream *s)
{
	s->state = STREAM_OVER;
	loop_timer_free(s->timer);
	if (s->readable != NULL)
		event_free(s->readable);
	if (s->writable != NULL)
		event_free(s->writable);
	tls_free(s->tls);
	if (s->fd != -1)
		close(s->fd);
	if (s->out.len > 0)
		explicit_bzero(s->out.data, s->out.len);
	str_clear(&s->out);
	/* A function of ours may be standing on it, below the caller. */
	loop_defer_free(s->loop, s);
}

void
stream_close(struct stream *s)
{
	if (s != NULL && s->state != STREAM_OVER)
		release(s);
}

static void
fail(struct stream *s, enum fault f, const char *text)
{
	s->fault = f;
	err_set(&s->err, fault_code(f), "%s", text);
}

static void
fail_errno(struct stream *s, int no)
{
	fail(s, fault_of_errno(no), strerror(no));
}

/* The one place that calls ended; the fault and the error are set. */
static void
finish(struct stream *s)
{
	err_wrap(&s->err, "%s", s->peer);
	s->state = STREAM_OVER;
	s->events->ended(s->fault, &s->err, s->arg);
	release(s);
}

static ssize_t
tls_failed(struct stream *s, ssize_t how)
{
	if (how == TLS_BROKEN)
		fail_errno(s, errno);
	else
		s->fault = FAULT_TLS;
	return TLS_FAILED;
}

/* As tls_read(): bytes, 0 at the end, TLS_AGAIN, or TLS_FAILED with the fault set. */
static ssize_t
read_some(struct stream *s, char *data, size_t len)
{
	ssize_t n;

	if (s->tls != NULL) {
		n = tls_read(s->tls, data, len, &s->err);
		return n < TLS_AGAIN ? tls_failed(s, n) : n;
	}
	if ((n = recv(s->fd, data, len, 0)) >= 0)
		return n;
	if (errno == EAGAIN || errno == EINTR)
		return TLS_AGAIN;
	fail_errno(s, errno);
	return TLS_FAILED;
}

static ssize_t
write_some(struct stream *s, const char *data, size_t len)
{
	ssize_t n;

	if (s->tls != NULL) {
		n = tls_write(s->tls, data, len, &s->err);
		return n < TLS_AGAIN ? tls_failed(s, n) : n;
	}
	if ((n = send(s->fd, data, len, MSG_NOSIGNAL)) >= 0)
		return n;
	if (errno == EAGAIN || errno == EINTR)
		return TLS_AGAIN;
	fail_errno(s, errno);
	return TLS_FAILED;
}

/* Hands on what has arrived. The stream may be over afterwards. */
static void
fill(struct stream *s)
{
	char data[READ_SIZE];
	ssize_t n;

	for (int i = 0; i < READS_MAX && s->state == STREAM_OPEN; i++) {
		if ((n = read_some(s, data, sizeof(data))) == TLS_AGAIN)
			return;
		if (n > 0) {
			s->events->arrived(data, (size_t)n, s->arg);
			continue;
		}
		if (n == 0)
			fail(s, FAULT_RESET, "closed the connection");
		finish(s);
		return;
	}
	/* The rest may stand in OpenSSL's memory, where no event tells of it. */
	if (s->state == STREAM_OPEN && s->tls != NULL)
		event_active(s->readable, EV_READ, 1);
}

static void
flush(struct stream *s)
{
	ssize_t n = 0;

	while (s->out_done < s->out.len) {
		n = write_some(s, s->out.data + s->out_done, s->out.len - s->out_done);
		if (n <= 0)
			break;
		s->out_done += (size_t)n;
	}
	if (s->out_done == s->out.len && s->out.len > 0) {
		explicit_bzero(s->out.data, s->out.len); /* a password may have been in it */
		str_reset(&s->out);
		s->out_done = 0;
	}
	loop_want(s->writable, s->out.len > 0);
	if (n == TLS_FAILED) {
		enum fault f = s->fault;
		struct err e = s->err;

		fill(s); /* its last words, and usually its end */
		if (s->state == STREAM_OPEN) {
			s->fault = f;
			s->err = e;
			finish(s);
		}
	}
}

static void
opened(struct stream *s)
{
	s->state = STREAM_OPEN;
	loop_want(s->writable, false);
	loop_want(s->readable, true);
	s->events->opened(s->arg);
}

static void
shake_hands(struct stream *s)
{
	int result = tls_handshake(s->tls, &s->err);

	if (result == 0) {
		opened(s);
	} else if (result == TLS_AGAIN) {
		loop_want(s->readable, !tls_wants_write(s->tls));
		loop_want(s->writable, tls_wants_write(s->tls));
	} else {
		s->fault = FAULT_TLS;
		finish(s);
	}
}

static void
connected(struct stream *s)
{
	int no = 0;
	socklen_t len = sizeof(no);

	getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &no, &len);
	if (no != 0) {
		fail_errno(s, no);
		finish(s);
	} else if (s->is_tls) {
		s->state = STREAM_HANDSHAKE;
		shake_hands(s);
	} else {
		opened(s);
	}
}

static void
socket_ready(evutil_socket_t fd, short what, void *arg)
{
	struct stream *s = arg;

	(void)fd;
	if (s->state == STREAM_CONNECTING) {
		connected(s);
	} else if (s->state == STREAM_HANDSHAKE) {
		shake_hands(s);
	} else {
		/* With TLS a read may want to write and the other way round: both are tried. */
		if ((what & EV_WRITE) != 0 || s->out.len > 0)
			flush(s);
		if (s->state == STREAM_OPEN)
			fill(s);
	}
}

static void
timer_due(void *arg)
{
	finish(arg);
}

/* 0, or -1 with the fault set. */
static int
start(struct stream *s, const struct endpoint *to, const struct stream_tls *tls)
{
	static const int on = 1;
	const struct sockaddr *address = (const struct sockaddr *)&to->address;
	struct event_base *base = loop_base(s->loop);

	s->fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd == -1) {
		fail(s, FAULT_LOCAL, strerror(errno));
		return -1;
	}
	setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	s->readable = event_new(base, s->fd, EV_READ | EV_PERSIST, socket_ready, s);
	s->writable = event_new(base, s->fd, EV_WRITE | EV_PERSIST, socket_ready, s);
	if (s->readable == NULL || s->writable == NULL)
		abort(); /* out of memory */
	if (tls != NULL && (s->tls = tls_new(s->fd, tls, &s->err)) == NULL) {
		s->fault = FAULT_LOCAL;
		return -1;
	}
	if (connect(s->fd, address, to->len) == -1 && errno != EINPROGRESS) {
		fail_errno(s, errno);
		return -1;
	}
	loop_want(s->writable, true);
	return 0;
}

struct stream *
stream_open(struct loop *l, const struct endpoint *to, const struct stream_tls *tls,
    const struct stream_events *events, void *arg)
{
	struct stream *s = mem_alloc(sizeof(*s));

	s->loop = l;
	s->events = events;
	s->arg = arg;
	s->is_tls = tls != NULL;
	s->timer = loop_timer_new(l, timer_due, s);
	/* Growing would leave a copy of a password behind, which is among the first bytes. */
	str_reserve(&s->out, OUT_SIZE);
	endpoint_format(s->peer, to);
	if (start(s, to, tls) != 0)
		loop_timer_set(s->timer, 0);
	return s;
}

void
stream_write(struct stream *s, const void *data, size_t len)
{
	str_add(&s->out, data, len);
	/* Not at once: a failure would come out of here. */
	loop_want(s->writable, true);
}
