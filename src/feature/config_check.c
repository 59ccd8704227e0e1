/*
 * config_check.c: what one key alone cannot tell. A block in which the reading ended may lack
 * anything, so nothing is missed in it.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "feature/config_load.h"

/* The key is given, well or badly: then it is not missing. */
static bool
has(const struct conf_entry *block, const char *key)
{
	return config_entry(block, key) != NULL;
}

/* --- consul -------------------------------------------------------------------------------------- */

/* Names below one of these would be something else as well. */
static void
check_names_prefix(struct config_loader *l)
{
	static const char *const ours[] = { "nodes/", "agents/", "health/", "proposals/", "ops/",
		"locks/", "hold/" };
	const struct conf_entry *e = config_entry(l->consul, "names");
	const struct config_consul *c = &l->config->consul;
	size_t root_len = strlen(c->root);

	if (e == NULL)
		return;
	if (strncmp(c->root, c->names, strlen(c->names)) == 0)
		config_problem(l, e, "root (\"%s\") would be among the names", c->root);
	for (size_t i = 0; i < MEM_COUNT(ours); i++) {
		if (strncmp(c->names, c->root, root_len) == 0 &&
		    strncmp(c->names + root_len, ours[i], strlen(ours[i])) == 0)
			config_problem(l, e, "%s%s belongs to pointsman", c->root, ours[i]);
	}
}

static void
check_consul(struct config_loader *l)
{
	struct config_consul *c = &l->config->consul;

	if (c->names == NULL)
		c->names = mem_printf("%snames/", c->root);
	check_names_prefix(l);
	if ((c->cert_file == NULL) != (c->key_file == NULL))
		conf_problem(l->problems,
		    l->consul != NULL ? &l->consul->where : &(struct conf_where){ NULL, 0 },
		    "consul: cert-file and key-file (CONSUL_CLIENT_CERT, CONSUL_CLIENT_KEY) go "
		    "together");
}

/* --- outputs ------------------------------------------------------------------------------------- */

static void
check_notify(struct config_loader *l, const struct conf_entry *block, struct config_output *o)
{
	const struct conf_entry *command = config_entry(block, "command");

	if (command != NULL && has(block, "signal"))
		config_problem(
		    l, command, "signal is given as well; only one of them can be meant");
	if (has(block, "signal") && !has(block, "pidfile"))
		config_block_problem(l, block, "signal needs pidfile");
	if (has(block, "pidfile") && !has(block, "signal"))
		config_block_problem(l, block, "pidfile needs signal");
	if (has(block, "process") && !has(block, "pidfile"))
		config_block_problem(l, block, "process needs pidfile");
	/* facts/dnsmasq.md: after dropping its privileges it cannot read it, and all names are gone. */
	if (o->signal != 0 && (o->mode & S_IROTH) == 0)
		conf_problem(&l->config->warnings, &block->where,
		    "output \"%s\": mode %04o: its reader, which has dropped its privileges, "
		    "cannot read "
		    "the file",
		    o->name, (unsigned)o->mode);
}

static void
check_path(struct config_loader *l, size_t i)
{
	const struct config *c = l->config;
	const struct conf_entry *e = config_entry(l->titled[CONFIG_OUTPUT][i], "path");

	if (e == NULL) {
		config_block_problem(
		    l, l->titled[CONFIG_OUTPUT][i], "path is missing: the file to be written");
		return;
	}
	for (size_t k = 0; k < i; k++) {
		if (c->outputs[k].path == NULL || c->outputs[i].path == NULL ||
		    strcmp(c->outputs[k].path, c->outputs[i].path) != 0)
			continue;
		config_problem(l, e, "output \"%s\" writes this file already", c->outputs[k].name);
	}
}

static void
check_output(struct config_loader *l, size_t i)
{
	const struct conf_entry *block = l->titled[CONFIG_OUTPUT][i],
				*settle = config_entry(block, "settle-min");
	struct config_output *o = &l->config->outputs[i];

	if (settle == NULL)
		settle = config_entry(block, "settle-max");
	if (settle != NULL && o->settle_min_ms > o->settle_max_ms)
		config_problem(l, settle,
		    "settle-min (%lldms) may not be more than settle-max (%lldms)",
		    (long long)o->settle_min_ms, (long long)o->settle_max_ms);
	if (block->is_cut)
		return;
	check_path(l, i);
	check_notify(l, block, o);
}

static void
check_hook(struct config_loader *l, const struct conf_entry *block)
{
	if (block->is_cut)
		return;
	if (!has(block, "on"))
		config_block_problem(l, block, "on is missing: the events to run on");
	if (!has(block, "command"))
		config_block_problem(l, block, "command is missing: the program to run");
}

void
config_check(struct config_loader *l)
{
	check_consul(l);
	for (size_t i = 0; i < l->config->output_count; i++)
		check_output(l, i);
	for (size_t i = 0; i < l->config->hook_count; i++)
		check_hook(l, l->titled[CONFIG_HOOK][i]);
	config_check_checks(l);
}
