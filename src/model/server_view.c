/* server_view.c: the memory of a view, and what is not known in it. */
#include "model/server_view.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

const char *
server_kind_name(enum server_kind k)
{
	static const char *const names[] = {
		[SERVER_MARIADB] = "mariadb",
		[SERVER_MYSQL] = "mysql",
		[SERVER_REDIS] = "redis",
		[SERVER_DAEMON] = "daemon",
	};

	return (size_t)k < MEM_COUNT(names) ? names[k] : "unknown";
}

struct server_view *
server_view_new(enum server_kind kind)
{
	struct server_view *v = mem_alloc(sizeof(*v));

	v->kind = kind;
	v->longest_write_s = NAN;
	return v;
}

void
server_view_free(struct server_view *v)
{
	if (v == NULL)
		return;
	for (size_t i = 0; i < v->source_count; i++)
		free(v->sources[i].gtid_received);
	free(v->sources);
	free(v->gtid_executed);
	free(v);
}

struct replication_view *
server_view_source(struct server_view *v)
{
	struct replication_view *r;

	v->sources = mem_grow(v->sources, v->source_count + 1, sizeof(*v->sources));
	r = &v->sources[v->source_count++];
	memset(r, 0, sizeof(*r));
	r->lag_s = NAN;
	r->behind = NAN;
	return r;
}

bool
replication_is_stopped(const struct replication_view *r)
{
	return !r->is_io_running && !r->is_io_connecting && !r->is_sql_running;
}

bool
replication_start_empties(enum server_kind kind, const struct replication_view *r)
{
	return kind == SERVER_MARIADB && replication_is_stopped(r) && r->behind > 0;
}

char *
replication_say_left(char out[REPLICATION_LEFT_SIZE], const struct replication_view *r)
{
	if (r->sql_errno != 0)
		snprintf(out, REPLICATION_LEFT_SIZE,
		    "has %.0f transactions that it received and cannot execute: error %d: %.200s",
		    r->behind, r->sql_errno, r->sql_error);
	else
		snprintf(out, REPLICATION_LEFT_SIZE,
		    "has %.0f received transactions left to execute, and its SQL thread is stopped",
		    r->behind);
	return out;
}
