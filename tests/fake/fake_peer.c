/*
 * fake_peer.c: bufferevents on the loop of the test.
 */
#include "fake_peer.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "io/loop.h"

struct client {
	struct fake_peer *peer;
	struct client *next;
	const struct fake_script *script;
	struct bufferevent *bev;
	struct loop_timer *drip;
	struct str left; /* to be said, a byte a turn */
	size_t left_at;
	bool is_answered, is_open;
};

struct fake_peer {
	struct loop *loop;
	struct evconnlistener *listener;
	const struct fake_script *script;
	struct client *clients;
	size_t count;
	struct str heard;
	int port;
};

static void
hang_up(struct client *c)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	if (!c->is_open)
		return;
	if (c->script->is_reset)
		setsockopt(bufferevent_getfd(c->bev), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	c->is_open = false;
	bufferevent_free(c->bev);
	c->bev = NULL;
}

static void
said_all(struct client *c)
{
	if (c->is_answered && (c->script->is_closing || c->script->is_reset))
		hang_up(c);
}

static void
drip_due(void *arg)
{
	struct client *c = arg;

	if (!c->is_open)
		return;
	if (c->left_at == c->left.len) {
		said_all(c);
		return;
	}
	bufferevent_write(c->bev, c->left.data + c->left_at++, 1);
	loop_timer_set(c->drip, 0);
}

static void
say(struct client *c, const char *text, size_t fill)
{
	size_t said = 0;

	if (text == NULL)
		return;
	if (c->script->is_drip) {
		str_adds(&c->left, text);
		loop_timer_set(c->drip, 0);
		return;
	}
	do {
		bufferevent_write(c->bev, text, strlen(text));
		said += strlen(text);
	} while (said < fill);
}

static void
written(struct bufferevent *bev, void *arg)
{
	struct client *c = arg;

	(void)bev;
	if (!c->script->is_drip)
		said_all(c);
}

static void
heard(struct bufferevent *bev, void *arg)
{
	struct client *c = arg;
	char data[4096];
	size_t n;

	while ((n = bufferevent_read(bev, data, sizeof(data))) > 0)
		str_add(&c->peer->heard, data, n);
	if (!c->is_answered) {
		c->is_answered = true;
		say(c, c->script->answer, c->script->fill);
		if (c->script->answer == NULL)
			said_all(c);
	}
}

static void
ended(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	(void)what;
	hang_up(arg);
}

static void
accepted(
    struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from, int len, void *arg)
{
	struct fake_peer *p = arg;
	struct client *c = mem_alloc(sizeof(*c));

	(void)listener;
	(void)from;
	(void)len;
	c->peer = p;
	c->script = p->script;
	c->is_open = true;
	c->drip = loop_timer_new(p->loop, drip_due, c);
	c->bev = bufferevent_socket_new(loop_base(p->loop), fd, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(c->bev, heard, written, ended, c);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	c->next = p->clients;
	p->clients = c;
	p->count++;
	/* A greeting without an answer is all there is to say. */
	c->is_answered = c->script->answer == NULL && c->script->greeting != NULL;
	say(c, c->script->greeting, c->is_answered ? c->script->fill : 0);
}

struct fake_peer *
fake_peer_new(struct loop *l, const struct fake_script *script)
{
	struct fake_peer *p = mem_alloc(sizeof(*p));
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);

	p->loop = l;
	p->script = script;
	p->listener = evconnlistener_new_bind(loop_base(l), accepted, p,
	    LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 64, (struct sockaddr *)&in, sizeof(in));
	if (p->listener == NULL ||
	    getsockname(evconnlistener_get_fd(p->listener), (struct sockaddr *)&in, &len) != 0)
		abort();
	p->port = ntohs(in.sin_port);
	return p;
}

void
fake_peer_free(struct fake_peer *p)
{
	struct client *next;

	for (struct client *c = p->clients; c != NULL; c = next) {
		next = c->next;
		hang_up(c);
		loop_timer_free(c->drip);
		str_clear(&c->left);
		free(c);
	}
	evconnlistener_free(p->listener);
	str_clear(&p->heard);
	free(p);
}

void
fake_peer_set(struct fake_peer *p, const struct fake_script *script)
{
	p->script = script;
}

int
fake_peer_port(const struct fake_peer *p)
{
	return p->port;
}

size_t
fake_peer_connections(const struct fake_peer *p)
{
	return p->count;
}

size_t
fake_peer_open(const struct fake_peer *p)
{
	size_t count = 0;

	for (const struct client *c = p->clients; c != NULL; c = c->next)
		count += c->is_open;
	return count;
}

const char *
fake_peer_heard(const struct fake_peer *p)
{
	return str_text(&p->heard);
}
