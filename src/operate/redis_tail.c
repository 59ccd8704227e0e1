/*
 * redis_tail.c: PSYNC, as a replica that lost its link for a moment says it; the answer is +CONTINUE and the
 * bytes of the replication backlog, which are commands. Exactly those that the other one did not get, in
 * their order: `redis-cli --pipe` carries them out.
 *
 * It is asked only for what INFO says the backlog has: for anything else a Redis would make a dump of all
 * that it holds, for us.
 *
 * A replica of nobody refuses PSYNC, so it has to be read while the server is a master still. To it we are
 * a replica for so long, and when we have what we came for we hang up.
 */
#include "operate/redis_tail.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/mem.h"
#include "io/loop.h"
#include "io/resp.h"
#include "io/stream.h"
#include "model/redis_history.h"
#include "operate/redis_server.h"

#define TURN_MS 20
#define SHOWN_WORDS 4

enum stage { STAGE_OPENING, STAGE_ANSWERS, STAGE_BYTES, STAGE_OVER };

struct tail {
	struct stream *stream;
	enum stage stage;
	struct str auth, psync; /* one after the other: PSYNC wants nothing to be under way */
	bool is_let_in;
	struct str line; /* of an answer that has not come whole */
	size_t wanted;
	struct str *out;
	struct err err;
};

static void
end(struct tail *t, const struct err *why)
{
	t->stage = STAGE_OVER;
	if (why != NULL)
		t->err = *why;
}

static void
opened(void *arg)
{
	struct tail *t = arg;

	const struct str *first = t->is_let_in ? &t->psync : &t->auth;

	t->stage = STAGE_ANSWERS;
	stream_write(t->stream, str_text(first), first->len);
}

/* "+OK" to AUTH; "+CONTINUE …" to PSYNC, where an empty line means: just a moment. */
static void
take_answer(struct tail *t, const char *line, size_t len)
{
	char shown[128];
	struct err e;

	if (len == 0)
		return;
	if (!t->is_let_in && line[0] == '+') {
		t->is_let_in = true;
		stream_write(t->stream, str_text(&t->psync), t->psync.len);
		return;
	}
	if (strncmp(line, "+CONTINUE", 9) == 0) {
		t->stage = STAGE_BYTES;
		return;
	}
	err_set(&e, ERR_DENIED, "it does not send its last writes: %s",
	    str_printable(shown, sizeof(shown), line, len));
	end(t, &e);
}

static void
arrived(const char *data, size_t len, void *arg)
{
	struct tail *t = arg;

	while (len > 0 && t->stage == STAGE_ANSWERS) {
		char c = *data++;

		len--;
		if (c != '\n') {
			str_addc(&t->line, c);
			continue;
		}
		if (t->line.len > 0 && str_text(&t->line)[t->line.len - 1] == '\r')
			t->line.len--;
		str_addc(&t->line, '\0');
		take_answer(t, str_text(&t->line), t->line.len - 1);
		str_reset(&t->line);
	}
	if (t->stage != STAGE_BYTES)
		return;
	if (len > t->wanted - t->out->len)
		len = t->wanted - t->out->len;
	str_add(t->out, data, len);
	if (t->out->len == t->wanted)
		end(t, NULL);
}

static void
ended(enum fault f, const struct err *e, void *arg)
{
	(void)f;
	end(arg, e);
}

static int
wait_over(struct tail *t, struct loop *l, int64_t limit_ms, struct err *e)
{
	int64_t end_ms = clock_mono_ms() + limit_ms;

	while (t->stage != STAGE_OVER && clock_mono_ms() < end_ms)
		loop_turn(l, TURN_MS);
	if (t->stage != STAGE_OVER)
		return err_set(e, ERR_TIMEOUT, "%zu of %zu bytes of its last writes came in time",
		    t->out->len, t->wanted);
	if (t->err.code == ERR_NONE)
		return 0;
	*e = t->err;
	return -1;
}

int
redis_tail_read(struct redis_server *s, const struct redis_info *info, int64_t bytes,
    int64_t limit_ms, struct str *out, struct err *e)
{
	static const struct stream_events events = {
		.opened = opened, .arrived = arrived, .ended = ended
	};
	int64_t first = redis_info_offset(info) - bytes + 1;
	char offset[24];
	const char *const psync[] = { "PSYNC", info->replid, offset, NULL };
	struct tail t = { .wanted = (size_t)bytes, .out = out };
	int rc;

	str_reset(out);
	if (bytes > REDIS_TAIL_MAX)
		return err_set(e, ERR_LIMIT, "that is no tail any more");
	if (info->backlog_first < 0 || first < info->backlog_first || info->backlog_len < bytes)
		return err_set(
		    e, ERR_NOT_FOUND, "its backlog does not reach back to where they parted");
	snprintf(offset, sizeof(offset), "%" PRId64, first);
	resp_add_command(&t.psync, psync);
	t.is_let_in = !redis_server_add_auth(s, &t.auth);
	t.stream = redis_server_stream(s, &events, &t, e);
	rc = t.stream == NULL ? -1 : wait_over(&t, redis_server_loop(s), limit_ms, e);
	stream_close(t.stream);
	str_clear(&t.auth);
	str_clear(&t.psync);
	str_clear(&t.line);
	return rc;
}

/* --- what is in it -------------------------------------------------------------------------------- */

/* What a master sends besides the writes. */
static bool
is_write(const char *command)
{
	static const char *const others[] = { "PING", "SELECT", "REPLCONF", "MULTI", "EXEC" };

	for (size_t i = 0; i < MEM_COUNT(others); i++) {
		if (strcasecmp(command, others[i]) == 0)
			return false;
	}
	return true;
}

static void
show(const struct resp_value *command, redis_tail_fn *each, void *arg)
{
	struct str line = STR_INIT;

	for (size_t i = 0; i < command->count && i < SHOWN_WORDS; i++) {
		str_adds(&line, i > 0 ? " " : "");
		str_add_printable(&line, command->items[i].text, command->items[i].len, 40);
	}
	str_adds(&line, command->count > SHOWN_WORDS ? " ..." : "");
	each(str_text(&line), arg);
	str_clear(&line);
}

int64_t
redis_tail_writes(const struct str *tail, redis_tail_fn *each, void *arg)
{
	struct resp_reader *r = resp_reader_new(REDIS_TAIL_MAX);
	const struct resp_value *command;
	int64_t count = 0;
	int rc;

	resp_reader_feed(r, str_text(tail), tail->len);
	while ((rc = resp_reader_next(r, &command, NULL)) > 0) {
		if (command->type != RESP_ARRAY || command->count == 0) {
			rc = -1;
			break;
		}
		if (!is_write(command->items[0].text))
			continue;
		count++;
		if (each != NULL)
			show(command, each, arg);
	}
	resp_reader_free(r);
	return rc < 0 ? -1 : count;
}
