/*
 * mariadb_server.h: a real MariaDB for a test, in a directory and on a port of its own. It ends with the
 * test, however that ends. A test that needs it and does not find it fails: nothing here is skipped.
 */
#ifndef TESTS_UNIT_MARIADB_SERVER_H
#define TESTS_UNIT_MARIADB_SERVER_H

#include <sys/types.h>

struct mariadb_server;

/*
 * Returns once it can be asked; on failure prints why and aborts the test. options (NULL-terminated, or
 * NULL) come behind ours; "@DIR@" in them stands for its directory. Accounts: root without a password
 * on its socket, and watch/secret with what a check needs from anywhere.
 */
struct mariadb_server *mariadb_server_start(int id, const char *const *options);
void mariadb_server_stop(struct mariadb_server *s); /* NULL is allowed */

const char *mariadb_server_dir(const struct mariadb_server *s); /* removed by _stop() */
int mariadb_server_port(const struct mariadb_server *s);
pid_t mariadb_server_pid(const struct mariadb_server *s);

/* Statements as root, through Debian's client; aborts the test unless they succeed. */
void mariadb_server_run(const struct mariadb_server *s, const char *sql);
/* The same, told whether they did. */
int mariadb_server_try(const struct mariadb_server *s, const char *sql);
/* A client that stays, with sql under way; kill it, or leave it to the end of the test. */
pid_t mariadb_server_hold(const struct mariadb_server *s, const char *sql);
/* s replicates from source. */
void mariadb_server_follow(const struct mariadb_server *s, const struct mariadb_server *source);

#endif
