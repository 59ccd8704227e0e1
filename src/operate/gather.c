/*
 * gather.c: what the KV and the agents say. A KV that does not answer is no reason to say nothing: the
 * servers are found by the names that the agent of this host kept, and looked at all the same.
 */
#include "operate/gather.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "operate/client.h"
#include "operate/gather_impl.h"
#include "operate/health_view.h"
#include "feature/pair_role.h"
#include "feature/proposal.h"
#include "feature/store_disk.h"
#include "io/endpoint.h"

#define SESSION_TTL_MS 10000 /* the shortest that Consul allows: should we die, it is gone soon */

/* That a failover could hold its lock; given back at once. */
static int
try_session(struct client *client, struct err *e)
{
	struct kv_session_spec spec = { .name = "pointsman doctor", .ttl_ms = SESSION_TTL_MS };
	char session[KV_SESSION_SIZE];

	if (kv_wait_session_create(&client->wait, &spec, session, e) != 0)
		return -1;
	return kv_wait_session_destroy(&client->wait, session, e);
}

static int
read_kv(struct gather *g)
{
	if (view_load(&g->view, g->client, &g->kv_err) != 0 ||
	    fleet_load(&g->fleet, g->client, &g->kv_err) != 0 ||
	    view_load_holds(&g->holds, g->client, &g->kv_err) != 0)
		return -1;
	g->map = g->view.map;
	if (try_session(g->client, &g->session_err) != 0)
		return -1;
	return 0;
}

static bool
was_interrupted(const struct gather *g, struct err *e)
{
	const struct err *either = g->kv_err.code == ERR_CANCELED ? &g->kv_err : &g->session_err;

	if (either->code != ERR_CANCELED)
		return false;
	*e = *either;
	return true;
}

int
gather_open(struct gather *g, struct client *client, struct err *e)
{
	char *path;
	bool ignored;

	g->client = client;
	if (read_kv(g) != 0 && was_interrupted(g, e))
		return -1;
	if (g->map != NULL)
		return 0;
	path = store_disk_path(client->config->agent.state_dir);
	g->map = g->kept = store_disk_load(path, &ignored, NULL);
	free(path);
	return 0;
}

void
gather_close(struct gather *g)
{
	hold_set_clear(&g->holds);
	fleet_clear(&g->fleet);
	view_clear(&g->view);
	name_map_unref(g->kept);
	memset(g, 0, sizeof(*g));
}

/* --- one pair ----------------------------------------------------------------------------------- */

const struct check_spec *
gather_find_spec(const struct config *c, const struct config_pair *pair, const char *node)
{
	for (size_t i = 0; i < c->check_count; i++) {
		const struct check_spec *s = &c->checks[i];

		if (s->pair != NULL && strcmp(s->pair, pair->name) == 0 &&
		    strcmp(s->node, node) == 0)
			return s;
	}
	abort(); /* feature/config_checks.c makes one for each */
}

void
gather_place(struct preflight_server *s, const struct endpoint *at)
{
	endpoint_format_host(s->host, at);
	s->port = endpoint_port(at);
}

static void
add_agents(const struct gather *g, struct preflight_facts *f)
{
	f->agents = mem_array(g->fleet.count, sizeof(*f->agents));
	for (size_t i = 0; i < g->fleet.count; i++) {
		const struct fleet_agent *a = &g->fleet.agents[i];
		struct preflight_agent *one;
		struct str why = STR_INIT;

		if (f->without != NULL && fleet_is_left_out(f->without, a->node))
			continue;
		one = &f->agents[f->agent_count++];
		one->node = a->node;
		one->is_alive = a->is_alive;
		one->serves = fleet_agent_serves(a, g->view.index);
		if (!one->serves)
			fleet_agent_add_trouble(&why, a);
		snprintf(one->why, sizeof(one->why), "%s", str_text(&why));
		str_clear(&why);
	}
}

static void
add_kv(const struct gather *g, struct preflight_facts *f)
{
	const struct kv_entry *entry;
	const struct hold *hold;

	if (g->kv_err.code != ERR_NONE) {
		snprintf(f->kv_error, sizeof(f->kv_error), "%s", g->kv_err.text);
		return;
	}
	if (g->session_err.code != ERR_NONE)
		snprintf(f->session_error, sizeof(f->session_error), "%s", g->session_err.text);
	if ((entry = view_find(&g->view, g->client, f->name)) != NULL)
		str_printable(f->value, sizeof(f->value), entry->value, entry->value_len);
	if ((hold = hold_set_find(&g->holds, f->name)) != NULL) {
		char *words = hold_words(hold);

		snprintf(f->hold, sizeof(f->hold), "%s", words);
		free(words);
	}
	f->generation = g->view.index;
	add_agents(g, f);
}

/*
 * What the vantages see at this moment. Not what their proposal says: it is of when it was written, and
 * may be another tool's, made while all of them see the active well.
 */
static int
add_verdict(const struct gather *g, struct preflight_facts *f, struct err *e)
{
	struct health_board *board = health_view_load(g->client, e);
	struct verdict v;
	char *check;

	if (board == NULL)
		return e->code != ERR_CANCELED ? 0 : -1;
	check = mem_printf("%s/%s", f->pair, f->servers[f->active].node);
	health_board_verdict(board, check, NULL, NULL, &v);
	f->is_dead_seen = v.is_down;
	f->is_dead_confirmed = v.is_down && v.is_confirmed;
	if (v.sighted > 0)
		snprintf(f->dead_by, sizeof(f->dead_by), "%s%s",
		    v.state == STATE_PASSING ? "it is well, say " : "", v.text);
	free(check);
	health_board_free(board);
	return 0;
}

/* What would be lost, as it was when the failover was proposed. */
static int
add_loss(const struct gather *g, struct preflight_facts *f, struct err *e)
{
	char *tail = mem_printf("%s%s", PROPOSALS_PREFIX, f->pair),
	     *key = config_key(g->client->config, tail);
	struct kv_list list = { 0 };
	int rc = kv_wait_get(&g->client->wait, key, &list, NULL, e);
	json_t *j = NULL;

	if (rc == 0 && list.count > 0)
		j = json_parse(
		    list.entries[0].value, list.entries[0].value_len, "a proposal", NULL);
	if (strcmp(json_get_string(j, "active", ""), f->servers[f->active].node) == 0)
		str_copy_printable(f->lost, sizeof(f->lost),
		    json_get_string(json_object_get(j, "lost"), "text", ""));
	json_decref(j);
	kv_list_clear(&list);
	free(key);
	free(tail);
	return rc == 0 || e->code != ERR_CANCELED ? 0 : -1;
}

static int
add_proposal(const struct gather *g, struct preflight_facts *f, struct err *e)
{
	return add_verdict(g, f, e) == 0 ? add_loss(g, f, e) : -1;
}

int
gather_pair(
    struct gather *g, const struct config_pair *pair, struct preflight_facts *out, struct err *e)
{
	const char *active = pair_active_node(pair, g->map);

	out->pair = pair->name;
	out->name = pair->kv_name;
	out->kind = pair->kind;
	out->max_lag_ms = pair->max_lag_ms;
	out->long_write_ms = pair->long_write_ms;
	for (size_t i = 0; i < 2; i++)
		out->servers[i].node = pair->nodes[i];
	out->is_active_known = active != NULL;
	out->active = active != NULL && strcmp(active, pair->nodes[1]) == 0;
	add_kv(g, out);
	if (g->kv_err.code == ERR_NONE &&
	    (gather_past(g, out, e) != 0 || (out->is_emergency && add_proposal(g, out, e) != 0)))
		return -1;
	if (strcmp(pair->kind, "mysql") == 0)
		return gather_sql(g, pair, out, e);
	return gather_checked(g, pair, out, e);
}
