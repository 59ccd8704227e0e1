/*
 * mysql_error.h: for io/mysql.c: what the numbers of servers and of the library mean to a caller.
 */
#ifndef IO_MYSQL_ERROR_H
#define IO_MYSQL_ERROR_H

#include "base/err.h"

enum err_code mysql_error_code(unsigned number, int system_errno);
/* "… (111)" and "… system error: 104" end in the errno of the system; 0: they do not. */
int mysql_error_errno(const char *message);

#endif
