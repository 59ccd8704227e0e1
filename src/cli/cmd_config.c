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
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/client.h"
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

static void
print_text(const struct cli *cli, const struct config *c)
{
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
	for (size_t i = 0; i < c->hook_count; i++)
		out_line(cli, "hook           %s runs %s", SHOWN(c->hooks[i].name),
		    SHOWN(c->hooks[i].command[0]));
	out_blank();
	if (c->warnings.len > 0)
		out_marked(cli, MARK_WARNING, "%s", str_text(&c->warnings));
	else
		out_line(cli, "The configuration is good.");
}

static json_t *
argv_to_json(char **argv)
{
	json_t *list = json_array();

	for (size_t i = 0; argv != NULL && argv[i] != NULL; i++)
		json_array_append_new(list, json_printable(argv[i], strlen(argv[i])));
	return list;
}

static json_t *
output_to_json(const struct config_output *o)
{
	return json_pack("{s:s, s:s, s:s, s:i, s:s, s:I, s:I, s:I, s:f, s:I, s:o, s:i, s:s?, s:s?, "
			 "s:o, s:s?}",
	    "name", o->name, "template", o->template, "path", o->path, "mode", (int)o->mode,
	    "escape", escape_name(o->escape), "settle_min_ms", (json_int_t)o->settle_min_ms,
	    "settle_max_ms", (json_int_t)o->settle_max_ms, "timeout_ms", (json_int_t)o->limit_ms,
	    "max_removal", o->max_removal, "backups", (json_int_t)o->backups, "validate",
	    argv_to_json(o->validate), "signal", o->signal, "pidfile", o->pidfile, "process",
	    o->process, "command", argv_to_json(o->command), "prove", o->prove);
}

static void
print_json(const struct config *c)
{
	json_t *outputs = json_array(), *hooks = json_array();

	for (size_t i = 0; i < c->output_count; i++)
		json_array_append_new(outputs, output_to_json(&c->outputs[i]));
	for (size_t i = 0; i < c->hook_count; i++)
		json_array_append_new(hooks,
		    json_pack("{s:s, s:o, s:o, s:I}", "name", c->hooks[i].name, "on",
			argv_to_json(c->hooks[i].on), "command", argv_to_json(c->hooks[i].command),
			"timeout_ms", (json_int_t)c->hooks[i].limit_ms));
	out_json(json_pack("{s:s?, s:{s:s, s:s, s:s, s:s?, s:b, s:b}, "
			   "s:{s:s?, s:s, s:s?, s:s?, s:s?, s:b, s:s, s:I}, s:o, s:o}",
	    "path", c->path, "consul", "address", c->consul.address, "root", c->consul.root,
	    "names", c->consul.names, "datacenter", c->consul.datacenter, "has_token",
	    c->consul.token != NULL, "is_verified", c->consul.is_verified, "agent", "node",
	    c->agent.node, "state_dir", c->agent.state_dir, "http", c->agent.http, "domain",
	    c->agent.domain, "template_dir", c->agent.template_dir, "vantage", c->agent.is_vantage,
	    "log_level", log_level_name(c->agent.log_level), "max_silence_ms",
	    (json_int_t)c->agent.max_silence_ms, "outputs", outputs, "hooks", hooks, "warnings",
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
