/*
 * redis_server.c: starts Redis as a child that dies with us (PR_SET_PDEATHSIG) and asks it over a plain
 * socket: the client under test is not used to prepare its own test.
 */
#include "redis_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

#define WAIT_S 10
#define POLL_MS 10
#define REPLY_SIZE 16384

struct redis_server {
	char *dir;
	int port;
	pid_t pid;
	char reply[REPLY_SIZE];
};

static void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

static void
die(const char *fmt, ...)
{
	va_list ap;

	fputs("redis for the test: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}

int
redis_server_free_port(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&in, len) != 0 ||
	    getsockname(fd, (struct sockaddr *)&in, &len) != 0)
		die("no free port");
	close(fd);
	return ntohs(in.sin_port);
}

static void
write_config(const struct redis_server *s, const char *config)
{
	char *path = mem_printf("%s/conf", s->dir);
	FILE *f = fopen(path, "we");

	if (f == NULL)
		die("%s: %s", path, strerror(errno));
	/* The test's own port line comes later and wins: "port 0" with "tls-port @PORT@". */
	fprintf(f, "port %d\nbind 127.0.0.1\nprotected-mode no\ndir %s\n", s->port, s->dir);
	for (const char *p = config; p != NULL && *p != '\0';) {
		if (strncmp(p, "@DIR@", 5) == 0) {
			fputs(s->dir, f);
			p += 5;
		} else if (strncmp(p, "@PORT@", 6) == 0) {
			fprintf(f, "%d", s->port);
			p += 6;
		} else {
			fputc(*p++, f);
		}
	}
	fputc('\n', f);
	fclose(f);
	free(path);
}

static void
spawn(struct redis_server *s, const char *option)
{
	int log;

	if ((s->pid = fork()) == -1)
		die("fork: %s", strerror(errno));
	if (s->pid > 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (chdir(s->dir) == -1 ||
	    (log = open("log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) == -1)
		_exit(126);
	dup2(log, STDOUT_FILENO);
	dup2(log, STDERR_FILENO);
	/* A test of ours may run under valgrind; Redis must not. */
	unsetenv("LD_PRELOAD");
	execlp("redis-server", "redis-server", "conf", option, (char *)NULL);
	_exit(127);
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

static void
pause_shortly(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = POLL_MS * 1000000L }, NULL);
}

static struct redis_server *
start(const char *config, const char *option)
{
	struct redis_server *s = mem_alloc(sizeof(*s));
	int status, fd;

	s->dir = mem_strdup("/tmp/pm-redis-XXXXXX");
	if (mkdtemp(s->dir) == NULL)
		die("mkdtemp: %s", strerror(errno));
	s->port = redis_server_free_port();
	write_config(s, config);
	spawn(s, option);
	for (int i = 0; i < WAIT_S * 1000 / POLL_MS; i++) {
		if (waitpid(s->pid, &status, WNOHANG) == s->pid)
			die("it ended, see %s/log", s->dir);
		if ((fd = connect_to(s)) != -1) {
			close(fd);
			return s;
		}
		pause_shortly();
	}
	die("not ready after %d s, see %s/log", WAIT_S, s->dir);
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

static int
remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void
redis_server_stop(struct redis_server *s)
{
	if (s == NULL)
		return;
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	nftw(s->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	free(s->dir);
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
		pause_shortly();
	}
	die("%s never said %s; see %s/log", command, wanted, s->dir);
}
