/*
 * endpoint.c: strict where evutil_parse_sockaddr_port() takes "127.0.0.1:53x" for port 53 and where
 * getaddrinfo(3) takes "1" for 0.0.0.1.
 */
#include "io/endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

/* Cuts text into host and port; port stays NULL when none is there. -1 when it cannot be cut. */
static int
split(const char *text, char host[INET6_ADDRSTRLEN], const char **port)
{
	const char *start = text, *end;

	*port = NULL;
	if (text[0] == '[') {
		start = text + 1;
		if ((end = strchr(start, ']')) == NULL || (end[1] != '\0' && end[1] != ':'))
			return -1;
		if (end[1] == ':')
			*port = end + 2;
	} else if ((end = strchr(text, ':')) != NULL && strchr(end + 1, ':') == NULL) {
		*port = end + 1;
	} else {
		end = text + strlen(text); /* no colon, or an IPv6 address without a port */
	}
	if ((size_t)(end - start) >= INET6_ADDRSTRLEN)
		return -1;
	memcpy(host, start, (size_t)(end - start));
	host[end - start] = '\0';
	return 0;
}

int
endpoint_parse(const char *text, int default_port, struct endpoint *out)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	char host[INET6_ADDRSTRLEN];
	const char *port_text;
	uint64_t port = (uint64_t)default_port;

	if (split(text, host, &port_text) != 0)
		return -1;
	if (port_text == NULL && default_port < 0)
		return -1;
	if (port_text != NULL && (str_parse_u64(port_text, &port) != 0 || port > UINT16_MAX))
		return -1;
	if (text[0] != '[' && inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
		v4.sin_port = htons((uint16_t)port);
		out->len = sizeof(v4);
		memcpy(&out->address, &v4, sizeof(v4));
		return 0;
	}
	if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1) {
		v6.sin6_port = htons((uint16_t)port);
		out->len = sizeof(v6);
		memcpy(&out->address, &v6, sizeof(v6));
		return 0;
	}
	return -1;
}

int
endpoint_port(const struct endpoint *endpoint)
{
	/* The port stands at the same place in both (RFC 3493, section 3.10 with POSIX netinet/in.h). */
	return ntohs(((const struct sockaddr_in *)&endpoint->address)->sin_port);
}

char *
endpoint_format_host(char out[ENDPOINT_TEXT_SIZE], const struct endpoint *endpoint)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&endpoint->address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&endpoint->address;

	out[0] = '\0';
	if (endpoint->address.ss_family == AF_INET6)
		inet_ntop(AF_INET6, &v6->sin6_addr, out, ENDPOINT_TEXT_SIZE);
	else
		inet_ntop(AF_INET, &v4->sin_addr, out, ENDPOINT_TEXT_SIZE);
	return out;
}

char *
endpoint_format(char out[ENDPOINT_TEXT_SIZE], const struct endpoint *endpoint)
{
	char host[ENDPOINT_TEXT_SIZE];
	bool is_v6 = endpoint->address.ss_family == AF_INET6;

	endpoint_format_host(host, endpoint);
	snprintf(out, ENDPOINT_TEXT_SIZE, "%s%.45s%s:%d", is_v6 ? "[" : "", host, is_v6 ? "]" : "",
	    endpoint_port(endpoint));
	return out;
}
