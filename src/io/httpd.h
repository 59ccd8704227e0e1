/*
 * httpd.h: the small HTTP server of the agent: GET and HEAD only, only for Host values we know (a web
 * page elsewhere must not reach it through DNS rebinding), with limits on the size of a request, on its
 * time and on the number of connections.
 */
#ifndef IO_HTTPD_H
#define IO_HTTPD_H

#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

struct loop;
struct httpd;

/* At the limit the connection that has been idle longest makes place for a new one. */
#define HTTPD_CONNECTIONS_MAX 64
#define HTTPD_REQUEST_MAX 8192 /* bytes of request line and headers */
#ifndef HTTPD_IDLE_MS          /* the tests are in a hurry */
#define HTTPD_IDLE_MS 30000    /* a silent connection is closed */
#define HTTPD_REQUEST_MS 30000 /* from the first byte of a request to its last */
#define HTTPD_ANSWER_MS 30000  /* from the first byte of an answer to its last */
#endif
#define HTTPD_UNSENT_MAX (16u << 20) /* bytes of answers that wait for slow readers, all together */

struct httpd_page {
	int status;               /* 200, 404, 503 … */
	const char *content_type; /* "application/json" */
	struct str body;          /* taken over */
};

/* Fills page for a path ("/v1/status"); a status of 0 means 404. Must not wait, must not free the server. */
typedef void httpd_page_fn(const char *path, struct httpd_page *page, void *arg);

/*
 * address is "127.0.0.1:8753" (port 0: a free one), "[::1]:8753" or "unix:/run/pointsman/http.sock" (a
 * stale socket file is replaced, a live one is an error). Known Host values are, with any port: localhost,
 * literal loopback addresses, the address itself (any literal address, if that is 0.0.0.0 or [::]), and
 * hosts, NULL-terminated or NULL.
 */
struct httpd *httpd_new(struct loop *l, const char *address, const char *const *hosts,
    httpd_page_fn *page, void *arg, struct err *e);
void httpd_free(struct httpd *d); /* ends all connections */
int httpd_check_address(const char *address, struct err *e);

/* What it listens on, with the real port. */
const char *httpd_address(const struct httpd *d);

#endif
