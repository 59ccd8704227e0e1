/*
 * tripwire.c: preloaded into a command that writes to Consul and to databases, it stops the command just
 * before, or just after, the Nth message that changes something leaves it. Whoever holds the other end
 * then does what the test is about (kills it, stops a server, takes Consul away) and lets it go on, or
 * not. So every point of an operation is reached exactly, without a hook in the product.
 *
 *	TRIPWIRE_LOG=FILE   every message that changes something is a line: "17 PUT /v1/txn … \t\"…"
 *	TRIPWIRE_AT=N       stop at the Nth (from 1); 0 or unset: at none
 *	TRIPWIRE_MATCH=TEXT count only those whose line has this text
 *	TRIPWIRE_AFTER=1    when it has been sent, instead of before
 *	TRIPWIRE_FIFO=PATH  told one byte there, the command goes on; opened for reading when it stops, so
 *	                    that opening it for writing waits for that moment
 *
 * The values of a transaction of Consul, which travel in base 64, stand decoded behind it in its line. Such
 * messages are HTTP requests other than GET and HEAD, MySQL statements other than SELECT, SHOW and the
 * like, and commands of Redis other than INFO, CONFIG GET and the like. A SELECT that takes a lock or
 * waits counts as reading: it leaves nothing behind it. Sent in pieces, a message counts with its first
 * one. What is called here is what libmariadb, libevent and curl call.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define SHOWN 16384 /* bytes of a message that are looked at */
#define COM_QUERY 3

static int matched;

static bool
is_socket(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

static bool
starts(const char *text, size_t len, const char *word)
{
	size_t n = strlen(word);

	return len >= n && strncasecmp(text, word, n) == 0;
}

/* The statement in a packet of MySQL's protocol; NULL: it is none. */
static const char *
statement(const char *data, size_t len, size_t *out)
{
	const unsigned char *b = (const unsigned char *)data;

	if (len < 6 || b[3] != 0 || b[4] != COM_QUERY)
		return NULL;
	if ((size_t)(b[0] | b[1] << 8 | b[2] << 16) < 2)
		return NULL;
	*out = len - 5;
	return data + 5;
}

/* Of a command of Redis: "*3\r\n$6\r\nCLIENT\r\n$5\r\nPAUSE\r\n…". */
static bool
is_redis_write(const char *data, size_t len)
{
	static const char *const reads[] = { "INFO", "PING", "ROLE", "AUTH", "SELECT", "SETRANGE",
		"CONFIG GET", "CLIENT ID", "CLIENT LIST", "CLIENT SETNAME" };
	char head[64], words[2][16] = { "", "" }, both[40];

	snprintf(
	    head, sizeof(head), "%.*s", (int)(len < sizeof(head) ? len : sizeof(head) - 1), data);
	if (sscanf(head, "*%*d\r\n$%*d\r\n%15[^\r]\r\n$%*d\r\n%15[^\r]", words[0], words[1]) < 1)
		return false;
	snprintf(both, sizeof(both), "%s %s", words[0], words[1]);
	for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
		if (starts(both, strlen(both), reads[i]))
			return false;
	}
	return true;
}

static bool
changes(const char *data, size_t len, const char **text, size_t *text_len)
{
	static const char *const writes[] = { "PUT ", "POST ", "DELETE " };
	static const char *const reads[] = { "SELECT", "SHOW", "SET NAMES", "SET autocommit",
		"DO GET_LOCK", "DO RELEASE_LOCK", "XA RECOVER" };

	*text = data;
	*text_len = len;
	for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
		if (starts(data, len, writes[i]))
			return memmem(data, len, "HTTP/1.1\r\n", 10) != NULL;
	}
	if (len > 4 && data[0] == '*' && data[1] >= '1' && data[1] <= '9')
		return is_redis_write(data, len);
	*text = statement(data, len, text_len);
	if (*text == NULL)
		return false;
	for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
		if (starts(*text, *text_len, reads[i]))
			return false;
	}
	return true;
}

/* What stands behind each "Value": in base 64, decoded into out; the bytes that it took. */
static size_t
decoded(const char *text, size_t len, char *out, size_t size)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	static const char key[] = "\"Value\":\"";
	const char *end = text + len, *digit;
	size_t n = 0;
	unsigned bits = 0, count = 0;

	while ((text = memmem(text, (size_t)(end - text), key, strlen(key))) != NULL) {
		text += strlen(key);
		if (n < size)
			out[n++] = ' ';
		for (count = 0; text < end && *text != '"' && *text != '='; text++) {
			if ((digit = strchr(digits, *text)) == NULL)
				break;
			bits = bits << 6 | (unsigned)(digit - digits);
			if ((count += 6) >= 8 && n < size)
				out[n++] = (char)(bits >> (count -= 8) & 0xff);
		}
	}
	return n;
}

/* The line of a message in the log: 0, or its number when it is to be stopped at. */
static int
seen(const char *data, size_t len)
{
	const char *text, *match = getenv("TRIPWIRE_MATCH"), *at = getenv("TRIPWIRE_AT");
	const char *path = getenv("TRIPWIRE_LOG");
	char line[2 * SHOWN + 32];
	size_t text_len, n, start;
	int fd;

	if (!changes(data, len, &text, &text_len))
		return 0;
	if (text_len > SHOWN)
		text_len = SHOWN;
	start = n = (size_t)snprintf(line, sizeof(line), "%d ", matched + 1);
	memcpy(line + n, text, text_len);
	n += text_len;
	n += decoded(text, text_len, line + n, SHOWN);
	for (size_t i = start; i < n; i++)
		line[i] = (unsigned char)line[i] < ' ' ? ' ' : line[i];
	line[n++] = '\n';
	line[n] = '\0';
	if (match != NULL && strstr(line, match) == NULL)
		return 0;
	matched++;
	/* By its number, because write() is one of those below. */
	if (path != NULL &&
	    (fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) >= 0) {
		if (syscall(SYS_write, fd, line, n) < 0)
			_exit(99);
		close(fd);
	}
	return at != NULL && atoi(at) == matched ? matched : 0;
}

static void
stop_here(void)
{
	int fd;
	char byte;

	/* A signal that comes meanwhile is the test's business, not ours. */
	while ((fd = open(getenv("TRIPWIRE_FIFO"), O_RDONLY | O_CLOEXEC)) < 0) {
		if (errno != EINTR)
			_exit(99);
	}
	while (read(fd, &byte, 1) < 0) {
		if (errno != EINTR)
			_exit(99);
	}
	close(fd);
}

static bool
is_after(void)
{
	return getenv("TRIPWIRE_AFTER") != NULL;
}

#define REAL(name) \
	static __typeof__(name) *real; \
	if (real == NULL) \
	*(void **)&real = dlsym(RTLD_NEXT, #name)

/* Sends through call, and stops on one side of it or the other. */
#define TRIPPED(fd, data, len, call) \
	ssize_t sent; \
	int at = (len) > 0 && is_socket(fd) ? seen(data, len) : 0; \
	if (at != 0 && !is_after()) \
		stop_here(); \
	sent = call; \
	if (at != 0 && is_after()) \
		stop_here(); \
	return sent

ssize_t
send(int fd, const void *data, size_t len, int flags)
{
	REAL(send);
	TRIPPED(fd, data, len, real(fd, data, len, flags));
}

ssize_t
sendto(int fd, const void *data, size_t len, int flags, const struct sockaddr *to, socklen_t to_len)
{
	REAL(sendto);
	TRIPPED(fd, data, len, real(fd, data, len, flags, to, to_len));
}

ssize_t
write(int fd, const void *data, size_t len)
{
	REAL(write);
	TRIPPED(fd, data, len, real(fd, data, len));
}

/* The pieces of a vector in one, as far as they are looked at. */
static size_t
joined(const struct iovec *v, int n, char *out, size_t size)
{
	size_t len = 0;

	for (int i = 0; i < n && len < size; i++) {
		size_t part = v[i].iov_len < size - len ? v[i].iov_len : size - len;
		memcpy(out + len, v[i].iov_base, part);
		len += part;
	}
	return len;
}

ssize_t
writev(int fd, const struct iovec *v, int n)
{
	char data[SHOWN];
	size_t len = joined(v, n, data, sizeof(data));

	REAL(writev);
	TRIPPED(fd, data, len, real(fd, v, n));
}

ssize_t
sendmsg(int fd, const struct msghdr *m, int flags)
{
	char data[SHOWN];
	size_t len = joined(m->msg_iov, (int)m->msg_iovlen, data, sizeof(data));

	REAL(sendmsg);
	TRIPPED(fd, data, len, real(fd, m, flags));
}
