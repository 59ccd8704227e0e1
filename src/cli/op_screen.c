/*
 * op_screen.c: the plan and the refusal, before anything is touched. Both are printed from the same table
 * that is then carried out, so that what was seen is what runs.
 */
#include "cli/op_screen.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/op_text.h"
#include "cli/output.h"
#include "cli/preflight_screen.h"
#include "cli/report.h"
#include "cli/wrap.h"
#include "feature/config.h"
#include "model/plan_id.h"
#include "operate/client.h"

/* --- the table -------------------------------------------------------------------------------------- */

#define NUMBER_COLUMNS 3
#define TIME_COLUMNS 7
#define UNDO_MIN 16 /* with less there is no column for it, but a line below */

struct columns {
	int title, undo; /* undo 0: on a line of its own */
};

static struct columns
make_columns(const struct cli *cli)
{
	struct columns c = { .undo = 21 };

	c.title = cli->width - NUMBER_COLUMNS - 1 - 2 * TIME_COLUMNS - 3 - c.undo;
	if (c.title < 2 * UNDO_MIN) {
		c.undo = 0;
		c.title = cli->width - NUMBER_COLUMNS - 1 - 2 * TIME_COLUMNS;
	}
	return c;
}

/* Takes one line out of text, which is wrapped already, but for words that are longer; "" behind its end. */
static void
take_line(const char **text, int width, struct str *out)
{
	int used = 0;

	str_reset(out);
	for (; **text != '\0' && **text != '\n'; (*text)++) {
		used += ((unsigned char)**text & 0xc0) != 0x80;
		if (used > width)
			return;
		str_addc(out, **text);
	}
	*text += **text == '\n';
}

static void
print_step(const struct cli *cli, const struct columns *c, const struct op *op, size_t i)
{
	struct str title = STR_INIT, undo = STR_INIT, titles = STR_INIT, undos = STR_INIT;
	struct str line = STR_INIT, one = STR_INIT, other = STR_INIT;
	char expect[16], limit[16];
	const char *t, *u;

	op_add_title(op, i, &title);
	op_add_undo(op, i, &undo);
	wrap_add(&titles, c->title, "", "", str_text(&title));
	if (c->undo > 0)
		wrap_add(&undos, c->undo, "", "", str_text(&undo));
	str_duration(expect, sizeof(expect), (int64_t)ceil(op->expect_ms[i]));
	str_duration(limit, sizeof(limit), op->steps[i]->limit_ms);
	t = str_text(&titles);
	u = str_text(&undos);
	for (bool is_first = true; is_first || *t != '\0' || *u != '\0'; is_first = false) {
		str_reset(&line);
		take_line(&t, c->title, &one);
		take_line(&u, c->undo, &other);
		if (is_first)
			str_addf(&line, "%*zu %-*s%*s%*s", NUMBER_COLUMNS, i + 1, c->title,
			    str_text(&one), TIME_COLUMNS, expect, TIME_COLUMNS, limit);
		else
			str_addf(&line, "%*s %-*s%*s", NUMBER_COLUMNS, "", c->title, str_text(&one),
			    2 * TIME_COLUMNS, "");
		if (other.len > 0)
			str_addf(&line, "   %s", str_text(&other));
		while (line.len > 0 && line.data[line.len - 1] == ' ')
			line.data[--line.len] = '\0';
		str_addc(&line, '\n');
		out_text(str_text(&line));
	}
	if (c->undo == 0 && strcmp(str_text(&undo), "-") != 0)
		out_line(cli, "    undo: %s", str_text(&undo));
	str_clear(&title);
	str_clear(&undo);
	str_clear(&titles);
	str_clear(&undos);
	str_clear(&line);
	str_clear(&one);
	str_clear(&other);
}

static void
print_table(const struct cli *cli, const struct op *op)
{
	struct columns c = make_columns(cli);
	struct str head = STR_INIT;

	str_addf(&head, "%*s %-*s%*s%*s%s\n", NUMBER_COLUMNS, "#", c.title, "STEP", TIME_COLUMNS,
	    "EXPECT", TIME_COLUMNS, "LIMIT", c.undo > 0 ? "   UNDO" : "");
	out_text(str_text(&head));
	for (size_t i = 0; i < op->step_count; i++)
		print_step(cli, &c, op, i);
	str_clear(&head);
}

/* --- how long it will be felt ------------------------------------------------------------------------- */

/* The number of the first step with the flag; 0: none has it. */
static size_t
number_of(const struct op *op, unsigned flag)
{
	for (size_t i = 0; i < op->step_count; i++) {
		if ((op->steps[i]->flags & flag) != 0)
			return i + 1;
	}
	return 0;
}

static size_t
number_of_name(const struct op *op, const char *name)
{
	for (size_t i = 0; i < op->step_count; i++) {
		if (strcmp(op->steps[i]->name, name) == 0)
			return i + 1;
	}
	return 0;
}

#define GLUE '\x01' /* a blank at which no line is broken */

/* "13 ms" stays together. */
static char *
glued(char *text)
{
	for (char *p = text; *p != '\0'; p++)
		*p = *p == ' ' ? GLUE : *p;
	return text;
}

/* Pools that stay behind notice when their sessions are ended. */
static void
add_felt(const struct op *op, size_t from, struct str *out)
{
	size_t until = number_of_name(op, "sessions");
	size_t count = op->felt_count;
	double total = 0;
	char ms[OP_MS_SIZE];

	if (until == 0 || until < from)
		return;
	for (size_t i = from - 1; i < until; i++)
		total += op->expect_ms[i];
	str_addf(out, "; a pool notices until %zu, about %s", until, glued(op_text_ms(ms, total)));
	if (count == 0)
		return;
	str_addf(out, " (last %s:", count == 1 ? "time" : count == 2 ? "two" : "three");
	for (size_t i = 0; i < count; i++)
		str_addf(out, " %.2f", op->felt_ms[i] / 1e3);
	str_addf(out, "%s)", count == 1 ? " s" : "");
}

static void
print_meaning(const struct cli *cli, const struct op *op)
{
	size_t from = number_of(op, STEP_BLOCKS), to = number_of(op, STEP_RESTORES);
	size_t no_return = number_of(op, STEP_NO_RETURN);
	struct str s = STR_INIT, out = STR_INIT;
	char ms[OP_MS_SIZE];

	if (from > 0 && to > 0) {
		str_addf(&s, "Writes are refused from %zu to %zu, about %s", from, to,
		    glued(op_text_ms(ms, op_expected_refused_ms(op))));
		add_felt(op, from, &s);
		str_adds(&s, ". ");
	}
	if (no_return > 0)
		str_addf(&s, "Until %zu, failure or Ctrl-C undoes it all.", no_return);
	else
		str_adds(&s, "Failure or Ctrl-C undoes it all.");
	wrap_add(&out, cli->width, "", "", str_text(&s));
	for (size_t i = 0; i < out.len; i++)
		out.data[i] = out.data[i] == GLUE ? ' ' : out.data[i];
	out_text(str_text(&out));
	str_clear(&out);
	str_clear(&s);
}

/* --- the plan ----------------------------------------------------------------------------------------- */

static void
add_server(struct str *out, const struct preflight_server *s)
{
	str_adds(out, s->node);
	if (s->host[0] != '\0' && strcmp(s->host, s->node) != 0)
		str_addf(out, " %s", s->host);
}

/* "maindb   db3 10.0.4.13  ==>  db4 10.0.4.14            plan 7f3a (valid 120 s)" */
static void
print_head(const struct cli *cli, const struct op *op, const struct preflight_facts *f,
    const char *plan_id)
{
	struct str s = STR_INIT, plan = STR_INIT;

	str_addf(&s, "%s   ", op->journal->pair);
	add_server(&s, &f->servers[f->active]);
	str_adds(&s, "  ==>  ");
	add_server(&s, &f->servers[1 - f->active]);
	if (strcmp(op->journal->kind, "failover") != 0)
		str_addf(&s, "   %s", op->journal->kind);
	str_addf(&plan, "plan %s (valid %d s)", plan_id, PLAN_VALID_S);
	if ((int)(s.len + plan.len) + 2 <= cli->width) {
		str_addf(
		    &s, "%*s%s\n", cli->width - (int)s.len - (int)plan.len, "", str_text(&plan));
		out_text(str_text(&s));
	} else {
		out_line(cli, "%s", str_text(&s));
		out_line(cli, "  %s", str_text(&plan));
	}
	str_clear(&s);
	str_clear(&plan);
}

static void
print_findings(const struct cli *cli, const struct preflight *p)
{
	size_t warnings = preflight_count(p, PREFLIGHT_WARNING);
	bool is_whole = option_is_set(cli, "explain");
	struct str s = STR_INIT;

	str_addf(&s, "preflight %zu of %zu passed", p->count - warnings, p->count);
	if (warnings > 0)
		str_addf(&s, ", %zu warning%s", warnings, warnings == 1 ? "" : "s");
	if (!is_whole)
		str_addf(&s, "%*s(--explain lists each)", s.len < 54 ? 54 - (int)s.len : 2, "");
	out_line(cli, "%s", str_text(&s));
	preflight_print_level(cli, p, PREFLIGHT_WARNING);
	if (is_whole)
		preflight_print_level(cli, p, PREFLIGHT_OK);
	str_clear(&s);
}

static json_t *
steps_to_json(const struct op *op)
{
	json_t *list = json_array();

	for (size_t i = 0; i < op->step_count; i++) {
		struct str title = STR_INIT, undo = STR_INIT;

		op_add_title(op, i, &title);
		op_add_undo(op, i, &undo);
		json_array_append_new(list,
		    json_pack("{s:s, s:o, s:o, s:I, s:o, s:b}", "name", op->steps[i]->name, "title",
			json_text(str_text(&title)), "expect_ms", json_number(op->expect_ms[i]),
			"limit_ms", (json_int_t)op->steps[i]->limit_ms, "undo",
			json_text(str_text(&undo)), "no_return",
			(op->steps[i]->flags & STEP_NO_RETURN) != 0));
		str_clear(&title);
		str_clear(&undo);
	}
	return list;
}

/* plan_id NULL: it is refused. */
static json_t *
plan_to_json(const struct op *op, const struct preflight *p, const char *plan_id)
{
	const struct journal *j = op->journal;

	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "plan", json_text(plan_id),
	    "kind", json_text(j->kind), "pair", json_text(j->pair), "from", json_text(j->from),
	    "to", json_text(j->to), "preflight", preflight_to_json(p), "steps", steps_to_json(op),
	    "refused_ms", json_number(op_expected_refused_ms(op)));
}

void
op_screen_steps(const struct cli *cli, const struct op *op)
{
	struct str what = STR_INIT;

	if (cli->is_json) {
		out_json(json_pack("{s:s, s:s, s:s, s:s, s:o}", "kind", op->journal->kind, "pair",
		    op->journal->pair, "from", op->journal->from, "to", op->journal->to, "steps",
		    steps_to_json(op)));
		return;
	}
	op_add_text(op, op->table->what, &what);
	out_line(cli, "%s   %s", op->journal->pair, str_text(&what));
	print_table(cli, op);
	str_clear(&what);
}

#define NOT_YET "Nothing has been changed. Run it:"

void
op_screen_plan(const struct cli *cli, const struct op *op, const struct preflight_facts *f,
    const struct preflight *p, const char *plan_id)
{
	struct str command = STR_INIT;

	if (cli->is_json) {
		out_json(plan_to_json(op, p, plan_id));
		return;
	}
	print_head(cli, op, f, plan_id);
	print_findings(cli, p);
	print_table(cli, op);
	print_meaning(cli, op);
	op_text_add_command(&command, op->journal);
	str_addf(&command, " --plan %s", plan_id);
	/* To be copied: not broken. */
	if (strlen(NOT_YET) + 1 + command.len <= (size_t)cli->width)
		out_line(cli, "%s %s", NOT_YET, str_text(&command));
	else
		out_line(cli, "%s\n%s", NOT_YET, str_text(&command));
	str_clear(&command);
}

/* --- the refusal -------------------------------------------------------------------------------------- */

static void
print_refused_head(const struct cli *cli, const struct op *op)
{
	const struct journal *j = op->journal;
	struct str s = STR_INIT;
	static const char says[] = "nothing was changed", code[] = "exit 3";

	str_addf(&s, "REFUSED %s%s%s  %s ==> %s", strcmp(j->kind, "failover") != 0 ? j->kind : "",
	    strcmp(j->kind, "failover") != 0 ? " " : "", j->pair, j->from, j->to);
	if ((int)(s.len + strlen(says) + strlen(code)) + 8 <= cli->width)
		str_addf(
		    &s, "      %s%*s", says, cli->width - (int)s.len - 6 - (int)strlen(says), code);
	else
		str_addf(&s, "  %s  %s", says, code);
	out_line(cli, "%s", str_text(&s));
	str_clear(&s);
}

static json_t *
refused_to_json(const struct op *op, const struct preflight *p)
{
	json_t *document = plan_to_json(op, p, NULL), *why = json_array(), *todo = json_array();

	for (size_t i = 0; i < p->count; i++) {
		const struct preflight_finding *one = &p->list[i];

		if (one->level != PREFLIGHT_REFUSED && one->level != PREFLIGHT_UNKNOWN)
			continue;
		json_array_append_new(why, json_text(one->fact));
		json_array_append_new(todo, json_text(one->todo));
	}
	json_object_set_new(document, "error",
	    json_pack("{s:i, s:s, s:s, s:o, s:o}", "exit", (int)EXIT_REFUSED, "code",
		exit_code_name(EXIT_REFUSED), "fact", "the preflight refuses it", "why", why, "do",
		todo));
	return document;
}

void
op_screen_refused(const struct cli *cli, const struct op *op, const struct preflight_facts *f,
    const struct preflight *p)
{
	const struct preflight_server *active = &f->servers[f->active];
	size_t fine = preflight_count(p, PREFLIGHT_OK);
	bool is_whole = option_is_set(cli, "explain");

	if (cli->is_json) {
		out_json(refused_to_json(op, p));
		return;
	}
	print_refused_head(cli, op);
	preflight_print_level(cli, p, PREFLIGHT_REFUSED);
	preflight_print_unknown(cli, p, MARK_CRITICAL);
	preflight_print_level(cli, p, PREFLIGHT_WARNING);
	if (is_whole)
		preflight_print_level(cli, p, PREFLIGHT_OK);
	else if (fine > 0)
		out_line(cli, "ok %zu others (--explain)", fine);
	if (strcmp(op->journal->kind, "failover") == 0 &&
	    op_table_find("emergency", op->journal->pair_kind) != NULL)
		out_line(cli, "%s dead and players waiting? --emergency says what would be lost.",
		    active->node);
}
