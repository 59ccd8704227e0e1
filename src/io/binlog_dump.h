/*
 * binlog_dump.h: the binary log of a MariaDB or a MySQL as a replica gets it, event by event, by
 * libmariadb's replication API. It only reads.
 *
 * BLOCKS, each wait for at most BINLOG_DUMP_WAIT_S: for a child process that somebody else ends when it
 * takes too long (operate/errant_copy.h). The process must ignore SIGPIPE.
 *
 * The account needs REPLICATION SLAVE; on MariaDB BINLOG MONITOR, too.
 */
#ifndef IO_BINLOG_DUMP_H
#define IO_BINLOG_DUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/rows.h"

struct binlog_dump;
struct endpoint;
struct mysql_account;

#define BINLOG_DUMP_WAIT_S 30

/* Connects. NULL with e: as mysql_answer has it. */
struct binlog_dump *binlog_dump_new(
    const struct endpoint *address, const struct mysql_account *account, struct err *e);
void binlog_dump_free(struct binlog_dump *d); /* NULL is allowed */

bool binlog_dump_is_mariadb(const struct binlog_dump *d);
/* Before _start only. 0 with out, which is rows_clear()ed; -1. */
int binlog_dump_ask(struct binlog_dump *d, const char *sql, struct rows *out, struct err *e);

/* From the beginning of this file up to the end of the last one as it is then. Once. */
int binlog_dump_start(struct binlog_dump *d, const char *file, struct err *e);
/* 1 with an event that lives until the next call, 0 at the end, -1. */
int binlog_dump_next(struct binlog_dump *d, const uint8_t **event, size_t *len, struct err *e);

#endif
