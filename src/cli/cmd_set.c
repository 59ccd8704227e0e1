/*
 * cmd_set.c: set and unset: the plain flip. Everything that can be wrong is found before the write:
 * the value is judged by the very code that the agents judge it with (model/name_map.h), so that what
 * set accepts is not refused by an agent afterwards. Then one check-and-set, a look at what was
 * written, and the wait for the agents.
 *
 * A hold is refused and not overridden by an option: agents would not serve the new value until the
 * release, and then all at once, maybe hours later with nobody at the keyboard.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/ack.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/near.h"
#include "cli/output.h"
#include "cli/pair_report.h"
#include "cli/report.h"
#include "cli/client_report.h"
#include "cli/view_report.h"
#include "operate/past.h"
#include "operate/set_record.h"

struct flip {
	struct cli *cli;
	struct client client;
	struct view view;
	char name[NAME_SIZE];
	char *wanted;                 /* the new value, normalised: "db3,db4"; NULL: unset */
	char *addresses;              /* of the new value: "10.0.4.13, 10.0.4.14" */
	char *old;                    /* the value now, printable; NULL: the key is not there */
	const struct kv_entry *entry; /* NULL: not there */
	char *key;
};

/* --- what is there now ----------------------------------------------------------------------------- */

/* The normalised form of a value; where it cannot be parsed, the value made printable. */
static char *
normalise(const char *text, size_t len)
{
	struct value v;
	struct str s = STR_INIT;

	if (value_parse(text, len, &v, NULL) != 0) {
		str_add_printable(&s, text, len, STR_SHOW_MAX);
		return str_take(&s);
	}
	for (size_t i = 0; i < v.count; i++)
		str_addf(&s, "%s%s", i > 0 ? "," : "", v.items[i].text);
	value_clear(&v);
	return str_take(&s);
}

/* Reads all there is to know before the write, and refuses what a hold forbids. */
static enum exit_code
load(struct flip *f)
{
	struct err e;

	if (view_load(&f->view, &f->client, &e) != 0)
		return client_report_err(&f->client, f->cli, &e, "reading the names");
	f->entry = view_find(&f->view, &f->client, f->name);
	f->key = f->entry != NULL ? mem_strdup(f->entry->key)
				  : config_name_key(f->client.config, f->name);
	if (f->entry != NULL)
		f->old = normalise(f->entry->value, f->entry->value_len);
	return view_refuse_held(&f->client, f->cli, (const char *const[]){ f->name }, 1);
}

static enum exit_code
check_expected(const struct flip *f)
{
	struct report r = { STR_INIT, STR_INIT, STR_INIT };
	const char *expected = option_text(f->cli, "expect");
	char *wanted;
	bool is_as_expected;

	if (expected == NULL)
		return EXIT_DONE;
	wanted = normalise(expected, strlen(expected));
	is_as_expected = strcmp(wanted, f->old != NULL ? f->old : "") == 0;
	if (!is_as_expected) {
		if (f->old != NULL)
			report_fact(&r, "%s is %s, not %s", f->name, f->old, wanted);
		else
			report_fact(&r, "%s does not exist, and is not %s", f->name, wanted);
		report_why(&r, "somebody changed it since you looked");
		report_do(&r, "pointsman names %s", f->name);
	}
	free(wanted);
	return is_as_expected ? EXIT_DONE : report_send(&r, f->cli, EXIT_REFUSED);
}

/* --- the new value --------------------------------------------------------------------------------- */

static enum exit_code
refuse_unknown_node(const struct flip *f, const char *node)
{
	struct report r = { STR_INIT, STR_INIT, STR_INIT };
	const struct node_table *nodes = f->view.map->nodes;
	struct near near;

	near_init(&near, node);
	for (size_t i = 0; i < nodes->count; i++)
		near_offer(&near, nodes->nodes[i].node);
	report_fact(&r, "node %s is not known, neither to the catalog nor under %snodes/", node,
	    f->client.config->consul.root);
	if (f->old != NULL)
		report_why(
		    &r, "agents could not resolve it and would keep %s = %s", f->name, f->old);
	else
		report_why(&r, "agents could not resolve it and would not serve %s", f->name);
	if (near.best != NULL)
		report_do(
		    &r, "did you mean %s?  pointsman set %s %s", near.best, f->name, near.best);
	if (kv_is_file(f->client.kv))
		report_do(
		    &r, "give it an address under %snodes/%s", f->client.config->consul.root, node);
	else
		report_do(&r, "let it join Consul, or: consul kv put %snodes/%s ADDRESS",
		    f->client.config->consul.root, node);
	return report_send(&r, f->cli, EXIT_REFUSED);
}

static enum exit_code
refuse_value(const struct flip *f, const char *why)
{
	struct report r = { STR_INIT, STR_INIT, STR_INIT };

	report_fact(&r, "%s = %s: %s", f->name, f->wanted, why);
	report_why(&r, "agents refuse such a value%s%s", f->old != NULL ? " and would keep " : "",
	    f->old != NULL ? f->old : "");
	report_do(&r, "pointsman set %s NODE, or NODE,NODE, or an IP address", f->name);
	return report_send(&r, f->cli, EXIT_REFUSED);
}

/* The map of this one name, as an agent would make it; the addresses, or why it would refuse it. */
static enum exit_code
resolve(struct flip *f)
{
	struct raw_name raw = { f->name, strlen(f->name), f->wanted, strlen(f->wanted) };
	struct name_map_input in = {
		.raw = &raw,
		.count = 1,
		.nodes = f->view.map->nodes,
		.domain = f->client.config->agent.domain,
	};
	struct name_map *map = name_map_build(&in);
	enum exit_code code = EXIT_DONE;
	struct str s = STR_INIT;

	if (map->count == 0)
		code = refuse_value(f, map->rejected_count > 0 ? map->rejected[0].why : "refused");
	else
		for (uint32_t i = 0; i < map->names[0].count; i++)
			str_addf(&s, "%s%s", i > 0 ? ", " : "", map->names[0].addresses[i].address);
	f->addresses = str_take(&s);
	name_map_unref(map);
	return code;
}

static enum exit_code
check_value(struct flip *f, const char *text)
{
	struct report r = { STR_INIT, STR_INIT, STR_INIT };
	struct value v;
	enum exit_code code = EXIT_DONE;
	struct err e;

	if (value_parse(text, strlen(text), &v, &e) != 0) {
		report_fact(&r, "the value %s %s", SHOWN(text), e.text);
		report_do(&r, "pointsman set %s NODE, or NODE,NODE, or an IP address", f->name);
		return report_send(&r, f->cli, EXIT_REFUSED);
	}
	f->wanted = normalise(text, strlen(text));
	for (size_t i = 0; i < v.count && code == EXIT_DONE; i++) {
		if (!v.items[i].is_address &&
		    node_table_find(f->view.map->nodes, v.items[i].text) == NULL)
			code = refuse_unknown_node(f, v.items[i].text);
	}
	value_clear(&v);
	return code == EXIT_DONE ? resolve(f) : code;
}

/* --- the write --------------------------------------------------------------------------------- */

/* The command that brings back what was. */
static char *
undo_command(const struct flip *f)
{
	if (f->old == NULL)
		return mem_printf("pointsman unset %s", f->name);
	if (f->wanted == NULL)
		return mem_printf("pointsman set %s %s", f->name, f->old);
	return mem_printf("pointsman set %s %s --expect %s", f->name, f->old, f->wanted);
}

static void
print_change(const struct flip *f, uint64_t generation, const char *undo)
{
	if (f->cli->is_json)
		return;
	out_line(f->cli, "%s  %s -> %s%s%s%s   generation %llu", f->name,
	    f->old != NULL ? f->old : "(new)", f->wanted != NULL ? f->wanted : "(gone)",
	    f->addresses != NULL ? " (" : "", f->addresses != NULL ? f->addresses : "",
	    f->addresses != NULL ? ")" : "", (unsigned long long)generation);
	out_line(f->cli, "back again: %s", undo);
}

static void
print_json(const struct flip *f, uint64_t generation, bool is_changed, json_t *acknowledged)
{
	out_json(json_pack("{s:s, s:s?, s:s?, s:b, s:I, s:o?}", "name", f->name, "old", f->old,
	    "new", f->wanted, "changed", is_changed, "generation", (json_int_t)generation,
	    "acknowledged", acknowledged));
}

/* The generation of a deletion is that of the prefix, read after it. */
static uint64_t
generation_of(struct flip *f, const struct write_result *w)
{
	struct view now = { 0 };
	uint64_t generation = w->index;

	if (generation == 0 && view_load(&now, &f->client, NULL) == 0)
		generation = now.index;
	view_clear(&now);
	return generation;
}

/* Writes, tells, and waits unless --no-wait. */
static enum exit_code
write_and_wait(struct flip *f)
{
	char *undo = undo_command(f), *what;
	struct kv_op op = {
		.kind = f->wanted != NULL ? KV_OP_CAS : KV_OP_DELETE_CAS,
		.key = f->key,
		.value = f->wanted,
		.value_len = f->wanted != NULL ? strlen(f->wanted) : 0,
		.index = f->entry != NULL ? f->entry->modify_index : 0,
	};
	struct ack ack = {
		.started_us = clock_mono_us(),
		.limit_ms = option_duration_ms(f->cli, "timeout", ACK_LIMIT_MS),
		.undo = undo,
	};
	char *who = ask_who();
	const struct set_record record = { f->name, f->old != NULL ? f->old : "",
		f->wanted != NULL ? f->wanted : "", who };
	struct write_result w;
	json_t *acknowledged = NULL;
	enum exit_code code;

	what = f->wanted != NULL ? mem_printf("%s = %s", f->name, f->wanted)
				 : mem_printf("deleting %s", f->name);
	ack.changed = what;
	set_record_write(&f->client, &op, &record, &w);
	code = client_report_write(&f->client, f->cli, &w, what);
	if (code == EXIT_DONE) {
		ack.generation = generation_of(f, &w);
		print_change(f, ack.generation, undo);
		if (!option_is_set(f->cli, "no-wait"))
			code = ack_wait(f->cli, &f->client, &ack, &acknowledged);
		if (f->cli->is_json && (acknowledged != NULL || code == EXIT_DONE))
			print_json(f, ack.generation, true, acknowledged);
		if (code == EXIT_DONE)
			past_tidy(&f->client);
	}
	free(what);
	free(undo);
	free(who);
	return code;
}

static void
clear(struct flip *f)
{
	free(f->wanted);
	free(f->addresses);
	free(f->old);
	free(f->key);
	view_clear(&f->view);
	client_close(&f->client);
}

static enum exit_code
parse_name(struct flip *f, const char *text)
{
	struct report r = { STR_INIT, STR_INIT, STR_INIT };
	struct err e;

	if (name_parse(text, strlen(text), f->name, &e) == 0)
		return EXIT_DONE;
	report_fact(&r, "the name %s %s", SHOWN(text), e.text);
	report_why(&r, "agents refuse such a key, and no resolver would ask for it");
	report_do(&r, "letters, digits, '-' and '_' in labels of at most 63, joined by dots");
	return report_send(&r, f->cli, EXIT_REFUSED);
}

/* --- set --------------------------------------------------------------------------------------- */

static enum exit_code
report_same(const struct flip *f)
{
	if (f->cli->is_json)
		print_json(f, f->entry->modify_index, false, NULL);
	else
		out_line(f->cli, "%s is %s already: nothing to do", f->name, f->wanted);
	return EXIT_DONE;
}

/* A slip of the fingers in NAME makes a new name instead of moving one: say so. */
static void
note_new_name(const struct flip *f)
{
	struct near near;

	near_init(&near, f->name);
	for (size_t i = 0; i < f->view.map->count; i++)
		near_offer(&near, f->view.map->names[i].name);
	if (near.best != NULL && !f->cli->is_json)
		out_marked(
		    f->cli, MARK_WARNING, "%s is a new name; there is a %s", f->name, near.best);
}

static enum exit_code
run_set(struct cli *cli, int argc, char **argv)
{
	struct flip f = { .cli = cli };
	enum exit_code code;

	(void)argc;
	if ((code = client_open(&f.client, cli)) != EXIT_DONE ||
	    (code = parse_name(&f, argv[0])) != EXIT_DONE || (code = load(&f)) != EXIT_DONE ||
	    (code = check_value(&f, argv[1])) != EXIT_DONE ||
	    (code = check_expected(&f)) != EXIT_DONE)
		goto out;
	if (f.old != NULL && strcmp(f.old, f.wanted) == 0) {
		code = report_same(&f);
		goto out;
	}
	if (f.old == NULL)
		note_new_name(&f);
	if ((code = pair_report_flip(&f.client, cli, f.name)) == EXIT_DONE)
		code = write_and_wait(&f);
out:
	clear(&f);
	return code;
}

const struct command cmd_set = {
	.name = "set",
	.usage = "NAME NODE [--expect OLD] [--timeout 10s] [--no-wait]",
	.help = "flips a name and waits until the agents serve it",
	.about = "NODE is a node of the catalog or of nodes/, several joined by commas, or an IP "
		 "address. The value is written only if nobody changed it meanwhile. Then it waits "
		 "until every live agent serves it and names those that do not.",
	.options = {
		{ "expect", '\0', OPTION_TEXT, "OLD", "only if it is OLD now; \"\": only if it is new" },
		{ "timeout", '\0', OPTION_DURATION, "TIME", "how long to wait for the agents (10s)" },
		{ "no-wait", '\0', OPTION_FLAG, NULL, "do not wait for the agents" },
	},
	.min_args = 2,
	.max_args = 2,
	.words = { WORD_NAME, WORD_NODE },
	.run = run_set,
};

/* --- unset ------------------------------------------------------------------------------------- */

static enum exit_code
confirm_unset(struct flip *f)
{
	if (!f->cli->is_json && !option_is_set(f->cli, "yes")) {
		char *back = undo_command(f);

		out_line(f->cli, "%s = %s now. Without its key no host can resolve it any more.",
		    f->name, f->old);
		out_line(f->cli, "back again: %s", back);
		free(back);
	}
	return ask_to_type(f->cli, f->name, "to delete it");
}

static enum exit_code
run_unset(struct cli *cli, int argc, char **argv)
{
	struct flip f = { .cli = cli };
	enum exit_code code;

	(void)argc;
	if ((code = client_open(&f.client, cli)) != EXIT_DONE ||
	    (code = parse_name(&f, argv[0])) != EXIT_DONE || (code = load(&f)) != EXIT_DONE)
		;
	else if (f.entry == NULL)
		code = view_report_unknown_name(&f.view, cli, f.name, EXIT_REFUSED);
	else if ((code = confirm_unset(&f)) == EXIT_DONE &&
		 (code = pair_report_flip(&f.client, cli, f.name)) == EXIT_DONE)
		code = write_and_wait(&f);
	clear(&f);
	return code;
}

const struct command cmd_unset = {
	.name = "unset",
	.usage = "NAME [--yes] [--timeout 10s] [--no-wait]",
	.help = "deletes a name",
	.about = "Shows what the name is and the command that brings it back, and deletes it once its "
		 "name was typed, or with --yes. Then it waits until no live agent serves it.",
	.options = {
		{ "yes", '\0', OPTION_FLAG, NULL, "do not ask" },
		{ "timeout", '\0', OPTION_DURATION, "TIME", "how long to wait for the agents (10s)" },
		{ "no-wait", '\0', OPTION_FLAG, NULL, "do not wait for the agents" },
	},
	.min_args = 1,
	.max_args = 1,
	.words = { WORD_NAME },
	.run = run_unset,
};
