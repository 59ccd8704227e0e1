/*
 * redis_server.c: starts Redis and asks it over a plain socket: the client under test is not used to
 * prepare its own test.
 */
#include "redis_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/mem.h"
#include "server_child.h"

#define NAME "redis"
#define WAIT_S 30
#define POLL_MS 10
#define REPLY_SIZE 16384

struct redis_server {
	char *dir;
	int port;
	pid_t pid;
	char reply[REPLY_SIZE];
};

static void
write_config(const struct redis_server *s, const char *config)
{
	char *path = mem_printf("%s/conf", s->dir);
	char *filled = server_child_fill(config, s->dir, s->port);
	FILE *f = fopen(path, "we");

	if (f == NULL)
		server_child_die(NAME, "%s: %s", path, strerror(errno));
	/* The test's own port line comes later and wins: "port 0" with "tls-port @PORT@". */
	fprintf(f, "port %d\nbind 127.0.0.1\nprotected-mode no\ndir %s\n", s->port, s->dir);
	fprintf(f, "%s\n", filled);
	fclose(f);
	free(filled);
	free(path);
}

static int
connect_to(const struct redis_server *s)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)s->port) };
	const struct timeval limit = { .tv_sec = 5 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&in, sizeof(in)) == 0)
		return fd;
	close(fd);
	return -1;
}

static struct redis_server *
start(const char *config, const char *option)
{
	struct redis_server *s = mem_alloc(sizeof(*s));
	char *argv[] = { (char *)"redis-server", (char *)"conf", (char *)option, NULL };
	int fd;

	s->dir = server_child_dir("/tmp/pm-redis-XXXXXX");
	s->port = server_child_port();
	write_config(s, config);
	s->pid = server_child_start(s->dir, argv, NULL);
	for (int i = 0; i < WAIT_S * 1000 / POLL_MS; i++) {
		if (server_child_ended(s->pid))
			server_child_die(NAME, "it ended, see %s/log", s->dir);
		if ((fd = connect_to(s)) != -1) {
			close(fd);
			return s;
		}
		server_child_pause(POLL_MS);
	}
	server_child_die(NAME, "not ready after %d s, see %s/log", WAIT_S, s->dir);
}

struct redis_server *
redis_server_start(const char *config)
{
	return start(config, NULL);
}

struct redis_server *
redis_server_start_sentinel(const char *config)
{
	return start(config, "--sentinel");
}

void
redis_server_stop(struct redis_server *s)
{
	if (s == NULL)
		return;
	server_child_kill(s->pid);
	server_child_remove(s->dir);
	free(s);
}

int
redis_server_port(const struct redis_server *s)
{
	return s->port;
}

const char *
redis_server_dir(const struct redis_server *s)
{
	return s->dir;
}

pid_t
redis_server_pid(const struct redis_server *s)
{
	return s->pid;
}

/*
 * Reads until the server closes, for QUIT stands behind the command, or says that it does not know that,
 * as a Sentinel does.
 */
static void
ask(struct redis_server *s, const char *command)
{
	size_t len = 0;
	ssize_t n;
	int fd = connect_to(s);

	s->reply[0] = '\0';
	if (fd == -1)
		return;
	dprintf(fd, "%s\r\nQUIT\r\n", command);
	while (len < REPLY_SIZE - 1 && strstr(s->reply, "'QUIT'") == NULL &&
	       (n = read(fd, s->reply + len, REPLY_SIZE - 1 - len)) > 0) {
		len += (size_t)n;
		s->reply[len] = '\0';
	}
	close(fd);
}

const char *
redis_server_ask(struct redis_server *s, const char *command)
{
	ask(s, command);
	s->reply[strcspn(s->reply, "\r")] = '\0';
	return s->reply;
}

void
redis_server_wait(struct redis_server *s, const char *command, const char *wanted)
{
	for (int i = 0; i < WAIT_S * 1000 / POLL_MS; i++) {
		ask(s, command);
		if (strstr(s->reply, wanted) != NULL)
			return;
		server_child_pause(POLL_MS);
	}
	server_child_die(NAME, "%s never said %s; see %s/log", command, wanted, s->dir);
}
