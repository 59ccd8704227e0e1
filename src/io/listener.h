/*
 * listener.h: a listening stream socket, on a TCP port or as a unix socket.
 */
#ifndef IO_LISTENER_H
#define IO_LISTENER_H

#include <sys/stat.h>

#include "base/err.h"
#include "io/endpoint.h"

struct listener {
	int fd;        /* non-blocking, close-on-exec */
	char *address; /* as it turned out: the port is the real one when 0 was asked for */
	struct endpoint endpoint; /* len 0 for a unix socket */
	char *path;               /* of a unix socket, else NULL */
	struct stat node;         /* what we put at path */
};

#define LISTENER_INIT \
	{ \
		.fd = -1 \
	}

/* "127.0.0.1:8753", "[::1]:8753" or "unix:/run/pointsman/http.sock". */
int listener_check_address(const char *address, struct err *e);

/*
 * A unix socket gets mode 0660 before anybody can connect; a stale one is replaced, one that is
 * listened on is ERR_CONFLICT, and so is a port that is taken. Anything else at path is left alone.
 */
int listener_open(struct listener *l, const char *address, struct err *e);

/* Removes the unix socket if it is still ours. l may be LISTENER_INIT or half-opened. */
void listener_close(struct listener *l);

#endif
