/*
 * server_child.h: for the starters of real servers (consul_agent, mariadb_server, redis_server): a
 * directory, a port and a child that does not outlive the test. Whatever fails ends the test.
 */
#ifndef TESTS_UNIT_SERVER_CHILD_H
#define TESTS_UNIT_SERVER_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

/* Says what went wrong with which server ("redis"), and aborts. */
void server_child_die(const char *what, const char *fmt, ...)
    __attribute__((format(printf, 2, 3), noreturn));

/* Of 127.0.0.1, free for TCP and UDP just now: somebody else may be faster. */
int server_child_port(void);

/* A new directory, "/tmp/pm-redis-XXXXXX" say; server_child_remove() it. */
char *server_child_dir(const char *pattern);
void server_child_remove(char *dir); /* with what is in it, and frees its name */

/* text with "@DIR@" and "@PORT@" filled in, malloc'ed; NULL is "". */
char *server_child_fill(const char *text, const char *dir, int port);

/*
 * Runs argv in dir, found by PATH; what it says goes to the file log there. input (NULL: none; a pipe
 * holds 64 KB) is what it reads.
 */
pid_t server_child_start(const char *dir, char *const *argv, const char *input);
int server_child_wait(pid_t pid);   /* until it ends by itself: what wait(2) says */
bool server_child_ended(pid_t pid); /* reaped, then */
void server_child_kill(pid_t pid);  /* at once, and reaps it */

void server_child_pause(int ms); /* between two looks at whether it is ready */

#endif
