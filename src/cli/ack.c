/*
 * ack.c: follows agents/ by blocking reads. Who has to answer is decided anew at each look: an agent
 * that dies meanwhile is no longer waited for (and named), one that starts is.
 *
 * Nobody at all to wait for is no failure of the change while no agent was ever started here, and a
 * problem when there were some: then nobody serves names, which is worth an exit code.
 */
#include "cli/ack.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/str.h"
#include "cli/cli.h"
#include "operate/fleet.h"
#include "operate/interrupt.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/client_report.h"

#define LOOK_MS 1000 /* a read blocks for so long at most, so that the progress is drawn */

static const struct {
	const char *word; /* "served by 3 of 3 agents" */
	fleet_agent_fn *does;
} kinds[] = {
	[ACK_SERVED] = { "served by", fleet_agent_serves },
	[ACK_SEEN] = { "known to", fleet_agent_sees },
};

static size_t
count_done(const struct fleet *f, const struct ack *ack)
{
	return fleet_count(f, kinds[ack->kind].does, ack->generation);
}

/* One look: 1 all serve it, 0 not yet, -1 could not be read. */
static int
look(struct client *client, struct fleet *f, const struct ack *ack, int64_t wait_ms, struct err *e)
{
	int rc = f->index == 0 ? fleet_load(f, client, e) : fleet_wait(f, client, wait_ms, e);

	if (rc != 0)
		return -1;
	return count_done(f, ack) == f->alive;
}

static void
draw(const struct cli *cli, const struct fleet *f, const struct ack *ack)
{
	int64_t gone_us = clock_mono_us() - ack->started_us;

	progress_draw(cli, "  agents on %" PRIu64 "  %zu/%zu   %.1f s of %.0f s", ack->generation,
	    count_done(f, ack), f->alive, (double)gone_us / 1e6, (double)ack->limit_ms / 1e3);
}

/* Ends with all of them done, at the limit, or interrupted. -1: the KV could not be read at the end. */
static int
follow(const struct cli *cli, struct client *client, struct fleet *f, const struct ack *ack,
    struct err *e)
{
	int64_t end_ms = ack->started_us / 1000 + ack->limit_ms, left_ms;
	int rc = look(client, f, ack, 0, e);

	while (rc != 1 && !interrupt_is_pending(NULL) && (left_ms = end_ms - clock_mono_ms()) > 0) {
		draw(cli, f, ack);
		if (rc < 0 && client_sleep(client, left_ms < LOOK_MS ? left_ms : LOOK_MS) != 0)
			break;
		rc = look(client, f, ack, left_ms < LOOK_MS ? left_ms : LOOK_MS, e);
	}
	progress_clear(cli);
	return rc;
}

/* --- what came of it ------------------------------------------------------------------------------- */

static void
print_agents(const struct cli *cli, const struct fleet *f, const struct ack *ack)
{
	for (size_t i = 0; i < f->count; i++) {
		const struct fleet_agent *a = &f->agents[i];
		struct str trouble = STR_INIT;

		if (kinds[ack->kind].does(a, ack->generation))
			continue;
		fleet_agent_add_trouble(&trouble, a);
		out_marked(cli, a->is_alive ? MARK_CRITICAL : MARK_WARNING,
		    "%s serves %" PRIu64 "%s%s", a->node, a->serves, trouble.len > 0 ? ": " : "",
		    str_text(&trouble));
		str_clear(&trouble);
	}
}

static enum exit_code
print(const struct cli *cli, const struct fleet *f, const struct ack *ack, int64_t took_us)
{
	size_t done = count_done(f, ack);
	char took[32];

	str_duration(took, sizeof(took), took_us / 1000);
	if (f->count == 0) {
		out_line(cli, "no agent has ever been started here: nobody serves this yet");
		return EXIT_DONE;
	}
	if (f->alive == 0)
		out_marked(cli, MARK_CRITICAL, "no agent is alive: nobody serves this");
	else if (done == f->alive)
		out_line(
		    cli, "%s %zu of %zu agents in %s", kinds[ack->kind].word, done, f->alive, took);
	else
		out_marked(cli, MARK_CRITICAL, "%s %zu of %zu agents after %s",
		    kinds[ack->kind].word, done, f->alive, took);
	print_agents(cli, f, ack);
	return f->alive > 0 && done == f->alive ? EXIT_DONE : EXIT_PROBLEM;
}

static json_t *
to_json(const struct fleet *f, const struct ack *ack, int64_t took_us)
{
	json_t *stragglers = json_array(), *dead = json_array();

	for (size_t i = 0; i < f->count; i++) {
		const struct fleet_agent *a = &f->agents[i];
		struct str trouble = STR_INIT;

		if (kinds[ack->kind].does(a, ack->generation))
			continue;
		fleet_agent_add_trouble(&trouble, a);
		json_array_append_new(a->is_alive ? stragglers : dead,
		    json_pack("{s:s, s:I, s:s}", "node", a->node, "generation",
			(json_int_t)a->serves, "why", str_text(&trouble)));
		str_clear(&trouble);
	}
	return json_pack("{s:I, s:I, s:f, s:o, s:o}", "agents", (json_int_t)f->alive, "served",
	    (json_int_t)count_done(f, ack), "took_ms", (double)took_us / 1e3, "stragglers",
	    stragglers, "not_alive", dead);
}

static enum exit_code
report_interrupted(const struct cli *cli, const struct ack *ack)
{
	struct report r = { STR_INIT, STR_INIT, STR_INIT };

	report_fact(&r, "stopped waiting; %s IS changed", ack->changed);
	report_why(&r, "the agents follow it with or without you");
	report_do(&r, "pointsman status    shows how far they are");
	report_do(&r, "to take it back: %s", ack->undo);
	return report_send(&r, cli, EXIT_PROBLEM);
}

enum exit_code
ack_wait(const struct cli *cli, struct client *client, const struct ack *ack, json_t **json)
{
	struct fleet f = { 0 };
	struct err e;
	enum exit_code code;
	int rc = follow(cli, client, &f, ack, &e);
	int64_t took_us = clock_mono_us() - ack->started_us;

	if (interrupt_is_pending(NULL) && rc != 1) {
		code = report_interrupted(cli, ack);
	} else if (rc < 0) {
		code = client_report_err(
		    client, cli, &e, "it IS changed; asking whether the agents serve it");
	} else if (cli->is_json) {
		*json = to_json(&f, ack, took_us);
		code = f.count == 0 || (f.alive > 0 && rc == 1) ? EXIT_DONE : EXIT_PROBLEM;
	} else {
		code = print(cli, &f, ack, took_us);
	}
	fleet_clear(&f);
	return code;
}
