/*
 * propose.c: for each pair
 *
 *   NONE ──wanted──> PUTTING ──> STANDING ──well for a while, or moved──> DELETING ──> NONE
 *    ▲                  └─ somebody else was first: read it ─┘                           │
 *    └──────────────────────── gone, by another's hand ──────────────────────────────────┘
 *
 * All proposals are read again every few seconds while a vantage runs, and at once after a write whose
 * outcome is not known; the id in the document tells whether it is ours. A blocking query was rejected:
 * the prefix is empty most of the time, and an empty prefix wakes at every write of the cluster
 * (facts/consul.md).
 *
 * Once an incident: when the key has been there, it is not written again before the active was well,
 * whoever deleted it: a person who did so knows already.
 *
 * Who proposed also rewrites it when another command is right: an active that was only ill has died, or
 * a dead one answers again. It stays the same proposal, and nobody is told twice.
 *
 * A withdrawal waits until the active has been well for WELL_MS: opinions of other vantages travel a
 * moment, and two of them must not write and delete in turns. A flip withdraws at once.
 *
 * What another tool proposes (feature/proposal.h) is not ours to doubt: it may have turned the servers
 * over already, with the old active as well as ever. It stands until the name moves or a person takes
 * it away. The first vantage to write itself into it tells people, and adds what it sees of the pair.
 */
#include "feature/propose.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "feature/proposal.h"
#include "io/loop.h"

#define REREAD_MS 5000
#define RETRY_MS 1000
#define LIMIT_MS 5000
#define WELL_MS 5000
#define DOCUMENT_MAX (256 * 1024) /* two sets of GTIDs and the words around them */

enum state { NONE, PUTTING, STANDING, DELETING };

struct proposal {
	struct propose *owner;
	char *pair;
	enum state state;
	bool is_read;     /* it is known what the KV has */
	bool was_made;    /* in this incident, by whomever */
	uint64_t index;   /* of the key, for the deletion */
	json_t *document; /* STANDING, DELETING: what stands; PUTTING: what is being written */
	char id[NAME_SIZE + 32];      /* of what we wrote last; "": nothing */
	char telling[NAME_SIZE + 32]; /* the same of a tool's that we have taken on to tell */
	bool is_told;                 /* that it was made by us */
	bool is_unsure;               /* we may have deleted it: the answer was lost */
	int64_t well_ms;              /* since when the active is well; 0: it is not */
	struct kv_call *call;
};

struct propose {
	struct propose_env env;
	char *prefix, *node;
	struct proposal *proposals;
	size_t count;
	struct kv_call *call; /* the read */
	struct loop_timer *timer;
};

static void
set_document(struct proposal *o, json_t *document)
{
	if (o->document != document)
		json_decref(o->document);
	o->document = document;
}

static void
tell(struct proposal *o, enum propose_event event)
{
	o->owner->env.told(event, o->pair, o->document, o->owner->env.arg);
}

static void
read_soon(struct propose *p, int64_t pause_ms)
{
	if (p->call == NULL)
		loop_timer_set(p->timer, pause_ms);
}

/* --- what the KV has -------------------------------------------------------------------------------- */

static bool
is_ours(const struct proposal *o)
{
	return o->id[0] != '\0' && strcmp(json_get_string(o->document, "id", ""), o->id) == 0;
}

/* It is a tool's, and told by us. */
static bool
is_taken_on(const struct proposal *o)
{
	return o->telling[0] != '\0' &&
	       strcmp(json_get_string(o->document, "told_by", ""), o->telling) == 0;
}

static void
tell_once(struct proposal *o)
{
	if (!o->is_told)
		tell(o, PROPOSE_MADE);
	o->is_told = true;
}

static void
stands(struct proposal *o, json_t *document, uint64_t index)
{
	/* Rewritten, it is still the same one. */
	bool is_new = o->state != STANDING || strcmp(json_get_string(o->document, "id", ""),
						  json_get_string(document, "id", "")) != 0;

	if (index != o->index)
		o->is_unsure = false; /* a deletion that is still on its way finds another one */
	o->state = STANDING;
	o->index = index;
	o->was_made = true;
	set_document(o, document);
	if (is_taken_on(o) || (is_new && is_ours(o)))
		tell_once(o);
	else if (is_new)
		tell(o, PROPOSE_SEEN);
}

static void
is_gone(struct proposal *o)
{
	/* Of a deletion without an answer people may be told twice; that they never are is worse. */
	if (o->state == STANDING)
		tell(o, o->is_unsure ? PROPOSE_WITHDRAWN : PROPOSE_GONE);
	o->is_unsure = false;
	o->state = NONE;
	set_document(o, NULL);
}

static void
take_entry(struct proposal *o, const struct kv_entry *e)
{
	json_t *document = NULL;

	if (o->call != NULL)
		return; /* older than what we are writing */
	o->is_read = true;
	if (e == NULL) {
		is_gone(o);
		return;
	}
	if (e->value_len <= DOCUMENT_MAX)
		document = json_parse(e->value, e->value_len, "the proposal", NULL);
	if (!json_is_object(document)) {
		json_decref(document);
		document = json_object(); /* whatever it is, it stands there */
	}
	stands(o, document, e->modify_index);
}

static void
listed(struct kv_answer *a, void *arg)
{
	struct propose *p = arg;

	p->call = NULL;
	p->env.contact(&a->err, p->env.arg);
	loop_timer_set(p->timer, loop_jitter(REREAD_MS, 0.1));
	if (a->err.code != ERR_NONE)
		return;
	for (size_t i = 0; i < p->count; i++) {
		char *key = mem_printf("%s%s", p->prefix, p->proposals[i].pair);

		take_entry(&p->proposals[i], kv_list_find(&a->list, key));
		free(key);
	}
}

static void
read_due(void *arg)
{
	struct propose *p = arg;
	const struct kv_read r = { .is_consistent = true, .limit_ms = LIMIT_MS };

	if (p->call == NULL)
		p->call = kv_list(p->env.kv, p->prefix, &r, listed, p);
}

/* An answer to a read that is older than our write would only confuse. */
static void
abandon_read(struct propose *p)
{
	if (p->call != NULL)
		kv_cancel(p->call);
	p->call = NULL;
}

/* --- writing ---------------------------------------------------------------------------------------- */

static void
put_done(struct kv_answer *a, void *arg)
{
	struct proposal *o = arg;

	o->call = NULL;
	o->owner->env.contact(&a->err, o->owner->env.arg);
	/* Applied, lost or not known: what stands there now is read, and the id says whose it is. */
	o->state = NONE;
	o->is_read = false;
	read_soon(o->owner, a->err.code == ERR_NONE ? 0 : RETRY_MS);
}

/* Whether it was applied, lost or is not known: what stands there is read. */
static void
rewrite_done(struct kv_answer *a, void *arg)
{
	struct proposal *o = arg;

	o->call = NULL;
	o->owner->env.contact(&a->err, o->owner->env.arg);
	read_soon(o->owner, a->err.code == ERR_NONE ? 0 : RETRY_MS);
}

/* index 0: the key must not be there. Takes the document. */
static void
write_document(struct proposal *o, json_t *document, uint64_t index, kv_done_fn *done)
{
	struct propose *p = o->owner;
	char *key = mem_printf("%s%s", p->prefix, o->pair);
	struct str text = STR_INIT;
	struct kv_op op = { .kind = KV_OP_CAS, .key = key, .index = index };

	set_document(o, document);
	json_write(&text, document);
	op.value = str_text(&text);
	op.value_len = text.len;
	abandon_read(p);
	o->call = kv_put_if(p->env.kv, &op, done, o);
	str_clear(&text);
	free(key);
}

static json_t *
new_document(const struct proposal *o)
{
	const struct propose *p = o->owner;
	json_t *document = p->env.write(o->pair, p->env.arg);

	json_object_set_new(document, "proposed_by", json_string(p->node));
	json_object_set_new(document, "id", json_string(o->id));
	return document;
}

static void
new_id(const struct proposal *o, char *out, size_t size)
{
	snprintf(out, size, "%s-%lld", o->owner->node, (long long)clock_wall_ms());
}

static void
put(struct proposal *o)
{
	new_id(o, o->id, sizeof(o->id));
	o->is_told = false;
	o->state = PUTTING;
	write_document(o, new_document(o), 0, put_done);
}

static void
rewrite(struct proposal *o)
{
	write_document(o, new_document(o), o->index, rewrite_done);
}

static void
rewrite_tools(struct proposal *o)
{
	const struct propose *p = o->owner;
	json_t *fresh = p->env.write(o->pair, p->env.arg);

	write_document(
	    o, proposal_with_sight(o->document, fresh, o->telling), o->index, rewrite_done);
}

static void
take_on(struct proposal *o)
{
	new_id(o, o->telling, sizeof(o->telling));
	o->is_told = false;
	rewrite_tools(o);
}

static void
delete_done(struct kv_answer *a, void *arg)
{
	struct proposal *o = arg;

	o->call = NULL;
	o->owner->env.contact(&a->err, o->owner->env.arg);
	if (a->err.code == ERR_NONE && a->is_applied) {
		tell(o, PROPOSE_WITHDRAWN);
		o->is_unsure = false;
		o->state = NONE;
		set_document(o, NULL);
		read_soon(o->owner, REREAD_MS);
		return;
	}
	if (a->err.code == ERR_UNKNOWN)
		o->is_unsure = true;
	o->state = STANDING;
	o->is_read = false;
	read_soon(o->owner, RETRY_MS);
}

static void
withdraw(struct proposal *o)
{
	struct propose *p = o->owner;
	char *key = mem_printf("%s%s", p->prefix, o->pair);
	/* What is gone already counts as deleted: the check tells who did it. */
	const struct kv_op ops[] = {
		{ .kind = KV_OP_CHECK_INDEX, .key = key, .index = o->index },
		{ .kind = KV_OP_DELETE_CAS, .key = key, .index = o->index },
	};

	o->state = DELETING;
	abandon_read(p);
	o->call = kv_txn(p->env.kv, ops, MEM_COUNT(ops), delete_done, o);
	free(key);
}

/* --- deciding --------------------------------------------------------------------------------------- */

static bool
has_moved(const struct proposal *o, const struct propose_view *v)
{
	return v->active != NULL &&
	       strcmp(json_get_string(o->document, "active", v->active), v->active) != 0;
}

static bool
is_outdated(const struct proposal *o, const struct propose_view *v)
{
	return v->command != NULL &&
	       strcmp(json_get_string(o->document, "command", ""), v->command) != 0;
}

/* Whether somebody tells it: else it would be us, now. */
static bool
is_told_by_anybody(const struct proposal *o)
{
	return json_get_string(o->document, "told_by", "")[0] != '\0';
}

static void
update_tools(struct proposal *o, const struct propose_view *v)
{
	if (has_moved(o, v))
		withdraw(o);
	else if (!is_told_by_anybody(o))
		take_on(o);
	else if ((v->is_wanted || v->is_well) && is_taken_on(o) && !proposal_is_flip(o->document) &&
		 is_outdated(o, v))
		rewrite_tools(o);
}

static void
update_ours(struct proposal *o, const struct propose_view *v)
{
	if (has_moved(o, v) || (v->is_well && clock_mono_ms() - o->well_ms >= WELL_MS))
		withdraw(o);
	else if (v->is_wanted && is_ours(o) && is_outdated(o, v))
		rewrite(o);
}

void
propose_update(struct propose *p, size_t pair, const struct propose_view *v)
{
	struct proposal *o = &p->proposals[pair];

	if (!v->is_well)
		o->well_ms = 0;
	else if (o->well_ms == 0)
		o->well_ms = clock_mono_ms();
	if (!o->is_read || o->call != NULL)
		return;
	if (o->state == STANDING) {
		if (proposal_is_tools(o->document))
			update_tools(o, v);
		else
			update_ours(o, v);
		return;
	}
	if (v->is_well)
		o->was_made = false;
	if (v->is_wanted && !o->was_made)
		put(o);
}

const json_t *
propose_standing(const struct propose *p, size_t pair)
{
	return p->proposals[pair].state == STANDING ? p->proposals[pair].document : NULL;
}

/* --- life ------------------------------------------------------------------------------------------- */

struct propose *
propose_new(const struct propose_env *env, const char *const *pairs, size_t count)
{
	struct propose *p = mem_alloc(sizeof(*p));

	p->env = *env;
	p->prefix = mem_strdup(env->prefix);
	p->node = mem_strdup(env->node);
	p->count = count;
	p->proposals = mem_array(count + 1, sizeof(*p->proposals));
	for (size_t i = 0; i < count; i++) {
		p->proposals[i].owner = p;
		p->proposals[i].pair = mem_strdup(pairs[i]);
	}
	p->timer = loop_timer_new(env->loop, read_due, p);
	return p;
}

void
propose_start(struct propose *p)
{
	if (p->count > 0)
		loop_timer_set(p->timer, 0);
}

void
propose_free(struct propose *p)
{
	if (p == NULL)
		return;
	if (p->call != NULL)
		kv_cancel(p->call);
	for (size_t i = 0; i < p->count; i++) {
		struct proposal *o = &p->proposals[i];

		if (o->call != NULL)
			kv_cancel(o->call);
		json_decref(o->document);
		free(o->pair);
	}
	free(p->proposals);
	loop_timer_free(p->timer);
	free(p->prefix);
	free(p->node);
	loop_defer_free(p->env.loop, p);
}
