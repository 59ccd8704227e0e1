/*
 * check_mysql.c: one look at a MariaDB or a MySQL. begin ─> question 0 ─> 1 ─> … ─> judge ─> done
 *
 * What is asked, what it means and which trouble comes first is model/mysql_view.h's; here is only the
 * way. An optional question that the account may not ask is not asked again on this connection: the view
 * then lacks something, which is no trouble of the server.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "feature/check_type.h"
#include "feature/sql_session.h"
#include "io/loop.h"
#include "model/mysql_view.h"

#define PORT 3306
#define QUESTIONS_MAX 16

struct probe {
	struct loop *loop;
	const struct check_spec *spec;
	struct sql_session *session;
	bool is_denied[QUESTIONS_MAX];
	enum check_role role;
	check_done_fn *done;
	void *arg;
	int64_t started_us;
	size_t at; /* the question */
	struct server_view *view;
	struct mysql_extra extra;
};

static void ask_next(struct probe *p);

static void
finish(struct probe *p, struct check_result *r)
{
	check_done_fn *done = p->done;

	sql_session_add_times(p->session, r, clock_mono_us() - p->started_us);
	p->done = NULL;
	done(r, p->arg);
	check_result_clear(r);
}

static void
fail(struct probe *p, const struct mysql_answer *a)
{
	struct check_result r = { 0 };

	server_view_free(p->view);
	p->view = NULL;
	check_result_set(&r, sql_session_class(a), "%s", a->err.text);
	finish(p, &r);
}

static void
conclude(struct probe *p)
{
	struct check_result r = { 0 };

	mysql_judge(p->view, &p->extra, p->spec, p->role, &r);
	r.view = p->view;
	p->view = NULL;
	finish(p, &r);
}

static void
answer_came(struct mysql_answer *a, void *arg)
{
	struct probe *p = arg;
	const struct mysql_question *q = mysql_question_at(p->at);

	if (a->err.code == ERR_NONE) {
		q->read(&a->rows, p->view, &p->extra);
	} else if (q->is_optional && a->err.code == ERR_DENIED) {
		p->is_denied[p->at] = true;
	} else {
		fail(p, a);
		return;
	}
	p->at++;
	ask_next(p);
}

static void
ask_next(struct probe *p)
{
	bool is_mariadb = p->view->kind == SERVER_MARIADB;
	const struct mysql_question *q;
	const char *sql = NULL;

	for (; (q = mysql_question_at(p->at)) != NULL; p->at++) {
		sql = is_mariadb ? q->mariadb : q->mysql;
		if (sql != NULL && !p->is_denied[p->at])
			break;
	}
	if (q == NULL)
		conclude(p);
	else
		sql_session_ask(p->session, sql, answer_came, p);
}

static void
begun(struct mysql_answer *a, void *arg)
{
	struct probe *p = arg;
	bool is_mariadb = sql_session_is_mariadb(p->session);

	if (a->err.code != ERR_NONE) {
		fail(p, a);
		return;
	}
	if (sql_session_connect_us(p->session) > 0)
		memset(p->is_denied, 0, sizeof(p->is_denied));
	p->view = server_view_new(is_mariadb ? SERVER_MARIADB : SERVER_MYSQL);
	snprintf(
	    p->view->version, sizeof(p->view->version), "%.63s", sql_session_version(p->session));
	p->extra = (struct mysql_extra){ .is_semi_sync = false };
	p->at = 0;
	ask_next(p);
}

static void *
mysql_open(struct loop *l, const struct check_spec *s)
{
	struct probe *p = mem_alloc(sizeof(*p));

	p->loop = l;
	p->spec = s;
	p->session = sql_session_new(l, s->credentials, s->database, NULL, NULL);
	return p;
}

static void
mysql_start(void *probe, const struct check_run *run, check_done_fn *done, void *arg)
{
	struct probe *p = probe;

	p->role = run->role;
	p->done = done;
	p->arg = arg;
	p->started_us = clock_mono_us();
	sql_session_begin(p->session, run->endpoint, run->limit_ms, begun, p);
}

static void
mysql_close_probe(void *probe)
{
	struct probe *p = probe;

	if (p == NULL)
		return;
	sql_session_free(p->session);
	server_view_free(p->view);
	loop_defer_free(p->loop, p);
}

const struct check_type check_type_mysql = {
	.name = "mysql",
	.has_target = true,
	.port = PORT,
	.open = mysql_open,
	.start = mysql_start,
	.close = mysql_close_probe,
};
