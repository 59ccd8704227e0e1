/*
 * check_exec.c: a Nagios plugin: its exit code is the class, its first line the text, its perfdata
 * the numbers. Any program that keeps to that will do.
 *
 * {address} and {port} in its arguments stand for where the target is at that moment. They are put
 * into an argument, never into a command line: there is no shell, and an address is an address.
 *
 * The status command of a daemon pair is asked as one asks an init script (LSB, "status"): 0 it runs and
 * does its work, 1 to 3 it does not run. Which of that is good depends on where the KV wants it.
 *
 * A plugin is code that nobody of us has read. It runs contained (io/exec.h): at the end of a run,
 * however it came, nothing of it is left, and it has seen none of our secrets. Its own, if it needs
 * any, it reads from a file of its own; what stands in its arguments everybody sees in ps(1).
 */
#include "feature/check_type.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/argv.h"
#include "base/mem.h"
#include "base/str.h"
#include "io/endpoint.h"
#include "io/exec.h"
#include "io/loop.h"
#include "model/perfdata.h"
#include "model/server_view.h"

#define LSB_STOPPED 3 /* the last exit code that says so */

struct exec_probe {
	struct loop *loop;
	const struct check_spec *spec;
	enum check_role role; /* of a daemon in a pair */
	struct exec *exec;    /* NULL: not running */
	check_done_fn *done;
	void *arg;
};

/* The four of the guidelines; everything else is no plugin's answer. */
static const enum check_class class_of_exit[] = {
	CHECK_OK,
	CHECK_WARNING,
	CHECK_VALUE,
	CHECK_UNKNOWN,
};

static bool
is_used(const struct check_spec *s, const char *mark)
{
	for (char **arg = s->command; arg != NULL && *arg != NULL; arg++) {
		if (strstr(*arg, mark) != NULL)
			return true;
	}
	return false;
}

static int
exec_validate(const struct check_spec *s, struct err *e)
{
	if (s->command == NULL || s->command[0] == NULL)
		return err_set(e, ERR_CONFIG, "command is missing: the plugin and its arguments");
	if (s->target == NULL && (is_used(s, "{address}") || is_used(s, "{port}")))
		return err_set(e, ERR_CONFIG,
		    "command has {address} or {port}, but there is no target to take them from");
	return 0;
}

static void *
exec_open(struct loop *l, const struct check_spec *s)
{
	struct exec_probe *p = mem_alloc(sizeof(*p));

	p->loop = l;
	p->spec = s;
	return p;
}

static char **
fill_arguments(char *const *argv, const struct endpoint *endpoint)
{
	char address[ENDPOINT_TEXT_SIZE] = "", port[8] = "";
	const struct argv_mark marks[] = { { "{address}", address }, { "{port}", port } };

	if (endpoint != NULL) {
		endpoint_format_host(address, endpoint);
		snprintf(port, sizeof(port), "%d", endpoint_port(endpoint));
	}
	return argv_fill(argv, marks, MEM_COUNT(marks));
}

/* What the plugin said becomes what it was about: "exit 5: text". */
static void
set_strange(struct check_result *out, const char *what)
{
	char said[CHECK_TEXT_SIZE];

	memcpy(said, out->text, sizeof(said));
	check_result_set(out, CHECK_UNKNOWN, "%s%s%s", what, said[0] != '\0' ? ": " : "", said);
}

static void
judge(const struct exec_result *r, bool is_daemon, struct check_result *out)
{
	char what[80];

	out->took_us = r->took_ms * 1000;
	perfdata_read(r->output, r->output_len, out);
	if (r->err.code == ERR_TIMEOUT)
		check_result_set(out, CHECK_TIMEOUT, "%s", r->err.text);
	else if (r->err.code != ERR_NONE)
		check_result_set(out, CHECK_UNKNOWN, "%s", r->err.text);
	else if (r->signal != 0) {
		snprintf(
		    what, sizeof(what), "ended by signal %d, %s", r->signal, strsignal(r->signal));
		set_strange(out, what);
	} else if ((size_t)r->exit_status >= MEM_COUNT(class_of_exit)) {
		snprintf(what, sizeof(what), "exit %d is no plugin's", r->exit_status);
		set_strange(out, what);
	} else if (out->text[0] == '\0' && !is_daemon)
		check_result_set(
		    out, class_of_exit[r->exit_status], "exit %d, and not a word", r->exit_status);
	else
		out->class = class_of_exit[r->exit_status];
}

/* What is right for a daemon of a pair, from what its status command answered. */
static void
judge_daemon(const struct exec_result *r, enum check_role role, struct check_result *out)
{
	bool has_answer =
	    r->err.code == ERR_NONE && r->signal == 0 && r->exit_status <= LSB_STOPPED;
	bool is_running = r->exit_status == 0;

	if (!has_answer)
		return; /* the plugin's class and text say why */
	out->view = server_view_new(SERVER_DAEMON);
	out->view->is_writable = is_running;
	out->class = CHECK_OK;
	if (role == CHECK_ROLE_ACTIVE && !is_running)
		out->class = CHECK_STOPPED;
	else if (role == CHECK_ROLE_STANDBY && is_running)
		out->class = CHECK_ROLE;
	if (out->text[0] == '\0')
		check_result_set(out, out->class, "%s", is_running ? "runs" : "does not run");
}

static void
exec_ended(const struct exec_result *r, void *arg)
{
	struct exec_probe *p = arg;
	struct check_result result = { .class = CHECK_UNKNOWN };

	p->exec = NULL;
	judge(r, p->spec->pair != NULL, &result);
	if (p->spec->pair != NULL)
		judge_daemon(r, p->role, &result);
	p->done(&result, p->arg);
	check_result_clear(&result);
}

static void
exec_probe_start(void *probe, const struct check_run *run, check_done_fn *done, void *arg)
{
	static const char *const env[] = { "LC_ALL=C", NULL }; /* 0.5 is never 0,5 */
	struct exec_probe *p = probe;
	char **argv = fill_arguments(p->spec->command, run->endpoint);
	/* The time from TERM to KILL is part of the limit, but for a very short one. */
	int64_t grace_ms = run->limit_ms / 4 < EXEC_GRACE_MS ? run->limit_ms / 4 : EXEC_GRACE_MS;
	const struct exec_spec spec = {
		.argv = (const char *const *)argv,
		.env = env,
		.bond = EXEC_CONTAINED,
		.limit_ms = run->limit_ms - grace_ms,
	};

	p->role = run->role;
	p->done = done;
	p->arg = arg;
	p->exec = exec_start(p->loop, &spec, exec_ended, p);
	argv_free(argv);
}

static void
exec_close(void *probe)
{
	struct exec_probe *p = probe;

	if (p == NULL)
		return;
	exec_cancel(p->exec);
	loop_defer_free(p->loop, p);
}

const struct check_type check_type_exec = {
	.name = "exec",
	.is_program = true,
	.validate = exec_validate,
	.open = exec_open,
	.start = exec_probe_start,
	.close = exec_close,
};
