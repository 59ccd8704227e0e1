/* exit_code.c: the table of exit codes. */
#include "cli/exit_code.h"

static const struct {
	const char *name;
	const char *meaning;
} codes[EXIT_CODE_COUNT] = {
	[EXIT_DONE] = { "done", "done, or all is well" },
	[EXIT_PROBLEM] = { "problem", "a problem was found" },
	[EXIT_USAGE] = { "usage", "wrong usage or configuration" },
	[EXIT_REFUSED] = { "refused", "refused, nothing was changed; by rejoin: held" },
	[EXIT_STOPPED] = { "stopped", "stopped by the operator, nothing was changed" },
	[EXIT_UNDONE] = { "undone", "failed, and undone" },
	[EXIT_NEEDS_YOU] = { "needs-you",
	    "failed, and needs you: state and next command are printed" },
	[EXIT_UNREACHABLE] = { "unreachable", "Consul or the daemon cannot be reached" },
};

const char *
exit_code_name(enum exit_code code)
{
	return codes[code].name;
}

const char *
exit_code_meaning(enum exit_code code)
{
	return codes[code].meaning;
}
