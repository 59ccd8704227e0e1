/*
 * dns.h: asks one given resolver for one name, over UDP, without waiting (libevent's evdns). Used to
 * prove that dnsmasq serves what we wrote; never the system's resolver, never its search list.
 */
#ifndef IO_DNS_H
#define IO_DNS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct loop;
struct dns_query;

#define DNS_ANSWERS_MAX 16
#define DNS_ADDRESS_SIZE 46 /* INET6_ADDRSTRLEN */

enum dns_type { DNS_TYPE_A, DNS_TYPE_AAAA };

struct dns_result {
	/*
	 * ERR_NOT_FOUND: the resolver says there is no such name or address; ERR_UNAVAILABLE: it says it
	 * cannot tell; ERR_UNREACHABLE: nobody listens there (known of our own host only); ERR_TIMEOUT:
	 * it says nothing; ERR_PROTOCOL: it says nonsense; ERR_USAGE: not a resolver's address, or not a
	 * name that can be asked for.
	 */
	struct err err;
	char addresses[DNS_ANSWERS_MAX][DNS_ADDRESS_SIZE]; /* as inet_ntop(3) writes them */
	size_t count;
	int64_t took_us;
};

/* r lives as long as the call. */
typedef void dns_done_fn(const struct dns_result *r, void *arg);

/* "127.0.0.1:53", "[::1]:5353", or an address alone (port 53): 0, or -1 with what is allowed. */
int dns_check_server(const char *server, struct err *e);

/*
 * Never fails: errors come to done. Within limit_ms the question is sent up to three times. After done
 * the query is gone.
 */
struct dns_query *dns_start(struct loop *l, const char *server, const char *name,
    enum dns_type type, int64_t limit_ms, dns_done_fn *done, void *arg);
/* done is not called. dns_cancel(NULL) is allowed. */
void dns_cancel(struct dns_query *q);

#endif
