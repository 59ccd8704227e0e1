/*
 * resolve.h: an address for a host name, as the system would find it (hosts file, resolv.conf with its
 * search list), without waiting and within a limit. For targets that are neither a name nor a node of
 * ours. Nothing is remembered between two questions.
 */
#ifndef IO_RESOLVE_H
#define IO_RESOLVE_H

#include <stdint.h>

#include "base/err.h"
#include "io/endpoint.h"

struct loop;
struct resolve;

struct resolve_result {
	/*
	 * ERR_NOT_FOUND: no such host, or the resolver gives no address of it (evdns does not tell why);
	 * ERR_TIMEOUT: it says nothing; ERR_PROTOCOL: it says nonsense; ERR_USAGE: the target is none.
	 */
	struct err err;
	struct endpoint endpoint; /* the first address that was found, with the port */
	int64_t took_us;
};

/* r lives as long as the call. */
typedef void resolve_done_fn(const struct resolve_result *r, void *arg);

/* Other files than the system's, for tests. */
struct resolve_files {
	const char *resolv_conf, *hosts;
};

/*
 * target: "host", "host:port", or an address as endpoint.h has it; default_port -1: it must say one.
 * files NULL: the system's. Never fails: errors come to done. After done the question is gone.
 */
struct resolve *resolve_start(struct loop *l, const char *target, int default_port,
    int64_t limit_ms, const struct resolve_files *files, resolve_done_fn *done, void *arg);
/* done is not called. resolve_cancel(NULL) is allowed. */
void resolve_cancel(struct resolve *q);

/*
 * "db.example:3306" to its host and port (-1 when it says none), without asking anybody: 0, or -1 when
 * it is no target.
 */
#define RESOLVE_HOST_SIZE 256 /* RFC 1035: 253 bytes at most */
int resolve_split(const char *target, char host[RESOLVE_HOST_SIZE], int *port);

#endif
