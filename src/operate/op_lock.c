/*
 * op_lock.c: the lock of a pair in Consul, and what its holder says of itself.
 *
 * The lock decides who operates; it does not stop a process that was frozen and thaws. That is done twice
 * more: each journal entry is a check-and-set on the one before, under a check of the session, and whoever
 * takes an operation over ends the old one's connections at the servers (sql_server_lock).
 *
 * The lock-delay is short: it is for holders that do not watch their own session, and ours does.
 */
#include "operate/op_lock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "feature/config.h"
#include "io/loop.h"
#include "operate/client.h"

#define LOCK_DELAY_MS 1000
#define AGAIN_MS 50
#define RETRY_MS 500 /* a renewal that failed is tried again soon */
/* Of one renewal: the journal waits behind it, and has to be written before the time to live is over. */
#define RENEWAL_MS 2000

struct op_lock {
	struct client *client;
	char *key;
	char session[KV_SESSION_SIZE];
	struct loop_timer *timer;
	struct kv_call *call;
	int64_t asked_us, renewed_us; /* monotonic; a renewal counts from when it was asked for */
	bool is_lost;                 /* the session has ended */
	bool is_held;
	bool is_adopted, is_disowned;
	bool is_delayed; /* when it could not be had: nobody has it */
};

static void
renewed(struct kv_answer *a, void *arg)
{
	struct op_lock *l = arg;

	l->call = NULL;
	if (a->err.code == ERR_NONE)
		l->renewed_us = l->asked_us;
	else if (a->err.code == ERR_NOT_FOUND)
		l->is_lost = true;
	if (l->is_lost)
		loop_timer_stop(l->timer);
	else
		loop_timer_set(l->timer, a->err.code == ERR_NONE ? LOCK_RENEW_MS : RETRY_MS);
}

/* The next one is due, or the last one was not answered. */
static void
renew(void *arg)
{
	struct op_lock *l = arg;

	if (l->call != NULL) {
		kv_cancel(l->call);
		l->call = NULL;
		loop_timer_set(l->timer, RETRY_MS);
		return;
	}
	l->asked_us = clock_mono_us();
	l->call = kv_session_renew(l->client->kv, l->session, renewed, l);
	loop_timer_set(l->timer, RENEWAL_MS);
}

static char *
words_to_json(const struct op_lock_words *w)
{
	char since[CLOCK_ISO_SIZE];
	struct str out = STR_INIT;
	json_t *document = json_pack("{s:s, s:s, s:s, s:s, s:I, s:s}", "op", w->op, "by", w->by,
	    "host", w->host, "what", w->what, "pid", (json_int_t)w->pid, "since",
	    clock_iso(since, w->since_wall_s));

	json_write(&out, document);
	json_decref(document);
	return str_take(&out);
}

/* "ola (uid 1004) on adm-01 since 2026-11-21T03:12:04Z: failover db3 ==> db4 (01JD2K4V00)" */
static void
say_who(const struct kv_entry *entry, struct err *e)
{
	json_t *document = json_parse(entry->value, entry->value_len, "the lock", NULL);
	struct str words = STR_INIT;
	static const char *const members[] = { "by", "host", "since", "what", "op" };
	static const char *const before[] = { "", " on ", " since ", ": ", ", operation " };

	for (size_t i = 0; i < MEM_COUNT(members); i++) {
		const char *text = json_get_string(document, members[i], "?");

		str_adds(&words, before[i]);
		str_add_printable(&words, text, strlen(text), STR_SHOW_MAX);
	}
	json_decref(document);
	err_set(e, ERR_CONFLICT, "%s", str_text(&words));
	str_clear(&words);
}

static char *
make_key(const struct client *client, const char *pair)
{
	char *tail = mem_printf("locks/%s", pair), *key = config_key(client->config, tail);

	free(tail);
	return key;
}

static int
look(struct client *client, const char *key, struct err *e)
{
	struct kv_list list;
	bool is_free;

	if (kv_wait_get(&client->wait, key, &list, NULL, e) != 0)
		return -1;
	is_free = list.count == 0 || list.entries[0].session[0] == '\0';
	if (!is_free)
		say_who(&list.entries[0], e);
	kv_list_clear(&list);
	return is_free;
}

int
op_lock_is_free(struct client *client, const char *pair, struct err *e)
{
	char *key = make_key(client, pair);
	int rc = look(client, key, e);

	free(key);
	return rc;
}

/* Somebody has it: who. Or nobody: the delay after a session that ended. */
static void
explain(struct op_lock *l, struct err *e)
{
	l->is_delayed = look(l->client, l->key, e) == 1;
	if (l->is_delayed)
		err_set(e, ERR_CONFLICT, "the lock was freed a moment ago, and is in its delay");
}

static int
acquire(struct op_lock *l, const struct op_lock_words *words, struct err *e)
{
	char *value = words_to_json(words);
	const struct kv_op op = { .kind = KV_OP_LOCK,
		.key = l->key,
		.value = value,
		.value_len = strlen(value),
		.session = l->session };
	int rc = kv_wait_put_if(&l->client->wait, &op, e);

	free(value);
	l->is_held = rc == 1;
	l->is_delayed = false;
	if (rc == 0)
		explain(l, e);
	return rc == 1 ? 0 : -1;
}

/* A lock that nobody has is ours at the end of its delay. */
static int
acquire_patiently(struct op_lock *l, const struct op_lock_words *words, struct err *e)
{
	int64_t end_ms = clock_mono_ms() + 2 * LOCK_DELAY_MS;
	int rc;

	while ((rc = acquire(l, words, e)) != 0 && l->is_delayed && clock_mono_ms() < end_ms)
		loop_turn(l->client->loop, AGAIN_MS);
	return rc;
}

static int
find_session(struct op_lock *l, const char *adopts, struct err *e)
{
	const struct kv_session_spec spec = {
		.name = "pointsman operation", .ttl_ms = LOCK_TTL_MS, .lock_delay_ms = LOCK_DELAY_MS
	};

	l->renewed_us = clock_mono_us();
	if (adopts != NULL && strlen(adopts) == KV_SESSION_SIZE - 1 &&
	    kv_wait_session_renew(&l->client->wait, adopts, NULL) == 0) {
		memcpy(l->session, adopts, KV_SESSION_SIZE);
		l->is_adopted = true;
		return 0;
	}
	l->renewed_us = clock_mono_us();
	return kv_wait_session_create(&l->client->wait, &spec, l->session, e);
}

int
op_lock_take(struct op_lock **out, struct client *client, const char *pair,
    const struct op_lock_words *words, const char *adopts, struct err *e)
{
	struct op_lock *l = mem_alloc(sizeof(*l));

	l->client = client;
	l->key = make_key(client, pair);
	l->timer = loop_timer_new(client->loop, renew, l);
	if (find_session(l, adopts, e) != 0 || acquire_patiently(l, words, e) != 0) {
		op_lock_free(l);
		return -1;
	}
	loop_timer_set(l->timer, LOCK_RENEW_MS);
	*out = l;
	return 0;
}

/*
 * The session ends last: that frees the lock, too, when the release did not arrive. Both are tried for one
 * that is said to be lost, too: a Consul that has just come up says so of sessions it has not read yet.
 */
void
op_lock_free(struct op_lock *l)
{
	if (l == NULL)
		return;
	if (l->call != NULL)
		kv_cancel(l->call);
	loop_timer_free(l->timer);
	if (l->is_adopted && (l->is_disowned || !l->is_held)) {
		free(l->key);
		free(l);
		return;
	}
	if (l->is_held) {
		const struct kv_op op = { .kind = KV_OP_DELETE, .key = l->key };
		const struct kv_op ops[] = {
			{ .kind = KV_OP_CHECK_SESSION, .key = l->key, .session = l->session }, op
		};

		kv_wait_txn(&l->client->wait, ops, MEM_COUNT(ops), NULL);
	}
	if (l->session[0] != '\0')
		kv_wait_session_destroy(&l->client->wait, l->session, NULL);
	free(l->key);
	free(l);
}

void
op_lock_disown(struct op_lock *l)
{
	l->is_disowned = true;
}

const char *
op_lock_key(const struct op_lock *l)
{
	return l->key;
}

const char *
op_lock_session(const struct op_lock *l)
{
	return l->session;
}

int
op_lock_is_sure(const struct op_lock *l, struct err *e)
{
	int64_t gone_ms = (clock_mono_us() - l->renewed_us) / 1000;
	char gone[16];

	if (l->is_lost)
		return err_set(e, ERR_CONFLICT, "Consul has ended our session: the lock is lost");
	if (gone_ms > LOCK_SURE_MS)
		return err_set(e, ERR_CONFLICT,
		    "our session could not be renewed for %s, and the lock is not sure any more",
		    str_duration(gone, sizeof(gone), gone_ms));
	return 0;
}
