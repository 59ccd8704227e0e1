/*
 * checks.c: puts the parts of a vantage together. Everything is driven by what comes in: a run that
 * was believed, an answer to the watch, a change of sight; a timer only looks after what time alone
 * changes (a veto that ends, a mute that expires) and what can wait (positions to disk).
 */
#include "daemon/checks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/agent.h"
#include "feature/pair_role.h"
#include "feature/proposal.h"
#include "feature/session.h"
#include "io/gateway.h"
#include "io/loop.h"

#define TIMER_MS 1000
#define SAVE_EVERY_MS 60000 /* each is an fsync */
#define AGENTS_EVERY_MS 30000
#define AGENTS_LIMIT_MS 10000
#define GATEWAY_EVERY_MS 2000

static void
refresh(struct checks *c)
{
	loop_timer_set(c->agent->refresh_timer, 0);
}

static void
contact(const struct err *e, void *arg)
{
	struct checks *c = arg;

	agent_note_aside(e, c->agent);
}

/* --- verdicts --------------------------------------------------------------------------------------- */

void
checks_verdict(const struct checks *c, const struct check *k, struct verdict *out)
{
	struct opinion own;

	if (k->is_known)
		own = pair_watch_opinion(k, c->checker, c->agent->node);
	health_board_verdict(
	    c->board, k->spec.name, c->agent->node, k->is_known ? &own : NULL, out);
}

const struct health_mute *
checks_mute(const struct checks *c, const char *name)
{
	return health_board_mute(c->board, name, clock_wall_s());
}

const struct health_mute *
checks_mute_of(const struct checks *c, const struct check *k)
{
	return health_board_mute_of(c->board, k->spec.name, k->spec.pair, clock_wall_s());
}

/* --- pairs and proposals ---------------------------------------------------------------------------- */

static void
save(struct checks *c)
{
	c->saved_ms = clock_mono_ms();
	if (pair_watch_save(c->pairs, &c->save_err) == 0)
		err_clear(&c->save_err);
}

static const struct pair_member *
active_of(const struct pair_report *p)
{
	for (size_t i = 0; i < MEM_COUNT(p->members); i++) {
		if (p->members[i].is_active)
			return &p->members[i];
	}
	return NULL;
}

/* Nobody proposes what the others may see differently, before it is known what they see. */
static void
propose(struct checks *c)
{
	bool may_judge = vantage_may_judge(checker_vantage(c->checker));

	for (size_t i = 0; c->propose != NULL && i < pair_watch_count(c->pairs); i++) {
		const struct pair_report *p = pair_watch_at(c->pairs, i);
		const struct pair_member *active = active_of(p);
		struct str command = STR_INIT;
		struct propose_view v = {
			.is_wanted = c->is_board_read && may_judge && p->state.is_proposed,
			.is_well = c->is_board_read && may_judge && active != NULL &&
				   active->verdict.state == STATE_PASSING &&
				   active->verdict.level != LEVEL_UNKNOWN &&
				   p->state.trouble != PAIR_NO_WRITER,
			.active = p->active,
		};

		checks_add_command(&command, p);
		v.command = str_text(&command);
		propose_update(c->propose, i, &v);
		str_clear(&command);
	}
}

/* pair NULL: all of them. */
static void
judge(struct checks *c, const char *pair)
{
	const struct pair_watch_view v = {
		.map = store_map(c->agent->store),
		.checker = c->checker,
		.board = c->board,
		.node = c->agent->node,
	};

	if (pair_watch_judge(c->pairs, pair, &v)) {
		save(c);
		refresh(c);
	}
	propose(c);
}

static json_t *
write_proposal(const char *pair, void *arg)
{
	struct checks *c = arg;

	for (size_t i = 0; i < pair_watch_count(c->pairs); i++) {
		const struct pair_report *p = pair_watch_at(c->pairs, i);

		if (strcmp(p->config->name, pair) == 0)
			return checks_proposal(c, p);
	}
	return json_object();
}

static bool
is_muted(const struct checks *c, const char *pair, const char *active)
{
	char name[CHECK_NAME_MAX];

	snprintf(name, sizeof(name), "%s/%s", pair, active);
	return checks_mute(c, pair) != NULL || checks_mute(c, name) != NULL;
}

/* In "changes", too: of events that wait for their hook those are merged, and none gets lost. */
static void
fire_hook(struct checks *c, const char *state, const json_t *document)
{
	const struct name_map *m = c->agent->offered;
	json_t *all = json_deep_copy(document), *one = json_deep_copy(document);

	json_object_set_new(one, "state", json_string(state));
	json_object_set_new(all, "state", json_string(state));
	json_object_set_new(all, "node", json_string(c->agent->node));
	json_object_set_new(all, "changes", json_pack("[o]", one));
	hook_runner_fire(c->agent->hooks, HOOK_PROPOSAL, m != NULL ? m->generation : 0, all);
}

static void
proposal_told(enum propose_event event, const char *pair, const json_t *document, void *arg)
{
	static const char *const words[] = {
		[PROPOSE_MADE] = "proposed",
		[PROPOSE_SEEN] = "proposed already",
		[PROPOSE_WITHDRAWN] = "withdrawn",
		[PROPOSE_GONE] = "gone",
	};
	struct checks *c = arg;
	const char *active = json_get_string(document, "active", "");
	const char *what = json_get_string(document, "what", "");
	const char *by = json_get_string(document, "proposed_by", "?");
	char shown[STR_SHOW_MAX * 4 + 4], shown_by[STR_SHOW_MAX * 4 + 4];

	log_warning("pair %s: a failover is %s: %s (proposed by %s)", pair, words[event],
	    str_printable(shown, sizeof(shown), what, strlen(what)),
	    str_printable(shown_by, sizeof(shown_by), by, strlen(by)));
	refresh(c);
	/* One message for all vantages: whoever made or withdrew it sends it. */
	if ((event == PROPOSE_MADE || event == PROPOSE_WITHDRAWN) && !is_muted(c, pair, active))
		fire_hook(c, words[event], document);
}

/* --- what the checks found -------------------------------------------------------------------------- */

static const struct name_map *
map_of(void *arg)
{
	const struct checks *c = arg;

	return store_map(c->agent->store);
}

static enum check_role
role_of(const struct check *k, void *arg)
{
	const struct checks *c = arg;

	return pair_role(c->agent->config, &k->spec, store_map(c->agent->store));
}

static bool
is_consul_silent(void *arg)
{
	const struct contact *contact = &((struct checks *)arg)->agent->contact;

	return contact->since_wall_s != 0 && !contact->is_up;
}

/* The kernel needs seconds to give up on a neighbour: no need to look more often. */
static bool
is_gateway_silent(void *arg)
{
	struct checks *c = arg;

	if (clock_mono_ms() - c->gateway_ms >= GATEWAY_EVERY_MS) {
		c->gateway_ms = clock_mono_ms();
		c->is_gateway_silent = gateway_is_silent(GATEWAY_ROUTES, GATEWAY_NEIGHBOURS);
	}
	return c->is_gateway_silent;
}

static char *
opinion_key(const struct checks *c, const struct check *k)
{
	return mem_printf("%s/%s", k->spec.name, c->agent->node);
}

static void
post_opinion(struct checks *c, const struct check *k, bool is_urgent)
{
	struct health_opinion o = { .state = k->debounce.state,
		.level = k->debounce.level,
		.class = k->class,
		.since_wall_s = k->since_wall_ms / 1000,
		.is_flapping = k->debounce.is_flapping };
	struct str text = STR_INIT;
	char address[ENDPOINT_TEXT_SIZE], *key;

	if (c->post == NULL || !k->is_known)
		return;
	if (k->endpoint.len > 0)
		snprintf(o.target, sizeof(o.target), "%s", endpoint_format(address, &k->endpoint));
	else if (k->spec.target != NULL)
		snprintf(o.target, sizeof(o.target), "%s", k->spec.target);
	snprintf(o.output, sizeof(o.output), "%s", k->text);
	snprintf(o.type, sizeof(o.type), "%s", k->spec.type);
	health_add_opinion(&text, &o, k->numbers, k->number_count);
	key = opinion_key(c, k);
	health_post_put(c->post, key, &text, is_urgent);
	free(key);
	str_clear(&text);
}

static void
log_event(const struct checks *c, const struct check *k, enum debounce_event event)
{
	const char *muted = checks_mute_of(c, k) != NULL ? " (muted)" : "";

	if (event == DEBOUNCE_FAILED || event == DEBOUNCE_WORSE)
		log_info("check %s: failing, %s: %s%s", k->spec.name,
		    check_level_name(k->debounce.level), k->text, muted);
	else
		log_info("check %s: %s%s", k->spec.name,
		    event == DEBOUNCE_PASSED ? "passing" : "failing, only a warning now", muted);
}

static void
check_ran(const struct check *k, enum debounce_event event, bool is_changed, void *arg)
{
	struct checks *c = arg;

	if (is_changed)
		post_opinion(c, k, event != DEBOUNCE_NOTHING);
	if (event != DEBOUNCE_NOTHING) {
		log_event(c, k, event);
		refresh(c);
	}
	if (k->spec.pair != NULL) {
		pair_watch_saw(c->pairs, k);
		judge(c, k->spec.pair);
	}
}

/* --- how far we trust our eyes ---------------------------------------------------------------------- */

static void
describe_sight(const struct vantage *v, char *out, size_t size)
{
	if (v->sight == VANTAGE_HELD)
		snprintf(out, size, "this process was stopped for seconds; what it saw is stale");
	else if (v->sight == VANTAGE_BLIND)
		snprintf(out, size, "%zu of %zu targets became suspect at once%s", v->suspect_count,
		    v->target_count, v->is_consul_silent ? ", and Consul is silent" : "");
	else
		out[0] = '\0';
}

static void
post_sight(struct checks *c)
{
	const struct vantage *v = checker_vantage(c->checker);
	struct health_vantage doc = { .sight = v->sight,
		.score = v->score,
		.checks = checker_count(c->checker),
		.since_wall_s = clock_wall_s() - (clock_mono_ms() - v->since_ms) / 1000 };
	struct str text = STR_INIT;
	char *key = mem_printf(".vantages/%s", c->agent->node);

	if (c->post != NULL) {
		describe_sight(v, doc.why, sizeof(doc.why));
		health_add_vantage(&text, &doc);
		health_post_put(c->post, key, &text, true);
	}
	free(key);
}

static void
sighted(enum vantage_sight before, void *arg)
{
	struct checks *c = arg;
	const struct vantage *v = checker_vantage(c->checker);
	char why[160];

	post_sight(c);
	if (v->sight == before)
		return;
	describe_sight(v, why, sizeof(why));
	/* That it is one is a problem, and told as such: once. */
	log_info("sight: %s -> %s%s%s", vantage_sight_name(before), vantage_sight_name(v->sight),
	    why[0] != '\0' ? ": " : "", why);
	pair_watch_forget(c->pairs);
	refresh(c);
}

/* --- what the others say ---------------------------------------------------------------------------- */

/* A key of ours that is not there or not locked is written again; one of a check of before goes. */
static void
look_after_own_keys(struct checks *c)
{
	for (size_t i = 0; i < checker_count(c->checker); i++) {
		char *key = opinion_key(c, checker_at(c->checker, i));
		const struct health_entry *e = health_board_find(c->board, key);

		if (e == NULL || !e->is_live)
			health_post_again(c->post, key);
		free(key);
	}
	for (size_t i = 0; i < health_board_count(c->board); i++) {
		const struct health_entry *e = health_board_at(c->board, i);

		if (e->key.kind == HEALTH_OPINION && strcmp(e->key.vantage, c->agent->node) == 0 &&
		    checker_find(c->checker, e->key.check) == NULL)
			health_post_remove(c->post, e->text_key, e->modify_index);
	}
}

static size_t
feed_board(struct kv_answer *answer, bool is_counted, bool *is_news, void *arg)
{
	struct checks *c = arg;
	size_t kept_back = health_board_feed(c->board, &answer->list, is_counted, is_news);

	c->is_board_read = true;
	if (*is_news) {
		if (c->post != NULL)
			look_after_own_keys(c);
		judge(c, NULL);
		refresh(c);
	}
	return kept_back;
}

/* What the others say may be old as long as we are cut off, and the proposals may be back before it is. */
static void
board_contact(const struct err *e, void *arg)
{
	struct checks *c = arg;

	if (e->code != ERR_NONE)
		c->is_board_read = false;
	contact(e, c);
}

static void
agents_listed(struct kv_answer *answer, void *arg)
{
	struct checks *c = arg;

	c->agents_call = NULL;
	agent_note_aside(&answer->err, c->agent);
	if (answer->err.code != ERR_NONE)
		return;
	c->agents_alive = c->agents_gone = 0;
	for (size_t i = 0; i < answer->list.count; i++) {
		if (answer->list.entries[i].session[0] != '\0')
			c->agents_alive++;
		else
			c->agents_gone++;
	}
}

static void
count_agents(struct checks *c)
{
	const struct kv_read r = { .limit_ms = AGENTS_LIMIT_MS };
	char *prefix;

	if (c->agents_call != NULL ||
	    (c->agents_ms != 0 && clock_mono_ms() - c->agents_ms < AGENTS_EVERY_MS))
		return;
	c->agents_ms = clock_mono_ms();
	prefix = config_key(c->agent->config, "agents/");
	c->agents_call = kv_list(c->agent->kv, prefix, &r, agents_listed, c);
	free(prefix);
}

static void
timer_due(void *arg)
{
	struct checks *c = arg;

	judge(c, NULL);
	count_agents(c);
	if (clock_mono_ms() - c->saved_ms >= SAVE_EVERY_MS)
		save(c);
	loop_timer_set(c->timer, TIMER_MS);
}

/* --- life ------------------------------------------------------------------------------------------- */

struct checks *
checks_new(struct agent *a)
{
	struct checks *c = mem_alloc(sizeof(*c));
	const struct watch_reader reader = { feed_board, board_contact, c };
	char *prefix = config_key(a->config, HEALTH_PREFIX);

	c->agent = a;
	c->board = health_board_new(prefix);
	c->pairs = pair_watch_new(a->config);
	c->watch = watch_new(a->loop, a->kv, prefix, a->config->agent.max_silence_ms, &reader);
	c->timer = loop_timer_new(a->loop, timer_due, c);
	free(prefix);
	return c;
}

static void
make_propose(struct checks *c)
{
	const struct config *config = c->agent->config;
	char *prefix = config_key(config, PROPOSALS_PREFIX);
	const char **names = mem_array(config->pair_count + 1, sizeof(*names));
	const struct propose_env env = { .loop = c->agent->loop,
		.kv = c->agent->kv,
		.prefix = prefix,
		.node = c->agent->node,
		.write = write_proposal,
		.told = proposal_told,
		.contact = contact,
		.arg = c };

	for (size_t i = 0; i < config->pair_count; i++)
		names[i] = config->pairs[i].name;
	c->propose = propose_new(&env, names, config->pair_count);
	propose_start(c->propose);
	free(names);
	free(prefix);
}

void
checks_node_known(struct checks *c)
{
	struct agent *a = c->agent;
	char *prefix = config_key(a->config, HEALTH_PREFIX);
	char *path = file_join(a->config->agent.state_dir, "session-health");
	const struct health_post_env env = { a->loop, a->kv, prefix, path, agent_note_aside, a };

	c->post = health_post_new(&env);
	health_post_start(c->post);
	make_propose(c);
	post_sight(c);
	for (size_t i = 0; i < checker_count(c->checker); i++)
		post_opinion(c, checker_at(c->checker, i), true);
	free(prefix);
	free(path);
}

void
checks_start(struct checks *c, struct checker *checker)
{
	const struct checker_env env = { map_of, role_of, is_consul_silent, is_gateway_silent,
		check_ran, sighted, c };
	const struct config *config = c->agent->config;

	c->checker = checker != NULL ? checker : checker_new(c->agent->loop);
	checker_load(c->checker, &env, config->checks, config->check_count);
	for (size_t i = 0; i < checker_count(c->checker); i++) {
		const struct check *k = checker_at(c->checker, i);

		if (k->is_known)
			pair_watch_saw(c->pairs, k);
	}
	if (c->agent->is_node_known)
		checks_node_known(c);
	watch_start(c->watch);
	loop_timer_set(c->timer, TIMER_MS);
}

struct checker *
checks_take_checker(struct checks *c)
{
	struct checker *checker = c->checker;

	c->checker = NULL;
	return checker;
}

static void
stop(struct checks *c)
{
	loop_timer_stop(c->timer);
	watch_free(c->watch);
	c->watch = NULL;
	propose_free(c->propose);
	c->propose = NULL;
}

void
checks_finish(struct checks *c, void (*done)(void *arg), void *arg)
{
	stop(c);
	save(c);
	if (c->post != NULL)
		health_post_finish(c->post, done, arg);
	else
		loop_defer(c->agent->loop, done, arg);
}

void
checks_free(struct checks *c)
{
	if (c == NULL)
		return;
	stop(c);
	if (c->agents_call != NULL)
		kv_cancel(c->agents_call);
	checker_free(c->checker);
	health_post_free(c->post);
	health_board_free(c->board);
	pair_watch_free(c->pairs);
	loop_timer_free(c->timer);
	loop_defer_free(c->agent->loop, c);
}
