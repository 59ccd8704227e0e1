/*
 * op_bars.c: one linear scale, from the first step that began to the last that ended: what ran while what
 * else waited can be seen, and no step is drawn longer than it was. The shortest is one column. One that took
 * longer than twice all others is drawn as long as those, with a gap (~): else nobody would see them.
 */
#include "cli/op_bars.h"

#include <math.h>

#include "cli/cli.h"
#include "cli/op_text.h"
#include "cli/output.h"
#include "cli/wrap.h"

#define NAME_COLUMNS 12 /* of a step; a longer one is cut */
#define BAR_MIN 8
#define NOTE_COLUMNS 22 /* beside a bar; a longer one goes below */

struct scale {
	double from_ms, to_ms;
	double gap_at_ms, gap_ms; /* left out */
	int name, bar;            /* columns */
};

static double
end_of(const struct journal_step *s)
{
	return isfinite(s->took_ms) ? s->at_ms + s->took_ms : s->at_ms;
}

static double
scaled(const struct scale *scale, double ms)
{
	if (ms <= scale->gap_at_ms)
		return ms - scale->from_ms;
	if (ms >= scale->gap_at_ms + scale->gap_ms)
		return ms - scale->from_ms - scale->gap_ms;
	return scale->gap_at_ms - scale->from_ms;
}

static void
leave_out(struct scale *scale, const struct journal *j)
{
	for (size_t i = 0; i < j->step_count; i++) {
		const struct journal_step *s = &j->steps[i];
		double others = scale->to_ms - scale->from_ms - s->took_ms;

		if (!isfinite(s->at_ms) || !isfinite(s->took_ms) || others <= 0 ||
		    s->took_ms <= 2 * others)
			continue;
		scale->gap_at_ms = s->at_ms + others / 2;
		scale->gap_ms = s->took_ms - others;
	}
}

static void
make_scale(struct scale *scale, const struct cli *cli, const struct journal *j)
{
	*scale = (struct scale){ .from_ms = INFINITY, .to_ms = -INFINITY, .gap_at_ms = INFINITY };
	for (size_t i = 0; i < j->step_count; i++) {
		const struct journal_step *s = &j->steps[i];
		int len = op_text_columns(s->name);

		if (len > scale->name)
			scale->name = len < NAME_COLUMNS ? len : NAME_COLUMNS;
		if (!isfinite(s->at_ms))
			continue;
		scale->from_ms = fmin(scale->from_ms, s->at_ms);
		scale->to_ms = fmax(scale->to_ms, end_of(s));
	}
	leave_out(scale, j);
	/* Mark, number, name and a blank before it; the time and the note behind it. */
	scale->bar = cli->width - (5 + scale->name + 1) - 9 - NOTE_COLUMNS;
	if (scale->bar < BAR_MIN)
		scale->bar = BAR_MIN;
}

/* "   |==|   ", always so many columns. What never ended is open at its end. */
static void
add_bar(struct str *out, const struct scale *scale, const struct journal_step *s)
{
	double span = scaled(scale, scale->to_ms);
	int first, last, gap;

	if (!isfinite(s->at_ms)) {
		str_addf(out, "%*s", scale->bar, "");
		return;
	}
	if (!(span > 0))
		span = 1;
	first = (int)(scaled(scale, s->at_ms) / span * scale->bar);
	last = (int)ceil(scaled(scale, end_of(s)) / span * scale->bar) - 1;
	first = first < scale->bar ? first : scale->bar - 1;
	last = last < first ? first : last < scale->bar ? last : scale->bar - 1;
	gap =
	    s->at_ms <= scale->gap_at_ms && end_of(s) > scale->gap_at_ms ? (first + last) / 2 : -1;
	for (int i = 0; i < scale->bar; i++) {
		if (i < first || i > last)
			str_addc(out, ' ');
		else if (i == last && !isfinite(s->took_ms))
			str_addc(out, '>');
		else if (i == gap && i != first && i != last)
			str_addc(out, '~');
		else
			str_addc(out, i == first || i == last ? '|' : '=');
	}
}

static enum mark
mark_of(enum op_result result, const struct journal_step *s)
{
	if (s->state == STEP_FAILED)
		return result == OP_DONE ? MARK_WARNING : MARK_CRITICAL;
	return s->state == STEP_BEGUN && result != OP_RUNNING ? MARK_CRITICAL : MARK_NONE;
}

/* What a bar does not say, then what was seen. */
static void
add_note(struct str *out, const struct journal_step *s)
{
	static const char *const words[] = {
		[STEP_WAITING] = "",
		[STEP_BEGUN] = "begun",
		[STEP_DONE] = "",
		[STEP_SKIPPED] = "was so already",
		[STEP_FAILED] = "failed",
		[STEP_UNDONE] = "undone",
	};

	str_adds(out, words[s->state]);
	if (out->len > 0 && s->note[0] != '\0')
		str_adds(out, ": ");
	str_adds(out, s->note);
}

static void
add_row(struct str *out, const struct cli *cli, const struct journal *j, enum op_result result,
    size_t i, const struct scale *scale)
{
	const struct journal_step *s = &j->steps[i];
	struct str note = STR_INIT, below = STR_INIT;
	char took[OP_MS_SIZE];
	int used = 5 + scale->name + 1 + scale->bar + 9;

	add_note(&note, s);
	out_add_mark(out, cli, mark_of(result, s));
	str_addf(out, "%2zu ", i + 1);
	op_text_add_cell(out, s->name, scale->name);
	str_addc(out, ' ');
	add_bar(out, scale, s);
	str_addf(out, " %8s", op_text_ms(took, s->took_ms));
	if (note.len > 0 && used + 2 + op_text_columns(str_text(&note)) <= cli->width) {
		str_addf(out, "  %s", str_text(&note));
	} else if (note.len > 0) {
		wrap_add(&below, cli->width, "       ", "       ", str_text(&note));
		below.data[below.len - 1] = '\0'; /* its newline */
		str_addf(out, "\n%s", str_text(&below));
	}
	str_addc(out, '\n');
	str_clear(&note);
	str_clear(&below);
}

void
op_bars_add(struct str *out, const struct cli *cli, const struct journal *j, enum op_result result)
{
	struct scale scale;

	make_scale(&scale, cli, j);
	for (size_t i = 0; i < j->step_count; i++) {
		if (j->steps[i].state != STEP_WAITING)
			add_row(out, cli, j, result, i, &scale);
	}
}
