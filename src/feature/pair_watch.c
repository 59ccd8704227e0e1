/*
 * pair_watch.c: one report a pair. The verdict on each server is that of all vantages; what the servers
 * say of themselves (writable, received, executed) is what this one read.
 *
 * While this vantage does not trust its eyes nothing is judged: the last report stands, and nobody acts
 * on it.
 *
 * The positions on disk: <state-dir>/pairs.json, a JSON object of pair -> {"node", "kind", "executed",
 * "seen"}. Written once a minute, and when a trouble begins: an older position is an honest answer,
 * too, because it says when it was seen.
 */
#include "feature/pair_watch.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "feature/pair_role.h"

/* 100 pairs with the longest set of GTIDs that a view holds. */
#define FILE_MAX (100 * (SERVER_GTID_MAX + 1024))

struct pair_watch {
	const struct config *config;
	struct pair_report *pairs;
	size_t count;
	char *path;
	bool is_dirty; /* the disk is behind */
};

/* --- what was seen ---------------------------------------------------------------------------------- */

static void
see(struct pair_watch *w, struct pair_report *p, const struct pair_member *m)
{
	struct pair_seen *s = &p->seen;

	if (!m->is_active || !m->is_view_fresh)
		return;
	snprintf(s->node, sizeof(s->node), "%s", m->node);
	s->kind = m->view->kind;
	free(s->executed);
	s->executed = m->view->gtid_executed != NULL ? mem_strdup(m->view->gtid_executed) : NULL;
	s->wall_s = clock_wall_s();
	w->is_dirty = true;
}

static void
load_seen(struct pair_report *p, const json_t *j)
{
	const char *node = json_get_string(j, "node", "");
	const char *executed = json_get_string(j, "executed", NULL);
	int64_t kind = json_get_int(j, "kind", SERVER_MARIADB);

	if (node_parse(node, strlen(node), p->seen.node, NULL) != 0)
		return;
	p->seen.kind = kind >= SERVER_MARIADB && kind <= SERVER_DAEMON ? (enum server_kind)kind
								       : SERVER_MARIADB;
	p->seen.executed = executed != NULL ? mem_strdup(executed) : NULL;
	p->seen.wall_s = json_get_int(j, "seen", 0);
}

static void
load(struct pair_watch *w)
{
	struct str text = STR_INIT;
	json_t *j = NULL;

	if (file_read(w->path, FILE_MAX, &text, NULL) == 0)
		j = json_parse(text.data, text.len, w->path, NULL);
	for (size_t i = 0; j != NULL && i < w->count; i++)
		load_seen(&w->pairs[i], json_object_get(j, w->pairs[i].config->name));
	json_decref(j);
	str_clear(&text);
}

int
pair_watch_save(struct pair_watch *w, struct err *e)
{
	struct str text = STR_INIT;
	json_t *all = json_object();
	int failed;

	if (!w->is_dirty) {
		json_decref(all);
		return 0;
	}
	for (size_t i = 0; i < w->count; i++) {
		const struct pair_seen *s = &w->pairs[i].seen;

		if (s->node[0] == '\0')
			continue;
		json_object_set_new(all, w->pairs[i].config->name,
		    json_pack("{s:s, s:i, s:s?, s:I}", "node", s->node, "kind", (int)s->kind,
			"executed", s->executed, "seen", (json_int_t)s->wall_s));
	}
	json_write(&text, all);
	failed = file_replace(w->path, text.data, text.len, 0640, e);
	w->is_dirty = failed != 0;
	json_decref(all);
	str_clear(&text);
	return failed;
}

/* --- life ------------------------------------------------------------------------------------------- */

struct pair_watch *
pair_watch_new(const struct config *config)
{
	struct pair_watch *w = mem_alloc(sizeof(*w));

	w->config = config;
	w->count = config->pair_count;
	w->pairs = mem_array(w->count + 1, sizeof(*w->pairs));
	for (size_t i = 0; i < w->count; i++) {
		struct pair_report *p = &w->pairs[i];

		p->config = &config->pairs[i];
		p->members[0].node = p->config->nodes[0];
		p->members[1].node = p->config->nodes[1];
		p->state.trouble = PAIR_UNKNOWN;
		p->state.level = LEVEL_OK; /* nothing is known against it */
	}
	w->path = file_join(config->agent.state_dir, "pairs.json");
	load(w);
	return w;
}

void
pair_watch_free(struct pair_watch *w)
{
	if (w == NULL)
		return;
	for (size_t i = 0; i < w->count; i++)
		free(w->pairs[i].seen.executed);
	free(w->pairs);
	free(w->path);
	free(w);
}

size_t
pair_watch_count(const struct pair_watch *w)
{
	return w->count;
}

const struct pair_report *
pair_watch_at(const struct pair_watch *w, size_t i)
{
	return &w->pairs[i];
}

static struct pair_report *
find(struct pair_watch *w, const char *name)
{
	for (size_t i = 0; i < w->count; i++) {
		if (strcmp(w->pairs[i].config->name, name) == 0)
			return &w->pairs[i];
	}
	return NULL;
}

void
pair_watch_saw(struct pair_watch *w, const struct check *check)
{
	struct pair_report *p = check->spec.pair != NULL ? find(w, check->spec.pair) : NULL;

	for (size_t i = 0; p != NULL && i < MEM_COUNT(p->members); i++) {
		struct pair_member *m = &p->members[i];

		if (strcmp(m->node, check->spec.node) != 0)
			continue;
		m->is_active = check->role == CHECK_ROLE_ACTIVE;
		pair_member_saw(m, check->is_view_fresh ? check->view : NULL);
		see(w, p, m);
	}
}

void
pair_watch_forget(struct pair_watch *w)
{
	for (size_t i = 0; i < w->count; i++) {
		pair_member_saw(&w->pairs[i].members[0], NULL);
		pair_member_saw(&w->pairs[i].members[1], NULL);
	}
}

/* --- judging ---------------------------------------------------------------------------------------- */

struct opinion
pair_watch_opinion(const struct check *check, const struct checker *c, const char *node)
{
	const struct debounce *d = &check->debounce;

	return (struct opinion){ .vantage = node,
		.is_live = true,
		.sight = checker_vantage(c)->sight,
		.state = d->state,
		.level = d->level,
		.class = check->class,
		.since_ms = check->since_wall_ms };
}

static void
judge_member(struct pair_member *m, const struct pair_report *p, const struct pair_watch_view *v)
{
	char name[CHECK_NAME_MAX];
	const struct check *k;
	struct opinion own;

	snprintf(name, sizeof(name), "%s/%s", p->config->name, m->node);
	k = checker_find(v->checker, name);
	m->is_active = p->active != NULL && strcmp(m->node, p->active) == 0;
	if (k != NULL && k->is_known)
		own = pair_watch_opinion(k, v->checker, v->node);
	health_board_verdict(
	    v->board, name, v->node, k != NULL && k->is_known ? &own : NULL, &m->verdict);
}

static bool
judge(struct pair_report *p, const struct pair_watch_view *v)
{
	const struct pair_state before = p->state;

	p->active = pair_active_node(p->config, v->map);
	judge_member(&p->members[0], p, v);
	judge_member(&p->members[1], p, v);
	pair_judge(p->members, MEM_COUNT(p->members), clock_wall_ms(), &p->state);
	return p->state.trouble != before.trouble || p->state.level != before.level ||
	       p->state.is_proposed != before.is_proposed;
}

bool
pair_watch_judge(struct pair_watch *w, const char *name, const struct pair_watch_view *view)
{
	bool is_changed = false;

	if (!vantage_may_judge(checker_vantage(view->checker)))
		return false;
	for (size_t i = 0; i < w->count; i++) {
		if ((name == NULL || strcmp(w->pairs[i].config->name, name) == 0) &&
		    judge(&w->pairs[i], view))
			is_changed = true;
	}
	return is_changed;
}
