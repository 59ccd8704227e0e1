/*
 * fake_http.c: a listener and a bufferevent for each connection; a script is run by next_step(), which
 * returns whenever a step has to wait and is called again by what it waits for.
 */
#include "fake_http.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/loop.h"

#define SCRIPTS_MAX 64
#define REQUESTS_MAX 64
#define FILL_CHUNK 65536

struct connection {
	struct fake_http *fake;
	struct bufferevent *io;
	struct loop_timer *timer;
	const struct fake_step *step; /* NULL: waiting for a request */
	size_t progress;              /* of a FILL or DRIP */
	struct connection *prev, *next;
};

struct script {
	const struct fake_step *steps;
	struct fake_step own[2]; /* of a pushed answer */
	char *text;
};

struct fake_http {
	struct loop *loop;
	struct evconnlistener *listener;
	char *url;
	struct script scripts[SCRIPTS_MAX];
	size_t script_count, next_script;
	char *requests[REQUESTS_MAX];
	size_t request_count, connection_count;
	struct connection *connections;
};

static const struct fake_step no_script[] = {
	{ .kind = FAKE_SEND, .text = "HTTP/1.1 599 no script\r\nContent-Length: 0\r\n\r\n" },
	{ .kind = FAKE_END },
};

static void read_request(struct connection *c);

static void
connection_free(struct connection *c)
{
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		c->fake->connections = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	bufferevent_free(c->io);
	loop_timer_free(c->timer);
	free(c);
}

static void
reset(struct connection *c)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(bufferevent_getfd(c->io), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	connection_free(c);
}

/* One step; 1: the next may follow at once, 0: it waits for something, -1: c is gone. */
static int
run_step(struct connection *c)
{
	const struct fake_step *s = c->step;
	struct evbuffer *out = bufferevent_get_output(c->io);

	switch (s->kind) {
	case FAKE_SEND:
		bufferevent_write(c->io, s->text, strlen(s->text));
		return 1;
	case FAKE_FILL:
		while (c->progress < s->count && evbuffer_get_length(out) < FILL_CHUNK) {
			bufferevent_write(c->io, s->text, strlen(s->text));
			c->progress++;
		}
		return c->progress == s->count; /* else drained() comes */
	case FAKE_DRIP:
		if (s->text[c->progress] == '\0')
			return 1;
		bufferevent_write(c->io, &s->text[c->progress++], 1);
		loop_timer_set(c->timer, s->ms);
		return 0;
	case FAKE_PAUSE:
		if (c->progress++ > 0)
			return 1;
		loop_timer_set(c->timer, s->ms);
		return 0;
	case FAKE_HANG:
		return 0;
	case FAKE_CLOSE:
		if (evbuffer_get_length(out) > 0)
			return 0; /* drained() comes */
		connection_free(c);
		return -1;
	case FAKE_RESET:
		if (evbuffer_get_length(out) > 0)
			return 0;
		reset(c);
		return -1;
	case FAKE_END:
		break;
	}
	c->step = NULL;
	read_request(c);
	return -1;
}

static void
run_script(struct connection *c)
{
	int result;

	while ((result = run_step(c)) == 1) {
		c->progress = 0;
		c->step++;
	}
}

static void
waited(void *arg)
{
	run_script(arg);
}

static void
drained(struct bufferevent *io, void *arg)
{
	struct connection *c = arg;

	(void)io;
	if (c->step != NULL && (c->step->kind == FAKE_FILL || c->step->kind == FAKE_CLOSE ||
				   c->step->kind == FAKE_RESET))
		run_script(c);
}

/* The length of the request at the start of what came, 0 when it is not whole. */
static size_t
request_length(struct evbuffer *in)
{
	const char *field = "\r\nContent-Length:", *found;
	struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
	size_t len;
	char *head;

	if (end.pos == -1)
		return 0;
	len = (size_t)end.pos + 4;
	head = mem_strndup((const char *)evbuffer_pullup(in, (ssize_t)len), len);
	if ((found = strcasestr(head, field)) != NULL)
		len += strtoul(found + strlen(field), NULL, 10);
	free(head);
	return len <= evbuffer_get_length(in) ? len : 0;
}

static void
read_request(struct connection *c)
{
	struct fake_http *f = c->fake;
	struct evbuffer *in = bufferevent_get_input(c->io);
	size_t len = request_length(in);

	if (len == 0 || c->step != NULL || f->request_count == REQUESTS_MAX)
		return;
	f->requests[f->request_count] = mem_alloc(len + 1);
	evbuffer_remove(in, f->requests[f->request_count++], len);
	c->step = f->next_script < f->script_count ? f->scripts[f->next_script++].steps : no_script;
	c->progress = 0;
	run_script(c);
}

static void
arrived(struct bufferevent *io, void *arg)
{
	(void)io;
	read_request(arg);
}

static void
ended(struct bufferevent *io, short what, void *arg)
{
	(void)io;
	(void)what;
	connection_free(arg);
}

static void
accepted(
    struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from, int len, void *arg)
{
	struct fake_http *f = arg;
	struct connection *c = mem_alloc(sizeof(*c));

	(void)listener;
	(void)from;
	(void)len;
	f->connection_count++;
	c->fake = f;
	c->timer = loop_timer_new(f->loop, waited, c);
	c->io = bufferevent_socket_new(loop_base(f->loop), fd, BEV_OPT_CLOSE_ON_FREE);
	c->next = f->connections;
	if (c->next != NULL)
		c->next->prev = c;
	f->connections = c;
	bufferevent_setcb(c->io, arrived, drained, ended, c);
	bufferevent_enable(c->io, EV_READ | EV_WRITE);
}

struct fake_http *
fake_http_new(struct loop *l, const char *path)
{
	struct fake_http *f = mem_alloc(sizeof(*f));
	const unsigned flags = LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE;
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(in);

	f->loop = l;
	if (path != NULL) {
		memcpy(un.sun_path, path, strlen(path) + 1);
		f->listener = evconnlistener_new_bind(
		    loop_base(l), accepted, f, flags, -1, (struct sockaddr *)&un, (int)sizeof(un));
		f->url = mem_printf("unix://%s", path);
		return f;
	}
	f->listener = evconnlistener_new_bind(
	    loop_base(l), accepted, f, flags, -1, (struct sockaddr *)&in, (int)len);
	if (f->listener == NULL ||
	    getsockname(evconnlistener_get_fd(f->listener), (struct sockaddr *)&in, &len) == -1)
		abort();
	f->url = mem_printf("http://127.0.0.1:%d", ntohs(in.sin_port));
	return f;
}

void
fake_http_free(struct fake_http *f)
{
	if (f == NULL)
		return;
	while (f->connections != NULL)
		connection_free(f->connections);
	evconnlistener_free(f->listener);
	for (size_t i = 0; i < f->script_count; i++)
		free(f->scripts[i].text);
	for (size_t i = 0; i < f->request_count; i++)
		free(f->requests[i]);
	free(f->url);
	free(f);
}

const char *
fake_http_url(const struct fake_http *f)
{
	return f->url;
}

void
fake_http_push(struct fake_http *f, const struct fake_step *steps)
{
	if (f->script_count == SCRIPTS_MAX)
		abort();
	f->scripts[f->script_count++].steps = steps;
}

void
fake_http_push_answer(struct fake_http *f, int status, uint64_t index, const char *body)
{
	struct script *s = &f->scripts[f->script_count];
	struct str text = STR_INIT;

	str_addf(&text, "HTTP/1.1 %d Whatever\r\nContent-Length: %zu\r\n", status, strlen(body));
	if (index > 0)
		str_addf(&text, "X-Consul-Index: %llu\r\n", (unsigned long long)index);
	str_addf(&text, "\r\n%s", body);
	s->text = str_take(&text);
	s->own[0] = (struct fake_step){ .kind = FAKE_SEND, .text = s->text };
	s->own[1] = (struct fake_step){ .kind = FAKE_END };
	fake_http_push(f, s->own);
}

size_t
fake_http_request_count(const struct fake_http *f)
{
	return f->request_count;
}

const char *
fake_http_request(const struct fake_http *f, size_t i)
{
	return i < f->request_count ? f->requests[i] : "";
}

size_t
fake_http_connection_count(const struct fake_http *f)
{
	return f->connection_count;
}

size_t
fake_http_open_count(const struct fake_http *f)
{
	size_t count = 0;

	for (const struct connection *c = f->connections; c != NULL; c = c->next)
		count++;
	return count;
}
