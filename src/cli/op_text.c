/*
 * op_text.c: the story of an operation. Made from the journal alone, so that `history OP` tells years
 * later what the operator saw at its end.
 */
#include "cli/op_text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/op_bars.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/wrap.h"
#include "operate/op.h"

/* --- words ------------------------------------------------------------------------------------------ */

char *
op_text_ms(char out[OP_MS_SIZE], double ms)
{
	if (!isfinite(ms))
		snprintf(out, OP_MS_SIZE, "-");
	else if (ms < 0.95)
		snprintf(out, OP_MS_SIZE, "%.1f ms", ms < 0 ? 0 : ms);
	else if (ms < 99.5)
		snprintf(out, OP_MS_SIZE, "%.0f ms", ms);
	else if (ms < 9995)
		snprintf(out, OP_MS_SIZE, "%.2f s", ms / 1e3);
	else if (ms < 59500)
		snprintf(out, OP_MS_SIZE, "%.0f s", ms / 1e3);
	else
		str_duration(out, OP_MS_SIZE, (int64_t)ms);
	return out;
}

int
op_text_columns(const char *text)
{
	int n = 0;

	for (; *text != '\0'; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

void
op_text_cut(struct str *out, const char *text, int width)
{
	bool is_cut = op_text_columns(text) > width;
	int left = is_cut ? width - 3 : width;

	for (; *text != '\0'; text++) {
		if (((unsigned char)*text & 0xc0) != 0x80 && left-- <= 0)
			break;
		str_addc(out, *text);
	}
	if (is_cut && width >= 3)
		str_adds(out, "...");
}

void
op_text_add_cell(struct str *out, const char *text, int width)
{
	int used = op_text_columns(text);

	op_text_cut(out, text, width);
	if (used < width)
		str_addf(out, "%*s", width - used, "");
}

void
op_text_add_what(struct str *out, const struct journal *j)
{
	bool is_edit = strcmp(j->kind, "edit") == 0;

	str_addf(out, "%s %s", is_edit ? "KV edit" : j->kind,
	    j->pair[0] != '\0' && !is_edit ? j->pair : j->name);
	if (j->from[0] == '\0' && j->to[0] == '\0')
		return;
	/* Nothing moves in a rehearsal. */
	if (strcmp(j->kind, "rehearse") == 0)
		return;
	str_addf(out, " %s>%s", j->from[0] != '\0' ? j->from : "(new)",
	    j->to[0] != '\0' ? j->to : "(gone)");
}

void
op_text_add_command(struct str *out, const struct journal *j)
{
	static const char *const options[] = { "rehearse", "emergency" };
	const char *without = journal_fact(j, "without");
	bool is_failover = strcmp(j->kind, "failover") == 0;

	for (size_t i = 0; i < MEM_COUNT(options); i++) {
		if (strcmp(j->kind, options[i]) != 0)
			continue;
		is_failover = true;
		str_addf(out, "pointsman failover %s --%s", j->pair, options[i]);
	}
	if (!is_failover || strcmp(j->kind, "failover") == 0)
		str_addf(out, "pointsman %s %s", j->kind, j->pair);
	if (is_failover && without[0] != '\0')
		str_addf(out, " --without %s", without);
}

/* --- where it is ------------------------------------------------------------------------------------ */

/* "fence, catch-up": those that are so; false: there are none. */
static bool
add_names(struct str *out, const struct journal *j, bool (*is_meant)(const struct journal_step *s))
{
	size_t before = out->len;

	for (size_t i = 0; i < j->step_count; i++) {
		if (is_meant(&j->steps[i]))
			str_addf(out, "%s%s", out->len > before ? ", " : "", j->steps[i].name);
	}
	return out->len > before;
}

static bool
is_waiting(const struct journal_step *s)
{
	return s->state == STEP_WAITING;
}

static bool
is_undone(const struct journal_step *s)
{
	return s->state == STEP_UNDONE;
}

/* What a table of this pointsman knows of it; NULL: nothing. */
static const struct step *
step_of(const struct journal *j, const struct journal_step *s)
{
	const struct op_table *t = op_table_find(j->kind, j->pair_kind);
	const struct step *found = t != NULL ? t->steps : NULL;

	while (found != NULL && found->name != NULL && strcmp(found->name, s->name) != 0)
		found++;
	return found != NULL && found->name != NULL ? found : NULL;
}

bool
op_text_is_past_return(const struct journal *j)
{
	for (size_t i = 0; i < j->step_count; i++) {
		const struct step *s = step_of(j, &j->steps[i]);

		if (s != NULL && (s->flags & STEP_NO_RETURN) != 0 &&
		    j->steps[i].state != STEP_WAITING && j->steps[i].state != STEP_UNDONE)
			return true;
	}
	return false;
}

/* What those steps made so, of all that changes anything: "db3 read-only, names/maindb = db4" */
static bool
add_made(struct str *out, const struct journal *j, enum step_state a, enum step_state b)
{
	/* Only its journal is looked at for words. */
	const struct op shown = { .journal = (struct journal *)(uintptr_t)j };
	size_t before = out->len;

	for (size_t i = 0; i < j->step_count; i++) {
		const struct step *s = step_of(j, &j->steps[i]);

		if (j->steps[i].state != a && j->steps[i].state != b)
			continue;
		if (s != NULL && s->undo == NULL && (s->flags & STEP_NO_RETURN) == 0)
			continue;
		str_adds(out, out->len > before ? ", " : "");
		op_add_text(&shown, s != NULL ? s->title : j->steps[i].name, out);
	}
	return out->len > before;
}

/* --- the story -------------------------------------------------------------------------------------- */

static const char *const heads[] = {
	[OP_RUNNING] = "RUNNING",
	[OP_DONE] = "DONE",
	[OP_UNDONE] = "UNDONE",
	[OP_FAILED] = "FAILED",
	[OP_INTERRUPTED] = "INTERRUPTED",
	[OP_OUTSIDE] = "OUTSIDE",
};

static void
add_head(struct str *out, const struct cli *cli, const struct op_story *story)
{
	const struct journal *j = story->journal;
	struct str s = STR_INIT;

	str_addf(&s, "%s ", story->word != NULL ? story->word : heads[story->result]);
	if (strcmp(j->kind, "failover") != 0)
		str_addf(&s, "%s ", j->kind);
	str_adds(&s, j->pair[0] != '\0' ? j->pair : j->name);
	if (j->from[0] != '\0' || j->to[0] != '\0')
		str_addf(&s, " %s ==> %s", j->from[0] != '\0' ? j->from : "(new)",
		    j->to[0] != '\0' ? j->to : "(gone)");
	str_addf(&s, "   by %s   op %s", j->by[0] != '\0' ? j->by : "-", j->id);
	out_add_line(out, cli, "%s", str_text(&s));
	str_clear(&s);
}

static bool
is_in(const struct journal *j, const char *name, enum step_state state)
{
	const struct journal_step *step = journal_find(j, name);

	return step != NULL && step->state == state;
}

static void
add_figures(struct str *out, const struct cli *cli, const struct op_story *story)
{
	const struct journal *j = story->journal;
	struct str s = STR_INIT;
	char ms[OP_MS_SIZE];

	if (isfinite(j->refused_ms))
		str_addf(&s, "refused %s", op_text_ms(ms, j->refused_ms));
	if (isfinite(j->refused_ms) && story->expected_ms > 0)
		str_addf(&s, " (expected %s)", op_text_ms(ms, story->expected_ms));
	if (isfinite(j->felt_ms))
		str_addf(&s, "   felt %s", op_text_ms(ms, j->felt_ms));
	/* "follow" fails where somebody wrote behind the fence. */
	if (strcmp(j->kind, "failover") == 0 && story->result == OP_DONE &&
	    is_in(j, "catch-up", STEP_DONE) && !is_in(j, "follow", STEP_FAILED))
		str_addf(&s, "%sacknowledged writes lost 0", s.len > 0 ? "   " : "");
	if (s.len > 0)
		out_add_line(out, cli, "  %s", str_text(&s));
	str_clear(&s);
}

static void
add_place(struct str *out, const struct cli *cli, const struct journal *j)
{
	char at[CLOCK_ISO_SIZE];
	struct str s = STR_INIT;

	str_addf(&s, "begun %s", clock_iso(at, j->at_wall_ms / 1000));
	if (j->host[0] != '\0')
		str_addf(&s, "   on %s", j->host);
	if (j->pid > 0)
		str_addf(&s, " pid %lld", (long long)j->pid);
	if (j->plan[0] != '\0')
		str_addf(&s, "   plan %s", j->plan);
	out_add_line(out, cli, "  %s", str_text(&s));
	str_clear(&s);
}

static void
add_unbegun(struct str *out, const struct cli *cli, const struct journal *j)
{
	struct str names = STR_INIT;

	if (add_names(&names, j, is_waiting))
		out_add_line(out, cli, "  not begun: %s", str_text(&names));
	str_clear(&names);
}

/* What people decided beside the plan. */
static void
add_decisions(struct str *out, const struct cli *cli, const struct journal *j)
{
	const char *outside = journal_fact(j, "outside-window"),
		   *without = journal_fact(j, "without");

	if (j->approved_by[0] != '\0')
		out_add_line(out, cli, "  approved by %s", j->approved_by);
	if (outside[0] != '\0')
		out_add_line(out, cli, "  outside of its hours: %s", outside);
	if (without[0] != '\0')
		out_add_line(out, cli, "  without waiting for %s", without);
}

static void __attribute__((format(printf, 4, 5)))
add_labelled(struct str *out, const struct cli *cli, const char *label, const char *fmt, ...)
{
	char first[16], *text;
	va_list ap;

	snprintf(first, sizeof(first), "  %-4s ", label);
	va_start(ap, fmt);
	text = mem_vprintf(fmt, ap);
	va_end(ap);
	wrap_add(out, cli->width, first, "       ", text);
	free(text);
}

static bool
has_acted(const struct journal *j, const char *name)
{
	return is_in(j, name, STEP_BEGUN) || is_in(j, name, STEP_DONE);
}

/* What an emergency did to the server that was said to be dead, and nothing takes back. */
static bool
add_stays(struct str *s, const struct journal *j)
{
	if (strcmp(j->kind, "emergency") != 0)
		return false;
	if (has_acted(j, "fence-command"))
		str_addf(s, "%s stays cut off: its fence-command was run", j->from);
	else if (has_acted(j, "stop"))
		str_addf(s, "it stays stopped on %s", j->from);
	return s->len > 0;
}

/* Of an undone one: what was taken back. */
static void
add_undone(struct str *out, const struct cli *cli, const struct op_story *story)
{
	const struct journal *j = story->journal;
	struct str s = STR_INIT, names = STR_INIT;
	bool is_all = !add_stays(&s, j), is_any = add_names(&names, j, is_undone);

	if (is_all && !is_any)
		str_adds(&s, "nothing was changed");
	else
		str_adds(&s, is_all ? "everything is as it was" : "; all else is as it was");
	if ((is_any || !is_all) && j->from[0] != '\0')
		str_addf(&s, ": %s = %s", j->name, j->from);
	if (is_any)
		str_addf(&s, "; taken back: %s", str_text(&names));
	str_clear(&names);
	add_labelled(out, cli, "now", "%s", str_text(&s));
	if (j->pair[0] != '\0') {
		str_reset(&s);
		/* Who stopped it knows why. */
		str_adds(&s, story->word == NULL ? "see to that, then again: " : "again: ");
		op_text_add_command(&s, j);
		add_labelled(out, cli, "do", "%s", str_text(&s));
	}
	str_clear(&s);
}

/*
 * Of a rejoin that did not let {from} back: that stays fenced, since two that take writes are two truths, and
 * the name leads to the other one.
 */
static void
add_held(struct str *out, const struct cli *cli, const struct journal *j)
{
	const char *errant = journal_fact(j, "errant");
	struct str s = STR_INIT;

	if (is_in(j, "fence", STEP_DONE) || is_in(j, "fence", STEP_SKIPPED))
		str_addf(&s, "%s takes no writes, and does not follow %s; ", j->from, j->to);
	str_addf(&s, "%s = %s, which was not touched", j->name, j->to);
	add_labelled(out, cli, "now", "%s", str_text(&s));
	str_reset(&s);
	if (errant[0] != '\0' && strcmp(errant, "0") != 0)
		str_addf(&s,
		    "replay what is worth it on %s, or make %s anew from it: man "
		    "pointsman-runbook, \"errant transactions\"; then: ",
		    j->to, j->from);
	else
		str_adds(&s, "see to that (man pointsman-runbook), then again: ");
	op_text_add_command(&s, j);
	add_labelled(out, cli, "do", "%s", str_text(&s));
	str_clear(&s);
}

/* "db3 read-only; perhaps also: names/maindb = db4 (CAS)"; on the way back also what is taken back by now. */
static void
add_state(struct str *out, const struct journal *j)
{
	struct str taken = STR_INIT, made = STR_INIT, maybe = STR_INIT;
	bool is_taken = j->is_back && add_names(&taken, j, is_undone);
	bool is_made = add_made(&made, j, STEP_DONE, STEP_DONE);

	if (is_taken)
		str_addf(out, "taken back: %s", str_text(&taken));
	if (is_made)
		str_addf(out, "%s%s%s", is_taken ? "; " : "", j->is_back ? "still: " : "",
		    str_text(&made));
	if (!is_taken && !is_made)
		str_adds(out, "nothing was changed");
	if (add_made(&maybe, j, STEP_BEGUN, STEP_FAILED))
		str_addf(out, "; perhaps %s: %s", is_taken && !is_made ? "still" : "also",
		    str_text(&maybe));
	if (op_text_is_past_return(j))
		str_adds(out, "; past the point of no return");
	str_clear(&maybe);
	str_clear(&made);
	str_clear(&taken);
}

size_t
op_text_ways(const struct journal *j, char *out[OP_WAYS_MAX])
{
	size_t count = 0;

	if (!j->is_back)
		out[count++] = mem_printf("pointsman resume %s      goes on from there", j->id);
	if (!op_text_is_past_return(j))
		out[count++] = mem_printf("pointsman rollback %s    takes it back", j->id);
	else if (strcmp(j->kind, "failover") == 0)
		out[count++] = mem_printf(
		    "pointsman failover %s --emergency    if %s is gone", j->pair, j->to);
	return count;
}

/* Of one that is halfway: what is so, and the ways from there; none where a later one has gone on from it. */
static void
add_halfway(struct str *out, const struct cli *cli, const struct journal *j,
    const struct journal_later *later)
{
	bool is_later = later != NULL && later->id[0] != '\0';
	char *ways[OP_WAYS_MAX];
	struct str s = STR_INIT;
	size_t count;

	add_state(&s, j);
	add_labelled(out, cli, is_later ? "then" : "now", "%s", str_text(&s));
	str_clear(&s);
	if (is_later) {
		add_labelled(out, cli, "now",
		    later->is_done ? "overtaken by %s: nothing of it is left to do"
				   : "first %s, which came after it: pointsman history has it",
		    later->id);
		return;
	}
	count = op_text_ways(j, ways);
	for (size_t i = 0; i < count; i++) {
		add_labelled(out, cli, i == 0 ? "do" : "or", "%s", ways[i]);
		free(ways[i]);
	}
}

static void
add_next(struct str *out, const struct cli *cli, const struct journal *j, bool is_record)
{
	struct str s = STR_INIT, record = STR_INIT;

	if (strcmp(j->kind, "failover") == 0)
		str_addf(&s, "Back again:  pointsman failover %s", j->pair);
	else if (strcmp(j->kind, "emergency") == 0)
		str_addf(&s, "When %s is back:  pointsman rejoin %s", j->from, j->pair);
	if (!is_record)
		str_addf(&record, "Record: pointsman history %s", j->id);
	if (s.len > 0 && record.len > 0 && (int)(s.len + record.len) + 3 <= cli->width)
		str_addf(out, "%s%*s%s\n", str_text(&s), cli->width - (int)s.len - (int)record.len,
		    "", str_text(&record));
	else {
		if (s.len > 0)
			out_add_line(out, cli, "%s", str_text(&s));
		if (record.len > 0)
			out_add_line(out, cli, "%s", str_text(&record));
	}
	str_clear(&s);
	str_clear(&record);
}

void
op_text_add_story(struct str *out, const struct cli *cli, const struct op_story *s)
{
	const struct journal *j = s->journal;

	add_head(out, cli, s);
	if (s->is_record)
		add_place(out, cli, j);
	add_decisions(out, cli, j);
	add_figures(out, cli, s);
	op_bars_add(out, cli, j, s->result);
	add_unbegun(out, cli, j);
	if (j->error[0] != '\0')
		add_labelled(out, cli, "why", "%s", j->error);
	else if (s->error != NULL && s->error[0] != '\0')
		add_labelled(out, cli, "why", "%s", s->error);
	if (s->result == OP_UNDONE && strcmp(j->kind, "rejoin") == 0)
		add_held(out, cli, j);
	else if (s->result == OP_UNDONE)
		add_undone(out, cli, s);
	else if (s->result == OP_FAILED || s->result == OP_INTERRUPTED)
		add_halfway(out, cli, j, s->later);
	else if (s->result == OP_DONE)
		add_next(out, cli, j, s->is_record);
}
