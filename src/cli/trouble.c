/* trouble.c: a list of problems, and where they come from. */
#include "cli/trouble.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "operate/fleet.h"
#include "cli/report.h"
#include "operate/view.h"

#define REJECTED_SHOWN 10 /* of a prefix full of noise the first are enough */

void
trouble_add(
    struct troubles *t, enum mark mark, const char *why, const char *todo, const char *fmt, ...)
{
	struct trouble *one;
	va_list ap;

	t->list = mem_grow(t->list, t->count + 1, sizeof(*t->list));
	one = &t->list[t->count++];
	one->mark = mark;
	one->why = mem_strdup(why != NULL ? why : "");
	one->todo = mem_strdup(todo != NULL ? todo : "");
	va_start(ap, fmt);
	one->what = mem_vprintf(fmt, ap);
	va_end(ap);
}

void
trouble_clear(struct troubles *t)
{
	for (size_t i = 0; i < t->count; i++) {
		free(t->list[i].what);
		free(t->list[i].why);
		free(t->list[i].todo);
	}
	free(t->list);
	memset(t, 0, sizeof(*t));
}

/* --- where they come from ---------------------------------------------------------------------- */

void
trouble_add_reported(struct troubles *t, const json_t *problems)
{
	const json_t *item;
	size_t i;

	json_array_foreach (problems, i, item) {
		bool is_critical =
		    strcmp(json_get_string(item, "severity", "critical"), "critical") == 0;

		trouble_add(t, is_critical ? MARK_CRITICAL : MARK_WARNING,
		    SHOWN_LONG(json_get_string(item, "why", "")),
		    SHOWN_LONG(json_get_string(item, "do", "")), "%s",
		    SHOWN_LONG(json_get_string(item, "what", "")));
	}
}

void
trouble_add_view(struct troubles *t, const struct view *v)
{
	const struct name_map *map = v->map;

	if (!v->has_canary)
		trouble_add(t, MARK_WARNING,
		    "without it a list of names that was cut short cannot "
		    "be told from a real one",
		    "pointsman init", "there is no canary");
	for (size_t i = 0; i < map->rejected_count && i < REJECTED_SHOWN; i++) {
		char *todo = mem_printf("pointsman set %s NODE", map->rejected[i].name);

		trouble_add(t, MARK_CRITICAL, "agents keep its last good value", todo,
		    "%s = %s: %s", map->rejected[i].name, map->rejected[i].value,
		    map->rejected[i].why);
		free(todo);
	}
	if (map->rejected_total > REJECTED_SHOWN)
		trouble_add(t, MARK_CRITICAL, NULL, "pointsman names",
		    "%zu more values are refused", map->rejected_total - REJECTED_SHOWN);
}

static void
add_agent(struct troubles *t, const struct fleet_agent *a, uint64_t generation)
{
	struct str trouble = STR_INIT;
	char *todo;

	if (a->guarded_digest[0] != '\0') {
		todo = mem_printf("pointsman accept %.19s", a->guarded_digest);
		trouble_add(t, MARK_CRITICAL, a->guarded_why, todo, "%s guards a map", a->node);
		free(todo);
		return;
	}
	fleet_agent_add_trouble(&trouble, a);
	todo = mem_printf("pointsman drift --agent %s", a->node);
	if (!a->is_alive)
		trouble_add(t, MARK_CRITICAL, "nobody knows what that host serves", todo,
		    "%s is not alive, it served %" PRIu64 " last", a->node, a->serves);
	else
		trouble_add(t, MARK_WARNING, str_text(&trouble), todo,
		    "%s serves %" PRIu64 " instead of %" PRIu64, a->node, a->serves, generation);
	free(todo);
	str_clear(&trouble);
}

void
trouble_add_fleet(
    struct troubles *t, const struct fleet *f, uint64_t generation, bool is_held, const char *skip)
{
	for (size_t i = 0; i < f->count; i++) {
		const struct fleet_agent *a = &f->agents[i];
		/* One that first started during the hold has nothing to keep. */
		bool is_well = is_held ? fleet_agent_sees(a, generation) && a->serves > 0
				       : fleet_agent_serves(a, generation);

		if (skip != NULL && strcmp(a->node, skip) == 0)
			continue;
		if (!is_well || a->guarded_digest[0] != '\0')
			add_agent(t, a, generation);
	}
}

/* --- output --------------------------------------------------------------------------------------- */

static int
compare(const void *a, const void *b)
{
	const struct trouble *x = a, *y = b;

	if (x->mark != y->mark)
		return x->mark > y->mark ? -1 : 1;
	return strcmp(x->what, y->what);
}

void
trouble_print(const struct cli *cli, struct troubles *t)
{
	if (t->count > 1)
		qsort(t->list, t->count, sizeof(*t->list), compare);
	for (size_t i = 0; i < t->count; i++) {
		const struct trouble *one = &t->list[i];

		out_marked(
		    cli, one->mark, "%s%s%s", one->what, one->why[0] != '\0' ? "; " : "", one->why);
		if (one->todo[0] != '\0')
			out_paragraph(cli, 5, one->todo);
	}
}

size_t
trouble_count(const struct troubles *t)
{
	size_t count = 0;

	for (size_t i = 0; i < t->count; i++)
		count += t->list[i].mark != MARK_NONE;
	return count;
}

json_t *
trouble_to_json(const struct troubles *t)
{
	json_t *list = json_array();

	for (size_t i = 0; i < t->count; i++) {
		const struct trouble *one = &t->list[i];

		if (one->mark == MARK_NONE)
			continue;
		json_array_append_new(list, json_pack("{s:s, s:o, s:o, s:o}", "severity",
						one->mark == MARK_CRITICAL ? "critical" : "warning",
						"what", json_text(one->what), "why",
						json_text(one->why), "do", json_text(one->todo)));
	}
	return list;
}
