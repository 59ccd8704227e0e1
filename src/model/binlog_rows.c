/*
 * binlog_rows.c: rows stand one behind the other without a count, so that each value has to be stepped
 * over, by its column's type and what the table map says of its size. A count is believed only when it
 * ends exactly at the end of the event; anything else (MariaDB's compressed events, MySQL's parts of a
 * JSON, a type of tomorrow) is "not known", which is no error: what is saved is the event itself.
 */
#include "model/binlog_rows.h"

#include <string.h>

#include "base/mem.h"

#define TABLE_ID_SIZE 6
#define BITS_A_BYTE 8

/* Whether a type has one or two bytes of its own in the table map. */
enum size_kind { SIZE_NONE, SIZE_ONE, SIZE_TWO };

/* How a value of the type is stepped over. */
enum step {
	STEP_FIXED,    /* size bytes */
	STEP_FRACTION, /* size bytes, and a half for each digit behind the second */
	STEP_PREFIX,   /* a length of as many bytes as the map says, and so much */
	STEP_VARCHAR,  /* a length of one byte, of two when the map's maximum is over 255 */
	STEP_STRING,   /* CHAR, ENUM, SET */
	STEP_BIT,
	STEP_DECIMAL,
};

static const struct column_type {
	uint8_t type;
	enum size_kind kind;
	enum step step;
	uint8_t size;
} types[] = {
	{ 1, SIZE_NONE, STEP_FIXED, 1 },    /* TINYINT */
	{ 2, SIZE_NONE, STEP_FIXED, 2 },    /* SMALLINT */
	{ 3, SIZE_NONE, STEP_FIXED, 4 },    /* INT */
	{ 4, SIZE_ONE, STEP_FIXED, 4 },     /* FLOAT */
	{ 5, SIZE_ONE, STEP_FIXED, 8 },     /* DOUBLE */
	{ 6, SIZE_NONE, STEP_FIXED, 0 },    /* NULL */
	{ 7, SIZE_NONE, STEP_FIXED, 4 },    /* TIMESTAMP */
	{ 8, SIZE_NONE, STEP_FIXED, 8 },    /* BIGINT */
	{ 9, SIZE_NONE, STEP_FIXED, 3 },    /* MEDIUMINT */
	{ 10, SIZE_NONE, STEP_FIXED, 3 },   /* DATE */
	{ 11, SIZE_NONE, STEP_FIXED, 3 },   /* TIME */
	{ 12, SIZE_NONE, STEP_FIXED, 8 },   /* DATETIME */
	{ 13, SIZE_NONE, STEP_FIXED, 1 },   /* YEAR */
	{ 14, SIZE_NONE, STEP_FIXED, 3 },   /* DATE */
	{ 15, SIZE_TWO, STEP_VARCHAR, 0 },  /* VARCHAR */
	{ 16, SIZE_TWO, STEP_BIT, 0 },      /* BIT */
	{ 17, SIZE_ONE, STEP_FRACTION, 4 }, /* TIMESTAMP(n) */
	{ 18, SIZE_ONE, STEP_FRACTION, 5 }, /* DATETIME(n) */
	{ 19, SIZE_ONE, STEP_FRACTION, 3 }, /* TIME(n) */
	{ 140, SIZE_ONE, STEP_PREFIX, 0 },  /* MariaDB: BLOB COMPRESSED */
	{ 141, SIZE_TWO, STEP_VARCHAR, 0 }, /* MariaDB: VARCHAR COMPRESSED */
	{ 242, SIZE_ONE, STEP_PREFIX, 0 },  /* MySQL: VECTOR */
	{ 245, SIZE_ONE, STEP_PREFIX, 0 },  /* MySQL: JSON */
	{ 246, SIZE_TWO, STEP_DECIMAL, 0 }, /* DECIMAL */
	{ 247, SIZE_TWO, STEP_STRING, 0 },  /* ENUM */
	{ 248, SIZE_TWO, STEP_STRING, 0 },  /* SET */
	{ 249, SIZE_ONE, STEP_PREFIX, 0 },  /* TINYBLOB */
	{ 250, SIZE_ONE, STEP_PREFIX, 0 },  /* MEDIUMBLOB */
	{ 251, SIZE_ONE, STEP_PREFIX, 0 },  /* LONGBLOB */
	{ 252, SIZE_ONE, STEP_PREFIX, 0 },  /* BLOB, TEXT */
	{ 253, SIZE_TWO, STEP_VARCHAR, 0 }, /* VARCHAR */
	{ 254, SIZE_TWO, STEP_STRING, 0 },  /* CHAR */
	{ 255, SIZE_ONE, STEP_PREFIX, 0 },  /* GEOMETRY */
};

/* The events with rows, and whether they have the longer header of version 2. */
static const struct rows_type {
	uint8_t type;
	enum binlog_change change;
	bool is_v2, is_countable;
} rows_types[] = {
	{ 23, BINLOG_INSERT, false, true },
	{ 24, BINLOG_UPDATE, false, true },
	{ 25, BINLOG_DELETE, false, true },
	{ 30, BINLOG_INSERT, true, true },
	{ 31, BINLOG_UPDATE, true, true },
	{ 32, BINLOG_DELETE, true, true },
	{ 39, BINLOG_UPDATE, true, false }, /* MySQL: parts of a JSON */
	{ 166, BINLOG_INSERT, false, false },
	{ 167, BINLOG_UPDATE, false, false },
	{ 168, BINLOG_DELETE, false, false },
	{ 169, BINLOG_INSERT, true, false },
	{ 170, BINLOG_UPDATE, true, false },
	{ 171, BINLOG_DELETE, true, false },
};

static const struct rows_type *
find_rows(uint8_t type)
{
	for (size_t i = 0; i < MEM_COUNT(rows_types); i++) {
		if (rows_types[i].type == type)
			return &rows_types[i];
	}
	return NULL;
}

static const struct column_type *
find_type(uint8_t type)
{
	for (size_t i = 0; i < MEM_COUNT(types); i++) {
		if (types[i].type == type)
			return &types[i];
	}
	return NULL;
}

static const char *
read_name(struct binlog_bytes *b, size_t *len)
{
	const uint8_t *at;

	*len = (size_t)binlog_uint(b, 1);
	at = binlog_skip(b, *len);
	binlog_skip(b, 1); /* a NUL */
	return (const char *)at;
}

int
binlog_table(const struct binlog_event *event, struct binlog_table *out)
{
	struct binlog_bytes b = { event->body, event->body_len, false };
	struct binlog_table t = { .id = binlog_uint(&b, TABLE_ID_SIZE) };

	binlog_skip(&b, 2); /* flags */
	t.schema = read_name(&b, &t.schema_len);
	t.name = read_name(&b, &t.name_len);
	t.column_count = (size_t)binlog_packed_uint(&b);
	t.types = binlog_skip(&b, t.column_count);
	t.sizes_len = (size_t)binlog_packed_uint(&b);
	t.sizes = binlog_skip(&b, t.sizes_len);
	if (b.is_short)
		return -1;
	*out = t;
	return 0;
}

bool
binlog_is_rows(const struct binlog_event *event, enum binlog_change *change, uint64_t *table)
{
	struct binlog_bytes b = { event->body, event->body_len, false };
	const struct rows_type *type = find_rows(event->type);

	if (type == NULL)
		return false;
	*change = type->change;
	*table = binlog_uint(&b, TABLE_ID_SIZE);
	return !b.is_short;
}

/* --- stepping over values ------------------------------------------------------------------------- */

/* A DECIMAL(precision, scale): nine digits in four bytes, what is left over in fewer. */
static size_t
decimal_size(uint8_t precision, uint8_t scale)
{
	static const uint8_t left_over[] = { 0, 1, 1, 2, 2, 3, 3, 4, 4 };
	size_t whole = precision > scale ? (size_t)(precision - scale) : 0;

	return whole / 9 * 4 + left_over[whole % 9] + scale / 9u * 4u + left_over[scale % 9];
}

/* CHAR, ENUM and SET share a type; the map's first byte has the true one, and two bits of the length. */
static void
step_string(struct binlog_bytes *b, uint8_t first, uint8_t second)
{
	size_t max = second | (size_t)((first & 0x30) ^ 0x30) << 4;
	uint8_t type = first | 0x30;

	if (first == 247 || first == 248 || type == 247 || type == 248)
		binlog_skip(b, second);
	else
		binlog_skip(b, (size_t)binlog_uint(b, max > 255 ? 2 : 1));
}

static void
step_value(struct binlog_bytes *b, const struct column_type *type, const uint8_t *size)
{
	switch (type->step) {
	case STEP_FIXED:
		binlog_skip(b, type->size);
		break;
	case STEP_FRACTION:
		binlog_skip(b, type->size + (size[0] + 1u) / 2u);
		break;
	case STEP_PREFIX:
		b->is_short |= size[0] > 8;
		if (!b->is_short)
			binlog_skip(b, (size_t)binlog_uint(b, size[0]));
		break;
	case STEP_VARCHAR:
		binlog_skip(b, (size_t)binlog_uint(b, size[1] > 0 ? 2 : 1));
		break;
	case STEP_STRING:
		step_string(b, size[0], size[1]);
		break;
	case STEP_BIT:
		binlog_skip(b, size[1] + (size[0] > 0 ? 1u : 0u));
		break;
	case STEP_DECIMAL:
		binlog_skip(b, decimal_size(size[0], size[1]));
		break;
	}
}

static bool
has_bit(const uint8_t *bits, size_t i)
{
	return (bits[i / BITS_A_BYTE] >> (i % BITS_A_BYTE) & 1) != 0;
}

/* One image of a row: a bit for each column that is there (NULL or not), then the values. */
static void
step_row(struct binlog_bytes *b, const struct binlog_table *t, const uint8_t *is_there)
{
	struct binlog_bytes sizes = { t->sizes, t->sizes_len, false };
	size_t there = 0, seen = 0;
	const uint8_t *nulls;

	for (size_t i = 0; i < t->column_count; i++)
		there += has_bit(is_there, i);
	nulls = binlog_skip(b, (there + BITS_A_BYTE - 1) / BITS_A_BYTE);
	for (size_t i = 0; i < t->column_count && !b->is_short; i++) {
		const struct column_type *type = find_type(t->types[i]);
		const uint8_t *size = NULL;

		if (type == NULL) {
			b->is_short = true;
			return;
		}
		if (type->kind != SIZE_NONE)
			size = binlog_skip(&sizes, type->kind == SIZE_ONE ? 1 : 2);
		b->is_short |= sizes.is_short;
		if (has_bit(is_there, i) && !has_bit(nulls, seen++) && !b->is_short)
			step_value(b, type, size);
	}
}

int64_t
binlog_count_rows(const struct binlog_event *event, const struct binlog_table *table)
{
	struct binlog_bytes b = { event->body, event->body_len, false };
	const struct rows_type *type = find_rows(event->type);
	const uint8_t *before, *after;
	size_t bitmap, extra, columns;
	int64_t count = 0;

	if (type == NULL || !type->is_countable)
		return -1;
	binlog_skip(&b, TABLE_ID_SIZE + 2);
	if (type->is_v2) {
		extra = (size_t)binlog_uint(&b, 2); /* itself included */
		b.is_short |= extra < 2;
		binlog_skip(&b, extra - 2);
	}
	columns = (size_t)binlog_packed_uint(&b);
	if (b.is_short || columns != table->column_count)
		return -1;
	bitmap = (columns + BITS_A_BYTE - 1) / BITS_A_BYTE;
	before = after = binlog_skip(&b, bitmap);
	if (type->change == BINLOG_UPDATE)
		after = binlog_skip(&b, bitmap);
	while (!b.is_short && b.len > 0) {
		size_t left = b.len;

		step_row(&b, table, before);
		if (type->change == BINLOG_UPDATE && !b.is_short)
			step_row(&b, table, after);
		if (b.len == left) /* a row of nothing: it would never end */
			return -1;
		count++;
	}
	return b.is_short ? -1 : count;
}
