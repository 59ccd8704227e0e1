/*
 * preflight_screen.c: what is wrong with its why and what to do. What could not be looked at is told by
 * its reason: a server that does not answer leaves a dozen questions open, and is one problem.
 */
#include "cli/preflight_screen.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "cli/cli.h"
#include "cli/wrap.h"

/* "  why  …", its other lines below the text. */
static void
print_indented(const struct cli *cli, const char *word, const char *text)
{
	char first[16];
	struct str out = STR_INIT;

	if (text[0] == '\0')
		return;
	snprintf(first, sizeof(first), "      %-4s ", word);
	wrap_add(&out, cli->width, first, "           ", text);
	out_text(str_text(&out));
	str_clear(&out);
}

void
preflight_print_level(const struct cli *cli, const struct preflight *p, enum preflight_level level)
{
	for (size_t i = 0; i < p->count; i++) {
		const struct preflight_finding *one = &p->list[i];

		if (one->level != level)
			continue;
		out_marked(cli,
		    level == PREFLIGHT_REFUSED   ? MARK_CRITICAL
		    : level == PREFLIGHT_WARNING ? MARK_WARNING
						 : MARK_OK,
		    "%s: %s", one->name, one->fact);
		print_indented(cli, "why", one->why);
		print_indented(cli, "do", one->todo);
	}
}

static bool
is_first_of_its_fact(const struct preflight *p, size_t at)
{
	for (size_t i = 0; i < at; i++) {
		if (p->list[i].level == PREFLIGHT_UNKNOWN &&
		    strcmp(p->list[i].fact, p->list[at].fact) == 0)
			return false;
	}
	return true;
}

void
preflight_print_unknown(const struct cli *cli, const struct preflight *p, enum mark m)
{
	for (size_t i = 0; i < p->count; i++) {
		struct str names = STR_INIT;

		if (p->list[i].level != PREFLIGHT_UNKNOWN || !is_first_of_its_fact(p, i))
			continue;
		for (size_t k = i; k < p->count; k++) {
			const struct preflight_finding *one = &p->list[k];

			if (one->level == PREFLIGHT_UNKNOWN &&
			    strcmp(one->fact, p->list[i].fact) == 0)
				str_addf(&names, "%s%s", names.len > 0 ? ", " : "", one->name);
		}
		out_marked(cli, m, "%s", p->list[i].fact);
		print_indented(cli, "of", str_text(&names));
		print_indented(cli, "why", p->list[i].why);
		print_indented(cli, "do", p->list[i].todo);
		str_clear(&names);
	}
}

json_t *
preflight_to_json(const struct preflight *p)
{
	json_t *list = json_array();

	for (size_t i = 0; i < p->count; i++) {
		const struct preflight_finding *one = &p->list[i];

		json_array_append_new(
		    list, json_pack("{s:s, s:b, s:s, s:o, s:o, s:o}", "name", one->name, "ok",
			      one->level == PREFLIGHT_OK, "level", preflight_level_name(one->level),
			      "fact", json_text(one->fact), "why", json_text(one->why), "do",
			      json_text(one->todo)));
	}
	return list;
}
