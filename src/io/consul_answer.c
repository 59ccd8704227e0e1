/*
 * consul_answer.c: what an answer means is a row in kinds[]: which function reads a 200, which other
 * status is an answer and no error, and whether a missing answer leaves the outcome open. A write that
 * was sent and not answered, or answered by 500, may have been committed (facts/consul.md: 46 of
 * 2,479 were); everything else that fails has not happened.
 *
 * A list is an error rather than short wherever Consul lets us see that something is missing. No text of
 * Consul's gets out of here before it was made printable and looked through for the token.
 */
#include "io/consul_answer.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "io/consul_reader.h"

#define SMALL_BODY_MAX (1u << 20) /* agent/self is the largest of the small ones: 14 KB */

struct kind;

struct exchange {
	const struct kind *kind;
	struct consul_reader *reader;
	const char *token;
};

struct kind {
	const char *method;
	size_t max_body;
	bool is_write;
	bool is_whole; /* a list that the token's rights cut short is an error */
	/* Reads a 200; what it cannot read it says in a->err. */
	void (*accept)(const struct exchange *x, struct http_answer *h, struct kv_answer *a);
	/* Another status that is no error, and who reads it. */
	int other_status;
	void (*accept_other)(const struct exchange *x, struct http_answer *h, struct kv_answer *a);
};

/* Consul's words, for a person. */
static void
add_foreign(struct str *out, const struct exchange *x, const char *text, size_t len)
{
	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == ' '))
		len--;
	if (x->token != NULL && memmem(text, len, x->token, strlen(x->token)) != NULL)
		str_adds(out, "(an answer that repeats the token)");
	else
		str_add_printable(out, text, len, STR_SHOW_MAX * 2);
}

static const struct {
	int low, high;
	enum err_code code;
} statuses[] = {
	{ 400, 400, ERR_USAGE },
	{ 401, 401, ERR_DENIED },
	{ 403, 403, ERR_DENIED },
	{ 404, 404, ERR_NOT_FOUND },
	{ 413, 413, ERR_LIMIT },
	{ 429, 429, ERR_UNAVAILABLE },
	{ 500, 599, ERR_UNAVAILABLE },
};

static void
explain_status(const struct exchange *x, const struct http_answer *h, struct err *e)
{
	enum err_code code = ERR_PROTOCOL;
	struct str words = STR_INIT;

	for (size_t i = 0; i < MEM_COUNT(statuses); i++) {
		if (h->status >= statuses[i].low && h->status <= statuses[i].high)
			code = statuses[i].code;
	}
	add_foreign(&words, x, str_text(&h->body), h->body.len);
	err_set(e, code, "status %d%s%s", h->status, words.len > 0 ? ": " : "", str_text(&words));
	str_clear(&words);
}

/*
 * What the headers of a read say. 0, or -1 for an answer that must not be believed although it
 * says 200: there was no leader to ask (only ?stale should ever say so), or rights are missing and
 * the list is short (Consul 1.11 and later tell; before, nothing does).
 */
static int
read_headers(const struct exchange *x, const struct http_answer *h, struct kv_answer *a)
{
	const char *index = http_header(h, "X-Consul-Index");
	const char *leader = http_header(h, "X-Consul-KnownLeader");
	const char *filtered = http_header(h, "X-Consul-Results-Filtered-By-ACLs");

	if (leader != NULL && strcmp(leader, "false") == 0)
		return err_set(&a->err, ERR_UNAVAILABLE, "Consul knows no leader");
	if (x->kind->is_whole && filtered != NULL && strcmp(filtered, "true") == 0)
		return err_set(&a->err, ERR_DENIED,
		    "the list was cut short, the token may not read all of it");
	if (index == NULL || str_parse_u64(index, &a->index) == -1)
		a->index = 0;
	return 0;
}

static void
accept_list(const struct exchange *x, struct http_answer *h, struct kv_answer *a)
{
	if (read_headers(x, h, a) == 0)
		consul_reader_end(x->reader, a, &a->err);
}

/* No such key, or nothing below the prefix. */
static void
accept_no_keys(const struct exchange *x, struct http_answer *h, struct kv_answer *a)
{
	if (http_header(h, "X-Consul-Index") == NULL)
		err_set(&a->err, ERR_PROTOCOL, "status 404 without an index: this is not Consul");
	else
		read_headers(x, h, a);
}

static void
accept_flag(const struct exchange *x, struct http_answer *h, struct kv_answer *a)
{
	(void)x;
	if (strncmp(str_text(&h->body), "true", 4) == 0)
		a->is_applied = true;
	else if (strncmp(str_text(&h->body), "false", 5) != 0)
		err_set(&a->err, ERR_PROTOCOL, "neither true nor false was answered");
}

/*
 * Applied it is, whatever the body says: {"Results": [{"KV": {"ModifyIndex": 8813, …}}, …]}. A deletion
 * has no result.
 */
static void
accept_txn(const struct exchange *x, struct http_answer *h, struct kv_answer *a)
{
	json_t *answer = json_parse(str_text(&h->body), h->body.len, "the answer", NULL);
	const json_t *results = json_object_get(answer, "Results");
	const json_t *last = json_array_get(results, json_array_size(results) - 1);
	json_int_t index = json_get_int(json_object_get(last, "KV"), "ModifyIndex", 0);

	(void)x;
	a->is_applied = true;
	a->index = index > 0 ? (uint64_t)index : 0;
	json_decref(answer);
}

static void
accept_txn_refused(const struct exchange *x, struct http_answer *h, struct kv_answer *a)
{
	/* Refused it is in any case; only the reason may be unreadable. */
	json_t *answer = json_parse(str_text(&h->body), h->body.len, "the answer", NULL);
	const json_t *first = json_array_get(json_object_get(answer, "Errors"), 0);
	const char *what = json_get_string(first, "What", "Consul does not say why");
	struct str words = STR_INIT;

	add_foreign(&words, x, what, strlen(what));
	/* A key that the token may not write is told as a lost condition: 409, where a put says 403. */
	if (strstr(what, "Permission denied") != NULL)
		err_set(&a->err, ERR_DENIED, "status %d: %s", h->status, str_text(&words));
	else
		snprintf(a->text, sizeof(a->text), "%s", str_text(&words));
	str_clear(&words);
	json_decref(answer);
}

static void
accept_session(const struct exchange *x, struct http_answer *h, struct kv_answer *a)
{
	json_t *answer = json_parse(str_text(&h->body), h->body.len, "the answer", &a->err);
	const char *id = json_get_string(answer, "ID", "");

	(void)x;
	if (answer == NULL)
		return;
	if (strlen(id) == KV_SESSION_SIZE - 1)
		memcpy(a->session, id, KV_SESSION_SIZE);
	else
		err_set(&a->err, ERR_PROTOCOL, "the answer has no id of a session");
	json_decref(answer);
}

static void
accept_any(const struct exchange *x, struct http_answer *h, struct kv_answer *a)
{
	(void)x;
	(void)h;
	(void)a;
}

static void
accept_self(const struct exchange *x, struct http_answer *h, struct kv_answer *a)
{
	json_t *answer = json_parse(str_text(&h->body), h->body.len, "the answer", &a->err);
	const char *node = json_get_string(json_object_get(answer, "Config"), "NodeName", "");

	(void)x;
	if (answer == NULL)
		return;
	if (node[0] != '\0' && strlen(node) < sizeof(a->text))
		memcpy(a->text, node, strlen(node) + 1);
	else
		err_set(&a->err, ERR_PROTOCOL, "the answer has no name of a node");
	json_decref(answer);
}

static const struct kind kinds[] = {
	[CONSUL_KEYS] = { .method = "GET",
	    .max_body = KV_LIST_BODY_MAX,
	    .is_whole = true,
	    .accept = accept_list,
	    .other_status = 404,
	    .accept_other = accept_no_keys },
	[CONSUL_NODES] = { .method = "GET", .max_body = KV_LIST_BODY_MAX, .accept = accept_list },
	[CONSUL_PUT] = { .method = "PUT",
	    .max_body = SMALL_BODY_MAX,
	    .is_write = true,
	    .accept = accept_flag },
	[CONSUL_DELETE] = { .method = "DELETE",
	    .max_body = SMALL_BODY_MAX,
	    .is_write = true,
	    .accept = accept_flag },
	[CONSUL_TXN] = { .method = "PUT",
	    .max_body = SMALL_BODY_MAX,
	    .is_write = true,
	    .accept = accept_txn,
	    .other_status = 409,
	    .accept_other = accept_txn_refused },
	[CONSUL_SESSION_CREATE] = { .method = "PUT",
	    .max_body = SMALL_BODY_MAX,
	    .accept = accept_session },
	[CONSUL_SESSION] = { .method = "PUT", .max_body = SMALL_BODY_MAX, .accept = accept_any },
	[CONSUL_SELF] = { .method = "GET", .max_body = SMALL_BODY_MAX, .accept = accept_self },
};

const char *
consul_method(enum consul_kind kind)
{
	return kinds[kind].method;
}

size_t
consul_max_body(enum consul_kind kind)
{
	return kinds[kind].max_body;
}

void
consul_read_answer(enum consul_kind kind, struct http_answer *h, struct consul_reader *reader,
    const char *token, struct kv_answer *a)
{
	const struct exchange x = { .kind = &kinds[kind], .reader = reader, .token = token };
	bool is_open = h->err.code != ERR_NONE ? h->is_sent : h->status == 200 || h->status >= 500;

	if (h->err.code != ERR_NONE)
		a->err = h->err;
	else if (h->status == 200)
		x.kind->accept(&x, h, a);
	else if (h->status == x.kind->other_status)
		x.kind->accept_other(&x, h, a);
	else
		explain_status(&x, h, &a->err);
	if (x.kind->is_write && is_open && a->err.code != ERR_NONE)
		a->err.code =
		    ERR_UNKNOWN; /* the text says why; whoever looked knows what came of it */
}
