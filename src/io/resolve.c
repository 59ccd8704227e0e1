/*
 * resolve.c: evdns_getaddrinfo() with a base of its own for each question, as in dns.c and for the same
 * reasons: evdns takes a silent server out of service and asks it for google.com, which would slow or
 * colour the next question; and resolv.conf is read as it is now, not as it was when we started.
 *
 *   resolve_start ──> asked ──evdns answers──> done ───────────────┐
 *        │              ├──limit──> done(ERR_TIMEOUT) ─┐           │
 *        │              └──resolve_cancel──────────────┴─evdns lets go─> leaving ──next turn──> freed
 *        └─(an address, no target, in the hosts file)──next turn──> done ─┘
 *
 * Traps of libevent 2.1.12:
 *   - an answer from the hosts file comes before evdns_getaddrinfo() returns: it is kept for the
 *     next turn, because done never comes inside _start();
 *   - a question that is dropped with its base leaks what belongs to evdns_getaddrinfo(): it is
 *     cancelled, and the base goes a turn after evdns has said so;
 *   - when it gives up the slower one of A and AAAA it answers first and cancels in the next turn,
 *     through the base: that is why the base lives for a turn after every answer;
 *   - when A is answered and AAAA is not, it waits 3 s longer: getaddrinfo-allow-skew is a share of
 *     the limit instead.
 *
 * Of several addresses the first is taken, IPv4 before IPv6: a check has to look at one server, the
 * same at every run, not at whichever was faster. Rejected: getaddrinfo(3) in a thread (no threads,
 * and it cannot be cancelled), c-ares (evdns is there).
 */
#include "io/resolve.h"

#include <event2/dns.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "io/loop.h"

#define ASK_TIMES "3"
#define ASK_AGAIN_SHARE 0.35  /* of the limit: times ASK_TIMES it is above 1, so ours comes first */
#define SKEW_SHARE 0.25       /* of the limit: waiting for AAAA when A is there */
#define ASK_AGAIN_MIN_S 0.001 /* evdns refuses less */
#define NEVER "1000"          /* timeouts until a server is called dead: see the top */

struct resolve {
	struct loop *loop;
	struct evdns_base *base;
	struct evdns_getaddrinfo_request *request; /* NULL: evdns has let go */
	struct loop_timer *timer; /* the limit; or the next turn, to answer or to leave */
	char host[RESOLVE_HOST_SIZE];
	int port;
	int64_t limit_ms, started_us;
	bool is_starting; /* inside resolve_start() */
	bool is_over;     /* done was called or is not wanted */
	resolve_done_fn *done;
	void *arg;
	struct resolve_result result;
};

static const struct {
	int evdns;
	enum err_code code;
	const char *text;
} failures[] = {
	{ EVUTIL_EAI_NONAME, ERR_NOT_FOUND, "no such host" },
	{ EVUTIL_EAI_NODATA, ERR_NOT_FOUND, "the host has no address" },
	{ EVUTIL_EAI_ADDRFAMILY, ERR_NOT_FOUND, "the host has no address" },
	/* One code of evdns for: no record of that type, SERVFAIL, REFUSED. */
	{ EVUTIL_EAI_FAIL, ERR_NOT_FOUND, "the resolver gives no address" },
};

int
resolve_split(const char *target, char host[RESOLVE_HOST_SIZE], int *port)
{
	const char *start = target, *end = strchr(target, ':'), *after = end;
	uint64_t number = 0;

	if (target[0] == '[') {
		start = target + 1;
		if ((end = strchr(start, ']')) == NULL || (end[1] != '\0' && end[1] != ':'))
			return -1;
		after = end[1] == ':' ? end + 1 : NULL;
	} else if (end == NULL || strchr(end + 1, ':') != NULL) {
		end = target + strlen(target); /* no colon, or an IPv6 address without a port */
		after = NULL;
	}
	if (end == start || (size_t)(end - start) >= RESOLVE_HOST_SIZE)
		return -1;
	if (after != NULL &&
	    (str_parse_u64(after + 1, &number) != 0 || number == 0 || number > UINT16_MAX))
		return -1;
	memcpy(host, start, (size_t)(end - start));
	host[end - start] = '\0';
	*port = after != NULL ? (int)number : -1;
	return 0;
}

static void
destroy(struct resolve *q)
{
	if (q->base != NULL)
		evdns_base_free(q->base, 0);
	loop_timer_free(q->timer);
	free(q);
}

/* From here on nobody is told anything. */
static void
leave(struct resolve *q)
{
	q->is_over = true;
	loop_timer_stop(q->timer);
	if (q->request != NULL)
		evdns_getaddrinfo_cancel(q->request); /* comes back through answer_came() */
	else
		loop_timer_set(q->timer, 0);
}

static void
finish(struct resolve *q)
{
	char shown[STR_SHOW_MAX * 4 + 4];

	if (q->result.err.code != ERR_NONE)
		err_wrap(&q->result.err, "looking for the address of %s",
		    str_printable(shown, sizeof(shown), q->host, strlen(q->host)));
	q->result.took_us = clock_mono_us() - q->started_us;
	q->is_over = true;
	q->done(&q->result, q->arg);
	leave(q);
}

/* IPv4 first; -1: none of a family that we know. */
static int
take_address(struct resolve *q, const struct evutil_addrinfo *list)
{
	static const int families[] = { AF_INET, AF_INET6 };

	for (size_t i = 0; i < MEM_COUNT(families); i++) {
		for (const struct evutil_addrinfo *a = list; a != NULL; a = a->ai_next) {
			struct sockaddr_in *in = (struct sockaddr_in *)&q->result.endpoint.address;

			if (a->ai_family != families[i])
				continue;
			memcpy(&q->result.endpoint.address, a->ai_addr, a->ai_addrlen);
			q->result.endpoint.len = (socklen_t)a->ai_addrlen;
			in->sin_port = htons((uint16_t)q->port); /* as in endpoint.c */
			return 0;
		}
	}
	return -1;
}

static void
take_failure(struct resolve *q, int evdns)
{
	for (size_t i = 0; i < MEM_COUNT(failures); i++) {
		if (failures[i].evdns == evdns) {
			err_set(&q->result.err, failures[i].code, "%s", failures[i].text);
			return;
		}
	}
	err_set(&q->result.err, ERR_PROTOCOL, "the resolver sent something that is no answer");
}

static void
answer_came(int evdns, struct evutil_addrinfo *list, void *arg)
{
	struct resolve *q = arg;

	q->request = NULL;
	if (q->is_over) {
		if (list != NULL)
			evutil_freeaddrinfo(list);
		loop_timer_set(q->timer, 0);
		return;
	}
	if (evdns != 0)
		take_failure(q, evdns);
	else if (take_address(q, list) != 0)
		take_failure(q, EVUTIL_EAI_NODATA);
	if (list != NULL)
		evutil_freeaddrinfo(list);
	if (q->is_starting)
		loop_timer_set(q->timer, 0);
	else
		finish(q);
}

static void
timer_due(void *arg)
{
	struct resolve *q = arg;
	char limit[16];

	if (q->is_over) {
		destroy(q);
		return;
	}
	if (q->request != NULL)
		err_set(&q->result.err, ERR_TIMEOUT, "no answer from the resolver within %s",
		    str_duration(limit, sizeof(limit), q->limit_ms));
	finish(q);
}

/* evdns would print its opinion of the server on our standard error. */
static void
drop_log(int is_warning, const char *text)
{
	(void)is_warning;
	(void)text;
}

static void
set_seconds(struct resolve *q, const char *option, double share)
{
	double seconds = (double)q->limit_ms / 1000 * share;
	char text[32];

	snprintf(text, sizeof(text), "%.6f", seconds < ASK_AGAIN_MIN_S ? ASK_AGAIN_MIN_S : seconds);
	evdns_base_set_option(q->base, option, text);
}

static void
ask(struct resolve *q, const struct resolve_files *files)
{
	struct evutil_addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	const char *resolv_conf = files != NULL ? files->resolv_conf : "/etc/resolv.conf";

	evdns_set_log_fn(drop_log);
	if ((q->base = evdns_base_new(loop_base(q->loop), 0)) == NULL)
		abort(); /* out of memory */
	/* Without the file it asks 127.0.0.1, as the system does; a hosts file that is missing is empty. */
	evdns_base_resolv_conf_parse(q->base, DNS_OPTIONS_ALL & ~DNS_OPTION_HOSTSFILE, resolv_conf);
	evdns_base_load_hosts(q->base, files != NULL ? files->hosts : "/etc/hosts");
	set_seconds(q, "timeout", ASK_AGAIN_SHARE);
	set_seconds(q, "getaddrinfo-allow-skew", SKEW_SHARE);
	evdns_base_set_option(q->base, "attempts", ASK_TIMES);
	evdns_base_set_option(q->base, "max-timeouts", NEVER);
	q->request = evdns_getaddrinfo(q->base, q->host, NULL, &hints, answer_came, q);
}

struct resolve *
resolve_start(struct loop *l, const char *target, int default_port, int64_t limit_ms,
    const struct resolve_files *files, resolve_done_fn *done, void *arg)
{
	struct resolve *q = mem_alloc(sizeof(*q));
	struct resolve_result *r = &q->result;

	q->loop = l;
	q->limit_ms = limit_ms;
	q->started_us = clock_mono_us();
	q->done = done;
	q->arg = arg;
	q->is_starting = true;
	q->timer = loop_timer_new(l, timer_due, q);
	loop_timer_set(q->timer, limit_ms);
	if (resolve_split(target, q->host, &q->port) != 0)
		err_set(&r->err, ERR_USAGE, "that is not a host or host:port");
	else if (q->port == -1 && (q->port = default_port) == -1)
		err_set(&r->err, ERR_USAGE, "it says no port");
	else if (endpoint_parse(target, q->port, &r->endpoint) != 0)
		ask(q, files);
	if (q->request == NULL)
		loop_timer_set(q->timer, 0);
	q->is_starting = false;
	return q;
}

void
resolve_cancel(struct resolve *q)
{
	if (q != NULL && !q->is_over)
		leave(q);
}
