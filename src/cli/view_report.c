/* view_report.c: a hold in the way, a name that is not there. */
#include "cli/view_report.h"

#include <stdlib.h>

#include "cli/client_report.h"
#include "cli/near.h"
#include "cli/report.h"

static enum exit_code
report_held(const struct cli *cli, const struct hold *h, const char *name)
{
	struct report r = { STR_INIT, STR_INIT, STR_INIT };
	char *words = hold_words(h);

	report_fact(&r, "%s is held %s", name != NULL ? name : "everything", words);
	report_why(&r, "agents would not serve the change before the release");
	report_do(&r, "pointsman release%s%s", name != NULL ? " " : "", name != NULL ? name : "");
	free(words);
	return report_send(&r, cli, EXIT_REFUSED);
}

enum exit_code
view_refuse_held(
    struct client *client, const struct cli *cli, const char *const *names, size_t count)
{
	struct hold_set holds = { 0 };
	const struct hold *hold;
	enum exit_code code = EXIT_DONE;
	struct err e;

	if (view_load_holds(&holds, client, &e) != 0)
		return client_report_err(client, cli, &e, "reading the holds");
	if (holds.is_everything)
		code = report_held(cli, &holds.everything, NULL);
	for (size_t i = 0; i < count && code == EXIT_DONE; i++) {
		if ((hold = hold_set_find(&holds, names[i])) != NULL)
			code = report_held(cli, hold, names[i]);
	}
	hold_set_clear(&holds);
	return code;
}

enum exit_code
view_report_unknown_name(
    const struct view *v, const struct cli *cli, const char *name, enum exit_code code)
{
	struct report r = { STR_INIT, STR_INIT, STR_INIT };
	struct near near;

	near_init(&near, name);
	for (size_t i = 0; i < v->map->count; i++)
		near_offer(&near, v->map->names[i].name);
	report_fact(&r, "there is no name %s", name);
	if (near.best != NULL)
		report_do(&r, "did you mean %s?", near.best);
	report_do(&r, "pointsman names    lists all of them");
	return report_send(&r, cli, code);
}
