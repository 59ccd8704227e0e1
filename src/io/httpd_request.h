/*
 * httpd_request.h: the head of an HTTP request, from bytes. Pure: no socket, no allocation; what is
 * found points into the bytes.
 */
#ifndef IO_HTTPD_REQUEST_H
#define IO_HTTPD_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

struct httpd_text {
	const char *data; /* not NUL-terminated */
	size_t len;
};

struct httpd_request {
	/* 0: may be answered; else what to refuse it with: 400, 405, 413, 505. */
	int status;
	size_t len; /* of the head, in bytes */
	bool is_head;
	bool is_kept;           /* the peer wants to use the connection again, and may */
	struct httpd_text path; /* "/v1/status", without the query */
	struct httpd_text host; /* as sent, with its port; data is NULL when HTTP/1.0 sent none */
};

/* False when the head is not complete yet. */
bool httpd_request_parse(const char *data, size_t len, struct httpd_request *out);

#endif
