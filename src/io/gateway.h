/*
 * gateway.h: whether the default gateway is there, without asking it: a daemon without privileges cannot
 * ping. The kernel asks for its hardware address whenever something is sent that way, and says when it
 * gets no answer.
 */
#ifndef IO_GATEWAY_H
#define IO_GATEWAY_H

#include <stdbool.h>

/* The kernel's tables; other files for tests. */
#define GATEWAY_ROUTES "/proc/net/route"
#define GATEWAY_NEIGHBOURS "/proc/net/arp"

/*
 * true: there is a default route over IPv4, and its gateway does not answer. false also when nothing was
 * sent that way lately, or nothing is known: silence has to be seen. Blocks for two reads of memory.
 */
bool gateway_is_silent(const char *routes, const char *neighbours);

#endif
