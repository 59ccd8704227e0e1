/*
 * floor.c: the least that any program pays to carry names from Consul to a hosts file. The bench
 * compares pointsmand with it in the same run on the same machine, so that the figures speak about
 * our work and not about Consul, the disk or the day.
 *
 *   floor ADDRESS PORT PREFIX DOMAIN FILE [PIDFILE]
 *
 * Two blocking queries over two kept connections: the names below PREFIX and the catalog's nodes.
 * Whichever answers is scanned by hand (no JSON library), names are joined with nodes through a
 * hash table, printed to a temporary file, which is fsynced and renamed over FILE; then the process
 * of PIDFILE, if one is given, gets SIGHUP.
 *
 * It keeps none of the promises: it believes every answer, empties the file when the prefix is
 * empty, checks no name and no address, knows no deadline, and dies of the first error. That is the
 * point: nothing is here that could be left out. It is linked with nothing of ours and lives in one
 * file, and the scanners know the order in which Consul prints its members, which real code must
 * not. It is not slow on purpose either: no allocation per name, one fwrite buffer for the file.
 */
#include <arpa/inet.h>
#include <err.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

/* One kept connection and its growing buffer; what is past `used` belongs to the next answer. */
struct conn {
	int fd;
	const char *host;
	char *buf;
	size_t len, cap;
};

/* A blocking query: asked, then read when its socket is readable. */
struct query {
	struct conn conn;
	const char *path;
	uint64_t index;
};

struct node {
	const char *name, *address; /* into struct node_table.text */
	size_t name_len, address_len;
};

struct node_table {
	char *text; /* a copy of the answer that the slots point into */
	struct node *slots;
	size_t slot_count; /* a power of two */
};

struct target {
	const char *domain, *path, *pidfile;
	char *temp_path;
	size_t prefix_len;
};

static int
conn_open(const char *address, const char *port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	int fd, one = 1;

	sin.sin_port = htons((uint16_t)atoi(port));
	if (inet_pton(AF_INET, address, &sin.sin_addr) != 1)
		errx(2, "%s is not an IPv4 address", address);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0)
		err(1, "connect %s:%s", address, port);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static void
query_send(struct query *q)
{
	char request[1024];
	int len;

	len = snprintf(request, sizeof(request),
	    "GET %s%sindex=%" PRIu64 "&wait=60s HTTP/1.1\r\nHost: %s\r\n\r\n", q->path,
	    strchr(q->path, '?') != NULL ? "&" : "?", q->index, q->conn.host);
	if (len < 0 || (size_t)len >= sizeof(request))
		errx(2, "the prefix is too long");
	if (write(q->conn.fd, request, (size_t)len) != len)
		err(1, "write to Consul");
}

/* Reads once more; the buffer always ends in NUL. */
static void
conn_fill(struct conn *c)
{
	ssize_t n;

	if (c->cap - c->len < 65536) {
		c->cap = c->cap * 2 + 131072;
		c->buf = realloc(c->buf, c->cap);
		if (c->buf == NULL)
			err(1, "realloc");
	}
	n = read(c->fd, c->buf + c->len, c->cap - c->len - 1);
	if (n <= 0)
		errx(1, "Consul closed the connection");
	c->len += (size_t)n;
	c->buf[c->len] = '\0';
}

static const char *
header_find(const char *head, const char *name)
{
	const char *line;
	size_t len = strlen(name);

	for (line = strstr(head, "\r\n"); line != NULL && line[2] != '\r';
	     line = strstr(line, "\r\n")) {
		line += 2;
		if (strncasecmp(line, name, len) == 0 && line[len] == ':')
			return line + len + 1 + strspn(line + len + 1, " ");
	}
	return NULL;
}

/* Joins the chunks that begin at c->buf + at, in place. Returns where the body ends. */
static size_t
chunks_join(struct conn *c, size_t at)
{
	size_t out = at, size;
	char *end;

	for (;;) {
		while ((end = strstr(c->buf + at, "\r\n")) == NULL)
			conn_fill(c);
		size = strtoul(c->buf + at, NULL, 16);
		at = (size_t)(end - c->buf) + 2;
		while (c->len < at + size + 2)
			conn_fill(c);
		memmove(c->buf + out, c->buf + at, size);
		out += size;
		at += size + 2;
		if (size == 0)
			return out;
	}
}

/* Reads one whole answer. Returns its body, NUL-terminated, good until the next query. */
static char *
query_read(struct query *q)
{
	struct conn *c = &q->conn;
	const char *value;
	size_t head_len, end;
	char *p;

	c->len = 0;
	do
		conn_fill(c);
	while ((p = strstr(c->buf, "\r\n\r\n")) == NULL);
	head_len = (size_t)(p - c->buf) + 4;
	p[2] = '\0'; /* the head ends with its last line; nothing behind it is looked at */
	if (strncmp(c->buf, "HTTP/1.1 200", 12) != 0 && strncmp(c->buf, "HTTP/1.1 404", 12) != 0)
		errx(1, "Consul says %.40s", c->buf);
	value = header_find(c->buf, "X-Consul-Index");
	q->index = value != NULL ? strtoull(value, NULL, 10) : 0;
	value = header_find(c->buf, "Content-Length");
	if (value != NULL) {
		end = head_len + strtoul(value, NULL, 10);
		while (c->len < end)
			conn_fill(c);
	} else {
		end = chunks_join(c, head_len);
	}
	c->buf[end] = '\0';
	return c->buf + head_len;
}

/* The string member name ("\"Key\":\"") at or after *p; *p moves behind it. NULL: no more. */
static const char *
member_next(char **p, const char *name, size_t name_len, size_t *len)
{
	const char *value;
	char *at = strstr(*p, name);

	if (at == NULL)
		return NULL;
	value = at + name_len;
	at = strchr(value, '"');
	if (at == NULL)
		return NULL;
	*len = (size_t)(at - value);
	*p = at + 1;
	return value;
}

/* FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/ */
static size_t
hash(const char *s, size_t len)
{
	uint64_t h = 14695981039346656037u;

	while (len-- > 0)
		h = (h ^ (unsigned char)*s++) * 1099511628211u;
	return (size_t)h;
}

static struct node *
node_slot(const struct node_table *t, const char *name, size_t len)
{
	size_t i;

	for (i = hash(name, len);; i++) {
		struct node *n = &t->slots[i & (t->slot_count - 1)];
		if (n->name == NULL || (n->name_len == len && memcmp(n->name, name, len) == 0))
			return n;
	}
}

static void
nodes_load(struct node_table *t, const char *body)
{
	size_t count = 0, name_len, address_len;
	const char *name, *address;
	char *p;

	free(t->text);
	free(t->slots);
	t->text = strdup(body);
	if (t->text == NULL)
		err(1, "strdup");
	for (p = t->text; (p = strstr(p, "\"Node\":\"")) != NULL; p++)
		count++;
	for (t->slot_count = 16; t->slot_count < count * 2; t->slot_count *= 2)
		;
	t->slots = calloc(t->slot_count, sizeof(*t->slots));
	if (t->slots == NULL)
		err(1, "calloc");
	p = t->text;
	while ((name = member_next(&p, "\"Node\":\"", 8, &name_len)) != NULL &&
	       (address = member_next(&p, "\"Address\":\"", 11, &address_len)) != NULL)
		*node_slot(t, name, name_len) =
		    (struct node){ name, address, name_len, address_len };
}

/* Decodes in place of out, which has room for len; returns the number of bytes. */
static size_t
base64_decode(char *out, const char *in, size_t len)
{
	static const char alphabet[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	static signed char table[256];
	unsigned bits = 0, have = 0;
	size_t n = 0;

	if (table['B'] == 0)
		for (int i = 0; i < 64; i++)
			table[(unsigned char)alphabet[i]] = (signed char)i;
	for (size_t i = 0; i < len && in[i] != '='; i++) {
		bits = bits << 6 | (unsigned)table[(unsigned char)in[i]];
		have += 6;
		if (have >= 8) {
			have -= 8;
			out[n++] = (char)(bits >> have);
		}
	}
	return n;
}

static void
resolver_signal(const char *pidfile)
{
	FILE *f = fopen(pidfile, "re");
	int pid;

	if (f == NULL)
		err(1, "%s", pidfile);
	if (fscanf(f, "%d", &pid) != 1 || pid <= 1 || kill(pid, SIGHUP) < 0)
		err(1, "signal the process of %s", pidfile);
	fclose(f);
}

/* names: the body of the list. Writes the whole file anew. */
static void
file_write(
    const struct target *to, char *names, uint64_t generation, const struct node_table *nodes)
{
	static char value[786432]; /* Consul's largest value, still in base64 */
	size_t key_len, len;
	const char *key, *encoded;
	const struct node *n;
	FILE *f = fopen(to->temp_path, "we");

	if (f == NULL)
		err(1, "%s", to->temp_path);
	setvbuf(f, NULL, _IOFBF, 65536);
	fprintf(f,
	    "fd70:6d::%" PRIx64 ":%" PRIx64 ":%" PRIx64 ":%" PRIx64
	    "\tgeneration.pointsman.internal\n",
	    generation >> 48, generation >> 32 & 0xffff, generation >> 16 & 0xffff,
	    generation & 0xffff);
	while ((key = member_next(&names, "\"Key\":\"", 7, &key_len)) != NULL &&
	       (encoded = member_next(&names, "\"Value\":\"", 9, &len)) != NULL) {
		len = base64_decode(value, encoded, len);
		n = node_slot(nodes, value, len);
		if (n->name == NULL)
			continue;
		key += to->prefix_len;
		key_len -= to->prefix_len;
		fprintf(f, "%.*s\t%.*s.%s %.*s\n", (int)n->address_len, n->address, (int)key_len,
		    key, to->domain, (int)key_len, key);
	}
	if (fflush(f) != 0 || fsync(fileno(f)) < 0 || fclose(f) != 0 ||
	    rename(to->temp_path, to->path) < 0)
		err(1, "%s", to->path);
	if (to->pidfile != NULL)
		resolver_signal(to->pidfile);
}

int
main(int argc, char **argv)
{
	struct query names = { .index = 0 }, nodes = { .index = 0 };
	struct node_table table = { .text = NULL };
	struct target to;
	char kv_path[512], temp_path[4096], *body = NULL;
	struct pollfd fds[2];

	if (argc < 6 || argc > 7)
		errx(2, "usage: floor ADDRESS PORT PREFIX DOMAIN FILE [PIDFILE]");
	snprintf(kv_path, sizeof(kv_path), "/v1/kv/%s?recurse", argv[3]);
	snprintf(temp_path, sizeof(temp_path), "%s.tmp", argv[5]);
	to = (struct target){ argv[4], argv[5], argv[6], temp_path, strlen(argv[3]) };

	names.path = kv_path;
	nodes.path = "/v1/catalog/nodes";
	names.conn = (struct conn){ .fd = conn_open(argv[1], argv[2]), .host = argv[1] };
	nodes.conn = (struct conn){ .fd = conn_open(argv[1], argv[2]), .host = argv[1] };
	query_send(&nodes);
	query_send(&names);
	nodes_load(&table, query_read(&nodes));
	query_send(&nodes);

	fds[0] = (struct pollfd){ names.conn.fd, POLLIN, 0 };
	fds[1] = (struct pollfd){ nodes.conn.fd, POLLIN, 0 };
	for (;;) {
		if (poll(fds, 2, -1) < 0)
			err(1, "poll");
		if (fds[1].revents != 0) {
			nodes_load(&table, query_read(&nodes));
			query_send(&nodes);
		}
		if (fds[0].revents != 0)
			body = query_read(&names);
		if (body != NULL) /* it stays in the connection's buffer until the next answer */
			file_write(&to, body, names.index, &table);
		if (fds[0].revents != 0)
			query_send(&names);
	}
}
