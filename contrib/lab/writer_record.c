/*
 * writer_record.c: the record of a run, a text file that a person can read and grep:
 *
 *	run 3f2a… table game.writes connections 8 rate 1000 via maindb.service.consul at …
 *	ack 3 117 1203948812 812345 127.0.87.13:13306 0
 *	refused 5 118 1204017733 211904 127.0.87.13:13306 1290 The MariaDB server is running with …
 *	end 31200000000
 *
 * An outcome, connection, sequence, when it was sent and how long it took (ns; the monotonic clock, from
 * the start of the run), where, the error. One write(2) a line with O_APPEND: whole lines in any order,
 * and nothing waits in the process. It is not synced: the writer's own machine does not lose power here.
 */
#include "writer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

#define LINE_SIZE 512

static const char *const outcome_words[] = { [OUTCOME_NONE] = "?",
	[OUTCOME_ACKNOWLEDGED] = "ack",
	[OUTCOME_REFUSED] = "refused",
	[OUTCOME_DOUBT] = "doubt",
	[OUTCOME_NO_SESSION] = "none" };

/* Set before the first thread, read only from then on. */
static int record_fd = -1;
static struct timespec record_began;

static void __attribute__((noreturn, format(printf, 1, 2))) blind_exit(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("writer: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	_exit(EXIT_BLIND);
}

static void
record_line(const char *line, size_t len)
{
	ssize_t written = write(record_fd, line, len);

	if (written != (ssize_t)len)
		blind_exit("the record: %s; what was acknowledged cannot be remembered any more",
		    written < 0 ? strerror(errno) : "cut short");
}

int64_t
record_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)(t.tv_sec - record_began.tv_sec) * 1000000000 + t.tv_nsec -
	       record_began.tv_nsec;
}

void
record_create(const struct writer_options *o, char run[WRITER_RUN_SIZE])
{
	char line[LINE_SIZE], when[32];
	uint64_t random;
	time_t now = time(NULL);
	struct tm utc;
	int len;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		blind_exit("no random number for the run");
	snprintf(run, WRITER_RUN_SIZE, "%016" PRIx64, random);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
	/* O_EXCL: the record of another run is the only proof of what was promised in it. */
	record_fd = open(o->log, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644);
	if (record_fd < 0)
		blind_exit("%s: %s", o->log, strerror(errno));
	clock_gettime(CLOCK_MONOTONIC, &record_began);
	len = snprintf(line, sizeof(line),
	    "run %s table %.129s connections %u rate %u via %.255s at %s\n", run, o->table,
	    o->connections, o->rate, o->follow != NULL ? "the-address-told" : o->name, when);
	record_line(line, (size_t)len);
}

void
record_event(const struct event *e)
{
	char line[LINE_SIZE];
	int len = snprintf(line, sizeof(line),
	    "%s %u %" PRIu32 " %" PRId64 " %" PRId64 " %s %u %.300s", outcome_words[e->outcome],
	    e->connection, e->sequence, e->sent_ns, e->took_ns, e->address, e->number, e->text);

	for (char *p = line; *p != '\0'; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	}
	line[len] = '\n';
	record_line(line, (size_t)len + 1);
}

void
record_end(void)
{
	char line[64];
	int len = snprintf(line, sizeof(line), "end %" PRId64 "\n", record_now_ns());

	record_line(line, (size_t)len);
	if (close(record_fd) != 0)
		blind_exit("the record: %s", strerror(errno));
}

/* --- read back --- */

static const char *
record_address(struct record *r, const char *address)
{
	for (size_t i = 0; i < r->address_count; i++) {
		if (strcmp(r->addresses[i], address) == 0)
			return r->addresses[i];
	}
	if (r->address_count == MEM_COUNT(r->addresses))
		blind_exit("more than %zu servers in a run", MEM_COUNT(r->addresses));
	return r->addresses[r->address_count++] = mem_strdup(address);
}

static void
record_count_error(struct record *r, const struct event *e, const char *text)
{
	struct error_class *c;

	for (size_t i = 0; i < r->error_count; i++) {
		c = &r->errors[i];
		/* Without a number, of a name that is not resolved say, the text is what tells them apart. */
		if (c->outcome == e->outcome && c->number == e->number &&
		    (e->number != 0 || strncmp(c->text, text, sizeof(c->text) - 1) == 0)) {
			c->count++;
			return;
		}
	}
	r->errors = mem_grow(r->errors, r->error_count + 1, sizeof(*r->errors));
	c = &r->errors[r->error_count++];
	*c = (struct error_class){ .outcome = e->outcome, .number = e->number, .count = 1 };
	snprintf(c->text, sizeof(c->text), "%s", text);
}

static enum outcome
outcome_parse(const char *word)
{
	for (size_t i = OUTCOME_ACKNOWLEDGED; i < MEM_COUNT(outcome_words); i++) {
		if (strcmp(outcome_words[i], word) == 0)
			return (enum outcome)i;
	}
	return OUTCOME_NONE;
}

/* Whether the line is an event. */
static bool
record_add(struct record *r, const char *line)
{
	struct event e = { .outcome = OUTCOME_NONE };
	char word[16], address[WRITER_ADDRESS_SIZE];
	int text_at = 0;

	if (sscanf(line, "%15s %u %" SCNu32 " %" SCNd64 " %" SCNd64 " %31s %u %n", word,
		&e.connection, &e.sequence, &e.sent_ns, &e.took_ns, address, &e.number,
		&text_at) != 7)
		return false;
	e.outcome = outcome_parse(word);
	if (e.outcome == OUTCOME_NONE || e.connection < 1 || e.connection > r->connections)
		return false;
	e.address = record_address(r, address);
	if ((r->event_count & (r->event_count + 1)) == 0) /* doubles at 0, 1, 3, 7, … */
		r->events = mem_grow(r->events, 2 * r->event_count + 1, sizeof(*r->events));
	r->events[r->event_count++] = e;
	if (e.outcome != OUTCOME_ACKNOWLEDGED)
		record_count_error(r, &e, line + text_at);
	if (r->end_ns < e.sent_ns + e.took_ns)
		r->end_ns = e.sent_ns + e.took_ns;
	return true;
}

void
record_load(const char *path, struct record *out)
{
	FILE *in = fopen(path, "re");
	char *line = NULL;
	size_t size = 0, count = 0;
	ssize_t len;

	memset(out, 0, sizeof(*out));
	if (in == NULL)
		blind_exit("%s: %s", path, strerror(errno));
	while ((len = getline(&line, &size, in)) > 0) {
		count++;
		/* A writer that was killed may have begun a line that nobody was promised anything by. */
		if (line[len - 1] != '\n')
			break;
		line[len - 1] = '\0';
		if (count == 1
			? sscanf(line, "run %16s table %129s connections %u rate %u via %299s",
			      out->run, out->table, &out->connections, &out->rate, out->via) == 5
			: record_add(out, line))
			continue;
		if (count > 1 && sscanf(line, "end %" SCNd64, &out->end_ns) == 1) {
			out->is_ended = true;
			continue;
		}
		blind_exit("%s:%zu: not a line of a record", path, count);
	}
	if (ferror(in) || count == 0)
		blind_exit("%s: not a record", path);
	free(line);
	fclose(in);
}

void
record_free(struct record *r)
{
	for (size_t i = 0; i < r->address_count; i++)
		free(r->addresses[i]);
	free(r->events);
	free(r->errors);
}
