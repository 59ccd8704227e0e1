/*
 * check_floor.c: the least that any program pays to look at so many servers so often. bench/checks.py
 * compares pointsmand with it in the same run on the same machine, so that the figures speak about our
 * work and not about the servers, the kernel or the day.
 *
 *   check_floor SECONDS INTERVAL_MS COUNT TCP_PORT REDIS_PORT HTTP_PORT MYSQL_PORT USER PASSWORD
 *
 * COUNT targets of each kind, all on 127.0.0.1, in a loop that sleeps between two of them and waits for
 * each answer: tcp connects and closes, redis asks INFO on a kept connection, http connects and GETs,
 * mysql asks what the check asks, on a kept connection. Nothing is parsed, judged, remembered or told, and
 * a server that hangs would stop it: it keeps none of the promises. Linked with nothing of ours.
 */
#include <arpa/inet.h>
#include <err.h>
#include <mysql.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum kind { TCP, REDIS, HTTP, MARIADB, KINDS };

struct target {
	enum kind kind;
	int fd;
	MYSQL *mysql;
};

static int ports[KINDS];
static char answer[1 << 16];

static double
now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int
dial(int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons((unsigned short)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		err(1, "connect to port %d", port);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static void
ask(int fd, const char *question)
{
	if (write(fd, question, strlen(question)) < 0 || read(fd, answer, sizeof(answer)) < 0)
		err(1, "ask");
}

static void
ask_mysql(MYSQL *m)
{
	/* What the check of the type mysql asks, and no more. */
	static const char *const questions[] = {
		"SELECT @@GLOBAL.read_only, @@GLOBAL.server_id, @@GLOBAL.gtid_binlog_state,"
		" @@GLOBAL.max_connections",
		"SHOW ALL SLAVES STATUS",
		"SHOW GLOBAL STATUS WHERE Variable_name IN ('Threads_connected',"
		" 'Rpl_semi_sync_master_status', 'Rpl_semi_sync_master_wait_sessions')",
		"SELECT USER, TIME_MS / 1000, STATE, LEFT(INFO, 60) FROM"
		" information_schema.PROCESSLIST WHERE COMMAND IN ('Query', 'Execute', 'Connect',"
		" 'Slave_SQL', 'Slave_worker') AND ID <> CONNECTION_ID() ORDER BY TIME DESC LIMIT "
		"200",
		"SELECT GLOBAL_VALUE_ORIGIN FROM information_schema.SYSTEM_VARIABLES"
		" WHERE VARIABLE_NAME = 'READ_ONLY'",
	};

	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
		if (mysql_query(m, questions[i]) != 0)
			errx(1, "mysql: %s", mysql_error(m));
		mysql_free_result(mysql_store_result(m));
	}
}

static void
look(struct target *t)
{
	int fd;

	switch (t->kind) {
	case TCP:
		close(dial(ports[TCP]));
		break;
	case HTTP:
		fd = dial(ports[HTTP]);
		ask(fd, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
		close(fd);
		break;
	case REDIS:
		ask(t->fd, "INFO\r\n");
		break;
	default:
		ask_mysql(t->mysql);
		break;
	}
}

static struct target
open_target(enum kind kind, char **argv)
{
	struct target t = { .kind = kind, .fd = -1 };

	if (kind == REDIS)
		t.fd = dial(ports[REDIS]);
	if (kind == MARIADB) {
		t.mysql = mysql_init(NULL);
		if (mysql_real_connect(t.mysql, "127.0.0.1", argv[8], argv[9], NULL,
			(unsigned)ports[MARIADB], NULL, 0) == NULL)
			errx(1, "mysql: %s", mysql_error(t.mysql));
	}
	return t;
}

int
main(int argc, char **argv)
{
	if (argc != 10)
		errx(2, "usage: check_floor SECONDS INTERVAL_MS COUNT PORT... USER PASSWORD");
	double seconds = atof(argv[1]), interval_s = atof(argv[2]) / 1000;
	size_t count = (size_t)atoi(argv[3]) * KINDS, looks = 0;
	struct target *targets = calloc(count, sizeof(*targets));
	struct rusage before, after;

	for (int k = 0; k < KINDS; k++)
		ports[k] = atoi(argv[4 + k]);
	for (size_t i = 0; i < count; i++)
		targets[i] = open_target((enum kind)(i % KINDS), argv);
	getrusage(RUSAGE_SELF, &before);

	double began = now_s();

	while (now_s() - began < seconds) {
		double due = began + interval_s * (double)looks / (double)count;
		double wait = due - now_s();

		if (wait > 0)
			usleep((useconds_t)(wait * 1e6));
		look(&targets[looks++ % count]);
	}
	getrusage(RUSAGE_SELF, &after);

	double cpu_s = (double)(after.ru_utime.tv_sec - before.ru_utime.tv_sec) +
		       (double)(after.ru_utime.tv_usec - before.ru_utime.tv_usec) / 1e6 +
		       (double)(after.ru_stime.tv_sec - before.ru_stime.tv_sec) +
		       (double)(after.ru_stime.tv_usec - before.ru_stime.tv_usec) / 1e6;

	printf("%zu %.6f %.6f %ld\n", looks, cpu_s, now_s() - began, after.ru_maxrss);
	return 0;
}
