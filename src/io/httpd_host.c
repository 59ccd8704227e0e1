/*
 * httpd_host.c: a page of somebody else's web site reaches a server on this machine when the name of that
 * site is made to lead here (DNS rebinding). The browser then sends that name, and we do not know it. A
 * literal address leads nowhere else, so that every address we listen on is known.
 */
#include "io/httpd_host.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#define HOST_MAX 256 /* longer than any name */

static bool
is_loopback(const struct endpoint *e)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&e->address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&e->address;

	if (e->address.ss_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
	return ntohl(v4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

/* Whether a is listened on: b is the same address, or all of them. */
static bool
is_covered(const struct endpoint *a, const struct endpoint *b)
{
	const struct sockaddr_in *a4 = (const struct sockaddr_in *)&a->address;
	const struct sockaddr_in *b4 = (const struct sockaddr_in *)&b->address;
	const struct sockaddr_in6 *a6 = (const struct sockaddr_in6 *)&a->address;
	const struct sockaddr_in6 *b6 = (const struct sockaddr_in6 *)&b->address;

	if (b->len == 0 || a->address.ss_family != b->address.ss_family)
		return false;
	if (a->address.ss_family == AF_INET6)
		return IN6_IS_ADDR_UNSPECIFIED(&b6->sin6_addr) ||
		       IN6_ARE_ADDR_EQUAL(&a6->sin6_addr, &b6->sin6_addr);
	return b4->sin_addr.s_addr == INADDR_ANY || a4->sin_addr.s_addr == b4->sin_addr.s_addr;
}

bool
httpd_host_is_known(struct httpd_text text, const struct endpoint *listening, char *const *hosts)
{
	struct endpoint literal;
	char host[HOST_MAX];

	if (text.len >= sizeof(host))
		return false;
	memcpy(host, text.data, text.len);
	host[text.len] = '\0';
	if (endpoint_parse(host, 80, &literal) == 0)
		return is_loopback(&literal) || is_covered(&literal, listening);
	host[strcspn(host, ":")] = '\0';
	if (strcasecmp(host, "localhost") == 0)
		return true;
	for (; *hosts != NULL; hosts++) {
		if (strcasecmp(host, *hosts) == 0)
			return true;
	}
	return false;
}
