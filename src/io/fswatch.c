/*
 * fswatch.c: one inotify descriptor with one watch, on the directory that holds the file.
 *
 * A watch on the file itself was rejected: it follows the inode, and every editor, and we ourselves,
 * replace a file by renaming another over it. Events for the directory's other files (our temporary
 * files, backups) cost a comparison and no call.
 *
 *            the path leads to no directory
 *   ARMED ─────────────────────────────────────> LOST
 *     ^ looked up after events, every CHECK_MS    │ looked up every RETRY_MS
 *     └───────────────────────────────────────────┘
 *
 * inotify tells when the directory itself is deleted or moved, but not when one further up is moved, a
 * symbolic link on the way is turned, something is mounted over it, or it is deleted while somebody
 * has it open: the watch is then on a place that nobody reads. So the path is looked up again now and
 * then. Setting a watch on a directory that has one gives the same number: nothing else is needed to
 * know whether the path still leads to what is watched.
 *
 * If the file is a symbolic link, the link is watched, not what it points at.
 */
#include "io/fswatch.h"

#include <errno.h>
#include <event2/event.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/loop.h"

#define CHECK_MS 15000
#define RETRY_MS 200
#define READ_SIZE 16384 /* some 500 events with short names */
#define READS_A_TURN 8  /* a storm on another file must not starve the loop */

#define FILE_EVENTS \
	(IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_MOVED_FROM | IN_MOVED_TO | \
	    IN_DELETE)
#define SELF_EVENTS (IN_DELETE_SELF | IN_MOVE_SELF)

struct fswatch {
	char *dir;
	char *base;
	int fd;
	int watch; /* -1: LOST */
	struct event *event;
	struct loop_timer *timer; /* when the path is looked up next */
	fswatch_fn *fn;
	void *arg;
};

/* What a bunch of events asks for. */
struct bunch {
	bool is_ours;      /* it concerned the file */
	bool is_uncertain; /* the directory may be another one */
};

/* True when the path leads to another directory than before, or to none, or to one again. */
static bool
look_up(struct fswatch *w)
{
	int now = inotify_add_watch(
	    w->fd, w->dir, FILE_EVENTS | SELF_EVENTS | IN_ONLYDIR | IN_EXCL_UNLINK);

	if (now == w->watch)
		return false;
	if (w->watch >= 0)
		inotify_rm_watch(w->fd, w->watch); /* fails when the kernel was faster */
	w->watch = now;
	return true;
}

static void
read_event(struct fswatch *w, const struct inotify_event *event, struct bunch *bunch)
{
	if ((event->mask & IN_Q_OVERFLOW) != 0) {
		bunch->is_ours = bunch->is_uncertain = true;
		return;
	}
	if (event->wd != w->watch)
		return; /* the last words of an earlier watch */
	if ((event->mask & (SELF_EVENTS | IN_UNMOUNT | IN_IGNORED)) != 0)
		bunch->is_ours = bunch->is_uncertain = true;
	else if (event->len > 0 && strcmp(event->name, w->base) == 0)
		bunch->is_ours = true;
}

static struct bunch
read_events(struct fswatch *w)
{
	alignas(struct inotify_event) char data[READ_SIZE];
	struct bunch bunch = { 0 };

	for (int i = 0; i < READS_A_TURN; i++) {
		ssize_t n = read(w->fd, data, sizeof(data));

		if (n <= 0)
			break;
		for (char *p = data; p < data + n;) {
			const struct inotify_event *event = (const struct inotify_event *)p;

			read_event(w, event, &bunch);
			p += sizeof(*event) + event->len;
		}
	}
	return bunch;
}

static void
events_readable(evutil_socket_t fd, short what, void *arg)
{
	struct fswatch *w = arg;
	struct bunch bunch = read_events(w);

	(void)fd;
	(void)what;
	if (bunch.is_uncertain)
		look_up(w);
	/* A deletion of the file may have been the first half of one of the directory. */
	if (bunch.is_ours) {
		loop_timer_set(w->timer, RETRY_MS);
		w->fn(w->arg);
	}
}

static void
look_up_due(void *arg)
{
	struct fswatch *w = arg;
	bool is_changed = look_up(w);

	loop_timer_set(w->timer, w->watch >= 0 ? CHECK_MS : RETRY_MS);
	if (is_changed)
		w->fn(w->arg);
}

static int
fail(struct err *e, const char *path)
{
	/* These two are limits of the machine, and strerror() would send the operator elsewhere. */
	if (errno == ENOSPC)
		return err_set(
		    e, ERR_LIMIT, "cannot watch %s: fs.inotify.max_user_watches is reached", path);
	if (errno == EMFILE)
		return err_set(e, ERR_LIMIT,
		    "cannot watch %s: fs.inotify.max_user_instances or the limit of open files is "
		    "reached",
		    path);
	return err_errno(e, "cannot watch %s", path);
}

struct fswatch *
fswatch_new(struct loop *l, const char *path, fswatch_fn *fn, void *arg, struct err *e)
{
	struct fswatch *w = mem_alloc(sizeof(*w));
	const char *slash = strrchr(path, '/');

	w->fd = w->watch = -1;
	w->fn = fn;
	w->arg = arg;
	w->base = mem_strdup(slash != NULL ? slash + 1 : path);
	if (slash == NULL)
		w->dir = mem_strdup(".");
	else
		w->dir = mem_strndup(path, slash == path ? 1 : (size_t)(slash - path));
	if (w->base[0] == '\0') {
		err_set(e, ERR_USAGE, "cannot watch %s: it names no file", path);
		goto fail;
	}
	if ((w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) < 0 || !look_up(w)) {
		fail(e, path);
		goto fail;
	}
	w->event = event_new(loop_base(l), w->fd, EV_READ | EV_PERSIST, events_readable, w);
	if (w->event == NULL)
		abort(); /* out of memory */
	event_add(w->event, NULL);
	w->timer = loop_timer_new(l, look_up_due, w);
	loop_timer_set(w->timer, CHECK_MS);
	return w;
fail:
	fswatch_free(w);
	return NULL;
}

void
fswatch_free(struct fswatch *w)
{
	if (w == NULL)
		return;
	if (w->event != NULL)
		event_free(w->event);
	loop_timer_free(w->timer);
	if (w->fd >= 0)
		close(w->fd);
	free(w->dir);
	free(w->base);
	free(w);
}
