/*
 * op_command.c: io/exec for those who have nothing else to do. What the program was about is the
 * caller's to say, and also what a status means: that of a daemon's status command is an answer, that of
 * a hook a failure.
 */
#include "operate/op_command.h"

#include <string.h>

#include "base/argv.h"
#include "base/mem.h"
#include "base/str.h"
#include "io/loop.h"

#define TURN_MS 50 /* how late a Ctrl-C may be seen */

struct wait {
	bool is_done;
	struct exec_result *out;
};

static void
program_ended(const struct exec_result *r, void *arg)
{
	struct wait *wait = arg;

	*wait->out = *r;
	wait->is_done = true;
}

/* The first line that is not blank; its length in *len. */
static const char *
first_line(const struct exec_result *r, size_t *len)
{
	const char *line = r->output + strspn(r->output, " \t\r\n");

	*len = strcspn(line, "\r\n");
	return line;
}

void
op_program_add_end(struct str *out, const struct exec_result *r)
{
	size_t len;
	const char *line = first_line(r, &len);

	if (r->err.code != ERR_NONE)
		str_adds(out, r->err.text);
	else if (r->signal != 0)
		str_addf(out, "was ended by signal %d, %s", r->signal, strsignal(r->signal));
	else
		str_addf(out, "ended with status %d", r->exit_status);
	if (len == 0)
		return;
	str_adds(out, ": ");
	str_add_printable(out, line, len, STR_SHOW_MAX);
}

/* 0, or -1 when it did not end by itself. */
static int
judge(const struct exec_result *r, struct err *e)
{
	struct str text = STR_INIT;

	if (r->err.code == ERR_NONE && r->signal == 0)
		return 0;
	op_program_add_end(&text, r);
	err_set(e, r->err.code != ERR_NONE ? r->err.code : ERR_IO, "%s", str_text(&text));
	str_clear(&text);
	return -1;
}

int
op_program_run(struct loop *l, const struct exec_spec *spec, bool (*is_canceled)(void *arg),
    void *arg, struct exec_result *out, struct err *e)
{
	struct exec_spec tied = *spec;
	struct wait wait = { .out = out };
	struct exec *x;

	*out = (struct exec_result){ .exit_status = -1 };
	tied.bond = EXEC_TIED;
	x = exec_start(l, &tied, program_ended, &wait);
	while (!wait.is_done) {
		if (is_canceled != NULL && is_canceled(arg)) {
			exec_cancel(x);
			return err_set(
			    e, ERR_CANCELED, "it was stopped by the operator and killed");
		}
		loop_turn(l, TURN_MS);
	}
	return judge(out, e);
}

static bool
asks_for(char *const *argv, const char *mark)
{
	for (; *argv != NULL; argv++) {
		if (strstr(*argv, mark) != NULL)
			return true;
	}
	return false;
}

int
op_command_run(struct loop *l, char *const *argv, const char *node, const char *address,
    int64_t limit_ms, bool (*is_canceled)(void *arg), void *arg, struct exec_result *out,
    struct err *e)
{
	const struct argv_mark marks[] = { { "{node}", node },
		{ "{address}", address != NULL ? address : "" } };
	char **filled;
	int rc;

	*out = (struct exec_result){ .exit_status = -1 };
	if ((address == NULL || address[0] == '\0') && asks_for(argv, "{address}"))
		return err_set(
		    e, ERR_NOT_FOUND, "it was not run: nobody knows the address of %s", node);
	filled = argv_fill(argv, marks, MEM_COUNT(marks));
	rc = op_program_run(l,
	    &(struct exec_spec){ .argv = (const char *const *)filled, .limit_ms = limit_ms },
	    is_canceled, arg, out, e);
	argv_free(filled);
	return rc;
}
