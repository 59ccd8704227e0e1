/*
 * gather_sql.c: both servers of a pair of databases, by the questions of a check and those of
 * model/sql_facts.h.
 *
 * The positions come last and in this order: the active's; the standby's, again and again until it has
 * all of that or SETTLE_MS has passed; the active's once more. What the standby then has and the active
 * has not was written on the standby; and what it still lacks of the first reading it will not have
 * within the budget of a failover.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "operate/check_here.h"
#include "operate/client.h"
#include "operate/gather_impl.h"
#include "operate/interrupt.h"
#include "feature/check_target.h"
#include "feature/sql_session.h"
#include "io/loop.h"

#define TURN_MS 50     /* how long Ctrl-C may go unnoticed */
#define LIMIT_MS 5000  /* for all questions to one server */
#define SETTLE_MS 3000 /* the budget of a failover (design, section 7) */
#define AGAIN_MS 50
#define SHOWN_MS 500 /* until a transaction that was sent is shown */

struct ask {
	struct client *client;
	struct sql_session *session;
	struct mysql_answer answer; /* its rows are ours */
	bool is_done;
};

static void
answered(struct mysql_answer *a, void *arg)
{
	struct ask *ask = arg;

	ask->answer = *a;
	memset(&a->rows, 0, sizeof(a->rows));
	ask->is_done = true;
}

/* 0: there is an answer, which may be an error; -1: interrupted. */
static int
wait_answer(struct ask *ask, struct err *e)
{
	while (!ask->is_done && !interrupt_is_pending(NULL))
		loop_turn(ask->client->loop, TURN_MS);
	if (ask->is_done)
		return 0;
	sql_session_cancel(ask->session);
	return err_set(e, ERR_CANCELED, "stopped by the operator");
}

static int
ask(struct ask *ask, const char *sql, struct err *e)
{
	rows_clear(&ask->answer.rows);
	ask->is_done = false;
	sql_session_ask(ask->session, sql, answered, ask);
	return wait_answer(ask, e);
}

static int
begin(struct ask *ask, const struct endpoint *at, int64_t limit_ms, struct err *e)
{
	rows_clear(&ask->answer.rows);
	ask->is_done = false;
	sql_session_begin(ask->session, at, limit_ms, answered, ask);
	return wait_answer(ask, e);
}

static void
give_up(struct preflight_server *s, const char *why)
{
	snprintf(s->error, sizeof(s->error), "%s", why);
	s->is_reached = false;
}

/* --- one server ----------------------------------------------------------------------------------- */

/* 0, also when the server refused to answer: then it is not reached, and says why. */
static int
ask_view(struct ask *a, struct preflight_server *s, struct err *e)
{
	const struct mysql_question *q;

	for (size_t i = 0; s->is_reached && (q = mysql_question_at(i)) != NULL; i++) {
		const char *sql = s->sql->view->kind == SERVER_MARIADB ? q->mariadb : q->mysql;

		if (sql == NULL)
			continue;
		if (ask(a, sql, e) != 0)
			return -1;
		if (a->answer.err.code == ERR_NONE)
			q->read(&a->answer.rows, s->sql->view, &s->sql->extra);
		else if (!q->is_optional || a->answer.err.code != ERR_DENIED)
			give_up(s, a->answer.err.text);
	}
	return 0;
}

static int
ask_one(struct ask *a, const struct sql_question *q, struct preflight_server *s, struct err *e)
{
	if (ask(a, s->sql->view->kind == SERVER_MARIADB ? q->mariadb : q->mysql, e) != 0)
		return -1;
	s->sql->unknown[q->topic][0] = '\0';
	s->sql->is_denied[q->topic] = a->answer.err.code == ERR_DENIED;
	if (a->answer.err.code == ERR_NONE)
		q->read(&a->answer.rows, s->sql);
	else
		snprintf(s->sql->unknown[q->topic], SQL_UNKNOWN_SIZE, "%.255s", a->answer.err.text);
	return 0;
}

static int
look_at(struct ask *a, const struct endpoint *at, struct preflight_server *s, struct err *e)
{
	const struct sql_question *q;

	gather_place(s, at);
	if (begin(a, at, LIMIT_MS, e) != 0)
		return -1;
	if (a->answer.err.code != ERR_NONE) {
		give_up(s, a->answer.err.text);
		return 0;
	}
	s->is_reached = true;
	s->sql = sql_facts_new(sql_session_is_mariadb(a->session) ? SERVER_MARIADB : SERVER_MYSQL,
	    sql_session_version(a->session));
	if (ask_view(a, s, e) != 0)
		return -1;
	for (size_t i = 0; s->is_reached && (q = sql_question_at(i)) != NULL; i++) {
		if (ask_one(a, q, s, e) != 0)
			return -1;
	}
	return 0;
}

static int
find_and_look(struct ask *a, struct gather *g, const struct check_spec *spec,
    struct check_target *at, struct preflight_server *s, struct err *e)
{
	a->client = g->client;
	a->session =
	    sql_session_new(g->client->loop, spec->credentials, spec->database, NULL, NULL);
	if (check_here_find(at, g->client, spec, g->map, e) != 0)
		return -1;
	if (at->kind != CHECK_TARGET_ADDRESS) {
		give_up(s, at->err.text);
		return 0;
	}
	return look_at(a, &at->endpoint, s, e);
}

/* --- both ----------------------------------------------------------------------------------------- */

/* The KV names none of them: the one that takes writes is as good as active. */
static void
guess_active(struct preflight_facts *f)
{
	if (!f->is_active_known && f->servers[1].is_reached &&
	    f->servers[1].sql->view->is_writable &&
	    !(f->servers[0].is_reached && f->servers[0].sql->view->is_writable))
		f->active = 1;
}

static bool
has_caught_up(const struct preflight_server *active, const struct preflight_server *standby)
{
	if (active->sql->unknown[SQL_GTIDS][0] != '\0' ||
	    standby->sql->unknown[SQL_GTIDS][0] != '\0')
		return true; /* nothing to wait for */
	return !(gtid_behind(sql_facts_dialect(active->sql), active->sql->position,
		     standby->sql->position) > 0);
}

/* Whether the standby has what the active does not show. */
static bool
is_ahead(const struct preflight_server *active, const struct preflight_server *standby)
{
	if (active->sql->unknown[SQL_GTIDS][0] != '\0' ||
	    standby->sql->unknown[SQL_GTIDS][0] != '\0')
		return false;
	return gtid_behind(sql_facts_dialect(active->sql), standby->sql->executed,
		   active->sql->executed) > 0;
}

/*
 * The active once more; what it was to be reached stays. A MySQL sends a transaction to its replicas before
 * it shows it itself, and on a busy one that is long enough to be seen: so it is given a moment.
 */
static int
look_again(struct ask *ask, struct preflight_server *active, const struct preflight_server *standby,
    struct err *e)
{
	int64_t began_ms = clock_mono_ms();
	char *first = active->sql->position;
	int rc;

	active->sql->position = NULL;
	while ((rc = ask_one(ask, sql_question_gtids(), active, e)) == 0 &&
	       is_ahead(active, standby) && clock_mono_ms() - began_ms < SHOWN_MS) {
		if (client_sleep(ask->client, AGAIN_MS) != 0) {
			rc = err_set(e, ERR_CANCELED, "stopped by the operator");
			break;
		}
	}
	free(active->sql->position);
	active->sql->position = first;
	return rc;
}

static int
compare_positions(
    struct ask asks[2], const struct check_target at[2], struct preflight_facts *f, struct err *e)
{
	size_t k = f->active;
	struct preflight_server *active = &f->servers[k], *standby = &f->servers[1 - k];
	int64_t began_ms;

	for (size_t i = 0; i < 2; i++) {
		if (begin(&asks[i], &at[i].endpoint, LIMIT_MS, e) != 0)
			return -1;
	}
	if (ask_one(&asks[k], sql_question_gtids(), active, e) != 0)
		return -1;
	for (began_ms = clock_mono_ms();;) {
		if (ask_one(&asks[1 - k], sql_question_gtids(), standby, e) != 0)
			return -1;
		f->settle_ms = clock_mono_ms() - began_ms;
		if (has_caught_up(active, standby) || f->settle_ms >= SETTLE_MS)
			break;
		if (client_sleep(asks[k].client, AGAIN_MS) != 0)
			return err_set(e, ERR_CANCELED, "stopped by the operator");
	}
	return look_again(&asks[k], active, standby, e);
}

int
gather_sql(
    struct gather *g, const struct config_pair *pair, struct preflight_facts *f, struct err *e)
{
	struct ask asks[2] = { { .client = NULL } };
	struct check_target at[2];
	int rc = 0;

	for (size_t i = 0; i < 2 && rc == 0; i++)
		rc = find_and_look(&asks[i], g,
		    gather_find_spec(g->client->config, pair, pair->nodes[i]), &at[i],
		    &f->servers[i], e);
	guess_active(f);
	if (rc == 0 && f->servers[0].is_reached && f->servers[1].is_reached)
		rc = compare_positions(asks, at, f, e);
	for (size_t i = 0; i < 2; i++) {
		rows_clear(&asks[i].answer.rows);
		sql_session_free(asks[i].session);
	}
	return rc;
}
