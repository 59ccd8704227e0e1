/* gather_past.c: what operations of the pair there were: one that has not ended, and the last drill. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "model/journal.h"
#include "operate/client.h"
#include "operate/gather_impl.h"
#include "operate/op_lock.h"
#include "operate/past.h"

static bool
is_locked(struct client *client, const char *pair)
{
	return op_lock_is_free(client, pair, NULL) == 0;
}

/* One that only rehearsed has left nothing: it is in the way as long as somebody is at it. */
static bool
is_in_the_way(const struct gather *g, const struct journal *j)
{
	if (j->result != OP_RUNNING && j->result != OP_FAILED)
		return false;
	return strcmp(j->kind, "rehearse") != 0 || is_locked(g->client, j->pair);
}

static void
add(const struct gather *g, struct preflight_facts *f, const struct journal *j)
{
	bool is_drill = strcmp(j->kind, "rehearse") == 0 || strcmp(j->kind, "failover") == 0;

	if (f->unfinished[0] == '\0' && is_in_the_way(g, j))
		snprintf(f->unfinished, sizeof(f->unfinished), "%s", j->id);
	if (f->rehearsed_ago_s < 0 && is_drill && j->result == OP_DONE)
		f->rehearsed_ago_s = clock_wall_s() - j->at_wall_ms / 1000;
}

int
gather_past(const struct gather *g, struct preflight_facts *f, struct err *e)
{
	struct past past;
	bool has_ended = false;
	int rc = past_load(&past, g->client, f->pair, e);

	f->rehearsed_ago_s = -1;
	if (rc != 0)
		snprintf(f->past_error, sizeof(f->past_error), "%s", e->text);
	for (size_t i = 0; i < past.count; i++) {
		const struct journal *j = past.journals[i];

		/* What came after it and went well has settled it. */
		if (!has_ended || j->result == OP_DONE)
			add(g, f, j);
		has_ended = has_ended || (j->result == OP_DONE && strcmp(j->kind, "rehearse") != 0);
	}
	if (f->unfinished[0] != '\0')
		f->is_unfinished_held = is_locked(g->client, f->pair);
	past_clear(&past);
	return rc == 0 || e->code != ERR_CANCELED ? 0 : -1;
}
