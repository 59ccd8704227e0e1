/*
 * cmd_config.c: config check. Reads what pointsmand would read, and asks nobody: it can be run before
 * anything is started, and on another machine.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/check_rows.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/client_report.h"
#include "feature/template.h"

/* The template as pointsmand will read it: parsed, and every name in it known. */
static int
check_template(const struct config *c, const struct config_output *o, struct err *e)
{
	char *path = file_join(c->agent.template_dir, o->template);
	struct template *t = template_load(path, o->escape, TEMPLATE_STRICT, e);
	int rc = -1;

	if (t != NULL)
		rc = template_check(t, e);
	template_free(t);
	free(path);
	return rc;
}

/* Reports all of them, so that one run shows everything there is to mend. */
static enum exit_code
check_templates(const struct cli *cli, const struct config *c)
{
	struct report r = { STR_INIT, STR_INIT, STR_INIT };
	struct err e;

	for (size_t i = 0; i < c->output_count; i++) {
		if (check_template(c, &c->outputs[i], &e) == 0)
			continue;
		report_why(&r, "output %s: %s", c->outputs[i].name, e.text);
	}
	if (r.why.len == 0)
		return EXIT_DONE;
	report_fact(&r, "a template is wrong");
	report_why(&r, "pointsmand refuses to start, or keeps what it had before a reload");
	report_do(&r, "mend it, then: pointsman config check");
	return report_send(&r, cli, EXIT_USAGE);
}

/* --- what is in force ------------------------------------------------------------------------ */

static const char *
or_dash(const char *text)
{
	return text != NULL && text[0] != '\0' ? text : "-";
}

static void
print_output(const struct cli *cli, const struct config_output *o)
{
	out_line(cli, "output         %s", SHOWN(o->name));
	out_line(cli, "  template     %s", SHOWN(o->template));
	out_line(cli, "  path         %s", SHOWN(o->path));
	if (o->command != NULL && o->command[0] != NULL)
		out_line(cli, "  command      %s", SHOWN(o->command[0]));
	else if (o->signal != 0)
		out_line(cli, "  signal       SIG%s to the pid in %s%s%s", sigabbrev_np(o->signal),
		    SHOWN(o->pidfile), o->process != NULL ? ", which must be " : "",
		    o->process != NULL ? SHOWN(o->process) : "");
	out_line(cli, "  prove        %s", o->prove != NULL ? SHOWN(o->prove) : "no");
	out_line(cli, "  max-removal  %.0f %%", o->max_removal * 100);
	out_line(cli, "  backups      %" PRIu64, o->backups);
}

/* With the longest time that a failure can go unnoticed. */
static void
print_check(const struct cli *cli, const struct check_spec *s)
{
	struct str bound = STR_INIT;

	check_timing_words(&bound, &s->timing);
	out_line(cli, "check          %s", SHOWN(s->name));
	out_line(cli, "  type         %s%s%s", s->type, s->target != NULL ? " at " : "",
	    s->target != NULL ? SHOWN(s->target) : "");
	out_line(cli, "  looks        %s", str_text(&bound));
	str_clear(&bound);
}

static void
print_program(const struct cli *cli, const char *key, char *const *argv)
{
	if (argv != NULL)
		out_line(cli, "  %-12s %s", key, SHOWN(argv[0]));
}

/* What operations of the pair are bound to; nothing of it is there unless somebody asked for it. */
static void
print_operations(const struct cli *cli, const struct config_pair *p)
{
	char window[TIME_WINDOW_TEXT_SIZE];

	if (p->approvals > 0)
		out_line(cli, "  approvals    %d: another person approves", p->approvals);
	for (size_t i = 0; i < p->maintenance.count; i++)
		out_line(cli, "  %-12s %s", i == 0 ? "planned" : "",
		    time_window_format(window, &p->maintenance.list[i]));
	print_program(cli, "fence", p->fence);
	print_program(cli, "pre-hook", p->pre_hook);
	print_program(cli, "post-hook", p->post_hook);
	print_program(cli, "failed-hook", p->failed_hook);
}

static void
print_pair(const struct cli *cli, const struct config_pair *p)
{
	out_line(cli, "pair           %s", SHOWN(p->name));
	out_line(cli, "  kind         %s", p->kind);
	out_line(cli, "  name         %s", SHOWN(p->kv_name));
	out_line(cli, "  nodes        %s, %s", SHOWN(p->nodes[0]), SHOWN(p->nodes[1]));
	print_operations(cli, p);
}

static void
print_warnings(const struct cli *cli, const struct config *c)
{
	const char *line = str_text(&c->warnings), *end;

	for (; (end = strchr(line, '\n')) != NULL; line = end + 1)
		out_marked(cli, MARK_WARNING, "%.*s", (int)(end - line), line);
}

static void
print_text(const struct cli *cli, const struct config *c)
{
	bool has_work = c->output_count > 0 || (c->agent.is_vantage && c->check_count > 0);

	out_line(cli, "configuration  %s", c->path != NULL ? SHOWN(c->path) : "none, all defaults");
	out_line(cli, "consul         %s", SHOWN(c->consul.address));
	out_line(cli, "token          %s", c->consul.token != NULL ? "given" : "none");
	out_line(cli, "datacenter     %s", SHOWN(or_dash(c->consul.datacenter)));
	out_line(cli, "root           %s", SHOWN(c->consul.root));
	out_line(cli, "names          %s", SHOWN(c->consul.names));
	out_line(cli, "agent          %s",
	    c->agent.node != NULL ? SHOWN(c->agent.node) : "as the local Consul agent's node");
	out_line(cli, "state-dir      %s", SHOWN(c->agent.state_dir));
	out_line(cli, "http           %s", SHOWN(or_dash(c->agent.http)));
	out_line(cli, "domain         %s", SHOWN(or_dash(c->agent.domain)));
	for (size_t i = 0; i < c->output_count; i++)
		print_output(cli, &c->outputs[i]);
	out_line(cli, "vantage        %s",
	    c->agent.is_vantage  ? "yes"
	    : c->check_count > 0 ? "no: this host runs no check"
				 : "no");
	for (size_t i = 0; i < c->pair_count; i++)
		print_pair(cli, &c->pairs[i]);
	for (size_t i = 0; i < c->check_count; i++)
		print_check(cli, &c->checks[i]);
	for (size_t i = 0; i < c->hook_count; i++)
		out_line(cli, "hook           %s runs %s", SHOWN(c->hooks[i].name),
		    SHOWN(c->hooks[i].command[0]));
	out_blank();
	if (!has_work)
		out_marked(cli, MARK_WARNING,
		    "no output block, and no checks of a vantage: enough for pointsman, but "
		    "pointsmand does not start");
	print_warnings(cli, c);
	if (c->warnings.len == 0 && has_work)
		out_line(cli, "The configuration is good.");
}

static json_t *
argv_to_json(char **argv)
{
	json_t *list = json_array();

	for (size_t i = 0; argv != NULL && argv[i] != NULL; i++)
		json_array_append_new(list, json_text(argv[i]));
	return list;
}

static json_t *
consul_to_json(const struct config_consul *c)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:b, s:b}", "address", json_text(c->address), "root",
	    json_text(c->root), "names", json_text(c->names), "datacenter",
	    json_text(c->datacenter), "has_token", c->token != NULL, "is_verified", c->is_verified);
}

static json_t *
agent_to_json(const struct config_agent *a)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:b, s:s, s:I}", "node", json_text(a->node),
	    "state_dir", json_text(a->state_dir), "http", json_text(a->http), "domain",
	    json_text(a->domain), "template_dir", json_text(a->template_dir), "vantage",
	    a->is_vantage, "log_level", log_level_name(a->log_level), "max_silence_ms",
	    (json_int_t)a->max_silence_ms);
}

/* Who is told of a new file, and how. */
static json_t *
reader_to_json(const struct config_output *o)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "validate", argv_to_json(o->validate),
	    "signal", json_text(o->signal != 0 ? sigabbrev_np(o->signal) : NULL), "pidfile",
	    json_text(o->pidfile), "process", json_text(o->process), "command",
	    argv_to_json(o->command), "prove", json_text(o->prove));
}

static json_t *
output_to_json(const struct config_output *o)
{
	json_t *doc = reader_to_json(o);
	char mode[8];

	snprintf(mode, sizeof(mode), "%04o", (unsigned)o->mode & 07777);
	json_object_update_new(
	    doc, json_pack("{s:o, s:o, s:o, s:s, s:s, s:f, s:I}", "name", json_text(o->name),
		     "template", json_text(o->template), "path", json_text(o->path), "mode", mode,
		     "escape", escape_name(o->escape), "max_removal", o->max_removal, "backups",
		     (json_int_t)o->backups));
	json_object_update_new(
	    doc, json_pack("{s:I, s:I, s:I}", "settle_min_ms", (json_int_t)o->settle_min_ms,
		     "settle_max_ms", (json_int_t)o->settle_max_ms, "timeout_ms",
		     (json_int_t)o->limit_ms));
	return doc;
}

static json_t *
hook_to_json(const struct config_hook *h)
{
	return json_pack("{s:o, s:o, s:o, s:I}", "name", json_text(h->name), "on",
	    argv_to_json(h->on), "command", argv_to_json(h->command), "timeout_ms",
	    (json_int_t)h->limit_ms);
}

static json_t *
check_to_json(const struct check_spec *s)
{
	const struct debounce_config *t = &s->timing;

	return json_pack("{s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:i, s:I, s:i, s:I, s:I, s:I}",
	    "name", json_text(s->name), "type", json_text(s->type), "target", json_text(s->target),
	    "pair", json_text(s->pair), "interval_ms", (json_int_t)t->interval_ms,
	    "fast_interval_ms", (json_int_t)t->fast_ms, "timeout_ms", (json_int_t)t->timeout_ms,
	    "failures_before_critical", t->failures, "window_ms", (json_int_t)t->window_ms,
	    "success_before_passing", t->successes, "success_window_ms",
	    (json_int_t)t->success_window_ms, "bound_ms", (json_int_t)debounce_bound_ms(t),
	    "bound_refused_ms", (json_int_t)debounce_bound_refused_ms(t));
}

static json_t *
windows_to_json(const struct time_windows *all)
{
	char text[TIME_WINDOW_TEXT_SIZE];
	json_t *list = json_array();

	for (size_t i = 0; i < all->count; i++)
		json_array_append_new(list, json_string(time_window_format(text, &all->list[i])));
	return list;
}

static json_t *
pair_to_json(const struct config_pair *p)
{
	json_t *doc = json_pack("{s:i, s:o, s:o, s:o, s:o, s:o, s:I, s:I}", "approvals",
	    p->approvals, "maintenance_window", windows_to_json(&p->maintenance), "fence_command",
	    argv_to_json(p->fence), "pre_hook", argv_to_json(p->pre_hook), "post_hook",
	    argv_to_json(p->post_hook), "failed_hook", argv_to_json(p->failed_hook),
	    "hook_timeout_ms", (json_int_t)p->hook_limit_ms, "command_timeout_ms",
	    (json_int_t)p->command_limit_ms);

	json_object_update_new(
	    doc, json_pack("{s:o, s:o, s:o, s:o, s:I, s:I}", "title", json_text(p->name), "kind",
		     json_text(p->kind), "name", json_text(p->kv_name), "nodes",
		     argv_to_json(p->nodes), "max_lag_ms", (json_int_t)p->max_lag_ms,
		     "long_write_ms", (json_int_t)p->long_write_ms));
	return doc;
}

static void
print_json(const struct config *c)
{
	json_t *outputs = json_array(), *hooks = json_array();
	json_t *checks = json_array(), *pairs = json_array();

	for (size_t i = 0; i < c->output_count; i++)
		json_array_append_new(outputs, output_to_json(&c->outputs[i]));
	for (size_t i = 0; i < c->hook_count; i++)
		json_array_append_new(hooks, hook_to_json(&c->hooks[i]));
	for (size_t i = 0; i < c->check_count; i++)
		json_array_append_new(checks, check_to_json(&c->checks[i]));
	for (size_t i = 0; i < c->pair_count; i++)
		json_array_append_new(pairs, pair_to_json(&c->pairs[i]));
	out_json(json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "path", json_text(c->path),
	    "consul", consul_to_json(&c->consul), "agent", agent_to_json(&c->agent), "outputs",
	    outputs, "pairs", pairs, "checks", checks, "hooks", hooks, "warnings",
	    out_lines_to_json(str_text(&c->warnings))));
}

static enum exit_code
run_config_check(struct cli *cli, int argc, char **argv)
{
	struct config *c;
	enum exit_code code;

	(void)argc;
	(void)argv;
	if ((code = client_load_config(cli, &c)) != EXIT_DONE)
		return code;
	if ((code = check_templates(cli, c)) == EXIT_DONE) {
		if (cli->is_json)
			print_json(c);
		else
			print_text(cli, c);
	}
	config_free(c);
	return code;
}

const struct command cmd_config_check = {
	.name = "config check",
	.usage = "",
	.help = "checks configuration and templates, shows what is in force",
	.about = "Reads the configuration, the environment and every template as pointsmand would, "
		 "prints all that is wrong with file and line, and else what is in force. Nothing "
		 "is asked over the network, so it can be run before anything is started.",
	.run = run_config_check,
};
