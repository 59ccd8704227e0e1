/*
 * consul_answer.h: what an answer of Consul's HTTP API means. Only for consul.c.
 */
#ifndef IO_CONSUL_ANSWER_H
#define IO_CONSUL_ANSWER_H

#include <stddef.h>

#include "io/http.h"
#include "io/kv.h"

struct consul_reader;

enum consul_kind {
	CONSUL_KEYS,  /* GET /v1/kv/, of one key or of all below a prefix */
	CONSUL_NODES, /* GET /v1/catalog/nodes */
	CONSUL_PUT,
	CONSUL_DELETE,
	CONSUL_TXN,
	CONSUL_SESSION_CREATE,
	CONSUL_SESSION, /* renew, destroy */
	CONSUL_SELF,    /* GET /v1/agent/self */
};

const char *consul_method(enum consul_kind kind);
size_t consul_max_body(enum consul_kind kind);

/*
 * Fills a, which is all zero, from h. reader: what the body was fed to, NULL when it was collected.
 * token: what must not be shown, NULL: none.
 */
void consul_read_answer(enum consul_kind kind, struct http_answer *h, struct consul_reader *reader,
    const char *token, struct kv_answer *a);

#endif
