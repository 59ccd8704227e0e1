/* pair_report.c: finds it, or says which there are; and what a flip of its name alone means. */
#include "cli/pair_report.h"

#include "cli/cli.h"
#include "cli/client_report.h"
#include "cli/near.h"
#include "cli/output.h"
#include "cli/report.h"
#include "feature/pair_role.h"
#include "operate/client.h"
#include "operate/op_lock.h"

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

enum exit_code
pair_report_flip(struct client *client, const struct cli *cli, const char *name)
{
	const struct config_pair *pair = pair_find_led(client->config, name);
	struct report r = { STR_INIT, STR_INIT, STR_INIT };
	struct err e;
	int is_free;

	if (pair == NULL)
		return EXIT_DONE;
	if ((is_free = op_lock_is_free(client, pair->name, &e)) < 0)
		return client_report_err(client, cli, &e, "looking for operations of the pair");
	if (!is_free) {
		report_fact(&r, "somebody is at work on %s: %s", pair->name, SHOWN_LONG(e.text));
		report_why(&r, "an operation whose name is moved by others has to turn back");
		report_do(&r, "talk to them; how far it is: pointsman history");
		report_do(&r, "if it has died its lock ends by itself, within 30 s");
		return report_send(&r, cli, EXIT_REFUSED);
	}
	if (!cli->is_json) {
		out_marked(cli, MARK_WARNING,
		    "%s is the name of pair %s: it moves alone, its servers stay as they are", name,
		    pair->name);
		out_line(cli, "  to move both: pointsman failover %s", pair->name);
	}
	return EXIT_DONE;
}
