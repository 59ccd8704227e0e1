/*
 * unit_status.c: six properties of a unit by sd-bus, a connection for each query.
 *
 * A connection costs two thirds of a millisecond and is nothing that could go stale: the bus may be
 * restarted whenever it likes. (systemctl show costs ten times that, and its output is made for
 * people.) All questions are sent at once; the answers are counted. To ask about a unit that is not
 * loaded makes systemd load it, so that one which does not exist is "not-found" and no error.
 *
 * The system bus is the way for everybody; root is let in by systemd itself where no bus runs.
 */
#include "io/unit_status.h"

#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"

#include "base/clock.h"
#include "base/mem.h"
#include "io/loop.h"

#ifdef HAVE_SYSTEMD
#include <systemd/sd-bus.h>
#endif

struct unit_query {
	struct loop *loop;
	struct loop_timer *timer; /* the limit; without a connection the next turn */
	int64_t limit_ms, started_us;
	struct unit_status status;
	unit_done_fn *done;
	void *arg;
#ifdef HAVE_SYSTEMD
	sd_bus *bus;
	struct event *event;
	int awaited; /* answers */
#endif
};

static void query_disconnect(struct unit_query *q);

static void
query_finish(struct unit_query *q)
{
	query_disconnect(q);
	q->status.took_us = clock_mono_us() - q->started_us;
	q->done(&q->status, q->arg);
	loop_timer_free(q->timer);
	loop_defer_free(q->loop, q);
}

static void
timer_due(void *arg)
{
	struct unit_query *q = arg;

	if (q->status.err.code == ERR_NONE)
		err_set(&q->status.err, ERR_TIMEOUT, "systemd did not answer");
	query_finish(q);
}

#ifdef HAVE_SYSTEMD

#define UNIT_INTERFACE "org.freedesktop.systemd1.Unit"
#define SERVICE_INTERFACE "org.freedesktop.systemd1.Service"
#define PRIVATE_BUS "unix:path=/run/systemd/private" /* systemctl's own way, for root */

static int load_answered(sd_bus_message *m, void *arg, sd_bus_error *e);
static int active_answered(sd_bus_message *m, void *arg, sd_bus_error *e);
static int sub_answered(sd_bus_message *m, void *arg, sd_bus_error *e);
static int since_answered(sd_bus_message *m, void *arg, sd_bus_error *e);
static int result_answered(sd_bus_message *m, void *arg, sd_bus_error *e);
static int restarts_answered(sd_bus_message *m, void *arg, sd_bus_error *e);

static const struct {
	const char *interface, *name;
	sd_bus_message_handler_t answered;
} properties[] = {
	{ UNIT_INTERFACE, "LoadState", load_answered },
	{ UNIT_INTERFACE, "ActiveState", active_answered },
	{ UNIT_INTERFACE, "SubState", sub_answered },
	{ UNIT_INTERFACE, "ActiveEnterTimestampMonotonic", since_answered },
	{ SERVICE_INTERFACE, "Result", result_answered },
	{ SERVICE_INTERFACE, "NRestarts", restarts_answered },
};

static void
query_disconnect(struct unit_query *q)
{
	if (q->event != NULL)
		event_free(q->event);
	q->event = NULL;
	q->bus = sd_bus_close_unref(q->bus);
}

static int
bus_failed(struct unit_query *q, int result, const char *what)
{
	errno = -result;
	return err_errno(&q->status.err, "%s", what);
}

/* One answer: whatever is wrong with it, it counts. Of a unit that is no service two are errors. */
static int
read_answer(sd_bus_message *m, struct unit_query *q, char type, void *value)
{
	const sd_bus_error *e = sd_bus_message_get_error(m);
	const char contents[2] = { type, '\0' };

	q->awaited--;
	if (e == NULL && sd_bus_message_enter_container(m, 'v', contents) >= 0)
		return sd_bus_message_read_basic(m, type, value) > 0 ? 0 : -1;
	if (e != NULL && !sd_bus_error_has_name(e, SD_BUS_ERROR_UNKNOWN_INTERFACE) &&
	    !sd_bus_error_has_name(e, SD_BUS_ERROR_UNKNOWN_PROPERTY))
		err_set(&q->status.err, ERR_UNAVAILABLE, "systemd does not tell: %.100s",
		    e->message != NULL ? e->message : e->name);
	return -1;
}

static int
read_word(sd_bus_message *m, struct unit_query *q, char word[UNIT_WORD_SIZE])
{
	const char *text;

	if (read_answer(m, q, 's', &text) == 0) {
		strncpy(word, text, UNIT_WORD_SIZE - 1);
		word[UNIT_WORD_SIZE - 1] = '\0';
	}
	return 1;
}

static int
load_answered(sd_bus_message *m, void *arg, sd_bus_error *e)
{
	struct unit_query *q = arg;

	(void)e;
	return read_word(m, q, q->status.load);
}

static int
active_answered(sd_bus_message *m, void *arg, sd_bus_error *e)
{
	struct unit_query *q = arg;

	(void)e;
	return read_word(m, q, q->status.active);
}

static int
sub_answered(sd_bus_message *m, void *arg, sd_bus_error *e)
{
	struct unit_query *q = arg;

	(void)e;
	return read_word(m, q, q->status.sub);
}

static int
result_answered(sd_bus_message *m, void *arg, sd_bus_error *e)
{
	struct unit_query *q = arg;

	(void)e;
	return read_word(m, q, q->status.result);
}

static int
since_answered(sd_bus_message *m, void *arg, sd_bus_error *e)
{
	struct unit_query *q = arg;

	(void)e;
	read_answer(m, q, 't', &q->status.active_since_us);
	return 1;
}

static int
restarts_answered(sd_bus_message *m, void *arg, sd_bus_error *e)
{
	struct unit_query *q = arg;

	(void)e;
	read_answer(m, q, 'u', &q->status.restarts);
	return 1;
}

static int
connect_private(sd_bus **bus)
{
	int result = sd_bus_new(bus);

	if (result >= 0)
		result = sd_bus_set_address(*bus, PRIVATE_BUS);
	if (result >= 0)
		result = sd_bus_start(*bus);
	if (result < 0)
		*bus = sd_bus_unref(*bus);
	return result;
}

static int
query_connect(struct unit_query *q)
{
	int result = sd_bus_open_system(&q->bus);

	if (result < 0 && geteuid() == 0)
		result = connect_private(&q->bus);
	if (result >= 0)
		return 0;
	q->bus = NULL;
	bus_failed(q, result, "no systemd to ask");
	q->status.err.code = ERR_UNREACHABLE;
	return -1;
}

static int
query_ask(struct unit_query *q, const char *unit)
{
	char *path = NULL;
	int result = sd_bus_path_encode("/org/freedesktop/systemd1/unit", unit, &path);

	for (size_t i = 0; i < MEM_COUNT(properties) && result >= 0; i++) {
		result = sd_bus_call_method_async(q->bus, NULL, "org.freedesktop.systemd1", path,
		    "org.freedesktop.DBus.Properties", "Get", properties[i].answered, q, "ss",
		    properties[i].interface, properties[i].name);
		q->awaited++;
	}
	free(path);
	return result >= 0 ? 0 : bus_failed(q, result, "cannot ask systemd");
}

static void query_listen(struct unit_query *q);

/* What sd-bus has to do now; it never waits. */
static void
bus_ready(evutil_socket_t fd, short what, void *arg)
{
	struct unit_query *q = arg;
	int result = 1;

	(void)fd;
	(void)what;
	while (result > 0 && q->awaited > 0)
		result = sd_bus_process(q->bus, NULL);
	if (result < 0)
		bus_failed(q, result, "the bus to systemd");
	if (q->status.err.code != ERR_NONE || q->awaited == 0)
		query_finish(q);
	else
		query_listen(q);
}

/* sd-bus changes its mind about what it waits for, and for how long: asked after every step. */
static void
query_listen(struct unit_query *q)
{
	int wanted = sd_bus_get_events(q->bus);
	short events = (short)((wanted & POLLIN ? EV_READ : 0) | (wanted & POLLOUT ? EV_WRITE : 0));

	if (q->event != NULL)
		event_free(q->event);
	q->event =
	    event_new(loop_base(q->loop), sd_bus_get_fd(q->bus), events | EV_PERSIST, bus_ready, q);
	if (q->event == NULL)
		abort(); /* out of memory */
	event_add(q->event, NULL);
}

static void
query_begin(struct unit_query *q, const char *unit)
{
	if (query_connect(q) == 0 && query_ask(q, unit) == 0) {
		query_listen(q);
		loop_timer_set(q->timer, q->limit_ms);
	} else
		loop_timer_set(q->timer, 0);
}

#else

static void
query_disconnect(struct unit_query *q)
{
	(void)q;
}

static void
query_begin(struct unit_query *q, const char *unit)
{
	(void)unit;
	err_set(
	    &q->status.err, ERR_UNREACHABLE, "built without libsystemd: no unit can be asked for");
	loop_timer_set(q->timer, 0);
}

#endif

struct unit_query *
unit_query_start(struct loop *l, const char *unit, int64_t limit_ms, unit_done_fn *done, void *arg)
{
	struct unit_query *q = mem_alloc(sizeof(*q));

	q->loop = l;
	q->timer = loop_timer_new(l, timer_due, q);
	q->limit_ms = limit_ms;
	q->started_us = clock_mono_us();
	q->done = done;
	q->arg = arg;
	query_begin(q, unit);
	return q;
}

void
unit_query_cancel(struct unit_query *q)
{
	if (q == NULL)
		return;
	query_disconnect(q);
	loop_timer_free(q->timer);
	loop_defer_free(q->loop, q);
}
