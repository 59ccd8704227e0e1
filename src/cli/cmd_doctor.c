/*
 * cmd_doctor.c: doctor [PAIR], the preflight of a failover at any time, without the failover. What is
 * wrong comes first, with why and what to do; what could not be looked at is told by its reason, since
 * a server that does not answer leaves a dozen questions open and not a dozen problems.
 */
#include "cli/cli.h"
#include "cli/client_report.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/pair_report.h"
#include "cli/preflight_screen.h"
#include "cli/report.h"
#include "model/preflight.h"
#include "operate/gather.h"

/* --- text ------------------------------------------------------------------------------------------ */

static void
print_head(const struct cli *cli, const struct preflight_facts *f)
{
	const struct preflight_server *active = &f->servers[f->active],
				      *standby = &f->servers[1 - f->active];

	out_line(cli, "%s  %s%s%s  ==>  %s%s%s%s", f->pair, active->node,
	    active->host[0] != '\0' ? " " : "", active->host, standby->node,
	    standby->host[0] != '\0' ? " " : "", standby->host,
	    f->is_active_known ? "" : "  (the name does not say who is active)");
}

static void
print_pair(const struct cli *cli, const struct preflight_facts *f, const struct preflight *p)
{
	size_t fine = preflight_count(p, PREFLIGHT_OK), bad = p->count - fine;

	print_head(cli, f);
	preflight_print_level(cli, p, PREFLIGHT_REFUSED);
	preflight_print_level(cli, p, PREFLIGHT_WARNING);
	preflight_print_unknown(cli, p, MARK_WARNING);
	if (option_is_set(cli, "all"))
		preflight_print_level(cli, p, PREFLIGHT_OK);
	else
		out_line(cli, "ok %zu%s (--all lists them)", fine, bad > 0 ? " others" : "");
	if (preflight_count(p, PREFLIGHT_REFUSED) + preflight_count(p, PREFLIGHT_UNKNOWN) > 0)
		out_line(cli, "A failover of %s would be refused.", f->pair);
}

/* --- JSON ------------------------------------------------------------------------------------------ */

static json_t *
pair_to_json(const struct preflight_facts *f, const struct preflight *p)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:b, s:b, s:o}", "pair", f->pair, "kind", f->kind,
	    "from", f->servers[f->active].node, "to", f->servers[1 - f->active].node, "ok",
	    preflight_count(p, PREFLIGHT_OK) == p->count, "would_refuse",
	    preflight_count(p, PREFLIGHT_REFUSED) + preflight_count(p, PREFLIGHT_UNKNOWN) > 0,
	    "preflight", preflight_to_json(p));
}

/* --- the command ----------------------------------------------------------------------------------- */

/* Appends to list with -o json, else prints. */
static enum exit_code
look_at(const struct cli *cli, struct gather *g, const struct config_pair *pair, json_t *list)
{
	struct preflight_facts facts = { .pair = NULL };
	struct preflight preflight = { .list = NULL };
	enum exit_code code = EXIT_DONE;
	struct err e;

	if (gather_pair(g, pair, &facts, &e) != 0) {
		code = client_report_err(g->client, cli, &e, "looking at the pair");
		goto out;
	}
	preflight_judge(&facts, &preflight);
	if (preflight_count(&preflight, PREFLIGHT_OK) < preflight.count)
		code = EXIT_PROBLEM;
	if (cli->is_json)
		json_array_append_new(list, pair_to_json(&facts, &preflight));
	else
		print_pair(cli, &facts, &preflight);
out:
	preflight_clear(&preflight);
	preflight_facts_clear(&facts);
	return code;
}

/* All pairs, or the one; the worst of their exit codes. */
static enum exit_code
look_at_all(const struct cli *cli, struct client *client, const struct config_pair *only)
{
	const struct config *c = client->config;
	struct gather g = { .client = NULL };
	json_t *list = json_array();
	enum exit_code code = EXIT_DONE, one;
	struct err e;

	if (gather_open(&g, client, &e) != 0) {
		code = client_report_err(client, cli, &e, "reading the KV");
		goto out;
	}
	for (size_t i = 0; i < c->pair_count; i++) {
		if (only != NULL && &c->pairs[i] != only)
			continue;
		if (!cli->is_json && only == NULL && i > 0)
			out_blank();
		if ((one = look_at(cli, &g, &c->pairs[i], list)) > EXIT_PROBLEM) {
			code = one;
			goto out;
		}
		code = one != EXIT_DONE ? one : code;
	}
	if (cli->is_json)
		out_json(json_incref(list));
	else if (c->pair_count == 0)
		out_line(cli, "There are no pairs: man pointsman.conf, \"pair\".");
	if (g.kv_err.code != ERR_NONE)
		code = EXIT_UNREACHABLE;
out:
	json_decref(list);
	gather_close(&g);
	return code;
}

static enum exit_code
run_doctor(struct cli *cli, int argc, char **argv)
{
	const struct config_pair *only = NULL;
	struct client client;
	enum exit_code code;

	if ((code = client_open(&client, cli)) == EXIT_DONE) {
		if (argc > 0 && (only = pair_report_find(cli, client.config, argv[0])) == NULL)
			code = EXIT_USAGE;
		else
			code = look_at_all(cli, &client, only);
	}
	client_close(&client);
	return code;
}

const struct command cmd_doctor = {
	.name = "doctor",
	.usage = "[PAIR] [--all]",
	.help = "whether a pair could fail over now, and what is in the way",
	.about = "Looks at the KV, the agents and both servers from this host and now, and changes "
		 "nothing: the preflight of a failover without the failover. x would refuse it, ! will "
		 "hurt some day or could not be looked at. Exits with 1 when there is any of these, and "
		 "with 7 when the KV cannot be read.",
	.options = {
		{ "all", '\0', OPTION_FLAG, NULL, "also what is fine, with the facts" },
	},
	.max_args = 1,
	.words = { WORD_PAIR },
	.run = run_doctor,
};
