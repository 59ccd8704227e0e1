/*
 * failover_floor.c: the least that any failover costs, made by hand: sessions that are open already, one
 * statement after the other, nothing checked, nothing written down, nothing to go back to. bench/failover.py
 * compares `pointsman failover` with it in the same run; the tests use it to see that their own instruments
 * work. Linked with nothing of ours.
 *
 *	failover_floor ACCOUNT FROM TO CONSUL KEY VALUE
 *
 * ACCOUNT is an option file, FROM, TO and CONSUL are address:port. Waits until TO follows closely, makes FROM
 * read-only, waits until TO has FROM's last transaction, PUTs VALUE under KEY, makes TO writable. Prints the
 * milliseconds of each. When TO does not catch up within a second, FROM is made writable again.
 */
#include <arpa/inet.h>
#include <err.h>
#include <mysql.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CLOSE_MS 2.0 /* a standby that is so near is near enough */
#define PATIENCE 200 /* times that this is looked for */
#define POSITION_MAX 4096

struct dialect {
	const char *position, *wait, *fence, *lift;
};

/* MariaDB: of its own domain only. What the other one once wrote, the other one has. */
static const struct dialect mariadb = {
	"SELECT REGEXP_SUBSTR(@@GLOBAL.gtid_binlog_pos,"
	" CONCAT('\\\\b', @@GLOBAL.gtid_domain_id, '-[0-9]+-[0-9]+'))",
	"SELECT MASTER_GTID_WAIT", "SET GLOBAL read_only = 1", "SET GLOBAL read_only = 0"
};
static const struct dialect mysql = { "SELECT @@GLOBAL.gtid_executed",
	"SELECT WAIT_FOR_EXECUTED_GTID_SET", "SET GLOBAL super_read_only = 1",
	"SET GLOBAL read_only = 0" };

static double
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1000 + (double)t.tv_nsec / 1e6;
}

static unsigned
split(const char *endpoint, char host[64])
{
	unsigned port;

	if (sscanf(endpoint, "%63[^:]:%u", host, &port) != 2)
		errx(2, "%s is not an address and a port", endpoint);
	return port;
}

static MYSQL *
dial_mysql(const char *account, const char *endpoint)
{
	char host[64];
	unsigned port = split(endpoint, host);
	MYSQL *m = mysql_init(NULL);

	mysql_options(m, MYSQL_READ_DEFAULT_FILE, account);
	mysql_options(m, MYSQL_READ_DEFAULT_GROUP, "client");
	if (!mysql_real_connect(m, host, NULL, NULL, NULL, port, NULL, 0))
		errx(1, "%s: %s", endpoint, mysql_error(m));
	return m;
}

static int
dial_consul(const char *endpoint)
{
	char host[64];
	struct sockaddr_in to = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	to.sin_port = htons((unsigned short)split(endpoint, host));
	if (inet_pton(AF_INET, host, &to.sin_addr) != 1 || fd < 0 ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		err(1, "%s", endpoint);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static void
put(int fd, const char *key, const char *value)
{
	char text[1024];
	size_t len = 0;
	ssize_t n;

	snprintf(text, sizeof(text),
	    "PUT /v1/kv/%s HTTP/1.1\r\nHost: consul\r\nContent-Length: %zu\r\n\r\n%s", key,
	    strlen(value), value);
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		err(1, "Consul");
	do {
		n = read(fd, text + len, sizeof(text) - 1 - len);
		if (n <= 0)
			errx(1, "Consul gave no answer");
		len += (size_t)n;
		text[len] = '\0';
	} while (strstr(text, "\r\n\r\ntrue") == NULL && len < sizeof(text) - 1);
}

static void
run(MYSQL *m, const char *sql)
{
	if (mysql_query(m, sql) != 0)
		errx(1, "%s: %s", sql, mysql_error(m));
}

static void
value(MYSQL *m, const char *sql, char *out, size_t size)
{
	MYSQL_RES *result;
	MYSQL_ROW row;

	run(m, sql);
	result = mysql_store_result(m);
	row = result != NULL ? mysql_fetch_row(result) : NULL;
	snprintf(out, size, "%s", row != NULL && row[0] != NULL ? row[0] : "");
	mysql_free_result(result);
}

/* Whether to has within a second what from has now. */
static int
catch_up(MYSQL *from, MYSQL *to, const struct dialect *d)
{
	char position[POSITION_MAX], sql[POSITION_MAX + 64], result[16];

	value(from, d->position, position, sizeof(position));
	if (position[0] == '\0')
		return 1;
	snprintf(sql, sizeof(sql), "%s('%s', 1)", d->wait, position);
	value(to, sql, result, sizeof(result));
	return strcmp(result, "0") == 0;
}

int
main(int argc, char **argv)
{
	const struct dialect *d;
	double began, fenced, caught, moved, lifted;
	MYSQL *from, *to;
	int consul;

	if (argc != 7)
		errx(2, "usage: failover_floor ACCOUNT FROM TO CONSUL KEY VALUE");
	from = dial_mysql(argv[1], argv[2]);
	to = dial_mysql(argv[1], argv[3]);
	consul = dial_consul(argv[4]);
	d = mariadb_connection(from) ? &mariadb : &mysql;
	run(from, "SET SESSION lock_wait_timeout = 1");
	for (int i = 0; i < PATIENCE; i++) {
		began = now_ms();
		if (catch_up(from, to, d) && now_ms() - began < CLOSE_MS)
			break;
	}
	began = now_ms();
	run(from, d->fence);
	fenced = now_ms();
	if (!catch_up(from, to, d)) {
		run(from, d->lift);
		errx(1, "%s did not catch up, %s is writable again", argv[3], argv[2]);
	}
	caught = now_ms();
	put(consul, argv[5], argv[6]);
	moved = now_ms();
	run(to, d->lift);
	lifted = now_ms();
	printf("{\"fence\": %.3f, \"catch_up\": %.3f, \"flip\": %.3f, \"lift\": %.3f, \"all\": "
	       "%.3f}\n",
	    fenced - began, caught - fenced, moved - caught, lifted - moved, lifted - began);
	mysql_close(from);
	mysql_close(to);
	return 0;
}
