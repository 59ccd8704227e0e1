/*
 * tls.h: a TLS client on a socket that does not block (OpenSSL). Only for stream.c.
 */
#ifndef IO_TLS_H
#define IO_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "io/stream.h"

struct tls;

/* Below zero, instead of a number of bytes. */
#define TLS_AGAIN (-1)  /* when the socket is ready as tls_wants_write() says */
#define TLS_FAILED (-2) /* e says why */
#define TLS_BROKEN (-3) /* the connection itself: errno says why */

/* NULL and why: a file that cannot be read or is none. */
struct tls *tls_new(int fd, const struct stream_tls *config, struct err *e);
void tls_free(struct tls *t); /* NULL is allowed; the socket is the caller's */

int tls_handshake(struct tls *t, struct err *e); /* 0, TLS_AGAIN or TLS_FAILED */
ssize_t tls_read(struct tls *t, char *data, size_t len, struct err *e); /* 0: the end */
ssize_t tls_write(struct tls *t, const char *data, size_t len, struct err *e);
bool tls_wants_write(const struct tls *t);

#endif
