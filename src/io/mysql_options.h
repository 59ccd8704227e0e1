/*
 * mysql_options.h: for io/mysql.c: what a new handle of the library is told.
 */
#ifndef IO_MYSQL_OPTIONS_H
#define IO_MYSQL_OPTIONS_H

struct mysql_account;
struct st_mysql;

void mysql_options_set(struct st_mysql *lib, const struct mysql_account *account);

#endif
