/*
 * cmd_accept.c: lets one map past the guard. The operator names the digest of the map that an agent
 * holds back and sees what it would take away; exactly that map is written by agents, and no other
 * that may have come meanwhile.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/ack.h"
#include "cli/ask.h"
#include "cli/bell.h"
#include "cli/cli.h"
#include "cli/client_report.h"
#include "cli/commands.h"
#include "cli/local.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/view_report.h"
#include "operate/fleet.h"

#define DIGEST_PREFIX "sha256:"
#define PREFIX_MIN 4     /* digits: fewer are a slip */
#define CHANGES_SHOWN 20 /* of what goes and moves; a screen has 24 lines */

struct accepting {
	struct cli *cli;
	struct client client;
	struct view view;
	struct fleet fleet;
	const struct fleet_agent *agent; /* one that guards the map */
};

static bool
matches(const char *digest, const char *wanted)
{
	size_t skip = strlen(DIGEST_PREFIX);

	if (strncmp(wanted, DIGEST_PREFIX, skip) == 0)
		wanted += skip;
	return strncmp(digest, DIGEST_PREFIX, skip) == 0 && strlen(wanted) >= PREFIX_MIN &&
	       strncmp(digest + skip, wanted, strlen(wanted)) == 0;
}

static enum exit_code
refuse_unknown(const struct accepting *a, const char *wanted)
{
	struct report r = { STR_INIT, STR_INIT, STR_INIT };
	size_t offered = 0;

	report_fact(&r, "no agent holds back a map %s", SHOWN(wanted));
	report_why(&r, "only a map that somebody can look at before is accepted");
	for (size_t i = 0; i < a->fleet.count; i++) {
		const struct fleet_agent *one = &a->fleet.agents[i];

		if (one->guarded_digest[0] == '\0')
			continue;
		report_do(&r, "pointsman accept %.19s    held back by %s: %s", one->guarded_digest,
		    one->node, one->guarded_why);
		offered++;
	}
	if (offered == 0)
		report_do(&r, "nothing: no agent holds back anything");
	return report_send(&r, a->cli, EXIT_REFUSED);
}

static enum exit_code
find_digest(struct accepting *a, const char *wanted)
{
	struct report r = { STR_INIT, STR_INIT, STR_INIT };

	for (size_t i = 0; i < a->fleet.count; i++) {
		const struct fleet_agent *one = &a->fleet.agents[i];

		if (!matches(one->guarded_digest, wanted))
			continue;
		if (a->agent == NULL) {
			a->agent = one;
		} else if (strcmp(a->agent->guarded_digest, one->guarded_digest) != 0) {
			report_fact(&r, "%s stands for more than one map", SHOWN(wanted));
			report_why(&r, "%s of %s", a->agent->guarded_digest, a->agent->node);
			report_why(&r, "%s of %s", one->guarded_digest, one->node);
			report_do(&r, "give more digits");
			return report_send(&r, a->cli, EXIT_REFUSED);
		}
	}
	return a->agent != NULL ? EXIT_DONE : refuse_unknown(a, wanted);
}

/* --- what it would do --------------------------------------------------------------------------- */

/* A member of removed is a name, one of moved an object with where from, where to and addresses. */
static void
print_change(const struct cli *cli, const char *sign, const json_t *item)
{
	const char *name =
	    json_is_string(item) ? json_string_value(item) : json_get_string(item, "name", "?");
	const json_t *address, *addresses = json_object_get(item, "addresses");
	struct str line = STR_INIT;
	size_t i;

	str_addf(&line, "%s %s", sign, SHOWN(name));
	if (json_is_object(item))
		str_addf(&line, "  %s -> %s ", SHOWN(json_get_string(item, "from", "(new)")),
		    SHOWN(json_get_string(item, "to", "?")));
	json_array_foreach (addresses, i, address)
		str_addf(&line, " %s",
		    SHOWN(json_is_string(address) ? json_string_value(address) : "?"));
	out_marked(cli, MARK_NONE, "%s", str_text(&line));
	str_clear(&line);
}

static void
print_changes(const struct cli *cli, const char *title, const char *sign, const json_t *list)
{
	size_t count = json_array_size(list);

	if (count == 0)
		return;
	out_line(cli, "%s %zu:", title, count);
	for (size_t i = 0; i < count && i < CHANGES_SHOWN; i++)
		print_change(cli, sign, json_array_get(list, i));
	if (count > CHANGES_SHOWN)
		out_line(cli, "  ... and %zu more", count - CHANGES_SHOWN);
}

static void
print_map(const struct accepting *a)
{
	const json_t *guarded = json_object_get(a->agent->record, "guarded");
	size_t n = 0;

	for (size_t i = 0; i < a->fleet.count; i++)
		n += strcmp(a->fleet.agents[i].guarded_digest, a->agent->guarded_digest) == 0;
	out_line(a->cli, "%s", a->agent->guarded_digest);
	out_line(a->cli, "held back by %s%s, %zu of %zu agents:", a->agent->node,
	    n > 1 ? " and others" : "", n, a->fleet.count);
	out_marked(a->cli, MARK_WARNING, "%s", a->agent->guarded_why);
	print_changes(a->cli, "goes", "-", json_object_get(guarded, "removed"));
	print_changes(a->cli, "moves", ">", json_object_get(guarded, "moved"));
}

/* --- the command --------------------------------------------------------------------------------- */

static enum exit_code
write_and_wait(struct accepting *a)
{
	char *what = mem_printf("%.19s is accepted", a->agent->guarded_digest);
	char *digest = mem_strdup(a->agent->guarded_digest);
	struct ack ack = {
		.kind = ACK_SERVED,
		.started_us = clock_mono_us(),
		.limit_ms = option_duration_ms(a->cli, "timeout", ACK_LIMIT_MS),
		.changed = what,
		.undo = "set the names again (pointsman set); the map before is in the backups",
	};
	struct write_result w;
	json_t *acknowledged = NULL;
	enum exit_code code;

	bell_write(&a->client, &a->view, NULL, digest, &w);
	if ((code = client_report_write(&a->client, a->cli, &w, what)) == EXIT_DONE) {
		ack.generation = w.index;
		if (!a->cli->is_json)
			out_line(a->cli, "%s", what);
		code = ack_wait(a->cli, &a->client, &ack, &acknowledged);
		if (acknowledged != NULL)
			out_json(json_pack(
			    "{s:s, s:o}", "accepted", digest, "acknowledged", acknowledged));
	}
	free(digest);
	free(what);
	return code;
}

/* The map that `pointsman status` has just told of on this host is known here, too. */
static void
hear_local(struct accepting *a)
{
	json_t *status = local_fetch(&a->client, "/v1/status", NULL);

	fleet_hear_guarded(&a->fleet, status);
	json_decref(status);
}

static enum exit_code
accept_map(struct accepting *a, const char *wanted)
{
	struct err e;
	enum exit_code code;

	if (view_load(&a->view, &a->client, &e) != 0)
		return client_report_err(&a->client, a->cli, &e, "reading the names");
	if (fleet_load(&a->fleet, &a->client, &e) != 0)
		return client_report_err(&a->client, a->cli, &e, "reading the agents");
	hear_local(a);
	if ((code = find_digest(a, wanted)) != EXIT_DONE ||
	    (code = view_refuse_held(&a->client, a->cli, NULL, 0)) != EXIT_DONE)
		return code;
	if (!a->cli->is_json)
		print_map(a);
	if ((code = ask_to_type(a->cli, "accept", "to let agents serve it")) != EXIT_DONE)
		return code;
	return write_and_wait(a);
}

static enum exit_code
run_accept(struct cli *cli, int argc, char **argv)
{
	struct accepting a = { .cli = cli };
	enum exit_code code;

	(void)argc;
	if ((code = client_open(&a.client, cli)) == EXIT_DONE)
		code = accept_map(&a, argv[0]);
	fleet_clear(&a.fleet);
	view_clear(&a.view);
	client_close(&a.client);
	return code;
}

const struct command cmd_accept = {
	.name = "accept",
	.usage = "DIGEST [--yes] [--timeout 10s]",
	.help = "lets agents serve a map that their guard holds back",
	.about = "An agent whose names would shrink or move too much at once keeps what it serves and "
		 "reports the map as guarded. This shows what that map would take away, asks, and "
		 "lets agents serve exactly it. The first digits of the digest are enough.",
	.options = {
		{ "yes", '\0', OPTION_FLAG, NULL, "do not ask" },
		{ "timeout", '\0', OPTION_DURATION, "TIME", "how long to wait for the agents (10s)" },
	},
	.min_args = 1,
	.max_args = 1,
	.words = { WORD_DIGEST },
	.run = run_accept,
};
