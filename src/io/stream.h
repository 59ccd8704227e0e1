/*
 * stream.h: a TCP connection that we open, in the clear or with TLS, without waiting. For protocols of
 * our own making on top of it (io/redis) and for checks that only knock.
 *
 * There is no limit of time in here: whoever opens a stream has a timer, and stream_wait_text() for the
 * sentence. The process must ignore SIGPIPE: OpenSSL writes to a peer that may have gone.
 */
#ifndef IO_STREAM_H
#define IO_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "io/endpoint.h"
#include "io/fault.h"

struct loop;
struct stream;

struct stream_tls {
	const char *ca_file;   /* NULL: the system's; else only this one */
	const char *cert_file; /* NULL: none */
	const char *key_file;  /* NULL: in cert_file */
	const char *name;      /* to ask for and, with is_name_verified, to verify; NULL: none */
	bool is_verified;      /* by an authority that we trust */
	bool is_name_verified; /* and it is whom we asked for; a name that is an address counts */
};

/* All come from the loop, none after stream_close(), which any of them may call. */
struct stream_events {
	void (*opened)(void *arg); /* connected, and the handshake done */
	void (*arrived)(const char *data, size_t len, void *arg);
	/* The end, once: it could not be opened, or the peer closed it. e says who and why. */
	void (*ended)(enum fault f, const struct err *e, void *arg);
};

/* Never fails: errors come to ended. Copies what it needs of tls; events must outlive the stream. */
struct stream *stream_open(struct loop *l, const struct endpoint *to, const struct stream_tls *tls,
    const struct stream_events *events, void *arg);
/* Copies; what is not taken by the peer waits. Only once opened. */
void stream_write(struct stream *s, const void *data, size_t len);
void stream_close(struct stream *s); /* NULL is allowed */

/* What has not come yet: "no connection", "no TLS handshake", "no answer". */
const char *stream_wait_text(const struct stream *s);

#endif
