/* pair_report.c: finds it, or says which there are. */
#include "cli/pair_report.h"

#include "cli/cli.h"
#include "cli/near.h"
#include "cli/report.h"
#include "feature/pair_role.h"

const struct config_pair *
pair_report_find(const struct cli *cli, const struct config *c, const char *name)
{
	const struct config_pair *pair = pair_find(c, name);
	struct report r = { STR_INIT, STR_INIT, STR_INIT };
	struct near near;

	if (pair != NULL)
		return pair;
	near_init(&near, name);
	for (size_t i = 0; i < c->pair_count; i++)
		near_offer(&near, c->pairs[i].name);
	report_fact(&r, "there is no pair %s", SHOWN(name));
	report_why(&r, "it is in no pair block of %s",
	    c->path != NULL ? SHOWN(c->path) : "any configuration");
	if (near.best != NULL)
		report_do(&r, "pointsman %s %s", cli->command->name, near.best);
	report_do(&r, "all that there are: pointsman pairs");
	report_send(&r, cli, EXIT_USAGE);
	return NULL;
}
