/*
 * redis_server.h: a real redis-server for a test, on a port and in a directory of its own. It ends with
 * the test, however that ends. A test that needs it and does not find it fails: nothing is skipped.
 */
#ifndef TESTS_UNIT_REDIS_SERVER_H
#define TESTS_UNIT_REDIS_SERVER_H

#include <stddef.h>
#include <sys/types.h>

struct redis_server;

/*
 * config: further lines of its configuration, or NULL; "@DIR@" stands for its directory, "@PORT@" for
 * its port. Returns once it accepts connections; on failure prints why and aborts the test.
 */
struct redis_server *redis_server_start(const char *config);
/* The same as a Sentinel, or without a port in the clear: program arguments and the port to wait for. */
struct redis_server *redis_server_start_sentinel(const char *config);
void redis_server_stop(struct redis_server *s); /* NULL is allowed */

int redis_server_port(const struct redis_server *s);
const char *redis_server_dir(const struct redis_server *s);
pid_t redis_server_pid(const struct redis_server *s);
/* One inline command over a connection of its own; the first line of the reply. Waits at most 5 s. */
const char *redis_server_ask(struct redis_server *s, const char *command);
/* Asks every 10 ms until the reply (up to 16 KB of it) holds wanted; aborts the test after 10 s. */
void redis_server_wait(struct redis_server *s, const char *command, const char *wanted);

#endif
