/*
 * consul_agent.c: starts Consul as a child that dies with us (PR_SET_PDEATHSIG) and asks it over a plain
 * socket whether it is ready: the client under test is not used to prepare its own test.
 */
#include "consul_agent.h"

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
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

#define READY_LIMIT_S 30
#define POLL_MS 20

struct consul_agent {
	char *dir, *address;
	int http_port, extra_port;
	pid_t pid;
};

static void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

static void
die(const char *fmt, ...)
{
	va_list ap;

	fputs("consul for the test: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}

static char *
find_program(void)
{
	const char *named = getenv("CONSUL"), *path = getenv("PATH");
	char *copy, *rest, *dir;

	if (named != NULL && named[0] != '\0')
		return mem_strdup(named);
	rest = copy = mem_strdup(path != NULL ? path : "");
	while ((dir = strsep(&rest, ":")) != NULL) {
		char *program = mem_printf("%s/consul", dir);

		if (access(program, X_OK) == 0) {
			free(copy);
			return program;
		}
		free(program);
	}
	free(copy);
	die("not found: set CONSUL to its path, or run contrib/get-consul once, then make check");
}

/* Free for TCP and UDP just now; Consul's start is tried again when somebody else was faster. */
static int
free_port(void)
{
	for (int tries = 0; tries < 100; tries++) {
		struct sockaddr_in in = { .sin_family = AF_INET,
			.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		socklen_t len = sizeof(in);
		int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		bool is_free = bind(tcp, (struct sockaddr *)&in, len) == 0 &&
			       getsockname(tcp, (struct sockaddr *)&in, &len) == 0 &&
			       bind(udp, (struct sockaddr *)&in, len) == 0;

		close(tcp);
		close(udp);
		if (is_free)
			return ntohs(in.sin_port);
	}
	die("no free port");
}

static void
write_file(const char *dir, const char *name, const char *text)
{
	char *path = mem_printf("%s/%s", dir, name);
	FILE *f = fopen(path, "we");

	if (f == NULL || fputs(text, f) == EOF || fclose(f) == EOF)
		die("%s: %s", path, strerror(errno));
	free(path);
}

/* Consul merges the files of a directory in the order of their names. */
static void
write_config(struct consul_agent *a, const char *extra)
{
	struct str s = STR_INIT;

	str_addf(&s,
	    "{\"bind_addr\": \"127.0.0.1\", \"log_level\": \"info\", \"disable_update_check\": "
	    "true,"
	    " \"performance\": {\"raft_multiplier\": 1}, \"ports\": {\"http\": %d, \"server\": %d,"
	    " \"serf_lan\": %d, \"serf_wan\": %d, \"dns\": -1, \"grpc\": -1}}",
	    a->http_port, free_port(), free_port(), free_port());
	write_file(a->dir, "1.json", str_text(&s));
	str_reset(&s);
	for (const char *p = extra; p != NULL && *p != '\0';) {
		if (strncmp(p, "@DIR@", 5) == 0) {
			str_adds(&s, a->dir);
			p += 5;
		} else if (strncmp(p, "@PORT@", 6) == 0) {
			str_addf(&s, "%d", a->extra_port);
			p += 6;
		} else {
			str_addc(&s, *p++);
		}
	}
	if (extra != NULL)
		write_file(a->dir, "2.json", str_text(&s));
	str_clear(&s);
}

static pid_t
spawn(const char *program, const char *dir, char *const *argv)
{
	pid_t pid = fork();
	int log;

	if (pid == -1)
		die("fork: %s", strerror(errno));
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (chdir(dir) == -1 ||
	    (log = open("log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) == -1)
		_exit(126);
	dup2(log, STDOUT_FILENO);
	dup2(log, STDERR_FILENO);
	/* A test of ours may run under valgrind; Consul must not. */
	unsetenv("LD_PRELOAD");
	execv(program, argv);
	_exit(127);
}

/* The answer's body contains what we wait for. */
static bool
says(const struct consul_agent *a, const char *path, const char *token, const char *wanted)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)a->http_port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct str answer = STR_INIT;
	char buffer[4096];
	const char *body;
	ssize_t n;
	bool is_said = false;

	if (connect(fd, (struct sockaddr *)&in, sizeof(in)) == 0) {
		dprintf(fd, "GET %s HTTP/1.0\r\nX-Consul-Token: %s\r\n\r\n", path, token);
		while ((n = read(fd, buffer, sizeof(buffer))) > 0)
			str_add(&answer, buffer, (size_t)n);
		body = strstr(str_text(&answer), "\r\n\r\n");
		is_said = body != NULL && strstr(body, wanted) != NULL;
	}
	close(fd);
	str_clear(&answer);
	return is_said;
}

/* false when it ended: a port was taken. */
static bool
wait_ready(struct consul_agent *a, const char *token)
{
	const struct timespec pause = { .tv_nsec = POLL_MS * 1000000L };

	for (int i = 0; i < READY_LIMIT_S * 1000 / POLL_MS; i++) {
		if (waitpid(a->pid, NULL, WNOHANG) == a->pid) {
			a->pid = 0;
			return false;
		}
		if (says(a, "/v1/status/leader", token, ":") &&
		    says(a, "/v1/health/state/passing", token, "serfHealth"))
			return true;
		nanosleep(&pause, NULL);
	}
	die("not ready after %d s, see %s/log", READY_LIMIT_S, a->dir);
}

struct consul_agent *
consul_agent_start_with(const char *extra, const char *token)
{
	struct consul_agent *a = mem_alloc(sizeof(*a));
	char *program = find_program();
	char *argv[] = { program, (char *)"agent", (char *)"-dev", (char *)"-config-dir=.",
		(char *)"-node=test-node", NULL };

	a->dir = mem_strdup("/tmp/pm-consul-XXXXXX");
	if (mkdtemp(a->dir) == NULL)
		die("mkdtemp: %s", strerror(errno));
	for (int tries = 0;; tries++) {
		a->http_port = free_port();
		a->extra_port = free_port();
		write_config(a, extra);
		a->pid = spawn(program, a->dir, argv);
		if (wait_ready(a, token != NULL ? token : ""))
			break;
		if (tries == 2)
			die("%s does not start, see %s/log", program, a->dir);
	}
	a->address = mem_printf("http://127.0.0.1:%d", a->http_port);
	free(program);
	return a;
}

struct consul_agent *
consul_agent_start(void)
{
	return consul_agent_start_with(NULL, NULL);
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
consul_agent_remove(char *dir)
{
	nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	free(dir);
}

void
consul_agent_stop(struct consul_agent *a)
{
	if (a == NULL)
		return;
	kill(a->pid, SIGKILL);
	waitpid(a->pid, NULL, 0);
	consul_agent_remove(a->dir);
	free(a->address);
	free(a);
}

const char *
consul_agent_address(const struct consul_agent *a)
{
	return a->address;
}

const char *
consul_agent_dir(const struct consul_agent *a)
{
	return a->dir;
}

int
consul_agent_extra_port(const struct consul_agent *a)
{
	return a->extra_port;
}

int
consul_agent_pid(const struct consul_agent *a)
{
	return a->pid;
}

void
consul_agent_run(const char *dir, const char *const *arguments)
{
	char *program = find_program(), *argv[16] = { program };
	int status;
	pid_t pid;

	for (size_t i = 0; arguments[i] != NULL && i + 2 < MEM_COUNT(argv); i++)
		argv[i + 1] = (char *)arguments[i];
	pid = spawn(program, dir, argv);
	if (waitpid(pid, &status, 0) != pid || status != 0)
		die("%s %s failed, see %s/log", program, arguments[0], dir);
	free(program);
}

char *
consul_agent_certificates(void)
{
	static const char *const steps[][5] = {
		{ "tls", "ca", "create" },
		{ "tls", "cert", "create", "-server" },
		{ "tls", "cert", "create", "-client" },
	};
	char *dir = mem_strdup("/tmp/pm-tls-XXXXXX");

	if (mkdtemp(dir) == NULL)
		die("mkdtemp: %s", strerror(errno));
	for (size_t i = 0; i < MEM_COUNT(steps); i++)
		consul_agent_run(dir, steps[i]);
	return dir;
}
