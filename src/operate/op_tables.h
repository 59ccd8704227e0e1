/* op_tables.h: every kind of operation. */
#ifndef OPERATE_OP_TABLES_H
#define OPERATE_OP_TABLES_H

#include "operate/op.h"

extern const struct op_table op_failover_sql, op_rehearse_sql;     /* failover_sql.c */
extern const struct op_table op_emergency_sql;                     /* emergency_sql.c */
extern const struct op_table op_rejoin_sql;                        /* rejoin_sql.c */
extern const struct op_table op_failover_redis, op_rehearse_redis; /* failover_redis.c */
extern const struct op_table op_emergency_redis;                   /* emergency_redis.c */
extern const struct op_table op_rejoin_redis;                      /* rejoin_redis.c */
extern const struct op_table op_failover_daemon, op_rehearse_daemon, op_emergency_daemon,
    op_rejoin_daemon; /* failover_daemon.c */

#endif
