/*
 * cmd_failover.c: failover PAIR: the facts, the preflight, the plan, a person, and then op_flow.
 *
 * The plan's id is made of all that it depends on: who is active by the KV and at which index, which
 * servers were seen and in which state, the steps. The same is looked at again when somebody brings the id
 * back, so what runs is the plan that was seen, or nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/client_report.h"
#include "cli/commands.h"
#include "cli/op_flow.h"
#include "cli/op_screen.h"
#include "cli/output.h"
#include "cli/pair_report.h"
#include "cli/report.h"
#include "model/plan_id.h"
#include "model/preflight.h"
#include "operate/gather.h"
#include "operate/op.h"
#include "operate/op_approval.h"

#define LOOK_AGAIN_MS 1000
#define PLAN_AGE_SHOWN_S 86400 /* the time in an id wraps after twelve days: its age may be none */

struct failover {
	struct cli *cli;
	struct client client;
	struct gather gather;
	const struct config_pair *pair;
	struct preflight_facts facts;
	struct preflight preflight;
	struct op *op;    /* NULL: no plan was made yet */
	const char *kind; /* of the table */
	char plan[PLAN_ID_SIZE];
	char *made_of;
};

static void
forget_look(struct failover *f)
{
	preflight_clear(&f->preflight);
	preflight_facts_clear(&f->facts);
	gather_close(&f->gather);
}

static void
clear(struct failover *f)
{
	op_free(f->op);
	f->op = NULL;
	free(f->made_of);
	f->made_of = NULL;
	forget_look(f);
	client_close(&f->client);
}

/* --- the facts ------------------------------------------------------------------------------------ */

static enum exit_code
look(struct failover *f)
{
	struct err e;

	f->facts.without = option_text(f->cli, "without");
	f->facts.dead_word = option_text(f->cli, "dead");
	f->facts.is_emergency = strcmp(f->kind, "emergency") == 0;
	if (gather_open(&f->gather, &f->client, &e) != 0 ||
	    gather_pair(&f->gather, f->pair, &f->facts, &e) != 0)
		return client_report_err(&f->client, f->cli, &e, "looking at the pair");
	if (f->gather.kv_err.code != ERR_NONE)
		return client_report_err(
		    &f->client, f->cli, &f->gather.kv_err, "reading the names");
	/* Our own, when it is looked at again behind an approval, is in nobody's way. */
	if (f->op != NULL && strcmp(f->facts.unfinished, f->op->journal->id) == 0)
		f->facts.unfinished[0] = '\0';
	preflight_judge(&f->facts, &f->preflight);
	return EXIT_DONE;
}

/* --to says what would happen anyway; that it is not what the operator thinks is worth a refusal. */
static enum exit_code
check_direction(struct failover *f)
{
	const char *wanted = option_text(f->cli, "to");
	const char *to = f->facts.servers[1 - f->facts.active].node;
	const char *from = f->facts.servers[f->facts.active].node;
	struct report r = { STR_INIT, STR_INIT, STR_INIT };

	if (wanted == NULL || strcmp(wanted, to) == 0)
		return EXIT_DONE;
	if (strcmp(wanted, from) == 0)
		report_fact(&r, "%s leads to %s already", f->pair->kv_name, from);
	else
		report_fact(&r, "%s is no server of %s", SHOWN(wanted), f->pair->name);
	report_why(&r, "its servers are %s (active) and %s", from, to);
	report_do(&r, "pointsman failover %s --dry-run", f->pair->name);
	return report_send(&r, f->cli, EXIT_REFUSED);
}

/* --- the plan ------------------------------------------------------------------------------------- */

static void
add_server(struct str *out, const struct preflight_server *s)
{
	const struct server_view *v = s->sql != NULL     ? s->sql->view
				      : s->redis != NULL ? s->redis->view
							 : NULL;

	str_addf(out, "%s %s:%d %d ", s->node, s->host, s->port, s->is_reached);
	if (v != NULL)
		str_addf(out, "%s %s %d\n", v->server_id, v->version, v->is_writable);
	else
		str_addf(out, "%d\n", s->is_running);
}

static void
describe_plan(struct failover *f)
{
	const struct journal *j = f->op->journal;
	struct str out = STR_INIT;

	str_addf(&out, "%s %s %s %s %s %llu\n", j->kind, j->pair, j->from, j->to,
	    op_fact(f->op, "old-value"), (unsigned long long)f->op->name_index);
	add_server(&out, &f->facts.servers[0]);
	add_server(&out, &f->facts.servers[1]);
	for (size_t i = 0; i < f->op->step_count; i++)
		str_addf(&out, "%s\n", f->op->steps[i]->name);
	str_addf(&out, "without %s dead %s\n", op_fact(f->op, "without"), op_fact(f->op, "dead"));
	f->made_of = str_take(&out);
}

static enum exit_code
make_plan(struct failover *f)
{
	const struct op_table *table = op_table_find(f->kind, f->pair->kind);
	const struct kv_entry *entry = view_find(&f->gather.view, &f->client, f->pair->kv_name);
	struct report r = { STR_INIT, STR_INIT, STR_INIT };

	if (table == NULL) {
		report_fact(&r, "there is no %s of a %s pair", f->kind, f->pair->kind);
		return report_send(&r, f->cli, EXIT_USAGE);
	}
	f->op = op_new(&f->client, table, f->pair, f->facts.servers[f->facts.active].node,
	    f->facts.servers[1 - f->facts.active].node, f->facts.value,
	    entry != NULL ? entry->modify_index : 0);
	if (f->facts.without != NULL)
		journal_note(f->op->journal, "without", f->facts.without);
	if (f->facts.dead_word != NULL)
		journal_note(f->op->journal, "dead", f->facts.dead_word);
	op_expect(f->op);
	describe_plan(f);
	plan_id_make(f->plan, f->made_of, clock_wall_s());
	return EXIT_DONE;
}

static enum exit_code
refuse_plan(const struct failover *f, const char *id, enum plan_id_fit fit, int64_t age_s)
{
	struct report r = { STR_INIT, STR_INIT, STR_INIT };
	char age[16];

	if (fit == PLAN_OLD && age_s > PLAN_AGE_SHOWN_S)
		report_fact(&r, "plan %s is no plan of today; mistyped?", SHOWN(id));
	else if (fit == PLAN_OLD)
		report_fact(&r, "plan %s is %s old, and was good for %d s", SHOWN(id),
		    str_duration(age, sizeof(age), age_s * 1000), PLAN_VALID_S);
	else
		report_fact(&r, "plan %s is not the plan of now%s", SHOWN(id),
		    fit == PLAN_CHANGED ? ": names or servers changed, or other options" : "");
	report_why(&r, "what runs is the plan that was seen, or nothing");
	report_do(&r, "look again: pointsman failover %s --dry-run", f->pair->name);
	return report_send(&r, f->cli, EXIT_REFUSED);
}

static enum exit_code
check_plan(struct failover *f)
{
	const char *id = option_text(f->cli, "plan");
	enum plan_id_fit fit;
	int64_t age_s = 0;

	if (id == NULL)
		return EXIT_DONE;
	fit = plan_id_check(id, f->made_of, clock_wall_s(), &age_s);
	if (fit != PLAN_FITS)
		return refuse_plan(f, id, fit, age_s);
	snprintf(f->plan, sizeof(f->plan), "%s", id);
	return EXIT_DONE;
}

static size_t
first_refused(const struct failover *f)
{
	size_t i = 0;

	while (f->preflight.list[i].level != PREFLIGHT_REFUSED &&
	       f->preflight.list[i].level != PREFLIGHT_UNKNOWN)
		i++;
	return i;
}

static bool
is_refused(const struct failover *f)
{
	return preflight_count(&f->preflight, PREFLIGHT_REFUSED) +
		   preflight_count(&f->preflight, PREFLIGHT_UNKNOWN) >
	       0;
}

/* --- what passes by itself ------------------------------------------------------------------------ */

/* Long writes and open transactions end, replication catches up: all that refuses it is of that kind. */
static bool
may_pass(const struct failover *f)
{
	static const char *const passing[] = { "long write", "lag", "catch-up", "xa", "agents" };
	bool any = false;

	for (size_t i = 0; i < f->preflight.count; i++) {
		const struct preflight_finding *one = &f->preflight.list[i];
		bool passes = false;

		if (one->level != PREFLIGHT_REFUSED && one->level != PREFLIGHT_UNKNOWN)
			continue;
		for (size_t k = 0; k < MEM_COUNT(passing); k++)
			passes = passes || strcmp(one->name, passing[k]) == 0;
		if (!passes)
			return false;
		any = true;
	}
	return any;
}

/* --wait: nothing is fenced, nothing is held; it only looks again. */
static enum exit_code
look_until_it_passes(struct failover *f)
{
	int64_t end_ms = clock_mono_ms() + option_duration_ms(f->cli, "wait", 0);
	enum exit_code code;

	while ((code = look(f)) == EXIT_DONE && may_pass(f) && clock_mono_ms() < end_ms) {
		progress_draw(f->cli, "  waiting, nothing is fenced: %s",
		    f->preflight.list[first_refused(f)].fact);
		if (client_sleep(&f->client, LOOK_AGAIN_MS) != 0)
			break;
		forget_look(f);
	}
	progress_clear(f->cli);
	return code;
}

/* --- the hours ------------------------------------------------------------------------------------ */

/* A planned operation outside of its hours needs a reason, which is written down. */
static enum exit_code
check_hours(struct failover *f)
{
	const char *reason = option_text(f->cli, "outside-window");
	time_t now = (time_t)clock_wall_s();
	char next[TIME_WINDOW_START_SIZE];
	struct report r = { STR_INIT, STR_INIT, STR_INIT };
	struct tm local;

	localtime_r(&now, &local);
	if (strcmp(f->kind, "failover") != 0 || time_windows_allow(&f->pair->maintenance, &local))
		return EXIT_DONE;
	if (reason != NULL && reason[0] != '\0') {
		journal_note(f->op->journal, "outside-window", SHOWN(reason));
		return EXIT_DONE;
	}
	report_fact(&r, "it is not the time for a planned operation on %s", f->pair->name);
	report_why(&r, "its pair block has a window; the next begins %s",
	    time_windows_next(next, &f->pair->maintenance, &local));
	report_do(&r, "then; or now, with a reason that is recorded: --outside-window TEXT");
	return report_send(&r, f->cli, EXIT_REFUSED);
}

/* --- the command ---------------------------------------------------------------------------------- */

/* Between the plan and the second person lie up to ten minutes. */
static int
look_after_approval(void *arg, struct err *e)
{
	struct failover *f = arg;

	forget_look(f);
	if (look(f) != EXIT_DONE)
		return err_set(e, ERR_CONFLICT, "the pair could not be looked at again");
	if (is_refused(f))
		return err_set(e, ERR_CONFLICT, "since the plan was made: %s",
		    f->preflight.list[first_refused(f)].fact);
	return 0;
}

static enum exit_code
carry_out(struct failover *f)
{
	if (f->pair->approvals > 0 && strcmp(f->kind, "rehearse") != 0)
		op_approval_need(f->op);
	f->op->look_again = look_after_approval;
	f->op->look_again_arg = f;
	return op_flow_begin(f->cli, f->op, f->plan);
}

/* A rehearsal moves nothing, and may run from cron every week. */
static enum exit_code
confirm(struct failover *f)
{
	if (option_is_set(f->cli, "rehearse"))
		return EXIT_DONE;
	if (option_text(f->cli, "plan") == NULL && f->cli->is_asking && !f->cli->is_json)
		op_screen_plan(f->cli, f->op, &f->facts, &f->preflight, f->plan);
	return op_flow_confirm(f->cli, f->pair->name, true);
}

static enum exit_code
prepare(struct failover *f, const char *name)
{
	enum exit_code code;

	if ((code = client_open(&f->client, f->cli)) != EXIT_DONE)
		return code;
	if ((f->pair = pair_report_find(f->cli, f->client.config, name)) == NULL)
		return EXIT_USAGE;
	if ((code = look_until_it_passes(f)) != EXIT_DONE ||
	    (code = check_direction(f)) != EXIT_DONE)
		return code;
	return make_plan(f);
}

/*
 * The plan was read, and its word typed, by a person, who may have taken an hour for it. So all is looked
 * at anew, and what is carried out is the plan that was seen, as with --plan.
 */
static enum exit_code
look_again(struct failover *f, const char *name)
{
	char seen[PLAN_ID_SIZE], *made_of = f->made_of;
	enum exit_code code;

	memcpy(seen, f->plan, sizeof(seen));
	f->made_of = NULL;
	clear(f);
	if ((code = prepare(f, name)) == EXIT_DONE && is_refused(f)) {
		op_screen_refused(f->cli, f->op, &f->facts, &f->preflight);
		code = EXIT_REFUSED;
	} else if (code == EXIT_DONE && strcmp(f->made_of, made_of) != 0) {
		code = refuse_plan(f, seen, PLAN_CHANGED, 0);
	}
	memcpy(f->plan, seen, sizeof(seen));
	free(made_of);
	return code == EXIT_DONE ? check_hours(f) : code;
}

static enum exit_code
run_failover(struct cli *cli, int argc, char **argv)
{
	struct failover f = { .cli = cli };
	enum exit_code code;

	(void)argc;
	if (option_is_set(cli, "rehearse") && option_is_set(cli, "emergency"))
		return cli_usage_error(
		    cli, "--rehearse or --emergency: there is no drill of an emergency");
	f.kind = option_is_set(cli, "rehearse")    ? "rehearse"
		 : option_is_set(cli, "emergency") ? "emergency"
						   : "failover";
	if ((code = prepare(&f, argv[0])) != EXIT_DONE)
		goto out;
	if (is_refused(&f)) {
		op_screen_refused(cli, f.op, &f.facts, &f.preflight);
		code = EXIT_REFUSED;
	} else if (option_is_set(cli, "dry-run")) {
		op_screen_plan(cli, f.op, &f.facts, &f.preflight, f.plan);
	} else if ((code = check_plan(&f)) == EXIT_DONE && (code = check_hours(&f)) == EXIT_DONE) {
		code = confirm(&f);
		if (code == EXIT_DONE && !option_is_set(cli, "yes") &&
		    !option_is_set(cli, "rehearse"))
			code = look_again(&f, argv[0]);
		if (code == EXIT_DONE)
			code = carry_out(&f);
	}
out:
	clear(&f);
	return code;
}

const struct command cmd_failover = {
	.name = "failover",
	.usage = "PAIR [--dry-run] [--plan ID] [--yes] [--rehearse | --emergency] …",
	.help = "makes the standby of a pair the active one",
	.about = "Looks at the pair as doctor does, shows the plan with how long writes will be "
		 "refused, and carries it out once the pair's name was typed. Until the point of no "
		 "return any failure, and Ctrl-C, undoes it all; behind it Ctrl-C is not heard. The same "
		 "command leads back.",
	.options = {
		{ "to", '\0', OPTION_TEXT, "NODE", "refuse unless NODE would become active" },
		{ "dry-run", '\0', OPTION_FLAG, NULL, "show the plan, change nothing" },
		{ "explain", '\0', OPTION_FLAG, NULL, "list each finding of the preflight" },
		{ "plan", '\0', OPTION_TEXT, "ID", "exactly this plan, which was shown before" },
		{ "yes", '\0', OPTION_FLAG, NULL, "do not ask; needs --plan" },
		{ "without", '\0', OPTION_LIST, "AGENTS", "do not wait for these: web-12,web-13" },
		{ "wait", '\0', OPTION_DURATION, "TIME", "so long for long writes to end; fences nothing" },
		{ "rehearse", '\0', OPTION_FLAG, NULL, "all but the fence and the flip, timed" },
		{ "emergency", '\0', OPTION_FLAG, NULL, "the active one is dead" },
		{ "dead", '\0', OPTION_TEXT, "NODE", "you are sure that NODE, the active one, is dead" },
		{ "outside-window", '\0', OPTION_TEXT, "WHY", "outside of the pair's hours, recorded" },
	},
	.min_args = 1,
	.max_args = 1,
	.words = { WORD_PAIR },
	.run = run_failover,
};
