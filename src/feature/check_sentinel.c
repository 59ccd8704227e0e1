/*
 * check_sentinel.c: SENTINEL MASTER over a kept connection to each. It tells the address that clients
 * are sent to, the flags (s_down: this Sentinel holds it for down; o_down: enough of them do) and the
 * quorum, so that one command is all that is asked.
 *
 * What they say is shown, not judged: Sentinel's verdict is its own, and a check that failed because a
 * Sentinel does would page for two things at once. They are asked without a password, as is usual;
 * a Sentinel that wants one is told as an answer that was none.
 */
#include "feature/check_sentinel.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "io/redis.h"

#define ADDRESS_SIZE 64
#define MAX_REPLY 65536 /* SENTINEL MASTER says 1 KB */

struct sentinel {
	struct sentinels *all;
	struct redis *redis; /* NULL: its address is none */
	bool has_said, is_s_down, is_o_down;
	char master[ADDRESS_SIZE]; /* "10.0.5.11:6379" */
	char quorum[16];
	char error[96]; /* when it has not said */
};

struct sentinels {
	const char *master_name;
	struct sentinel *each;
	size_t count, waiting;
	sentinels_done_fn *done;
	void *arg;
};

struct sentinels *
sentinels_new(struct loop *l, const char *const *addresses, const char *master_name)
{
	struct sentinels *s = mem_alloc(sizeof(*s));

	s->master_name = master_name;
	while (addresses[s->count] != NULL)
		s->count++;
	s->each = mem_array(s->count, sizeof(*s->each));
	for (size_t i = 0; i < s->count; i++) {
		struct redis_config config = { .max_reply = MAX_REPLY };

		s->each[i].all = s;
		if (endpoint_parse(addresses[i], -1, &config.endpoint) == 0)
			s->each[i].redis = redis_new(l, &config);
		else
			snprintf(s->each[i].error, sizeof(s->each[i].error), "it has no address");
	}
	return s;
}

void
sentinels_free(struct sentinels *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < s->count; i++)
		redis_free(s->each[i].redis);
	free(s->each);
	free(s);
}

/* "s_down,master" holds "s_down". */
static bool
has_flag(const char *flags, const char *flag)
{
	size_t n = strlen(flag);

	for (const char *p = flags; p != NULL; p = strchr(p, ',')) {
		p += *p == ',';
		if (strncmp(p, flag, n) == 0 && (p[n] == '\0' || p[n] == ','))
			return true;
	}
	return false;
}

static void
take_master(struct sentinel *one, const struct resp_value *fields)
{
	const char *ip = resp_field(fields, "ip"), *port = resp_field(fields, "port");
	const char *flags = resp_field(fields, "flags"), *quorum = resp_field(fields, "quorum");
	char raw[ADDRESS_SIZE];

	if (ip == NULL || port == NULL || flags == NULL || quorum == NULL) {
		snprintf(one->error, sizeof(one->error), "it is no Sentinel");
		return;
	}
	one->has_said = true;
	one->is_s_down = has_flag(flags, "s_down");
	one->is_o_down = has_flag(flags, "o_down");
	snprintf(raw, sizeof(raw), strchr(ip, ':') != NULL ? "[%s]:%s" : "%s:%s", ip, port);
	str_printable(one->master, sizeof(one->master), raw, strlen(raw));
	str_printable(one->quorum, sizeof(one->quorum), quorum, strlen(quorum));
}

static void
answered(const struct redis_reply *reply, void *arg)
{
	struct sentinel *one = arg;
	struct sentinels *s = one->all;
	const char *why = reply->err.text;

	one->has_said = false;
	if (reply->value != NULL && reply->value->type != RESP_ERROR) {
		take_master(one, reply->value);
	} else {
		if (reply->value != NULL)
			why = reply->value->text;
		str_printable(one->error, sizeof(one->error), why, strlen(why));
	}
	if (--s->waiting == 0)
		s->done(s->arg);
}

bool
sentinels_ask(struct sentinels *s, int64_t limit_ms, sentinels_done_fn *done, void *arg)
{
	const char *const command[] = { "SENTINEL", "MASTER", s->master_name, NULL };

	s->done = done;
	s->arg = arg;
	s->waiting = 0;
	for (size_t i = 0; i < s->count; i++) {
		if (s->each[i].redis == NULL)
			continue;
		s->waiting++;
		redis_start(s->each[i].redis, command, limit_ms, answered, &s->each[i]);
	}
	return s->waiting > 0;
}

void
sentinels_text(const struct sentinels *s, const struct endpoint *seen, char *out, size_t size)
{
	const struct sentinel *first = NULL;
	const char *error = "";
	size_t said = 0, agreeing = 0, s_down = 0, o_down = 0;
	char here[ENDPOINT_TEXT_SIZE];

	for (size_t i = 0; i < s->count; i++) {
		const struct sentinel *one = &s->each[i];

		if (!one->has_said) {
			error = one->error;
			continue;
		}
		if (first == NULL)
			first = one;
		said++;
		agreeing += strcmp(one->master, first->master) == 0;
		s_down += one->is_s_down;
		o_down += one->is_o_down;
	}
	endpoint_format(here, seen);
	if (said == 0)
		snprintf(out, size, "none of %zu sentinels says anything: %s", s->count, error);
	else if (agreeing != said)
		snprintf(out, size, "%zu of %zu sentinels answer, and they disagree on the master",
		    said, s->count);
	else
		snprintf(out, size,
		    "%zu of %zu sentinels: the master is %s%s, quorum %s, down say %zu%s", said,
		    s->count, first->master, strcmp(first->master, here) == 0 ? " (this one)" : "",
		    first->quorum, s_down, o_down > 0 ? " (o_down)" : "");
}
