/* check_rows.c: see check_rows.h. */
#include "cli/check_rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/report.h"
#include "cli/trouble.h"
#include "model/debounce.h"

/* A bound is never told shorter than it is. */
static int64_t
whole_seconds_ms(int64_t ms)
{
	return (ms + 999) / 1000 * 1000;
}

void
check_timing_words(struct str *out, const struct debounce_config *t)
{
	char every[32], window[32], bound[32];

	str_addf(out, "every %s; failing after %d bad in %s, %s at most",
	    str_duration(every, sizeof(every), t->interval_ms), t->failures,
	    str_duration(window, sizeof(window), t->window_ms),
	    str_duration(bound, sizeof(bound), whole_seconds_ms(debounce_bound_ms(t))));
	if (t->refused_window_ms != 0)
		str_addf(out, " (%s if refused)",
		    str_duration(
			bound, sizeof(bound), whole_seconds_ms(debounce_bound_refused_ms(t))));
}

static bool
says(const json_t *row, const char *key, const char *word)
{
	return strcmp(json_get_string(row, key, ""), word) == 0;
}

bool
check_row_is_failing(const json_t *row)
{
	return says(row, "state", "failing") || says(row, "state", "recovering");
}

bool
check_row_is_muted(const json_t *row)
{
	return json_is_object(json_object_get(row, "muted"));
}

enum mark
check_row_mark(const json_t *row)
{
	if (check_row_is_failing(row))
		return says(row, "level", "critical") ? MARK_CRITICAL : MARK_WARNING;
	return says(row, "state", "passing") ? MARK_OK : MARK_WARNING;
}

const char *
check_row_age(char *out, size_t size, const json_t *row)
{
	int64_t since_s, age_s;

	if (clock_iso_parse(json_get_string(row, "since", ""), &since_s) != 0)
		return "-";
	age_s = clock_wall_s() - since_s;
	return str_duration(out, size, (age_s > 0 ? age_s : 0) * 1000);
}

const json_t *
check_rows_worst(const json_t *rows, const char *pair)
{
	const json_t *row, *worst = NULL;
	size_t i;

	json_array_foreach (rows, i, row) {
		if (says(row, "pair", pair) &&
		    (worst == NULL || check_row_mark(row) > check_row_mark(worst)))
			worst = row;
	}
	return worst;
}

bool
check_rows_are_well(const json_t *rows)
{
	const json_t *row;
	size_t i;

	json_array_foreach (rows, i, row) {
		if (check_row_is_failing(row) && !check_row_is_muted(row))
			return false;
	}
	return true;
}

static void
add_trouble(struct troubles *t, const json_t *row)
{
	const json_t *mute = json_object_get(row, "muted");
	const char *name = SHOWN(json_get_string(row, "name", "?"));
	char age[32];
	char *todo;

	check_row_age(age, sizeof(age), row);
	if (check_row_is_muted(row)) {
		trouble_add(t, MARK_NONE, SHOWN(json_get_string(mute, "why", "")), NULL,
		    "%s is failing, muted until %s by %s", name,
		    SHOWN(json_get_string(mute, "until", "?")),
		    SHOWN(json_get_string(mute, "who", "?")));
		return;
	}
	todo = mem_printf("pointsman check %s --explain", name);
	trouble_add(t, check_row_mark(row), SHOWN_LONG(json_get_string(row, "output", "")), todo,
	    "%s is %s for %s, says %s", name, json_get_string(row, "state", "?"), age,
	    SHOWN(json_get_string(row, "verdict", "?")));
	free(todo);
}

void
check_rows_add_troubles(struct troubles *t, const json_t *rows)
{
	const json_t *row;
	size_t i;

	json_array_foreach (rows, i, row) {
		if (check_row_is_failing(row))
			add_trouble(t, row);
	}
}
