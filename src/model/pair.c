/*
 * pair.c: what two servers and their verdicts mean for the pair that they are.
 *
 * What the servers themselves say comes first, and needs no debounce: a value that was read twice
 * is no jitter. Two writers is worse than anything that the verdicts could add, so it is asked
 * first; then a dead active; then the wrong writer and none; then the standby.
 *
 * The veto. A vantage may be cut off from a server that lives, and so may all of them. But the
 * standby sits elsewhere and listens to the active all the time: while it receives, the active
 * lives. A busy stream proves it at every read. An idle one proves nothing until a heartbeat was
 * due and did not come, and so a veto lasts for a heartbeat after the last growth that was seen. A
 * thread that knows of its loss (not running, or connecting) vetoes nothing; a killed server is
 * proposed at once, one that hangs after a heartbeat.
 *
 * Both clocks are only used for ages: how long the active fails (wall clock, of opinions), how long
 * the standby received nothing (monotonic, of its views).
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/verdict.h"

#define READS_ENOUGH 2
#define HEARTBEAT_SLACK_MS 1000 /* a server's timer fires late, in whole seconds (MariaDB, MySQL) */

static const char *const trouble_names[] = {
	[PAIR_FINE] = "fine",
	[PAIR_STANDBY_ILL] = "standby-ill",
	[PAIR_NO_WRITER] = "no-writer",
	[PAIR_TWO_WRITERS] = "two-writers",
	[PAIR_WRONG_WRITER] = "wrong-writer",
	[PAIR_ACTIVE_DOWN] = "active-down",
	[PAIR_UNKNOWN] = "unknown",
};

const char *
pair_trouble_name(enum pair_trouble t)
{
	return (size_t)t < MEM_COUNT(trouble_names) ? trouble_names[t] : "unknown";
}

/* --- what was read ---------------------------------------------------------------------------- */

static uint64_t
received_of(const struct server_view *view)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < view->source_count; i++)
		sum += view->sources[i].received;
	return sum;
}

void
pair_member_saw(struct pair_member *m, const struct server_view *view)
{
	uint64_t received;

	m->is_view_fresh = view != NULL;
	if (view == NULL || m->is_active != m->was_active)
		m->writable_reads = m->read_only_reads = 0;
	m->was_active = m->is_active;
	if (view == NULL)
		return;
	received = received_of(view);
	/* Less than before is a new binlog file or a new start: something came, too. */
	if (m->view == NULL || received != m->received)
		m->grew_ms = view->seen_ms;
	m->received = received;
	m->view = view;
	m->writable_reads = view->is_writable ? m->writable_reads + 1 : 0;
	m->read_only_reads = view->is_writable ? 0 : m->read_only_reads + 1;
}

/* Its latest runs answered, and in the role that it has now. */
static bool
is_current(const struct pair_member *m)
{
	return m->is_view_fresh && m->is_active == m->was_active;
}

static bool
is_writer(const struct pair_member *m)
{
	return is_current(m) && m->writable_reads >= READS_ENOUGH;
}

static bool
is_no_writer(const struct pair_member *m)
{
	return is_current(m) && m->read_only_reads >= READS_ENOUGH;
}

static bool
is_ill(const struct pair_member *m)
{
	return m->verdict.state == STATE_FAILING || m->verdict.state == STATE_RECOVERING;
}

/* --- the veto --------------------------------------------------------------------------------- */

/*
 * What the standby hears, or NULL: the source with the longest silence to wait for. Which of
 * several is the active cannot be told from here, so one that is lost may be the active's and
 * vetoes nothing.
 */
static const struct replication_view *
heard_source(const struct pair_member *standby)
{
	const struct replication_view *longest = NULL;

	if (!standby->is_view_fresh || standby->view == NULL)
		return NULL;
	for (size_t i = 0; i < standby->view->source_count; i++) {
		const struct replication_view *r = &standby->view->sources[i];

		if (!r->is_io_running || r->is_io_connecting)
			return NULL;
		if (longest == NULL || r->heartbeat_s > longest->heartbeat_s)
			longest = r;
	}
	return longest;
}

static bool
is_vetoed(const struct pair_member *active, const struct pair_member *standby, int64_t now_ms,
    struct pair_state *out)
{
	const struct replication_view *source = heard_source(standby);
	int64_t silent_ms, failing_ms, heartbeat_ms;
	char ago[16], due[16];

	if (source == NULL)
		return false;
	silent_ms = standby->view->seen_ms - standby->grew_ms;
	failing_ms = now_ms - active->verdict.since_ms;
	heartbeat_ms = (int64_t)(source->heartbeat_s * 1000);
	if (heartbeat_ms > 0)
		heartbeat_ms += HEARTBEAT_SLACK_MS;
	else
		heartbeat_ms = failing_ms;
	if (silent_ms >= heartbeat_ms)
		return false;
	snprintf(out->veto, sizeof(out->veto),
	    "%.40s receives from it: the last %s ago, it is silent when nothing comes for %s more",
	    standby->node, str_duration(ago, sizeof(ago), silent_ms),
	    str_duration(due, sizeof(due), heartbeat_ms - silent_ms));
	return true;
}

/* --- deciding --------------------------------------------------------------------------------- */

/* What "writable" means for a pair of that kind, in words. */
struct words {
	const char *both, *nobody, *takes, *refuses;
};

static const struct words database_words = {
	.both = "both take writes",
	.nobody = "nobody takes writes",
	.takes = "is writable",
	.refuses = "is read-only",
};

static const struct words daemon_words = {
	.both = "both run it",
	.nobody = "it runs nowhere",
	.takes = "runs it",
	.refuses = "does not run it",
};

static const struct words *
words_for(const struct pair_member *m)
{
	return m->view != NULL && m->view->kind == SERVER_DAEMON ? &daemon_words : &database_words;
}

struct pair {
	const struct pair_member *members, *active;
	size_t count, writers;
	const struct pair_member *writer, *second_writer; /* one of them, another one */
};

static struct pair
survey(const struct pair_member *members, size_t count)
{
	struct pair p = { .members = members, .count = count };

	for (size_t i = 0; i < count; i++) {
		const struct pair_member *m = &members[i];

		if (m->is_active && p.active == NULL)
			p.active = m;
		if (is_writer(m)) {
			p.second_writer = p.writer;
			p.writer = m;
			p.writers++;
		}
	}
	return p;
}

static void
say(struct pair_state *out, enum pair_trouble trouble, enum check_level level)
{
	out->trouble = trouble;
	out->level = level;
}

static bool
can_take_over(const struct pair *p)
{
	for (size_t i = 0; i < p->count; i++) {
		if (&p->members[i] != p->active && !p->members[i].verdict.is_down)
			return true;
	}
	return false;
}

static void
judge_active_down(const struct pair *p, int64_t now_ms, struct pair_state *out)
{
	bool has_heir = can_take_over(p);
	const char *rest = "";
	char since[CLOCK_ISO_SIZE];

	say(out, PAIR_ACTIVE_DOWN, LEVEL_CRITICAL);
	for (size_t i = 0; i < p->count && !check_class_is_told(p->active->verdict.class); i++) {
		if (&p->members[i] != p->active &&
		    is_vetoed(p->active, &p->members[i], now_ms, out))
			break;
	}
	out->is_proposed = has_heir && out->veto[0] == '\0';
	if (!has_heir)
		rest = ", and nobody is there to take over";
	else if (p->writers > 0)
		rest = ", and the standby is writable already";
	/* The time, not how long ago: these words are told, and read, later. */
	snprintf(out->text, sizeof(out->text), "%.40s %s, since %s (%.80s)%s", p->active->node,
	    check_class_text(p->active->verdict.class),
	    clock_iso(since, p->active->verdict.since_ms / 1000), p->active->verdict.text, rest);
}

/* The KV's node takes no writes, though it answers. */
static bool
judge_no_writer(const struct pair *p, struct pair_state *out)
{
	const struct words *words = words_for(p->active);
	const char *node = p->active->node;

	if (!is_no_writer(p->active))
		return false;
	if (p->writers > 0) {
		say(out, PAIR_WRONG_WRITER, LEVEL_CRITICAL);
		snprintf(out->text, sizeof(out->text), "the KV names %.40s, which %s; %.40s %s",
		    node, words->refuses, p->writer->node, words->takes);
		return true;
	}
	say(out, PAIR_NO_WRITER, LEVEL_CRITICAL);
	out->is_proposed = p->active->verdict.is_down && can_take_over(p);
	snprintf(out->text, sizeof(out->text), "%s: %.40s, which the KV names, %s", words->nobody,
	    node, words->refuses);
	return true;
}

static void
judge_members(const struct pair *p, struct pair_state *out)
{
	for (size_t i = 0; i < p->count; i++) {
		const struct pair_member *m = &p->members[i];

		if (m == p->active || !is_ill(m))
			continue;
		say(out, PAIR_STANDBY_ILL, m->verdict.level);
		snprintf(out->text, sizeof(out->text), "%.40s could not take over: it %s (%.80s)",
		    m->node, check_class_text(m->verdict.class), m->verdict.text);
	}
	/* It takes writes, or does not say: an active that is ill but not down. */
	if (is_ill(p->active) &&
	    (out->trouble == PAIR_FINE || p->active->verdict.level == LEVEL_CRITICAL)) {
		say(out, is_writer(p->active) ? PAIR_FINE : PAIR_UNKNOWN, p->active->verdict.level);
		snprintf(out->text, sizeof(out->text), "%.40s %s (%.80s)", p->active->node,
		    check_class_text(p->active->verdict.class), p->active->verdict.text);
	}
}

void
pair_judge(const struct pair_member *members, size_t count, int64_t now_ms, struct pair_state *out)
{
	struct pair p = survey(members, count);

	*out = (struct pair_state){ .trouble = PAIR_FINE, .level = LEVEL_OK };
	if (p.writers > 1) {
		say(out, PAIR_TWO_WRITERS, LEVEL_CRITICAL);
		snprintf(out->text, sizeof(out->text), "%.40s and %.40s %s", p.second_writer->node,
		    p.writer->node, words_for(p.writer)->both);
	} else if (p.active == NULL) {
		say(out, p.writers == 1 ? PAIR_WRONG_WRITER : PAIR_UNKNOWN,
		    p.writers == 1 ? LEVEL_CRITICAL : LEVEL_UNKNOWN);
		snprintf(out->text, sizeof(out->text), "the KV names none of them%s%.40s%s%s",
		    p.writers == 1 ? "; " : "", p.writers == 1 ? p.writer->node : "",
		    p.writers == 1 ? " " : "", p.writers == 1 ? words_for(p.writer)->takes : "");
	} else if (judge_no_writer(&p, out)) {
		return;
	} else if (p.active->verdict.is_down) {
		judge_active_down(&p, now_ms, out);
	} else if (p.active->verdict.level == LEVEL_UNKNOWN ||
		   (p.active->view == NULL && !is_ill(p.active))) {
		say(out, PAIR_UNKNOWN, LEVEL_UNKNOWN);
		snprintf(out->text, sizeof(out->text), "%.40s: %.80s", p.active->node,
		    p.active->view == NULL ? "nothing seen yet" : p.active->verdict.text);
	} else
		judge_members(&p, out);
}
