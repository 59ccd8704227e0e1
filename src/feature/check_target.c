/*
 * check_target.c: before every run, because a flip, a node that moved and a name that a resolver knows
 * all take effect without a reload. Names win over nodes, except in the checks of a pair: "maindb/db3"
 * is about the machine db3, whatever a name db3 may say.
 */
#include "feature/check_target.h"

#include <netinet/in.h>
#include <string.h>

#include "feature/check_type.h"
#include "model/target.h"

static int
port_of(const struct check_spec *s, const struct check_type *t, int own)
{
	if (own > 0)
		return own;
	return s->port > 0 ? s->port : t->port;
}

static const char *
address_of(const struct check_spec *s, const char *host, const struct name_map *m)
{
	const struct node *node;
	const struct name *name = NULL;

	if (m == NULL)
		return NULL;
	if (s->pair == NULL)
		name = name_map_find(m, host);
	if (name != NULL && name->count > 0)
		return name->addresses[0].address;
	node = node_table_find(m->nodes, host);
	return node != NULL ? node->address : NULL;
}

void
check_target_find(struct check_target *out, const struct check_spec *s, const struct check_type *t,
    const struct name_map *m)
{
	struct target target;
	const char *address;

	*out = (struct check_target){ 0 };
	if (s->target == NULL)
		return;
	out->kind = CHECK_TARGET_BAD;
	if (target_parse(s->target, &target) != 0) {
		err_set(&out->err, ERR_USAGE, "it is neither a name, a node nor host:port");
		return;
	}
	out->port = port_of(s, t, target.port);
	if (out->port <= 0 && t->has_target) {
		err_set(&out->err, ERR_USAGE, "no port is known for it");
		return;
	}
	address = target.is_address ? target.host : address_of(s, target.host, m);
	if (address == NULL)
		out->kind = CHECK_TARGET_HOST;
	else if (endpoint_parse(address, out->port, &out->endpoint) == 0)
		out->kind = CHECK_TARGET_ADDRESS;
	else
		err_set(&out->err, ERR_USAGE, "%s is no address", address);
}

int
check_target_compare_hosts(const struct endpoint *a, const struct endpoint *b)
{
	const struct sockaddr_in *a4 = (const struct sockaddr_in *)&a->address;
	const struct sockaddr_in *b4 = (const struct sockaddr_in *)&b->address;
	const struct sockaddr_in6 *a6 = (const struct sockaddr_in6 *)&a->address;
	const struct sockaddr_in6 *b6 = (const struct sockaddr_in6 *)&b->address;

	if (a->address.ss_family != b->address.ss_family)
		return a->address.ss_family < b->address.ss_family ? -1 : 1;
	if (a->address.ss_family == AF_INET6)
		return memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof(a6->sin6_addr));
	return memcmp(&a4->sin_addr, &b4->sin_addr, sizeof(a4->sin_addr));
}
