/*
 * cmd_names.c: the names as the KV has them, and how far the agents are with each. A name counts as
 * served by an agent that serves the index at which its key was last written.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "operate/fleet.h"
#include "cli/near.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/client_report.h"
#include "cli/view_report.h"

struct names {
	struct client client;
	struct view view;
	struct fleet fleet;
	struct hold_set holds;
};

static uint64_t
index_of(const struct names *n, const char *name)
{
	const struct kv_entry *entry = view_find(&n->view, &n->client, name);

	return entry != NULL ? entry->modify_index : 0;
}

static enum mark
mark_of(const struct names *n, uint64_t index)
{
	return fleet_serving(&n->fleet, index) < n->fleet.alive ? MARK_WARNING : MARK_OK;
}

/* "10.0.4.13" or "10.0.4.13 +1". */
static void
add_addresses(struct str *out, const struct name *name)
{
	str_adds(out, name->addresses[0].address);
	if (name->count > 1)
		str_addf(out, " +%u", (unsigned)name->count - 1);
}

/* --- all names ------------------------------------------------------------------------------------ */

static void
add_row(struct table *t, const struct names *n, const struct name *name, uint64_t index)
{
	struct str addresses = STR_INIT;

	add_addresses(&addresses, name);
	table_row(t, mark_of(n, index));
	table_cell(t, "%s", name->name);
	table_cell(t, "%s", name->value);
	table_cell(t, "%s", str_text(&addresses));
	table_cell(t, "%s", hold_set_find(&n->holds, name->name) != NULL ? "held" : "");
	table_cell(t, "%zu/%zu", fleet_serving(&n->fleet, index), n->fleet.alive);
	str_clear(&addresses);
}

static enum exit_code
print_all(const struct cli *cli, const struct names *n)
{
	const struct name_map *map = n->view.map;
	struct table *t = table_new(cli);
	enum exit_code code = map->rejected_total > 0 ? EXIT_PROBLEM : EXIT_DONE;

	for (size_t i = 0; i < map->rejected_count; i++)
		out_marked(cli, MARK_CRITICAL, "%s = %s: %s", map->rejected[i].name,
		    map->rejected[i].value, map->rejected[i].why);
	table_column(t, "NAME", COLUMN_LONG);
	table_column(t, "VALUE", COLUMN_LONG);
	table_column(t, "ADDRESS", COLUMN_TEXT);
	table_column(t, "HOLD", COLUMN_TEXT);
	table_column(t, "SERVED", COLUMN_NUMBER);
	for (size_t i = 0; i < map->count; i++)
		add_row(t, n, &map->names[i], index_of(n, map->names[i].name));
	table_print(t);
	if (map->count == 0 && map->rejected_total == 0)
		out_line(
		    cli, "There are no names under %s yet.", SHOWN(n->client.config->consul.names));
	return code;
}

static json_t *
name_to_json(const struct names *n, const struct name *name)
{
	const struct hold *hold = hold_set_find(&n->holds, name->name);
	uint64_t index = index_of(n, name->name);
	json_t *addresses = json_array();

	for (uint32_t i = 0; i < name->count; i++)
		json_array_append_new(addresses,
		    json_pack("{s:s, s:s, s:b}", "address", name->addresses[i].address, "node",
			name->addresses[i].node, "ipv6", name->addresses[i].is_ipv6));
	return json_pack("{s:s, s:s, s:s, s:s, s:o, s:I, s:b, s:I, s:I, s:n}", "name", name->name,
	    "value", name->value, "node", name->addresses[0].node, "address",
	    name->addresses[0].address, "addresses", addresses, "index", (json_int_t)index, "held",
	    hold != NULL, "served", (json_int_t)fleet_serving(&n->fleet, index), "agents",
	    (json_int_t)n->fleet.alive, "problem");
}

static json_t *
rejected_to_json(const struct rejected *r)
{
	return json_pack("{s:s, s:s, s:n, s:n, s:[], s:s}", "name", r->name, "value", r->value,
	    "node", "address", "addresses", "problem", r->why);
}

static enum exit_code
print_all_json(const struct names *n)
{
	const struct name_map *map = n->view.map;
	json_t *list = json_array();

	for (size_t i = 0; i < map->count; i++)
		json_array_append_new(list, name_to_json(n, &map->names[i]));
	for (size_t i = 0; i < map->rejected_count; i++)
		json_array_append_new(list, rejected_to_json(&map->rejected[i]));
	out_json(list);
	return map->rejected_total > 0 ? EXIT_PROBLEM : EXIT_DONE;
}

/* --- one name ---------------------------------------------------------------------------------- */

static void
print_hold(const struct cli *cli, const struct hold *h)
{
	char *words = h != NULL ? hold_words(h) : mem_strdup("none");

	out_marked(cli, h != NULL ? MARK_WARNING : MARK_NONE, "hold     %s", words);
	free(words);
}

static enum exit_code
print_one(const struct cli *cli, const struct names *n, const struct name *name)
{
	uint64_t index = index_of(n, name->name);
	size_t serving = fleet_serving(&n->fleet, index);
	enum exit_code code = EXIT_DONE;

	out_line(cli, "%s = %s", name->name, name->value);
	for (uint32_t i = 0; i < name->count; i++)
		out_line(
		    cli, "  address  %s (%s)", name->addresses[i].address, name->addresses[i].node);
	out_line(cli, "  index    %llu", (unsigned long long)index);
	print_hold(cli, hold_set_find(&n->holds, name->name));
	out_line(cli, "  served   by %zu of %zu live agents", serving, n->fleet.alive);
	for (size_t i = 0; i < n->fleet.count; i++) {
		const struct fleet_agent *a = &n->fleet.agents[i];
		struct str trouble = STR_INIT;

		if (!a->is_alive || fleet_agent_serves(a, index))
			continue;
		fleet_agent_add_trouble(&trouble, a);
		out_marked(cli, MARK_WARNING, "%s serves %llu: %s", a->node,
		    (unsigned long long)a->serves, str_text(&trouble));
		str_clear(&trouble);
		code = EXIT_PROBLEM;
	}
	return code;
}

static const struct rejected *
find_rejected(const struct name_map *map, const char *name)
{
	for (size_t i = 0; i < map->rejected_count; i++) {
		if (strcasecmp(map->rejected[i].name, name) == 0)
			return &map->rejected[i];
	}
	return NULL;
}

static enum exit_code
show_rejected(const struct cli *cli, const struct rejected *r)
{
	if (cli->is_json)
		out_json(rejected_to_json(r));
	else
		out_marked(cli, MARK_CRITICAL, "%s = %s: %s; agents keep the last good value",
		    r->name, r->value, r->why);
	return EXIT_PROBLEM;
}

static enum exit_code
show_one(const struct cli *cli, const struct names *n, const char *wanted)
{
	const struct name_map *map = n->view.map;
	const struct name *name;
	const struct rejected *rejected;
	char parsed[NAME_SIZE];
	struct err e;

	if (name_parse(wanted, strlen(wanted), parsed, &e) != 0)
		return cli_usage_error(cli, "%s %s", SHOWN(wanted), e.text);
	if ((name = name_map_find(map, parsed)) != NULL) {
		if (!cli->is_json)
			return print_one(cli, n, name);
		out_json(name_to_json(n, name));
		return EXIT_DONE;
	}
	if ((rejected = find_rejected(map, parsed)) != NULL)
		return show_rejected(cli, rejected);
	return view_report_unknown_name(&n->view, cli, parsed, EXIT_PROBLEM);
}

static enum exit_code
load(const struct cli *cli, struct names *n)
{
	struct err e;

	if (view_load(&n->view, &n->client, &e) != 0)
		return client_report_err(&n->client, cli, &e, "reading the names");
	if (fleet_load(&n->fleet, &n->client, &e) != 0)
		return client_report_err(&n->client, cli, &e, "reading the agents");
	if (view_load_holds(&n->holds, &n->client, &e) != 0)
		return client_report_err(&n->client, cli, &e, "reading the holds");
	return EXIT_DONE;
}

static enum exit_code
run_names(struct cli *cli, int argc, char **argv)
{
	struct names n = { 0 };
	enum exit_code code;

	if ((code = client_open(&n.client, cli)) != EXIT_DONE ||
	    (code = load(cli, &n)) != EXIT_DONE)
		;
	else if (argc == 1)
		code = show_one(cli, &n, argv[0]);
	else
		code = cli->is_json ? print_all_json(&n) : print_all(cli, &n);
	hold_set_clear(&n.holds);
	fleet_clear(&n.fleet);
	view_clear(&n.view);
	client_close(&n.client);
	return code;
}

const struct command cmd_names = {
	.name = "names",
	.usage = "[NAME]",
	.help = "lists the names and where they lead, or shows one",
	.about =
	    "The names as the KV has them, with the addresses that agents make of them, and how "
	    "many of the live agents serve each as it is now. Values that agents refuse come "
	    "first, with the reason; the last good value of such a name stays in force.",
	.max_args = 1,
	.words = { WORD_NAME },
	.run = run_names,
};
