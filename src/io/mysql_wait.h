/*
 * mysql_wait.h: for io/mysql.c: calls of libmariadb that may wait where its non-blocking API does not
 * look, made so that the loop goes on meanwhile.
 */
#ifndef IO_MYSQL_WAIT_H
#define IO_MYSQL_WAIT_H

#include <stdbool.h>

struct mysql_wait;

/* Gives a wait of the library's own to us. Type of MARIADB_OPT_IO_WAIT. */
int mysql_wait_hook(int fd, char is_read, int timeout);

struct mysql_wait *mysql_wait_new(void);
void mysql_wait_free(struct mysql_wait *w); /* NULL is allowed; nothing may be waiting */

/*
 * Runs fn(arg) until it has ended (true), or the library waits in the midst of it (false): then
 * mysql_wait_resume() goes on once the descriptor is ready, with is_given_up to make the wait fail.
 */
bool mysql_wait_run(struct mysql_wait *w, void (*fn)(void *arg), void *arg);
bool mysql_wait_resume(struct mysql_wait *w, bool is_given_up);

#endif
