/*
 * binlog.c: an event is a header of 19 bytes, a body, and since the format description says so four bytes
 * of a checksum. A transaction is a GTID's event and all up to the next one, or to what is of the file
 * itself (its end, a list of GTIDs, a checkpoint): both servers write transactions one after the other, and
 * never a second into the midst of the first.
 *
 * MySQL's tagged GTID (8.3) is the only event in another encoding ("mysql serialization"): numbers of one to
 * nine bytes, the length as trailing one-bits of the first; fields by number. Without a tag 9.7 still
 * writes the old event.
 */
#include "model/binlog.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CHECKSUM_SIZE 4
#define FORMAT_BODY_MIN 57 /* version 2, name 50, created 4, header length 1 */
#define FORMAT_VERSION 4
#define CHECKSUM_OFF 0
#define CHECKSUM_CRC32 1
#define UUID_SIZE 16
#define TAG_MAX 32 /* MySQL's Tag */

/* --- numbers -------------------------------------------------------------------------------------- */

const uint8_t *
binlog_skip(struct binlog_bytes *b, size_t size)
{
	const uint8_t *at = b->at;

	if (b->is_short || size > b->len) {
		b->is_short = true;
		return NULL;
	}
	b->at += size;
	b->len -= size;
	return at;
}

uint64_t
binlog_uint(struct binlog_bytes *b, size_t size)
{
	const uint8_t *at = binlog_skip(b, size);
	uint64_t value = 0;

	for (size_t i = 0; at != NULL && i < size; i++)
		value |= (uint64_t)at[i] << (8 * i);
	return value;
}

uint64_t
binlog_packed_uint(struct binlog_bytes *b)
{
	uint64_t first = binlog_uint(b, 1);

	switch (first) {
	case 252:
		return binlog_uint(b, 2);
	case 253:
		return binlog_uint(b, 3);
	case 254:
		return binlog_uint(b, 8);
	default:
		return first;
	}
}

/* A number of MySQL's serialization. */
static uint64_t
serial_uint(struct binlog_bytes *b)
{
	uint64_t value = binlog_uint(b, 1), rest;
	size_t extra = 0;

	while (extra < 8 && (value >> extra & 1) != 0)
		extra++;
	rest = binlog_uint(b, extra);
	if (extra == 8)
		return rest;
	return value >> (extra + 1) | (extra > 0 ? rest << (8 - extra - 1) : 0);
}

/* --- events --------------------------------------------------------------------------------------- */

size_t
binlog_event_size(const uint8_t *header)
{
	struct binlog_bytes b = { header + 9, 4, false };
	size_t size = (size_t)binlog_uint(&b, 4);

	return size >= BINLOG_HEADER_SIZE ? size : 0;
}

/* What a file says of itself. Its own event always has the room of a checksum at the end. */
static int
read_format(struct binlog_reader *r, struct binlog_event *event, struct err *e)
{
	struct binlog_bytes b = { event->body, event->body_len, false };
	uint64_t version = binlog_uint(&b, 2);
	uint8_t checksum;

	if (version != FORMAT_VERSION || event->body_len < FORMAT_BODY_MIN + 1 + CHECKSUM_SIZE ||
	    event->body[FORMAT_BODY_MIN - 1] != BINLOG_HEADER_SIZE)
		return err_set(e, ERR_PROTOCOL, "a binary log of a format that is not known here");
	event->body_len -= CHECKSUM_SIZE;
	checksum = event->body[event->body_len - 1];
	if (checksum != CHECKSUM_OFF && checksum != CHECKSUM_CRC32)
		return err_set(e, ERR_PROTOCOL, "a binary log with checksums of an unknown kind");
	r->has_format = true;
	r->has_checksum = checksum == CHECKSUM_CRC32;
	return 0;
}

int
binlog_read(struct binlog_reader *r, const uint8_t *bytes, size_t len, struct binlog_event *out,
    struct err *e)
{
	struct binlog_event event = { .bytes = bytes, .len = len };
	struct binlog_bytes b = { bytes, len, false };

	event.time_s = (uint32_t)binlog_uint(&b, 4);
	event.type = (uint8_t)binlog_uint(&b, 1);
	event.server_id = (uint32_t)binlog_uint(&b, 4);
	if (len < BINLOG_HEADER_SIZE || binlog_event_size(bytes) != len)
		return err_set(e, ERR_PROTOCOL, "an event that is cut short");
	event.body = bytes + BINLOG_HEADER_SIZE;
	event.body_len = len - BINLOG_HEADER_SIZE;
	if (event.type == BINLOG_FORMAT) {
		if (read_format(r, &event, e) != 0)
			return -1;
	} else if (r->has_checksum) {
		if (event.body_len < CHECKSUM_SIZE)
			return err_set(e, ERR_PROTOCOL, "an event without its checksum");
		event.body_len -= CHECKSUM_SIZE;
	}
	*out = event;
	return 0;
}

enum binlog_part
binlog_part(const struct binlog_event *event)
{
	switch (event->type) {
	case BINLOG_MYSQL_GTID:
	case BINLOG_MYSQL_ANONYMOUS:
	case BINLOG_MYSQL_TAGGED_GTID:
	case BINLOG_MARIADB_GTID:
		return BINLOG_PART_BEGIN;
	case BINLOG_STOP:
	case BINLOG_ROTATE:
	case BINLOG_FORMAT:
	case BINLOG_HEARTBEAT:
	case BINLOG_MYSQL_HEARTBEAT:
	case BINLOG_MYSQL_PREVIOUS:
	case BINLOG_MARIADB_CHECKPOINT:
	case BINLOG_MARIADB_LIST:
	case BINLOG_MARIADB_ENCRYPTION:
		return BINLOG_PART_OUTSIDE;
	default:
		return BINLOG_PART_INSIDE;
	}
}

/* --- GTIDs ---------------------------------------------------------------------------------------- */

static void
format_uuid(char out[GTID_SOURCE_SIZE], const uint8_t uuid[UUID_SIZE])
{
	size_t n = 0;

	for (size_t i = 0; i < UUID_SIZE; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			out[n++] = '-';
		n += (size_t)snprintf(out + n, GTID_SOURCE_SIZE - n, "%02x", uuid[i]);
	}
}

static void
read_mysql_gtid(struct binlog_bytes *b, struct binlog_gtid *out)
{
	const uint8_t *uuid;

	binlog_skip(b, 1); /* flags */
	if ((uuid = binlog_skip(b, UUID_SIZE)) != NULL)
		format_uuid(out->source, uuid);
	out->number = binlog_uint(b, 8);
}

static void
read_mariadb_gtid(uint32_t server_id, struct binlog_bytes *b, struct binlog_gtid *out)
{
	out->number = binlog_uint(b, 8);
	snprintf(
	    out->source, sizeof(out->source), "%" PRIu64 "-%" PRIu32, binlog_uint(b, 4), server_id);
}

/* Fields 0 to 3: flags, UUID, number, tag. They come in this order, and all of them. */
static void
read_tagged_gtid(struct binlog_bytes *b, struct binlog_gtid *out)
{
	uint8_t uuid[UUID_SIZE];
	size_t used, tag_len;
	const uint8_t *tag;

	/* the version, the size of the whole, and the last field that must be understood */
	for (int i = 0; i < 3; i++)
		serial_uint(b);
	for (uint64_t field = 0; field < 4 && !b->is_short; field++) {
		if (serial_uint(b) != field) {
			b->is_short = true;
		} else if (field == 0) {
			serial_uint(b);
		} else if (field == 1) {
			for (size_t i = 0; i < UUID_SIZE; i++)
				uuid[i] = (uint8_t)serial_uint(b);
			format_uuid(out->source, uuid);
		} else if (field == 2) {
			out->number =
			    serial_uint(b) >> 1; /* a signed one: its sign is the last bit */
		} else {
			tag_len = (size_t)serial_uint(b);
			tag = tag_len <= TAG_MAX ? binlog_skip(b, tag_len) : NULL;
			b->is_short |= tag == NULL;
			used = strlen(out->source);
			if (tag != NULL && tag_len > 0)
				snprintf(out->source + used, sizeof(out->source) - used, ":%.*s",
				    (int)tag_len, (const char *)tag);
		}
	}
}

/* What came from outside is to be a source as gtid_parse() makes one. */
static bool
is_source(const char *source)
{
	for (; *source != '\0'; source++) {
		if (!isdigit((unsigned char)*source) && !islower((unsigned char)*source) &&
		    strchr("-:_", *source) == NULL)
			return false;
	}
	return true;
}

int
binlog_gtid(const struct binlog_event *event, struct binlog_gtid *out, struct err *e)
{
	struct binlog_bytes b = { event->body, event->body_len, false };
	struct binlog_gtid gtid = { .number = 0 };

	switch (event->type) {
	case BINLOG_MYSQL_GTID:
		read_mysql_gtid(&b, &gtid);
		break;
	case BINLOG_MYSQL_TAGGED_GTID:
		read_tagged_gtid(&b, &gtid);
		break;
	case BINLOG_MARIADB_GTID:
		read_mariadb_gtid(event->server_id, &b, &gtid);
		break;
	default:
		*out = gtid;
		return 0;
	}
	if (b.is_short || gtid.number == 0 || !is_source(gtid.source))
		return err_set(e, ERR_PROTOCOL, "a GTID that cannot be read");
	*out = gtid;
	return 0;
}

char *
binlog_gtid_format(char out[BINLOG_GTID_SIZE], const struct binlog_gtid *gtid)
{
	bool is_mariadb = strchr(gtid->source, '-') == strrchr(gtid->source, '-');

	if (gtid->number == 0)
		snprintf(out, BINLOG_GTID_SIZE, "anonymous");
	else
		snprintf(out, BINLOG_GTID_SIZE, "%s%c%" PRIu64, gtid->source,
		    is_mariadb ? '-' : ':', gtid->number);
	return out;
}
