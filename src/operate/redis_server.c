/*
 * redis_server.c: one connection, asked one thing at a time.
 *
 * It is never made anew behind the caller's back: what was asked on the lost one may still happen. So a
 * step that fails by a lost connection fails; only who undoes connects again, and ends the lost one at the
 * server first.
 *
 * Nowhere is port 0 of the server itself: nobody can ever listen there, so the kernel refuses each attempt
 * at once. Measured with 6.0.16 and 7.0.15: the link to its replicas stays (7.0), its offset stands still,
 * and REPLICAOF of the promoted one is a partial resync afterwards, always.
 */
#include "operate/redis_server.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "feature/check_net.h"
#include "feature/check_target.h"
#include "feature/config.h"
#include "feature/credentials.h"
#include "io/endpoint.h"
#include "io/loop.h"
#include "io/redis.h"
#include "io/stream.h"
#include "operate/check_here.h"
#include "operate/client.h"
#include "operate/gather_impl.h"
#include "operate/view.h"

#define TURN_MS 50
#define REPLY_MAX 67108864 /* CLIENT LIST of 100,000 clients takes half of it */
#define PROBE_KEY "pointsman:probe"

const struct endpoint redis_nowhere;

struct redis_server {
	struct client *client;
	const struct config_pair *pair;
	const struct check_spec *spec;
	char *node;
	struct endpoint at;
	struct redis *redis;
	bool is_open; /* as far as we know; false after any fault */
	bool is_done;
	struct err err; /* of the call under way */
	struct str text, refusal;
	int64_t number;
};

/* --- where it is ---------------------------------------------------------------------------------- */

static int
find(struct redis_server *s, struct err *e)
{
	struct check_target target;
	struct view view = { 0 };
	int rc = view_load(&view, s->client, e);

	if (rc == 0 && (rc = check_here_find(&target, s->client, s->spec, view.map, e)) == 0) {
		if (target.kind == CHECK_TARGET_ADDRESS)
			s->at = target.endpoint;
		else
			rc = err_set(e, ERR_UNREACHABLE, "%s: %s", s->node, target.err.text);
	}
	view_clear(&view);
	return rc;
}

struct redis_server *
redis_server_new(
    struct client *client, const struct config_pair *pair, const char *node, struct err *e)
{
	struct redis_server *s = mem_alloc(sizeof(*s));

	s->client = client;
	s->pair = pair;
	s->spec = gather_find_spec(client->config, pair, node);
	s->node = mem_strdup(node);
	if (find(s, e) != 0) {
		redis_server_free(s);
		return NULL;
	}
	return s;
}

void
redis_server_free(struct redis_server *s)
{
	if (s == NULL)
		return;
	redis_free(s->redis);
	str_clear(&s->text);
	str_clear(&s->refusal);
	free(s->node);
	free(s);
}

bool
redis_server_is_open(const struct redis_server *s)
{
	return s->is_open;
}

const char *
redis_server_node(const struct redis_server *s)
{
	return s->node;
}

const struct endpoint *
redis_server_at(const struct redis_server *s)
{
	return &s->at;
}

const char *
redis_server_text(const struct redis_server *s)
{
	return str_text(&s->text);
}

int64_t
redis_server_number(const struct redis_server *s)
{
	return s->number;
}

const char *
redis_server_refusal(const struct redis_server *s)
{
	return str_text(&s->refusal);
}

/* --- asking --------------------------------------------------------------------------------------- */

static void
take_value(struct redis_server *s, const struct resp_value *v)
{
	if (v->type == RESP_ERROR) {
		str_add_printable(&s->refusal, v->text, v->len, STR_SHOW_MAX);
		err_set(&s->err, ERR_DENIED, "%s: %s", s->node, str_text(&s->refusal));
	} else if (v->type == RESP_ARRAY && v->count > 0) {
		take_value(s, &v->items[v->count - 1]);
	} else {
		str_add(&s->text, v->text, v->len);
		s->number = v->integer;
	}
}

static void
answered(const struct redis_reply *reply, void *arg)
{
	struct redis_server *s = arg;

	s->is_done = true;
	if (reply->value != NULL) {
		take_value(s, reply->value);
		return;
	}
	s->is_open = false;
	s->err = reply->err;
	err_wrap(&s->err, "%s", s->node);
}

/* Ctrl-C is not looked at: a command is as long as its limit. */
static int
ask(struct redis_server *s, int64_t limit_ms, const char *const *argv, struct err *e)
{
	str_reset(&s->text);
	str_reset(&s->refusal);
	s->number = 0;
	s->is_done = false;
	err_clear(&s->err);
	redis_start(s->redis, argv, limit_ms, answered, s);
	while (!s->is_done)
		loop_turn(s->client->loop, TURN_MS);
	if (s->err.code == ERR_NONE)
		return 0;
	*e = s->err;
	return -1;
}

int
redis_server_ask(struct redis_server *s, int64_t limit_ms, const char *const *argv, struct err *e)
{
	if (!s->is_open)
		return err_set(e, ERR_UNREACHABLE, "%s: the connection is lost", s->node);
	return ask(s, limit_ms, argv, e);
}

/* --- connecting ----------------------------------------------------------------------------------- */

static int
make_connection(struct redis_server *s, struct err *e)
{
	struct redis_config config = { .endpoint = s->at, .max_reply = REPLY_MAX };
	struct credentials c = { 0 };
	struct stream_tls tls;
	char host[RESOLVE_HOST_SIZE];

	if (s->spec->credentials != NULL && credentials_read(s->spec->credentials, &c, e) != 0)
		return -1;
	config.user = c.password != NULL ? c.user : NULL;
	config.password = c.password;
	if (check_net_tls(s->spec, &c, host, &tls))
		config.tls = &tls;
	redis_free(s->redis);
	s->redis = redis_new(s->client->loop, &config);
	credentials_clear(&c);
	return 0;
}

struct stream *
redis_server_stream(
    struct redis_server *s, const struct stream_events *events, void *arg, struct err *e)
{
	struct credentials c = { 0 };
	struct stream_tls tls;
	char host[RESOLVE_HOST_SIZE];
	struct stream *stream;

	if (s->spec->credentials != NULL && credentials_read(s->spec->credentials, &c, e) != 0)
		return NULL;
	stream = stream_open(s->client->loop, &s->at,
	    check_net_tls(s->spec, &c, host, &tls) ? &tls : NULL, events, arg);
	credentials_clear(&c);
	return stream;
}

bool
redis_server_add_auth(struct redis_server *s, struct str *out)
{
	struct credentials c = { 0 };
	const char *argv[] = { "AUTH", NULL, NULL, NULL };
	size_t n = 1;

	if (s->spec->credentials == NULL || credentials_read(s->spec->credentials, &c, NULL) != 0 ||
	    c.password == NULL) {
		credentials_clear(&c);
		return false;
	}
	if (c.user != NULL)
		argv[n++] = c.user;
	argv[n] = c.password;
	resp_add_command(out, argv);
	credentials_clear(&c);
	return true;
}

struct loop *
redis_server_loop(const struct redis_server *s)
{
	return s->client->loop;
}

/* "id=7 addr=… name=pointsman/sessions …" a line: ends all of that name but the one with our id. */
static void
end_namesakes(struct redis_server *s, const char *name, const char *list, const char *own_id,
    int64_t limit_ms)
{
	char *mark = mem_printf(" name=%s ", name);
	struct err ignored;

	for (const char *line = list; line != NULL && *line != '\0';) {
		const char *end = strchr(line, '\n'), *found = strstr(line, mark);
		char id[24];

		if (sscanf(line, "id=%20[0-9]", id) == 1 && found != NULL &&
		    (end == NULL || found < end) && strcmp(id, own_id) != 0)
			ask(s, limit_ms, (const char *const[]){ "CLIENT", "KILL", "ID", id, NULL },
			    &ignored);
		line = end != NULL ? end + 1 : NULL;
	}
	free(mark);
}

/* What an account may not use CLIENT for, it goes without: the lock in the KV is the one that counts. */
static void
take_name(struct redis_server *s, int64_t limit_ms)
{
	char *name = mem_printf("pointsman/%s", s->pair->name), *list, own_id[24];
	struct err ignored;

	if (ask(s, limit_ms, (const char *const[]){ "CLIENT", "SETNAME", name, NULL }, &ignored) ==
		0 &&
	    ask(s, limit_ms, (const char *const[]){ "CLIENT", "ID", NULL }, &ignored) == 0) {
		snprintf(own_id, sizeof(own_id), "%" PRId64, s->number);
		ask(s, limit_ms, (const char *const[]){ "CLIENT", "LIST", NULL }, &ignored);
		list = mem_strdup(redis_server_text(s));
		end_namesakes(s, name, list, own_id, limit_ms);
		free(list);
	}
	free(name);
}

int
redis_server_connect(struct redis_server *s, int64_t limit_ms, struct err *e)
{
	if (s->is_open)
		return 0;
	/* INFO is what a server answers that loads, or whose disk is full. */
	if (make_connection(s, e) != 0 ||
	    ask(s, limit_ms, (const char *const[]){ "INFO", "server", NULL }, e) != 0)
		return -1;
	s->is_open = true;
	take_name(s, limit_ms);
	return s->is_open ? 0 : err_set(e, ERR_UNREACHABLE, "%s: the connection is lost", s->node);
}

/* --- what it is ----------------------------------------------------------------------------------- */

int
redis_server_look(struct redis_server *s, int64_t limit_ms, struct redis_info *out, struct err *e)
{
	if (redis_server_ask(s, limit_ms, (const char *const[]){ "INFO", NULL }, e) != 0)
		return -1;
	if (redis_info_parse(str_text(&s->text), s->text.len, out, e) != 0)
		return err_wrap(e, "%s", s->node);
	return 0;
}

static void
host_and_port(const struct endpoint *of, char host[ENDPOINT_TEXT_SIZE], char port[8])
{
	if (of == REDIS_NOWHERE) {
		strcpy(host, "127.0.0.1");
		strcpy(port, "0");
		return;
	}
	endpoint_format_host(host, of);
	snprintf(port, 8, "%d", endpoint_port(of));
}

bool
redis_info_follows(const struct redis_info *info, const struct endpoint *of)
{
	char host[ENDPOINT_TEXT_SIZE], port[8], own[8];

	host_and_port(of, host, port);
	snprintf(own, sizeof(own), "%d", (int)info->master_port);
	return !redis_info_is_master(info) && strcmp(info->master_host, host) == 0 &&
	       strcmp(own, port) == 0;
}

/* --- what is done with it -------------------------------------------------------------------------- */

int
redis_server_replicate(
    struct redis_server *s, const struct endpoint *of, int64_t limit_ms, struct err *e)
{
	char host[ENDPOINT_TEXT_SIZE] = "NO", port[8] = "ONE";
	const char *const argv[] = { "REPLICAOF", host, port, NULL };

	if (of != NULL)
		host_and_port(of, host, port);
	return redis_server_ask(s, limit_ms, argv, e);
}

int
redis_server_takes_writes(struct redis_server *s, int64_t limit_ms, struct err *e)
{
	static const char *const argv[] = { "SETRANGE", PROBE_KEY, "0", "", NULL };

	if (redis_server_ask(s, limit_ms, argv, e) == 0)
		return 1;
	if (s->refusal.len == 0)
		return -1;
	return strncmp(str_text(&s->refusal), "NOPERM", 6) == 0 ? 2 : 0;
}

int
redis_server_setting(struct redis_server *s, const char *name, int64_t limit_ms, char *out,
    size_t size, struct err *e)
{
	if (redis_server_ask(
		s, limit_ms, (const char *const[]){ "CONFIG", "GET", name, NULL }, e) != 0)
		return -1;
	snprintf(out, size, "%s", redis_server_text(s));
	return 0;
}

int
redis_server_set(
    struct redis_server *s, const char *name, const char *value, int64_t limit_ms, struct err *e)
{
	return redis_server_ask(
	    s, limit_ms, (const char *const[]){ "CONFIG", "SET", name, value, NULL }, e);
}
