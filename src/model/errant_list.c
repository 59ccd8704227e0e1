/*
 * errant_list.c: one transaction at a time. Of its rows the tables are remembered, each with three counts;
 * of its statements the first one (a DDL has no other). The text is made when the transaction has ended.
 *
 * A table's map comes before its rows, in the same transaction, and counts for that one only: the numbers
 * of tables are given anew when a server restarts.
 */
#include "model/errant_list.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "model/binlog_rows.h"

#define TABLES_MAX 16 /* told by name; the others are "others" */
#define NAME_MAX_SHOWN 64
#define STATEMENT_SHOWN 100
#define CHANGES 3
#define NO_TABLE 0xffffffu /* of an event that only ends a statement */

struct table_changes {
	char name[2 * NAME_MAX_SHOWN + 8]; /* "schema.table", printable */
	uint64_t rows[CHANGES];
	bool is_changed[CHANGES], is_counted;
};

struct table_map {
	uint64_t id;
	size_t changes; /* which of them; TABLES_MAX: one of the others */
	uint8_t *bytes; /* the map's event, which the rows need */
	size_t len;
};

struct errant_tx {
	struct errant_item item;
	struct binlog_gtid gtid;
	struct table_changes tables[TABLES_MAX];
	size_t table_count;
	bool has_others;
	struct table_map *maps;
	size_t map_count;
	char statement[STATEMENT_SHOWN * 4 + 8];
	bool has_payload;
};

static const char *const done[CHANGES] = { "inserted", "updated", "deleted" };

/* --- what is in an event -------------------------------------------------------------------------- */

/* Statements of which every transaction has one. */
static bool
is_frame(const char *text, size_t len)
{
	static const char *const frames[] = { "BEGIN", "COMMIT", "START TRANSACTION" };

	for (size_t i = 0; i < MEM_COUNT(frames); i++) {
		if (strlen(frames[i]) == len && memcmp(frames[i], text, len) == 0)
			return true;
	}
	return false;
}

/* Each run of white space as one blank. */
static void
add_one_line(struct str *out, const char *text, size_t len)
{
	struct str line = STR_INIT;

	for (size_t i = 0; i < len && line.len <= STATEMENT_SHOWN; i++) {
		if (!isspace((unsigned char)text[i]))
			str_addc(&line, text[i]);
		else if (line.len > 0 && line.data[line.len - 1] != ' ')
			str_addc(&line, ' ');
	}
	str_add_printable(out, str_text(&line), line.len, STATEMENT_SHOWN);
	str_clear(&line);
}

/* thread 4, seconds 4, length of the schema 1, error 2, length of the status 2; status, schema, NUL, text */
static void
take_statement(struct errant_tx *tx, const struct binlog_event *event)
{
	struct binlog_bytes b = { event->body, event->body_len, false };
	size_t schema_len, status_len;
	struct str shown = STR_INIT;

	binlog_skip(&b, 8);
	schema_len = (size_t)binlog_uint(&b, 1);
	binlog_skip(&b, 2);
	status_len = (size_t)binlog_uint(&b, 2);
	binlog_skip(&b, status_len);
	binlog_skip(&b, schema_len + 1);
	if (b.is_short || is_frame((const char *)b.at, b.len) || tx->statement[0] != '\0')
		return;
	if (event->type == BINLOG_MARIADB_QUERY_COMPRESSED)
		str_adds(&shown, "a statement (compressed)");
	else
		add_one_line(&shown, (const char *)b.at, b.len);
	str_copy_printable(tx->statement, sizeof(tx->statement), str_text(&shown));
	str_clear(&shown);
}

static size_t
find_table(struct errant_tx *tx, const struct binlog_table *t)
{
	struct str name = STR_INIT;
	size_t i;

	str_add_printable(&name, t->schema, t->schema_len, NAME_MAX_SHOWN);
	str_addc(&name, '.');
	str_add_printable(&name, t->name, t->name_len, NAME_MAX_SHOWN);
	if (name.len >= sizeof(tx->tables[0].name))
		name.data[sizeof(tx->tables[0].name) - 1] = '\0';
	for (i = 0; i < tx->table_count; i++) {
		if (strcmp(tx->tables[i].name, str_text(&name)) == 0)
			break;
	}
	if (i == tx->table_count && i < TABLES_MAX) {
		str_copy_printable(tx->tables[i].name, sizeof(tx->tables[i].name), str_text(&name));
		tx->tables[i].is_counted = true;
		tx->table_count++;
	}
	str_clear(&name);
	return i;
}

static struct table_map *
find_map(struct errant_tx *tx, uint64_t id)
{
	for (size_t i = 0; i < tx->map_count; i++) {
		if (tx->maps[i].id == id)
			return &tx->maps[i];
	}
	return NULL;
}

static void
take_map(struct errant_tx *tx, const struct binlog_event *event)
{
	struct binlog_table table;
	struct table_map *map;

	if (binlog_table(event, &table) != 0)
		return;
	if ((map = find_map(tx, table.id)) == NULL) {
		tx->maps = mem_grow(tx->maps, tx->map_count + 1, sizeof(*tx->maps));
		map = &tx->maps[tx->map_count++];
		*map = (struct table_map){ .id = table.id };
	}
	free(map->bytes);
	map->bytes = mem_alloc(event->body_len + 1);
	memcpy(map->bytes, event->body, event->body_len);
	map->len = event->body_len;
	map->changes = find_table(tx, &table);
}

static void
take_rows(struct errant_tx *tx, const struct binlog_event *event, enum binlog_change change,
    uint64_t table_id)
{
	struct table_map *map = find_map(tx, table_id);
	struct binlog_event of_map = { 0 };
	struct table_changes *changes;
	struct binlog_table table;
	int64_t rows = -1;

	if (map == NULL && table_id == NO_TABLE)
		return;
	if (map != NULL) {
		of_map.body = map->bytes;
		of_map.body_len = map->len;
		if (binlog_table(&of_map, &table) == 0)
			rows = binlog_count_rows(event, &table);
	}
	if (rows >= 0)
		tx->item.rows += (uint64_t)rows;
	else
		tx->item.is_counted = false;
	if (map == NULL || map->changes >= TABLES_MAX) {
		tx->has_others = true;
		return;
	}
	changes = &tx->tables[map->changes];
	changes->is_changed[change] = true;
	changes->is_counted &= rows >= 0;
	changes->rows[change] += rows >= 0 ? (uint64_t)rows : 0;
}

/* --- a transaction's text ------------------------------------------------------------------------- */

static void
describe_table(const struct table_changes *t, struct str *out)
{
	bool is_first = true;

	str_addf(out, "%s%s:", out->len > 0 ? "; " : "", t->name);
	for (size_t i = 0; i < CHANGES; i++) {
		if (!t->is_changed[i])
			continue;
		str_adds(out, is_first ? " " : ", ");
		if (t->is_counted)
			str_addf(out, "%" PRIu64 " ", t->rows[i]);
		if (is_first)
			str_adds(out, t->is_counted && t->rows[i] == 1 ? "row " : "rows ");
		str_adds(out, done[i]);
		is_first = false;
	}
}

static void
describe(const struct errant_tx *tx, struct str *out)
{
	for (size_t i = 0; i < tx->table_count; i++) {
		const bool *is = tx->tables[i].is_changed;

		if (is[BINLOG_INSERT] || is[BINLOG_UPDATE] || is[BINLOG_DELETE])
			describe_table(&tx->tables[i], out);
	}
	if (tx->has_others)
		str_adds(out, "; other tables");
	if (tx->statement[0] != '\0')
		str_addf(out, "%s%s", out->len > 0 ? "; " : "", tx->statement);
	if (tx->has_payload)
		str_addf(out, "%srows (compressed)", out->len > 0 ? "; " : "");
	if (out->len == 0)
		str_adds(out, "nothing");
}

static void
close_tx(struct errant_list *l)
{
	struct errant_tx *tx = l->open;
	struct str what = STR_INIT;

	if (tx == NULL)
		return;
	l->open = NULL;
	if (l->count < ERRANT_LIST_MAX) {
		describe(tx, &what);
		if (what.len >= ERRANT_WHAT_SIZE) {
			/* Cut at the end of a character, and said so. */
			str_copy_printable(tx->item.what, ERRANT_WHAT_SIZE - 3, str_text(&what));
			strcat(tx->item.what, "...");
		} else {
			str_copy_printable(tx->item.what, ERRANT_WHAT_SIZE, str_text(&what));
		}
		l->items = mem_grow(l->items, l->count + 1, sizeof(*l->items));
		l->items[l->count++] = tx->item;
		str_clear(&what);
	}
	l->is_counted = tx->item.is_counted && (l->total == 0 || l->is_counted);
	l->total++;
	l->rows += tx->item.rows;
	if (tx->gtid.number > 0)
		gtid_add(&l->gtids, tx->gtid.source, tx->gtid.number);
	for (size_t i = 0; i < tx->map_count; i++)
		free(tx->maps[i].bytes);
	free(tx->maps);
	free(tx);
}

/* --- from outside --------------------------------------------------------------------------------- */

static void
take(struct errant_tx *tx, const struct binlog_event *event)
{
	enum binlog_change change;
	uint64_t table;

	tx->item.bytes += event->len;
	if (event->type == BINLOG_QUERY || event->type == BINLOG_MARIADB_QUERY_COMPRESSED) {
		take_statement(tx, event);
	} else if (event->type == BINLOG_TABLE_MAP) {
		take_map(tx, event);
	} else if (event->type == BINLOG_MYSQL_PAYLOAD) {
		tx->has_payload = true;
		tx->item.is_counted = false;
	} else if (binlog_is_rows(event, &change, &table)) {
		take_rows(tx, event, change, table);
	}
}

int
errant_list_feed(struct errant_list *l, const struct binlog_event *event, struct err *e)
{
	enum binlog_part part = binlog_part(event);
	struct binlog_gtid gtid;

	if (part != BINLOG_PART_INSIDE)
		close_tx(l);
	if (part == BINLOG_PART_BEGIN) {
		if (binlog_gtid(event, &gtid, e) != 0)
			return -1;
		l->open = mem_alloc(sizeof(*l->open));
		l->open->gtid = gtid;
		l->open->item.at_s = event->time_s;
		l->open->item.is_counted = true;
		binlog_gtid_format(l->open->item.gtid, &gtid);
	}
	if (l->open != NULL)
		take(l->open, event);
	return 0;
}

void
errant_list_end(struct errant_list *l)
{
	close_tx(l);
	gtid_tidy(&l->gtids);
}

void
errant_list_clear(struct errant_list *l)
{
	close_tx(l);
	gtid_clear(&l->gtids);
	free(l->items);
	memset(l, 0, sizeof(*l));
}
