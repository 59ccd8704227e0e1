/* name_look.c: one question over UDP, top to bottom. */
#include "operate/name_look.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "feature/config.h"
#include "io/dns.h"
#include "io/endpoint.h"
#include "io/loop.h"
#include "operate/client.h"

#define TURN_MS 50

struct look {
	struct dns_result result;
	bool is_done;
};

static void
answered(const struct dns_result *r, void *arg)
{
	struct look *look = arg;

	look->result = *r;
	look->is_done = true;
}

static const char *
find_resolver(const struct config *c)
{
	for (size_t i = 0; i < c->output_count; i++) {
		if (c->outputs[i].prove != NULL)
			return c->outputs[i].prove;
	}
	return NULL;
}

static int
judge(const struct dns_result *r, const char *resolver, const char *host, struct err *e)
{
	if (r->err.code != ERR_NONE) {
		*e = r->err;
		return 0;
	}
	for (size_t i = 0; i < r->count; i++) {
		if (strcmp(r->addresses[i], host) == 0)
			return 1;
	}
	err_set(e, ERR_CONFLICT, "%s answers %s, not %s", resolver,
	    r->count > 0 ? r->addresses[0] : "nothing", host);
	return 0;
}

int
name_look(struct client *client, const char *name, const struct endpoint *wanted, int64_t limit_ms,
    struct err *e)
{
	const struct config *c = client->config;
	const char *resolver = find_resolver(c);
	char host[ENDPOINT_TEXT_SIZE], *fqdn;
	struct look look = { .is_done = false };

	if (resolver == NULL)
		return 2;
	fqdn = c->agent.domain[0] != '\0' ? mem_printf("%s.%s", name, c->agent.domain)
					  : mem_strdup(name);
	endpoint_format_host(host, wanted);
	dns_start(client->loop, resolver, fqdn,
	    strchr(host, ':') != NULL ? DNS_TYPE_AAAA : DNS_TYPE_A, limit_ms, answered, &look);
	/* The query has its limit. */
	while (!look.is_done)
		loop_turn(client->loop, TURN_MS);
	free(fqdn);
	return judge(&look.result, resolver, host, e);
}
