/*
 * check_sql.c: one query, whose first column of its first row is a number: is the data valid, is the last
 * run recent?
 *
 * It can never write. The session is read-only (transaction_read_only: the server refuses with
 * 1792), and what is no question by its first word is refused before that, with what is allowed, as are
 * the two words by which even a read-only session writes a file where the server runs. A query
 * that takes long is ended by the server too, some time after our limit: an abandoned one would go on, and
 * the next would join it.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "feature/check_type.h"
#include "feature/sql_session.h"
#include "io/loop.h"
#include "model/vantage.h"

#define PORT 3306

struct probe {
	struct loop *loop;
	const struct check_spec *spec;
	struct sql_session *session;
	char mariadb[160], mysql[160]; /* what sets a session up */
	check_done_fn *done;
	void *arg;
	int64_t started_us;
};

static const char *const questions[] = { "SELECT", "SHOW", "WITH", "VALUES", "TABLE", "EXPLAIN",
	"DESCRIBE", "(" };

static bool
writes_file(const char *query)
{
	return strcasestr(query, "OUTFILE") != NULL || strcasestr(query, "DUMPFILE") != NULL;
}

static bool
is_question(const char *query)
{
	query += strspn(query, " \t\r\n");
	for (size_t i = 0; i < MEM_COUNT(questions); i++) {
		size_t len = strlen(questions[i]);

		if (strncasecmp(query, questions[i], len) == 0 &&
		    (questions[i][0] == '(' || strchr(" \t\r\n(*/'\"`@", query[len]) != NULL))
			return true;
	}
	return false;
}

static int
sql_validate(const struct check_spec *s, struct err *e)
{
	if (s->query == NULL || s->query[0] == '\0')
		return err_set(e, ERR_CONFIG, "a check of type sql wants a query");
	if (writes_file(s->query))
		return err_set(
		    e, ERR_CONFIG, "the query only asks: it writes no OUTFILE or DUMPFILE");
	if (!is_question(s->query))
		return err_set(e, ERR_CONFIG,
		    "the query only asks: SELECT, SHOW, WITH, VALUES, TABLE, EXPLAIN and "
		    "DESCRIBE are allowed");
	return 0;
}

static void
finish(struct probe *p, struct check_result *r)
{
	check_done_fn *done = p->done;

	sql_session_add_times(p->session, r, clock_mono_us() - p->started_us);
	p->done = NULL;
	done(r, p->arg);
	check_result_clear(r);
}

/* The number in the first cell, judged. */
static void
judge(const struct check_spec *s, const struct rows *rows, struct check_result *r)
{
	const char *text = rows_at(rows, 0, 0), *name;
	char *end;
	double value;

	if (rows->row_count == 0 || text == NULL) {
		check_result_set(r, CHECK_MISSING,
		    rows->row_count == 0 ? "the query has no row" : "the query's value is NULL");
		return;
	}
	value = strtod(text, &end);
	if (end == text || *end != '\0' || !isfinite(value)) {
		check_result_set(r, CHECK_VALUE, "not a number: \"%.80s\"", text);
		return;
	}
	name = rows->names[0];
	if (range_catches(&s->critical, value))
		check_result_set(r, CHECK_VALUE, "%s: critical is %s", text, s->critical.text);
	else if (range_catches(&s->warning, value))
		check_result_set(r, CHECK_WARNING, "%s: the warning is %s", text, s->warning.text);
	else
		check_result_set(r, CHECK_OK, "%s", text);
	/* A query's own text is the name of a column without one. */
	check_result_number(r,
	    strlen(name) < CHECK_LABEL_SIZE && strpbrk(name, " ='\"()") == NULL ? name : "value",
	    value, "", &s->warning, &s->critical);
}

static void
answer_came(struct mysql_answer *a, void *arg)
{
	struct probe *p = arg;
	struct check_result r = { 0 };

	if (a->err.code != ERR_NONE)
		check_result_set(&r, sql_session_class(a), "%s", a->err.text);
	else
		judge(p->spec, &a->rows, &r);
	finish(p, &r);
}

static void
begun(struct mysql_answer *a, void *arg)
{
	struct probe *p = arg;

	if (a->err.code != ERR_NONE)
		answer_came(a, p);
	else
		sql_session_ask(p->session, p->spec->query, answer_came, p);
}

static void *
sql_open(struct loop *l, const struct check_spec *s)
{
	struct probe *p = mem_alloc(sizeof(*p));
	long long limit_ms =
	    s->timing.timeout_ms > 0 ? s->timing.timeout_ms : debounce_defaults.timeout_ms;

	/* A vantage that doubts itself waits so much longer. */
	limit_ms *= 1 + VANTAGE_SCORE_MAX;
	p->loop = l;
	p->spec = s;
	snprintf(p->mariadb, sizeof(p->mariadb),
	    "SET SESSION tx_read_only = 1, SESSION max_statement_time = %lld.%03lld",
	    limit_ms / 1000, limit_ms % 1000);
	snprintf(p->mysql, sizeof(p->mysql),
	    "SET SESSION transaction_read_only = 1, SESSION max_execution_time = %lld", limit_ms);
	p->session = sql_session_new(l, s->credentials, s->database, p->mariadb, p->mysql);
	return p;
}

static void
sql_start(void *probe, const struct check_run *run, check_done_fn *done, void *arg)
{
	struct probe *p = probe;

	p->done = done;
	p->arg = arg;
	p->started_us = clock_mono_us();
	sql_session_begin(p->session, run->endpoint, run->limit_ms, begun, p);
}

static void
sql_close(void *probe)
{
	struct probe *p = probe;

	if (p == NULL)
		return;
	sql_session_free(p->session);
	loop_defer_free(p->loop, p);
}

const struct check_type check_type_sql = {
	.name = "sql",
	.has_target = true,
	.port = PORT,
	.validate = sql_validate,
	.open = sql_open,
	.start = sql_start,
	.close = sql_close,
};
