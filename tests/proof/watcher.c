/*
 * watcher.c: whether two databases were ever writable at the same instant. It asks both of them a
 * thousand times a second, or as often as is said, each from a thread of its own:
 *
 *	watcher ACCOUNT NAME=ADDRESS:PORT NAME=ADDRESS:PORT [TIMES-A-SECOND]
 *
 * ACCOUNT is an option file; its [client] group has user and password. Every change is a line on standard
 * output (monotonic nanoseconds, the name, writable | read-only | down). A line on standard input asks for
 * a report of the time since the last one, which is one line of JSON; the end of standard input ends it.
 *
 * What a poll proves. Its answer was true at some instant between the question and the answer. So a row of
 * answers "writable" proves the time from the first one's answer to the last one's question, and one answer
 * alone an unknown instant between its two ends. Two servers were writable at once when what is proven
 * of one meets what is proven of the other; no order in which answers arrive can make that up. What goes
 * unseen is an overlap that fits between two polls, 2 ms when the machine keeps up. It may not: so the
 * report has the longest time between two polls, and the row is broken, and proves nothing across, where
 * that is more than GAP_NS.
 */
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <mysql.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define GAP_NS (20 * 1000000)
#define LATE_NS (5 * 1000000) /* a gap that is worth counting */
#define RETRY_NS (5 * 1000000)
#define LIMIT_S 10
#define RUNS_MAX 20000

enum state { UNKNOWN, WRITABLE, READ_ONLY, DOWN };
static const char *const state_names[] = { "unknown", "writable", "read-only", "down" };

/* A row of answers "writable": proven from the first answer to the last question. */
struct run {
	int64_t from_ns, to_ns; /* from > to: one answer, an instant between the two */
};

struct server {
	char name[32], address[64];
	unsigned port;
	MYSQL *session;
	const char *question;
	enum state state;
	int64_t asked_ns; /* the question of the last poll that was answered; 0: none */
	struct run *runs;
	size_t run_count;
	uint64_t polls, late;
	int64_t gap_ns;
};

static struct server servers[2];
static const char *account;
static int64_t period_ns = 1000000;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static int64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void
sleep_until(int64_t ns)
{
	struct timespec t = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		continue;
}

/* --- one answer --- */

static void
set_state(struct server *s, enum state state, int64_t at_ns)
{
	if (s->state == state)
		return;
	s->state = state;
	printf("%" PRId64 " %s %s\n", at_ns, s->name, state_names[state]);
	fflush(stdout);
}

static void
add_writable(struct server *s, int64_t asked_ns, int64_t answered_ns, bool is_new)
{
	if (!is_new && s->run_count > 0) {
		s->runs[s->run_count - 1].to_ns = asked_ns;
		return;
	}
	if (s->run_count == RUNS_MAX)
		errx(1, "more than %d changes", RUNS_MAX);
	s->runs[s->run_count++] = (struct run){ .from_ns = answered_ns, .to_ns = asked_ns };
}

static void
answered(struct server *s, enum state state, int64_t asked_ns)
{
	int64_t answered_ns = now_ns();
	bool is_broken;

	pthread_mutex_lock(&mutex);
	/* From the last question, because nothing is known from there on. */
	is_broken = s->asked_ns == 0 || answered_ns - s->asked_ns > GAP_NS;
	if (s->asked_ns != 0) {
		if (answered_ns - s->asked_ns > s->gap_ns)
			s->gap_ns = answered_ns - s->asked_ns;
		s->late += answered_ns - s->asked_ns > LATE_NS;
	}
	s->asked_ns = state == DOWN ? 0 : asked_ns;
	s->polls += state != DOWN;
	if (state == WRITABLE)
		add_writable(s, asked_ns, answered_ns, is_broken || s->state != WRITABLE);
	set_state(s, state, answered_ns);
	pthread_mutex_unlock(&mutex);
}

/* --- asking --- */

static int
connect_to(struct server *s)
{
	unsigned limit_s = LIMIT_S;
	MYSQL *session = mysql_init(NULL);

	mysql_options(session, MYSQL_READ_DEFAULT_FILE, account);
	mysql_options(session, MYSQL_READ_DEFAULT_GROUP, "client");
	mysql_options(session, MYSQL_OPT_CONNECT_TIMEOUT, &limit_s);
	mysql_options(session, MYSQL_OPT_READ_TIMEOUT, &limit_s);
	if (!mysql_real_connect(session, s->address, NULL, NULL, NULL, s->port, NULL, 0)) {
		mysql_close(session);
		return -1;
	}
	s->session = session;
	/* Without super_read_only the administrators of a MySQL still write. */
	s->question = mariadb_connection(session) ? "SELECT @@GLOBAL.read_only"
						  : "SELECT @@GLOBAL.super_read_only";
	return 0;
}

static enum state
ask(struct server *s)
{
	enum state state = DOWN;
	MYSQL_RES *result;
	MYSQL_ROW row;

	if (s->session == NULL && connect_to(s) != 0)
		return DOWN;
	if (mysql_query(s->session, s->question) == 0 &&
	    (result = mysql_store_result(s->session)) != NULL) {
		row = mysql_fetch_row(result);
		if (row != NULL && row[0] != NULL)
			state = row[0][0] == '0' ? WRITABLE : READ_ONLY;
		mysql_free_result(result);
	}
	if (state == DOWN) {
		mysql_close(s->session);
		s->session = NULL;
	}
	return state;
}

static void *
poll_run(void *arg)
{
	struct server *s = arg;
	int64_t turn_ns = now_ns(), asked_ns;
	enum state state;

	mysql_thread_init();
	for (;;) {
		asked_ns = now_ns();
		state = ask(s);
		/* The session may have been killed with all others of the server: at once again. */
		if (state == DOWN) {
			asked_ns = now_ns();
			state = ask(s);
		}
		answered(s, state, asked_ns);
		turn_ns += state == DOWN ? RETRY_NS : period_ns;
		if (turn_ns < now_ns())
			turn_ns = now_ns();
		sleep_until(turn_ns);
	}
	return NULL;
}

/* --- the report --- */

static bool
meet(const struct run *a, const struct run *b)
{
	bool is_instant = a->from_ns > a->to_ns && b->from_ns > b->to_ns;

	return !is_instant && a->from_ns <= b->to_ns && b->from_ns <= a->to_ns;
}

static int64_t
overlap_ns(const struct run *a, const struct run *b)
{
	int64_t from = a->from_ns > b->from_ns ? a->from_ns : b->from_ns;
	int64_t to = a->to_ns < b->to_ns ? a->to_ns : b->to_ns;

	return to > from ? to - from : 0;
}

static void
report_server(struct server *s)
{
	printf(", \"%s\": {\"state\": \"%s\", \"polls\": %" PRIu64 ", \"late\": %" PRIu64
	       ", \"gap_ms\": %.3f}",
	    s->name, state_names[s->state], s->polls, s->late, (double)s->gap_ns / 1e6);
	/* What goes on goes on; what it proves begins anew. */
	if (s->state == WRITABLE && s->run_count > 0) {
		s->runs[0] = s->runs[s->run_count - 1];
		if (s->runs[0].from_ns < s->runs[0].to_ns)
			s->runs[0].from_ns = s->runs[0].to_ns;
		s->run_count = 1;
	} else {
		s->run_count = 0;
	}
	s->polls = s->late = 0;
	s->gap_ns = 0;
}

static void
report(void)
{
	size_t met = 0;
	int64_t longest = 0, took;

	pthread_mutex_lock(&mutex);
	for (size_t i = 0; i < servers[0].run_count; i++) {
		for (size_t j = 0; j < servers[1].run_count; j++) {
			if (!meet(&servers[0].runs[i], &servers[1].runs[j]))
				continue;
			met++;
			took = overlap_ns(&servers[0].runs[i], &servers[1].runs[j]);
			if (took > longest)
				longest = took;
		}
	}
	printf("{\"both_writable\": %zu, \"longest_ms\": %.3f", met, (double)longest / 1e6);
	report_server(&servers[0]);
	report_server(&servers[1]);
	printf("}\n");
	fflush(stdout);
	pthread_mutex_unlock(&mutex);
}

int
main(int argc, char **argv)
{
	struct sched_param urgent = { .sched_priority = 1 };
	pthread_t thread;
	char line[16];

	if (argc != 4 && argc != 5)
		errx(2, "usage: watcher ACCOUNT NAME=ADDRESS:PORT NAME=ADDRESS:PORT [HZ]");
	if (argc == 5 && atoi(argv[4]) > 0)
		period_ns = 1000000000 / atoi(argv[4]);
	account = argv[1];
	mysql_library_init(0, NULL, NULL);
	/* Where that is allowed: it runs for microseconds, and then a busy machine costs no polls. */
	sched_setscheduler(0, SCHED_RR, &urgent);
	for (int i = 0; i < 2; i++) {
		struct server *s = &servers[i];
		if (sscanf(argv[2 + i], "%31[^=]=%63[^:]:%u", s->name, s->address, &s->port) != 3)
			errx(2, "%s is not NAME=ADDRESS:PORT", argv[2 + i]);
		s->runs = calloc(RUNS_MAX, sizeof(*s->runs));
		if (s->runs == NULL || pthread_create(&thread, NULL, poll_run, s) != 0)
			errx(1, "no memory");
	}
	while (fgets(line, sizeof(line), stdin) != NULL)
		report();
	return 0;
}
