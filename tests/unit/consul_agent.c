/*
 * consul_agent.c: starts Consul and asks it over a plain socket whether it is ready: the client under
 * test is not used to prepare its own test.
 */
#include "consul_agent.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "server_child.h"

#define NAME "consul"
#define READY_LIMIT_S 30
#define POLL_MS 20

struct consul_agent {
	char *dir, *address;
	int http_port, extra_port;
	pid_t pid;
};

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
	server_child_die(NAME,
	    "not found: set CONSUL to its path, or run contrib/get-consul once, then make check");
}

static void
write_file(const char *dir, const char *name, const char *text)
{
	char *path = mem_printf("%s/%s", dir, name);
	FILE *f = fopen(path, "we");

	if (f == NULL || fputs(text, f) == EOF || fclose(f) == EOF)
		server_child_die(NAME, "%s: %s", path, strerror(errno));
	free(path);
}

/*
 * Consul merges the files of a directory in the order of their names. It hangs up where a handshake
 * takes more than 5 s, which under valgrind on a busy machine happens.
 */
static void
write_config(struct consul_agent *a, const char *extra)
{
	struct str s = STR_INIT;
	char *filled;

	str_addf(&s,
	    "{\"bind_addr\": \"127.0.0.1\", \"log_level\": \"info\", \"disable_update_check\": "
	    "true,"
	    " \"limits\": {\"https_handshake_timeout\": \"60s\"},"
	    " \"performance\": {\"raft_multiplier\": 1}, \"ports\": {\"http\": %d, \"server\": %d,"
	    " \"serf_lan\": %d, \"serf_wan\": %d, \"dns\": -1, \"grpc\": -1}}",
	    a->http_port, server_child_port(), server_child_port(), server_child_port());
	write_file(a->dir, "1.json", str_text(&s));
	str_clear(&s);
	if (extra == NULL)
		return;
	filled = server_child_fill(extra, a->dir, a->extra_port);
	write_file(a->dir, "2.json", filled);
	free(filled);
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
	for (int i = 0; i < READY_LIMIT_S * 1000 / POLL_MS; i++) {
		if (server_child_ended(a->pid)) {
			a->pid = 0;
			return false;
		}
		if (says(a, "/v1/status/leader", token, ":") &&
		    says(a, "/v1/health/state/passing", token, "serfHealth"))
			return true;
		server_child_pause(POLL_MS);
	}
	server_child_die(NAME, "not ready after %d s, see %s/log", READY_LIMIT_S, a->dir);
}

struct consul_agent *
consul_agent_start_with(const char *extra, const char *token)
{
	struct consul_agent *a = mem_alloc(sizeof(*a));
	char *program = find_program();
	char *argv[] = { program, (char *)"agent", (char *)"-dev", (char *)"-config-dir=.",
		(char *)"-node=test-node", NULL };

	a->dir = server_child_dir("/tmp/pm-consul-XXXXXX");
	for (int tries = 0;; tries++) {
		a->http_port = server_child_port();
		a->extra_port = server_child_port();
		write_config(a, extra);
		a->pid = server_child_start(a->dir, argv, NULL);
		if (wait_ready(a, token != NULL ? token : ""))
			break;
		if (tries == 2)
			server_child_die(NAME, "%s does not start, see %s/log", program, a->dir);
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

void
consul_agent_stop(struct consul_agent *a)
{
	if (a == NULL)
		return;
	server_child_kill(a->pid);
	server_child_remove(a->dir);
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

	for (size_t i = 0; arguments[i] != NULL && i + 2 < MEM_COUNT(argv); i++)
		argv[i + 1] = (char *)arguments[i];
	if (server_child_wait(server_child_start(dir, argv, NULL)) != 0)
		server_child_die(NAME, "%s %s failed, see %s/log", program, arguments[0], dir);
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
	char *dir = server_child_dir("/tmp/pm-tls-XXXXXX");

	for (size_t i = 0; i < MEM_COUNT(steps); i++)
		consul_agent_run(dir, steps[i]);
	return dir;
}
