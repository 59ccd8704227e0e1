/*
 * gateway.c: an entry of the gateway that is not complete (flag ATF_COM) is one that the kernel has asked
 * for and got no answer: it is made when something is to be sent, and ages away when nothing is.
 *
 * Rejected: ICMP (needs CAP_NET_RAW or a sysctl that is not set everywhere), a connection to a port of
 * the gateway (many answer none), netlink (says the same with more code). A gateway that answers and
 * leads nowhere is not noticed here; that is what the targets behind it are for.
 */
#include "io/gateway.h"

#include <arpa/inet.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <stdio.h>

#define LINE_SIZE 256

/* The gateway of the default route with the lowest metric, in network order; 0: none. */
static in_addr_t
find_gateway(FILE *f)
{
	unsigned best_metric = 0;
	in_addr_t best = 0;
	char line[LINE_SIZE];

	while (fgets(line, sizeof(line), f) != NULL) {
		unsigned destination, gateway, flags, metric, mask;

		if (sscanf(line, "%*s %x %x %x %*u %*u %u %x", &destination, &gateway, &flags,
			&metric, &mask) != 5)
			continue;
		if (destination != 0 || mask != 0 || (flags & RTF_GATEWAY) == 0)
			continue;
		if (best == 0 || metric < best_metric) {
			best = gateway;
			best_metric = metric;
		}
	}
	return best;
}

static bool
is_incomplete(FILE *f, in_addr_t gateway)
{
	bool is_silent = false;
	char line[LINE_SIZE];

	while (fgets(line, sizeof(line), f) != NULL) {
		char address[INET_ADDRSTRLEN];
		unsigned flags;
		struct in_addr in;

		if (sscanf(line, "%15s %*x %x", address, &flags) != 2 ||
		    inet_pton(AF_INET, address, &in) != 1 || in.s_addr != gateway)
			continue;
		if ((flags & ATF_COM) != 0)
			return false;
		is_silent = true;
	}
	return is_silent;
}

bool
gateway_is_silent(const char *routes, const char *neighbours)
{
	FILE *f = fopen(routes, "re");
	in_addr_t gateway;
	bool is_silent;

	if (f == NULL)
		return false;
	gateway = find_gateway(f);
	fclose(f);
	if (gateway == 0 || (f = fopen(neighbours, "re")) == NULL)
		return false;
	is_silent = is_incomplete(f, gateway);
	fclose(f);
	return is_silent;
}
