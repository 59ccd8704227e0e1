/*
 * exec_spawn.h: the beginning of a child process, for exec.c: what it inherits, and the supervisor
 * that holds its descendants together.
 */
#ifndef IO_EXEC_SPAWN_H
#define IO_EXEC_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct exec_spec;

/* What a supervisor tells, in memory that it shares with us; final when it has ended. */
struct exec_report {
	int error;     /* an errno: the program could not be started */
	pid_t program; /* 0: not started; its group is to be killed when the supervisor was */
	int status;    /* of waitpid(2), when has_ended */
	bool has_ended;
};

/* A descriptor to read the bytes from, or -1 with errno. */
int exec_open_input(const void *data, size_t len);
/* The program in a session of its own: 0, or an errno. */
int exec_spawn(pid_t *pid, const struct exec_spec *spec, int input, int output);
/* The same below a supervisor, whose number comes back; *report is exec_report_free()'s. */
int exec_spawn_supervised(
    pid_t *pid, const struct exec_spec *spec, int input, int output, struct exec_report **report);
void exec_report_free(struct exec_report *report);

#endif
