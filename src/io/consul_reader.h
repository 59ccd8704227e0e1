/*
 * consul_reader.h: Consul's two lists, the keys of the KV and the nodes of the catalog, read while their
 * bytes arrive. Only for consul.c and the fuzzers.
 */
#ifndef IO_CONSUL_READER_H
#define IO_CONSUL_READER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "io/kv.h"

struct consul_reader;

/* Keys that begin with prefix (is_exact: that are prefix); any other key makes the list an error. */
struct consul_reader *consul_reader_new_keys(const char *prefix, bool is_exact);
struct consul_reader *consul_reader_new_nodes(void);
void consul_reader_free(struct consul_reader *r);

/*
 * Before the first byte, for a list of keys: rows that are as before's are not parsed. before is the list
 * of an earlier consul_reader_end(), or empty, and outlives the reader: it is emptied here, and
 * consul_reader_end() puts the new list there, shared with that of the answer.
 */
void consul_reader_recall(struct consul_reader *r, struct kv_list *before);

/* ERR_PROTOCOL for the whole list when any part of it is malformed; then only _free() may follow. */
int consul_reader_feed(struct consul_reader *r, const char *data, size_t len, struct err *e);
/* All bytes were fed: moves what was read to a->list or a->nodes. */
int consul_reader_end(struct consul_reader *r, struct kv_answer *a, struct err *e);

#endif
