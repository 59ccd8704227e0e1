/*
 * consul_request.h: what is asked of Consul, as paths and bodies of its HTTP API. Pure. Only for consul.c.
 */
#ifndef IO_CONSUL_REQUEST_H
#define IO_CONSUL_REQUEST_H

#include "base/err.h"
#include "base/str.h"
#include "io/kv.h"

/*
 * "/v1/kv/<key>". ERR_USAGE for a key that has no URL: Consul's server cleans a path of empty, "." and
 * ".." segments and redirects to what is left, which is another key.
 */
int consul_add_key_path(struct str *path, const char *key, struct err *e);

/* Adds "?name=value" or "&name=value"; value NULL: no "=". */
void consul_add_param(struct str *path, const char *name, const char *value);
void consul_add_read(struct str *path, const struct kv_read *r);

/* The body of a transaction. ERR_USAGE for a key that JSON cannot carry. */
int consul_add_txn(struct str *body, const struct kv_op *ops, size_t count, struct err *e);
int consul_add_session(struct str *body, const struct kv_session_spec *s, struct err *e);

#endif
