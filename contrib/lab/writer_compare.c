/*
 * writer_compare.c: looks for the rows, on one server or on two.
 *
 * The whole table is read from both in the order of its ids and merged, row by row: one pass finds
 * each row of the run, those of nobody, those that are there twice, and every difference between the
 * two, rows of other runs included. Checksums were left out: one that differs does not say which row.
 *
 * Replication may still be on its way. So the pass is repeated until all is well or the time is over,
 * and the last one is what counts.
 */
#include "writer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"

#define PAUSE_MS 250

/* What the record knows of every number of one connection, and how often each was found. */
struct expected {
	uint32_t last; /* the highest number that was used */
	unsigned char *outcome;
	unsigned char *seen[WRITER_CHECKED_MAX];
};

/* One server's table while it is read. */
struct reader {
	MYSQL *session;
	MYSQL_RES *result;
	bool has_row;
	uint64_t id;
	char run[WRITER_RUN_SIZE];
	unsigned connection;
	uint32_t sequence;
};

static void
expected_free(struct expected *all, unsigned connections)
{
	for (unsigned i = 0; i < connections; i++) {
		free(all[i].outcome);
		for (size_t s = 0; s < WRITER_CHECKED_MAX; s++)
			free(all[i].seen[s]);
	}
	free(all);
}

static struct expected *
expected_make(const struct record *r)
{
	struct expected *all = mem_array(r->connections, sizeof(*all));

	for (size_t i = 0; i < r->event_count; i++) {
		const struct event *e = &r->events[i];
		if (all[e->connection - 1].last < e->sequence)
			all[e->connection - 1].last = e->sequence;
	}
	for (unsigned i = 0; i < r->connections; i++) {
		/* One more: what a writer that was killed had asked for, and did not hear the answer to. */
		size_t size = (size_t)all[i].last + 2;
		all[i].outcome = mem_alloc(size);
		for (size_t s = 0; s < WRITER_CHECKED_MAX; s++)
			all[i].seen[s] = mem_alloc(size);
		if (!r->is_ended)
			all[i].outcome[size - 1] = OUTCOME_DOUBT;
	}
	for (size_t i = 0; i < r->event_count; i++) {
		const struct event *e = &r->events[i];
		if (e->sequence != 0)
			all[e->connection - 1].outcome[e->sequence] = (unsigned char)e->outcome;
	}
	return all;
}

/* --- reading --- */

static int
reader_fail(struct reader *t, const char *address, char text[static 512])
{
	snprintf(text, 512, "%s: %s", address, mysql_error(t->session));
	return -1;
}

static int
reader_open(struct reader *t, const struct writer_options *o, const char *address,
    const char *table, char text[static 512])
{
	char why[256], sql[300];
	unsigned number;

	t->session = writer_connect(o, address, &number, why);
	if (t->session == NULL) {
		snprintf(text, 512, "%s: %s", address, why);
		return -1;
	}
	/* Forced: what an index leaves out by mistake is not left out here. */
	snprintf(sql, sizeof(sql),
	    "SELECT id, run, connection, sequence FROM %s FORCE INDEX (PRIMARY) ORDER BY id",
	    table);
	if (mysql_query(t->session, sql) != 0 || (t->result = mysql_use_result(t->session)) == NULL)
		return reader_fail(t, address, text);
	return 0;
}

static int
reader_next(struct reader *t, const char *address, char text[static 512])
{
	MYSQL_ROW row = mysql_fetch_row(t->result);

	t->has_row = row != NULL;
	if (row == NULL)
		return mysql_errno(t->session) == 0 ? 0 : reader_fail(t, address, text);
	t->id = strtoull(row[0], NULL, 10);
	snprintf(t->run, sizeof(t->run), "%s", row[1]);
	t->connection = (unsigned)strtoul(row[2], NULL, 10);
	t->sequence = (uint32_t)strtoul(row[3], NULL, 10);
	return 0;
}

static void
reader_close(struct reader *t)
{
	if (t->result != NULL)
		mysql_free_result(t->result);
	if (t->session != NULL)
		mysql_close(t->session);
}

/* --- what is found --- */

static void
found_row(struct found *f, struct expected *all, const struct record *r, size_t server,
    const struct reader *t)
{
	struct expected *x;

	if (strcmp(t->run, r->run) != 0)
		return;
	f->rows++;
	if (t->connection < 1 || t->connection > r->connections ||
	    t->sequence > all[t->connection - 1].last + 1 ||
	    all[t->connection - 1].outcome[t->sequence] == OUTCOME_NONE) {
		f->unknown++;
		return;
	}
	x = &all[t->connection - 1];
	if (x->seen[server][t->sequence] != 0) {
		f->duplicated++;
		return;
	}
	x->seen[server][t->sequence] = 1;
	if (x->outcome[t->sequence] == OUTCOME_ACKNOWLEDGED)
		f->acknowledged++;
	else if (x->outcome[t->sequence] == OUTCOME_REFUSED)
		f->refused_there++;
	else
		f->doubt_there++;
}

static void
found_losses(struct found *f, const struct expected *all, unsigned connections, size_t server)
{
	for (unsigned i = 0; i < connections; i++) {
		for (uint32_t n = 1; n <= all[i].last; n++) {
			if (all[i].outcome[n] != OUTCOME_ACKNOWLEDGED ||
			    all[i].seen[server][n] != 0)
				continue;
			if (f->lost < MEM_COUNT(f->first_lost)) {
				f->first_lost[f->lost].connection = i + 1;
				f->first_lost[f->lost].sequence = n;
			}
			f->lost++;
		}
	}
}

/* Which of the readers stand at the lowest id, as bits; 0 when all are at their end. */
static unsigned
lowest(const struct reader *readers, size_t count)
{
	unsigned bits = 0;
	uint64_t id = UINT64_MAX;

	for (size_t s = 0; s < count; s++) {
		if (!readers[s].has_row || (bits != 0 && readers[s].id > id))
			continue;
		bits = (bits != 0 && readers[s].id == id ? bits : 0) | 1u << s;
		id = readers[s].id;
	}
	return bits;
}

static bool
is_same_row(const struct reader *a, const struct reader *b)
{
	return strcmp(a->run, b->run) == 0 && a->connection == b->connection &&
	       a->sequence == b->sequence;
}

static int
merge(const struct writer_options *o, const struct record *r, struct reader *readers,
    struct expected *all, struct comparison *c, char text[static 512])
{
	unsigned bits;

	for (size_t s = 0; s < c->count; s++) {
		c->servers[s].address = o->checked[s];
		if (reader_open(&readers[s], o, o->checked[s], r->table, text) != 0 ||
		    reader_next(&readers[s], o->checked[s], text) != 0)
			return -1;
	}
	while ((bits = lowest(readers, c->count)) != 0) {
		if (bits == 3 && !is_same_row(&readers[0], &readers[1]))
			c->different++;
		for (size_t s = 0; s < c->count; s++) {
			if ((bits & 1u << s) == 0)
				continue;
			c->table_rows[s]++;
			if (c->count == 2 && bits != 3)
				c->only[s]++;
			found_row(&c->servers[s], all, r, s, &readers[s]);
			if (reader_next(&readers[s], o->checked[s], text) != 0)
				return -1;
		}
	}
	for (size_t s = 0; s < c->count; s++)
		found_losses(&c->servers[s], all, r->connections, s);
	c->is_equal = c->different == 0 && c->only[0] == 0 && c->only[1] == 0;
	return 0;
}

static int
compare_once(const struct writer_options *o, const struct record *r, struct comparison *out,
    char text[static 512])
{
	struct reader readers[WRITER_CHECKED_MAX] = { { .session = NULL } };
	struct expected *all = expected_make(r);
	struct comparison c = { .count = o->checked[1] != NULL ? 2 : 1 };
	int result = merge(o, r, readers, all, &c, text);

	for (size_t s = 0; s < c.count; s++)
		reader_close(&readers[s]);
	expected_free(all, r->connections);
	if (result == 0)
		*out = c;
	return result;
}

bool
comparison_is_well(const struct comparison *c)
{
	for (size_t s = 0; s < c->count; s++) {
		const struct found *f = &c->servers[s];
		if (f->lost != 0 || f->duplicated != 0 || f->refused_there != 0 || f->unknown != 0)
			return false;
	}
	return c->count > 0 && c->is_equal;
}

int
compare_servers(const struct writer_options *o, const struct record *r, struct comparison *out,
    char text[static 512])
{
	struct timespec begin, now, pause = { .tv_nsec = PAUSE_MS * 1000000 };
	int result;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (;;) {
		result = compare_once(o, r, out, text);
		if (result == 0 && comparison_is_well(out))
			return 0;
		clock_gettime(CLOCK_MONOTONIC, &now);
		if ((double)(now.tv_sec - begin.tv_sec) +
			(double)(now.tv_nsec - begin.tv_nsec) / 1e9 >=
		    o->settle_s)
			return result;
		nanosleep(&pause, NULL);
	}
}
