/*
 * server_child.c: PR_SET_PDEATHSIG ends the child with the test, however that ends.
 */
#include "server_child.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

#define PORT_TRIES 200
/* Below the ephemeral range: there a client might be given it before the server has it. */
#define PORT_FIRST 10000
#define PORT_COUNT 22000

void
server_child_die(const char *what, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s for the test: ", what);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}

int
server_child_port(void)
{
	for (int tries = 0; tries < PORT_TRIES; tries++) {
		struct sockaddr_in in = { .sin_family = AF_INET,
			.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		uint16_t random = 0;
		bool is_free;

		if (getrandom(&random, sizeof(random), 0) != sizeof(random))
			server_child_die("a port", "getrandom: %s", strerror(errno));
		in.sin_port = htons((uint16_t)(PORT_FIRST + random % PORT_COUNT));
		is_free = bind(tcp, (struct sockaddr *)&in, sizeof(in)) == 0 &&
			  bind(udp, (struct sockaddr *)&in, sizeof(in)) == 0;
		close(tcp);
		close(udp);
		if (is_free)
			return ntohs(in.sin_port);
	}
	server_child_die("a port", "none is free");
}

char *
server_child_dir(const char *pattern)
{
	char *dir = mem_strdup(pattern);

	if (mkdtemp(dir) == NULL)
		server_child_die(dir, "mkdtemp: %s", strerror(errno));
	return dir;
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
server_child_remove(char *dir)
{
	nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	free(dir);
}

char *
server_child_fill(const char *text, const char *dir, int port)
{
	struct str out = STR_INIT;

	for (const char *p = text; p != NULL && *p != '\0';) {
		if (strncmp(p, "@DIR@", 5) == 0) {
			str_adds(&out, dir);
			p += 5;
		} else if (strncmp(p, "@PORT@", 6) == 0) {
			str_addf(&out, "%d", port);
			p += 6;
		} else {
			str_addc(&out, *p++);
		}
	}
	return str_take(&out);
}

static void
be_child(const char *dir, char *const *argv, int input)
{
	int log;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (chdir(dir) == -1 ||
	    (log = open("log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) == -1)
		_exit(126);
	dup2(input, STDIN_FILENO);
	dup2(log, STDOUT_FILENO);
	dup2(log, STDERR_FILENO);
	/* A test of ours may run under valgrind; the server must not. */
	unsetenv("LD_PRELOAD");
	/* A MariaDB that starts removes the temporary tables of all in its directory. */
	setenv("TMPDIR", dir, 1);
	execvp(argv[0], argv);
	_exit(127);
}

pid_t
server_child_start(const char *dir, char *const *argv, const char *input)
{
	int pipes[2] = { -1, -1 };
	pid_t pid;

	if (input == NULL)
		pipes[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	else if (pipe2(pipes, O_CLOEXEC) != 0)
		server_child_die(argv[0], "pipe: %s", strerror(errno));
	if ((pid = fork()) == -1)
		server_child_die(argv[0], "fork: %s", strerror(errno));
	if (pid == 0)
		be_child(dir, argv, pipes[0]);
	if (input != NULL) {
		if (write(pipes[1], input, strlen(input)) != (ssize_t)strlen(input))
			server_child_die(argv[0], "write: %s", strerror(errno));
		close(pipes[1]);
	}
	close(pipes[0]);
	return pid;
}

int
server_child_wait(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		server_child_die("a child", "waitpid: %s", strerror(errno));
	return status;
}

bool
server_child_ended(pid_t pid)
{
	return waitpid(pid, NULL, WNOHANG) != 0;
}

void
server_child_kill(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

void
server_child_pause(int ms)
{
	nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000L }, NULL);
}
