/*
 * fault.c: one table for errno, one for the codes.
 */
#include "io/fault.h"

#include <errno.h>
#include <stddef.h>

#include "base/mem.h"

static const struct {
	int no;
	enum fault fault;
} of_errno[] = {
	{ ECONNREFUSED, FAULT_REFUSED },
	{ ECONNRESET, FAULT_RESET },
	{ ECONNABORTED, FAULT_RESET },
	{ EPIPE, FAULT_RESET },
	{ ETIMEDOUT, FAULT_TIMEOUT },
	{ EHOSTUNREACH, FAULT_UNREACHABLE },
	{ ENETUNREACH, FAULT_UNREACHABLE },
	{ ENETDOWN, FAULT_UNREACHABLE },
	{ EHOSTDOWN, FAULT_UNREACHABLE },
	/* What connect(2) says when a rule of our own host's firewall drops the packet. */
	{ EPERM, FAULT_UNREACHABLE },
	{ EACCES, FAULT_UNREACHABLE },
};

static const enum err_code codes[] = {
	[FAULT_NONE] = ERR_NONE,
	[FAULT_REFUSED] = ERR_UNREACHABLE,
	[FAULT_RESET] = ERR_UNREACHABLE,
	[FAULT_TIMEOUT] = ERR_TIMEOUT,
	[FAULT_UNREACHABLE] = ERR_UNREACHABLE,
	[FAULT_RESOLVE] = ERR_UNREACHABLE,
	[FAULT_TLS] = ERR_DENIED,
	[FAULT_PROTOCOL] = ERR_PROTOCOL,
	[FAULT_LOCAL] = ERR_IO,
};

enum fault
fault_of_errno(int no)
{
	for (size_t i = 0; i < MEM_COUNT(of_errno); i++) {
		if (of_errno[i].no == no)
			return of_errno[i].fault;
	}
	return FAULT_LOCAL;
}

enum err_code
fault_code(enum fault f)
{
	return codes[f];
}
