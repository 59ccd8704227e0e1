/*
 * target.c: an IPv6 address wants its brackets before a port, as in a URL; without a port it may go
 * without them.
 */
#include "model/target.h"

#include <stdint.h>
#include <string.h>

#include "base/str.h"

static int
parse_port(const char *text, int *out)
{
	uint64_t port;

	if (str_parse_u64(text, &port) != 0 || port == 0 || port > UINT16_MAX)
		return -1;
	*out = (int)port;
	return 0;
}

int
target_parse(const char *text, struct target *out)
{
	struct target t = { .port = 0 };
	const char *host = text, *colon = strrchr(text, ':');
	size_t len = strlen(text);
	bool has_brackets = text[0] == '[';
	bool is_ipv6;

	if (has_brackets) {
		const char *end = strchr(text, ']');

		if (end == NULL || (end[1] != '\0' && end[1] != ':'))
			return -1;
		host = text + 1;
		len = (size_t)(end - host);
		colon = end[1] == ':' ? end + 1 : NULL;
	} else if (colon != NULL && strchr(text, ':') == colon) {
		len = (size_t)(colon - text);
	} else {
		colon = NULL; /* none, or an IPv6 address without a port */
	}
	if (colon != NULL && parse_port(colon + 1, &t.port) != 0)
		return -1;
	t.is_address = address_parse(host, len, t.host, &is_ipv6, NULL) == 0;
	if (t.is_address ? has_brackets && !is_ipv6
			 : has_brackets || node_parse(host, len, t.host, NULL) != 0)
		return -1;
	*out = t;
	return 0;
}
