/*
 * cmd_watch_hook.c: the handler of `consul watch -type=keyprefix`, for hosts that want no daemon. What
 * the handler is given is one more answer of Consul, and believed no more than any other: feature/once.h
 * reads again what would take something away.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "cli/cli.h"
#include "cli/client_report.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/report.h"
#include "feature/once.h"
#include "io/consul_reader.h"

#define READ_SIZE 65536

/* Feeds standard input to the reader, to its end. */
static int
read_input(struct consul_reader *reader, struct err *e)
{
	static char buffer[READ_SIZE];
	size_t total = 0;
	ssize_t n;

	while ((n = read(STDIN_FILENO, buffer, sizeof(buffer))) > 0) {
		total += (size_t)n;
		if (total > KV_LIST_BODY_MAX)
			return err_set(
			    e, ERR_LIMIT, "standard input: more than %u bytes", KV_LIST_BODY_MAX);
		if (consul_reader_feed(reader, buffer, (size_t)n, e) != 0)
			return err_wrap(e, "standard input");
	}
	return n < 0 ? err_errno(e, "standard input") : 0;
}

static int
read_answer(const char *prefix, struct kv_answer *out, struct err *e)
{
	const char *index = getenv("CONSUL_INDEX");
	struct consul_reader *reader;
	int rc;

	if (index == NULL || str_parse_u64(index, &out->index) != 0)
		return err_set(e, ERR_USAGE, "CONSUL_INDEX is not set to a number");
	reader = consul_reader_new_keys(prefix, false);
	if ((rc = read_input(reader, e)) == 0 && (rc = consul_reader_end(reader, out, e)) != 0)
		err_wrap(e, "standard input");
	consul_reader_free(reader);
	return rc;
}

static enum exit_code
refuse_input(const struct cli *cli, const struct config *c, const struct err *e)
{
	struct report r = { STR_INIT, STR_INIT, STR_INIT };

	report_fact(&r, "%s", e->text);
	report_why(
	    &r, "this is the handler of a watch: it wants the keys as JSON, and CONSUL_INDEX");
	report_do(&r, "consul watch -type=keyprefix -prefix=%s pointsman watch-hook",
	    SHOWN(c->consul.names));
	return report_send(&r, cli, EXIT_USAGE);
}

/* Whoever watches sees why its handler did nothing: nobody else tells. */
static enum exit_code
refuse_local(const struct cli *cli, const struct err *e)
{
	struct report r = { STR_INIT, STR_INIT, STR_INIT };

	report_fact(&r, "%s", e->text);
	report_why(&r,
	    "no output was rendered: agent.state-dir has what was served last, for one at a time");
	report_do(&r, "a pointsmand on this host does the work of watch-hook: use one of them");
	report_do(&r, "pointsman config check");
	return report_send(&r, cli, EXIT_USAGE);
}

static enum exit_code
render(const struct cli *cli, struct client *client, struct kv_answer *answer)
{
	struct str report = STR_INIT;
	enum exit_code code = EXIT_DONE;
	struct err e;
	int rc = once_run(client->loop, client->config, answer, &report, &e);

	if (rc != 0)
		code = e.code == ERR_CONFLICT ? EXIT_PROBLEM
		       : e.code == ERR_CONFIG
			   ? refuse_local(cli, &e)
			   : client_report_err(client, cli, &e, "rendering the outputs");
	if (rc == 0 || code == EXIT_PROBLEM) {
		if (cli->is_json)
			out_json(json_pack("{s:b, s:o}", "ok", rc == 0, "outputs",
			    out_lines_to_json(str_text(&report))));
		else
			out_text(str_text(&report));
	}
	str_clear(&report);
	return code;
}

static enum exit_code
handle(const struct cli *cli, struct client *client)
{
	struct kv_answer answer = { 0 };
	enum exit_code code;
	struct err e;

	if (read_answer(client->config->consul.names, &answer, &e) == 0)
		code = render(cli, client, &answer);
	else
		code = refuse_input(cli, client->config, &e);
	kv_list_clear(&answer.list);
	return code;
}

static enum exit_code
run_watch_hook(struct cli *cli, int argc, char **argv)
{
	struct client client;
	enum exit_code code;

	(void)argc;
	(void)argv;
	if ((code = client_open(&client, cli)) == EXIT_DONE)
		code = handle(cli, &client);
	client_close(&client);
	return code;
}

const struct command cmd_watch_hook = {
	.name = "watch-hook",
	.usage = "",
	.help = "renders all outputs, as a handler of consul watch",
	.about =
	    "Renders, writes, notifies and proves every output once, as pointsmand does, from the "
	    "keys on standard input and CONSUL_INDEX: consul watch -type=keyprefix "
	    "-prefix=pointsman/names/ pointsman watch-hook. A handler that fails ends consul "
	    "watch: let its supervisor start it again.",
	.run = run_watch_hook,
};
