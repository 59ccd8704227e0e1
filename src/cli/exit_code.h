/* exit_code.h: how a command ended (design, section 7): scripts and people's prompts rely on it. */
#ifndef CLI_EXIT_CODE_H
#define CLI_EXIT_CODE_H

enum exit_code {
	EXIT_DONE = 0,
	EXIT_PROBLEM = 1,     /* it ran, and found something wrong */
	EXIT_USAGE = 2,       /* the command line or the configuration */
	EXIT_REFUSED = 3,     /* nothing was changed, but for the fence of a rejoin that holds */
	EXIT_STOPPED = 4,     /* by the operator, before anything was changed */
	EXIT_UNDONE = 5,      /* it failed, and everything is as it was */
	EXIT_NEEDS_YOU = 6,   /* it failed halfway: the state and the next command were printed */
	EXIT_UNREACHABLE = 7, /* Consul or the daemon */
};

/* "refused"; used in JSON. */
const char *exit_code_name(enum exit_code code);
/* "refused, nothing changed": for help and the manual. */
const char *exit_code_meaning(enum exit_code code);
#define EXIT_CODE_COUNT 8

#endif
