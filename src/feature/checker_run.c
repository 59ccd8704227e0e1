/*
 * checker_run.c: what happens to one run. A result is believed when this vantage may judge, when
 * the run began after the last moment of doubt, and when the server's role is still the one that was
 * looked for: a flip in the middle of a run would make the new standby a broken active.
 *
 *   believed      debounce is fed, text and numbers are shown
 *   not believed  it only says how many targets look ill from here (checker_sight.c)
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "feature/check_target.h"
#include "feature/checker_impl.h"
#include "io/resolve.h"
#include "model/server_view.h"

static bool
is_alone(const struct slot *s)
{
	size_t suspects = s->checker->vantage.suspect_count;

	return suspects == 0 || (suspects == 1 && s->check.doubt.is_bad);
}

static void
remember(struct slot *s, const struct check_result *r, bool is_believed)
{
	const struct check_mark mark = { .began_ms = s->began_ms,
		.took_us = r->took_us < UINT32_MAX ? (uint32_t)r->took_us : UINT32_MAX,
		.class = (uint8_t)r->class,
		.is_dropped = !is_believed };

	check_history_add(&s->check.history, &mark);
	if (check_class_level(r->class) != LEVEL_OK)
		check_history_fail(&s->check.history, r, is_alone(s));
}

static void
take_view(struct check *k, struct check_result *r, int64_t now_ms)
{
	k->is_view_fresh = r->view != NULL;
	if (r->view == NULL)
		return;
	server_view_free(k->view);
	k->view = r->view;
	k->view->seen_ms = now_ms;
	r->view = NULL;
}

static void
take_numbers(struct check *k, const struct check_result *r)
{
	if (r->number_count != k->number_count)
		k->numbers = mem_grow(k->numbers, r->number_count + 1, sizeof(*k->numbers));
	if (r->number_count > 0)
		memcpy(k->numbers, r->numbers, r->number_count * sizeof(*k->numbers));
	k->number_count = r->number_count;
	k->took_us = r->took_us;
}

static void
say(struct check *k, enum check_class class, const char *text)
{
	k->class = class;
	snprintf(k->text, sizeof(k->text), "%s", text);
}

/* What is seen from outside of a check: a change of it is news. */
struct face {
	enum check_state state;
	enum check_level level;
	enum check_class class;
};

static struct face
face_of(const struct check *k)
{
	return (struct face){ k->debounce.state, k->debounce.level, k->class };
}

static bool
is_same_face(const struct face *a, const struct face *b)
{
	return a->state == b->state && a->level == b->level && a->class == b->class;
}

static enum debounce_event
feed(struct slot *s, enum check_class class, int64_t now_ms)
{
	struct debounce *d = &s->check.debounce;
	const struct debounce_config *timing = &s->check.spec.timing;

	if (class == CHECK_REFUSED)
		return debounce_feed_refused(d, timing, s->began_ms, now_ms);
	return debounce_feed(d, timing, check_class_level(class), s->began_ms, now_ms);
}

static void
believe(struct slot *s, struct check_result *r, int64_t now_ms)
{
	struct check *k = &s->check;
	const struct face before = face_of(k);
	enum check_level level = check_class_level(r->class);
	bool is_first = !k->is_known;
	enum debounce_event event = feed(s, r->class, now_ms);
	struct face after;

	if (level != LEVEL_OK || k->debounce.state == STATE_PASSING)
		say(k, r->class, r->text);
	k->is_known = true;
	k->role = s->role;
	take_numbers(k, r);
	take_view(k, r, now_ms);
	after = face_of(k);
	if (after.state != before.state)
		k->since_wall_ms = clock_wall_ms();
	s->checker->env.ran(
	    k, event, is_first || !is_same_face(&before, &after), s->checker->env.arg);
}

void
checker_forget(struct slot *s, const char *why)
{
	struct check *k = &s->check;
	const struct face before = face_of(k);
	struct face after;

	debounce_forget(&k->debounce, clock_mono_ms());
	k->is_view_fresh = false;
	if (k->debounce.state == STATE_PASSING && check_class_level(k->class) != LEVEL_OK)
		say(k, CHECK_OK, why);
	after = face_of(k);
	if (is_same_face(&before, &after))
		return;
	if (after.state != before.state)
		k->since_wall_ms = clock_wall_ms();
	s->checker->env.ran(k, DEBOUNCE_NOTHING, true, s->checker->env.arg);
}

static void
note_doubt(struct check *k, enum check_class class, int64_t now_ms)
{
	bool is_silence = check_class_level(class) == LEVEL_CRITICAL && !check_class_is_told(class);

	vantage_target_note(&k->doubt, is_silence,
	    k->debounce.state == STATE_FAILING || k->debounce.state == STATE_RECOVERING, now_ms);
}

static void
finish(struct slot *s, struct check_result *r)
{
	struct checker *c = s->checker;
	int64_t now_ms = clock_mono_ms();
	enum check_role role = c->env.role(&s->check, c->env.arg);
	bool is_stale, is_believed;

	checker_look(c, now_ms);
	is_stale = s->began_ms < c->vantage.since_ms || role != s->role;
	is_believed = !is_stale && vantage_may_judge(&c->vantage);
	remember(s, r, is_believed);
	if (role != s->role)
		checker_forget(s, "its role has just changed");
	else if (is_believed)
		believe(s, r, now_ms);
	if (!is_stale)
		note_doubt(&s->check, r->class, now_ms);
	s->phase = SLOT_WAITING;
	checker_run_ended(s);
}

/* --- the run ---------------------------------------------------------------------------------------- */

static void
probe_done(struct check_result *r, void *arg)
{
	finish(arg, r);
}

static void
start(struct slot *s, const struct endpoint *endpoint)
{
	int64_t left_ms = s->began_ms + s->limit_ms - clock_mono_ms();
	const struct check_run run = {
		.endpoint = endpoint, .role = s->role, .limit_ms = left_ms > 1 ? left_ms : 1
	};

	if (endpoint != NULL)
		s->check.endpoint = *endpoint;
	s->phase = SLOT_RUNNING;
	s->check.type->start(s->probe, &run, probe_done, s);
}

static void
finish_unresolved(struct slot *s, const char *why)
{
	struct check_result r = { 0 };

	check_result_set(&r, CHECK_RESOLVE, "%s: %s", s->check.spec.target, why);
	r.took_us = (clock_mono_ms() - s->began_ms) * 1000;
	finish(s, &r);
	check_result_clear(&r);
}

static void
resolved(const struct resolve_result *r, void *arg)
{
	struct slot *s = arg;

	s->resolve = NULL;
	if (r->err.code != ERR_NONE)
		finish_unresolved(s, r->err.text);
	else
		start(s, &r->endpoint);
}

void
checker_run_begin(struct slot *s)
{
	struct checker *c = s->checker;
	struct check *k = &s->check;
	enum check_role role = c->env.role(k, c->env.arg);
	struct check_target target;

	if (k->is_known && role != k->role)
		checker_forget(s, "its role has changed");
	s->role = role;
	s->began_ms = clock_mono_ms();
	s->limit_ms = vantage_timeout_ms(&c->vantage, k->spec.timing.timeout_ms);
	check_target_find(&target, &k->spec, k->type, c->env.map(c->env.arg));
	switch (target.kind) {
	case CHECK_TARGET_NONE:
		start(s, NULL);
		break;
	case CHECK_TARGET_ADDRESS:
		start(s, &target.endpoint);
		break;
	case CHECK_TARGET_HOST:
		s->phase = SLOT_RESOLVING;
		s->resolve = resolve_start(
		    c->loop, k->spec.target, target.port, s->limit_ms, NULL, resolved, s);
		break;
	case CHECK_TARGET_BAD:
		finish_unresolved(s, target.err.text);
		break;
	}
}

void
checker_run_cancel(struct slot *s)
{
	resolve_cancel(s->resolve);
	s->resolve = NULL;
}
