/*
 * preflight_rules.h: for the preflight_*.c: the rules by name, and how one says what it found. A rule
 * says something in every case: what is fine has its fact, too.
 */
#ifndef MODEL_PREFLIGHT_RULES_H
#define MODEL_PREFLIGHT_RULES_H

#include "model/preflight.h"

typedef void preflight_rule_fn(const struct preflight_facts *f, struct preflight *out);

/* Begins a finding. Without _why and _do it has none. */
void preflight_say(struct preflight *out, enum preflight_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Of the finding begun last. */
void preflight_why(struct preflight *out, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void preflight_do(struct preflight *out, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

const struct preflight_server *preflight_active(const struct preflight_facts *f);
const struct preflight_server *preflight_standby(const struct preflight_facts *f);
/* Whether the rule at work has said something that is not fine. */
bool preflight_has_said(const struct preflight *out);
/* Reached, and (SQL) the topic was answered; else says that this is not known. */
bool preflight_is_reached(const struct preflight_server *s, struct preflight *out);
bool preflight_knows(const struct preflight_server *s, enum sql_topic topic, struct preflight *out);

/* preflight_kv.c */
preflight_rule_fn preflight_rule_consul, preflight_rule_name, preflight_rule_hold,
    preflight_rule_agents, preflight_rule_reached, preflight_rule_unfinished,
    preflight_rule_rehearsed;
/* preflight_emergency.c */
preflight_rule_fn preflight_rule_dead, preflight_rule_heir, preflight_rule_loss,
    preflight_rule_agents_told;
/* preflight_sql.c: as it is at this moment */
preflight_rule_fn preflight_rule_writer, preflight_rule_replication, preflight_rule_lag,
    preflight_rule_settle, preflight_rule_errant, preflight_rule_long_write, preflight_rule_xa,
    preflight_rule_disk, preflight_rule_room, preflight_rule_semi_sync;
/* preflight_settings.c: as it was set up */
preflight_rule_fn preflight_rule_versions, preflight_rule_server_ids, preflight_rule_binlog,
    preflight_rule_gtids, preflight_rule_auto_increment, preflight_rule_durability,
    preflight_rule_retries, preflight_rule_restart, preflight_rule_super_read_only;
/* preflight_accounts.c */
preflight_rule_fn preflight_rule_accounts, preflight_rule_sessions, preflight_rule_privileges;
/* preflight_other.c: Redis, daemons */
preflight_rule_fn preflight_rule_redis_writer, preflight_rule_redis_link,
    preflight_rule_redis_offset, preflight_rule_redis_sentinel, preflight_rule_redis_sentinel_heir,
    preflight_rule_redis_min_replicas, preflight_rule_redis_read_only,
    preflight_rule_redis_password, preflight_rule_redis_versions, preflight_rule_daemon;

#endif
