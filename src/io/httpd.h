/*
 * httpd.h: the small HTTP server of the agent (libevent's evhttp): GET and HEAD only, only for Host
 * values we know (a web page elsewhere must not reach it through DNS rebinding), with limits on the
 * size of a request, on its time and on the number of connections.
 */
#ifndef IO_HTTPD_H
#define IO_HTTPD_H

#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

struct loop;
struct httpd;

#define HTTPD_CONNECTIONS_MAX 64
#define HTTPD_REQUEST_MAX 8192	   /* bytes of request line and headers */
#define HTTPD_IDLE_MS 30000	   /* a silent connection is closed */

struct httpd_page {
	int status;		  /* 200, 404, 503 … */
	const char *content_type; /* "application/json" */
	struct str body;
};

/* Fills page for a path ("/v1/status"); a status of 0 means 404. Must not wait. */
typedef void httpd_page_fn(const char *path, struct httpd_page *page, void *arg);

/*
 * address is "127.0.0.1:8753", "[::1]:8753" or "unix:/run/pointsman/http.sock" (a stale socket file is
 * replaced, a live one is an error). hosts: further Host values that are accepted, NULL-terminated, or
 * NULL; the address itself, localhost and literal loopback addresses always are.
 */
struct httpd *httpd_new(struct loop *l, const char *address, const char *const *hosts,
    httpd_page_fn *page, void *arg, struct err *e);
void httpd_free(struct httpd *d);
int httpd_check_address(const char *address, struct err *e);

#endif
