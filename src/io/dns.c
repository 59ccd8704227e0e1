/*
 * dns.c: one query, one socket, one evdns_base; all of it goes when the query ends.
 *
 * An evdns_base for each query takes 7 us of the 25 us that asking a local dnsmasq takes, and gives
 * what a shared one cannot: a random source port each time; a query that is not slowed by an earlier
 * one (evdns takes a server that was silent out of service and asks it for google.com to see whether
 * it is back); a cancellation that leaves nothing. It reads no resolv.conf and no hosts file unless it
 * is told to.
 *
 * What evdns 2.1.12 makes of an answer, and what we make of that:
 *
 *   NXDOMAIN, or no record of the type     ERR_NOT_FOUND
 *   REFUSED, NOTIMP                        ERR_UNAVAILABLE
 *   SERVFAIL                               asked again, the third is ERR_UNAVAILABLE
 *   truncated, another question, garbage   ERR_PROTOCOL
 *   another id, another address            not ours, goes on waiting
 *   silence, also a closed port            asked again, at the limit ERR_TIMEOUT
 *
 * It calls a SERVFAIL a timeout. Who says it tells them apart: our limit comes before evdns gives up
 * by itself, so that its DNS_ERR_TIMEOUT can only be a SERVFAIL. A closed port is silence because its
 * sockets are not connected and hear no ICMP; so at the limit we knock once with a socket that is, for
 * "dnsmasq is dead" and "dnsmasq hangs" send the operator to different places.
 *
 * c-ares hears ICMP and tells a SERVFAIL; for one question that is a library too many.
 */
#include "io/dns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/dns.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "io/endpoint.h"
#include "io/loop.h"

#define DNS_PORT 53
#define ASK_TIMES "3"
#define ASK_AGAIN_SHARE 0.35  /* of the limit: times ASK_TIMES it is above 1, see the top */
#define ASK_AGAIN_MIN_S 0.001 /* evdns refuses less */

struct dns_query {
	struct loop *loop;
	struct evdns_base *base;
	struct loop_timer
	    *timer; /* the limit; or the next turn, when there is nothing to wait for */
	struct endpoint endpoint;
	char server[ENDPOINT_TEXT_SIZE]; /* the same, for messages */
	char *name;
	const struct dns_type_info *type;
	int64_t limit_ms;
	int64_t started_us;
	bool is_over; /* done was called or is not wanted; evdns may still come with an answer */
	dns_done_fn *done;
	void *arg;
	struct dns_result result;
};

typedef struct evdns_request *ask_fn(
    struct evdns_base *, const char *, int, evdns_callback_type, void *);

static const struct dns_type_info {
	const char *name;
	int family;
	size_t size;
	ask_fn *ask;
} types[] = {
	[DNS_TYPE_A] = { "A", AF_INET, sizeof(struct in_addr), evdns_base_resolve_ipv4 },
	[DNS_TYPE_AAAA] = { "AAAA", AF_INET6, sizeof(struct in6_addr), evdns_base_resolve_ipv6 },
};

/* What evdns reports, as the caller and the operator should hear it: "127.0.0.1:53 …". */
static const struct {
	int evdns;
	enum err_code code;
	const char *text;
} failures[] = {
	{ DNS_ERR_NOTEXIST, ERR_NOT_FOUND, "says that the name does not exist" },
	{ DNS_ERR_NODATA, ERR_NOT_FOUND, "knows the name but no such address of it" },
	{ DNS_ERR_TIMEOUT, ERR_UNAVAILABLE, "says that it cannot answer (SERVFAIL)" },
	{ DNS_ERR_REFUSED, ERR_UNAVAILABLE, "refuses to answer (REFUSED)" },
	{ DNS_ERR_NOTIMPL, ERR_UNAVAILABLE, "refuses to answer (NOTIMP)" },
	{ DNS_ERR_FORMAT, ERR_PROTOCOL, "does not understand the question (FORMERR)" },
	{ DNS_ERR_TRUNCATED, ERR_PROTOCOL, "sent a truncated answer" },
};

static void
query_release(struct dns_query *q)
{
	q->is_over = true;
	loop_timer_free(q->timer);
	q->timer = NULL;
	if (q->base != NULL)
		evdns_base_free(q->base, 0);
	q->base = NULL;
	free(q->name);
	q->name = NULL;
	/* An answer that is already on its way through the loop still points here. */
	loop_defer_free(q->loop, q);
}

static void
query_finish(struct dns_query *q)
{
	char shown[STR_SHOW_MAX * 4 + 4];

	if (q->result.err.code != ERR_NONE) {
		str_printable(shown, sizeof(shown), q->name, strlen(q->name));
		err_wrap(&q->result.err, "asking for %s of %s", q->type->name, shown);
	}
	q->result.took_us = clock_mono_us() - q->started_us;
	q->is_over = true;
	q->done(&q->result, q->arg);
	query_release(q);
}

static void
take_addresses(struct dns_query *q, const unsigned char *addresses, int count)
{
	struct dns_result *r = &q->result;

	for (int i = 0; i < count && r->count < DNS_ANSWERS_MAX; i++) {
		inet_ntop(q->type->family, addresses + (size_t)i * q->type->size,
		    r->addresses[r->count++], DNS_ADDRESS_SIZE);
	}
}

static void
take_failure(struct dns_query *q, int evdns)
{
	for (size_t i = 0; i < MEM_COUNT(failures); i++) {
		if (failures[i].evdns == evdns) {
			err_set(
			    &q->result.err, failures[i].code, "%s %s", q->server, failures[i].text);
			return;
		}
	}
	err_set(&q->result.err, ERR_PROTOCOL, "%s sent something that is no answer", q->server);
}

static void
answer_came(int evdns, char type, int count, int ttl, void *addresses, void *arg)
{
	struct dns_query *q = arg;

	(void)type; /* evdns gives only what was asked for */
	(void)ttl;
	if (q->is_over)
		return;
	/* A record of length 0 makes a success without an address. */
	if (evdns == DNS_ERR_NONE && count > 0)
		take_addresses(q, addresses, count);
	else
		take_failure(q, evdns);
	query_finish(q);
}

/*
 * Whether the port is closed. Our own host says so within send(); another one takes longer than we
 * would wait, and its silence stays a timeout. Resolvers drop a datagram without a header.
 */
static bool
is_nobody_there(const struct endpoint *server)
{
	const struct sockaddr *address = (const struct sockaddr *)&server->address;
	int fd = socket(address->sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool is_refused;
	char c;

	if (fd < 0)
		return false;
	is_refused = connect(fd, address, server->len) == 0 && send(fd, "", 0, 0) == 0 &&
		     recv(fd, &c, 1, 0) < 0 && errno == ECONNREFUSED;
	close(fd);
	return is_refused;
}

static void
limit_passed(struct dns_query *q)
{
	char limit[16];

	if (is_nobody_there(&q->endpoint))
		err_set(&q->result.err, ERR_UNREACHABLE, "nobody listens at %s", q->server);
	else
		err_set(&q->result.err, ERR_TIMEOUT, "no answer from %s within %s", q->server,
		    str_duration(limit, sizeof(limit), q->limit_ms));
}

static void
timer_due(void *arg)
{
	struct dns_query *q = arg;

	if (q->result.err.code == ERR_NONE)
		limit_passed(q);
	query_finish(q);
}

static int
parse_server(const char *server, struct endpoint *out, struct err *e)
{
	char shown[STR_SHOW_MAX * 4 + 4];

	if (endpoint_parse(server, DNS_PORT, out) == 0 && endpoint_port(out) != 0)
		return 0;
	return err_set(e, ERR_USAGE,
	    "\"%s\" is not a resolver: 127.0.0.1, 127.0.0.1:53, [::1]:53 or the like is allowed",
	    str_printable(shown, sizeof(shown), server, strlen(server)));
}

int
dns_check_server(const char *server, struct err *e)
{
	struct endpoint unused;

	return parse_server(server, &unused, e);
}

/* evdns would print its opinion of the server on our standard error. */
static void
drop_log(int is_warning, const char *text)
{
	(void)is_warning;
	(void)text;
}

static int
ask(struct dns_query *q, struct err *e)
{
	double again_s = (double)q->limit_ms / 1000 * ASK_AGAIN_SHARE;
	char again[32];

	snprintf(
	    again, sizeof(again), "%.6f", again_s < ASK_AGAIN_MIN_S ? ASK_AGAIN_MIN_S : again_s);
	evdns_set_log_fn(drop_log);
	if ((q->base = evdns_base_new(loop_base(q->loop), 0)) == NULL)
		abort(); /* out of memory */
	evdns_base_set_option(q->base, "timeout", again);
	evdns_base_set_option(q->base, "attempts", ASK_TIMES);
	if (evdns_base_nameserver_sockaddr_add(
		q->base, (const struct sockaddr *)&q->endpoint.address, q->endpoint.len, 0) != 0)
		return err_errno(e, "cannot make a socket for %s", q->server);
	if (q->type->ask(q->base, q->name, DNS_QUERY_NO_SEARCH, answer_came, q) == NULL)
		return err_set(e, ERR_USAGE, "not a name that DNS can carry");
	return 0;
}

struct dns_query *
dns_start(struct loop *l, const char *server, const char *name, enum dns_type type,
    int64_t limit_ms, dns_done_fn *done, void *arg)
{
	struct dns_query *q = mem_alloc(sizeof(*q));

	q->loop = l;
	q->timer = loop_timer_new(l, timer_due, q);
	q->name = mem_strdup(name);
	q->type = &types[type];
	q->limit_ms = limit_ms;
	q->started_us = clock_mono_us();
	q->done = done;
	q->arg = arg;
	if (parse_server(server, &q->endpoint, &q->result.err) == 0) {
		endpoint_format(q->server, &q->endpoint);
		ask(q, &q->result.err);
	}
	loop_timer_set(q->timer, q->result.err.code == ERR_NONE ? limit_ms : 0);
	return q;
}

void
dns_cancel(struct dns_query *q)
{
	if (q != NULL && !q->is_over)
		query_release(q);
}
