/*
 * preflight.c: the table of rules, and the list of what they find.
 *
 * A rule is a small function that looks at the facts and says each thing that it finds with the fact,
 * why it matters and what to do. It never stops another rule: an operator at 3 a.m. wants all that is
 * wrong at once. What could not be looked at is a finding of its own kind, "not known", because a
 * failover that passes over a server which nobody could read is the one that loses data.
 *
 * Rejected: a verdict per server. Most of what prevents a failover is between the two (what one has and
 * the other lacks, who follows whom), so rules see both.
 */
#include "model/preflight.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/preflight_rules.h"

#define ANY "mysql redis daemon"

/* In this order: first who is who and whether anything can be asked, then what hurts at once. */
static const struct rule {
	const char *name, *kinds;
	preflight_rule_fn *judge;
} rules[] = {
	{ "consul", ANY, preflight_rule_consul },
	{ "name", ANY, preflight_rule_name },
	{ "hold", ANY, preflight_rule_hold },
	{ "agents", ANY, preflight_rule_agents },
	{ "operation", ANY, preflight_rule_unfinished },
	{ "rehearsal", ANY, preflight_rule_rehearsed },
	{ "servers", ANY, preflight_rule_reached },
	{ "writer", "mysql", preflight_rule_writer },
	{ "replication", "mysql", preflight_rule_replication },
	{ "lag", "mysql", preflight_rule_lag },
	{ "catch-up", "mysql", preflight_rule_settle },
	{ "errant transactions", "mysql", preflight_rule_errant },
	{ "long write", "mysql", preflight_rule_long_write },
	{ "xa", "mysql", preflight_rule_xa },
	{ "disk", "mysql", preflight_rule_disk },
	{ "semi-sync", "mysql", preflight_rule_semi_sync },
	{ "sessions", "mysql", preflight_rule_sessions },
	{ "accounts", "mysql", preflight_rule_accounts },
	{ "privileges", "mysql", preflight_rule_privileges },
	{ "room", "mysql", preflight_rule_room },
	{ "versions", "mysql", preflight_rule_versions },
	{ "server ids", "mysql", preflight_rule_server_ids },
	{ "binary log", "mysql", preflight_rule_binlog },
	{ "gtids", "mysql", preflight_rule_gtids },
	{ "auto_increment", "mysql", preflight_rule_auto_increment },
	{ "durability", "mysql", preflight_rule_durability },
	{ "retries", "mysql", preflight_rule_retries },
	{ "super_read_only", "mysql", preflight_rule_super_read_only },
	{ "restart", "mysql", preflight_rule_restart },
	{ "writer", "redis", preflight_rule_redis_writer },
	{ "link", "redis", preflight_rule_redis_link },
	{ "offset", "redis", preflight_rule_redis_offset },
	{ "sentinel", "redis", preflight_rule_redis_sentinel },
	{ "min-replicas", "redis", preflight_rule_redis_min_replicas },
	{ "replica-read-only", "redis", preflight_rule_redis_read_only },
	{ "masterauth", "redis", preflight_rule_redis_password },
	{ "versions", "redis", preflight_rule_redis_versions },
	{ "status", "daemon", preflight_rule_daemon },
};

static const struct rule emergency_rules[] = {
	{ "consul", ANY, preflight_rule_consul },
	{ "name", ANY, preflight_rule_name },
	{ "hold", ANY, preflight_rule_hold },
	{ "operation", ANY, preflight_rule_unfinished },
	{ "dead", ANY, preflight_rule_dead },
	{ "standby", ANY, preflight_rule_heir },
	{ "sentinel", "redis", preflight_rule_redis_sentinel_heir },
	{ "loss", "mysql redis", preflight_rule_loss },
	{ "agents", ANY, preflight_rule_agents_told },
};

const char *
preflight_level_name(enum preflight_level l)
{
	static const char *const names[] = {
		[PREFLIGHT_OK] = "ok",
		[PREFLIGHT_UNKNOWN] = "unknown",
		[PREFLIGHT_WARNING] = "warning",
		[PREFLIGHT_REFUSED] = "refused",
	};

	return (size_t)l < MEM_COUNT(names) ? names[l] : "unknown";
}

void
preflight_facts_clear(struct preflight_facts *f)
{
	for (size_t i = 0; i < MEM_COUNT(f->servers); i++) {
		sql_facts_free(f->servers[i].sql);
		if (f->servers[i].redis != NULL)
			server_view_free(f->servers[i].redis->view);
		free(f->servers[i].redis);
	}
	free(f->agents);
	memset(f, 0, sizeof(*f));
}

void
preflight_judge(const struct preflight_facts *f, struct preflight *out)
{
	const struct rule *table = f->is_emergency ? emergency_rules : rules;
	size_t count = f->is_emergency ? MEM_COUNT(emergency_rules) : MEM_COUNT(rules);

	for (size_t i = 0; i < count; i++) {
		if (strstr(table[i].kinds, f->kind) == NULL)
			continue;
		out->rule = table[i].name;
		table[i].judge(f, out);
	}
	out->rule = NULL;
}

size_t
preflight_count(const struct preflight *p, enum preflight_level l)
{
	size_t n = 0;

	for (size_t i = 0; i < p->count; i++)
		n += p->list[i].level == l;
	return n;
}

void
preflight_clear(struct preflight *p)
{
	for (size_t i = 0; i < p->count; i++) {
		free(p->list[i].fact);
		free(p->list[i].why);
		free(p->list[i].todo);
	}
	free(p->list);
	memset(p, 0, sizeof(*p));
}

/* --- for the rules ------------------------------------------------------------------------------ */

void
preflight_say(struct preflight *out, enum preflight_level level, const char *fmt, ...)
{
	struct preflight_finding *one;
	va_list ap;

	out->list = mem_grow(out->list, out->count + 1, sizeof(*out->list));
	one = &out->list[out->count++];
	one->name = out->rule;
	one->level = level;
	one->why = mem_strdup("");
	one->todo = mem_strdup("");
	va_start(ap, fmt);
	one->fact = mem_vprintf(fmt, ap);
	va_end(ap);
}

void
preflight_why(struct preflight *out, const char *fmt, ...)
{
	struct preflight_finding *one = &out->list[out->count - 1];
	va_list ap;

	free(one->why);
	va_start(ap, fmt);
	one->why = mem_vprintf(fmt, ap);
	va_end(ap);
}

void
preflight_do(struct preflight *out, const char *fmt, ...)
{
	struct preflight_finding *one = &out->list[out->count - 1];
	va_list ap;

	free(one->todo);
	va_start(ap, fmt);
	one->todo = mem_vprintf(fmt, ap);
	va_end(ap);
}

const struct preflight_server *
preflight_active(const struct preflight_facts *f)
{
	return &f->servers[f->active];
}

const struct preflight_server *
preflight_standby(const struct preflight_facts *f)
{
	return &f->servers[1 - f->active];
}

bool
preflight_has_said(const struct preflight *out)
{
	for (size_t i = out->count; i > 0 && out->list[i - 1].name == out->rule; i--) {
		if (out->list[i - 1].level != PREFLIGHT_OK)
			return true;
	}
	return false;
}

static void
say_unknown(struct preflight *out, const char *node, const char *reason)
{
	preflight_say(out, PREFLIGHT_UNKNOWN, "not known: %s: %s", node, reason);
	preflight_why(out, "a failover would go without knowing it");
}

bool
preflight_is_reached(const struct preflight_server *s, struct preflight *out)
{
	if (s->is_reached)
		return true;
	say_unknown(out, s->node, "it was not reached");
	preflight_do(out, "see \"servers\": why it was not reached");
	return false;
}

/*
 * What the failover itself does not need: with the privileges that it does (facts/mysql.md) it goes without
 * them, and nobody shall find a GRANT in its way at 3 a.m.
 */
static bool
may_stay_unknown(const struct sql_facts *f, enum sql_topic topic)
{
	return f->is_denied[topic] &&
	       (topic == SQL_ACCOUNTS || topic == SQL_SESSIONS || topic == SQL_XA);
}

bool
preflight_knows(const struct preflight_server *s, enum sql_topic topic, struct preflight *out)
{
	if (!preflight_is_reached(s, out))
		return false;
	if (s->sql->unknown[topic][0] == '\0')
		return true;
	if (may_stay_unknown(s->sql, topic)) {
		preflight_say(
		    out, PREFLIGHT_WARNING, "not known: %s: %s", s->node, s->sql->unknown[topic]);
		preflight_why(
		    out, "whoever may write past the fence, or holds a lock, is not seen");
	} else {
		say_unknown(out, s->node, s->sql->unknown[topic]);
	}
	preflight_do(out, "grant our account what it needs: man pointsman.conf, \"pair\"");
	return false;
}
