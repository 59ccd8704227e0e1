/*
 * config_fill.c: from the tree of a file into struct config, by the table of keys. Whatever is wrong
 * with one key leaves its default in place and the reading goes on, so that the operator sees the
 * rest as well.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "feature/config_load.h"

#define TITLE_MAX_LEN 64 /* it becomes part of file names in state-dir */

/* The value as a person would write it. A URL with a password in it, or the token itself, is not shown. */
static void
add_shown(struct str *out, const struct conf_entry *e)
{
	const char *token = getenv("CONSUL_HTTP_TOKEN");

	for (size_t i = 0; i < e->count; i++) {
		bool is_secret =
		    strstr(e->values[i], "://") != NULL && strchr(e->values[i], '@') != NULL;

		if (token != NULL && token[0] != '\0' && strstr(e->values[i], token) != NULL)
			is_secret = true;
		str_adds(out, i > 0 ? ", " : "");
		str_addc(out, '"');
		if (is_secret)
			str_adds(out, "(not shown)");
		else
			str_add_printable(out, e->values[i], strlen(e->values[i]), STR_SHOW_MAX);
		str_addc(out, '"');
	}
}

void
config_problem(struct config_loader *l, const struct conf_entry *e, const char *fmt, ...)
{
	struct str value = STR_INIT;
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	add_shown(&value, e);
	conf_problem(l->problems, &e->where, e->count > 1 ? "%s = {%s}: %s" : "%s = %s: %s", e->key,
	    str_text(&value), text);
	str_clear(&value);
}

void
config_block_problem(struct config_loader *l, const struct conf_entry *block, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (block->title != NULL)
		conf_problem(
		    l->problems, &block->where, "%s \"%s\": %s", block->key, block->title, text);
	else
		conf_problem(l->problems, &block->where, "%s: %s", block->key, text);
}

const struct conf_entry *
config_entry(const struct conf_entry *block, const char *key)
{
	const struct conf_entry *found = NULL;

	for (const struct conf_entry *e = block != NULL ? block->first : NULL; e != NULL;
	     e = e->next) {
		if (!e->is_block && strcmp(e->key, key) == 0)
			found = e;
	}
	return found;
}

/* The one that said the same before e; NULL: e is the first. */
static const struct conf_entry *
said_before(const struct conf_entry *first, const struct conf_entry *e)
{
	for (; first != e; first = first->next) {
		bool has_same_title = (first->title == NULL) == (e->title == NULL) &&
				      (e->title == NULL || strcmp(first->title, e->title) == 0);

		if (first->is_block == e->is_block && strcmp(first->key, e->key) == 0 &&
		    has_same_title)
			return first;
	}
	return NULL;
}

static void
unknown_key(struct config_loader *l, const struct config_block *b, const struct conf_entry *e)
{
	struct str known = STR_INIT;

	for (const struct config_key *k = b->keys; k->name != NULL; k++)
		str_addf(&known, "%s%s", k == b->keys ? "" : ", ", k->name);
	config_problem(l, e, "there is no such key; %s has %s", b->name, str_text(&known));
	str_clear(&known);
}

static void
fill_key(struct config_loader *l, const struct config_block *b, const struct conf_entry *block,
    const struct conf_entry *e, void *to)
{
	const struct config_key *k = config_key_find(b, e->key);
	const struct conf_entry *before = said_before(block->first, e);

	if (k == NULL)
		unknown_key(l, b, e);
	else if (before != NULL)
		config_problem(l, e, "given twice, first in line %u", before->where.line);
	else if (e->count > 1 && !k->is_list)
		config_problem(l, e, "one value is allowed: %s", k->allowed);
	else if (k->read(k, e->values, (char *)to + k->offset) != 0)
		config_problem(l, e, "allowed is %s", k->allowed);
}

static void
fill_block(
    struct config_loader *l, const struct config_block *b, const struct conf_entry *block, void *to)
{
	for (const struct conf_entry *e = block->first; e != NULL; e = e->next)
		fill_key(l, b, block, e, to);
}

static void
check_title(struct config_loader *l, const struct conf_entry *block)
{
	size_t len = strlen(block->title);

	if (len == 0 || len > TITLE_MAX_LEN || block->title[0] == '.' ||
	    block->title[strspn(block->title,
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")] != '\0')
		config_block_problem(l, block,
		    "a title is 1 to %d letters, digits, '-', '_' and '.', not beginning with '.'",
		    TITLE_MAX_LEN);
}

/* Room for one more in list; returns it, all zero. */
static void *
grow(void *list, size_t *count, size_t size)
{
	void *larger = mem_grow(list, *count + 1, size);

	memset((char *)larger + *count * size, 0, size);
	(*count)++;
	return larger;
}

static void
fill_output(struct config_loader *l, const struct conf_entry *block)
{
	struct config *c = l->config;
	struct config_output *o;

	check_title(l, block);
	l->outputs = mem_grow(l->outputs, c->output_count + 1, sizeof(l->outputs[0]));
	l->outputs[c->output_count] = block;
	c->outputs = grow(c->outputs, &c->output_count, sizeof(c->outputs[0]));
	o = &c->outputs[c->output_count - 1];
	config_block_init(&config_blocks[CONFIG_OUTPUT], o);
	o->name = mem_strdup(block->title);
	fill_block(l, &config_blocks[CONFIG_OUTPUT], block, o);
}

static void
fill_hook(struct config_loader *l, const struct conf_entry *block)
{
	struct config *c = l->config;
	struct config_hook *h;

	check_title(l, block);
	l->hooks = mem_grow(l->hooks, c->hook_count + 1, sizeof(l->hooks[0]));
	l->hooks[c->hook_count] = block;
	c->hooks = grow(c->hooks, &c->hook_count, sizeof(c->hooks[0]));
	h = &c->hooks[c->hook_count - 1];
	config_block_init(&config_blocks[CONFIG_HOOK], h);
	h->name = mem_strdup(block->title);
	fill_block(l, &config_blocks[CONFIG_HOOK], block, h);
}

static void
fill_consul(struct config_loader *l, const struct conf_entry *block)
{
	l->consul = block;
	fill_block(l, &config_blocks[CONFIG_CONSUL], block, &l->config->consul);
}

static void
fill_agent(struct config_loader *l, const struct conf_entry *block)
{
	l->agent = block;
	fill_block(l, &config_blocks[CONFIG_AGENT], block, &l->config->agent);
}

static void
fill_any(struct config_loader *l, const struct conf_entry *e)
{
	static void (*const fill[CONFIG_BLOCKS])(
	    struct config_loader *, const struct conf_entry *) = {
		[CONFIG_CONSUL] = fill_consul,
		[CONFIG_AGENT] = fill_agent,
		[CONFIG_OUTPUT] = fill_output,
		[CONFIG_HOOK] = fill_hook,
	};
	const struct conf_entry *before = said_before(l->tree.first, e);

	if (e->is_nested) {
		config_block_problem(l, e, "a block cannot stand in another");
		return;
	}
	for (size_t i = 0; i < CONFIG_BLOCKS; i++) {
		if (strcmp(e->key, config_blocks[i].name) != 0)
			continue;
		if (before != NULL)
			config_block_problem(l, e, "given twice, first at %s:%u",
			    before->where.file, before->where.line);
		else
			fill[i](l, e);
		return;
	}
	config_block_problem(l, e, "there is no such block, only consul, agent, output and hook");
}

void
config_fill(struct config_loader *l)
{
	config_block_init(&config_blocks[CONFIG_CONSUL], &l->config->consul);
	config_block_init(&config_blocks[CONFIG_AGENT], &l->config->agent);
	for (const struct conf_entry *e = l->tree.first; e != NULL; e = e->next) {
		if (e->is_block)
			fill_any(l, e);
		else
			config_problem(
			    l, e, "keys stand in a block: consul, agent, output or hook");
	}
}
