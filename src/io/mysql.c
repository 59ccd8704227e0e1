/*
 * mysql.c: libmariadb's non-blocking API on our loop. A thing that is asked for goes through phases; each
 * is a pair of library calls, _start and _cont, that say what they wait for, or that they have ended:
 *
 *            connect()                   query()
 *   CLOSED ───────────> CONNECTING ─> OPEN ─────> ASKING ─> READING ─> OPEN
 *      ^                    │          ^             └─ no rows ─────────^
 *      └── any failure of ours, the library's or the line's, cancel, close ──┘
 *
 * The limit is our timer, not the library's time-outs (MYSQL_OPT_CONNECT_TIMEOUT and its brothers are
 * not set): they count for each wait anew, and a server that sends a byte a second never reaches them.
 *
 * What is abandoned has a coroutine of the library in the midst of something. It is unwound, not thrown
 * away, for it holds memory: the socket is shut down, and the coroutine told of a time-out until it ends.
 *
 * Rows come one by one (mysql_use_result), so that MYSQL_BYTES_MAX holds before they are in memory. The
 * first bytes of the server are looked at before the library sees them: it takes "SSH-" for the length
 * of a packet and waits for 4 MB of it. Servers' messages are printable before they leave.
 *
 * The password is kept by us during a connect only, and wiped where the library keeps it for reconnecting,
 * which is off.
 */
#include "io/mysql.h"

#include <errmsg.h>
#include <event2/event.h>
#include <fcntl.h>
#include <mysql.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "io/endpoint.h"
#include "io/loop.h"
#include "io/mysql_error.h"
#include "io/mysql_greeting.h"
#include "io/mysql_options.h"
#include "io/mysql_wait.h"

#define UNWIND_MAX 64    /* waits of an abandoned coroutine: 3 were seen */
#define COLUMNS_MAX 4096 /* the servers' own maximum of a table */

enum phase { PHASE_CLOSED, PHASE_CONNECTING, PHASE_OPEN, PHASE_ASKING, PHASE_READING };

struct mysql_link {
	struct loop *loop;
	enum phase phase;
	MYSQL *lib; /* NULL: closed */
	MYSQL_RES *result;
	struct event *event;      /* of the socket, while we wait for it */
	bool is_suspended;        /* a coroutine of the library has not ended */
	struct loop_timer *timer; /* the limit; or the next turn, when is_over */
	bool is_over;             /* the answer is complete, done is due */
	mysql_done_fn *done;      /* NULL: nothing under way */
	void *arg;
	int64_t started_us, limit_ms;
	struct mysql_answer answer;

	/* connecting */
	char host[INET6_ADDRSTRLEN], where[ENDPOINT_TEXT_SIZE];
	unsigned port;
	char *user, *password, *database;
	bool is_greeted;
	struct mysql_wait *wait; /* with TLS */
	bool is_in_library;      /* that one waits by itself */
	int ready, waits_for;    /* what connect_inside() is told, and says */
	MYSQL *connected;

	char *sql;
	int failed;
	MYSQL_ROW row;
	char version[64];
};

typedef int go_fn(struct mysql_link *m, int ready); /* 0: ended, else what it waits for */
typedef void ended_fn(struct mysql_link *m);

static void drive(struct mysql_link *m, int ready);

static void
set_phase(struct mysql_link *m, enum phase phase)
{
	m->phase = phase;
}

static void
free_secret(char **secret)
{
	if (*secret != NULL)
		explicit_bzero(*secret, strlen(*secret));
	free(*secret);
	*secret = NULL;
}

static void
forget_secrets(struct mysql_link *m)
{
	free_secret(&m->password);
	free_secret(&m->sql);
	free(m->user);
	free(m->database);
	m->user = m->database = NULL;
	if (m->lib != NULL && m->lib->passwd != NULL)
		explicit_bzero(m->lib->passwd, strlen(m->lib->passwd));
}

static void
stop_waiting(struct mysql_link *m)
{
	if (m->event != NULL)
		event_free(m->event);
	m->event = NULL;
}

/* --- the phases ----------------------------------------------------------------------------------- */

static void
connect_inside(void *arg)
{
	struct mysql_link *m = arg;

	if (m->ready == 0)
		m->waits_for = mysql_real_connect_start(&m->connected, m->lib, m->host, m->user,
		    m->password, m->database, m->port, NULL, 0);
	else
		m->waits_for = mysql_real_connect_cont(&m->connected, m->lib, m->ready);
}

static int
go_connect(struct mysql_link *m, int ready)
{
	bool has_ended;

	m->ready = ready;
	if (m->wait == NULL) {
		connect_inside(m);
		return m->waits_for;
	}
	if (m->is_in_library)
		has_ended = mysql_wait_resume(m->wait, (ready & MYSQL_WAIT_TIMEOUT) != 0);
	else
		has_ended = mysql_wait_run(m->wait, connect_inside, m);
	m->is_in_library = !has_ended;
	/* A handshake waits to read: what it writes fits into the socket's buffer. */
	return has_ended ? m->waits_for : MYSQL_WAIT_READ;
}

static int
go_ask(struct mysql_link *m, int ready)
{
	return ready == 0 ? mysql_real_query_start(&m->failed, m->lib, m->sql, strlen(m->sql))
			  : mysql_real_query_cont(&m->failed, m->lib, ready);
}

static int
go_read(struct mysql_link *m, int ready)
{
	return ready == 0 ? mysql_fetch_row_start(&m->row, m->result)
			  : mysql_fetch_row_cont(&m->row, m->result, ready);
}

static void connect_ended(struct mysql_link *m);
static void ask_ended(struct mysql_link *m);
static void read_ended(struct mysql_link *m);

static const struct {
	go_fn *go;
	ended_fn *ended;
} phases[] = {
	[PHASE_CONNECTING] = { go_connect, connect_ended },
	[PHASE_ASKING] = { go_ask, ask_ended },
	[PHASE_READING] = { go_read, read_ended },
};

/* --- the end of it -------------------------------------------------------------------------------- */

/* Closes. Nothing here waits for the server, who may be frozen: what would have to, fails instead. */
static void
drop(struct mysql_link *m, bool is_polite)
{
	enum phase phase = m->phase;
	int fd;

	stop_waiting(m);
	set_phase(m, PHASE_CLOSED);
	if (m->lib == NULL)
		return;
	fd = mysql_get_socket(m->lib);
	if (!is_polite && fd >= 0)
		shutdown(fd, SHUT_RDWR);
	for (int i = 0; m->is_suspended && i < UNWIND_MAX; i++)
		m->is_suspended = phases[phase].go(m, MYSQL_WAIT_TIMEOUT) != 0;
	m->is_suspended = false;
	if (m->result != NULL)
		mysql_free_result(m->result);
	m->result = NULL;
	forget_secrets(m);
	/* Without a limit that has to be kept: outside of a run every wait of the library fails. */
	mysql_close(m->lib);
	m->lib = NULL;
	mysql_wait_free(m->wait);
	m->wait = NULL;
	m->is_in_library = false;
	m->version[0] = '\0';
}

/* The answer is complete. It is told in the next turn: we may still be inside of a _start. */
static void
finish(struct mysql_link *m)
{
	stop_waiting(m);
	m->is_over = true;
	m->answer.took_us = clock_mono_us() - m->started_us;
	forget_secrets(m);
	loop_timer_set(m->timer, 0);
}

static void
fail(struct mysql_link *m)
{
	rows_clear(&m->answer.rows);
	m->answer.is_connect = m->phase == PHASE_CONNECTING;
	drop(m, false);
	finish(m);
}

/* What the library says. An error of the server's leaves the connection as it is. */
static void
fail_as_told(struct mysql_link *m)
{
	struct mysql_answer *a = &m->answer;
	const char *text = mysql_error(m->lib);
	char shown[ERR_TEXT_MAX];

	a->number = mysql_errno(m->lib);
	snprintf(a->sqlstate, sizeof(a->sqlstate), "%.5s", mysql_sqlstate(m->lib));
	a->system_errno =
	    a->number >= CR_MIN_ERROR && a->number <= CR_MAX_ERROR ? mysql_error_errno(text) : 0;
	err_set(&a->err, mysql_error_code(a->number, a->system_errno), "%s: %s (%u)", m->where,
	    str_printable(shown, sizeof(shown), text, strlen(text)), a->number);
	if (m->phase == PHASE_ASKING && (a->number < CR_MIN_ERROR || a->number > CR_MAX_ERROR)) {
		set_phase(m, PHASE_OPEN);
		finish(m);
		return;
	}
	fail(m);
}

static void
connect_ended(struct mysql_link *m)
{
	const char *version;

	if (m->connected == NULL) {
		fail_as_told(m);
		return;
	}
	/* The library goes on without, unless it verifies; look_at_greeting() mostly knew before. */
	if (m->wait != NULL && mysql_get_ssl_cipher(m->lib) == NULL) {
		mysql_greeting_lacks_tls(m->where, &m->answer);
		fail(m);
		return;
	}
	mysql_wait_free(m->wait);
	m->wait = NULL;
	version = mysql_get_server_info(m->lib);
	str_printable(m->version, sizeof(m->version), version, strlen(version));
	set_phase(m, PHASE_OPEN);
	finish(m);
}

static void
set_columns(struct mysql_link *m)
{
	unsigned count = mysql_num_fields(m->result);
	const MYSQL_FIELD *fields = mysql_fetch_fields(m->result);
	const char **names = mem_array(count, sizeof(*names));

	for (unsigned i = 0; i < count; i++)
		names[i] = fields[i].name;
	rows_set_columns(&m->answer.rows, names, count);
	free(names);
}

static void
ask_ended(struct mysql_link *m)
{
	if (m->failed) {
		fail_as_told(m);
		return;
	}
	if (mysql_field_count(m->lib) == 0) {
		m->answer.affected = mysql_affected_rows(m->lib);
		set_phase(m, PHASE_OPEN);
		finish(m);
		return;
	}
	/* Cannot fail: there are fields, and memory. */
	if ((m->result = mysql_use_result(m->lib)) == NULL)
		abort();
	set_phase(m, PHASE_READING);
	if (mysql_num_fields(m->result) > COLUMNS_MAX) {
		err_set(
		    &m->answer.err, ERR_LIMIT, "%s: more than %d columns", m->where, COLUMNS_MAX);
		fail(m);
		return;
	}
	set_columns(m);
}

static void
read_ended(struct mysql_link *m)
{
	struct rows *rows = &m->answer.rows;

	if (m->row != NULL) {
		rows_add(rows, (const char *const *)m->row, mysql_fetch_lengths(m->result));
		if (rows->row_count > MYSQL_ROWS_MAX || rows->bytes > MYSQL_BYTES_MAX) {
			err_set(&m->answer.err, ERR_LIMIT, "%s: more than %u rows or %u bytes",
			    m->where, MYSQL_ROWS_MAX, MYSQL_BYTES_MAX);
			fail(m);
		}
		return;
	}
	if (mysql_errno(m->lib) != 0) {
		fail_as_told(m);
		return;
	}
	mysql_free_result(m->result);
	m->result = NULL;
	set_phase(m, PHASE_OPEN);
	finish(m);
}

/* --- what drives it ------------------------------------------------------------------------------- */

/* Looks at what the server says first, and leaves it for the library. */
static int
look_at_greeting(struct mysql_link *m, int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };
	unsigned char b[MYSQL_GREETING_LOOK];
	ssize_t n;

	m->is_greeted = true;
	/* An error is for the library: recv() would take it away. */
	if (poll(&pollfd, 1, 0) != 1 || (pollfd.revents & POLLERR) != 0)
		return 0;
	n = recv(fd, b, sizeof(b), MSG_PEEK | MSG_DONTWAIT);
	return n > 0 ? mysql_greeting_check(b, (size_t)n, m->wait != NULL, m->where, &m->answer)
		     : 0;
}

static void
socket_ready(evutil_socket_t fd, short what, void *arg)
{
	struct mysql_link *m = arg;
	int ready = 0;

	stop_waiting(m);
	if (what & EV_READ)
		ready |= MYSQL_WAIT_READ;
	if (what & EV_WRITE)
		ready |= MYSQL_WAIT_WRITE;
	if (what & EV_TIMEOUT)
		ready |= MYSQL_WAIT_TIMEOUT;
	if (m->phase == PHASE_CONNECTING && !m->is_greeted) {
		if (look_at_greeting(m, fd) != 0) {
			fail(m);
			return;
		}
		ready = m->waits_for;
	}
	drive(m, ready);
}

/*
 * The library makes the socket blocking once it is connected, and then may shake hands for TLS at once,
 * with read(2). A time-out of the socket's ends that after a tick of the kernel's clock, in our hook,
 * and here it is made what it should be.
 */
static void
prepare_socket(struct mysql_link *m, int fd)
{
	static const struct timeval at_once = { .tv_usec = 1 };

	fcntl(fd, F_SETFD, FD_CLOEXEC); /* a plugin has no use for it */
	fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
	if (m->wait == NULL)
		return;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &at_once, sizeof(at_once));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &at_once, sizeof(at_once));
}

static void
wait_for(struct mysql_link *m, int status)
{
	int fd = mysql_get_socket(m->lib);
	short what = (short)((status & MYSQL_WAIT_READ ? EV_READ : 0) |
			     (status & MYSQL_WAIT_WRITE ? EV_WRITE : 0));
	unsigned ms = mysql_get_timeout_value_ms(m->lib);
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	prepare_socket(m, fd);
	/*
	 * The server speaks first: that it can be read from also says that the connection is there. Where
	 * that was so at once, the library may have read already, and there is nothing to look at.
	 */
	if (m->phase == PHASE_CONNECTING && !m->is_greeted) {
		m->is_greeted = (status & MYSQL_WAIT_WRITE) == 0;
		what = EV_READ;
	}
	if ((m->event = event_new(loop_base(m->loop), fd, what, socket_ready, m)) == NULL)
		abort(); /* out of memory */
	event_add(m->event, status & MYSQL_WAIT_TIMEOUT ? &tv : NULL);
}

/* On, as far as it goes without waiting. ready 0: a phase begins. */
static void
drive(struct mysql_link *m, int ready)
{
	do {
		int status = phases[m->phase].go(m, ready);

		m->is_suspended = status != 0;
		if (m->is_suspended) {
			wait_for(m, status);
			return;
		}
		phases[m->phase].ended(m);
		ready = 0;
	} while (!m->is_over);
}

static void
timer_due(void *arg)
{
	struct mysql_link *m = arg;
	mysql_done_fn *done = m->done;
	struct mysql_answer answer;
	char limit[16];

	if (!m->is_over) {
		err_set(&m->answer.err, ERR_TIMEOUT, "%s: %s within %s", m->where,
		    m->phase == PHASE_CONNECTING && !m->is_greeted ? "no greeting" : "no answer",
		    str_duration(limit, sizeof(limit), m->limit_ms));
		fail(m);
		loop_timer_stop(m->timer);
	}
	answer = m->answer;
	m->answer = (struct mysql_answer){ 0 };
	m->done = NULL;
	done(&answer, m->arg);
	rows_clear(&answer.rows);
}

static void
begin(struct mysql_link *m, int64_t limit_ms, mysql_done_fn *done, void *arg)
{
	if (m->done != NULL)
		abort(); /* one thing at a time */
	m->done = done;
	m->arg = arg;
	m->is_over = false;
	m->limit_ms = limit_ms;
	m->started_us = clock_mono_us();
	loop_timer_set(m->timer, limit_ms);
}

/* --- what is asked for ---------------------------------------------------------------------------- */

struct mysql_link *
mysql_link_new(struct loop *l)
{
	struct mysql_link *m = mem_alloc(sizeof(*m));

	m->loop = l;
	m->timer = loop_timer_new(l, timer_due, m);
	return m;
}

void
mysql_link_cancel(struct mysql_link *m)
{
	if (m->done == NULL)
		return;
	loop_timer_stop(m->timer);
	drop(m, false);
	rows_clear(&m->answer.rows);
	m->answer = (struct mysql_answer){ 0 };
	m->done = NULL;
}

void
mysql_link_close(struct mysql_link *m)
{
	mysql_link_cancel(m);
	drop(m, true);
}

void
mysql_link_free(struct mysql_link *m)
{
	if (m == NULL)
		return;
	mysql_link_close(m);
	loop_timer_free(m->timer);
	/* Its event may have become active in this very turn. */
	loop_defer_free(m->loop, m);
}

static char *
copy_or_null(const char *text)
{
	return text != NULL ? mem_strdup(text) : NULL;
}

void
mysql_link_connect(struct mysql_link *m, const struct endpoint *address,
    const struct mysql_account *account, int64_t limit_ms, mysql_done_fn *done, void *arg)
{
	begin(m, limit_ms, done, arg);
	drop(m, true);
	endpoint_format(m->where, address);
	if (getnameinfo((const struct sockaddr *)&address->address, address->len, m->host,
		sizeof(m->host), NULL, 0, NI_NUMERICHOST) != 0)
		abort(); /* endpoint_parse() made it */
	m->port = (unsigned)endpoint_port(address);
	m->user = copy_or_null(account->user);
	m->password = copy_or_null(account->password);
	m->database = copy_or_null(account->database);
	m->is_greeted = false;
	if ((m->lib = mysql_init(NULL)) == NULL)
		abort(); /* out of memory */
	mysql_options_set(m->lib, account);
	if (account->is_tls)
		m->wait = mysql_wait_new();
	set_phase(m, PHASE_CONNECTING);
	drive(m, 0);
}

void
mysql_link_query(
    struct mysql_link *m, const char *sql, int64_t limit_ms, mysql_done_fn *done, void *arg)
{
	begin(m, limit_ms, done, arg);
	if (m->phase != PHASE_OPEN) {
		err_set(&m->answer.err, ERR_UNREACHABLE, "not connected");
		finish(m);
		return;
	}
	m->sql = mem_strdup(sql);
	set_phase(m, PHASE_ASKING);
	drive(m, 0);
}

bool
mysql_link_is_open(const struct mysql_link *m)
{
	return m->phase == PHASE_OPEN;
}

bool
mysql_link_is_mariadb(const struct mysql_link *m)
{
	return m->lib != NULL && mariadb_connection(m->lib);
}

const char *
mysql_link_version(const struct mysql_link *m)
{
	return m->version;
}

uint64_t
mysql_link_id(const struct mysql_link *m)
{
	return m->lib != NULL ? mysql_thread_id(m->lib) : 0;
}
