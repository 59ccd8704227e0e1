/*
 * mysql_greeting.h: for io/mysql.c: what a server says first, before the library gets it.
 */
#ifndef IO_MYSQL_GREETING_H
#define IO_MYSQL_GREETING_H

#include <stdbool.h>
#include <stddef.h>

struct mysql_answer;

#define MYSQL_GREETING_LOOK 160 /* the capabilities stand behind a version of 120 bytes at most */

/*
 * The first bytes from where. 0, or -1 and a tells what is wrong: nothing of MySQL, or where TLS
 * is wanted no TLS, or an error of the server's. Too few bytes are not wrong.
 */
int mysql_greeting_check(
    const unsigned char *b, size_t n, bool is_tls, const char *where, struct mysql_answer *a);
int mysql_greeting_lacks_tls(const char *where, struct mysql_answer *a); /* -1 */

#endif
