/*
 * name.h: what a name, a node and a value may look like (design, section 4). Consul accepts newlines,
 * NUL and ../ everywhere; nothing of that passes here. Pure.
 *
 * The errors are words that end a sentence, so that a caller puts the subject in front: "the name "
 * and "has an empty label". Foreign bytes in them are printable.
 */
#ifndef MODEL_NAME_H
#define MODEL_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define NAME_MAX_LEN 253 /* RFC 1035, 2.3.4, without the length bytes of its wire form */
#define LABEL_MAX_LEN 63 /* the same */
#define NAME_SIZE (NAME_MAX_LEN + 1)
#define ADDRESS_SIZE 46        /* INET6_ADDRSTRLEN */
#define VALUE_ADDRESSES_MAX 64 /* nodes in one value; dnsmasq would take more, people do not */
#define VALUE_MAX_LEN 4096
#define CANARY_NAME ".pointsman"
#define PROOF_DOMAIN "pointsman.internal" /* the agents' own: no name may be in it */

/*
 * One or more DNS labels: letters, digits, '-' and '_', each at most 63 bytes and not beginning or
 * ending with '-'; 253 in all; not an IPv4 address; not in PROOF_DOMAIN. out gets it lower-cased.
 */
int name_parse(const char *text, size_t len, char out[NAME_SIZE], struct err *e);

/* A node name: the same alphabet, lower-cased for comparing (Consul's node names are DNS-like). */
int node_parse(const char *text, size_t len, char out[NAME_SIZE], struct err *e);

/*
 * The address of a machine, IPv4 or IPv6: no zone, no port, neither unspecified nor multicast. out
 * gets it in the one form that inet_ntop(3) writes.
 */
int address_parse(
    const char *text, size_t len, char out[ADDRESS_SIZE], bool *is_ipv6, struct err *e);

/* A value: "node", "node,node", or IP literals; blanks around the commas are forgiven. */
struct value_item {
	char text[NAME_SIZE]; /* node name, lower-cased, or the literal */
	bool is_address;
	bool is_ipv6;
};

struct value {
	struct value_item *items; /* in the order of the value, no two the same */
	size_t count;
};

int value_parse(const char *text, size_t len, struct value *out, struct err *e);
void value_clear(struct value *v);

#endif
