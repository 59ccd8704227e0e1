/*
 * exec.h: runs a program without waiting and without a shell: argv as given, a session and process
 * group of its own, and nothing inherited but the descriptors 0, 1, 2 and the environment, without
 * CONSUL_HTTP_TOKEN, which is none of its business; signal mask and dispositions are the default ones.
 *
 * No zombie and no descriptor is left, whatever the child does: prints endlessly, never reads its
 * input, ignores TERM, forks. At the limit its group gets SIGTERM, EXEC_GRACE_MS later SIGKILL. When
 * the program itself has ended, what it left behind in its group has EXEC_DRAIN_MS to finish its
 * output and is then killed: a daemon that is meant to live on calls setsid(2), as daemons do.
 *
 * So far it outlives us. A tied program does not (a step of an operation, which whoever takes it up would
 * otherwise meet again): when we die, however we die, its group gets SIGKILL at once.
 *
 * A contained program (a plugin that nobody of us has read) may not even call setsid: whatever descends
 * from it has ended when done comes, or is killed when we are. Only when done says that it "cannot be killed"
 * may some of it still run: its supervisor ends it when it gets the processor. And it sees no variable of our
 * environment but PATH, HOME and TZ.
 *
 * done comes at the latest EXEC_GRACE_MS + EXEC_REAP_MS + EXEC_DRAIN_MS after the limit, even when
 * the kernel does not let the program die; for a tied or contained one EXEC_REAP_MS later.
 *
 * What it costs: of /bin/true a run takes 0.3 ms of the loop (fork or vfork, until the program is
 * loaded) and 0.65 ms of CPU in all; tied or contained 0.4 ms and 1.5 ms.
 */
#ifndef IO_EXEC_H
#define IO_EXEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct loop;
struct exec;

#define EXEC_OUTPUT_MAX \
	4096 /* of output that is kept, facts/checks.md; the rest is read and dropped */
#define EXEC_GRACE_MS 250 /* from SIGTERM to SIGKILL: enough to remove a temporary file */
#define EXEC_DRAIN_MS 100 /* for the last words of a pipeline whose shell has ended */
#define EXEC_REAP_MS 1000 /* for the kernel to take a killed program away */

enum exec_bond {
	EXEC_LOOSE,     /* lives on when we die */
	EXEC_TIED,      /* below a supervisor, which ends it when we die */
	EXEC_CONTAINED, /* and all that descends from it, too; with a clean environment */
};

struct exec_spec {
	const char *const
	    *argv; /* NULL-terminated; argv[0] is looked up in PATH unless it has a '/' */
	const char *const *env; /* "NAME=value" added to our own environment, or NULL */
	enum exec_bond bond;
	const void *input; /* copied; its standard input, then end of file */
	size_t input_len;
	int64_t limit_ms;
};

struct exec_result {
	struct err err;  /* could not be started, or ERR_TIMEOUT when it ran into the limit */
	int exit_status; /* 0..255, or -1 when it ended by a signal or was never started */
	int signal;      /* 0, or what ended it */
	char output[EXEC_OUTPUT_MAX + 1]; /* standard output and error together, NUL-terminated */
	size_t output_len;
	bool is_output_cut;
	int64_t took_ms;
};

/* r lives as long as the call. */
typedef void exec_done_fn(const struct exec_result *r, void *arg);

/* Never fails: errors come to done. After done the job is gone. */
struct exec *exec_start(
    struct loop *l, const struct exec_spec *spec, exec_done_fn *done, void *arg);
/*
 * Kills the group at once and reaps, or leaves that to the loop when the child takes long to die; done is
 * not called. exec_cancel(NULL) is allowed.
 */
void exec_cancel(struct exec *x);

#endif
