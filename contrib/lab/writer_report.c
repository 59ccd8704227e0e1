/*
 * writer_report.c: what a run felt like, from its record alone, and the report as text and as JSON.
 *
 * Handovers. The acknowledged rows are taken in the order of their answers. The first answer of another
 * server is a handover, and writes were refused from the last answer there to the first one here. An
 * answer of the old server that is read later than that, to a row that was sent before, was merely on
 * its way (a thread that waits for a processor): it belongs to the old server's time. A row that was *sent*
 * to the old one after the new one had answered, and was acknowledged, is a handover back. So two
 * servers that are writable at once show as handovers by the hundred, and no number hides them.
 */
#include "writer.h"

#include <inttypes.h>
#include <mysqld_error.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define SHOWN_HANDOVERS 12

const char *
error_class_name(unsigned number)
{
	static const struct {
		unsigned number;
		const char *name;
	} classes[] = { { 0, "name" }, { 2002, "refused" }, { 2003, "refused" }, { 2006, "gone" },
		{ 2013, "lost" }, { ER_OPTION_PREVENTS_STATEMENT, "read-only" },
		{ ER_READ_ONLY_MODE, "read-only" }, { ER_ACCESS_DENIED_ERROR, "denied" },
		{ ER_DBACCESS_DENIED_ERROR, "denied" }, { ER_TABLEACCESS_DENIED_ERROR, "denied" },
		{ ER_CON_COUNT_ERROR, "too-many" }, { ER_TOO_MANY_USER_CONNECTIONS, "too-many" },
		{ ER_SERVER_SHUTDOWN, "shutdown" }, { ER_CONNECTION_KILLED, "killed" },
		{ ER_QUERY_INTERRUPTED, "killed" }, { ER_LOCK_WAIT_TIMEOUT, "lock" },
		{ ER_LOCK_DEADLOCK, "lock" } };

	for (size_t i = 0; i < MEM_COUNT(classes); i++) {
		if (classes[i].number == number)
			return classes[i].name;
	}
	return "other";
}

static int64_t
answered_ns(const struct event *e)
{
	return e->sent_ns + e->took_ns;
}

static int
by_answer(const void *a, const void *b)
{
	int64_t x = answered_ns(a), y = answered_ns(b);

	return (x > y) - (x < y);
}

static int
by_number(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void
add_handover(struct summary *s, const struct handover *h)
{
	s->handovers = mem_grow(s->handovers, s->handover_count + 1, sizeof(*s->handovers));
	s->handovers[s->handover_count++] = *h;
}

static void
find_handovers(const struct event *acks, size_t count, struct summary *s)
{
	struct handover *last = NULL; /* the latest one */
	int64_t began_ns = 0, answer_ns = 0;

	for (size_t i = 0; i < count; i++) {
		const struct event *e = &acks[i];
		/* The addresses of a record are kept once, so that they compare by pointer. */
		if (last != NULL && e->address == last->from && e->sent_ns < began_ns) {
			last->last_ns = answered_ns(e);
			continue;
		}
		if (i == 0) {
			began_ns = answered_ns(e);
		} else if (e->address != (last != NULL ? last->to : acks[0].address)) {
			add_handover(s,
			    &(struct handover){ .from = last != NULL ? last->to : acks[0].address,
				.to = e->address,
				.last_ns = answer_ns,
				.first_ns = answered_ns(e) });
			last = &s->handovers[s->handover_count - 1];
			began_ns = answered_ns(e);
		}
		answer_ns = answered_ns(e);
	}
}

static void
find_silence(const struct event *acks, size_t count, int64_t end_ns, struct summary *s)
{
	for (size_t i = 0; i <= count; i++) {
		int64_t from = i == 0 ? 0 : answered_ns(&acks[i - 1]);
		int64_t to = i == count ? end_ns : answered_ns(&acks[i]);
		/* The time before the first is that of the start. */
		if (i > 0 && to - from > s->silence_ns) {
			s->silence_ns = to - from;
			s->silence_at_ns = from;
		}
	}
}

static void
find_latency(const struct event *acks, size_t count, struct summary *s)
{
	int64_t *took = mem_array(count + 1, sizeof(*took));

	for (size_t i = 0; i < count; i++)
		took[i] = acks[i].took_ns;
	qsort(took, count, sizeof(*took), by_number);
	if (count > 0) {
		s->p50_ns = took[count / 2];
		s->p99_ns = took[count * 99 / 100];
		s->max_ns = took[count - 1];
	}
	free(took);
}

void
summary_make(const struct record *r, struct summary *out)
{
	struct event *acks = mem_array(r->event_count + 1, sizeof(*acks));
	size_t count = 0;

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < r->event_count; i++) {
		const struct event *e = &r->events[i];
		out->acknowledged += e->outcome == OUTCOME_ACKNOWLEDGED;
		out->refused += e->outcome == OUTCOME_REFUSED;
		out->doubt += e->outcome == OUTCOME_DOUBT;
		out->no_session += e->outcome == OUTCOME_NO_SESSION;
		if (e->outcome == OUTCOME_ACKNOWLEDGED)
			acks[count++] = *e;
	}
	qsort(acks, count, sizeof(*acks), by_answer);
	find_handovers(acks, count, out);
	find_silence(acks, count, r->end_ns, out);
	find_latency(acks, count, out);
	free(acks);
}

void
summary_free(struct summary *s)
{
	free(s->handovers);
}

static double
ms(int64_t ns)
{
	return (double)ns / 1e6;
}

/* Answers that crossed each other leave no time in which nobody wrote. */
static double
refused_ms(const struct handover *h)
{
	return h->first_ns > h->last_ns ? ms(h->first_ns - h->last_ns) : 0;
}

/* --- as text, 80 columns --- */

static void
text_rows(const struct comparison *c, FILE *out)
{
	for (size_t s = 0; s < c->count; s++) {
		const struct found *f = &c->servers[s];
		fprintf(out, "on %-21s  found %-9" PRIu64 " lost %-6" PRIu64 " twice %" PRIu64 "\n",
		    f->address, f->acknowledged, f->lost, f->duplicated);
		if (f->doubt_there != 0)
			fprintf(out, "    %" PRIu64 " in doubt are there\n", f->doubt_there);
		if (f->refused_there != 0)
			fprintf(
			    out, "    %" PRIu64 " were refused, and are there\n", f->refused_there);
		if (f->unknown != 0)
			fprintf(out, "    %" PRIu64 " carry a number that was never used\n",
			    f->unknown);
		for (size_t i = 0; i < MEM_COUNT(f->first_lost) && i < f->lost; i++)
			fprintf(out, "    lost: connection %u, sequence %" PRIu32 "\n",
			    f->first_lost[i].connection, f->first_lost[i].sequence);
	}
	if (c->count == 2 && c->is_equal)
		fprintf(out, "the tables are equal: %" PRIu64 " rows\n", c->table_rows[0]);
	else if (c->count == 2)
		fprintf(out,
		    "the tables DIFFER: %" PRIu64 " rows only on %s,\n    %" PRIu64
		    " only on %s, %" PRIu64 " with the same id and another content\n",
		    c->only[0], c->servers[0].address, c->only[1], c->servers[1].address,
		    c->different);
}

static void
text_handovers(const struct summary *s, FILE *out)
{
	for (size_t i = 0; i < s->handover_count && i < SHOWN_HANDOVERS; i++) {
		const struct handover *h = &s->handovers[i];
		fprintf(out, "at %8.3f s  %s > %s  writes refused %.1f ms\n", ms(h->last_ns) / 1000,
		    h->from, h->to, refused_ms(h));
	}
	if (s->handover_count > SHOWN_HANDOVERS)
		fprintf(out, "and %zu more handovers\n", s->handover_count - SHOWN_HANDOVERS);
	fprintf(out, "the longest time without an acknowledged row: %.1f ms, from %.3f s\n",
	    ms(s->silence_ns), ms(s->silence_at_ns) / 1000);
}

static const char *
outcome_name(enum outcome o)
{
	return o == OUTCOME_REFUSED ? "refused" : o == OUTCOME_DOUBT ? "in doubt" : "no session";
}

void
report_text(const struct record *r, const struct summary *s, const struct comparison *c, FILE *out)
{
	double seconds = ms(r->end_ns) / 1000;

	fprintf(out, "run %s  %u connections, %u rows/s wanted\nthrough %s, %.1f s%s\n", r->run,
	    r->connections, r->rate, r->via, seconds,
	    r->is_ended ? "" : " (the writer was killed: the record has no end)");
	fprintf(out,
	    "acknowledged %" PRIu64 " (%.0f/s)  refused %" PRIu64 "  in doubt %" PRIu64 "\n",
	    s->acknowledged, seconds > 0 ? (double)s->acknowledged / seconds : 0, s->refused,
	    s->doubt);
	fprintf(out, "latency p50 %.2f ms  p99 %.2f ms  max %.1f ms\n", ms(s->p50_ns),
	    ms(s->p99_ns), ms(s->max_ns));
	text_handovers(s, out);
	for (size_t i = 0; i < r->error_count; i++) {
		const struct error_class *e = &r->errors[i];
		fprintf(out, "%7" PRIu64 "  %-10s %-9s %4u  %.42s\n", e->count,
		    outcome_name(e->outcome), error_class_name(e->number), e->number, e->text);
	}
	text_rows(c, out);
	if (c->count > 0)
		fprintf(out, "acknowledged writes lost: %" PRIu64 "\n", c->servers[0].lost);
}

/* --- as JSON --- */

static json_t *
json_count(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *
json_handovers(const struct summary *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->handover_count; i++) {
		const struct handover *h = &s->handovers[i];
		json_array_append_new(
		    list, json_pack("{s:s, s:s, s:f, s:f}", "from", h->from, "to", h->to, "at_s",
			      ms(h->last_ns) / 1000, "refused_ms", refused_ms(h)));
	}
	return list;
}

static json_t *
json_errors(const struct record *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->error_count; i++) {
		const struct error_class *e = &r->errors[i];
		/* A server's message in another character set than ours is left out, not the count. */
		json_t *text = json_string(e->text);
		json_array_append_new(list,
		    json_pack("{s:s, s:s, s:i, s:o, s:o}", "outcome", outcome_name(e->outcome),
			"class", error_class_name(e->number), "number", (int)e->number, "count",
			json_count(e->count), "text", text != NULL ? text : json_string("")));
	}
	return list;
}

static json_t *
json_servers(const struct comparison *c)
{
	json_t *list = json_array();

	for (size_t s = 0; s < c->count; s++) {
		const struct found *f = &c->servers[s];
		json_array_append_new(list,
		    json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "address",
			f->address, "rows", json_count(f->rows), "found",
			json_count(f->acknowledged), "lost", json_count(f->lost), "duplicated",
			json_count(f->duplicated), "refused_there", json_count(f->refused_there),
			"doubt_there", json_count(f->doubt_there), "unknown",
			json_count(f->unknown), "table_rows", json_count(c->table_rows[s]),
			"only_here", json_count(c->only[s])));
	}
	return list;
}

json_t *
report_json(const struct record *r, const struct summary *s, const struct comparison *c)
{
	json_t *latency = json_pack(
	    "{s:f, s:f, s:f}", "p50", ms(s->p50_ns), "p99", ms(s->p99_ns), "max", ms(s->max_ns));
	json_t *report = json_pack(
	    "{s:s, s:s, s:i, s:i, s:f, s:b, s:o, s:o, s:o, s:o, s:o, s:{s:f, s:f}, s:o, s:o}",
	    "run", r->run, "through", r->via, "connections", (int)r->connections, "rate",
	    (int)r->rate, "seconds", ms(r->end_ns) / 1000, "ended", r->is_ended, "acknowledged",
	    json_count(s->acknowledged), "refused", json_count(s->refused), "in_doubt",
	    json_count(s->doubt), "no_session", json_count(s->no_session), "latency_ms", latency,
	    "silence", "ms", ms(s->silence_ns), "at_s", ms(s->silence_at_ns) / 1000, "handovers",
	    json_handovers(s), "errors", json_errors(r));

	if (c->count > 0) {
		/* The first server is the one that clients are sent to: what is not there is lost to them. */
		json_object_set_new(report, "lost", json_count(c->servers[0].lost));
		json_object_set_new(report, "duplicated", json_count(c->servers[0].duplicated));
		json_object_set_new(report, "servers", json_servers(c));
	}
	if (c->count == 2) {
		json_object_set_new(report, "equal", json_boolean(c->is_equal));
		json_object_set_new(report, "different", json_count(c->different));
	}
	return report;
}
