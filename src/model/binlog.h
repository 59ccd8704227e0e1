/*
 * binlog.h: the events of a binary log, as both servers write them since 5.1: what each of them is, where
 * a transaction begins, and which GTID it has. Pure; the bytes come from a server and are not believed.
 */
#ifndef MODEL_BINLOG_H
#define MODEL_BINLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/gtid.h"

#define BINLOG_MAGIC "\xfe\x62in" /* the first bytes of a file */
#define BINLOG_MAGIC_SIZE 4
#define BINLOG_HEADER_SIZE 19

/* Those that we tell apart; the numbers are the servers'. */
enum binlog_type {
	BINLOG_QUERY = 2,
	BINLOG_STOP = 3,
	BINLOG_ROTATE = 4,
	BINLOG_FORMAT = 15,
	BINLOG_TABLE_MAP = 19,
	BINLOG_HEARTBEAT = 27,
	BINLOG_MYSQL_GTID = 33,
	BINLOG_MYSQL_ANONYMOUS = 34,
	BINLOG_MYSQL_PREVIOUS = 35,
	BINLOG_MYSQL_PAYLOAD = 40, /* a compressed transaction */
	BINLOG_MYSQL_HEARTBEAT = 41,
	BINLOG_MYSQL_TAGGED_GTID = 42,
	BINLOG_MARIADB_CHECKPOINT = 161,
	BINLOG_MARIADB_GTID = 162,
	BINLOG_MARIADB_LIST = 163,
	BINLOG_MARIADB_ENCRYPTION = 164,
	BINLOG_MARIADB_QUERY_COMPRESSED = 165,
};

/* Points into the bytes. */
struct binlog_event {
	const uint8_t *bytes; /* all of it, as it stands in the file */
	size_t len;
	const uint8_t *body; /* without the header and the checksum */
	size_t body_len;
	uint32_t time_s, server_id;
	uint8_t type;
};

/* Starts all zero, at the beginning of a file or of a stream. */
struct binlog_reader {
	bool
	    has_format; /* a format description was seen; before it only its own kind can be read */
	bool has_checksum;
};

/* How long the event is that begins with these BINLOG_HEADER_SIZE bytes; 0: it is none. */
size_t binlog_event_size(const uint8_t *header);

/* bytes is one whole event. 0, or -1 (ERR_PROTOCOL) with out untouched. */
int binlog_read(struct binlog_reader *r, const uint8_t *bytes, size_t len, struct binlog_event *out,
    struct err *e);

enum binlog_part {
	BINLOG_PART_BEGIN,   /* a transaction begins: it has a GTID, or is anonymous */
	BINLOG_PART_INSIDE,  /* belongs to the transaction before it */
	BINLOG_PART_OUTSIDE, /* of the file itself; ends a transaction */
};
enum binlog_part binlog_part(const struct binlog_event *event);

struct binlog_gtid {
	char source[GTID_SOURCE_SIZE]; /* as in a gtid_set */
	uint64_t number;               /* 0: the transaction is anonymous */
};
#define BINLOG_GTID_SIZE (GTID_SOURCE_SIZE + 24)

/* Of a BINLOG_PART_BEGIN. 0, or -1 (ERR_PROTOCOL). */
int binlog_gtid(const struct binlog_event *event, struct binlog_gtid *out, struct err *e);
/* "0-1-123", "uuid:5", "uuid:tag:5"; returns out. */
char *binlog_gtid_format(char out[BINLOG_GTID_SIZE], const struct binlog_gtid *gtid);

/* --- numbers, little endian ----------------------------------------------------------------------- */

/* A piece of an event that is read from its beginning; what is not there is 0 and sets is_short. */
struct binlog_bytes {
	const uint8_t *at;
	size_t len;
	bool is_short;
};

uint64_t binlog_uint(struct binlog_bytes *b, size_t size);       /* of 1 to 8 bytes */
const uint8_t *binlog_skip(struct binlog_bytes *b, size_t size); /* what was skipped, or NULL */
uint64_t binlog_packed_uint(struct binlog_bytes *b); /* the protocol's: 1, 3, 4, 9 bytes */

#endif
