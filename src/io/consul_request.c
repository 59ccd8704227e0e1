/*
 * consul_request.c: the words of Consul's HTTP API. Conditions and locks always travel as transactions,
 * also single ones: /v1/txn says why it refused, PUT ?cas= and ?acquire= only say false, and 500 for
 * a session that is gone.
 */
#include "io/consul_request.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "io/http.h"

#define KV_PATH "/v1/kv/"

int
consul_add_key_path(struct str *path, const char *key, struct err *e)
{
	char shown[STR_SHOW_MAX * 4 + 4];

	for (const char *p = key; *p != '\0'; p += p[0] == '/') {
		size_t n = strcspn(p, "/");

		/* The last segment may be empty: "a/b/" is a key. */
		if ((n == 0 && *p == '/') || (n == 1 && p[0] == '.') ||
		    (n == 2 && p[0] == '.' && p[1] == '.'))
			return err_set(e, ERR_USAGE, "the key %s cannot be asked for over HTTP",
			    str_printable(shown, sizeof(shown), key, strlen(key)));
		p += n;
	}
	str_adds(path, KV_PATH);
	http_add_encoded(path, key, true);
	return 0;
}

void
consul_add_param(struct str *path, const char *name, const char *value)
{
	str_addc(path, strchr(str_text(path), '?') == NULL ? '?' : '&');
	str_adds(path, name);
	if (value != NULL) {
		str_addc(path, '=');
		http_add_encoded(path, value, false);
	}
}

void
consul_add_read(struct str *path, const struct kv_read *r)
{
	char number[32];

	if (r->is_consistent)
		consul_add_param(path, "consistent", NULL);
	if (r->index > 0 && r->wait_ms > 0) {
		snprintf(number, sizeof(number), "%" PRIu64, r->index);
		consul_add_param(path, "index", number);
		snprintf(number, sizeof(number), "%" PRId64 "ms", r->wait_ms);
		consul_add_param(path, "wait", number);
	}
}

static const struct {
	const char *verb;
	bool has_value, has_index, has_session;
} verbs[] = {
	[KV_OP_SET] = { .verb = "set", .has_value = true },
	[KV_OP_CAS] = { .verb = "cas", .has_value = true, .has_index = true },
	[KV_OP_DELETE] = { .verb = "delete" },
	[KV_OP_DELETE_CAS] = { .verb = "delete-cas", .has_index = true },
	[KV_OP_DELETE_TREE] = { .verb = "delete-tree" },
	[KV_OP_CHECK_SESSION] = { .verb = "check-session", .has_session = true },
	[KV_OP_CHECK_INDEX] = { .verb = "check-index", .has_index = true },
	[KV_OP_LOCK] = { .verb = "lock", .has_value = true, .has_session = true },
	[KV_OP_UNLOCK] = { .verb = "unlock", .has_value = true, .has_session = true },
};

/* NULL for a key that is not UTF-8. */
static json_t *
op_json(const struct kv_op *op)
{
	struct str value = STR_INIT;
	json_t *kv = json_object();

	json_object_set_new(kv, "Verb", json_string(verbs[op->kind].verb));
	if (json_object_set_new(kv, "Key", json_string(op->key)) == -1) {
		json_decref(kv);
		return NULL;
	}
	if (verbs[op->kind].has_value) {
		str_add_base64(&value, op->value, op->value_len);
		json_object_set_new(kv, "Value", json_string(str_text(&value)));
		str_clear(&value);
	}
	if (verbs[op->kind].has_index)
		json_object_set_new(kv, "Index", json_integer((json_int_t)op->index));
	if (verbs[op->kind].has_session)
		json_object_set_new(kv, "Session", json_string(op->session));
	return json_pack("{s:o}", "KV", kv);
}

int
consul_add_txn(struct str *body, const struct kv_op *ops, size_t count, struct err *e)
{
	json_t *list = json_array(), *op;

	for (size_t i = 0; i < count; i++) {
		if ((op = op_json(&ops[i])) == NULL) {
			json_decref(list);
			return err_set(e, ERR_USAGE, "a key in the transaction is not UTF-8");
		}
		json_array_append_new(list, op);
	}
	json_write(body, list);
	json_decref(list);
	return 0;
}

int
consul_add_session(struct str *body, const struct kv_session_spec *s, struct err *e)
{
	char ttl[32], lock_delay[32];
	json_t *session;

	snprintf(ttl, sizeof(ttl), "%" PRId64 "ms", s->ttl_ms);
	snprintf(lock_delay, sizeof(lock_delay), "%" PRId64 "ms", s->lock_delay_ms);
	/* Without a list of checks Consul takes serfHealth: the session ends with its node. */
	session = json_pack("{s:s, s:s, s:s, s:s}", "Name", s->name, "TTL", ttl, "LockDelay",
	    lock_delay, "Behavior", s->deletes_keys ? "delete" : "release");
	if (session == NULL)
		return err_set(e, ERR_USAGE, "the name of the session is not UTF-8");
	json_write(body, session);
	json_decref(session);
	return 0;
}
