/*
 * client_report.c: what an operator can do about each kind of error of the KV at 3 a.m. The error's text
 * says what happened; these tables say why it matters and what to type. Consul and a file fail in
 * different ways, so each has its own.
 */
#include "cli/client_report.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/report.h"
#include "operate/client.h"

#define AGENTS_GO_ON "agents go on serving what they have"

struct advice {
	enum err_code err;
	enum exit_code exit;
	const char *why, *todo; /* NULL: there is nothing to say */
};

static const struct advice for_consul[] = {
	{ ERR_UNREACHABLE, EXIT_UNREACHABLE,
	    "without Consul nothing can be read or changed; " AGENTS_GO_ON,
	    "systemctl status consul; its address is consul.address or CONSUL_HTTP_ADDR" },
	{ ERR_TIMEOUT, EXIT_UNREACHABLE,
	    "somebody listens there but does not answer; " AGENTS_GO_ON,
	    "consul operator raft list-peers; then again" },
	{ ERR_UNAVAILABLE, EXIT_UNREACHABLE,
	    "Consul answers, but has no leader or refuses work; " AGENTS_GO_ON,
	    "consul operator raft list-peers; then again" },
	{ ERR_PROTOCOL, EXIT_UNREACHABLE, "what answered there does not speak like Consul",
	    "check consul.address and CONSUL_HTTP_ADDR: pointsman config check" },
	{ ERR_LIMIT, EXIT_UNREACHABLE, "so much cannot be a list of names; " AGENTS_GO_ON,
	    "look what was written there: consul kv get -keys PREFIX" },
	{ ERR_DENIED, EXIT_REFUSED, "Consul, or TLS on the way to it, does not let us",
	    "a token that may: consul.token-file or CONSUL_HTTP_TOKEN; for TLS: consul.ca-file, or "
	    "http:// where none is spoken" },
};

static const struct advice for_file[] = {
	{ ERR_NOT_FOUND, EXIT_UNREACHABLE, "the file of the KV cannot be made there",
	    "make its directory; the file is consul.address" },
	{ ERR_IO, EXIT_UNREACHABLE, "the file of the KV cannot be used; " AGENTS_GO_ON,
	    "mend it, or name another one: it is consul.address" },
	{ ERR_PROTOCOL, EXIT_UNREACHABLE,
	    "the file of the KV is damaged, or was edited into something else; " AGENTS_GO_ON,
	    "mend the place that is named, or put a copy back" },
	{ ERR_DENIED, EXIT_REFUSED, "the file of the KV, or its directory, is not ours to use",
	    "sudo, or mend its rights; it is consul.address" },
	{ ERR_TIMEOUT, EXIT_UNREACHABLE, "somebody holds the lock of the KV's file",
	    "fuser FILE.lock tells who" },
};

static const struct advice for_both[] = {
	{ ERR_CONFLICT, EXIT_REFUSED, "somebody else changed it at the same moment",
	    "look again, then decide: pointsman names" },
	{ ERR_CONFIG, EXIT_USAGE, NULL, "pointsman config check" },
	{ ERR_UNKNOWN, EXIT_NEEDS_YOU, "the write may or may not have happened",
	    "look what is there now: pointsman names" },
};

static const struct advice *
find(const struct advice *table, size_t count, enum err_code code)
{
	for (size_t i = 0; i < count; i++) {
		if (table[i].err == code)
			return &table[i];
	}
	return NULL;
}

/* The row for this kind of error, one without words when there is none. */
static const struct advice *
advice_for(const struct client *client, enum err_code code)
{
	static const struct advice none = { ERR_NONE, EXIT_PROBLEM, NULL, NULL };
	const struct advice *a;

	if (client->kv != NULL && kv_is_file(client->kv))
		a = find(for_file, MEM_COUNT(for_file), code);
	else
		a = find(for_consul, MEM_COUNT(for_consul), code);
	if (a == NULL)
		a = find(for_both, MEM_COUNT(for_both), code);
	return a != NULL ? a : &none;
}

const char *
client_advise(const struct client *client, const struct err *e)
{
	return advice_for(client, e->code)->todo;
}

enum exit_code
client_report_err(
    const struct client *client, const struct cli *cli, const struct err *e, const char *what)
{
	const struct advice *a = advice_for(client, e->code);
	struct report r = { STR_INIT, STR_INIT, STR_INIT };

	if (e->code == ERR_CANCELED) {
		report_fact(&r, "stopped while %s; nothing was changed", what);
		return report_send(&r, cli, EXIT_STOPPED);
	}
	report_fact(&r, "%s: %s", what, e->text);
	if (a->why != NULL)
		report_why(&r, "%s", a->why);
	if (a->todo != NULL)
		report_do(&r, "%s", a->todo);
	return report_send(&r, cli, a->exit);
}

/* --- opening ------------------------------------------------------------------------------------- */

enum exit_code
client_load_config(const struct cli *cli, struct config **out)
{
	struct report r = { STR_INIT, STR_INIT, STR_INIT };
	struct str problems = STR_INIT;
	struct err e;
	const char *line;

	if ((*out = config_load(cli->config_path, &problems, &e)) != NULL) {
		str_clear(&problems);
		return EXIT_DONE;
	}
	report_fact(&r, "the configuration is wrong: %s", e.text);
	for (line = str_text(&problems); *line != '\0';) {
		size_t len = strcspn(line, "\n");

		report_why(&r, "%.*s", (int)len, line);
		line += len + (line[len] == '\n');
	}
	str_clear(&problems);
	report_do(&r, "mend the file, then: pointsman config check");
	return report_send(&r, cli, EXIT_USAGE);
}

enum exit_code
client_open(struct client *client, const struct cli *cli)
{
	struct config *config;
	enum exit_code code;
	struct err e;

	memset(client, 0, sizeof(*client));
	if ((code = client_load_config(cli, &config)) != EXIT_DONE)
		return code;
	return client_connect(client, config, &e) == 0
		   ? EXIT_DONE
		   : client_report_err(client, cli, &e, "opening the KV");
}

int
client_open_quietly(struct client *client, const struct cli *cli)
{
	struct str problems = STR_INIT;
	struct config *config = config_load(cli->config_path, &problems, NULL);

	memset(client, 0, sizeof(*client));
	str_clear(&problems);
	return config != NULL ? client_connect(client, config, NULL) : -1;
}

/* --- writes -------------------------------------------------------------------------------------- */

enum exit_code
client_report_write(const struct client *client, const struct cli *cli,
    const struct write_result *w, const char *what)
{
	struct report r = { STR_INIT, STR_INIT, STR_INIT };

	switch (w->state) {
	case WRITE_DONE:
		return EXIT_DONE;
	case WRITE_CONFLICT:
		report_fact(&r, "%s: not written, somebody else changed it at this moment", what);
		report_why(&r, "two people may be at work on the same thing");
		report_do(&r, "look what is there now, then again: pointsman names");
		return report_send(&r, cli, EXIT_REFUSED);
	case WRITE_NOT_DONE:
		if (w->err.code != ERR_UNKNOWN)
			return client_report_err(client, cli, &w->err, what);
		report_fact(&r, "%s: not committed: %s", what, w->err.text);
		report_why(&r, "it was read back from the leader, and everything is as it was");
		report_do(&r, "the same command again");
		return report_send(&r, cli, EXIT_UNREACHABLE);
	case WRITE_UNKNOWN:
	default:
		report_fact(
		    &r, "%s: it is not known whether this was written: %s", what, w->err.text);
		report_why(&r, "Consul took the write and never answered, nor can it be read now");
		report_do(&r, "as soon as it answers, look before you repeat it: pointsman names");
		return report_send(&r, cli, EXIT_NEEDS_YOU);
	}
}
