/*
 * sql_session.h: a kept connection to a database for one check: credentials, the way to the server, and
 * a limit over all that one run asks. For check_mysql and check_sql.
 *
 * done comes exactly once for each _begin and _ask, from the loop, never inside them, never after
 * _cancel or _free.
 */
#ifndef FEATURE_SQL_SESSION_H
#define FEATURE_SQL_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "io/mysql.h"
#include "model/check.h"

struct endpoint;
struct loop;
struct sql_session;

/*
 * The paths and names are the caller's and outlive it. set_up, for MariaDB and for MySQL, is sent once for
 * a connection, and fails the run when it fails; NULL: nothing.
 */
struct sql_session *sql_session_new(struct loop *l, const char *credentials, const char *database,
    const char *set_up_mariadb, const char *set_up_mysql);
void sql_session_free(struct sql_session *s); /* NULL is allowed */

/* A run: from here on limit_ms is left for all of it. Connects unless it still is. */
void sql_session_begin(struct sql_session *s, const struct endpoint *address, int64_t limit_ms,
    mysql_done_fn *done, void *arg);
/* sql lives until done. A kept connection that turns out to be lost is made anew, once. */
void sql_session_ask(struct sql_session *s, const char *sql, mysql_done_fn *done, void *arg);
void sql_session_cancel(struct sql_session *s);

bool sql_session_is_mariadb(const struct sql_session *s);
const char *sql_session_version(const struct sql_session *s);
int64_t sql_session_connect_us(const struct sql_session *s); /* of this run; 0: it was kept */

/* Of a run that took so long: took_us, and the numbers "connect_time" and "query_time". */
void sql_session_add_times(const struct sql_session *s, struct check_result *r, int64_t took_us);

/* What an answer that is an error means for a check. */
enum check_class sql_session_class(const struct mysql_answer *a);

#endif
