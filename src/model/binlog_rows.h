/*
 * binlog_rows.h: how many rows of which table an event of the binary log holds. Pure. The values are only
 * stepped over: their meaning is for the servers' own tools.
 */
#ifndef MODEL_BINLOG_ROWS_H
#define MODEL_BINLOG_ROWS_H

#include "model/binlog.h"

enum binlog_change { BINLOG_INSERT, BINLOG_UPDATE, BINLOG_DELETE };

/* What a BINLOG_TABLE_MAP says; points into its event. */
struct binlog_table {
	uint64_t id; /* what the rows after it call it */
	const char *schema, *name;
	size_t schema_len, name_len;
	size_t column_count;
	const uint8_t *types;
	const uint8_t *sizes; /* as the event has them: of some types one or two bytes */
	size_t sizes_len;
};

/* 0, or -1 when it cannot be read. */
int binlog_table(const struct binlog_event *event, struct binlog_table *out);

/* Whether the event holds rows, and of which kind and table. */
bool binlog_is_rows(const struct binlog_event *event, enum binlog_change *change, uint64_t *table);

/* Rows changed (before and after are one); -1: cannot be counted (compressed, a part of a JSON, …). */
int64_t binlog_count_rows(const struct binlog_event *event, const struct binlog_table *table);

#endif
