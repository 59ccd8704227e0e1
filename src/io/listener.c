/*
 * listener.c: a unix socket is made beside its path and renamed over it, so that its mode is right from
 * the first moment and a path never leads to nothing while one process takes over from another. Whether
 * the old one is stale is asked by connecting: a pid or a lock file would be one more thing to go stale.
 */
#include "io/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

#define UNIX_PREFIX "unix:"
#define UNIX_MODE 0660
#define TEMP_SUFFIX ".new" /* fits where path is at most UNIX_PATH_MAX */
#define UNIX_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - sizeof(TEMP_SUFFIX))
#define BACKLOG 128

static const char *
unix_path(const char *address)
{
	const size_t n = strlen(UNIX_PREFIX);

	return strncmp(address, UNIX_PREFIX, n) == 0 ? address + n : NULL;
}

static int
parse(const char *address, struct endpoint *out, struct err *e)
{
	const char *path = unix_path(address);
	char shown[STR_SHOW_MAX * 4 + 4];

	if (path != NULL) {
		out->len = 0;
		if (path[0] == '/' && strlen(path) <= UNIX_PATH_MAX)
			return 0;
	} else if (endpoint_parse(address, -1, out) == 0) {
		return 0;
	}
	return err_set(e, ERR_USAGE,
	    "\"%s\" is no address to listen on: 127.0.0.1:8753, [::1]:8753 or unix:/PATH of at "
	    "most "
	    "%zu bytes is allowed",
	    str_printable(shown, sizeof(shown), address, strlen(address)), UNIX_PATH_MAX);
}

int
listener_check_address(const char *address, struct err *e)
{
	struct endpoint unused;

	return parse(address, &unused, e);
}

static int
open_tcp(struct listener *l, struct err *e)
{
	struct sockaddr *address = (struct sockaddr *)&l->endpoint.address;
	char text[ENDPOINT_TEXT_SIZE];
	int on = 1;

	l->fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return err_errno(e, "cannot make a socket");
	/* A restart must not wait for the connections of the last run to time out. */
	setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	/* Inherited by what is accepted; an answer is one write, and waiting for more is in vain. */
	setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (address->sa_family == AF_INET6)
		setsockopt(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(l->fd, address, l->endpoint.len) != 0 || listen(l->fd, BACKLOG) != 0 ||
	    getsockname(l->fd, address, &l->endpoint.len) != 0) {
		endpoint_format(text, &l->endpoint);
		if (errno == EADDRINUSE)
			return err_set(e, ERR_CONFLICT,
			    "another process listens on %s: end it, or take another address", text);
		return err_errno(e, "cannot listen on %s", text);
	}
	l->address = mem_strdup(endpoint_format(text, &l->endpoint));
	return 0;
}

/* Whether somebody accepts connections at path. */
static bool
is_live(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool is_live;

	if (fd < 0)
		return true; /* we cannot know */
	is_live =
	    connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN;
	close(fd);
	return is_live;
}

/* That nothing is at path, or a socket that nobody listens on. */
static int
check_path(const char *path, struct err *e)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct stat st;

	if (lstat(path, &st) != 0)
		return errno == ENOENT ? 0 : err_errno(e, "cannot look at %s", path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, ERR_CONFLICT, "%s is there and is no socket", path);
	memcpy(address.sun_path, path, strlen(path));
	if (is_live(&address))
		return err_set(e, ERR_CONFLICT,
		    "another process listens on %s: end it, or take another path", path);
	return 0;
}

static int
open_unix(struct listener *l, struct err *e)
{
	struct sockaddr_un temp = { .sun_family = AF_UNIX };

	if (check_path(l->path, e) != 0)
		return -1;
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return err_errno(e, "cannot make a socket");
	snprintf(temp.sun_path, sizeof(temp.sun_path), "%s" TEMP_SUFFIX, l->path);
	unlink(temp.sun_path);
	if (bind(l->fd, (const struct sockaddr *)&temp, sizeof(temp)) != 0)
		return err_errno(e, "cannot make the socket %s", temp.sun_path);
	if (chmod(temp.sun_path, UNIX_MODE) != 0 || listen(l->fd, BACKLOG) != 0 ||
	    lstat(temp.sun_path, &l->node) != 0 || rename(temp.sun_path, l->path) != 0) {
		err_errno(e, "cannot listen on %s", l->path);
		unlink(temp.sun_path);
		return -1;
	}
	l->address = mem_printf(UNIX_PREFIX "%s", l->path);
	return 0;
}

int
listener_open(struct listener *l, const char *address, struct err *e)
{
	const char *path = unix_path(address);
	int result;

	*l = (struct listener)LISTENER_INIT;
	if (parse(address, &l->endpoint, e) != 0)
		return -1;
	if (path != NULL) {
		l->path = mem_strdup(path);
		result = open_unix(l, e);
	} else {
		result = open_tcp(l, e);
	}
	if (result != 0)
		listener_close(l);
	return result;
}

void
listener_close(struct listener *l)
{
	struct stat st;

	/* l->node is set before the rename: what is there may be somebody else's. */
	if (l->path != NULL && l->node.st_ino != 0 && lstat(l->path, &st) == 0 &&
	    st.st_ino == l->node.st_ino && st.st_dev == l->node.st_dev)
		unlink(l->path);
	if (l->fd >= 0)
		close(l->fd);
	free(l->address);
	free(l->path);
	*l = (struct listener)LISTENER_INIT;
}
