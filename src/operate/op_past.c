/*
 * op_past.c: what earlier operations tell. How long each step will take: the median of the last times that
 * it was done on this pair; what the table says is only for a step that was never seen.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "feature/config.h"
#include "operate/client.h"
#include "operate/op_impl.h"

#define TIMES_MAX 5     /* older ones tell of another time */
#define JOURNALS_MAX 40 /* looked at, from the newest */

struct times {
	double ms[TIMES_MAX];
	size_t count;
};

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
median(struct times *t)
{
	qsort(t->ms, t->count, sizeof(t->ms[0]), compare);
	return t->ms[t->count / 2];
}

static void
add_times(const struct op *op, const struct journal *j, struct times *times)
{
	if (j->result != OP_DONE || strcmp(j->kind, op->journal->kind) != 0 ||
	    strcmp(j->pair, op->journal->pair) != 0)
		return;
	for (size_t i = 0; i < op->step_count; i++) {
		const struct journal_step *s = journal_find(j, op->steps[i]->name);

		if (s != NULL && s->state == STEP_DONE && !isnan(s->took_ms) &&
		    times[i].count < TIMES_MAX)
			times[i].ms[times[i].count++] = s->took_ms;
	}
}

struct journal *
op_last(struct client *client, const char *pair, const char *kind)
{
	char *prefix = config_key(client->config, OP_KEY_PREFIX);
	struct kv_list list = { 0 };
	struct journal *found = NULL;

	if (kv_wait_list(&client->wait, prefix, &list, NULL, NULL) != 0)
		list.count = 0;
	for (size_t n = list.count; n-- > 0 && found == NULL;) {
		struct journal *j =
		    journal_parse(list.entries[n].value, list.entries[n].value_len, NULL);

		if (j != NULL && j->result == OP_DONE && strcmp(j->pair, pair) == 0 &&
		    strcmp(j->kind, kind) == 0)
			found = j;
		else
			journal_free(j);
	}
	kv_list_clear(&list);
	free(prefix);
	return found;
}

int
op_find_later(
    struct client *client, const struct journal *j, struct journal_later *out, struct err *e)
{
	char *prefix = config_key(client->config, OP_KEY_PREFIX);
	struct kv_list list = { 0 };
	int rc = kv_wait_list(&client->wait, prefix, &list, NULL, e);

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; rc == 0 && i < list.count; i++) {
		const struct kv_entry *entry = &list.entries[i];
		struct journal *other = journal_parse(entry->value, entry->value_len, NULL);

		if (other != NULL)
			journal_see_later(out, j, other);
		journal_free(other);
	}
	kv_list_clear(&list);
	free(prefix);
	return rc;
}

void
op_expect(struct op *op)
{
	char *prefix = config_key(op->client->config, OP_KEY_PREFIX);
	struct times *times = mem_array(op->step_count, sizeof(*times));
	struct kv_list list = { 0 };

	/* Without them the plan is as good; only its figures are not. */
	if (kv_wait_list(&op->client->wait, prefix, &list, NULL, NULL) == 0) {
		/* Ids sort by time: the newest are the last. */
		for (size_t n = 0; n < JOURNALS_MAX && n < list.count; n++) {
			const struct kv_entry *entry = &list.entries[list.count - 1 - n];
			struct journal *j = journal_parse(entry->value, entry->value_len, NULL);

			if (j != NULL)
				add_times(op, j, times);
			journal_free(j);
		}
	}
	for (size_t i = 0; i < op->step_count; i++) {
		if (times[i].count > 0)
			op->expect_ms[i] = median(&times[i]);
	}
	kv_list_clear(&list);
	free(times);
	free(prefix);
}
