/*
 * http.h: HTTP requests without waiting (libcurl's multi interface on the loop).
 *
 * One struct http is one peer: its base URL, its TLS settings, its pool of kept connections.
 * The process must ignore SIGPIPE: OpenSSL writes to a peer that may have gone.
 */
#ifndef IO_HTTP_H
#define IO_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "io/fault.h"

struct loop;
struct http;
struct http_call;

struct http_peer {
	/* "http://127.0.0.1:8500", "https://consul.example:8501/prefix", "unix:///run/consul.sock" */
	const char *url;
	const char *ca_file;     /* NULL: the system's; else only this one */
	const char *cert_file;   /* NULL: none */
	const char *key_file;    /* NULL: in cert_file */
	const char *server_name; /* name to verify instead of the URL's host, NULL: the host */
	/* "10.0.0.1:8080", "[fd70::1]:80": connects there, whatever host the URL names; NULL: to it */
	const char *connect_to;
	bool is_verified; /* false only when the operator said so */
	const char *const
	    *headers; /* "Name: value" sent with every request, NULL-terminated, or NULL */
};

struct http_request {
	const char *method; /* "GET", "PUT", "DELETE", "POST" */
	const char *path;   /* with the query, already percent-encoded; begins with '/' */
	const void *body;   /* copied */
	size_t body_len;
	int64_t limit_ms; /* for the whole exchange */
	size_t max_body;  /* a larger answer fails with ERR_LIMIT */
	bool is_waiting;  /* a GET for news: who waits has to know that the connection broke */
	/*
	 * When set, body bytes go here as they arrive (only for status 200) instead of being
	 * collected; arg is that of done. Returning -1 ends the call with what it left in e. It must
	 * not start, cancel or free anything of this module.
	 */
	int (*on_body)(const char *data, size_t len, void *arg, struct err *e);
};

struct http_answer {
	struct err err;   /* code ERR_NONE: an answer came, whatever its status */
	enum fault fault; /* FAULT_NONE when err is */
	int status;       /* 200, 404, 500 … ; 0 without an answer */
	bool is_sent;     /* on an error: the request may have reached the peer */
	struct str body;  /* owned by the call: take it with str_take() or leave it */
	void *impl;       /* for http_header() */
};

typedef void http_done_fn(struct http_answer *a, void *arg);

/*
 * NULL and an error for a URL we do not speak (ERR_CONFIG) or TLS files that cannot be read. A URL may
 * hold no user, password, query or fragment. Proxies from the environment are not used, redirects not
 * followed.
 */
struct http *http_new(struct loop *l, const struct http_peer *peer, struct err *e);
void http_free(struct http *h); /* cancels what is under way */

/* The peer's URL for messages, as it was given but for a final slash. Lives as long as h. */
const char *http_url(const struct http *h);

/*
 * Never fails: errors come to done. The codes: ERR_UNREACHABLE (refused, not resolved, cut off),
 * ERR_TIMEOUT, ERR_DENIED (TLS), ERR_CONFIG (a TLS file that is none), ERR_PROTOCOL, ERR_LIMIT, or
 * what on_body said. Only a GET is ever repeated, when a kept connection turned out to be dead, and not one
 * that waits.
 */
struct http_call *http_start(
    struct http *h, const struct http_request *r, http_done_fn *done, void *arg);
void http_cancel(struct http_call *c); /* done is not called; NULL is allowed */

/* A header of the answer, NULL when it is missing. Valid inside done. */
const char *http_header(const struct http_answer *a, const char *name);

/* Percent-encodes a path segment or query value; keeps_slash leaves '/' as it is. */
void http_add_encoded(struct str *s, const char *text, bool keeps_slash);

#endif
