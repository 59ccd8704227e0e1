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

/* A block with a title: one more in its list. */
static void
fill_titled(struct config_loader *l, size_t which, const struct conf_entry *block)
{
	const struct config_block *b = &config_blocks[which];
	void **list = (void **)((char *)l->config + b->offset);
	size_t *count = (size_t *)((char *)l->config + b->count_offset);
	void *to;

	check_title(l, block);
	l->titled[which] = mem_grow(l->titled[which], *count + 1, sizeof(l->titled[which][0]));
	l->titled[which][*count] = block;
	*list = grow(*list, count, b->size);
	to = (char *)*list + (*count - 1) * b->size;
	config_block_init(b, to);
	*(char **)to = mem_strdup(block->title);
	fill_block(l, b, block, to);
}

static void
fill_untitled(struct config_loader *l, size_t which, const struct conf_entry *block)
{
	const struct config_block *b = &config_blocks[which];

	*(which == CONFIG_CONSUL ? &l->consul : &l->agent) = block;
	fill_block(l, b, block, (char *)l->config + b->offset);
}

/* "consul, agent, output and hook": the blocks there are. */
static void
add_block_names(struct str *out, const char *last)
{
	for (size_t i = 0; i < CONFIG_BLOCKS; i++)
		str_addf(out, "%s%s",
		    i == 0                  ? ""
		    : i + 1 < CONFIG_BLOCKS ? ", "
					    : last,
		    config_blocks[i].name);
}

static void
fill_any(struct config_loader *l, const struct conf_entry *e)
{
	const struct conf_entry *before = said_before(l->tree.first, e);
	struct str known = STR_INIT;

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
		else if (config_blocks[i].has_title)
			fill_titled(l, i, e);
		else
			fill_untitled(l, i, e);
		return;
	}
	add_block_names(&known, " and ");
	config_block_problem(l, e, "there is no such block, only %s", str_text(&known));
	str_clear(&known);
}

void
config_fill(struct config_loader *l)
{
	struct str known = STR_INIT;

	add_block_names(&known, " or ");
	config_block_init(&config_blocks[CONFIG_CONSUL], &l->config->consul);
	config_block_init(&config_blocks[CONFIG_AGENT], &l->config->agent);
	for (const struct conf_entry *e = l->tree.first; e != NULL; e = e->next) {
		if (e->is_block)
			fill_any(l, e);
		else
			config_problem(l, e, "keys stand in a block: %s", str_text(&known));
	}
	str_clear(&known);
}
