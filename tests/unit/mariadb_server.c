/*
 * mariadb_server.c: mariadb-install-db and mariadbd in a temporary directory. PDEATHSIG ends the server
 * with the test.
 */
#include "mariadb_server.h"

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
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

#define READY_LIMIT_S 60
#define POLL_MS 50
#define ARGV_MAX 48

struct mariadb_server {
	char *dir, *socket;
	int port, id;
	pid_t pid;
};

static void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

static void
die(const char *fmt, ...)
{
	va_list ap;

	fputs("mariadb for the test: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}

static int
free_port(void)
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

/* What it reads comes from input, what it says goes to the log in dir. */
static pid_t
spawn(const char *dir, char *const *argv, const char *input)
{
	char *log = mem_printf("%s/log", dir);
	int pipes[2] = { -1, -1 };
	pid_t pid;

	if (input != NULL && pipe2(pipes, O_CLOEXEC) != 0)
		die("pipe: %s", strerror(errno));
	if ((pid = fork()) == -1)
		die("fork: %s", strerror(errno));
	if (pid == 0) {
		int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(input != NULL ? pipes[0] : open("/dev/null", O_RDONLY), STDIN_FILENO);
		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
		/* The test may run under valgrind; the server must not. */
		unsetenv("LD_PRELOAD");
		/* A server that starts removes the temporary tables of all in its directory. */
		setenv("TMPDIR", dir, 1);
		execvp(argv[0], argv);
		_exit(127);
	}
	if (input != NULL) {
		if (write(pipes[1], input, strlen(input)) != (ssize_t)strlen(input))
			die("write: %s", strerror(errno));
		close(pipes[0]);
		close(pipes[1]);
	}
	free(log);
	return pid;
}

static int
finish(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		die("waitpid: %s", strerror(errno));
	return status;
}

static void
install(struct mariadb_server *s)
{
	char *data = mem_printf("--datadir=%s/data", s->dir);
	char *argv[] = { (char *)"mariadb-install-db", (char *)"--no-defaults", data,
		(char *)"--auth-root-authentication-method=normal", (char *)"--skip-test-db",
		(char *)"--innodb-log-file-size=8M", (char *)"--user=root", NULL };

	if (geteuid() != 0)
		argv[6] = NULL;
	if (finish(spawn(s->dir, argv, NULL)) != 0)
		die("mariadb-install-db failed, see %s/log", s->dir);
	free(data);
}

static char *
expand(const struct mariadb_server *s, const char *text)
{
	const char *at = strstr(text, "@DIR@");

	if (at == NULL)
		return mem_strdup(text);
	return mem_printf("%.*s%s%s", (int)(at - text), text, s->dir, at + 5);
}

static void
launch(struct mariadb_server *s, const char *const *options)
{
	char *argv[ARGV_MAX];
	size_t n = 0;

	argv[n++] = mem_strdup("/usr/sbin/mariadbd");
	argv[n++] = mem_strdup("--no-defaults");
	argv[n++] = mem_printf("--datadir=%s/data", s->dir);
	argv[n++] = mem_printf("--socket=%s", s->socket);
	argv[n++] = mem_printf("--pid-file=%s/pid", s->dir);
	argv[n++] = mem_printf("--port=%d", s->port);
	argv[n++] = mem_printf("--server-id=%d", s->id);
	argv[n++] = mem_printf("--gtid-domain-id=%d", s->id);
	argv[n++] = mem_strdup("--bind-address=127.0.0.1");
	argv[n++] = mem_strdup("--skip-name-resolve");
	argv[n++] = mem_strdup("--log-bin=binlog");
	argv[n++] = mem_strdup("--log-slave-updates");
	argv[n++] = mem_strdup("--innodb-buffer-pool-size=16M");
	argv[n++] = mem_strdup("--innodb-log-file-size=8M");
	argv[n++] = mem_strdup("--key-buffer-size=1M");
	argv[n++] = mem_strdup("--slave-net-timeout=10");
	if (geteuid() == 0)
		argv[n++] = mem_strdup("--user=root");
	for (size_t i = 0; options != NULL && options[i] != NULL && n + 1 < ARGV_MAX; i++)
		argv[n++] = expand(s, options[i]);
	argv[n] = NULL;
	s->pid = spawn(s->dir, argv, NULL);
	for (size_t i = 0; i < n; i++)
		free(argv[i]);
}

static pid_t
client(const struct mariadb_server *s, const char *sql)
{
	char *socket_option = mem_printf("--socket=%s", s->socket);
	char *argv[] = { (char *)"mariadb", (char *)"--no-defaults", (char *)"--user=root",
		socket_option, NULL };
	pid_t pid = spawn(s->dir, argv, sql);

	free(socket_option);
	return pid;
}

int
mariadb_server_try(const struct mariadb_server *s, const char *sql)
{
	return finish(client(s, sql)) == 0 ? 0 : -1;
}

void
mariadb_server_run(const struct mariadb_server *s, const char *sql)
{
	if (mariadb_server_try(s, sql) != 0)
		die("\"%s\" failed, see %s/log", sql, s->dir);
}

pid_t
mariadb_server_hold(const struct mariadb_server *s, const char *sql)
{
	return client(s, sql);
}

struct mariadb_server *
mariadb_server_start(int id, const char *const *options)
{
	const struct timespec pause = { .tv_nsec = POLL_MS * 1000000L };
	struct mariadb_server *s = mem_alloc(sizeof(*s));

	s->dir = mem_strdup("/tmp/pm-mariadb-XXXXXX");
	s->id = id;
	s->port = free_port();
	if (mkdtemp(s->dir) == NULL)
		die("mkdtemp: %s", strerror(errno));
	s->socket = mem_printf("%s/socket", s->dir);
	install(s);
	launch(s, options);
	for (int i = 0; mariadb_server_try(s, "SELECT 1") != 0; i++) {
		if (i >= READY_LIMIT_S * 1000 / POLL_MS || waitpid(s->pid, NULL, WNOHANG) != 0)
			die("it does not start, see %s/log", s->dir);
		nanosleep(&pause, NULL);
	}
	mariadb_server_run(s, "SET SESSION sql_log_bin = 0;"
			      "CREATE USER 'watch'@'%' IDENTIFIED BY 'secret';"
			      "GRANT REPLICA MONITOR, PROCESS ON *.* TO 'watch'@'%';"
			      "CREATE USER 'replica'@'%' IDENTIFIED BY 'replica';"
			      "GRANT REPLICATION SLAVE ON *.* TO 'replica'@'%';");
	return s;
}

void
mariadb_server_follow(const struct mariadb_server *s, const struct mariadb_server *source)
{
	char *sql = mem_printf("CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=%d,"
			       "MASTER_USER='replica', MASTER_PASSWORD='replica',"
			       "MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1,"
			       "MASTER_HEARTBEAT_PERIOD=1; START SLAVE",
	    source->port);

	mariadb_server_run(s, sql);
	free(sql);
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
mariadb_server_stop(struct mariadb_server *s)
{
	if (s == NULL)
		return;
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	nftw(s->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	free(s->dir);
	free(s->socket);
	free(s);
}

const char *
mariadb_server_dir(const struct mariadb_server *s)
{
	return s->dir;
}

int
mariadb_server_port(const struct mariadb_server *s)
{
	return s->port;
}

pid_t
mariadb_server_pid(const struct mariadb_server *s)
{
	return s->pid;
}
