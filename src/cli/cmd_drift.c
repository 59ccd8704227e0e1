/*
 * cmd_drift.c: every difference between what should be and what is, over all agents, one line a kind.
 * An agent's own word is all there is about another host: what it serves, the digest of its names, and
 * whether its resolver proved it. Two agents at one generation with different digests are the drift
 * that nobody else would ever notice.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/client_report.h"
#include "cli/commands.h"
#include "operate/fleet.h"
#include "operate/health_view.h"
#include "cli/output.h"
#include "cli/report.h"
#include "operate/view.h"
#include "feature/pair_role.h"

struct drift {
	const struct cli *cli;
	const struct client *client;
	const struct view *view;
	const struct fleet *fleet;
	struct health_board *board;
};

/* What a kind found: how many, and a line for each. */
struct findings {
	size_t count;
	struct str lines;
};

static void add(struct findings *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
add(struct findings *f, const char *fmt, ...)
{
	char *line;
	va_list ap;

	va_start(ap, fmt);
	line = mem_vprintf(fmt, ap);
	va_end(ap);
	if (f->count++ > 0)
		str_addc(&f->lines, '\n');
	str_adds(&f->lines, line);
	free(line);
}

/* --- the kinds -------------------------------------------------------------------------------------- */

/* By the vantages, once they are sure; where there is none nobody can tell. */
static void
kv_vs_server(const struct drift *d, const struct config_pair *pair, const char *node,
    const char *active, struct findings *f)
{
	char *check = mem_printf("%s/%s", pair->name, node);
	struct verdict v;

	health_board_verdict(d->board, check, NULL, NULL, &v);
	free(check);
	if (v.state != STATE_FAILING && v.state != STATE_RECOVERING)
		return;
	if (strcmp(node, active) == 0 && (v.class == CHECK_READ_ONLY || v.class == CHECK_ROLE))
		add(f, "%s: KV %s, which takes no writes   <- writes fail", pair->kv_name, node);
	else if (strcmp(node, active) != 0 && v.class == CHECK_ROLE)
		add(f, "%s: KV %s, and %s takes writes", pair->kv_name, active, node);
}

static void
kv_vs_pairs(const struct drift *d, struct findings *f)
{
	const struct config *c = d->client->config;

	for (size_t i = 0; i < c->pair_count; i++) {
		const char *active = pair_active_node(&c->pairs[i], d->view->map);

		for (size_t k = 0; active != NULL && k < 2; k++)
			kv_vs_server(d, &c->pairs[i], c->pairs[i].nodes[k], active, f);
	}
}

static void
kv_vs_catalog(const struct drift *d, struct findings *f)
{
	const struct name_map *map = d->view->map;

	for (size_t i = 0; i < map->rejected_count; i++)
		add(f, "%s = %s: %s", map->rejected[i].name, map->rejected[i].value,
		    map->rejected[i].why);
}

static void
not_alive(const struct drift *d, struct findings *f)
{
	for (size_t i = 0; i < d->fleet->count; i++) {
		if (!d->fleet->agents[i].is_alive)
			add(f, "%s: nobody knows what it serves, it was %" PRIu64,
			    d->fleet->agents[i].node, d->fleet->agents[i].serves);
	}
	if (d->fleet->count == 0)
		add(f, "no agent was ever started: nobody serves names");
}

static void
served_vs_kv(const struct drift *d, struct findings *f)
{
	for (size_t i = 0; i < d->fleet->count; i++) {
		const struct fleet_agent *a = &d->fleet->agents[i];
		struct str trouble = STR_INIT;

		if (!a->is_alive || fleet_agent_serves(a, d->view->index))
			continue;
		fleet_agent_add_trouble(&trouble, a);
		add(f, "%s on %" PRIu64 " (want %" PRIu64 ")%s%s", a->node, a->serves,
		    d->view->index, trouble.len > 0 ? ": " : "", str_text(&trouble));
		str_clear(&trouble);
	}
}

static int
compare_maps(const void *a, const void *b)
{
	const struct fleet_agent *x = *(const struct fleet_agent *const *)a;
	const struct fleet_agent *y = *(const struct fleet_agent *const *)b;

	if (x->sees != y->sees)
		return x->sees < y->sees ? -1 : 1;
	return strcmp(x->map, y->map);
}

/* How many agents from a[i] on have the same generation, and the same digest if by_map. */
static size_t
run_length(const struct fleet_agent **a, size_t i, size_t count, bool by_map)
{
	size_t k = i;

	while (
	    k < count && a[k]->sees == a[i]->sees && (!by_map || strcmp(a[k]->map, a[i]->map) == 0))
		k++;
	return k - i;
}

/* Of agents at one generation, those that are at odds with what most of them have. */
static void
add_odd_ones(const struct fleet_agent **a, size_t count, struct findings *f)
{
	const char *common = "";
	size_t most = 0;

	for (size_t i = 0, n; i < count; i += n) {
		n = run_length(a, i, count, true);
		if (n > most) {
			most = n;
			common = a[i]->map;
		}
	}
	for (size_t i = 0; i < count; i++) {
		if (strcmp(a[i]->map, common) != 0)
			add(f, "%s has %.15s at %" PRIu64 ", others %.15s", a[i]->node, a[i]->map,
			    a[i]->sees, common);
	}
}

static void
agent_vs_agent(const struct drift *d, struct findings *f)
{
	const struct fleet_agent **alive = mem_array(d->fleet->count, sizeof(*alive));
	size_t count = 0;

	for (size_t i = 0; i < d->fleet->count; i++) {
		if (d->fleet->agents[i].is_alive)
			alive[count++] = &d->fleet->agents[i];
	}
	if (count > 1)
		qsort(alive, count, sizeof(*alive), compare_maps);
	for (size_t i = 0, n; i < count; i += n) {
		n = run_length(alive, i, count, false);
		add_odd_ones(alive + i, n, f);
	}
	free(alive);
}

static void
file_vs_rendered(const struct drift *d, struct findings *f)
{
	for (size_t i = 0; i < d->fleet->count; i++) {
		const struct fleet_agent *a = &d->fleet->agents[i];

		for (size_t k = 0; a->is_alive && k < a->output_count; k++) {
			const struct fleet_output *o = &a->outputs[k];

			if (strcmp(o->state, "failed") == 0 || strcmp(o->state, "empty") == 0)
				add(f, "%s: %s is %s%s%s", a->node, o->name, o->state,
				    o->error[0] != '\0' ? ": " : "", o->error);
		}
	}
}

/* In the file, but not landed: whoever reads the file was not told, or does not answer it. */
static void
resolver_vs_file(const struct drift *d, struct findings *f)
{
	for (size_t i = 0; i < d->fleet->count; i++) {
		const struct fleet_agent *a = &d->fleet->agents[i];

		for (size_t k = 0; a->is_alive && k < a->output_count; k++) {
			const struct fleet_output *o = &a->outputs[k];

			if (o->generation > o->served)
				add(f, "%s: file %" PRIu64 ", served %" PRIu64 "%s%s", a->node,
				    o->generation, o->served, o->error[0] != '\0' ? ": " : "",
				    o->error);
		}
	}
}

static const struct {
	const char *name;
	const char *title;
	void (*find)(const struct drift *d, struct findings *f);
} kinds[] = {
	{ "kv_vs_pairs", "KV vs pairs", kv_vs_pairs },
	{ "kv_vs_catalog", "KV vs catalog", kv_vs_catalog },
	{ "not_alive", "agents not alive", not_alive },
	{ "served_vs_kv", "served vs KV", served_vs_kv },
	{ "agent_vs_agent", "agent vs agent", agent_vs_agent },
	{ "file_vs_rendered", "file vs rendered", file_vs_rendered },
	{ "resolver_vs_file", "dnsmasq vs file", resolver_vs_file },
};

/* --- all agents ------------------------------------------------------------------------------------- */

static void
print_kind(const struct cli *cli, const char *title, const struct findings *f)
{
	out_marked(cli, f->count > 0 ? MARK_WARNING : MARK_NONE, "%-18s %zu", title, f->count);
	if (f->count > 0)
		out_paragraph(cli, 6, str_text(&f->lines));
}

static enum exit_code
show_all(const struct drift *d)
{
	json_t *doc = json_object();
	size_t total = 0;

	for (size_t i = 0; i < MEM_COUNT(kinds); i++) {
		struct findings f = { 0, STR_INIT };

		kinds[i].find(d, &f);
		total += f.count;
		if (d->cli->is_json)
			json_object_set_new(
			    doc, kinds[i].name, out_lines_to_json(str_text(&f.lines)));
		else
			print_kind(d->cli, kinds[i].title, &f);
		str_clear(&f.lines);
	}
	json_object_set_new(doc, "generation", json_integer((json_int_t)d->view->index));
	json_object_set_new(doc, "agents", json_integer((json_int_t)d->fleet->alive));
	if (d->cli->is_json)
		out_json(json_incref(doc));
	else if (total == 0)
		out_line(d->cli, "%zu agents serve what the KV says, generation %" PRIu64,
		    d->fleet->alive, d->view->index);
	json_decref(doc);
	return total > 0 ? EXIT_PROBLEM : EXIT_DONE;
}

/* --- one agent -------------------------------------------------------------------------------------- */

/* On this very host its files can be looked at: are they what the agent says it wrote? */
static const char *
judge_file(const struct drift *d, const struct fleet_output *o)
{
	struct str text = STR_INIT;
	char digest[FILE_DIGEST_SIZE];
	const char *verdict = "";

	for (size_t i = 0; i < d->client->config->output_count; i++) {
		const struct config_output *c = &d->client->config->outputs[i];

		if (strcmp(c->name, o->name) != 0 || strcmp(c->path, o->path) != 0)
			continue;
		if (file_read(c->path, MUSTACHE_OUTPUT_MAX, &text, NULL) != 0)
			verdict = ", CANNOT BE READ here";
		else if (strcmp(file_digest(digest, str_text(&text), text.len), o->digest) != 0)
			verdict = ", DIFFERS on this host";
		else
			verdict = ", the same on this host";
	}
	str_clear(&text);
	return verdict;
}

static void
print_agent(const struct drift *d, const struct fleet_agent *a)
{
	out_line(d->cli, "%s  %s  since %s  version %s", a->node,
	    a->is_alive ? "alive" : "NOT ALIVE", a->since[0] != '\0' ? a->since : "?", a->version);
	out_line(d->cli, "  serves %" PRIu64 ", has seen %" PRIu64 ", wanted is %" PRIu64,
	    a->serves, a->sees, d->view->index);
	out_line(d->cli, "  names  %s", a->map);
	for (size_t i = 0; i < a->output_count; i++) {
		const struct fleet_output *o = &a->outputs[i];

		out_line(d->cli, "  output %s %s  file %" PRIu64 "  served %" PRIu64, o->name,
		    o->state, o->generation, o->served);
		out_line(d->cli, "         %s", o->path);
		out_line(d->cli, "         %s%s", o->digest, judge_file(d, o));
		if (o->error[0] != '\0')
			out_marked(d->cli, MARK_WARNING, "%s", o->error);
	}
	if (a->guarded_digest[0] != '\0')
		out_marked(
		    d->cli, MARK_CRITICAL, "guards %.19s: %s", a->guarded_digest, a->guarded_why);
	for (size_t i = 0; i < a->problem_count; i++)
		out_marked(d->cli, MARK_WARNING, "%s", a->problems[i]);
}

static enum exit_code
show_one(const struct drift *d, const char *node)
{
	const struct fleet_agent *a = fleet_find(d->fleet, node);
	struct report r = { STR_INIT, STR_INIT, STR_INIT };

	if (a == NULL) {
		report_fact(&r, "there is no agent %s", SHOWN(node));
		report_do(&r, "pointsman agents    lists them");
		return report_send(&r, d->cli, EXIT_PROBLEM);
	}
	if (d->cli->is_json)
		out_json(
		    json_pack("{s:s, s:b, s:I, s:I, s:O}", "node", a->node, "alive", a->is_alive,
			"serves", (json_int_t)a->serves, "wanted", (json_int_t)d->view->index,
			"record", a->is_readable ? a->record : json_null()));
	else
		print_agent(d, a);
	return fleet_agent_serves(a, d->view->index) && a->problem_count == 0 ? EXIT_DONE
									      : EXIT_PROBLEM;
}

static enum exit_code
run_drift(struct cli *cli, int argc, char **argv)
{
	const char *node = option_text(cli, "agent");
	struct client client;
	struct view view = { 0 };
	struct fleet fleet = { 0 };
	struct drift d = { cli, &client, &view, &fleet, NULL };
	enum exit_code code;
	struct err e;

	(void)argc;
	(void)argv;
	if ((code = client_open(&client, cli)) != EXIT_DONE)
		goto out;
	if (view_load(&view, &client, &e) != 0 || fleet_load(&fleet, &client, &e) != 0 ||
	    (d.board = health_view_load(&client, &e)) == NULL) {
		code = client_report_err(&client, cli, &e, "reading names, agents and health");
		goto out;
	}
	code = node != NULL ? show_one(&d, node) : show_all(&d);
out:
	health_board_free(d.board);
	fleet_clear(&fleet);
	view_clear(&view);
	client_close(&client);
	return code;
}

const struct command cmd_drift = {
	.name = "drift",
	.usage = "[--agent NODE]",
	.help = "every difference between what should be and what is",
	.about = "Over all agents: values that lead nowhere, agents that are not alive, behind, or at odds "
		 "with the others, files that could not be written, resolvers that do not answer what "
		 "is in the file. With --agent: all that one agent says of itself. Exit code 1 when "
		 "there is any drift.",
	.options = {
		{ "agent", '\0', OPTION_TEXT, "NODE", "one agent, in detail" },
	},
	.run = run_drift,
};
