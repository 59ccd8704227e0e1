/*
 * gather_checked.c: pairs of Redis and of daemons: what their check finds from here and now, by the same
 * code as in the agents, and of a Redis what no check looks at: min-replicas-to-write, and whether a
 * Sentinel has connections to it. A Sentinel that nobody configured here is the one that surprises.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "operate/check_here.h"
#include "operate/client.h"
#include "operate/gather_impl.h"
#include "operate/interrupt.h"
#include "feature/check_net.h"
#include "feature/check_target.h"
#include "feature/credentials.h"
#include "io/loop.h"
#include "io/redis.h"
#include "io/resolve.h"
#include "model/server_view.h"

#define TURN_MS 50 /* how long Ctrl-C may go unnoticed */
#define LIMIT_MS 3000

/* --- what only a preflight asks of a Redis --------------------------------------------------------- */

struct questions {
	struct redis_facts *facts;
	size_t waiting;
};

/* CONFIG GET answers with name and value. */
static const char *
setting(const struct redis_reply *reply, const char *name)
{
	return reply->value != NULL ? resp_field(reply->value, name) : NULL;
}

static void
config_came(const struct redis_reply *reply, void *arg)
{
	struct questions *q = arg;
	const char *text = setting(reply, "min-replicas-to-write");
	uint64_t number;

	if (text != NULL && str_parse_u64(text, &number) == 0)
		q->facts->min_replicas = (int64_t)number;
	q->waiting--;
}

static void
read_only_came(const struct redis_reply *reply, void *arg)
{
	struct questions *q = arg;
	const char *text = setting(reply, "replica-read-only");

	if (text != NULL)
		q->facts->is_read_only_replica = strcmp(text, "yes") == 0;
	q->waiting--;
}

static void
masterauth_came(const struct redis_reply *reply, void *arg)
{
	struct questions *q = arg;
	const char *text = setting(reply, "masterauth");

	if (text != NULL)
		q->facts->has_masterauth = text[0] != '\0';
	q->waiting--;
}

/* A line a client; Sentinels name themselves: "… name=sentinel-3f2a1b0c-cmd …". */
static void
clients_came(const struct redis_reply *reply, void *arg)
{
	static const char mark[] = " name=sentinel-";
	struct questions *q = arg;

	q->waiting--;
	if (reply->value == NULL || reply->value->type != RESP_STRING)
		return;
	q->facts->sentinel_clients = 0;
	for (const char *p = reply->value->text; (p = strstr(p, mark)) != NULL; p += strlen(mark))
		q->facts->sentinel_clients++;
}

static int
ask_redis(struct gather *g, struct redis *r, struct redis_facts *facts, struct err *e)
{
	static const char *const config[] = { "CONFIG", "GET", "min-replicas-to-write", NULL };
	static const char *const read_only[] = { "CONFIG", "GET", "replica-read-only", NULL };
	static const char *const masterauth[] = { "CONFIG", "GET", "masterauth", NULL };
	static const char *const clients[] = { "CLIENT", "LIST", NULL };
	struct questions q = { facts, 4 };

	redis_start(r, config, LIMIT_MS, config_came, &q);
	redis_start(r, read_only, LIMIT_MS, read_only_came, &q);
	redis_start(r, masterauth, LIMIT_MS, masterauth_came, &q);
	redis_start(r, clients, LIMIT_MS, clients_came, &q);
	while (q.waiting > 0 && !interrupt_is_pending(NULL))
		loop_turn(g->client->loop, TURN_MS);
	return q.waiting == 0 ? 0 : err_set(e, ERR_CANCELED, "stopped by the operator");
}

/* An option file that cannot be read has failed the check already. */
static int
look_closer(struct gather *g, const struct check_spec *spec, const struct endpoint *at,
    struct redis_facts *facts, struct err *e)
{
	struct redis_config config = { .endpoint = *at };
	struct credentials c = { 0 };
	struct stream_tls tls;
	char host[RESOLVE_HOST_SIZE];
	struct redis *r;
	int rc;

	if (spec->credentials != NULL && credentials_read(spec->credentials, &c, NULL) != 0)
		return 0;
	config.user = c.password != NULL ? c.user : NULL;
	config.password = c.password;
	if (check_net_tls(spec, &c, host, &tls))
		config.tls = &tls;
	r = redis_new(g->client->loop, &config);
	credentials_clear(&c);
	rc = ask_redis(g, r, facts, e);
	redis_free(r);
	return rc;
}

/* --- either kind ------------------------------------------------------------------------------------ */

static int
look_at(struct gather *g, const struct check_spec *spec, const struct check_target *at,
    struct preflight_server *s, struct err *e)
{
	bool is_redis = strcmp(spec->type, "redis") == 0;
	struct check_here here;
	int rc = check_here_run(&here, g->client, spec, g->map, e);

	if (rc == 0) {
		snprintf(s->text, sizeof(s->text), "%s", here.result.text);
		s->is_reached = here.result.view != NULL;
		s->is_running = s->is_reached && here.result.view->is_writable;
		snprintf(s->error, sizeof(s->error), "%s", s->is_reached ? "" : here.result.text);
	}
	if (rc == 0 && is_redis && s->is_reached) {
		s->redis = mem_alloc(sizeof(*s->redis));
		s->redis->min_replicas = s->redis->sentinel_clients = -1;
		s->redis->is_read_only_replica = s->redis->has_masterauth = -1;
		s->redis->view = here.result.view;
		here.result.view = NULL;
		rc = look_closer(g, spec, &at->endpoint, s->redis, e);
	}
	check_here_clear(&here);
	return rc;
}

int
gather_checked(
    struct gather *g, const struct config_pair *pair, struct preflight_facts *f, struct err *e)
{
	for (size_t i = 0; i < 2; i++) {
		struct preflight_server *s = &f->servers[i];
		const struct check_spec *spec = gather_find_spec(g->client->config, pair, s->node);
		struct check_target at;

		if (check_here_find(&at, g->client, spec, g->map, e) != 0)
			return -1;
		if (at.kind == CHECK_TARGET_ADDRESS)
			gather_place(s, &at.endpoint);
		if (look_at(g, spec, &at, s, e) != 0)
			return -1;
	}
	if (!f->is_active_known && f->servers[1].is_running && !f->servers[0].is_running)
		f->active = 1;
	return 0;
}
