/*
 * fault.h: how talking to a peer failed, finer than an err_code: an operator looks in different places
 * for a port that nobody listens at, a server that hangs and a cable that is out.
 */
#ifndef IO_FAULT_H
#define IO_FAULT_H

#include "base/err.h"

enum fault {
	FAULT_NONE,
	FAULT_REFUSED,     /* nobody listens */
	FAULT_RESET,       /* closed on us */
	FAULT_TIMEOUT,     /* nothing came within the limit */
	FAULT_UNREACHABLE, /* no route, or a filter that says no */
	FAULT_RESOLVE,     /* the host name has no address */
	FAULT_TLS,         /* no handshake, or not whom we expect */
	FAULT_PROTOCOL,    /* it talks, but not what was asked for */
	FAULT_LOCAL,       /* ours: a file that cannot be read, no descriptor left */
};

enum fault fault_of_errno(int no);
/* The code that an error of this fault has. */
enum err_code fault_code(enum fault f);

#endif
