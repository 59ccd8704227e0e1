/*
 * redis_view.c: INFO is "key:value" lines in sections; a table names those that we read. Redis 5 to 7,
 * Valkey and KeyDB have them all, older ones some: what is missing stays unknown and raises no alarm.
 *
 * A replica knows how far it applied what it has received, not how far its master is: INFO of the
 * replica alone cannot tell a lag in bytes. In time it can: a master says something every
 * repl-ping-replica-period (10 s unless told otherwise). So a replica that is linked has no lag until
 * its master was silent for longer than that; one that is not linked lags since it lost the link.
 *
 * A class that proposes a failover (check.c) is only used where a failover would help: not for a master
 * that refuses writes because its replica is gone or its memory is full, the same data being on both.
 */
#include "model/redis_view.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

#define PING_PERIOD_S 10 /* redis.conf, repl-ping-replica-period */
#define SILENCE_S 12     /* one period, late by a turn of its cron, read in whole seconds */

#define WORD(key, member) \
	{ \
		key, offsetof(struct redis_info, member), sizeof(((struct redis_info *)0)->member) \
	}
#define NUMBER(key, member) \
	{ \
		key, offsetof(struct redis_info, member), 0 \
	}

static const struct field {
	const char *key;
	size_t offset, size; /* size 0: an int64_t */
} fields[] = {
	WORD("redis_version", version),
	WORD("run_id", run_id),
	WORD("redis_mode", mode),
	WORD("role", role),
	NUMBER("connected_clients", clients),
	NUMBER("maxclients", max_clients),
	NUMBER("loading", loading),
	NUMBER("loading_eta_seconds", loading_eta_s),
	WORD("rdb_last_bgsave_status", bgsave_status),
	WORD("aof_last_write_status", aof_status),
	NUMBER("used_memory", used_memory),
	NUMBER("maxmemory", max_memory),
	WORD("maxmemory_policy", memory_policy),
	WORD("master_replid", replid),
	NUMBER("master_repl_offset", offset),
	WORD("master_replid2", replid2),
	NUMBER("second_repl_offset", second_offset),
	NUMBER("repl_backlog_first_byte_offset", backlog_first),
	NUMBER("repl_backlog_histlen", backlog_len),
	NUMBER("rdb_bgsave_in_progress", is_saving),
	NUMBER("min_slaves_good_slaves", good_replicas),
	NUMBER("connected_slaves", replicas),
	WORD("master_host", master_host),
	NUMBER("master_port", master_port),
	WORD("master_link_status", link),
	NUMBER("master_last_io_seconds_ago", silent_s),
	NUMBER("master_link_down_since_seconds", link_down_s),
	NUMBER("master_sync_in_progress", is_syncing),
	NUMBER("slave_read_repl_offset", received),
	NUMBER("slave_repl_offset", applied),
	NUMBER("slave_read_only", is_read_only),
};

/* -1 for what is no number, as for what is not there. */
static int64_t
parse_number(const char *text, size_t len)
{
	char digits[24];
	uint64_t number;

	if (len >= sizeof(digits))
		return -1;
	memcpy(digits, text, len);
	digits[len] = '\0';
	if (str_parse_u64(digits, &number) != 0 || number > INT64_MAX)
		return -1;
	return (int64_t)number;
}

static void
take_field(struct redis_info *info, const struct field *f, const char *value, size_t len)
{
	char *slot = (char *)info + f->offset;

	if (f->size > 0)
		str_printable(slot, f->size, value, len);
	else
		*(int64_t *)slot = parse_number(value, len);
}

/* A part of "ip=127.0.0.1,port=6380,state=online,offset=50,lag=0". */
static int64_t
part_number(const char *value, size_t len, const char *name)
{
	size_t name_len = strlen(name);

	while (len > 0) {
		const char *comma = memchr(value, ',', len);
		size_t part = comma != NULL ? (size_t)(comma - value) : len;

		if (part > name_len && memcmp(value, name, name_len) == 0)
			return parse_number(value + name_len, part - name_len);
		if (comma == NULL)
			break;
		value += part + 1;
		len -= part + 1;
	}
	return -1;
}

/* A master's replica: for the time being its offset stands in replica_behind. */
static void
take_replica(struct redis_info *info, const char *value, size_t len)
{
	int64_t offset = part_number(value, len, "offset=");
	int64_t lag = part_number(value, len, "lag=");

	if (offset >= 0 && (info->replica_behind < 0 || offset < info->replica_behind))
		info->replica_behind = offset;
	if (lag > info->replica_lag_s)
		info->replica_lag_s = lag;
}

/* "db0:keys=4,expires=0,avg_ttl=0": a database that is empty has no line. */
static void
take_keys(struct redis_info *info, const char *value, size_t len)
{
	int64_t keys = part_number(value, len, "keys=");

	if (keys > 0)
		info->keys += keys;
}

static void
take_line(struct redis_info *info, const char *line, size_t len)
{
	const char *colon = memchr(line, ':', len);
	size_t key = colon != NULL ? (size_t)(colon - line) : 0;

	if (colon == NULL)
		return;
	if (key > 5 && memcmp(line, "slave", 5) == 0 && isdigit((unsigned char)line[5])) {
		take_replica(info, colon + 1, len - key - 1);
		return;
	}
	if (key > 2 && memcmp(line, "db", 2) == 0 && isdigit((unsigned char)line[2])) {
		take_keys(info, colon + 1, len - key - 1);
		return;
	}
	for (size_t i = 0; i < MEM_COUNT(fields); i++) {
		if (strlen(fields[i].key) == key && memcmp(fields[i].key, line, key) == 0) {
			take_field(info, &fields[i], colon + 1, len - key - 1);
			return;
		}
	}
}

int
redis_info_parse(const char *text, size_t len, struct redis_info *out, struct err *e)
{
	struct redis_info info = { .replica_behind = -1, .replica_lag_s = -1 };

	for (size_t i = 0; i < MEM_COUNT(fields); i++) {
		if (fields[i].size == 0)
			*(int64_t *)((char *)&info + fields[i].offset) = -1;
	}
	while (len > 0) {
		const char *end = memchr(text, '\n', len);
		size_t line = end != NULL ? (size_t)(end - text) : len;
		size_t used = line + (end != NULL);

		if (line > 0 && text[line - 1] == '\r')
			line--;
		take_line(&info, text, line);
		text += used;
		len -= used;
	}
	if (info.version[0] == '\0')
		return err_set(e, ERR_PROTOCOL, "INFO does not say which Redis it is");
	if (info.replica_behind >= 0)
		info.replica_behind =
		    info.offset > info.replica_behind ? info.offset - info.replica_behind : 0;
	*out = info;
	return 0;
}

static bool
is_master(const struct redis_info *info)
{
	return strcmp(info->role, "master") == 0;
}

static bool
is_replica(const struct redis_info *info)
{
	return strcmp(info->role, "slave") == 0;
}

static bool
is_linked(const struct redis_info *info)
{
	return strcmp(info->link, "up") == 0;
}

/* NAN: not known. */
static double
lag_of(const struct redis_info *info)
{
	if (!is_linked(info))
		return info->link_down_s >= 0 ? (double)info->link_down_s : NAN;
	if (info->silent_s < 0)
		return NAN;
	return info->silent_s > SILENCE_S ? (double)info->silent_s : 0;
}

static int64_t
received_of(const struct redis_info *info)
{
	return info->received >= 0 ? info->received : info->applied; /* before 7.0 it tells one */
}

static void
add_source(struct server_view *v, const struct redis_info *info)
{
	struct replication_view *s = server_view_source(v);
	int64_t received = received_of(info);

	snprintf(s->source_host, sizeof(s->source_host), "%s", info->master_host);
	s->source_port =
	    info->master_port > 0 && info->master_port <= UINT16_MAX ? (int)info->master_port : 0;
	s->is_io_running = is_linked(info);
	s->is_io_connecting = !s->is_io_running;
	s->is_sql_running = s->is_io_running && info->loading != 1;
	s->lag_s = lag_of(info);
	if (received >= 0 && info->applied >= 0)
		s->behind = (double)(received - info->applied);
	s->received = received > 0 ? (uint64_t)received : 0;
	s->heartbeat_s = PING_PERIOD_S;
	if (received >= 0)
		s->gtid_received = mem_printf("%s:%" PRId64, info->replid, received);
}

struct server_view *
redis_view_new(const struct redis_info *info)
{
	struct server_view *v = server_view_new(SERVER_REDIS);
	int64_t executed = is_replica(info) ? info->applied : info->offset;

	snprintf(v->version, sizeof(v->version), "%s", info->version);
	snprintf(v->server_id, sizeof(v->server_id), "%s", info->run_id);
	v->is_read_only = is_replica(info) && info->is_read_only != 0;
	v->is_writable = is_master(info) || (is_replica(info) && !v->is_read_only);
	v->sessions = info->clients > 0 ? (uint64_t)info->clients : 0;
	v->session_limit = info->max_clients > 0 ? (uint64_t)info->max_clients : 0;
	if (info->replid[0] != '\0' && executed >= 0)
		v->gtid_executed = mem_printf("%s:%" PRId64, info->replid, executed);
	if (is_replica(info))
		add_source(v, info);
	return v;
}

/* --- what it means -------------------------------------------------------------------------------- */

static void
judge_master(struct check_result *r, const struct redis_info *info, enum check_role role)
{
	if (role == CHECK_ROLE_STANDBY)
		check_result_set(r, CHECK_ROLE, "is a master, must be a replica");
	else if (info->good_replicas == 0)
		check_result_set(r, CHECK_REPLICATION,
		    "refuses writes: min-replicas-to-write is set, and no replica is good");
	else if (info->max_memory > 0 && info->used_memory >= info->max_memory &&
		 strcmp(info->memory_policy, "noeviction") == 0)
		check_result_set(r, CHECK_VALUE,
		    "refuses writes: maxmemory (%" PRId64 " bytes) is used up, noeviction",
		    info->max_memory);
	else if (info->replicas > 0 && info->replica_behind >= 0)
		check_result_set(r, CHECK_OK,
		    "master, %" PRId64 " replica%s, the last %" PRId64 " bytes behind",
		    info->replicas, info->replicas == 1 ? "" : "s", info->replica_behind);
	else
		check_result_set(r, CHECK_OK, "master, %s",
		    info->replicas > 0 ? "its replicas are being filled" : "no replica");
}

static void
judge_replica(struct check_result *r, const struct redis_info *info, enum check_role role,
    int64_t max_lag_ms, const char *link_state)
{
	double lag = lag_of(info);
	char source[300];

	snprintf(source, sizeof(source), "%s:%" PRId64, info->master_host, info->master_port);
	if (role == CHECK_ROLE_ACTIVE)
		check_result_set(r, CHECK_ROLE, "is a replica of %s, must be a master", source);
	else if (role == CHECK_ROLE_STANDBY && info->is_read_only == 0)
		check_result_set(r, CHECK_ROLE,
		    "takes writes: replica-read-only is off (replica of %s)", source);
	else if (!is_linked(info) && info->link_down_s >= 0)
		check_result_set(r, CHECK_REPLICATION,
		    "the link to %s has been down for %" PRId64 " s (%s)", source,
		    info->link_down_s, link_state != NULL ? link_state : "down");
	else if (!is_linked(info))
		check_result_set(r, CHECK_REPLICATION, "no link to %s yet (%s)", source,
		    link_state != NULL ? link_state : "down");
	else if (max_lag_ms > 0 && !isnan(lag) && lag * 1000 > (double)max_lag_ms)
		check_result_set(
		    r, CHECK_LAG, "%s has said nothing for %.0f s, though linked", source, lag);
	else
		check_result_set(r, CHECK_OK, "replica of %s, linked", source);
}

static void
judge_loading(struct check_result *r, const struct redis_info *info, enum check_role role)
{
	char left[48] = "";

	if (info->loading_eta_s >= 0)
		snprintf(left, sizeof(left), ", about %" PRId64 " s left", info->loading_eta_s);
	check_result_set(r, role == CHECK_ROLE_STANDBY ? CHECK_REPLICATION : CHECK_READ_ONLY,
	    "serves nothing yet: it loads its data%s", left);
}

static void
add_numbers(struct check_result *r, const struct redis_info *info)
{
	const struct {
		const char *label, *unit;
		double value;
		bool is_known;
	} rows[] = {
		{ "sessions", "", (double)info->clients, info->clients >= 0 },
		{ "session_limit", "", (double)info->max_clients, info->max_clients >= 0 },
		{ "memory", "B", (double)info->used_memory, info->used_memory >= 0 },
		{ "replicas", "", (double)info->replicas, is_master(info) && info->replicas >= 0 },
		{ "replica_behind", "B", (double)info->replica_behind,
		    is_master(info) && info->replica_behind >= 0 },
		{ "replica_lag", "s", (double)info->replica_lag_s,
		    is_master(info) && info->replica_lag_s >= 0 },
		{ "lag", "s", lag_of(info), is_replica(info) && !isnan(lag_of(info)) },
		{ "silent", "s", (double)info->silent_s, is_replica(info) && info->silent_s >= 0 },
	};

	for (size_t i = 0; i < MEM_COUNT(rows); i++) {
		if (rows[i].is_known)
			check_result_number(
			    r, rows[i].label, rows[i].value, rows[i].unit, NULL, NULL);
	}
}

void
redis_view_judge(struct check_result *r, const struct redis_info *info, enum check_role role,
    int64_t max_lag_ms, const char *link_state)
{
	add_numbers(r, info);
	if (strcmp(info->mode, "sentinel") == 0)
		check_result_set(r, CHECK_PROTOCOL, "is a Sentinel, not a server with data");
	else if (info->loading == 1)
		judge_loading(r, info, role);
	else if (strcmp(info->aof_status, "err") == 0)
		check_result_set(
		    r, CHECK_DISK_FULL, "refuses writes: it cannot write its append-only file");
	else if (strcmp(info->bgsave_status, "err") == 0)
		check_result_set(r, CHECK_DISK_FULL,
		    "its last background save failed; a master refuses writes then "
		    "(stop-writes-on-bgsave-error)");
	else if (is_master(info))
		judge_master(r, info, role);
	else if (is_replica(info))
		judge_replica(r, info, role, max_lag_ms, link_state);
	else
		check_result_set(r, CHECK_PROTOCOL, "INFO tells no role that we know");
}

/* Redis' own words for why it does not do what it was asked. The first that fits. */
static const struct {
	const char *begin, *part; /* NULL: any */
	enum check_class class;
	const char *text;
} errors[] = {
	{ "NOAUTH", NULL, CHECK_AUTH, "wants a password" },
	{ "WRONGPASS", NULL, CHECK_AUTH, "refused user and password" },
	{ "NOPERM", NULL, CHECK_AUTH, "our account may not ask" },
	{ "DENIED", NULL, CHECK_AUTH, "is in protected mode" },
	{ "ERR", "invalid password", CHECK_AUTH, "refused the password" },
	{ "ERR", "without any password configured", CHECK_AUTH, "has no password, we have one" },
	{ "ERR", "operation not permitted", CHECK_AUTH, "wants a password" },
	{ "ERR", "max number of clients", CHECK_TOO_MANY, "has too many connections" },
	{ "LOADING", NULL, CHECK_READ_ONLY, "serves nothing yet: it loads its data" },
	{ "MASTERDOWN", NULL, CHECK_REPLICATION, "serves nothing: its link to the master is down" },
	{ "READONLY", NULL, CHECK_READ_ONLY, "is read-only" },
	{ "NOREPLICAS", NULL, CHECK_REPLICATION, "refuses writes: too few good replicas" },
	{ "MISCONF", NULL, CHECK_DISK_FULL, "refuses writes: it cannot save" },
	{ "OOM", NULL, CHECK_VALUE, "refuses writes: maxmemory is used up" },
	{ "BUSY", NULL, CHECK_TIMEOUT, "answers nobody: it is busy with a script" },
};

void
redis_view_error(struct check_result *r, const char *error)
{
	for (size_t i = 0; i < MEM_COUNT(errors); i++) {
		size_t n = strlen(errors[i].begin);

		if (strncmp(error, errors[i].begin, n) == 0 &&
		    (errors[i].part == NULL || strstr(error, errors[i].part) != NULL)) {
			check_result_set(r, errors[i].class, "%s (%s)", errors[i].text, error);
			return;
		}
	}
	check_result_set(r, CHECK_VALUE, "answered with an error: %s", error);
}
