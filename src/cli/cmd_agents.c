/* cmd_agents.c: the agents, as they describe themselves in the KV. */
#include <inttypes.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "operate/fleet.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/client_report.h"

/* "served", or the state of the output that is worst off. */
static const char *
state_of(const struct fleet_agent *a)
{
	const struct fleet_output *worst = NULL;

	if (!a->is_alive)
		return "not alive";
	for (size_t i = 0; i < a->output_count; i++) {
		if (worst == NULL || a->outputs[i].served < worst->served ||
		    (worst->error[0] == '\0' && a->outputs[i].error[0] != '\0'))
			worst = &a->outputs[i];
	}
	return worst != NULL ? worst->state : "no output";
}

static enum mark
mark_of(const struct fleet_agent *a)
{
	if (!a->is_alive || !a->is_readable || a->guarded_digest[0] != '\0')
		return MARK_CRITICAL;
	return a->problem_count > 0 ? MARK_WARNING : MARK_OK;
}

static void
print_problems(const struct cli *cli, const struct fleet *f)
{
	for (size_t i = 0; i < f->count; i++) {
		const struct fleet_agent *a = &f->agents[i];

		for (size_t k = 0; k < a->problem_count; k++)
			out_marked(cli, mark_of(a), "%s: %s", a->node, a->problems[k]);
	}
}

static void
print_text(const struct cli *cli, const struct fleet *f)
{
	struct table *t = table_new(cli);

	print_problems(cli, f);
	table_column(t, "AGENT", COLUMN_LONG);
	table_column(t, "STATE", COLUMN_TEXT);
	table_column(t, "SERVES", COLUMN_NUMBER);
	table_column(t, "OUTPUTS", COLUMN_NUMBER);
	table_column(t, "SINCE", COLUMN_LONG);
	table_column(t, "VERSION", COLUMN_LONG);
	for (size_t i = 0; i < f->count; i++) {
		const struct fleet_agent *a = &f->agents[i];

		table_row(t, mark_of(a));
		table_cell(t, "%s", a->node);
		table_cell(t, "%s", state_of(a));
		table_cell(t, "%" PRIu64, a->serves);
		table_cell(t, "%zu", a->output_count);
		table_cell(t, "%s", a->since);
		table_cell(t, "%s", a->version);
	}
	table_print(t);
	if (f->count == 0)
		out_line(cli, "No agent was ever started here: systemctl enable --now pointsmand");
}

static void
print_json(const struct fleet *f)
{
	json_t *list = json_array();

	for (size_t i = 0; i < f->count; i++) {
		const struct fleet_agent *a = &f->agents[i];
		json_t *one = json_pack("{s:s, s:b, s:I}", "node", a->node, "alive", a->is_alive,
		    "serves", (json_int_t)a->serves);

		json_object_set_new(
		    one, "record", a->is_readable ? json_incref(a->record) : json_null());
		json_array_append_new(list, one);
	}
	out_json(list);
}

static enum exit_code
run_agents(struct cli *cli, int argc, char **argv)
{
	struct fleet f = { 0 };
	struct client client;
	struct err e;
	enum exit_code code;

	(void)argc;
	(void)argv;
	if ((code = client_open(&client, cli)) != EXIT_DONE)
		goto out;
	if (fleet_load(&f, &client, &e) != 0) {
		code = client_report_err(&client, cli, &e, "reading the agents");
		goto out;
	}
	for (size_t i = 0; i < f.count; i++) {
		if (mark_of(&f.agents[i]) != MARK_OK)
			code = EXIT_PROBLEM;
	}
	if (cli->is_json)
		print_json(&f);
	else
		print_text(cli, &f);
out:
	fleet_clear(&f);
	client_close(&client);
	return code;
}

const struct command cmd_agents = {
	.name = "agents",
	.usage = "",
	.help = "lists the agents, what each serves and what troubles it",
	.about = "One line an agent. An agent without a session is not alive: its record is what "
		 "it said "
		 "last. SERVES is the generation that all its outputs have reached.",
	.run = run_agents,
};
