/*
 * config_checks.c: what one key of a check or a pair alone cannot tell, and the checks that a pair
 * has without being asked for: one a server, "maindb/db3", with the pair's own timing.
 */
#include <stdlib.h>
#include <string.h>

#include "base/argv.h"
#include "base/mem.h"
#include "feature/check_type.h"
#include "feature/config_load.h"
#include "feature/credentials.h"
#include "feature/pair_role.h"
#include "model/check_spec.h"
#include "model/target.h"

/* type stands among types, "sql mysql". */
static bool
has_type(const char *types, const char *type)
{
	size_t len = strlen(type);

	for (const char *p = types; (p = strstr(p, type)) != NULL; p += len) {
		if ((p == types || p[-1] == ' ') && (p[len] == ' ' || p[len] == '\0'))
			return true;
	}
	return false;
}

/* A key that the type does nothing with is a misunderstanding, and better said now. */
static void
check_keys_of_type(
    struct config_loader *l, const struct conf_entry *block, const struct check_spec *s)
{
	for (const struct conf_entry *e = block->first; e != NULL; e = e->next) {
		const struct config_key *k = config_key_find(&config_blocks[CONFIG_CHECK], e->key);

		if (k != NULL && k->types != NULL && !has_type(k->types, s->type))
			config_problem(l, e, "a check of the type %s has no %s", s->type, k->name);
	}
}

/* A fast interval that is slower than the other is a mistake, and would never be used. */
static void
check_timing(
    struct config_loader *l, const struct conf_entry *block, const struct debounce_config *t)
{
	const struct conf_entry *fast = config_entry(block, "fast-interval");

	if (fast != NULL && t->fast_ms > t->interval_ms)
		config_problem(l, fast, "it may not be more than interval (%lldms)",
		    (long long)t->interval_ms);
}

/* Not given, it follows an interval that is shorter than its default. */
static void
fit_fast(const struct conf_entry *block, struct debounce_config *t)
{
	if (config_entry(block, "fast-interval") == NULL && t->fast_ms > t->interval_ms)
		t->fast_ms = t->interval_ms;
}

/* Of a name or a node, and of an address without a port, the type has to know it. */
static bool
has_port(const struct check_spec *s, const struct check_type *type)
{
	struct target t;

	return s->port > 0 || type->port > 0 || s->target == NULL ||
	       target_parse(s->target, &t) != 0 || t.port > 0;
}

static void
check_check(struct config_loader *l, const struct conf_entry *block, struct check_spec *s)
{
	const struct check_type *type = s->type != NULL ? check_type_find(s->type) : NULL;
	struct err e;

	fit_fast(block, &s->timing);
	check_timing(l, block, &s->timing);
	if (block->is_cut)
		return;
	if (config_entry(block, "type") == NULL)
		config_block_problem(l, block, "type is missing: what to check with");
	if (type == NULL)
		return;
	check_keys_of_type(l, block, s);
	if (type->has_target && config_entry(block, "target") == NULL)
		config_block_problem(l, block, "target is missing: a name, a node or HOST:PORT");
	if (type->has_target && !has_port(s, type))
		config_block_problem(
		    l, block, "port is missing: the type %s has none of its own", s->type);
	if (type->validate != NULL && type->validate(s, &e) != 0)
		config_block_problem(l, block, "%s", e.text);
}

/* --- pairs --------------------------------------------------------------------------------------- */

/* {"status", "{node}"} with the server's name in it; {address} is the check's own to fill. */
static char **
argv_for_node(char *const *argv, const char *node)
{
	return argv_fill(argv, &(struct argv_mark){ "{node}", node }, 1);
}

static char *
copy_or_null(const char *text)
{
	return text != NULL ? mem_strdup(text) : NULL;
}

static void
add_pair_check(struct config *c, const struct config_pair *p, const char *node)
{
	bool is_daemon = strcmp(p->kind, "daemon") == 0;

	c->checks = mem_grow(c->checks, c->check_count + 1, sizeof(c->checks[0]));
	c->checks[c->check_count++] = (struct check_spec){
		.name = mem_printf("%s/%s", p->name, node),
		.pair = mem_strdup(p->name),
		.node = mem_strdup(node),
		.type = mem_strdup(is_daemon ? "exec" : p->kind),
		.target = mem_strdup(node),
		.port = p->port,
		.credentials = copy_or_null(p->credentials),
		.command = is_daemon ? argv_for_node(p->status, node) : NULL,
		.sentinels = check_spec_copy_list(p->sentinels),
		.sentinel_master = copy_or_null(p->sentinel_master),
		.is_tls = p->is_tls,
		.max_lag_ms = is_daemon ? 0 : p->max_lag_ms,
		.long_write_ms = is_daemon ? 0 : p->long_write_ms,
		.timing = p->timing,
	};
}

/* The pair that the check's target is the name of, by servers of its kind; NULL: none. */
static const struct config_pair *
pair_of_target(const struct config *c, const struct check_spec *s)
{
	const char *kind = strcmp(s->type, "sql") == 0 ? "mysql" : s->type;
	const struct config_pair *p;
	struct target target;

	if (s->pair != NULL || s->target == NULL || target_parse(s->target, &target) != 0 ||
	    target.port != 0)
		return NULL;
	p = pair_find_led(c, target.host);
	return p != NULL && p->kind != NULL && strcmp(p->kind, kind) == 0 ? p : NULL;
}

/* It goes to the same servers: by the pair's account and port, where it says nothing else. */
static void
inherit(const struct config *c, struct check_spec *s)
{
	const struct config_pair *p = s->type != NULL ? pair_of_target(c, s) : NULL;

	if (p == NULL)
		return;
	if (s->credentials == NULL)
		s->credentials = copy_or_null(p->credentials);
	if (s->port == 0)
		s->port = p->port;
}

/* What a pair of that kind has to say, and what it must not. */
static bool
check_pair_keys(
    struct config_loader *l, const struct conf_entry *block, const struct config_pair *p)
{
	static const struct {
		const char *key, *may, *must; /* kinds */
	} rules[] = {
		{ "credentials", "mysql redis", "mysql" },
		{ "tls", "redis", "" },
		{ "max-lag", "mysql redis", "" },
		{ "long-write", "mysql", "" },
		{ "sentinels", "redis", "" },
		{ "sentinel-master", "redis", "" },
		{ "status", "daemon", "daemon" },
		{ "start", "daemon", "daemon" },
		{ "stop", "daemon", "daemon" },
		{ "command-timeout", "daemon", "" },
		{ "fence-command", "mysql redis", "" },
	};
	bool is_good = true;

	for (size_t i = 0; i < MEM_COUNT(rules); i++) {
		const struct conf_entry *e = config_entry(block, rules[i].key);

		if (e != NULL && !has_type(rules[i].may, p->kind))
			config_problem(
			    l, e, "a pair of the kind %s has no %s", p->kind, rules[i].key);
		if (e != NULL || !has_type(rules[i].must, p->kind))
			continue;
		config_block_problem(l, block, "%s is missing: a pair of the kind %s needs it",
		    rules[i].key, p->kind);
		is_good = false;
	}
	return is_good;
}

static size_t
longest(char *const *list)
{
	size_t max = 0;

	for (; *list != NULL; list++)
		max = strlen(*list) > max ? strlen(*list) : max;
	return max;
}

static void
check_pair(struct config_loader *l, size_t i)
{
	const struct conf_entry *block = l->titled[CONFIG_PAIR][i];
	struct config_pair *p = &l->config->pairs[i];

	fit_fast(block, &p->timing);
	check_timing(l, block, &p->timing);
	if (p->kv_name == NULL &&
	    config_read_name(NULL, (const char *[]){ p->name, NULL }, &p->kv_name) != 0)
		config_block_problem(
		    l, block, "its title is not a name of the KV; give it one: name = \"…\"");
	for (size_t k = 0; k < i; k++) {
		const struct config_pair *other = &l->config->pairs[k];

		if (p->kv_name != NULL && other->kv_name != NULL &&
		    strcmp(p->kv_name, other->kv_name) == 0)
			config_block_problem(l, block, "pair \"%s\" has the name %s already",
			    other->name, p->kv_name);
	}
	if (block->is_cut)
		return;
	if (config_entry(block, "kind") == NULL)
		config_block_problem(l, block, "kind is missing: mysql, redis or daemon");
	if (config_entry(block, "nodes") == NULL)
		config_block_problem(l, block, "nodes is missing: the two servers");
	if (p->kind == NULL || p->nodes == NULL || !check_pair_keys(l, block, p))
		return;
	if (strlen(p->name) + 1 + longest(p->nodes) >= CHECK_NAME_MAX)
		config_block_problem(l, block, "with a node's name it has more than %d characters",
		    CHECK_NAME_MAX - 1);
	add_pair_check(l->config, p, p->nodes[0]);
	add_pair_check(l->config, p, p->nodes[1]);
}

/* Read again for every connection, so it may be mended at any time: no reason to refuse the rest. */
static void
warn_of_credentials(struct config_loader *l, const struct conf_entry *block, const char *path)
{
	struct credentials c = { 0 };
	struct err e;

	if (path == NULL || !l->config->agent.is_vantage)
		return;
	if (credentials_read(path, &c, &e) != 0)
		conf_problem(&l->config->warnings, &block->where, "%s \"%s\": %s", block->key,
		    block->title, e.text);
	credentials_clear(&c);
}

void
config_check_checks(struct config_loader *l)
{
	struct config *c = l->config;

	/* Before the checks of the pairs are among them. */
	for (size_t i = 0; i < c->check_count; i++) {
		check_check(l, l->titled[CONFIG_CHECK][i], &c->checks[i]);
		warn_of_credentials(l, l->titled[CONFIG_CHECK][i], c->checks[i].credentials);
	}
	for (size_t i = 0; i < c->pair_count; i++) {
		check_pair(l, i);
		warn_of_credentials(l, l->titled[CONFIG_PAIR][i], c->pairs[i].credentials);
	}
	for (size_t i = 0; i < c->check_count; i++)
		inherit(c, &c->checks[i]);
}
