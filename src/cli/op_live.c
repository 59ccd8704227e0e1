/*
 * op_live.c: an operation as it goes. On a terminal a line a step, and below them the one that is waited
 * for, drawn again and again with its reason and, while writers are refused, for how long. Anywhere else a
 * line a step with its time, and a wait that takes long now and then. With -o json nothing before the end.
 *
 * It never waits (lazy_out.h), and while writers are refused it does not even write unless the operation
 * waits itself: a terminal is not worth a millisecond of theirs.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/lazy_out.h"
#include "cli/op_screen.h"
#include "cli/op_text.h"
#include "cli/output.h"
#include "cli/wrap.h"

#define TOLD_EVERY_US 10000000 /* a wait, where nothing is redrawn */
#define NOTE_COLUMNS 24
#define TITLE_MIN 16
#define BAR_COLUMNS 12

struct op_live {
	const struct cli *cli;
	struct op_observer observer;
	struct lazy_out out;
	bool is_drawn;    /* a line stands there that is to be replaced */
	int64_t begun_us; /* the step at work, or its undoing */
	int64_t told_us;  /* where nothing is redrawn: when something was told last */
};

/* --- lines -------------------------------------------------------------------------------------------- */

static bool
is_blocked(const struct op *op)
{
	return op->blocked_us != 0 && op->restored_us == 0;
}

static void
add(struct op_live *l, const struct str *text)
{
	lazy_out_add(&l->out, str_text(text), text->len);
}

/* Away with the line that is drawn again and again: a lasting one takes its place. */
static void
erase(struct op_live *l)
{
	static const char codes[] = "\r\033[K"; /* ECMA-48: erase to the end of the line */

	if (l->is_drawn)
		lazy_out_add(&l->out, codes, strlen(codes));
	l->is_drawn = false;
}

/* Dropped when the terminal does not take what came before: there will be another. */
static void
draw(struct op_live *l, const struct str *line)
{
	struct str s = STR_INIT;

	lazy_out_try(&l->out);
	if (l->out.kept.len == 0) {
		str_addc(&s, '\r');
		/* The last column stays free: some terminals wrap when it is written. */
		op_text_cut(&s, str_text(line), l->cli->width - 1);
		str_adds(&s, "\033[K");
		add(l, &s);
		lazy_out_try(&l->out);
		l->is_drawn = true;
	}
	str_clear(&s);
}

static void
add_now(struct str *out)
{
	char iso[CLOCK_ISO_SIZE];
	int64_t ms = clock_wall_ms();

	clock_iso(iso, ms / 1000);
	str_addf(out, "%.19s.%03dZ ", iso, (int)(ms % 1000));
}

/* --- a step that ended ---------------------------------------------------------------------------------- */

static const struct {
	const char *word; /* NULL: not told */
	enum mark mark;
} moments[] = {
	[OP_STEP_BEGUN] = { NULL, MARK_NONE },
	[OP_STEP_DONE] = { "done", MARK_NONE },
	[OP_STEP_SKIPPED] = { "skipped", MARK_NONE },
	[OP_STEP_FAILED] = { "failed", MARK_CRITICAL },
	[OP_STEP_UNDOING] = { NULL, MARK_NONE },
	[OP_STEP_UNDONE] = { "undone", MARK_NONE },
};

static double
took_ms(const struct op_live *l, const struct op *op, size_t step, enum op_moment m)
{
	double ms = op->journal->steps[step].took_ms;

	if (m == OP_STEP_SKIPPED)
		return NAN;
	if ((m == OP_STEP_DONE || m == OP_STEP_FAILED) && isfinite(ms))
		return ms;
	return l->begun_us != 0 ? (double)(clock_mono_us() - l->begun_us) / 1e3 : NAN;
}

static void
add_note(
    const struct op_live *l, struct str *out, const struct op *op, size_t step, enum op_moment m)
{
	const char *note = op->journal->steps[step].note;

	if (m == OP_STEP_UNDONE)
		return;
	if (m == OP_STEP_SKIPPED)
		str_adds(out, "was so already");
	if (m == OP_STEP_FAILED && l->cli->is_terminal)
		str_adds(out, "failed");
	if (note[0] != '\0')
		str_addf(out, "%s%s", out->len > 0 ? ": " : "", note);
	if ((op->steps[step]->flags & STEP_NO_RETURN) != 0)
		str_addf(out, "%sNO RETURN passed", out->len > 0 ? ", " : "");
}

/* "  3 db4 has db3's last transaction       4 ms   3-3-160812" */
static void
add_row(struct op_live *l, const struct op *op, size_t step, enum op_moment m)
{
	int title_columns = l->cli->width - 5 - 9 - 3 - NOTE_COLUMNS, rest;
	struct str s = STR_INIT, title = STR_INIT, note = STR_INIT;
	enum mark mark = moments[m].mark;
	char ms[OP_MS_SIZE];

	if (title_columns < TITLE_MIN)
		title_columns = TITLE_MIN;
	if (mark == MARK_CRITICAL && (op->steps[step]->flags & STEP_MAY_FAIL) != 0)
		mark = MARK_WARNING;
	if (m == OP_STEP_UNDONE) {
		str_adds(&title, "undone: ");
		op_add_undo(op, step, &title);
	} else {
		op_add_title(op, step, &title);
	}
	add_note(l, &note, op, step, m);
	out_add_mark(&s, l->cli, mark);
	str_addf(&s, "%2zu ", step + 1);
	op_text_add_cell(&s, str_text(&title), title_columns);
	str_addf(&s, " %8s", op_text_ms(ms, took_ms(l, op, step, m)));
	if (note.len > 0 && (rest = l->cli->width - 5 - title_columns - 9 - 3) > 0) {
		str_adds(&s, "   ");
		op_text_cut(&s, str_text(&note), rest);
	}
	str_addc(&s, '\n');
	erase(l);
	add(l, &s);
	str_clear(&s);
	str_clear(&title);
	str_clear(&note);
}

/* "2026-11-21T03:12:04.126Z  3 catch-up   done        4 ms  3-3-160812" */
static void
add_stamped(struct op_live *l, const struct op *op, size_t step, const char *word, double ms,
    const char *note)
{
	struct str s = STR_INIT, line = STR_INIT;
	char took[OP_MS_SIZE];

	add_now(&s);
	str_addf(&s, "%2zu ", step + 1);
	op_text_add_cell(&s, op->steps[step]->name, 10);
	str_addf(&s, " %-7s %8s  %s", word, op_text_ms(took, ms), note);
	op_text_cut(&line, str_text(&s), l->cli->width);
	while (line.data[line.len - 1] == ' ')
		line.data[--line.len] = '\0';
	str_addc(&line, '\n');
	add(l, &line);
	str_clear(&s);
	str_clear(&line);
}

/* --- what the runner tells -------------------------------------------------------------------------------- */

static void
draw_begun(struct op_live *l, const struct op *op, size_t step, bool is_back)
{
	struct str s = STR_INIT;

	str_addf(&s, "  %2zu %s", step + 1, is_back ? "taking back: " : "");
	if (is_back)
		op_add_undo(op, step, &s);
	else
		op_add_title(op, step, &s);
	draw(l, &s);
	str_clear(&s);
}

static void
step_moment(const struct op *op, size_t step, enum op_moment m, void *arg)
{
	struct op_live *l = arg;
	struct str note = STR_INIT;

	if (moments[m].word == NULL) {
		l->begun_us = l->told_us = clock_mono_us();
		if (l->cli->is_terminal && !is_blocked(op))
			draw_begun(l, op, step, m == OP_STEP_UNDOING);
		return;
	}
	if (l->cli->is_terminal) {
		add_row(l, op, step, m);
	} else {
		add_note(l, &note, op, step, m);
		add_stamped(l, op, step, moments[m].word, took_ms(l, op, step, m), str_text(&note));
	}
	l->begun_us = 0;
	str_clear(&note);
	if (!is_blocked(op))
		lazy_out_try(&l->out);
}

/* "32 of 42 …" as a bar; 0: it is no such reason. */
static size_t
add_progress(struct str *out, const char *reason)
{
	unsigned long done, all;
	int used = 0;

	if (sscanf(reason, "%9lu of %9lu %n", &done, &all, &used) != 2 || all == 0 || done > all ||
	    used == 0)
		return 0;
	str_addc(out, '[');
	for (unsigned long i = 0; i < BAR_COLUMNS; i++)
		str_addc(out, i < done * BAR_COLUMNS / all ? '#' : '-');
	str_addf(out, "] %lu/%lu  ", done, all);
	return (size_t)used;
}

/* "   6 agents  [########----] 32/42  0.03 s of 10 s  writes refused 0.12 s  …" */
static void
draw_waiting(struct op_live *l, const struct op *op, size_t step, const char *reason,
    int64_t gone_ms, int64_t limit_ms)
{
	char limit[16];
	struct str s = STR_INIT;

	str_addf(&s, "  %2zu %s  ", step + 1, op->steps[step]->name);
	reason += add_progress(&s, reason);
	str_addf(&s, "%.2f s of %s", (double)gone_ms / 1e3,
	    str_duration(limit, sizeof(limit), limit_ms));
	if (is_blocked(op))
		str_addf(&s, "  writes refused %.2f s",
		    (double)(clock_mono_us() - op->blocked_us) / 1e6);
	if (reason[0] != '\0')
		str_addf(&s, "  %s", reason);
	draw(l, &s);
	str_clear(&s);
}

static void
step_waiting(const struct op *op, size_t step, const char *reason, int64_t gone_ms,
    int64_t limit_ms, void *arg)
{
	struct op_live *l = arg;

	if (l->cli->is_terminal) {
		draw_waiting(l, op, step, reason, gone_ms, limit_ms);
	} else if (clock_mono_us() - l->told_us >= TOLD_EVERY_US) {
		l->told_us = clock_mono_us();
		add_stamped(l, op, step, "waits", (double)gone_ms, reason);
	}
	lazy_out_try(&l->out);
}

static bool
is_wait(const char *text)
{
	return strncmp(text, "waiting ", 8) == 0;
}

static void
words_said(const struct op *op, const char *text, void *arg)
{
	struct op_live *l = arg;
	struct str s = STR_INIT, first = STR_INIT;
	bool is_due = clock_mono_us() - l->told_us >= TOLD_EVERY_US;

	if (l->cli->is_terminal && is_wait(text)) {
		str_addf(&s, "  %s", text);
		draw(l, &s);
	} else if (l->cli->is_terminal) {
		wrap_add(&first, l->cli->width, "  ", "  ", text);
		out_add_mark(&s, l->cli, MARK_WARNING);
		str_adds(&s, first.data + 2);
		erase(l);
		add(l, &s);
	} else if (!is_wait(text) || is_due || l->told_us == 0) {
		l->told_us = clock_mono_us();
		add_now(&first);
		wrap_add(&s, l->cli->width, str_text(&first), str_text(&first), text);
		add(l, &s);
	}
	str_clear(&s);
	str_clear(&first);
	if (!is_blocked(op))
		lazy_out_try(&l->out);
}

/* --- from its beginning to its end -------------------------------------------------------------------------- */

struct op_live *
op_live_new(const struct cli *cli)
{
	struct op_live *l = mem_alloc(sizeof(*l));

	l->cli = cli;
	if (!cli->is_json)
		l->observer = (struct op_observer){ step_moment, step_waiting, words_said, l };
	lazy_out_open(&l->out);
	return l;
}

const struct op_observer *
op_live_observer(struct op_live *l)
{
	return &l->observer;
}

static void
add_json(struct str *out, const struct op *op, const struct err *e, enum exit_code code)
{
	json_t *document = journal_to_json(op->journal);

	json_object_set_new(document, "exit", json_integer((json_int_t)code));
	if (op->journal->error[0] == '\0' && e->text[0] != '\0' && code != EXIT_DONE)
		json_object_set_new(document, "error", json_text(e->text));
	json_write_pretty(out, document);
	json_decref(document);
}

static void
add_story(struct str *out, const struct cli *cli, const struct op *op, enum op_end end,
    const struct err *e, enum exit_code code)
{
	static const enum op_result results[] = {
		[OP_END_DONE] = OP_DONE,
		[OP_END_PROBLEMS] = OP_DONE,
		[OP_END_UNDONE] = OP_UNDONE,
		[OP_END_NEEDS_YOU] = OP_FAILED,
	};
	const struct op_story story = {
		.journal = op->journal,
		.result = results[end],
		.word = code == EXIT_STOPPED   ? "STOPPED"
			: code == EXIT_REFUSED ? "REFUSED"
					       : NULL,
		.error = end == OP_END_UNDONE || end == OP_END_NEEDS_YOU ? e->text : "",
		.expected_ms = op_expected_refused_ms(op),
	};

	op_text_add_story(out, cli, &story);
}

void
op_live_finish(struct op_live *l, const struct op *op, enum op_end end, const struct err *e,
    enum exit_code code)
{
	struct str s = STR_INIT;

	erase(l);
	if (l->cli->is_json)
		add_json(&s, op, e, code);
	else
		add_story(&s, l->cli, op, end, e, code);
	add(l, &s);
	lazy_out_try(&l->out);
	str_clear(&s);
}

void
op_live_free(struct op_live *l)
{
	if (l == NULL)
		return;
	erase(l);
	lazy_out_close(&l->out);
	free(l);
}
