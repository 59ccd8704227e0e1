/*
 * errant.c: MySQL's sets are exact, a subtraction is all. MariaDB's gtid_binlog_state has the last number
 * of each (domain, server), and is compared so, whether two servers share a domain or have their own:
 *
 *   old    0-1-120,0-2-90    0-1-101 to 120 were written on the old one when the active had gone
 *   active 0-1-100,0-2-150   on; that domain 0 has reached 150 there says nothing of them
 *
 * Comparing domains only (what gtid_current_pos invites to) finds nothing here: 150 is more than 120.
 *
 * One thing the pairs of a state cannot tell. An active that was restored from a backup knows its position
 * (0-1-100), not the earlier servers of the domain (0-3-70), and would seem to lack all that those ever
 * wrote. Here causes help: the old one gave out 0-1-100 after it had 0-3-70, as it numbers on from the
 * highest it has; and who has executed 0-1-100 has executed what stood before it in that log. So what others wrote
 * is taken as had up to the number of the old one's own that the active has. What the old one wrote
 * itself, the tail that matters, is never judged so. It is wrong only for a third server that wrote into
 * the same domain at the same time as the old one, which gtid_strict_mode refuses.
 */
#include "model/errant.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The highest number of a source; 0: none. */
static uint64_t
last_of(const struct gtid_set *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++) {
		if (strcmp(s->sources[i].name, name) == 0)
			return s->sources[i].ranges[s->sources[i].count - 1].last;
	}
	return 0;
}

/* "0-3" and server 1: "0-1", what the old one itself writes in that domain. */
static void
own_source(char out[GTID_SOURCE_SIZE], const char *name, uint64_t server_id)
{
	int domain_len = (int)(strchr(name, '-') - name);

	snprintf(out, GTID_SOURCE_SIZE, "%.*s-%" PRIu64, domain_len, name, server_id);
}

/* Adds to what the active has the others' transactions that came before one of the old one's. */
static void
add_caused(const struct gtid_set *has, uint64_t server_id, struct gtid_set *active)
{
	struct gtid_set caused = { NULL, 0 };
	struct str text = STR_INIT;

	for (size_t i = 0; i < has->count; i++) {
		char own[GTID_SOURCE_SIZE];
		const char *name = has->sources[i].name;
		uint64_t reached;

		own_source(own, name, server_id);
		reached = last_of(active, own);
		if (strcmp(own, name) != 0 && reached > last_of(active, name))
			str_addf(&text, "%s%s-%" PRIu64, text.len > 0 ? "," : "", name, reached);
	}
	if (text.len > 0) {
		str_addc(&text, ',');
		gtid_format(GTID_MARIADB, active, &text);
		if (gtid_parse(GTID_MARIADB, str_text(&text), &caused, NULL) != 0)
			abort(); /* made of two that were read */
		gtid_clear(active);
		*active = caused;
	}
	str_clear(&text);
}

int
errant_find(enum gtid_dialect dialect, const char *old, uint64_t old_id, const char *active,
    struct gtid_set *out, struct err *e)
{
	struct gtid_set has = { NULL, 0 }, of_active = { NULL, 0 };
	int rc = -1;

	if (gtid_parse(dialect, old, &has, e) != 0)
		err_wrap(e, "what the old master has");
	else if (gtid_parse(dialect, active, &of_active, e) != 0)
		err_wrap(e, "what the active has");
	else {
		if (dialect == GTID_MARIADB && old_id != 0)
			add_caused(&has, old_id, &of_active);
		gtid_subtract(&has, &of_active, out);
		rc = 0;
	}
	gtid_clear(&has);
	gtid_clear(&of_active);
	return rc;
}
