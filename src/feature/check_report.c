/*
 * check_report.c: the verdict first, the vantages that make it behind. What a vantage says is as it
 * stands in the KV; only the verdict takes this vantage's own opinion of this very moment instead.
 */
#include "feature/check_report.h"

#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "model/check_spec.h"

static json_t *
vantage_to_json(const struct health_board *b, const struct health_entry *e)
{
	const struct health_opinion *o = &e->opinion;

	return json_pack("{s:s, s:b, s:s, s:s, s:s, s:s, s:o, s:s, s:b}", "vantage", e->key.vantage,
	    "live", e->is_live, "sight", vantage_sight_name(health_board_sight(b, e->key.vantage)),
	    "state", check_state_name(o->state), "class", check_class_name(o->class), "level",
	    check_level_name(o->level), "since", json_time(o->since_wall_s), "output", o->output,
	    "flapping", o->is_flapping);
}

json_t *
check_report_mute(const struct health_mute *m)
{
	if (m == NULL)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:o}", "until", json_time(m->until_wall_s), "since",
	    json_time(m->since_wall_s), "who", json_text(m->who), "why", json_text(m->why));
}

/* Whose words stand for all: of those who say what the verdict says, the first. */
static const struct health_entry *
speaker(const struct health_board *b, const char *name, const struct verdict *v)
{
	const struct health_entry *e, *first = NULL;

	for (size_t i = 0; (e = health_board_opinion(b, name, i)) != NULL; i++) {
		if (e->is_live && e->opinion.class == v->class)
			return e;
		if (first == NULL)
			first = e;
	}
	return first;
}

json_t *
check_report(const struct health_board *b, const char *name, const struct check_spec *s,
    const char *node, const struct opinion *own)
{
	const struct health_mute *mute =
	    health_board_mute_of(b, name, s != NULL ? s->pair : NULL, clock_wall_s());
	json_t *row, *vantages = json_array();
	const struct health_entry *said, *e;
	struct verdict v;
	bool is_known;

	health_board_verdict(b, name, node, own, &v);
	/* What the dead and the blind said last is among the vantages, and is nobody's verdict. */
	is_known = v.sighted > 0;
	said = is_known ? speaker(b, name, &v) : NULL;
	for (size_t i = 0; (e = health_board_opinion(b, name, i)) != NULL; i++)
		json_array_append_new(vantages, vantage_to_json(b, e));
	row = json_pack("{s:s, s:s?, s:s?, s:s?}", "name", name, "type",
	    s != NULL      ? s->type
	    : said != NULL ? said->opinion.type
			   : NULL,
	    "target",
	    s != NULL      ? s->target
	    : said != NULL ? said->opinion.target
			   : NULL,
	    "pair", s != NULL ? s->pair : NULL);
	json_object_update_new(row,
	    json_pack("{s:s?, s:s?, s:s, s:o, s:s?, s:s, s:b, s:o}", "state",
		is_known ? check_state_name(v.state) : NULL, "class",
		is_known ? check_class_name(v.class) : NULL, "level",
		check_level_name(is_known ? v.level : LEVEL_UNKNOWN), "since",
		json_time(v.since_ms / 1000), "output", said != NULL ? said->opinion.output : NULL,
		"verdict", v.text, "confirmed", v.is_confirmed, "bound_ms",
		s != NULL ? json_integer(debounce_bound_ms(&s->timing)) : json_null()));
	json_object_set_new(row, "muted", check_report_mute(mute));
	json_object_set_new(row, "vantages", vantages);
	return row;
}

json_t *
check_report_all(const struct health_board *b, const struct check_spec *specs, size_t count)
{
	json_t *list = json_array();
	const char *last = "";

	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, check_report(b, specs[i].name, &specs[i], NULL, NULL));
	for (size_t i = 0; i < health_board_count(b); i++) {
		const struct health_entry *e = health_board_at(b, i);

		/* Opinions on one check stand together. */
		if (e->key.kind != HEALTH_OPINION || !e->is_valid ||
		    strcmp(e->key.check, last) == 0)
			continue;
		last = e->key.check;
		if (check_spec_find(specs, count, last) == NULL)
			json_array_append_new(list, check_report(b, last, NULL, NULL, NULL));
	}
	return list;
}
