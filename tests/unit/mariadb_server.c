/* mariadb_server.c: mariadb-install-db and mariadbd in a temporary directory. */
#include "mariadb_server.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "server_child.h"

#define NAME "mariadb"
#define READY_LIMIT_S 60
#define POLL_MS 50
#define ARGV_MAX 48

struct mariadb_server {
	char *dir, *socket;
	int port, id;
	pid_t pid;
};

static void
install(struct mariadb_server *s)
{
	char *data = mem_printf("--datadir=%s/data", s->dir);
	char *argv[] = { (char *)"mariadb-install-db", (char *)"--no-defaults", data,
		(char *)"--auth-root-authentication-method=normal", (char *)"--skip-test-db",
		(char *)"--innodb-log-file-size=8M", (char *)"--user=root", NULL };

	if (geteuid() != 0)
		argv[6] = NULL;
	if (server_child_wait(server_child_start(s->dir, argv, NULL)) != 0)
		server_child_die(NAME, "mariadb-install-db failed, see %s/log", s->dir);
	free(data);
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
		argv[n++] = server_child_fill(options[i], s->dir, s->port);
	argv[n] = NULL;
	s->pid = server_child_start(s->dir, argv, NULL);
	for (size_t i = 0; i < n; i++)
		free(argv[i]);
}

static pid_t
client(const struct mariadb_server *s, const char *sql)
{
	char *socket_option = mem_printf("--socket=%s", s->socket);
	char *argv[] = { (char *)"mariadb", (char *)"--no-defaults", (char *)"--user=root",
		socket_option, NULL };
	pid_t pid = server_child_start(s->dir, argv, sql);

	free(socket_option);
	return pid;
}

int
mariadb_server_try(const struct mariadb_server *s, const char *sql)
{
	return server_child_wait(client(s, sql)) == 0 ? 0 : -1;
}

void
mariadb_server_run(const struct mariadb_server *s, const char *sql)
{
	if (mariadb_server_try(s, sql) != 0)
		server_child_die(NAME, "\"%s\" failed, see %s/log", sql, s->dir);
}

pid_t
mariadb_server_hold(const struct mariadb_server *s, const char *sql)
{
	return client(s, sql);
}

struct mariadb_server *
mariadb_server_start(int id, const char *const *options)
{
	struct mariadb_server *s = mem_alloc(sizeof(*s));

	s->dir = server_child_dir("/tmp/pm-mariadb-XXXXXX");
	s->id = id;
	s->port = server_child_port();
	s->socket = mem_printf("%s/socket", s->dir);
	install(s);
	launch(s, options);
	for (int i = 0; mariadb_server_try(s, "SELECT 1") != 0; i++) {
		if (i >= READY_LIMIT_S * 1000 / POLL_MS || server_child_ended(s->pid))
			server_child_die(NAME, "it does not start, see %s/log", s->dir);
		server_child_pause(POLL_MS);
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

void
mariadb_server_stop(struct mariadb_server *s)
{
	if (s == NULL)
		return;
	server_child_kill(s->pid);
	server_child_remove(s->dir);
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
