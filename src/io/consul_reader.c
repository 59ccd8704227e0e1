/*
 * consul_reader.c: which fields of Consul's rows we keep and what they must look like. The list is
 * believed as a whole or not at all: a value that is not base64 may be any value, so it must not make
 * a name vanish while the others are used. What is in a key or value is the reader's caller to judge;
 * here it only has to arrive whole.
 *
 * After a flip all rows but one are what they were, and to parse them all again was more than half of the
 * work between the answer and the new file. So a row that is byte for byte what Consul writes for the
 * entry that stood there in the list before is taken for that entry (foresee). Where Consul writes
 * otherwise than we think, nothing is lost but the time. To keep the text of the list before was tried
 * first: a little faster, and 2 MB at 10,000 names.
 */
#include "io/consul_reader.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "io/json_rows.h"
#include "io/kv_impl.h"

/*
 * Texts go into blocks that double up to a size which malloc gets with mmap(2) (above 128 KB) and so gives
 * back when the list is freed, instead of leaving it in the middle of the heap.
 */
#define BLOCK_FIRST 1024
#define BLOCK_LAST (256 * 1024)

#define NUMBER_MAX 20   /* digits of a uint64_t */
#define MEMBERS_MAX 192 /* a row without its texts: 93 bytes, and four numbers */
#define BASE64_LEN(n) (((n) + 2) / 3 * 4)

struct consul_reader {
	struct json_rows *rows;
	char *prefix;
	size_t prefix_len;
	bool is_exact, is_prefix_plain;
	size_t block;          /* size of the last one */
	struct kv_entry entry; /* the row under way */
	struct kv_node node;
	struct kv_list list;
	struct kv_nodes nodes;
	struct str decoded;
	struct kv_list before; /* empty: nothing is foreseen */
	size_t place;          /* of the entry in before that may come next */
	struct str foreseen;   /* how it would be written */
	struct kv_list *remembered;
};

static char *
keep(struct consul_reader *r, struct arena *a, const char *text, size_t len)
{
	if (a->left <= len) {
		if (r->block < BLOCK_LAST)
			r->block *= 2;
		arena_reserve(a, len < r->block ? r->block : len + 1);
	}
	return arena_strndup(a, text, len);
}

/* In the order in which Consul writes them. */
enum key_field {
	KEY_LOCK_INDEX,
	KEY_KEY,
	KEY_FLAGS,
	KEY_VALUE,
	KEY_SESSION,
	KEY_CREATE_INDEX,
	KEY_MODIFY_INDEX,
	KEY_FIELDS,
};

static const struct json_rows_field key_fields[KEY_FIELDS] = {
	[KEY_LOCK_INDEX] = { .name = "LockIndex" },
	[KEY_KEY] = { .name = "Key", .is_required = true },
	[KEY_FLAGS] = { .name = "Flags" },
	[KEY_VALUE] = { .name = "Value", .is_required = true },
	[KEY_SESSION] = { .name = "Session" },
	[KEY_CREATE_INDEX] = { .name = "CreateIndex" },
	[KEY_MODIFY_INDEX] = { .name = "ModifyIndex", .is_required = true },
};

static int
wrong_type(const char *what, const char *field, struct err *e)
{
	return err_set(e, ERR_PROTOCOL, "%s has a %s of the wrong type", what, field);
}

static int
set_key(struct consul_reader *r, const struct json_rows_value *v, struct err *e)
{
	if (v->len < r->prefix_len || memcmp(v->text, r->prefix, r->prefix_len) != 0 ||
	    (r->is_exact && v->len != r->prefix_len))
		return err_set(
		    e, ERR_PROTOCOL, "the list of keys has a key that was not asked for");
	r->entry.key = keep(r, &r->list.arena, v->text, v->len);
	r->entry.has_nul_key = memchr(v->text, '\0', v->len) != NULL;
	return 0;
}

static int
set_value(struct consul_reader *r, const struct json_rows_value *v, struct err *e)
{
	str_reset(&r->decoded);
	if (str_add_base64_decoded(&r->decoded, v->text, v->len) == -1)
		return err_set(e, ERR_PROTOCOL, "the list of keys has a value that is not base64");
	r->entry.value = keep(r, &r->list.arena, str_text(&r->decoded), r->decoded.len);
	r->entry.value_len = r->decoded.len;
	return 0;
}

static int
on_key_value(void *arg, size_t field, const struct json_rows_value *v, struct err *e)
{
	static const size_t numbers[KEY_FIELDS] = {
		[KEY_LOCK_INDEX] = offsetof(struct kv_entry, lock_index),
		[KEY_FLAGS] = offsetof(struct kv_entry, flags),
		[KEY_CREATE_INDEX] = offsetof(struct kv_entry, create_index),
		[KEY_MODIFY_INDEX] = offsetof(struct kv_entry, modify_index),
	};
	struct consul_reader *r = arg;
	struct kv_entry *entry = &r->entry;

	if (numbers[field] != 0 && v->kind == JSON_ROWS_NUMBER) {
		*(uint64_t *)((char *)entry + numbers[field]) = v->number;
		return 0;
	}
	if (field == KEY_KEY && v->kind == JSON_ROWS_STRING)
		return set_key(r, v, e);
	if (field == KEY_VALUE && v->kind == JSON_ROWS_STRING)
		return set_value(r, v, e);
	if (field == KEY_VALUE && v->kind == JSON_ROWS_NULL)
		return 0; /* how Go writes an empty value */
	if (field == KEY_SESSION && v->kind == JSON_ROWS_STRING) {
		entry->session = keep(r, &r->list.arena, v->text, v->len);
		return 0;
	}
	return wrong_type("the list of keys", key_fields[field].name, e);
}

static const struct kv_entry no_entry = { .key = "", .value = "", .session = "" };

/* The first entry that is behind the key. */
static size_t
place_after(const struct kv_list *l, const char *key)
{
	size_t low = 0, high = l->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(l->entries[middle].key, key) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int
on_key_row(void *arg, struct err *e)
{
	struct consul_reader *r = arg;

	(void)e;
	*kv_list_push(&r->list) = r->entry;
	r->place = place_after(&r->before, r->entry.key);
	r->entry = no_entry;
	return 0;
}

/* --- the row that is what it was ---------------------------------------------------------------- */

/* Whether a JSON string of these bytes is these bytes. */
static bool
is_plain(const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text < 0x20 || *text > 0x7e || *text == '"' || *text == '\\')
			return false;
	}
	return true;
}

static char *
put(char *at, const char *text, size_t len)
{
	memcpy(at, text, len);
	return at + len;
}

#define PUT(at, literal) put(at, literal, sizeof(literal) - 1)

static char *
put_number(char *at, uint64_t n)
{
	char digits[NUMBER_MAX], *p = digits + sizeof(digits);

	do
		*--p = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	return put(at, p, (size_t)(digits + sizeof(digits) - p));
}

static char *
put_base64(struct str *out, char *at, const struct kv_entry *entry)
{
	out->len = (size_t)(at - out->data);
	str_add_base64(out, entry->value, entry->value_len); /* there is room, it does not move */
	return out->data + out->len;
}

/* How Consul writes the entry, whose key and session are plain. */
static void
write_row(struct str *out, const struct kv_entry *entry)
{
	size_t key_len = strlen(entry->key), session_len = strlen(entry->session);
	char *p;

	str_reset(out);
	str_reserve(out, key_len + session_len + BASE64_LEN(entry->value_len) + MEMBERS_MAX);
	p = PUT(out->data, "{\"LockIndex\":");
	p = put_number(p, entry->lock_index);
	p = PUT(p, ",\"Key\":\"");
	p = put(p, entry->key, key_len);
	p = PUT(p, "\",\"Flags\":");
	p = put_number(p, entry->flags);
	if (entry->value_len > 0) {
		p = PUT(p, ",\"Value\":\"");
		p = put_base64(out, p, entry);
		p = PUT(p, "\"");
	} else {
		p = PUT(p, ",\"Value\":null");
	}
	if (session_len > 0) {
		p = PUT(p, ",\"Session\":\"");
		p = put(p, entry->session, session_len);
		p = PUT(p, "\"");
	}
	p = PUT(p, ",\"CreateIndex\":");
	p = put_number(p, entry->create_index);
	p = PUT(p, ",\"ModifyIndex\":");
	p = put_number(p, entry->modify_index);
	p = PUT(p, "}");
	out->len = (size_t)(p - out->data);
}

static const char *
foresee(void *arg, size_t *len)
{
	struct consul_reader *r = arg;
	const struct kv_entry *entry = &r->before.entries[r->place];

	if (r->place >= r->before.count || entry->has_nul_key || !r->is_prefix_plain ||
	    !is_plain(entry->key + r->prefix_len) || !is_plain(entry->session))
		return NULL;
	write_row(&r->foreseen, entry);
	*len = r->foreseen.len;
	return r->foreseen.data;
}

/* It came. The texts are copied: the list before is freed when its successor is used. */
static int
on_foreseen(void *arg, struct err *e)
{
	struct consul_reader *r = arg;
	struct kv_entry *entry = kv_list_push(&r->list);

	(void)e;
	*entry = r->before.entries[r->place++];
	entry->key = keep(r, &r->list.arena, entry->key, strlen(entry->key));
	entry->value = keep(r, &r->list.arena, entry->value, entry->value_len);
	if (entry->session[0] == '\0')
		entry->session = "";
	else
		entry->session = keep(r, &r->list.arena, entry->session, strlen(entry->session));
	return 0;
}

static const struct json_rows_spec keys_spec = {
	.what = "the list of keys",
	.fields = key_fields,
	.field_count = KEY_FIELDS,
	.on_value = on_key_value,
	.on_row = on_key_row,
	.expect = foresee,
	.on_expected = on_foreseen,
};

enum node_field { NODE_NODE, NODE_ADDRESS, NODE_META, NODE_FIELDS };

static const struct json_rows_field node_fields[NODE_FIELDS] = {
	[NODE_NODE] = { .name = "Node", .is_required = true },
	[NODE_ADDRESS] = { .name = "Address", .is_required = true },
	[NODE_META] = { .name = "Meta", .is_map = true },
};

static int
on_node_value(void *arg, size_t field, const struct json_rows_value *v, struct err *e)
{
	struct consul_reader *r = arg;
	struct arena *a = &r->nodes.arena;

	if (v->kind != JSON_ROWS_STRING)
		return wrong_type("the list of nodes", node_fields[field].name, e);
	if (field == NODE_NODE)
		r->node.node = keep(r, a, v->text, v->len);
	else if (field == NODE_ADDRESS)
		r->node.address = keep(r, a, v->text, v->len);
	else
		kv_node_push_meta(
		    &r->node, keep(r, a, v->key, v->key_len), keep(r, a, v->text, v->len));
	return 0;
}

static int
on_node_row(void *arg, struct err *e)
{
	struct consul_reader *r = arg;

	(void)e;
	*kv_nodes_push(&r->nodes) = r->node;
	r->node = (struct kv_node){ 0 };
	return 0;
}

static const struct json_rows_spec nodes_spec = {
	.what = "the list of nodes",
	.fields = node_fields,
	.field_count = NODE_FIELDS,
	.on_value = on_node_value,
	.on_row = on_node_row,
};

static struct consul_reader *
reader_new(const struct json_rows_spec *spec)
{
	struct consul_reader *r = mem_alloc(sizeof(*r));

	r->entry = no_entry;
	r->block = BLOCK_FIRST;
	r->rows = json_rows_new(spec, r);
	return r;
}

struct consul_reader *
consul_reader_new_keys(const char *prefix, bool is_exact)
{
	struct consul_reader *r = reader_new(&keys_spec);

	r->prefix = mem_strdup(prefix);
	r->prefix_len = strlen(prefix);
	r->is_exact = is_exact;
	return r;
}

struct consul_reader *
consul_reader_new_nodes(void)
{
	return reader_new(&nodes_spec);
}

void
consul_reader_free(struct consul_reader *r)
{
	if (r == NULL)
		return;
	json_rows_free(r->rows);
	free(r->prefix);
	free(r->node.meta);
	kv_list_clear(&r->list);
	kv_list_clear(&r->before);
	kv_nodes_clear(&r->nodes);
	str_clear(&r->decoded);
	str_clear(&r->foreseen);
	free(r);
}

void
consul_reader_recall(struct consul_reader *r, struct kv_list *before)
{
	r->remembered = before;
	r->is_prefix_plain = is_plain(r->prefix);
	kv_list_take(&r->before, before);
	if (r->before.count > 0)
		json_rows_expect(r->rows);
}

int
consul_reader_feed(struct consul_reader *r, const char *data, size_t len, struct err *e)
{
	return json_rows_feed(r->rows, data, len, e);
}

int
consul_reader_end(struct consul_reader *r, struct kv_answer *a, struct err *e)
{
	if (json_rows_end(r->rows, e) == -1)
		return -1;
	if (r->is_exact && r->list.count > 1)
		return err_set(e, ERR_PROTOCOL, "the list of keys has one key twice");
	kv_list_sort(&r->list);
	if (r->remembered != NULL) {
		kv_list_clear(r->remembered); /* by now another reader may have been there */
		kv_list_share(r->remembered, &r->list);
	}
	kv_list_take(&a->list, &r->list);
	kv_nodes_take(&a->nodes, &r->nodes);
	return 0;
}
