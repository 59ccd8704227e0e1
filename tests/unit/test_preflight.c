/*
 * test_preflight.c: facts made by hand. A healthy pair passes; then each case breaks one thing, and the
 * rule that it is about says so, with why and what to do. At the end no rule is left that was not seen
 * failing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/preflight.h"

#define UUID3 "ec9d65cf-e6ee-11f1-ad62-02fc00000003"
#define UUID4 "ec9d65cf-e6ee-11f1-ad62-02fc00000004"

/* --- a healthy pair ------------------------------------------------------------------------------- */

static void
set(char **text, const char *value)
{
	free(*text);
	*text = mem_strdup(value);
}

static void
make_sql(struct preflight_facts *f, size_t at, enum server_kind kind)
{
	bool is_mariadb = kind == SERVER_MARIADB;
	struct preflight_server *s = &f->servers[at], *other = &f->servers[1 - at];
	struct sql_facts *q = sql_facts_new(kind, is_mariadb ? "10.11.19-MariaDB-log" : "9.7.0");
	struct replication_view *r = server_view_source(q->view);

	s->sql = q;
	q->view->is_writable = at == 0;
	q->view->is_read_only = q->view->is_super_read_only = at != 0;
	q->view->longest_write_s = 0.2;
	q->view->sessions = 3;
	q->view->session_limit = 151;
	snprintf(q->view->server_id, sizeof(q->view->server_id), "%s", at == 0 ? UUID3 : UUID4);
	r->is_io_running = r->is_sql_running = true;
	r->lag_s = 0;
	r->source_port = 3306;
	snprintf(r->source_host, sizeof(r->source_host), "%s", other->host);
	r->gtid_received = mem_strdup("");
	q->extra.is_restart_known = true;
	q->server_id = at + 1;
	q->auto_increment = 2;
	q->auto_offset = at + 1;
	q->sync_binlog = q->flush_at_commit = 1;
	q->has_binlog = q->logs_replica_updates = q->has_gtids = true;
	q->sources = mem_array(1, sizeof(*q->sources));
	q->sources[0] = (struct sql_source){ 2 - at, is_mariadb ? 0 : 100000, 60 };
	set(&q->privileges, ",ALL PRIVILEGES,");
	set(&q->executed, is_mariadb ? "1-1-120,2-2-7" : UUID3 ":1-120," UUID4 ":1-7");
	set(&q->position, is_mariadb ? "1-1-120,2-2-7" : UUID3 ":1-120," UUID4 ":1-7");
}

static void
make_redis(struct preflight_facts *f, size_t at)
{
	struct redis_facts *q = mem_alloc(sizeof(*q));
	struct replication_view *r;

	f->servers[at].redis = q;
	q->is_read_only_replica = 1;
	q->view = server_view_new(SERVER_REDIS);
	q->view->is_writable = at == 0;
	snprintf(q->view->version, sizeof(q->view->version), "7.0.15");
	if (at == 0)
		return;
	r = server_view_source(q->view);
	snprintf(r->source_host, sizeof(r->source_host), "%s", f->servers[0].host);
	r->source_port = 3306;
	r->is_io_running = true;
	r->lag_s = 1;
	r->behind = 0;
}

/* kind: "mariadb", "mysql", "redis", "daemon" */
static void
make(struct preflight_facts *f, const char *kind)
{
	bool is_sql = strcmp(kind, "mariadb") == 0 || strcmp(kind, "mysql") == 0;

	*f = (struct preflight_facts){ .pair = "maindb",
		.name = "maindb",
		.max_lag_ms = 10000,
		.long_write_ms = 10000,
		.generation = 8812,
		.is_active_known = true };
	f->kind = is_sql ? "mysql" : kind;
	snprintf(f->value, sizeof(f->value), "db3");
	f->agents = mem_array(2, sizeof(*f->agents));
	f->agent_count = 2;
	for (size_t i = 0; i < 2; i++) {
		struct preflight_server *s = &f->servers[i];

		f->agents[i] =
		    (struct preflight_agent){ i == 0 ? "web-1" : "web-2", true, true, "" };
		s->node = i == 0 ? "db3" : "db4";
		s->port = 3306;
		s->is_reached = true;
		s->is_running = i == 0;
		snprintf(s->text, sizeof(s->text), "it says so");
		snprintf(s->host, sizeof(s->host), "10.0.4.1%zu", i + 3);
	}
	for (size_t i = 0; i < 2; i++) {
		if (strcmp(kind, "redis") == 0)
			make_redis(f, i);
		else if (is_sql)
			make_sql(f, i, strcmp(kind, "mysql") == 0 ? SERVER_MYSQL : SERVER_MARIADB);
	}
}

/* --- what breaks it -------------------------------------------------------------------------------- */

#define BREAK(name) static void name(struct preflight_facts *f)
#define ACTIVE (f->servers[0].sql)
#define STANDBY (f->servers[1].sql)

BREAK(no_kv)
{
	snprintf(f->kv_error, sizeof(f->kv_error), "no leader");
}
BREAK(no_session)
{
	snprintf(f->session_error, sizeof(f->session_error), "permission denied");
}
BREAK(no_name)
{
	f->value[0] = '\0', f->is_active_known = false;
}
BREAK(name_elsewhere)
{
	snprintf(f->value, sizeof(f->value), "db9"), f->is_active_known = false;
}
BREAK(held)
{
	snprintf(f->hold, sizeof(f->hold), "by ola: restore");
}
BREAK(agent_dead)
{
	f->agents[1].is_alive = false;
}
BREAK(agent_behind)
{
	f->agents[1].serves = false;
}
BREAK(no_agents)
{
	f->agent_count = 0;
}
BREAK(standby_gone)
{
	f->servers[1].is_reached = false;
}
BREAK(two_writers)
{
	STANDBY->view->is_writable = true;
}
BREAK(no_writer)
{
	ACTIVE->view->is_writable = false;
}
BREAK(wrong_writer)
{
	no_writer(f), two_writers(f);
}
BREAK(sql_stopped)
{
	STANDBY->view->sources[0].is_sql_running = false;
	STANDBY->view->sources[0].sql_errno = 1062;
}
BREAK(io_stopped)
{
	STANDBY->view->sources[0].is_io_running = false;
}
BREAK(no_way_back)
{
	ACTIVE->view->sources[0].is_io_running = false;
}
BREAK(with_error)
{
	STANDBY->view->sources[0].io_errno = 2003;
}
BREAK(follows_another)
{
	STANDBY->sources[0].server_id = 9;
	snprintf(STANDBY->view->sources[0].source_host, 256, "10.0.4.99");
}
BREAK(lag)
{
	STANDBY->view->sources[0].lag_s = 10.5;
}
BREAK(lag_back)
{
	ACTIVE->view->sources[0].lag_s = 10.5;
}
BREAK(no_lag)
{
	STANDBY->view->sources[0].lag_s = NAN;
}
BREAK(behind)
{
	set(&STANDBY->position, "1-1-100,2-2-7");
}
BREAK(behind_mysql)
{
	set(&STANDBY->position, UUID3 ":1-100," UUID4 ":1-7");
}
BREAK(errant)
{
	set(&STANDBY->executed, "1-1-120,2-2-8");
}
BREAK(errant_mysql)
{
	set(&STANDBY->executed, UUID3 ":1-120," UUID4 ":1-7:9");
}
BREAK(errant_nonsense)
{
	set(&STANDBY->executed, "x");
}
BREAK(no_gtids_seen)
{
	snprintf(STANDBY->unknown[SQL_GTIDS], 9, "denied");
}
BREAK(long_write)
{
	ACTIVE->view->longest_write_s = 34;
}
BREAK(no_process)
{
	ACTIVE->view->longest_write_s = NAN;
}
BREAK(xa)
{
	STANDBY->xa_open = 1;
}
BREAK(xa_denied)
{
	snprintf(STANDBY->unknown[SQL_XA], 9, "denied");
	STANDBY->is_denied[SQL_XA] = true;
}
BREAK(disk)
{
	snprintf(STANDBY->extra.disk, 9, "full");
}
BREAK(semi_sync_waits)
{
	ACTIVE->extra.is_semi_sync = true, ACTIVE->extra.semi_sync_waiting = 2;
}
BREAK(semi_sync_fell_back)
{
	ACTIVE->is_semi_sync_asked = true;
}
BREAK(no_room)
{
	ACTIVE->view->sessions = 152;
}
BREAK(older)
{
	snprintf(STANDBY->view->version, 64, "10.11.6-MariaDB");
}
BREAK(other_kind)
{
	STANDBY->view->kind = SERVER_MYSQL;
}
BREAK(same_id)
{
	STANDBY->server_id = 1;
}
BREAK(same_uuid)
{
	snprintf(STANDBY->view->server_id, 64, "%s", UUID3);
}
BREAK(no_binlog)
{
	ACTIVE->has_binlog = false;
}
BREAK(statements)
{
	snprintf(ACTIVE->binlog_format, 16, "STATEMENT");
}
BREAK(no_updates)
{
	ACTIVE->logs_replica_updates = false;
}
BREAK(gtid_mode)
{
	ACTIVE->has_gtids = false;
}
BREAK(by_file)
{
	free(STANDBY->view->sources[0].gtid_received);
	STANDBY->view->sources[0].gtid_received = NULL;
}
BREAK(increment)
{
	STANDBY->auto_increment = ACTIVE->auto_increment = 1;
}
BREAK(offset)
{
	STANDBY->auto_offset = 1;
}
BREAK(sync_binlog)
{
	STANDBY->sync_binlog = 0;
}
BREAK(flush)
{
	STANDBY->flush_at_commit = 2;
}
BREAK(retries)
{
	STANDBY->sources[0].retries = 10;
}
BREAK(no_super)
{
	STANDBY->view->is_super_read_only = false;
}
BREAK(writable_at_start)
{
	ACTIVE->extra.starts_writable = true;
}
BREAK(restart_denied)
{
	ACTIVE->extra.is_restart_known = false;
}
BREAK(replicates_at_start)
{
	ACTIVE->extra.starts_replicating = true;
}

BREAK(interrupted)
{
	snprintf(f->unfinished, sizeof(f->unfinished), "01JD2K4V9Q");
}
BREAK(no_past)
{
	snprintf(f->past_error, sizeof(f->past_error), "the answer is larger than 32 MB");
}
BREAK(under_way)
{
	interrupted(f), f->is_unfinished_held = true;
}

static void
add(struct sql_accounts *a, const char *user, const char *host)
{
	a->list = mem_grow(a->list, a->count + 1, sizeof(*a->list));
	a->list[a->count] = (struct sql_account){ .sessions = 1, .session_id = 8812 };
	snprintf(a->list[a->count].user, 128, "%s", user);
	snprintf(a->list[a->count].host, 256, "%s", host);
	snprintf(a->list[a->count++].privilege, 64, "READ_ONLY ADMIN");
}

BREAK(strong_account)
{
	add(&ACTIVE->accounts, "shop", "%");
}
BREAK(strong_session)
{
	strong_account(f), add(&ACTIVE->sessions, "shop", "10.0.1.7");
}
BREAK(no_accounts)
{
	snprintf(ACTIVE->unknown[SQL_ACCOUNTS], 10, "timed out");
}
BREAK(denied_accounts)
{
	snprintf(ACTIVE->unknown[SQL_ACCOUNTS], 9, "denied");
	ACTIVE->is_denied[SQL_ACCOUNTS] = true;
}
BREAK(local_root)
{
	add(&ACTIVE->accounts, "root", "localhost"), add(&ACTIVE->sessions, "root", "localhost");
}
BREAK(busy_root)
{
	local_root(f);
	ACTIVE->sessions.list[0].work_id = 4711, ACTIVE->sessions.list[0].work_ago_s = 3;
	snprintf(ACTIVE->sessions.list[0].schema, 128, "game");
}
BREAK(poor)
{
	set(&STANDBY->privileges, ",PROCESS,SLAVE MONITOR,");
}

BREAK(redis_two)
{
	f->servers[1].redis->view->is_writable = true;
}
BREAK(redis_none)
{
	f->servers[0].redis->view->is_writable = false;
}
BREAK(redis_link)
{
	f->servers[1].redis->view->sources[0].is_io_running = false;
}
BREAK(redis_elsewhere)
{
	f->servers[1].redis->view->sources[0].source_port = 1;
}
BREAK(redis_silent)
{
	f->servers[1].redis->view->sources[0].lag_s = 11;
}
BREAK(redis_sentinel)
{
	f->servers[0].redis->sentinel_clients = 2;
}
BREAK(redis_writable_replica)
{
	f->servers[0].redis->is_read_only_replica = 0;
}
BREAK(redis_no_password)
{
	f->servers[1].redis->has_masterauth = 1;
	f->servers[0].redis->has_masterauth = 0;
}
BREAK(redis_no_list)
{
	f->servers[0].redis->sentinel_clients = -1;
}
BREAK(redis_min)
{
	f->servers[0].redis->min_replicas = 1;
}
BREAK(redis_no_config)
{
	f->servers[0].redis->min_replicas = -1;
}
BREAK(redis_older)
{
	snprintf(f->servers[1].redis->view->version, 64, "6.2.0");
}
BREAK(daemon_stopped)
{
	f->servers[0].is_running = false;
}
BREAK(daemon_twice)
{
	f->servers[1].is_running = true;
}

/* clang-format off */
static const struct {
	const char *kind, *rule;
	enum preflight_level level;
	const char *words;
	void (*breaks)(struct preflight_facts *f);
} cases[] = {
	{ "mariadb", "consul", PREFLIGHT_REFUSED, "no leader", no_kv },
	{ "mariadb", "name", PREFLIGHT_UNKNOWN, "the KV cannot be read", no_kv },
	{ "mariadb", "hold", PREFLIGHT_UNKNOWN, "the KV cannot be read", no_kv },
	{ "mariadb", "consul", PREFLIGHT_REFUSED, "no session", no_session },
	{ "mariadb", "name", PREFLIGHT_REFUSED, "there is no name maindb", no_name },
	{ "mariadb", "name", PREFLIGHT_REFUSED, "neither db3 nor db4", name_elsewhere },
	{ "mariadb", "hold", PREFLIGHT_REFUSED, "ola: restore", held },
	{ "mariadb", "agents", PREFLIGHT_REFUSED, "web-2 is not alive", agent_dead },
	{ "mariadb", "agents", PREFLIGHT_REFUSED, "does not serve generation 8812", agent_behind },
	{ "mariadb", "agents", PREFLIGHT_WARNING, "no agents", no_agents },
	{ "mariadb", "operation", PREFLIGHT_REFUSED, "01JD2K4V9Q was interrupted", interrupted },
	{ "redis", "operation", PREFLIGHT_REFUSED, "01JD2K4V9Q is under way", under_way },
	{ "mariadb", "operation", PREFLIGHT_UNKNOWN, "the KV cannot be read", no_kv },
	{ "mariadb", "operation", PREFLIGHT_UNKNOWN, "cannot be read: the answer is larger", no_past },
	{ "mariadb", "rehearsal", PREFLIGHT_UNKNOWN, "no journal can be read", no_past },
	{ "mariadb", "rehearsal", PREFLIGHT_UNKNOWN, "the KV cannot be read", no_kv },
	{ "mariadb", "servers", PREFLIGHT_REFUSED, "db4 cannot be asked", standby_gone },
	{ "mariadb", "lag", PREFLIGHT_UNKNOWN, "db4: it was not reached", standby_gone },
	{ "mariadb", "writer", PREFLIGHT_REFUSED, "both are writable", two_writers },
	{ "mariadb", "writer", PREFLIGHT_REFUSED, "neither db3 nor db4", no_writer },
	{ "mariadb", "writer", PREFLIGHT_REFUSED, "db4 is writable, but maindb = db3", wrong_writer },
	{ "mariadb", "replication", PREFLIGHT_REFUSED, "SQL thread is stopped, error 1062", sql_stopped },
	{ "mariadb", "replication", PREFLIGHT_REFUSED, "db4: the IO thread", io_stopped },
	{ "mariadb", "replication", PREFLIGHT_REFUSED, "db3: the IO thread", no_way_back },
	{ "mariadb", "replication", PREFLIGHT_WARNING, "with an error", with_error },
	{ "mariadb", "replication", PREFLIGHT_REFUSED, "db4 does not replicate from db3", follows_another },
	{ "mariadb", "lag", PREFLIGHT_REFUSED, "10.5 s behind (max-lag 10s)", lag },
	{ "mariadb", "lag", PREFLIGHT_WARNING, "db3 is 10.5 s behind", lag_back },
	{ "mariadb", "lag", PREFLIGHT_UNKNOWN, "tells no lag", no_lag },
	{ "mariadb", "catch-up", PREFLIGHT_REFUSED, "lacks 20 transactions", behind },
	{ "mysql", "catch-up", PREFLIGHT_REFUSED, "lacks 20 transactions", behind_mysql },
	{ "mariadb", "catch-up", PREFLIGHT_UNKNOWN, "db4: denied", no_gtids_seen },
	{ "mariadb", "errant transactions", PREFLIGHT_REFUSED, "db4 has transactions that db3", errant },
	{ "mysql", "errant transactions", PREFLIGHT_REFUSED, UUID4 ":9", errant_mysql },
	{ "mariadb", "errant transactions", PREFLIGHT_UNKNOWN, "cannot be read", errant_nonsense },
	{ "mariadb", "long write", PREFLIGHT_REFUSED, "for 34 s (limit 10s)", long_write },
	{ "mariadb", "long write", PREFLIGHT_UNKNOWN, "does not see", no_process },
	{ "mariadb", "xa", PREFLIGHT_REFUSED, "db4: 1 prepared XA transaction", xa },
	{ "mysql", "xa", PREFLIGHT_WARNING, "denied", xa_denied },
	{ "mariadb", "disk", PREFLIGHT_REFUSED, "db4: its disk is full", disk },
	{ "mariadb", "semi-sync", PREFLIGHT_WARNING, "2 commits wait", semi_sync_waits },
	{ "mariadb", "semi-sync", PREFLIGHT_WARNING, "not in force", semi_sync_fell_back },
	{ "mariadb", "room", PREFLIGHT_WARNING, "db4 takes 151 sessions, db3 has 152", no_room },
	{ "mariadb", "versions", PREFLIGHT_WARNING, "older than", older },
	{ "mariadb", "versions", PREFLIGHT_REFUSED, "db4 a mysql", other_kind },
	{ "mariadb", "server ids", PREFLIGHT_REFUSED, "server_id 1", same_id },
	{ "mysql", "server ids", PREFLIGHT_REFUSED, "server_uuid", same_uuid },
	{ "mariadb", "binary log", PREFLIGHT_REFUSED, "no binary log", no_binlog },
	{ "mariadb", "binary log", PREFLIGHT_WARNING, "STATEMENT", statements },
	{ "mariadb", "binary log", PREFLIGHT_WARNING, "log_replica_updates is off", no_updates },
	{ "mysql", "gtids", PREFLIGHT_REFUSED, "gtid_mode is off", gtid_mode },
	{ "mariadb", "gtids", PREFLIGHT_REFUSED, "db4 follows by file", by_file },
	{ "mariadb", "auto_increment", PREFLIGHT_WARNING, "from 1 by 1", increment },
	{ "mariadb", "auto_increment", PREFLIGHT_WARNING, "db4 from 1 by 2", offset },
	{ "mariadb", "durability", PREFLIGHT_WARNING, "sync_binlog = 0", sync_binlog },
	{ "mariadb", "durability", PREFLIGHT_WARNING, "commit = 2", flush },
	{ "mysql", "retries", PREFLIGHT_WARNING, "after 10 attempts", retries },
	{ "mysql", "super_read_only", PREFLIGHT_WARNING, "without super_read_only", no_super },
	{ "mariadb", "restart", PREFLIGHT_WARNING, "db3, started anew", writable_at_start },
	{ "mysql", "restart", PREFLIGHT_WARNING, "db3, started anew", replicates_at_start },
	{ "mysql", "restart", PREFLIGHT_WARNING, "db3: it does not tell", restart_denied },
	{ "mariadb", "accounts", PREFLIGHT_WARNING, "shop@% (READ_ONLY ADMIN)", strong_account },
	{ "mariadb", "accounts", PREFLIGHT_UNKNOWN, "timed out", no_accounts },
	{ "mariadb", "accounts", PREFLIGHT_WARNING, "not known: db3: denied", denied_accounts },
	{ "mariadb", "sessions", PREFLIGHT_REFUSED, "shop is there from 10.0.1.7", strong_session },
	{ "mysql", "sessions", PREFLIGHT_WARNING, "shop is there from 10.0.1.7", strong_session },
	{ "mariadb", "accounts", PREFLIGHT_OK, "only administrators", local_root },
	{ "mariadb", "sessions", PREFLIGHT_OK, "nobody is at work", local_root },
	{ "mariadb", "sessions", PREFLIGHT_WARNING,
	    "root@localhost is at work there with READ_ONLY ADMIN, in schema game, idle for 3s "
	    "(thread 4711)",
	    busy_root },
	{ "mysql", "sessions", PREFLIGHT_OK, "nobody is at work", busy_root },
	{ "mariadb", "privileges", PREFLIGHT_REFUSED, "lacks BINLOG MONITOR, READ_ONLY ADMIN", poor },
	{ "redis", "writer", PREFLIGHT_REFUSED, "both are masters", redis_two },
	{ "redis", "writer", PREFLIGHT_REFUSED, "neither", redis_none },
	{ "redis", "link", PREFLIGHT_REFUSED, "link to db3 is down", redis_link },
	{ "redis", "link", PREFLIGHT_REFUSED, "which is not db3", redis_elsewhere },
	{ "redis", "offset", PREFLIGHT_REFUSED, "for 11 s", redis_silent },
	{ "redis", "sentinel", PREFLIGHT_REFUSED, "db3 is watched", redis_sentinel },
	{ "redis", "replica-read-only", PREFLIGHT_REFUSED, "db3: replica-read-only is no",
	    redis_writable_replica },
	{ "redis", "masterauth", PREFLIGHT_REFUSED, "db4 has masterauth, db3 has none",
	    redis_no_password },
	{ "redis", "sentinel", PREFLIGHT_UNKNOWN, "CLIENT LIST", redis_no_list },
	{ "redis", "min-replicas", PREFLIGHT_WARNING, "min-replicas-to-write is 1", redis_min },
	{ "redis", "min-replicas", PREFLIGHT_UNKNOWN, "CONFIG GET", redis_no_config },
	{ "redis", "versions", PREFLIGHT_WARNING, "6.2.0, older", redis_older },
	{ "redis", "offset", PREFLIGHT_UNKNOWN, "not reached", standby_gone },
	{ "daemon", "status", PREFLIGHT_REFUSED, "db3, the active", daemon_stopped },
	{ "daemon", "status", PREFLIGHT_REFUSED, "db4, the standby, runs", daemon_twice },
};
/* clang-format on */

/* --- the tests ------------------------------------------------------------------------------------- */

static void
test_healthy(void **state)
{
	static const char *const kinds[] = { "mariadb", "mysql", "redis", "daemon" };

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(kinds); i++) {
		struct preflight_facts f;
		struct preflight p = { .list = NULL };

		make(&f, kinds[i]);
		preflight_judge(&f, &p);
		for (size_t k = 0; k < p.count; k++) {
			if (p.list[k].level != PREFLIGHT_OK)
				fail_msg("%s: %s: %s", kinds[i], p.list[k].name, p.list[k].fact);
			assert_true(p.list[k].fact[0] != '\0');
		}
		assert_true(p.count >= 6);
		preflight_clear(&p);
		preflight_facts_clear(&f);
	}
}

/* The finding of the rule with these words; NULL. */
static const struct preflight_finding *
find(const struct preflight *p, const char *rule, enum preflight_level level, const char *words)
{
	for (size_t i = 0; i < p->count; i++) {
		const struct preflight_finding *one = &p->list[i];

		if (strcmp(one->name, rule) == 0 && one->level == level &&
		    strstr(one->fact, words) != NULL)
			return one;
	}
	return NULL;
}

static void
print_all(const struct preflight *p)
{
	for (size_t i = 0; i < p->count; i++)
		print_error("%s %s: %s\n", preflight_level_name(p->list[i].level), p->list[i].name,
		    p->list[i].fact);
}

/* Whoever reads what is not well learns why it matters and what to do. */
static void
assert_all_say_what_to_do(const struct preflight *p)
{
	for (size_t i = 0; i < p->count; i++) {
		const struct preflight_finding *one = &p->list[i];

		if (one->level != PREFLIGHT_OK && (one->why[0] == '\0' || one->todo[0] == '\0'))
			fail_msg("%s: \"%s\" with why \"%s\", do \"%s\"", one->name, one->fact,
			    one->why, one->todo);
	}
}

static void
test_each_is_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		const struct preflight_finding *one;
		struct preflight_facts f;
		struct preflight p = { .list = NULL };

		make(&f, cases[i].kind);
		cases[i].breaks(&f);
		preflight_judge(&f, &p);
		one = find(&p, cases[i].rule, cases[i].level, cases[i].words);
		if (one == NULL) {
			print_all(&p);
			fail_msg("case %zu: no %s of %s: %s", i,
			    preflight_level_name(cases[i].level), cases[i].rule, cases[i].words);
		}
		assert_all_say_what_to_do(&p);
		preflight_clear(&p);
		preflight_facts_clear(&f);
	}
}

/* Nobody is told to make one writable by hand while an operation will do it, and find two then. */
static void
test_no_writer_halfway(void **state)
{
	static const struct {
		const char *kind;
		void (*breaks)(struct preflight_facts *f);
	} pairs[] = { { "mariadb", no_writer }, { "redis", redis_none } };

	(void)state;
	for (size_t i = 0; i < 2 * MEM_COUNT(pairs); i++) {
		bool is_halfway = i % 2 == 1;
		struct preflight_facts f;
		struct preflight p = { .list = NULL };
		const struct preflight_finding *one;

		make(&f, pairs[i / 2].kind);
		pairs[i / 2].breaks(&f);
		if (is_halfway)
			interrupted(&f);
		preflight_judge(&f, &p);
		one = find(&p, "writer", PREFLIGHT_REFUSED, "neither");
		assert_non_null(one);
		assert_true(is_halfway == (strstr(one->todo, "end operation 01JD2K4V9Q") != NULL));
		preflight_clear(&p);
		preflight_facts_clear(&f);
	}
}

/* A rule of which no case shows that it can fail. */
static void
test_none_is_left_out(void **state)
{
	static const char *const kinds[] = { "mysql", "redis", "daemon" };

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(kinds); i++) {
		struct preflight_facts f;
		struct preflight p = { .list = NULL };

		make(&f, kinds[i]);
		preflight_judge(&f, &p);
		for (size_t k = 0; k < p.count; k++) {
			/* That one only tells. */
			bool is_seen = strcmp(p.list[k].name, "rehearsal") == 0;

			for (size_t c = 0; c < MEM_COUNT(cases); c++)
				is_seen |= strcmp(cases[c].rule, p.list[k].name) == 0 &&
					   cases[c].level >= PREFLIGHT_WARNING;
			if (!is_seen)
				fail_msg("no case lets %s fail", p.list[k].name);
		}
		preflight_clear(&p);
		preflight_facts_clear(&f);
	}
}

/* Nobody is reached, or nobody knows anything: every rule says so, and none falls over it. */
static void
test_nothing_is_known(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct preflight_facts f;
		struct preflight p = { .list = NULL };

		make(&f, "mariadb");
		no_kv(&f);
		for (size_t k = 0; k < 2; k++) {
			f.servers[k].is_reached = i == 1;
			for (size_t t = 0; i == 1 && t < SQL_TOPIC_COUNT; t++)
				snprintf(f.servers[k].sql->unknown[t], 9, "denied");
			if (i == 0) {
				sql_facts_free(f.servers[k].sql);
				f.servers[k].sql = NULL;
			}
		}
		preflight_judge(&f, &p);
		assert_true(preflight_count(&p, PREFLIGHT_UNKNOWN) > 15);
		assert_all_say_what_to_do(&p);
		preflight_clear(&p);
		preflight_facts_clear(&f);
	}
}

/* --- the active is dead ------------------------------------------------------------------------------ */

/* db3 does not answer, both vantages say so, and db4 has executed all it received. */
static void
make_dead(struct preflight_facts *f, const char *kind)
{
	make(f, kind);
	f->is_emergency = f->is_dead_seen = f->is_dead_confirmed = true;
	snprintf(f->dead_by, sizeof(f->dead_by), "web-1 and web-2 say so");
	f->servers[0].is_reached = f->servers[0].is_running = false;
	snprintf(f->servers[0].error, sizeof(f->servers[0].error), "timed out");
	for (size_t i = 0; i < 2; i++) {
		if (f->servers[i].sql != NULL)
			f->servers[i].sql->view->sources[0].behind = 0;
	}
	/* Its facts are not there. */
	sql_facts_free(f->servers[0].sql);
	f->servers[0].sql = NULL;
}

/* It answers: with what make() has of it. */
static void
make_alive(struct preflight_facts *f)
{
	struct preflight_facts living;

	make(&living, "mariadb");
	f->servers[0].is_reached = true;
	f->servers[0].sql = living.servers[0].sql;
	living.servers[0].sql = NULL;
	preflight_facts_clear(&living);
}

BREAK(unconfirmed)
{
	f->is_dead_confirmed = false;
	snprintf(f->dead_by, sizeof(f->dead_by), "web-1 alone says so");
}
BREAK(nobody_saw)
{
	f->is_dead_seen = f->is_dead_confirmed = false, f->dead_by[0] = '\0';
}
BREAK(named)
{
	nobody_saw(f), f->dead_word = "db3";
}
BREAK(named_standby)
{
	nobody_saw(f), f->dead_word = "db4";
}
BREAK(alive)
{
	make_alive(f);
}
BREAK(alive_and_named)
{
	make_alive(f), f->dead_word = "db3";
}
BREAK(read_only_again)
{
	make_alive(f), nobody_saw(f);
	f->servers[0].sql->view->is_writable = false;
}
BREAK(daemon_alive)
{
	f->servers[0].is_reached = f->servers[0].is_running = true;
}
BREAK(daemon_answers)
{
	f->servers[0].is_reached = true; /* its host does, and says that it is stopped */
}
BREAK(stuck)
{
	struct replication_view *r = &STANDBY->view->sources[0];

	r->is_sql_running = false, r->behind = 12;
	r->sql_errno = 1062;
	snprintf(r->sql_error, sizeof(r->sql_error), "Duplicate entry '88123'");
}
BREAK(stopped_and_drained)
{
	STANDBY->view->sources[0].is_sql_running = false;
}
BREAK(draining)
{
	STANDBY->view->sources[0].behind = 12;
}
BREAK(applier_stopped)
{
	STANDBY->view->sources[0].is_sql_running = false;
	STANDBY->view->sources[0].behind = 12;
}
BREAK(both_stopped)
{
	applier_stopped(f);
	STANDBY->view->sources[0].is_io_running = false;
}
BREAK(heir_sentinel)
{
	f->servers[1].redis->sentinel_clients = 2;
}
BREAK(connecting)
{
	both_stopped(f);
	STANDBY->view->sources[0].is_io_connecting = true;
}
BREAK(stuck_and_stopped)
{
	stuck(f);
	STANDBY->view->sources[0].is_io_running = false;
}
BREAK(started_anew)
{
	both_stopped(f);
	STANDBY->view->sources[0].behind = 0;
}
BREAK(lost_known)
{
	snprintf(f->lost, sizeof(f->lost), "3 transactions that db4 has not received");
}

/* clang-format off */
static const struct {
	const char *kind, *rule;
	enum preflight_level level;
	const char *words, *todo;
	void (*breaks)(struct preflight_facts *f);
	bool may_go;
} emergencies[] = {
	{ "mariadb", "dead", PREFLIGHT_OK, "db3 is down: web-1 and web-2 say so", "", NULL, true },
	{ "mysql", "standby", PREFLIGHT_OK, "db4 answers, and can take over", "", NULL, true },
	{ "redis", "dead", PREFLIGHT_OK, "db3 is down", "", NULL, true },
	{ "daemon", "dead", PREFLIGHT_OK, "db3 is down", "", NULL, true },
	{ "mariadb", "dead", PREFLIGHT_WARNING, "db3 is down: web-1 alone", "its console, its power",
	    unconfirmed, true },
	{ "mariadb", "dead", PREFLIGHT_REFUSED, "nobody has confirmed that db3 is dead",
	    "--emergency --dead db3", nobody_saw, false },
	{ "mariadb", "dead", PREFLIGHT_OK, "db3 is dead: you say so", "", named, true },
	{ "mariadb", "dead", PREFLIGHT_REFUSED, "nobody has confirmed that db3 is dead",
	    "--dead db3", named_standby, false },
	/* Whatever the vantages say. */
	{ "mariadb", "dead", PREFLIGHT_REFUSED, "db3 answers, and takes writes",
	    "pointsman failover maindb", alive, false },
	{ "mariadb", "dead", PREFLIGHT_WARNING, "db3 answers, and you say that it is dead",
	    "fence-command", alive_and_named, true },
	{ "mariadb", "dead", PREFLIGHT_REFUSED, "db3 answers, and takes no writes", "--dead db3",
	    read_only_again, false },
	{ "daemon", "dead", PREFLIGHT_REFUSED, "db3 answers, and works", "--dead db3", daemon_alive,
	    false },
	{ "daemon", "dead", PREFLIGHT_OK, "db3 is down", "", daemon_answers, true },
	{ "mariadb", "standby", PREFLIGHT_REFUSED, "db4 cannot be asked", "pointsman check maindb/db4",
	    standby_gone, false },
	{ "mariadb", "standby", PREFLIGHT_REFUSED,
	    "db4 has 12 transactions that it received and cannot execute: error 1062: Duplicate entry '88123'",
	    "man pointsman-runbook", stuck, false },
	{ "mariadb", "standby", PREFLIGHT_OK, "can take over", "", stopped_and_drained, true },
	{ "mariadb", "standby", PREFLIGHT_OK, "can take over", "", draining, true },
	{ "mariadb", "standby", PREFLIGHT_REFUSED, "12 received transactions left to execute",
	    "START SLAVE SQL_THREAD on db4", applier_stopped, false },
	{ "mysql", "standby", PREFLIGHT_REFUSED, "12 received transactions left to execute",
	    "START REPLICA SQL_THREAD on db4", both_stopped, false },
	{ "mariadb", "standby", PREFLIGHT_REFUSED, "12 received transactions left to execute",
	    "do not start its replication", both_stopped, false },
	{ "mariadb", "standby", PREFLIGHT_REFUSED, "12 received transactions left to execute",
	    "START SLAVE SQL_THREAD on db4", connecting, false },
	{ "mariadb", "standby", PREFLIGHT_REFUSED, "cannot execute: error 1062",
	    "do not start its replication", stuck_and_stopped, false },
	{ "mariadb", "standby", PREFLIGHT_WARNING, "db4 does not tell whether its relay log holds",
	    "Received, not executed", started_anew, true },
	{ "mysql", "standby", PREFLIGHT_OK, "can take over", "", started_anew, true },
	{ "mariadb", "standby", PREFLIGHT_WARNING, "db4 takes writes already", "", two_writers, true },
	{ "redis", "sentinel", PREFLIGHT_REFUSED, "db4 is watched by Sentinels", "SENTINEL REMOVE",
	    heir_sentinel, false },
	{ "redis", "sentinel", PREFLIGHT_OK, "no Sentinel is known", "", NULL, true },
	{ "mariadb", "loss", PREFLIGHT_WARNING, "is not known: no vantage saw it fail",
	    "pointsman rejoin maindb", NULL, true },
	{ "redis", "loss", PREFLIGHT_WARNING, "3 transactions that db4 has not received",
	    "pointsman rejoin maindb", lost_known, true },
	/* Of a planned failover these would refuse. */
	{ "mariadb", "agents", PREFLIGHT_WARNING, "web-2 is not alive", "drift --agent web-2",
	    agent_dead, true },
	{ "mariadb", "agents", PREFLIGHT_WARNING, "web-2 is behind", "drift --agent web-2",
	    agent_behind, true },
	{ "mariadb", "operation", PREFLIGHT_WARNING, "the answer is larger", "pointsman history", no_past,
	    true },
	{ "mariadb", "operation", PREFLIGHT_WARNING, "01JD2K4V9Q was interrupted",
	    "pointsman rollback 01JD2K4V9Q", interrupted, true },
	{ "mariadb", "operation", PREFLIGHT_WARNING, "01JD2K4V9Q is under way",
	    "pointsman history 01JD2K4V9Q", under_way, true },
	{ "mariadb", "consul", PREFLIGHT_REFUSED, "no leader", "raft list-peers", no_kv, false },
	{ "mariadb", "hold", PREFLIGHT_REFUSED, "ola: restore", "pointsman release", held, false },
};
/* clang-format on */

static void
test_emergencies(void **state)
{
	(void)state;
	for (size_t i = 0; i < MEM_COUNT(emergencies); i++) {
		const struct preflight_finding *one;
		struct preflight_facts f;
		struct preflight p = { .list = NULL };
		bool may_go;

		make_dead(&f, emergencies[i].kind);
		if (emergencies[i].breaks != NULL)
			emergencies[i].breaks(&f);
		preflight_judge(&f, &p);
		one = find(&p, emergencies[i].rule, emergencies[i].level, emergencies[i].words);
		may_go = preflight_count(&p, PREFLIGHT_REFUSED) +
			     preflight_count(&p, PREFLIGHT_UNKNOWN) ==
			 0;
		if (one == NULL || strstr(one->todo, emergencies[i].todo) == NULL ||
		    may_go != emergencies[i].may_go) {
			print_all(&p);
			fail_msg("emergency %zu: %s, may go %d", i, emergencies[i].words, may_go);
		}
		assert_all_say_what_to_do(&p);
		preflight_clear(&p);
		preflight_facts_clear(&f);
	}
}

/* What is fine has its fact, too: how long ago a way was gone that worked. */
static void
test_rehearsal(void **state)
{
	static const struct {
		int64_t ago_s;
		const char *words;
	} seen[] = { { -1, "never rehearsed: pointsman failover maindb --rehearse" },
		{ 0, "rehearsed, or done, 0ms ago" }, { 7200, "rehearsed, or done, 2h00m ago" } };

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(seen); i++) {
		struct preflight_facts f;
		struct preflight p = { .list = NULL };

		make(&f, "mariadb");
		f.rehearsed_ago_s = seen[i].ago_s;
		preflight_judge(&f, &p);
		if (find(&p, "rehearsal", PREFLIGHT_OK, seen[i].words) == NULL) {
			print_all(&p);
			fail_msg("not said: %s", seen[i].words);
		}
		preflight_clear(&p);
		preflight_facts_clear(&f);
	}
}

/* --- the reading of rows --------------------------------------------------------------------------- */

static void
read_rows(enum sql_topic topic, struct sql_facts *f, const char *const *names, size_t columns,
    const char *const *cells, size_t count)
{
	struct rows rows = { .row_count = 0 };
	unsigned long lengths[4];
	const struct sql_question *q = sql_question_gtids();

	rows_set_columns(&rows, names, columns);
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < columns; k++)
			lengths[k] = strlen(cells[i * columns + k]);
		rows_add(&rows, cells + i * columns, lengths);
	}
	for (size_t i = 0; q->topic != topic; i++)
		q = sql_question_at(i);
	q->read(&rows, f);
	rows_clear(&rows);
}

static void
test_grants(void **state)
{
	const char *const names[] = { "Grants for x" };
	const char *const cells[] = {
		"GRANT PROCESS, BINLOG MONITOR, SLAVE MONITOR ON *.* TO `x`@`%` IDENTIFIED BY ''",
		"GRANT SUPER, EVENT ON `game`.* TO `x`@`%`"
	};
	struct sql_facts *f = sql_facts_new(SERVER_MARIADB, "10.11.19-MariaDB");

	(void)state;
	read_rows(SQL_PRIVILEGES, f, names, 1, cells, 2);
	assert_true(sql_facts_may(f, "PROCESS"));
	assert_true(sql_facts_may(f, "SLAVE MONITOR"));
	assert_false(sql_facts_may(f, "MONITOR"));
	assert_false(sql_facts_may(f, "SUPER")); /* of one schema only */
	sql_facts_free(f);
}

static void
test_accounts(void **state)
{
	const char *const names[] = { "grantee", "privilege", "me" };
	const char *const cells[] = { "'root'@'localhost'", "SUPER", "pm@%", "'pm'@'%'",
		"READ_ONLY ADMIN", "pm@%", "'shop'@'10.%'", "READ_ONLY ADMIN", "pm@%",
		"'mariadb.sys'@'localhost'", "READ_ONLY ADMIN", "pm@%" };
	struct sql_facts *f = sql_facts_new(SERVER_MARIADB, "10.11.19-MariaDB");

	(void)state;
	read_rows(SQL_ACCOUNTS, f, names, 3, cells, 4);
	assert_int_equal(f->accounts.count, 1); /* SUPER does not write under read_only any more */
	assert_string_equal(f->accounts.list[0].user, "shop");
	assert_string_equal(f->accounts.list[0].host, "10.%");
	assert_string_equal(f->unknown[SQL_ACCOUNTS], "");
	sql_facts_free(f);
	f = sql_facts_new(SERVER_MARIADB, "10.6.12-MariaDB");
	read_rows(SQL_ACCOUNTS, f, names, 3, cells, 4);
	assert_int_equal(f->accounts.count, 2);
	sql_facts_free(f);
	f = sql_facts_new(SERVER_MARIADB, "10.11.19-MariaDB");
	read_rows(SQL_ACCOUNTS, f, names, 3, cells + 3, 1);
	assert_string_not_equal(f->unknown[SQL_ACCOUNTS], ""); /* it sees but itself */
	sql_facts_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_healthy),
		cmocka_unit_test(test_each_is_found),
		cmocka_unit_test(test_no_writer_halfway),
		cmocka_unit_test(test_none_is_left_out),
		cmocka_unit_test(test_nothing_is_known),
		cmocka_unit_test(test_emergencies),
		cmocka_unit_test(test_rehearsal),
		cmocka_unit_test(test_grants),
		cmocka_unit_test(test_accounts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
