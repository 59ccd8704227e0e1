/*
 * fake_http.h: an HTTP server for tests that does exactly what it is told, right or wrong. It lives on the
 * loop of the test, so that a test decides what happens and when without sleeping.
 *
 * Each request takes the next script in line; without one it is answered by status 599. A script is a row of
 * steps, ended by FAKE_END: keep the connection and read the next request.
 */
#ifndef TESTS_FAKE_FAKE_HTTP_H
#define TESTS_FAKE_FAKE_HTTP_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct loop;
struct fake_http;

enum fake_kind {
	FAKE_END,
	FAKE_SEND,  /* text as it is */
	FAKE_FILL,  /* count times text, as fast as it is taken */
	FAKE_DRIP,  /* text, one byte each ms */
	FAKE_PAUSE, /* ms */
	FAKE_HANG,  /* say nothing more, keep the connection */
	FAKE_CLOSE, /* as at the end of a process */
	FAKE_RESET, /* as by a crashed machine's kernel: RST */
};

struct fake_step {
	enum fake_kind kind;
	const char *text; /* NUL-terminated; must outlive the server */
	size_t count;
	int64_t ms;
};

/* path: of a unix socket; NULL: a free port of 127.0.0.1. */
struct fake_http *fake_http_new(struct loop *l, const char *path);
void fake_http_free(struct fake_http *f);

const char *fake_http_url(const struct fake_http *f);

/* steps must outlive the server. */
void fake_http_push(struct fake_http *f, const struct fake_step *steps);
/* A whole answer with its length and, unless index is 0, X-Consul-Index. */
void fake_http_push_answer(struct fake_http *f, int status, uint64_t index, const char *body);

/* What came: requests in full, in order, and connections so far. */
size_t fake_http_request_count(const struct fake_http *f);
const char *fake_http_request(const struct fake_http *f, size_t i);
size_t fake_http_connection_count(const struct fake_http *f);
size_t fake_http_open_count(const struct fake_http *f); /* connections that are open now */

#endif
