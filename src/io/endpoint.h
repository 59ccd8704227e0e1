/*
 * endpoint.h: an IP address with a port, as the configuration writes it: "127.0.0.1:53",
 * "[::1]:5353". Never a name: nothing here asks a resolver.
 */
#ifndef IO_ENDPOINT_H
#define IO_ENDPOINT_H

#include <sys/socket.h>

struct endpoint {
	struct sockaddr_storage address;
	socklen_t len;
};

/*
 * default_port -1: the port must be given; else "127.0.0.1", "::1" and "[::1]" mean that port. 0, or -1
 * with out untouched.
 */
int endpoint_parse(const char *text, int default_port, struct endpoint *out);

int endpoint_port(const struct endpoint *endpoint);

/* "127.0.0.1:53" or "[::1]:53"; returns out. */
#define ENDPOINT_TEXT_SIZE 56
char *endpoint_format(char out[ENDPOINT_TEXT_SIZE], const struct endpoint *endpoint);
/* "127.0.0.1" or "::1"; returns out. */
char *endpoint_format_host(char out[ENDPOINT_TEXT_SIZE], const struct endpoint *endpoint);

#endif
