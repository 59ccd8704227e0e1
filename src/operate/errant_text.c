/*
 * errant_text.c: mariadb-binlog or mysqlbinlog over a file that is ours: it needs no server, no account
 * and no password. Rows are printed twice, as BINLOG statements that replay and as comments that a person
 * can read (-v).
 *
 * Under the name of mysqlbinlog there may be either's: MariaDB's package has it as a link. MySQL's log read by
 * MariaDB's tool comes out without its GTIDs and without an error, so that the version is asked before.
 */
#include "operate/errant_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "io/exec.h"
#include "io/loop.h"

#define TURN_MS 50
#define VERSION_LIMIT_MS 5000
#define MYSQL_FIRST 8 /* MySQL's tool has the server's version, MariaDB's is at 3.x for ever */
#define END_MARK "End of log file"
#define TAIL_SIZE 512 /* it is 120 bytes before the end with 10.11, 190 with 9.7 */

struct run {
	bool is_done;
	struct exec_result result;
};

struct cancel {
	bool (*is_canceled)(void *arg);
	void *arg;
};

static void
ended(const struct exec_result *r, void *arg)
{
	struct run *run = arg;

	run->result = *r;
	run->is_done = true;
}

static int
run(struct loop *l, const char *const *argv, int64_t limit_ms, const struct cancel *cancel,
    struct exec_result *out, struct err *e)
{
	struct exec_spec spec = { .argv = argv, .limit_ms = limit_ms };
	struct run *run = mem_alloc(sizeof(*run));
	struct exec *job = exec_start(l, &spec, ended, run);
	int rc = 0;

	while (!run->is_done) {
		if (cancel->is_canceled != NULL && cancel->is_canceled(cancel->arg)) {
			exec_cancel(job);
			free(run);
			return err_set(e, ERR_CANCELED, "stopped while %s was running", argv[0]);
		}
		loop_turn(l, TURN_MS);
	}
	*out = run->result;
	free(run);
	if (out->err.code != ERR_NONE)
		rc = err_set(e, out->err.code, "%s", out->err.text);
	return rc;
}

static bool
is_of(enum gtid_dialect dialect, const char *version)
{
	const char *number = strstr(version, "Ver ");
	bool is_mysql =
	    strstr(version, "MariaDB") == NULL && number != NULL && atoi(number + 4) >= MYSQL_FIRST;

	return is_mysql == (dialect == GTID_MYSQL);
}

/* The name of the right one; NULL with e. */
static const char *
find_tool(struct loop *l, enum gtid_dialect dialect, const struct cancel *cancel, struct err *e)
{
	static const char *const names[] = { "mariadb-binlog", "mysqlbinlog" };
	struct exec_result *r = mem_alloc(sizeof(*r));
	const char *found = NULL;

	err_set(e, ERR_NOT_FOUND, "%s is not installed here",
	    dialect == GTID_MYSQL ? "MySQL's mysqlbinlog" : "mariadb-binlog");
	for (size_t i = dialect == GTID_MYSQL; i < MEM_COUNT(names) && found == NULL; i++) {
		const char *argv[] = { names[i], "--no-defaults", "--version", NULL };
		struct err own = { .code = ERR_NONE };

		if (run(l, argv, VERSION_LIMIT_MS, cancel, r, &own) == 0 && r->exit_status == 0 &&
		    is_of(dialect, r->output))
			found = names[i];
		if (own.code == ERR_CANCELED) {
			err_set(e, own.code, "%s", own.text);
			break;
		}
	}
	free(r);
	return found;
}

/* Both tools end with a word of their own; a disk that got full does not. */
static int
check_end(const char *text, const char *tool, struct err *e)
{
	FILE *f = fopen(text, "r");
	char tail[TAIL_SIZE + 1];
	size_t n = 0;

	if (f == NULL)
		return err_errno(e, "cannot read %s", text);
	if (fseek(f, -(long)TAIL_SIZE, SEEK_END) != 0)
		rewind(f);
	n = fread(tail, 1, TAIL_SIZE, f);
	fclose(f);
	if (memmem(tail, n, END_MARK, strlen(END_MARK)) == NULL)
		return err_set(e, ERR_IO, "%s did not print to the end", tool);
	return 0;
}

int
errant_text_print(struct loop *l, enum gtid_dialect dialect, const char *file, const char *text,
    int64_t limit_ms, bool (*is_canceled)(void *arg), void *arg, struct err *e)
{
	const struct cancel cancel = { is_canceled, arg };
	const char *tool = find_tool(l, dialect, &cancel, e);
	struct exec_result *r;
	char *result, shown[161];
	int rc;

	if (tool == NULL)
		return -1;
	r = mem_alloc(sizeof(*r));
	result = mem_printf("--result-file=%s", text);
	rc = run(l, (const char *[]){ tool, "--no-defaults", "-v", result, file, NULL }, limit_ms,
	    &cancel, r, e);
	if (rc == 0 && r->exit_status != 0)
		rc = err_set(e, ERR_IO, "%s failed: %s", tool,
		    str_printable(shown, sizeof(shown), r->output, r->output_len));
	if (rc == 0)
		rc = check_end(text, tool, e);
	free(result);
	free(r);
	return rc;
}

const char *
errant_text_tool(enum gtid_dialect dialect)
{
	return dialect == GTID_MYSQL ? "mysqlbinlog -v" : "mariadb-binlog -v";
}
