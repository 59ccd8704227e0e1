/*
 * cmd_init.c: writes the canary, and finds out whether everything that pointsman will want from the
 * KV is allowed. Each check changes nothing: rights to write are tried with a check-and-set that no
 * key can pass, which the ACL judges before the condition does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/client_report.h"
#include "operate/view.h"

struct finding {
	const char *what;
	bool is_ok;
	bool is_needed; /* a warning only, else */
	char text[ERR_TEXT_MAX];
};

#define FINDINGS_MAX 8

struct findings {
	struct finding list[FINDINGS_MAX];
	size_t count;
};

static void add_finding(struct findings *f, const char *what, bool is_ok, bool is_needed,
    const char *fmt, ...) __attribute__((format(printf, 5, 6)));

static void
add_finding(struct findings *f, const char *what, bool is_ok, bool is_needed, const char *fmt, ...)
{
	struct finding *one = &f->list[f->count++];
	va_list ap;

	one->what = what;
	one->is_ok = is_ok;
	one->is_needed = is_needed;
	va_start(ap, fmt);
	vsnprintf(one->text, sizeof(one->text), fmt, ap);
	va_end(ap);
}

/* --- the checks ------------------------------------------------------------------------------- */

/* No key ever has the largest index: the condition fails after the right to write was found. */
static void
check_write(struct findings *f, struct client *client, const char *tail, const char *what,
    const char *what_for)
{
	char *key = config_key(client->config, tail);
	struct kv_op op = { .kind = KV_OP_CAS, .key = key, .value = "", .index = INT64_MAX };
	struct err e;
	int applied = kv_wait_put_if(&client->wait, &op, &e);

	if (applied < 0)
		add_finding(f, what, false, true, "%s: %s", what_for, e.text);
	else
		add_finding(f, what, true, true, "%s may be written", tail);
	free(key);
}

static void
check_session(struct findings *f, struct client *client)
{
	struct kv_session_spec spec = { .name = "pointsman init", .ttl_ms = 10000 };
	char session[KV_SESSION_SIZE];
	struct err e;

	if (kv_wait_session_create(&client->wait, &spec, session, &e) != 0) {
		add_finding(
		    f, "session", false, true, "agents could not show that they live: %s", e.text);
		return;
	}
	kv_wait_session_destroy(&client->wait, session, NULL);
	add_finding(f, "session", true, true, "sessions may be made");
}

static void
check_catalog(struct findings *f, const struct client *client, const struct view *v)
{
	if (kv_is_file(client->kv))
		add_finding(f, "nodes", true, false, "%zu of %snodes/", v->map->nodes->count,
		    client->config->consul.root);
	else if (v->catalog.count == 0)
		add_finding(f, "nodes", false, true,
		    "the catalog shows none: the token may lack "
		    "node:read");
	else
		add_finding(f, "nodes", true, true, "%zu in the catalog", v->catalog.count);
}

static void
check_canary(struct findings *f, const struct view *v, bool is_new)
{
	if (!v->has_canary)
		add_finding(f, "canary", false, true,
		    "written, but it cannot be read back: the "
		    "token may lack key:read");
	else if (!v->is_canary_valid)
		add_finding(f, "canary", false, false,
		    "there, but not as pointsman writes it: it "
		    "works, and `pointsman hold` mends it");
	else
		add_finding(f, "canary", true, true, "%s, cluster %s",
		    is_new ? "written" : "was there already", v->canary.cluster);
}

/* --- writing the canary ------------------------------------------------------------------------- */

static enum exit_code
write_canary(const struct cli *cli, struct client *client)
{
	char *key = config_name_key(client->config, CANARY_NAME);
	struct str text = STR_INIT;
	struct canary c;
	struct write_result w;
	enum exit_code code;

	canary_new(&c, clock_wall_ms());
	canary_add_text(&text, &c);
	struct kv_op op = {
		.kind = KV_OP_CAS, .key = key, .value = text.data, .value_len = text.len
	};
	client_write(client, &op, 1, &w);
	/* Somebody else was first: it is there, which is what was wanted. */
	code = w.state == WRITE_CONFLICT
		   ? EXIT_DONE
		   : client_report_write(client, cli, &w, "writing the canary");
	str_clear(&text);
	free(key);
	return code;
}

/* --- output --------------------------------------------------------------------------------------- */

static void
print_next_steps(const struct cli *cli, const struct client *client, const struct view *v)
{
	const char *cluster_key = v->map->count == 0 ? "maindb" : v->map->names[0].name;

	out_blank();
	out_line(cli, "Next:");
	if (v->map->nodes->count == 0)
		out_line(cli, "  a node         %s",
		    kv_is_file(client->kv) ? "pointsman nodes NODE ADDRESS" : "join it to Consul");
	if (v->map->count == 0)
		out_line(cli, "  a name         pointsman set maindb NODE");
	out_line(cli, "  on each host   systemctl enable --now pointsmand");
	out_line(cli, "  look           pointsman status; dig @127.0.0.1 %s.%s +short", cluster_key,
	    client->config->agent.domain);
}

static enum exit_code
print(const struct cli *cli, const struct client *client, const struct findings *f,
    const struct view *v, bool is_new)
{
	json_t *list = json_array();
	enum exit_code code = EXIT_DONE;

	for (size_t i = 0; i < f->count; i++) {
		const struct finding *one = &f->list[i];

		if (!one->is_ok)
			code = EXIT_PROBLEM;
		json_array_append_new(list, json_pack("{s:s, s:b, s:o}", "name", one->what, "ok",
						one->is_ok, "fact", json_text(one->text)));
		if (!cli->is_json)
			out_marked(cli,
			    one->is_ok       ? MARK_OK
			    : one->is_needed ? MARK_CRITICAL
					     : MARK_WARNING,
			    "%-8s %s", one->what, one->text);
	}
	if (cli->is_json) {
		out_json(json_pack("{s:s, s:b, s:o}", "cluster", v->canary.cluster, "created",
		    is_new, "checks", list));
		return code;
	}
	json_decref(list);
	if (code == EXIT_DONE)
		print_next_steps(cli, client, v);
	return code;
}

static enum exit_code
init(struct cli *cli, struct client *client, struct view *v)
{
	struct findings f = { .count = 0 };
	struct err e;
	enum exit_code code;
	bool is_new;

	/* A consistent read: it is answered only by a leader that a quorum knows. */
	if (view_load(v, client, &e) != 0)
		return client_report_err(client, cli, &e, "reading the KV");
	add_finding(&f, "kv", true, true, "%s answers%s", SHOWN(kv_address(client->kv)),
	    kv_is_file(client->kv) ? "" : " and has a leader");
	is_new = !v->has_canary;
	if (is_new) {
		if ((code = write_canary(cli, client)) != EXIT_DONE)
			return code;
		view_clear(v);
		if (view_load(v, client, &e) != 0)
			return client_report_err(client, cli, &e, "reading the KV back");
	}
	check_canary(&f, v, is_new);
	check_catalog(&f, client, v);
	check_write(&f, client, "hold", "hold", "nothing could be held");
	check_write(&f, client, "agents/.probe", "agents", "agents could not tell what they serve");
	check_session(&f, client);
	return print(cli, client, &f, v, is_new);
}

static enum exit_code
run_init(struct cli *cli, int argc, char **argv)
{
	struct view v = { 0 };
	struct client client;
	enum exit_code code;

	(void)argc;
	(void)argv;
	if ((code = client_open(&client, cli)) == EXIT_DONE)
		code = init(cli, &client, &v);
	view_clear(&v);
	client_close(&client);
	return code;
}

const struct command cmd_init = {
	.name = "init",
	.usage = "",
	.help = "writes the canary and checks the rights",
	.about =
	    "Writes the canary: the key .pointsman beside the names, without which agents do not "
	    "believe a list of names, since it was filtered, wiped or cut short. Also checks "
	    "that the KV can be reached, has a leader, and that the token may do what pointsman "
	    "needs. Where everything is there already it only says so.",
	.run = run_init,
};
