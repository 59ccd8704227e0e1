/* op_screen.c: plain lines, one a step. */
#include "cli/op_screen.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/output.h"

struct op_live {
	const struct cli *cli;
	struct op_observer observer;
};

static json_t *
findings_to_json(const struct preflight *p)
{
	json_t *list = json_array();

	for (size_t i = 0; i < p->count; i++)
		json_array_append_new(list,
		    json_pack("{s:s, s:b, s:s, s:s, s:s}", "name", p->list[i].name, "ok",
			p->list[i].level == PREFLIGHT_OK || p->list[i].level == PREFLIGHT_WARNING,
			"fact", p->list[i].fact, "why", p->list[i].why, "do", p->list[i].todo));
	return list;
}

void
op_screen_plan(const struct cli *cli, const struct op *op, const struct preflight_facts *f,
    const struct preflight *p, const char *plan_id)
{
	json_t *steps = json_array();

	(void)f;
	for (size_t i = 0; i < op->step_count; i++) {
		struct str title = STR_INIT, undo = STR_INIT;

		op_add_title(op, i, &title);
		op_add_undo(op, i, &undo);
		if (!cli->is_json)
			out_line(cli, "%3zu %-40s %6.0fms %6llds  %s", i + 1, str_text(&title),
			    op->expect_ms[i], (long long)op->steps[i]->limit_ms / 1000,
			    str_text(&undo));
		json_array_append_new(
		    steps, json_pack("{s:s, s:f, s:I, s:s}", "name", op->steps[i]->name,
			       "expect_ms", op->expect_ms[i], "limit_ms",
			       (json_int_t)op->steps[i]->limit_ms, "undo", str_text(&undo)));
		str_clear(&title);
		str_clear(&undo);
	}
	if (!cli->is_json) {
		json_decref(steps);
		out_line(cli, "plan %s", plan_id);
		return;
	}
	out_json(json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:f}", "plan", plan_id, "pair",
	    op->journal->pair, "from", op->journal->from, "to", op->journal->to, "preflight",
	    findings_to_json(p), "steps", steps, "refused_ms", op_expected_refused_ms(op)));
}

void
op_screen_refused(const struct cli *cli, const struct op *op, const struct preflight_facts *f,
    const struct preflight *p)
{
	(void)f;
	(void)op;
	if (cli->is_json) {
		out_json(json_pack("{s:n, s:o}", "plan", "preflight", findings_to_json(p)));
		return;
	}
	for (size_t i = 0; i < p->count; i++) {
		if (p->list[i].level != PREFLIGHT_OK)
			out_line(cli, "%s: %s", p->list[i].name, p->list[i].fact);
	}
}

static void
moment(const struct op *op, size_t step, enum op_moment m, void *arg)
{
	struct op_live *l = arg;

	if (!l->cli->is_json)
		out_line(l->cli, "%zu %s %d %.1f %s", step + 1, op->steps[step]->name, (int)m,
		    op->journal->steps[step].took_ms, op->journal->steps[step].note);
}

static void
said(const struct op *op, const char *text, void *arg)
{
	struct op_live *l = arg;

	(void)op;
	if (!l->cli->is_json)
		out_line(l->cli, "%s", text);
}

struct op_live *
op_live_new(const struct cli *cli)
{
	struct op_live *l = mem_alloc(sizeof(*l));

	l->cli = cli;
	l->observer = (struct op_observer){ .moment = moment, .said = said, .arg = l };
	return l;
}

const struct op_observer *
op_live_observer(struct op_live *l)
{
	return &l->observer;
}

void
op_live_finish(struct op_live *l, const struct op *op, enum op_end end, const struct err *e,
    enum exit_code code)
{
	if (l->cli->is_json) {
		out_json(journal_to_json(op->journal));
		return;
	}
	out_line(l->cli, "end %d code %d %s refused %.1f felt %.1f op %s", (int)end, (int)code,
	    e->text, op->journal->refused_ms, op->journal->felt_ms, op->journal->id);
}

void
op_live_free(struct op_live *l)
{
	free(l);
}
