/*
 * exec.h: runs a program without waiting and without a shell: argv as given, its own process group
 * and nothing inherited but 0, 1, 2 and the environment named here; killed as a group at the limit.
 * No zombie and no descriptor is left, whatever the child does: prints endlessly, never reads its
 * input, ignores TERM, forks.
 */
#ifndef IO_EXEC_H
#define IO_EXEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct loop;
struct exec;

#define EXEC_OUTPUT_MAX 4096 /* of output that is kept, facts/checks.md; the rest is read and dropped */

struct exec_spec {
	const char *const *argv;     /* NULL-terminated; argv[0] is looked up in PATH unless it has a '/' */
	const char *const *env;	     /* "NAME=value" added to our own environment, or NULL */
	const void *input;	     /* copied and written to its standard input; then end of file */
	size_t input_len;
	int64_t limit_ms;
};

struct exec_result {
	struct err err;	  /* could not be started, or ERR_TIMEOUT when it was killed at the limit */
	int exit_status;  /* 0..255, or -1 when it ended by a signal or was never started */
	int signal;	  /* 0, or what ended it */
	char output[EXEC_OUTPUT_MAX + 1]; /* standard output and error together, NUL-terminated */
	size_t output_len;
	bool is_output_cut;
	int64_t took_ms;
};

typedef void exec_done_fn(const struct exec_result *r, void *arg);

struct exec *exec_start(struct loop *l, const struct exec_spec *spec, exec_done_fn *done, void *arg);
/* Kills the group at once and reaps; done is not called. */
void exec_cancel(struct exec *x);

#endif
