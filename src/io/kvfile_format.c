/*
 * kvfile_format.c: the main file is read by jansson, strictly and with the place of a mistake,
 * because a person made it: a member that we do not know is refused, since the next write would
 * silently take it away. It is read only after an edit. The index is read at every access, so it
 * has rows for json_rows; nobody edits it.
 */
#include "io/kvfile_format.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "io/json_rows.h"
#include "io/kv_impl.h"

#define FORMAT 1

void
kvfile_format_main(struct str *out, const struct kvfile_state *s)
{
	const struct kv_list *l = &s->list;

	str_adds(out, "[");
	for (size_t i = 0; i < l->count; i++) {
		const struct kv_entry *entry = &l->entries[i];

		str_adds(out, i > 0 ? ",\n\t{\n\t\t\"key\": " : "\n\t{\n\t\t\"key\": ");
		json_write_string(out, entry->key, strlen(entry->key));
		str_addf(out, ",\n\t\t\"flags\": %" PRIu64 ",\n\t\t\"value\": \"", entry->flags);
		str_add_base64(out, entry->value, entry->value_len);
		str_adds(out, "\"\n\t}");
	}
	str_adds(out, l->count > 0 ? "\n]\n" : "]\n");
}

/* Line and column (from 1) of the nth element of the array that text is. */
static void
locate(const char *text, size_t len, size_t nth, int *line, int *column)
{
	size_t depth = 0, element = 0, line_start = 0;
	bool is_string = false, is_due = false;

	*line = 1;
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (c == '\n') {
			line_start = i + 1;
			++*line;
		}
		if (is_due && strchr(" \t\r\n", c) == NULL) {
			*column = (int)(i - line_start) + 1;
			return;
		}
		if (is_string) {
			i += c == '\\';
			is_string = c != '"';
			continue;
		}
		is_string = c == '"';
		depth += c == '[' || c == '{';
		depth -= c == ']' || c == '}';
		element += depth == 1 && c == ',';
		is_due |= depth == 1 && (c == '[' || c == ',') && element == nth;
	}
	*column = 1;
}

/* What is wrong with one element, as text, or NULL. */
static const char *
read_element(json_t *element, struct kv_list *out, struct str *decoded)
{
	json_t *key = json_object_get(element, "key"), *value = json_object_get(element, "value"),
	       *flags = json_object_get(element, "flags");
	struct kv_entry *entry;

	if (!json_is_object(element))
		return "is not an object with key, flags and value";
	if (!json_is_string(key) || json_string_length(key) == 0)
		return "has no key";
	if (!json_is_string(value))
		return "has no value";
	if (flags != NULL && (!json_is_integer(flags) || json_integer_value(flags) < 0))
		return "has flags that are not a number";
	if (json_object_size(element) != (flags != NULL ? 3 : 2))
		return "has a member that is not key, flags or value";
	str_reset(decoded);
	if (str_add_base64_decoded(decoded, json_string_value(value), json_string_length(value)) !=
	    0)
		return "has a value that is not base64";
	if (decoded->len > KV_VALUE_MAX)
		return "has a value of more than 512 KiB";
	entry = kv_list_push(out);
	entry->key = arena_strdup(&out->arena, json_string_value(key));
	entry->value = arena_strndup(&out->arena, str_text(decoded), decoded->len);
	entry->value_len = decoded->len;
	entry->flags = flags != NULL ? (uint64_t)json_integer_value(flags) : 0;
	/* Where it stands: kv_list_sort() then leaves twins in this order, and we can name it. */
	entry->create_index = out->count - 1;
	return NULL;
}

static const char *
read_elements(json_t *array, struct kv_list *out, size_t *nth)
{
	struct str decoded = STR_INIT;
	const char *wrong = NULL;

	for (*nth = 0; *nth < json_array_size(array); ++*nth) {
		if ((wrong = read_element(json_array_get(array, *nth), out, &decoded)) != NULL)
			break;
	}
	str_clear(&decoded);
	if (wrong != NULL)
		return wrong;
	kv_list_sort(out);
	for (size_t i = 1; i < out->count; i++) {
		*nth = out->entries[i].create_index;
		if (strcmp(out->entries[i].key, out->entries[i - 1].key) == 0)
			return "has a key that is already there";
	}
	return NULL;
}

int
kvfile_parse_main(const char *text, size_t len, struct kv_list *out, struct err *e)
{
	json_t *array = json_parse(text, len, "not JSON", e);
	const char *wrong;
	int line, column;
	size_t nth;

	if (array == NULL)
		return -1;
	if (!json_is_array(array)) {
		json_decref(array);
		return err_set(e, ERR_PROTOCOL,
		    "line 1, column 1: not an array of keys as consul kv export writes it");
	}
	wrong = read_elements(array, out, &nth);
	json_decref(array);
	if (wrong == NULL)
		return 0;
	kv_list_clear(out);
	locate(text, len, nth, &line, &column);
	return err_set(e, ERR_PROTOCOL, "line %d, column %d: the entry %s", line, column, wrong);
}

enum field {
	/* the head; the store's index is in INDEX */
	FORMAT_VERSION,
	FLOOR,
	DIGEST,
	REPLACED,
	BOOT,
	/* a key */
	KEY,
	VALUE,
	FLAGS,
	CREATE,
	MODIFY,
	LOCK,
	HOLDER,
	/* a session */
	SESSION,
	NAME,
	TTL_MS,
	LOCK_DELAY_MS,
	EXPIRES_MS,
	DELETES_KEYS,
	/* a tombstone, with INDEX; a lock delay */
	DELETED,
	INDEX,
	DELAYED,
	UNTIL_MS,
	FIELDS,
};

/* Each row has the first field of its kind. */
static const struct json_rows_field fields[FIELDS] = {
	[FORMAT_VERSION] = { .name = "format" },
	[FLOOR] = { .name = "floor" },
	[DIGEST] = { .name = "main" },
	[REPLACED] = { .name = "replaced" },
	[BOOT] = { .name = "boot" },
	[KEY] = { .name = "key" },
	[VALUE] = { .name = "value" },
	[FLAGS] = { .name = "flags" },
	[CREATE] = { .name = "create" },
	[MODIFY] = { .name = "modify" },
	[LOCK] = { .name = "lock" },
	[HOLDER] = { .name = "holder" },
	[SESSION] = { .name = "session" },
	[NAME] = { .name = "name" },
	[TTL_MS] = { .name = "ttl_ms" },
	[LOCK_DELAY_MS] = { .name = "lock_delay_ms" },
	[EXPIRES_MS] = { .name = "expires_ms" },
	[DELETES_KEYS] = { .name = "deletes_keys" },
	[DELETED] = { .name = "deleted" },
	[INDEX] = { .name = "index" },
	[DELAYED] = { .name = "delayed" },
	[UNTIL_MS] = { .name = "until_ms" },
};

static void
add_text(struct str *out, enum field field, const char *text)
{
	str_addf(out, "\"%s\":", fields[field].name);
	json_write_string(out, text, strlen(text));
	str_addc(out, ',');
}

static void
add_number(struct str *out, enum field field, uint64_t number)
{
	str_addf(out, "\"%s\":%" PRIu64 ",", fields[field].name, number);
}

/* The last field has left a comma. */
static void
end_row(struct str *out)
{
	out->data[out->len - 1] = '}';
	str_adds(out, ",\n");
}

static void
add_key(struct str *out, const struct kv_entry *entry)
{
	str_addc(out, '{');
	add_text(out, KEY, entry->key);
	str_addf(out, "\"%s\":\"", fields[VALUE].name);
	str_add_base64(out, entry->value, entry->value_len);
	str_adds(out, "\",");
	if (entry->flags != 0)
		add_number(out, FLAGS, entry->flags);
	add_number(out, CREATE, entry->create_index);
	add_number(out, MODIFY, entry->modify_index);
	if (entry->lock_index != 0)
		add_number(out, LOCK, entry->lock_index);
	if (entry->session[0] != '\0')
		add_text(out, HOLDER, entry->session);
	end_row(out);
}

static void
add_session(struct str *out, const struct kvfile_session *session)
{
	str_addc(out, '{');
	add_text(out, SESSION, session->id);
	add_text(out, NAME, session->name);
	add_number(out, TTL_MS, (uint64_t)session->ttl_ms);
	add_number(out, LOCK_DELAY_MS, (uint64_t)session->lock_delay_ms);
	add_number(out, EXPIRES_MS, (uint64_t)session->expires_ms);
	add_number(out, DELETES_KEYS, session->deletes_keys);
	end_row(out);
}

static void
add_marks(struct str *out, const struct kvfile_marks *m, enum field key, enum field at)
{
	for (size_t i = 0; i < m->count; i++) {
		str_addc(out, '{');
		add_text(out, key, m->rows[i].key);
		add_number(out, at, m->rows[i].at);
		end_row(out);
	}
}

void
kvfile_format_index(struct str *out, const struct kvfile_head *head, const struct kvfile_state *s)
{
	str_adds(out, "[\n{");
	add_number(out, FORMAT_VERSION, FORMAT);
	add_number(out, INDEX, s->index);
	add_number(out, FLOOR, s->floor);
	add_text(out, DIGEST, head->digest);
	add_text(out, REPLACED, head->replaced);
	add_text(out, BOOT, head->boot);
	end_row(out);
	for (size_t i = 0; i < s->list.count; i++)
		add_key(out, &s->list.entries[i]);
	for (size_t i = 0; i < s->session_count; i++)
		add_session(out, &s->sessions[i]);
	add_marks(out, &s->tombstones, DELETED, INDEX);
	add_marks(out, &s->delays, DELAYED, UNTIL_MS);
	out->len -= 2; /* the last row's comma */
	str_adds(out, "\n]\n");
}

struct reader {
	struct kvfile_state *s;
	struct kvfile_head *head;
	size_t rows;
	struct str decoded;
	/* The row under way; NULL where a field is missing or no string. */
	const char *text[FIELDS];
	size_t len[FIELDS];
	uint64_t number[FIELDS];
};

static int
on_value(void *arg, size_t field, const struct json_rows_value *v, struct err *e)
{
	struct reader *r = arg;

	if (v->kind == JSON_ROWS_NUMBER) {
		r->number[field] = v->number;
		return 0;
	}
	if (v->kind != JSON_ROWS_STRING)
		return err_set(
		    e, ERR_PROTOCOL, "%s is neither number nor string", fields[field].name);
	/* The value's base64 goes away again: it must not stay in the arena. */
	if (field == VALUE) {
		str_reset(&r->decoded);
		if (str_add_base64_decoded(&r->decoded, v->text, v->len) != 0)
			return err_set(e, ERR_PROTOCOL, "a value is not base64");
		r->text[field] =
		    arena_strndup(&r->s->list.arena, str_text(&r->decoded), r->decoded.len);
		r->len[field] = r->decoded.len;
		return 0;
	}
	if (memchr(v->text, '\0', v->len) != NULL)
		return err_set(e, ERR_PROTOCOL, "%s holds a NUL", fields[field].name);
	r->text[field] = arena_strndup(&r->s->list.arena, v->text, v->len);
	r->len[field] = v->len;
	return 0;
}

/* The text of a field, "" when it is missing; -1 when it does not fit. */
static int
copy_text(const struct reader *r, enum field field, char *out, size_t size, struct err *e)
{
	if (r->len[field] >= size)
		return err_set(e, ERR_PROTOCOL, "%s is too long", fields[field].name);
	memcpy(out, r->text[field] != NULL ? r->text[field] : "", r->len[field] + 1);
	return 0;
}

static int
read_head(struct reader *r, struct err *e)
{
	struct kvfile_head *head = r->head;

	if (r->number[FORMAT_VERSION] != FORMAT)
		return err_set(
		    e, ERR_PROTOCOL, "it is not of format %d, the only one we read", FORMAT);
	r->s->index = r->number[INDEX];
	r->s->floor = r->number[FLOOR];
	if (copy_text(r, DIGEST, head->digest, sizeof(head->digest), e) != 0 ||
	    copy_text(r, REPLACED, head->replaced, sizeof(head->replaced), e) != 0)
		return -1;
	return copy_text(r, BOOT, head->boot, sizeof(head->boot), e);
}

static void
read_key(struct reader *r)
{
	struct kv_entry *entry = kv_list_push(&r->s->list);

	entry->key = r->text[KEY];
	entry->value = r->text[VALUE] != NULL ? r->text[VALUE] : "";
	entry->value_len = r->len[VALUE];
	entry->flags = r->number[FLAGS];
	entry->create_index = r->number[CREATE];
	entry->modify_index = r->number[MODIFY];
	entry->lock_index = r->number[LOCK];
	entry->session = r->text[HOLDER] != NULL ? r->text[HOLDER] : "";
	if (entry->modify_index > r->s->index)
		r->s->index = entry->modify_index;
}

/* Far beyond what a session may have, and small enough to be added to the time. */
static int64_t
as_ms(uint64_t number)
{
	return number < INT64_MAX / 4 ? (int64_t)number : INT64_MAX / 4;
}

static int
read_session(struct reader *r, struct err *e)
{
	struct kvfile_session session = {
		.name = r->text[NAME] != NULL ? r->text[NAME] : "",
		.ttl_ms = as_ms(r->number[TTL_MS]),
		.lock_delay_ms = as_ms(r->number[LOCK_DELAY_MS]),
		.expires_ms = as_ms(r->number[EXPIRES_MS]),
		.deletes_keys = r->number[DELETES_KEYS] != 0,
	};

	if (copy_text(r, SESSION, session.id, sizeof(session.id), e) != 0)
		return -1;
	kvfile_state_add_session(r->s, &session);
	return 0;
}

static int
on_row(void *arg, struct err *e)
{
	struct reader *r = arg;
	int rc = 0;

	if (r->rows++ == 0)
		rc = read_head(r, e);
	else if (r->text[KEY] != NULL)
		read_key(r);
	else if (r->text[SESSION] != NULL)
		rc = read_session(r, e);
	else if (r->text[DELETED] != NULL)
		kvfile_marks_add(&r->s->tombstones, r->text[DELETED], r->number[INDEX]);
	else if (r->text[DELAYED] != NULL)
		kvfile_marks_add(&r->s->delays, r->text[DELAYED], r->number[UNTIL_MS]);
	memset(r->text, 0, sizeof(r->text));
	memset(r->len, 0, sizeof(r->len));
	memset(r->number, 0, sizeof(r->number));
	return rc;
}

static const struct json_rows_spec spec = {
	.what = "it",
	.fields = fields,
	.field_count = FIELDS,
	.on_value = on_value,
	.on_row = on_row,
};

/* What the rules rely on: keys in order, none twice, and holders that exist. */
static int
check_keys(struct kvfile_state *s, struct err *e)
{
	kv_list_sort(&s->list);
	for (size_t i = 0; i < s->list.count; i++) {
		struct kv_entry *entry = &s->list.entries[i];

		if (i > 0 && strcmp(entry->key, entry[-1].key) == 0)
			return err_set(e, ERR_PROTOCOL, "a key is there twice");
		if (!kvfile_state_has_session(s, entry->session))
			entry->session = "";
	}
	return 0;
}

int
kvfile_parse_index(
    const char *text, size_t len, struct kvfile_head *head, struct kvfile_state *s, struct err *e)
{
	struct reader r = { .s = s, .head = head };
	struct json_rows *rows = json_rows_new(&spec, &r);
	int rc = -1;

	if (json_rows_feed(rows, text, len, e) == 0 && json_rows_end(rows, e) == 0)
		rc = r.rows > 0 ? check_keys(s, e) : err_set(e, ERR_PROTOCOL, "it has no head");
	json_rows_free(rows);
	str_clear(&r.decoded);
	return rc;
}
