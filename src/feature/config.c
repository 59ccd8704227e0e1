/*
 * config.c: the configuration, whole or not at all: libconfuse's tree (base/conf.c) goes through the
 * table of keys (config_fill.c), the environment (config_env.c) and the checks across keys
 * (config_check.c); each tells what it finds and goes on.
 */
#include "feature/config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "feature/config_load.h"

/* The file to read; NULL: none, which is fine. */
static const char *
choose_path(const char *path)
{
	if (path != NULL)
		return path;
	return access(CONFIG_DEFAULT_PATH, F_OK) == 0 ? CONFIG_DEFAULT_PATH : NULL;
}

static void
read_tree(struct config_loader *l, const char *path)
{
	struct conf_block blocks[CONFIG_BLOCKS + 1] = { { NULL, false, NULL } };
	const char *keys[CONFIG_BLOCKS][64] = { { NULL } };

	for (size_t i = 0; i < CONFIG_BLOCKS; i++) {
		const struct config_key *k = config_blocks[i].keys;

		for (size_t n = 0; k->name != NULL; n++) {
			if (n + 1 == MEM_COUNT(keys[i]))
				abort(); /* the table has outgrown it: no test would pass */
			keys[i][n] = (k++)->name;
		}
		blocks[i] = (struct conf_block){ config_blocks[i].name, config_blocks[i].has_title,
			keys[i] };
	}
	conf_read(&l->tree, path, blocks, l->problems);
}

static size_t
line_count(const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += *text == '\n';
	return n;
}

struct config *
config_load(const char *path, struct str *problems, struct err *e)
{
	struct config *c = mem_alloc(sizeof(*c));
	struct config_loader l = { .config = c, .problems = problems };
	size_t before = problems->len, found;

	if ((path = choose_path(path)) != NULL) {
		c->path = mem_strdup(path);
		read_tree(&l, path);
	}
	config_fill(&l);
	config_apply_environment(&l);
	config_check(&l);
	conf_clear(&l.tree);
	for (size_t i = 0; i < CONFIG_BLOCKS; i++)
		free(l.titled[i]);
	found = line_count(str_text(problems) + before);
	if (problems->len == before)
		return c;
	err_set(e, ERR_CONFIG, found == 1 ? "%zu problem" : "%zu problems", found);
	config_free(c);
	return NULL;
}

void
config_free_list(char **list)
{
	for (char **p = list; p != NULL && *p != NULL; p++)
		free(*p);
	free(list);
}

static void
free_outputs(struct config *c)
{
	for (size_t i = 0; i < c->output_count; i++) {
		struct config_output *o = &c->outputs[i];

		free(o->name);
		free(o->template);
		free(o->path);
		config_free_list(o->validate);
		free(o->pidfile);
		free(o->process);
		config_free_list(o->command);
		free(o->prove);
	}
	free(c->outputs);
}

static void
free_checks(struct config *c)
{
	for (size_t i = 0; i < c->check_count; i++)
		check_spec_clear(&c->checks[i]);
	free(c->checks);
	for (size_t i = 0; i < c->pair_count; i++) {
		struct config_pair *p = &c->pairs[i];

		free(p->name);
		free(p->kv_name);
		free(p->kind);
		config_free_list(p->nodes);
		free(p->credentials);
		config_free_list(p->sentinels);
		free(p->sentinel_master);
		config_free_list(p->status);
		config_free_list(p->start);
		config_free_list(p->stop);
		config_free_list(p->fence);
		config_free_list(p->pre_hook);
		config_free_list(p->post_hook);
		config_free_list(p->failed_hook);
	}
	free(c->pairs);
}

static void
free_hooks(struct config *c)
{
	for (size_t i = 0; i < c->hook_count; i++) {
		free(c->hooks[i].name);
		config_free_list(c->hooks[i].on);
		config_free_list(c->hooks[i].command);
	}
	free(c->hooks);
}

void
config_free(struct config *c)
{
	if (c == NULL)
		return;
	free(c->path);
	free(c->consul.address);
	free(c->consul.token_file);
	free(c->consul.datacenter);
	free(c->consul.root);
	free(c->consul.names);
	free(c->consul.ca_file);
	free(c->consul.cert_file);
	free(c->consul.key_file);
	free(c->consul.tls_server_name);
	if (c->consul.token != NULL)
		explicit_bzero(c->consul.token, strlen(c->consul.token));
	free(c->consul.token);
	free(c->agent.node);
	free(c->agent.state_dir);
	free(c->agent.http);
	free(c->agent.domain);
	free(c->agent.template_dir);
	free_outputs(c);
	free_checks(c);
	free_hooks(c);
	str_clear(&c->warnings);
	free(c);
}

void
config_kv(const struct config *c, struct kv_config *out)
{
	*out = (struct kv_config){
		.address = c->consul.address,
		.token = c->consul.token,
		.datacenter = c->consul.datacenter,
		.ca_file = c->consul.ca_file,
		.cert_file = c->consul.cert_file,
		.key_file = c->consul.key_file,
		.tls_server_name = c->consul.tls_server_name,
		.is_verified = c->consul.is_verified,
	};
}

char *
config_key(const struct config *c, const char *tail)
{
	return mem_printf("%s%s", c->consul.root, tail);
}

char *
config_name_key(const struct config *c, const char *name)
{
	return mem_printf("%s%s", c->consul.names, name);
}
