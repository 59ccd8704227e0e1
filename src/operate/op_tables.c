/* op_tables.c: the list of them. */
#include "operate/op_tables.h"

#include <string.h>

#include "base/mem.h"

static const struct op_table *const tables[] = {
	&op_failover_sql,
	&op_rehearse_sql,
	&op_emergency_sql,
	&op_rejoin_sql,
	&op_failover_redis,
	&op_rehearse_redis,
	&op_emergency_redis,
	&op_rejoin_redis,
	&op_failover_daemon,
	&op_rehearse_daemon,
	&op_emergency_daemon,
	&op_rejoin_daemon,
};

const struct op_table *
op_table_find(const char *kind, const char *pair_kind)
{
	for (size_t i = 0; i < MEM_COUNT(tables); i++) {
		if (strcmp(tables[i]->kind, kind) == 0 &&
		    strcmp(tables[i]->pair_kind, pair_kind) == 0)
			return tables[i];
	}
	return NULL;
}
