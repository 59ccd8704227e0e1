/*
 * prove.c: one question at a time: the generation first, then, where asked for, the name that
 * changed. dnsmasq reads its files again between two questions, so the first ones after a signal
 * often still get the old answer: hence the short pauses at the beginning (1 to 2 ms at 1,000 names,
 * 8 to 12 ms at 10,000, facts/dnsmasq.md).
 *
 * A question waits a short time first, because a lost datagram is asked for again after a third of it;
 * one that was waited for in vain makes the next one wait longer: a resolver that re-reads 100,000
 * names is mute for half a second, and one across a slow line must be able to prove something, too.
 */
#include "feature/prove.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "io/dns.h"
#include "io/loop.h"
#include "model/proof.h"

#define PAUSE_MIN_MS 1
#define QUERY_LIMIT_MIN_MS 300
#define QUERY_LIMIT_MAX_MS 2000

struct wanted {
	char *name;
	enum dns_type type;
	char (*addresses)[ADDRESS_SIZE];
	size_t count; /* 0: must not exist */
};

struct prover {
	struct loop *loop;
	char *server;
	struct wanted wanted[2];
	size_t count, at;
	struct dns_query *query;
	struct loop_timer *timer;
	int64_t pause_ms, limit_ms;
	prove_fn *fn;
	void *arg;
};

static void ask(void *arg);

static void
want_generation(struct prover *p, uint64_t generation)
{
	struct wanted *w = &p->wanted[p->count++];

	w->name = mem_strdup(PROOF_NAME);
	w->type = DNS_TYPE_AAAA;
	w->addresses = mem_array(1, sizeof(*w->addresses));
	proof_address(generation, w->addresses[0]);
	w->count = 1;
}

/* Addresses of one family: a question has one type. A name that left is asked for its A. */
static void
want_name(struct prover *p, const char *fqdn, const struct name *expected)
{
	struct wanted *w = &p->wanted[p->count++];
	bool is_ipv6 = expected != NULL && expected->count > 0 && expected->addresses[0].is_ipv6;

	w->name = mem_strdup(fqdn);
	w->type = is_ipv6 ? DNS_TYPE_AAAA : DNS_TYPE_A;
	if (expected == NULL)
		return;
	w->addresses = mem_array(expected->count, sizeof(*w->addresses));
	for (size_t i = 0; i < expected->count; i++) {
		if (expected->addresses[i].is_ipv6 == is_ipv6)
			strcpy(w->addresses[w->count++], expected->addresses[i].address);
	}
}

static bool
has_address(const struct dns_result *r, const char *address)
{
	for (size_t i = 0; i < r->count; i++) {
		if (strcmp(r->addresses[i], address) == 0)
			return true;
	}
	return false;
}

static int64_t
doubled(int64_t ms, int64_t max_ms)
{
	return ms * 2 < max_ms ? ms * 2 : max_ms;
}

static int
judge(const struct wanted *w, const struct dns_result *r, const char *server, struct err *e)
{
	size_t expect = w->count < DNS_ANSWERS_MAX ? w->count : DNS_ANSWERS_MAX;

	if (r->err.code == ERR_NOT_FOUND && w->count == 0)
		return 0;
	if (r->err.code != ERR_NONE) {
		*e = r->err;
		return -1;
	}
	if (r->count == expect) {
		size_t found = 0;

		for (size_t i = 0; i < w->count; i++)
			found += has_address(r, w->addresses[i]);
		if (found == expect)
			return 0;
	}
	return err_set(e, ERR_CONFLICT, "%s answers %s for %s, the file says %s", server,
	    r->count > 0 ? r->addresses[0] : "nothing", w->name,
	    w->count > 0 ? w->addresses[0] : "nothing");
}

static void
query_done(const struct dns_result *r, void *arg)
{
	struct prover *p = arg;
	struct err e = { 0 };

	p->query = NULL;
	if (judge(&p->wanted[p->at], r, p->server, &e) == 0) {
		if (++p->at < p->count) {
			ask(p);
			return;
		}
	} else {
		p->at = 0;
		loop_timer_set(p->timer, p->pause_ms);
		p->pause_ms = doubled(p->pause_ms, PROVE_PAUSE_MAX_MS);
		if (r->err.code == ERR_TIMEOUT)
			p->limit_ms = doubled(p->limit_ms, QUERY_LIMIT_MAX_MS);
	}
	p->fn(&e, p->arg); /* may cancel */
}

static void
ask(void *arg)
{
	struct prover *p = arg;
	const struct wanted *w = &p->wanted[p->at];

	p->query = dns_start(p->loop, p->server, w->name, w->type, p->limit_ms, query_done, p);
}

struct prover *
prover_start(struct loop *l, const struct proof *proof, prove_fn *fn, void *arg)
{
	struct prover *p = mem_alloc(sizeof(*p));

	p->loop = l;
	p->server = mem_strdup(proof->server);
	p->fn = fn;
	p->arg = arg;
	p->pause_ms = PAUSE_MIN_MS;
	p->limit_ms = QUERY_LIMIT_MIN_MS;
	p->timer = loop_timer_new(l, ask, p);
	want_generation(p, proof->generation);
	if (proof->fqdn != NULL)
		want_name(p, proof->fqdn, proof->expected);
	ask(p);
	return p;
}

void
prover_cancel(struct prover *p)
{
	if (p == NULL)
		return;
	if (p->query != NULL)
		dns_cancel(p->query);
	loop_timer_free(p->timer);
	for (size_t i = 0; i < p->count; i++) {
		free(p->wanted[i].name);
		free(p->wanted[i].addresses);
	}
	free(p->server);
	loop_defer_free(p->loop, p);
}
