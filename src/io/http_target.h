/*
 * http_target.h: what of a struct http_peer curl has to be told, checked and copied. Only for http.c.
 */
#ifndef IO_HTTP_TARGET_H
#define IO_HTTP_TARGET_H

#include <curl/curl.h>
#include <stdbool.h>

#include "base/err.h"
#include "io/http.h"

struct http_target {
	char *url;  /* for messages */
	char *base; /* what the paths of requests are added to */
	char *unix_path;
	char *ca_file, *cert_file, *key_file;
	bool is_verified;
	struct curl_slist *headers, *connect_to;
};

/* t starts all zero; after a failure it wants http_target_clear() as well. */
int http_target_init(struct http_target *t, const struct http_peer *peer, struct err *e);
void http_target_clear(struct http_target *t);
/* t must outlive easy. */
void http_target_apply(const struct http_target *t, CURL *easy);

#endif
