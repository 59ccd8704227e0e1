/*
 * gtid.c: sets as sorted sources with sorted intervals. Both dialects become the same structure, so that
 * there is one subtraction. A parsed set is made canonical at its end (sort, then merge what overlaps or
 * touches), because neither server promises an order.
 *
 * MariaDB's binlog state has one number for each (domain, server); taken as 1..number it is not what a
 * server executed, but "a has all that b has" and "what has a beyond b" come out right: within one domain
 * and server numbers only grow. Positions (gtid_slave_pos, Gtid_IO_Pos) have one member a domain, whose
 * server changes with every failover; gtid_behind() therefore compares domains only.
 */
#include "model/gtid.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define UUID_LEN 36
#define TAG_MAX 32

/* --- building ------------------------------------------------------------------------------------- */

static void
add(struct gtid_set *s, const char *name, struct gtid_range range)
{
	struct gtid_source *source = s->count > 0 ? &s->sources[s->count - 1] : NULL;

	/* Members of one source mostly follow each other; make_canonical() joins the rest. */
	if (source == NULL || strcmp(source->name, name) != 0) {
		s->sources = mem_grow(s->sources, s->count + 1, sizeof(*s->sources));
		source = &s->sources[s->count++];
		*source = (struct gtid_source){ .count = 0 };
		memcpy(source->name, name, strlen(name) + 1);
	} else if (range.first > 1 && source->ranges[source->count - 1].last == range.first - 1) {
		source->ranges[source->count - 1].last = range.last;
		return;
	}
	source->ranges = mem_grow(source->ranges, source->count + 1, sizeof(*source->ranges));
	source->ranges[source->count++] = range;
}

static int
compare_sources(const void *a, const void *b)
{
	return strcmp(((const struct gtid_source *)a)->name, ((const struct gtid_source *)b)->name);
}

static int
compare_ranges(const void *a, const void *b)
{
	const struct gtid_range *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

static void
merge_ranges(struct gtid_source *s)
{
	size_t kept = 0;

	qsort(s->ranges, s->count, sizeof(*s->ranges), compare_ranges);
	for (size_t i = 1; i < s->count; i++) {
		struct gtid_range *last = &s->ranges[kept], *next = &s->ranges[i];

		if (last->last == UINT64_MAX || next->first <= last->last + 1) {
			if (next->last > last->last)
				last->last = next->last;
		} else {
			s->ranges[++kept] = *next;
		}
	}
	s->count = kept + 1;
}

static void
make_canonical(struct gtid_set *s)
{
	size_t kept = 0;

	if (s->count == 0)
		return;
	qsort(s->sources, s->count, sizeof(*s->sources), compare_sources);
	for (size_t i = 1; i < s->count; i++) {
		struct gtid_source *last = &s->sources[kept], *next = &s->sources[i];

		if (strcmp(last->name, next->name) != 0) {
			s->sources[++kept] = *next;
			continue;
		}
		last->ranges =
		    mem_grow(last->ranges, last->count + next->count, sizeof(*last->ranges));
		memcpy(
		    last->ranges + last->count, next->ranges, next->count * sizeof(*next->ranges));
		last->count += next->count;
		free(next->ranges);
	}
	s->count = kept + 1;
	for (size_t i = 0; i < s->count; i++)
		merge_ranges(&s->sources[i]);
}

void
gtid_add(struct gtid_set *s, const char *name, uint64_t number)
{
	add(s, name, (struct gtid_range){ number, number });
}

void
gtid_tidy(struct gtid_set *s)
{
	make_canonical(s);
}

void
gtid_clear(struct gtid_set *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->sources[i].ranges);
	free(s->sources);
	*s = (struct gtid_set){ NULL, 0 };
}

/* --- reading -------------------------------------------------------------------------------------- */

static const char *
skip_blanks(const char *p)
{
	return p + strspn(p, " \t\r\n");
}

/* NULL: no number. */
static const char *
read_number(const char *p, uint64_t *out)
{
	char *end;

	if (!isdigit((unsigned char)*p))
		return NULL;
	errno = 0;
	*out = strtoull(p, &end, 10);
	return errno == 0 ? end : NULL;
}

static const char *
read_mariadb(const char *p, struct gtid_set *s)
{
	char name[GTID_SOURCE_SIZE];
	uint64_t domain, server, number;

	if ((p = read_number(p, &domain)) == NULL || *p != '-' ||
	    (p = read_number(p + 1, &server)) == NULL || domain > UINT32_MAX || server > UINT32_MAX)
		return NULL;
	if (*p != '-' || (p = read_number(p + 1, &number)) == NULL)
		return NULL;
	snprintf(name, sizeof(name), "%" PRIu64 "-%" PRIu64, domain, server);
	if (number > 0)
		add(s, name, (struct gtid_range){ 1, number });
	return p;
}

static const char *
read_uuid(const char *p, char *name)
{
	for (size_t i = 0; i < UUID_LEN; i++) {
		bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (is_dash ? p[i] != '-' : !isxdigit((unsigned char)p[i]))
			return NULL;
		name[i] = (char)tolower((unsigned char)p[i]);
	}
	name[UUID_LEN] = '\0';
	return p + UUID_LEN;
}

/* MySQL 8.3: a name among the intervals; those behind it are its own. */
static const char *
read_tag(const char *p, char *name)
{
	size_t len = 0;

	while (isalnum((unsigned char)p[len]) || p[len] == '_')
		len++;
	if (len == 0 || len > TAG_MAX)
		return NULL;
	name[UUID_LEN] = ':';
	for (size_t i = 0; i < len; i++)
		name[UUID_LEN + 1 + i] = (char)tolower((unsigned char)p[i]);
	name[UUID_LEN + 1 + len] = '\0';
	return p + len;
}

static const char *
read_interval(const char *p, struct gtid_range *out)
{
	if ((p = read_number(p, &out->first)) == NULL)
		return NULL;
	out->last = out->first;
	p = skip_blanks(p);
	if (*p == '-' && (p = read_number(skip_blanks(p + 1), &out->last)) == NULL)
		return NULL;
	return out->first > 0 && out->last >= out->first ? p : NULL;
}

static const char *
read_mysql(const char *p, struct gtid_set *s)
{
	char name[GTID_SOURCE_SIZE];
	struct gtid_range range;

	if ((p = read_uuid(p, name)) == NULL)
		return NULL;
	p = skip_blanks(p);
	if (*p != ':')
		return NULL;
	while (p != NULL && *p == ':') {
		p = skip_blanks(p + 1);
		if (isalpha((unsigned char)*p) || *p == '_') {
			p = read_tag(p, name);
		} else if ((p = read_interval(p, &range)) != NULL) {
			add(s, name, range);
		}
		if (p != NULL)
			p = skip_blanks(p);
	}
	return p;
}

int
gtid_parse(enum gtid_dialect dialect, const char *text, struct gtid_set *out, struct err *e)
{
	struct gtid_set s = { NULL, 0 };
	const char *p = skip_blanks(text), *next;
	char shown[STR_SHOW_MAX * 4 + 4];

	while (*p != '\0') {
		next = dialect == GTID_MARIADB ? read_mariadb(p, &s) : read_mysql(p, &s);
		if (next == NULL)
			goto fail;
		p = skip_blanks(next);
		if (*p == '\0')
			break;
		if (*p != ',')
			goto fail;
		p = skip_blanks(p + 1);
	}
	make_canonical(&s);
	*out = s;
	return 0;
fail:
	gtid_clear(&s);
	return err_set(e, ERR_PROTOCOL, "not a set of GTIDs from \"%s\" on",
	    str_printable(shown, sizeof(shown), p, strnlen(p, STR_SHOW_MAX / 2)));
}

/* --- arithmetic ----------------------------------------------------------------------------------- */

uint64_t
gtid_count(const struct gtid_set *s)
{
	uint64_t total = 0;

	for (size_t i = 0; i < s->count; i++) {
		for (size_t j = 0; j < s->sources[i].count; j++) {
			const struct gtid_range *r = &s->sources[i].ranges[j];

			if (__builtin_add_overflow(total, r->last - r->first, &total) ||
			    __builtin_add_overflow(total, 1, &total))
				return UINT64_MAX;
		}
	}
	return total;
}

static const struct gtid_source *
find(const struct gtid_set *s, const char *name)
{
	struct gtid_source key = { .count = 0 };

	if (s->count == 0)
		return NULL;
	memcpy(key.name, name, strlen(name) + 1);
	return bsearch(&key, s->sources, s->count, sizeof(*s->sources), compare_sources);
}

bool
gtid_has(const struct gtid_set *s, const char *name, uint64_t number)
{
	const struct gtid_source *source = find(s, name);

	for (size_t i = 0; source != NULL && i < source->count; i++) {
		if (number >= source->ranges[i].first && number <= source->ranges[i].last)
			return true;
	}
	return false;
}

/* What is left of one range when all of b is taken away. */
static void
subtract_range(
    struct gtid_range r, const struct gtid_source *b, const char *name, struct gtid_set *out)
{
	for (size_t i = 0; i < b->count && b->ranges[i].first <= r.last; i++) {
		const struct gtid_range *cut = &b->ranges[i];

		if (cut->last < r.first)
			continue;
		if (cut->first > r.first)
			add(out, name, (struct gtid_range){ r.first, cut->first - 1 });
		if (cut->last >= r.last)
			return;
		r.first = cut->last + 1;
	}
	add(out, name, r);
}

void
gtid_subtract(const struct gtid_set *a, const struct gtid_set *b, struct gtid_set *out)
{
	static const struct gtid_source nothing;

	*out = (struct gtid_set){ NULL, 0 };
	for (size_t i = 0; i < a->count; i++) {
		const struct gtid_source *s = &a->sources[i], *other = find(b, s->name);

		for (size_t j = 0; j < s->count; j++)
			subtract_range(
			    s->ranges[j], other != NULL ? other : &nothing, s->name, out);
	}
}

bool
gtid_contains(const struct gtid_set *a, const struct gtid_set *b)
{
	struct gtid_set rest;
	bool is_empty;

	gtid_subtract(b, a, &rest);
	is_empty = rest.count == 0;
	gtid_clear(&rest);
	return is_empty;
}

/* name: "uuid", "uuid:tag", or "domain-server". */
static bool
is_of_server(enum gtid_dialect dialect, const char *name, const char *server)
{
	size_t len = strlen(server);
	const char *dash;

	if (dialect == GTID_MARIADB)
		return (dash = strchr(name, '-')) != NULL && strcmp(dash + 1, server) == 0;
	return strncasecmp(name, server, len) == 0 && (name[len] == '\0' || name[len] == ':');
}

void
gtid_keep_server(enum gtid_dialect dialect, struct gtid_set *s, const char *server)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->count; i++) {
		if (is_of_server(dialect, s->sources[i].name, server))
			s->sources[kept++] = s->sources[i];
		else
			free(s->sources[i].ranges);
	}
	s->count = kept;
}

void
gtid_format(enum gtid_dialect dialect, const struct gtid_set *s, struct str *out)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct gtid_source *source = &s->sources[i];

		str_addf(out, "%s%s", i > 0 ? "," : "", source->name);
		for (size_t j = 0; j < source->count; j++) {
			const struct gtid_range *r = &source->ranges[j];

			/* MariaDB has no word for a gap: each range is a member of its own. */
			if (dialect == GTID_MARIADB && j > 0)
				str_addf(out, ",%s", source->name);
			if (dialect == GTID_MARIADB && r->first == 1)
				str_addf(out, "-%" PRIu64, r->last);
			else if (r->first == r->last)
				str_addf(out, "%c%" PRIu64, dialect == GTID_MARIADB ? '-' : ':',
				    r->last);
			else
				str_addf(out, "%c%" PRIu64 "-%" PRIu64,
				    dialect == GTID_MARIADB ? '-' : ':', r->first, r->last);
		}
	}
}

/* The highest number of a domain; name is "domain-server". */
static uint64_t
domain_number(const struct gtid_set *s, const char *name)
{
	size_t len = (size_t)(strchr(name, '-') - name) + 1;
	uint64_t highest = 0;

	for (size_t i = 0; i < s->count; i++) {
		const struct gtid_source *source = &s->sources[i];
		uint64_t last = source->ranges[source->count - 1].last;

		if (strncmp(source->name, name, len) == 0 && last > highest)
			highest = last;
	}
	return highest;
}

static double
domains_behind(const struct gtid_set *received, const struct gtid_set *executed)
{
	double total = 0;

	for (size_t i = 0; i < received->count; i++) {
		const char *name = received->sources[i].name;
		size_t len = (size_t)(strchr(name, '-') - name) + 1;
		uint64_t want = domain_number(received, name), have = domain_number(executed, name);

		/* Sorted by name: the first of its domain speaks for it. */
		if (i > 0 && strncmp(received->sources[i - 1].name, name, len) == 0)
			continue;
		if (want > have)
			total += (double)(want - have);
	}
	return total;
}

double
gtid_behind(enum gtid_dialect dialect, const char *received, const char *executed)
{
	struct gtid_set a = { NULL, 0 }, b = { NULL, 0 }, rest;
	double behind = NAN;

	if (gtid_parse(dialect, received, &a, NULL) == 0 &&
	    gtid_parse(dialect, executed, &b, NULL) == 0) {
		if (dialect == GTID_MARIADB) {
			behind = domains_behind(&a, &b);
		} else {
			gtid_subtract(&a, &b, &rest);
			behind = (double)gtid_count(&rest);
			gtid_clear(&rest);
		}
	}
	gtid_clear(&a);
	gtid_clear(&b);
	return behind;
}

static void
add_position(struct str *out, const struct gtid_source *s)
{
	str_addf(
	    out, "%s%s-%" PRIu64, out->len > 0 ? "," : "", s->name, s->ranges[s->count - 1].last);
}

bool
gtid_advance(const char *position, const char *other, const char *server, struct str *out)
{
	struct gtid_set own = { NULL, 0 }, more = { NULL, 0 };
	struct str text = STR_INIT;
	bool is_moved = false;

	if (gtid_parse(GTID_MARIADB, position, &own, NULL) == 0 &&
	    gtid_parse(GTID_MARIADB, other, &more, NULL) == 0) {
		for (size_t i = 0; i < more.count; i++) {
			const struct gtid_source *s = &more.sources[i];
			uint64_t last = s->ranges[s->count - 1].last;

			if (strcmp(strchr(s->name, '-') + 1, server) == 0 ||
			    last <= domain_number(&own, s->name))
				continue;
			add_position(&text, s);
			is_moved = true;
		}
		for (size_t i = 0; i < own.count; i++) {
			const struct gtid_source *s = &own.sources[i];
			size_t len = (size_t)(strchr(s->name, '-') - s->name) + 1;
			bool is_there = false;

			/* Of each domain one, whoever wrote it. */
			for (const char *p = str_text(&text); p != NULL && !is_there;
			     p = strchr(p, ',')) {
				p += *p == ',';
				is_there = strncmp(p, s->name, len) == 0;
			}
			if (!is_there)
				add_position(&text, s);
		}
	}
	if (is_moved)
		str_adds(out, str_text(&text));
	str_clear(&text);
	gtid_clear(&own);
	gtid_clear(&more);
	return is_moved;
}
