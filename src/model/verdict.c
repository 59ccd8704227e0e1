/*
 * verdict.c: a majority of those who can see.
 *
 * Dead sessions and vantages that are blind or held do not count, neither for nor against: two who
 * are cut off must not outvote the third, and must not keep it from speaking. The votes are counted
 * once; everything else is read off the counts.
 *
 * Two questions have votes of their own. "Is it failing?" counts whoever has decided so, also while
 * it recovers. "Is it down?" counts only who sees it failing now, critically, in a class that is
 * evidence: three vantages with a timeout, a refusal and a wrong password are no majority for a
 * failover.
 */
#include "model/verdict.h"

#include <stdio.h>

struct votes {
	size_t bad, failing, recovering, critical, down, blind;
};

static bool
is_counted(const struct opinion *o)
{
	return o->is_live && o->sight == VANTAGE_SIGHTED;
}

static bool
is_failing(const struct opinion *o)
{
	return o->state == STATE_FAILING || o->state == STATE_RECOVERING;
}

static struct votes
count_votes(const struct opinion *opinions, size_t count, struct verdict *out)
{
	struct votes v = { 0 };

	for (size_t i = 0; i < count; i++) {
		const struct opinion *o = &opinions[i];

		out->live += o->is_live;
		v.blind += o->is_live && o->sight != VANTAGE_SIGHTED;
		if (!is_counted(o))
			continue;
		out->sighted++;
		v.bad += o->state != STATE_PASSING;
		v.failing += is_failing(o);
		v.recovering += o->state == STATE_RECOVERING;
		v.critical += is_failing(o) && o->level == LEVEL_CRITICAL;
		v.down += o->state == STATE_FAILING && o->level == LEVEL_CRITICAL &&
			  check_class_is_down(o->class);
	}
	return v;
}

static bool
is_majority(size_t votes, const struct verdict *out)
{
	return 2 * votes > out->sighted;
}

/* Whether o is among those whose words are the verdict's. */
static bool
agrees(const struct opinion *o, const struct verdict *out)
{
	if (!is_counted(o))
		return false;
	switch (out->state) {
	case STATE_FAILING:
	case STATE_RECOVERING:
		return is_failing(o);
	case STATE_SUSPECT:
		return o->state != STATE_PASSING;
	case STATE_PASSING:
		break;
	}
	return !is_failing(o);
}

static int
badness(enum check_class c)
{
	static const int by_level[] = {
		[LEVEL_OK] = 0, [LEVEL_UNKNOWN] = 1, [LEVEL_WARNING] = 2, [LEVEL_CRITICAL] = 3
	};

	return 2 * by_level[check_class_level(c)] + check_class_is_down(c);
}

static void
pick_class(const struct opinion *opinions, size_t count, struct verdict *out)
{
	size_t votes[CHECK_CLASS_COUNT] = { 0 };

	for (size_t i = 0; i < count; i++) {
		const struct opinion *o = &opinions[i];

		if (!agrees(o, out))
			continue;
		out->agreeing++;
		votes[o->class]++;
		if (out->since_ms == 0 || o->since_ms < out->since_ms)
			out->since_ms = o->since_ms;
	}
	for (int c = 0; c < CHECK_CLASS_COUNT; c++) {
		enum check_class class = (enum check_class)c;

		if (votes[c] > votes[out->class] ||
		    (votes[c] == votes[out->class] && votes[c] > 0 &&
			badness(class) > badness(out->class)))
			out->class = class;
	}
}

static void
tell(const struct votes *v, size_t count, struct verdict *out)
{
	char rest[64] = "";

	if (v->blind > 0)
		snprintf(rest, sizeof(rest), ", %zu of %zu cannot tell", v->blind, out->live);
	if (count == 0 || out->live == 0)
		snprintf(out->text, sizeof(out->text), "no vantage");
	else if (out->sighted == 0)
		snprintf(out->text, sizeof(out->text),
		    "nobody can tell: %zu of %zu vantages blind or held", v->blind, out->live);
	else if (out->sighted == 1)
		snprintf(out->text, sizeof(out->text), "1 vantage, nobody to confirm%s", rest);
	else if (v->failing > 0 && !is_majority(v->failing, out))
		snprintf(out->text, sizeof(out->text), "%zu of %zu vantages, but %zu failing%s",
		    out->agreeing, out->sighted, v->failing, rest);
	else
		snprintf(out->text, sizeof(out->text), "%zu of %zu vantages%s", out->agreeing,
		    out->sighted, rest);
}

void
verdict_of(const struct opinion *opinions, size_t count, struct verdict *out)
{
	struct votes v;

	*out = (struct verdict){ .state = STATE_PASSING, .class = CHECK_OK };
	v = count_votes(opinions, count, out);
	if (is_majority(v.failing, out))
		out->state = 2 * v.recovering > v.failing ? STATE_RECOVERING : STATE_FAILING;
	else if (v.bad > 0 && 2 * v.bad >= out->sighted)
		out->state = STATE_SUSPECT;
	pick_class(opinions, count, out);
	if (out->sighted == 0)
		out->level = LEVEL_UNKNOWN;
	else if (is_majority(v.failing, out))
		out->level = is_majority(v.critical, out) ? LEVEL_CRITICAL : LEVEL_WARNING;
	out->is_down = is_majority(v.down, out);
	out->is_confirmed = out->agreeing > 1;
	tell(&v, count, out);
}
