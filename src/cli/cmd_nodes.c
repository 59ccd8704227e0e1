/*
 * cmd_nodes.c: the nodes that names can lead to: those of Consul's catalog, and the addresses below
 * nodes/, which win over the catalog and are all there is in a store without Consul.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/client_report.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/view_report.h"
#include "operate/view.h"
#include "feature/config.h"

struct nodes {
	struct cli *cli;
	struct client client;
	struct view view;
	char node[NAME_SIZE]; /* the one to be changed */
	char *key;
};

/* The key below nodes/ that gives a node its address; NULL: it is the catalog's. */
static const struct kv_entry *
override_of(const struct nodes *n, const char *node)
{
	char *tail = mem_printf("nodes/%s", node), *key = config_key(n->client.config, tail);
	const struct kv_entry *entry = kv_list_find(&n->view.list, key);

	if (entry == NULL)
		entry = kv_list_find(&n->view.list_nodes, key);
	free(key);
	free(tail);
	return entry;
}

/* --- the list ------------------------------------------------------------------------------------- */

static bool
leads_to(const struct name *name, const char *node)
{
	for (uint32_t k = 0; k < name->count; k++) {
		if (strcmp(name->addresses[k].node, node) == 0)
			return true;
	}
	return false;
}

static size_t
count_names(const struct name_map *map, const char *node)
{
	size_t count = 0;

	for (size_t i = 0; i < map->count; i++)
		count += leads_to(&map->names[i], node);
	return count;
}

static enum exit_code
print_all(const struct nodes *n)
{
	const struct node_table *nodes = n->view.map->nodes;
	struct table *t = table_new(n->cli);

	table_column(t, "NODE", COLUMN_LONG);
	table_column(t, "ADDRESS", COLUMN_TEXT);
	table_column(t, "FROM", COLUMN_TEXT);
	table_column(t, "NAMES", COLUMN_NUMBER);
	for (size_t i = 0; i < nodes->count; i++) {
		const struct node *node = &nodes->nodes[i];

		table_row(t, MARK_NONE);
		table_cell(t, "%s", node->node);
		table_cell(t, "%s", node->address);
		table_cell(t, "%s", override_of(n, node->node) != NULL ? "nodes/" : "catalog");
		table_cell(t, "%zu", count_names(n->view.map, node->node));
	}
	table_print(t);
	for (size_t i = 0; i < nodes->rejected_count; i++)
		out_marked(n->cli, MARK_CRITICAL, "%s: %s", nodes->rejected[i].node,
		    nodes->rejected[i].why);
	if (nodes->count == 0)
		out_line(n->cli, "There are no nodes yet: pointsman nodes NODE ADDRESS");
	return nodes->rejected_total > 0 ? EXIT_PROBLEM : EXIT_DONE;
}

static enum exit_code
print_all_json(const struct nodes *n)
{
	const struct node_table *nodes = n->view.map->nodes;
	json_t *list = json_array();

	for (size_t i = 0; i < nodes->count; i++) {
		const struct node *node = &nodes->nodes[i];

		json_array_append_new(list,
		    json_pack("{s:s, s:s, s:s, s:I}", "node", node->node, "address", node->address,
			"from", override_of(n, node->node) != NULL ? "nodes" : "catalog", "names",
			(json_int_t)count_names(n->view.map, node->node)));
	}
	for (size_t i = 0; i < nodes->rejected_count; i++)
		json_array_append_new(
		    list, json_pack("{s:s, s:n, s:s}", "node", nodes->rejected[i].node, "address",
			      "problem", nodes->rejected[i].why));
	out_json(list);
	return nodes->rejected_total > 0 ? EXIT_PROBLEM : EXIT_DONE;
}

/* --- one node gets an address, or loses it --------------------------------------------------------- */

static enum exit_code
write_key(struct nodes *n, const struct kv_op *op, const char *from, const char *to)
{
	char *what = mem_printf("node %s: %s -> %s", n->node, from, to);
	const struct kv_entry *before = override_of(n, n->node);
	struct write_result w;
	enum exit_code code = EXIT_DONE;

	client_write(&n->client, op, 1, &w);
	if (w.state != WRITE_DONE)
		code = client_report_write(&n->client, n->cli, &w, what);
	else if (n->cli->is_json)
		out_json(json_pack("{s:s, s:s, s:s}", "node", n->node, "from", from, "to", to));
	else {
		out_line(
		    n->cli, "%s   %zu names lead there", what, count_names(n->view.map, n->node));
		out_line(n->cli, "back again: pointsman nodes %s %s", n->node,
		    before != NULL ? before->value : "--remove");
	}
	free(what);
	return code;
}

static const char *
address_of(const struct nodes *n)
{
	const struct node *node = node_table_find(n->view.map->nodes, n->node);

	return node != NULL ? node->address : "(new)";
}

static enum exit_code
give_address(struct nodes *n, const char *text)
{
	const struct kv_entry *now = override_of(n, n->node);
	char address[ADDRESS_SIZE];
	bool is_ipv6;
	struct err e;

	if (address_parse(text, strlen(text), address, &is_ipv6, &e) != 0)
		return cli_usage_error(n->cli, "%s %s", SHOWN(text), e.text);
	const struct kv_op op = { .kind = KV_OP_CAS,
		.key = n->key,
		.value = address,
		.value_len = strlen(address),
		.index = now != NULL ? now->modify_index : 0 };

	return write_key(n, &op, address_of(n), address);
}

static enum exit_code
take_address(struct nodes *n)
{
	const struct kv_entry *now = override_of(n, n->node);
	struct report r = { 0 };

	if (now == NULL) {
		report_fact(&r, "node %s has no address under nodes/", n->node);
		report_why(&r, "what the catalog says of it can only be changed in Consul");
		report_do(&r, "pointsman nodes");
		return report_send(&r, n->cli, EXIT_REFUSED);
	}
	const struct kv_op op = {
		.kind = KV_OP_DELETE_CAS, .key = n->key, .index = now->modify_index
	};

	return write_key(n, &op, address_of(n), "(what the catalog says)");
}

/* As with set: agents would not follow until the release, and then all of its names at once. */
static enum exit_code
refuse_held(struct nodes *n)
{
	const struct name_map *map = n->view.map;
	const char **names = mem_array(map->count, sizeof(*names));
	enum exit_code code = EXIT_DONE;
	size_t count = 0;

	for (size_t i = 0; i < map->count; i++) {
		if (leads_to(&map->names[i], n->node))
			names[count++] = map->names[i].name;
	}
	if (count > 0)
		code = view_refuse_held(&n->client, n->cli, names, count);
	free(names);
	return code;
}

static enum exit_code
change(struct nodes *n, int argc, char **argv)
{
	enum exit_code code;
	struct err e;
	char *tail;

	if (node_parse(argv[0], strlen(argv[0]), n->node, &e) != 0)
		return cli_usage_error(n->cli, "the node %s %s", SHOWN(argv[0]), e.text);
	tail = mem_printf("nodes/%s", n->node);
	n->key = config_key(n->client.config, tail);
	free(tail);
	if ((code = refuse_held(n)) != EXIT_DONE)
		return code;
	return argc == 2 ? give_address(n, argv[1]) : take_address(n);
}

static enum exit_code
run_nodes(struct cli *cli, int argc, char **argv)
{
	struct nodes n = { .cli = cli };
	bool is_removal = option_is_set(cli, "remove");
	enum exit_code code;
	struct err e;

	if (is_removal != (argc == 1))
		return cli_usage_error(cli, "a node and its address, or a node and --remove");
	if ((code = client_open(&n.client, cli)) != EXIT_DONE)
		;
	else if (view_load(&n.view, &n.client, &e) != 0)
		code = client_report_err(&n.client, cli, &e, "reading the nodes");
	else if (argc > 0)
		code = change(&n, argc, argv);
	else
		code = cli->is_json ? print_all_json(&n) : print_all(&n);
	free(n.key);
	view_clear(&n.view);
	client_close(&n.client);
	return code;
}

const struct command cmd_nodes = {
	.name = "nodes",
	.usage = "[NODE ADDRESS | NODE --remove]",
	.help = "lists the nodes, or gives one an address of its own",
	.about =
	    "The nodes that a name can lead to, from Consul's catalog and from the addresses under "
	    "nodes/ in the KV, which win over the catalog. With an address, that of a node is "
	    "written there (all of its names follow); with --remove it is the catalog's again.",
	.options = {
		{ "remove", '\0', OPTION_FLAG, NULL, "take the address under nodes/ away" },
	},
	.max_args = 2,
	.words = { WORD_NODE },
	.run = run_nodes,
};
